"""One daemon per state folder, whose files belong to the service."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from appliance.ops.lock import LOCK, StateBusy, given_back, hold_state

SERVICE = 64_999  # a user id

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


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


@root_only
def test_roots_files_are_given_back_also_after_an_error(tmp_path: Path) -> None:
    os.chown(tmp_path, SERVICE, SERVICE)
    inner = tmp_path / "index"
    with pytest.raises(ValueError), given_back(tmp_path):
        inner.mkdir()
        (inner / "cam1").write_text("x")
        (tmp_path / "link").symlink_to("/etc/passwd")
        raise ValueError
    made = [inner, inner / "cam1", tmp_path / "link"]
    assert {(path.lstat().st_uid, path.lstat().st_gid) for path in made} == {(SERVICE, SERVICE)}
    assert os.stat("/etc/passwd").st_uid == 0, "a link is given back, not what it leads to"


@root_only
def test_a_folder_of_root_stays_as_it_is(tmp_path: Path) -> None:
    with given_back(tmp_path), given_back(tmp_path / "absent"):
        (tmp_path / "box.db").write_text("x")
    assert (tmp_path / "box.db").stat().st_uid == 0
