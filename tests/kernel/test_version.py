"""The running version, and the modules a command loads to find it."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version

from appliance.kernel.version import appliance_version


def test_the_version_is_that_of_the_installed_package() -> None:
    assert appliance_version() == version("appliance")


def test_a_command_does_not_load_the_web_server_to_know_its_version() -> None:
    code = "import sys, appliance.__main__; print([name for name in sys.modules if 'hypercorn' in name])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
