"""How children are started, and that they cannot outlive their parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from appliance.box.recorder import children
from tests.kit.waiting import children_of, eventually, is_alive

# Replaces the daemon: starts the command of its argv on its main thread, prints the child's pid, waits.
PARENT = """
import os, signal, subprocess, sys
from appliance.box.recorder import children
from appliance.box.recorder.input_url import SrtSource
argv = sys.argv[1:]
argv = children.own_command(argv[0], argv[1:])
process = children.start(argv, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
if argv[2].endswith("receiver"):
    settings = SrtSource("listener", "127.0.0.1", 0).settings_json()
    process.stdin.write(settings)
    process.stdin.close()
process.stderr.readline()
print(process.pid, flush=True)
signal.pause()
"""


@pytest.mark.parametrize(
    "argv",
    [
        ["appliance.box.recorder.srt.receiver"],
        ["appliance.box.recorder.synthetic.camera", "--channel", "cam1", "--offset-us", "0", "--no-sound"],
        [
            "appliance.box.recorder.remux",
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
        assert is_alive(child) and children_of(parent.pid) == [child]
        assert os.getpgid(child) == child != os.getpgid(parent.pid)  # Ctrl-C does not reach it
    finally:
        parent.kill()
        parent.wait()
        assert parent.stdout is not None
        parent.stdout.close()
    await eventually(lambda: not is_alive(child), what="the child to die")


def test_status_lines_are_read_back_and_other_lines_are_shortened() -> None:
    assert children.parse_status(b'{"event":"segment","name":"a.mp4"}') == {
        "event": "segment",
        "name": "a.mp4",
    }
    assert children.parse_status(b"SRT says no\n") == {"event": "stderr", "line": "SRT says no"}
    assert (
        children.parse_status(b"[1]")["event"] == "stderr"
        and children.parse_status(b'{"event":5}')["event"] == "stderr"
    )
    assert len(children.parse_status(b"x" * 9999)["line"]) == 500
    assert children.parse_status(b"\xff\xfe")["event"] == "stderr"


def test_signalling_a_process_that_has_gone_is_no_error() -> None:
    process = children.start(["true"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    process.wait()
    children.signal_group(process, signal.SIGTERM)
    assert process.stderr is not None
    process.stderr.close()
