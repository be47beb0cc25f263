"""One daemon per state folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from appliance.ops.lock import LOCK, StateBusy, hold_state


def test_a_second_process_is_refused_with_the_first_ones_id(tmp_path: Path) -> None:
    state = tmp_path / "state"
    with hold_state(state), pytest.raises(StateBusy, match=rf"process {os.getpid()}"), hold_state(state):
        pass
    with hold_state(state):
        pass


def test_the_lock_ends_with_a_killed_process(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; from appliance.ops.lock import hold_state\n"
        "with hold_state(pathlib.Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == b"held\n"
        with pytest.raises(StateBusy), hold_state(tmp_path):
            pass
        holder.kill()
        holder.wait()
    with hold_state(tmp_path):
        assert (tmp_path / LOCK).read_text() == str(os.getpid())
