"""The interpreter settings of a process, checked in a separate one."""

from __future__ import annotations

import subprocess
import sys

LOOK = """
import gc, sys
from appliance.kernel import interpreter
interpreter.configure()
assert not gc.isenabled()
kept = [[] for _ in range(1000)]
interpreter.freeze()
assert gc.isenabled() and gc.get_threshold() == interpreter.THRESHOLDS
assert gc.get_freeze_count() > 1000
assert not any(each is kept for each in gc.get_objects())
assert sys.getswitchinterval() < 0.001
"""


def test_objects_that_exist_at_the_start_are_never_collected_again() -> None:
    subprocess.run([sys.executable, "-c", LOOK], check=True, timeout=30)
