"""How children are started, and that they cannot outlive who started them."""

from __future__ import annotations

import ctypes
import errno
import os
import signal
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from appliance.recordings import children, launch
from tests.kit.waiting import children_of, eventually, is_alive

# A stand-in for the daemon: starts what its argv says on its main thread, tells the child's pid, waits.
PARENT = """
import os, signal, subprocess, sys
from appliance.recordings import children
argv = sys.argv[1:]
argv = children.foreign_command(argv) if argv[0] == "sleep" else children.own_command(argv[0], argv[1:])
process = children.start(argv, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
process.stderr.readline() if argv[1] == "-m" else None
print(process.pid, flush=True)
signal.pause()
"""


@pytest.mark.parametrize(
    "argv",
    [
        ["sleep", "1000"],
        ["appliance.recordings.synthetic", "--channel", "cam1", "--offset-us", "0", "--no-sound"],
        [
            "appliance.recordings.remux",
            "--dir",
            "/nowhere",
            "--part-s",
            "1",
            "--segment-s",
            "9",
            "--offset-us",
            "0",
        ],
    ],
)
async def test_kill_9_of_the_parent_takes_the_child_with_it(argv: list[str]) -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT, *argv], stdout=subprocess.PIPE)  # noqa: ASYNC220
    try:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        if argv[0] == "sleep":  # launch.py and stdbuf have become sleep
            await eventually(lambda: Path(f"/proc/{child}/comm").read_text() == "sleep\n", what="exec")
        assert is_alive(child) and children_of(parent.pid) == [child]
        assert os.getpgid(child) == child != os.getpgid(parent.pid)  # Ctrl-C does not reach it
    finally:
        parent.kill()
        parent.wait()
        assert parent.stdout is not None
        parent.stdout.close()
    await eventually(lambda: not is_alive(child), within_s=5, what="the child to die")


def refuse_capset() -> None:
    """In a child before exec: what SystemCallFilter=~@privileged of the unit does to capset."""
    libc = ctypes.CDLL(None)
    number_of_capset = {"x86_64": 126, "aarch64": 91}[os.uname().machine]
    refused = 0x00050000 | errno.EPERM  # SECCOMP_RET_ERRNO
    steps = ((0x20, 0, 0, 0), (0x15, 0, 1, number_of_capset), (0x06, 0, 0, refused), (0x06, 0, 0, 0x7FFF0000))
    program = b"".join(struct.pack("=HBBI", *step) for step in steps)
    code = ctypes.create_string_buffer(program, len(program))
    rules = struct.pack("@HP", len(steps), ctypes.addressof(code))
    assert libc.prctl(38, 1, 0, 0, 0) == 0  # PR_SET_NO_NEW_PRIVS
    assert libc.prctl(22, 2, rules, 0, 0) == 0  # PR_SET_SECCOMP, SECCOMP_MODE_FILTER


def test_a_foreign_program_starts_where_the_unit_refuses_capset() -> None:
    """`setpriv` did not: a camera's listener never opened on an installed box."""
    argv = children.foreign_command(["echo", "open"])
    run = subprocess.run(argv, preexec_fn=refuse_capset, capture_output=True, check=False)
    assert (run.stdout, run.stderr, run.returncode) == (b"open\n", b"", 0)


def test_a_program_that_cannot_be_started_says_why(tmp_path: Path) -> None:
    (tmp_path / "torn").write_bytes(b"\x7fELF")
    (tmp_path / "torn").chmod(0o755)
    argv = [sys.executable, "-I", "-S", launch.__file__, str(os.getpid()), str(tmp_path / "torn")]
    run = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert run.returncode == 1 and run.stderr == f"{tmp_path}/torn: Exec format error\n"


def test_a_missing_program_is_named() -> None:
    with pytest.raises(FileNotFoundError, match="no-such-program"):
        children.foreign_command(["no-such-program", "x"])


def test_status_lines_are_read_back_and_foreign_words_are_kept_short() -> None:
    assert children.heard(b'{"event":"segment","name":"a.mp4"}') == {"event": "segment", "name": "a.mp4"}
    assert children.heard(b"SRT says no\n") == {"event": "stderr", "line": "SRT says no"}
    assert children.heard(b"[1]")["event"] == "stderr" and children.heard(b'{"event":5}')["event"] == "stderr"
    assert len(children.heard(b"x" * 9999)["line"]) == 500
    assert children.heard(b"\xff\xfe")["event"] == "stderr"


def test_signalling_a_process_that_has_gone_is_no_error() -> None:
    process = children.start(["true"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    process.wait()
    children.signal_group(process, signal.SIGTERM)
    assert process.stderr is not None
    process.stderr.close()
