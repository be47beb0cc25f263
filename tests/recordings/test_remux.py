"""The remux process: bytes on stdin, files on disk, status lines on stderr."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from appliance.kernel.clock import boottime_us
from appliance.media.fmp4 import parse_init
from appliance.media.names import name_time_us
from appliance.recordings import children
from tests.kit.camera import burned_in, burned_so_far, make_footage
from tests.kit.waiting import eventually
from tests.media.test_ingest import transport

OFFSET_US = 1_700_000_000_000_000  # box time of these tests is nobody's wall clock
FOOTAGE = make_footage(frames=50, fps=Fraction(25), gop=25, b_frames=0)
STREAM = b"".join(data for _, data in transport(FOOTAGE, sound=True))


@contextmanager
def remux(directory: Path, *more: str) -> Iterator[subprocess.Popen[bytes]]:
    settings = [
        "--dir",
        str(directory),
        "--part-s",
        "0.2",
        "--segment-s",
        "60",
        "--offset-us",
        str(OFFSET_US),
    ]
    argv = children.own_command("appliance.recordings.remux", [*settings, *more])
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


def send(process: subprocess.Popen[bytes], data: bytes) -> None:
    assert process.stdin is not None
    process.stdin.write(data)
    process.stdin.flush()


def said(process: subprocess.Popen[bytes]) -> list[dict[str, Any]]:
    """Every status line, after the process has ended."""
    assert process.stderr is not None
    lines = process.stderr.read().splitlines()
    assert process.wait(10) == 0, lines
    return [json.loads(line) for line in lines]


def closed(directory: Path) -> bool:
    """Does every file hold its duration?"""
    return all(parse_init(path.read_bytes()).duration > 0 for path in directory.iterdir())


def recorded(directory: Path) -> list[int | None]:
    return [b.frame if b else None for path in sorted(directory.iterdir()) for b in burned_in(path)]


def test_the_end_of_the_stream_ends_the_run_with_every_frame_on_disk(tmp_path: Path) -> None:
    with remux(tmp_path) as process:
        before_us = boottime_us() + OFFSET_US
        send(process, STREAM)
        assert process.stdin is not None
        process.stdin.close()
        facts = said(process)
    assert recorded(tmp_path) == list(range(50))
    [path] = list(tmp_path.iterdir())
    init = parse_init(path.read_bytes())
    assert init.duration == 2000 and init.mtxi is not None  # mvhd patched: the file is closed
    named_us = name_time_us(path.name, UTC)
    assert named_us == init.mtxi.ntp_ns // 1000
    # two seconds of footage came at once: its first frame was captured before its bytes were sent
    assert -2_000_000 <= named_us - before_us < 10_000_000
    events = [fact["event"] for fact in facts]
    assert events == ["ready", "receiving", "streams", "run_started", "segment", "run_ended", "ended"]
    assert facts[-1]["pictures"] == 50 and facts[3]["run"] == init.mtxi.stream_id.hex()


async def test_sigterm_writes_what_is_whole_and_closes_the_file(tmp_path: Path) -> None:
    with remux(tmp_path) as process:
        send(process, STREAM)
        await eventually(lambda: list(tmp_path.iterdir()), what="the first part")
        process.send_signal(signal.SIGTERM)
        facts = said(process)
    assert facts[-1]["reason"] == "stopped"
    assert closed(tmp_path) and None not in recorded(tmp_path)


async def test_parts_are_on_disk_while_the_stream_goes_on(tmp_path: Path) -> None:
    units = [data for _, data in transport(FOOTAGE, sound=False)]
    with remux(tmp_path) as process:
        send(process, b"".join(units[:6]))  # five frames are a part; the sixth says how long the fifth was
        [path] = await eventually(lambda: list(tmp_path.iterdir()), what="the file")
        await eventually(lambda: len(burned_so_far(path)) == 5, what="the first part")


def test_silence_after_a_beginning_ends_it(tmp_path: Path) -> None:
    with remux(tmp_path, "--silence-s", "0.2") as process:
        send(process, STREAM)
        assert said(process)[-1]["reason"] == "silent"
    assert len(recorded(tmp_path)) == 50


def test_a_torn_stream_records_what_was_whole(tmp_path: Path) -> None:
    with remux(tmp_path) as process:
        send(process, STREAM[: len(STREAM) * 3 // 4 - 77])
        assert process.stdin is not None
        process.stdin.close()
        said(process)
    frames = recorded(tmp_path)
    assert 30 < len(frames) < 50 and frames == list(range(len(frames)))


def test_garbage_ends_without_a_file_or_a_hang(tmp_path: Path) -> None:
    with remux(tmp_path / "cam1") as process:
        send(process, bytes(range(256)) * 800)
        assert process.stdin is not None
        process.stdin.close()
        assert [fact["event"] for fact in said(process)] == ["ready", "receiving", "ended"]
    assert not (tmp_path / "cam1").exists()


def test_a_directory_that_cannot_be_written_is_told_once_and_survived(tmp_path: Path) -> None:
    (tmp_path / "cam1").write_text("a file where the directory should be")
    with remux(tmp_path / "cam1") as process:
        send(process, STREAM)
        assert process.stdin is not None
        process.stdin.close()
        events = [fact["event"] for fact in said(process)]
    assert events.count("write_failed") == 1 and events[-1] == "ended"


def test_a_child_of_a_parent_already_gone_does_not_stay(tmp_path: Path) -> None:
    arguments = ["--dir", str(tmp_path), "--part-s", "1", "--segment-s", "9", "--offset-us", "0"]
    argv = children.own_command("appliance.recordings.remux", arguments)
    argv[argv.index("--parent") + 1] = str(os.getppid())
    assert subprocess.run(argv, check=False, stdin=subprocess.PIPE, timeout=10).returncode == 3


@pytest.mark.slow
def test_a_camera_of_twenty_megabits_costs_a_fifth_of_a_core_at_most(tmp_path: Path) -> None:
    """Measured: 3 %, the interpreter's start included."""
    big = make_footage(frames=50, fps=Fraction(25), gop=25, b_frames=0)
    padded = [s._replace(data=s.data + (100_000).to_bytes(4, "big") + b"\x01" * 100_000) for s in big.video]
    footage = type(big)(**{**big.__dict__, "video": tuple(padded)})
    data = b"".join(data for _, data in transport(footage, sound=False))
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with remux(tmp_path) as process:
        send(process, data)
        assert process.stdin is not None
        process.stdin.close()
        said(process)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = (
        after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    )  # not the wall: others work too
    assert len(data) * 8 / cpu_s > 100e6, f"{len(data) * 8 / cpu_s / 1e6:.0f} Mbit per CPU second"
