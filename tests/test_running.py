"""How a daemon ends, and its exit code. In a process of its own: the log and the collector are set for it."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import os, signal, sys
import trio
from appliance.kernel.fields import SettingsError
from appliance.ops.lock import StateBusy
from appliance.running import run_until_signal


async def daemon(settings, *, stop, loop, ready):
    await ready(None, None)
    if settings is not None:
        async with trio.open_nursery():
            raise settings
    os.kill(os.getpid(), signal.SIGTERM)
    await stop.wait()


async def ready(bound, store):
    print("up", file=sys.stderr)


ends = [None, StateBusy("in use"), ValueError("ours"), SettingsError(["a.b: wrong"])]
for end in ends:
    try:
        print(run_until_signal(end, ready, lambda: daemon), file=sys.stderr)
    except SettingsError as error:
        print(error.problems, file=sys.stderr)
"""


def test_an_end_has_its_exit_code_and_its_line_in_the_log() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=60, check=True
    )
    plain = [line for line in done.stderr.splitlines() if line[:1] in "0123[u"]
    assert plain == ["up", "0", "up", "1", "up", "1", "up", "['a.b: wrong']"]
    logged = done.stdout + done.stderr
    assert logged.count("in use") == 1 and logged.count("a mistake of ours") == 1
