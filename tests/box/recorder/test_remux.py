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

from appliance.box.recorder import children
from appliance.box.recorder.framing import FrameKind, pack
from appliance.kernel.clock import boottime_us
from appliance.media.clock.names import name_time_us
from appliance.media.ingest.tsmux import Muxer, adts
from appliance.media.mp4.fmp4 import parse_init
from tests.kit.camera import burned_in, has_pictures, make_footage
from tests.kit.waiting import LIMIT_S, eventually
from tests.media.ingest.test_ingest import transport

OFFSET_US = 1_700_000_000_000_000  # box time of these tests differs from any wall clock
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
    argv = children.own_command("appliance.box.recorder.remux", [*settings, *more])
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


def send(process: subprocess.Popen[bytes], data: bytes) -> None:
    assert process.stdin is not None
    process.stdin.write(data)
    process.stdin.flush()


def reports(process: subprocess.Popen[bytes]) -> list[dict[str, Any]]:
    """Every status line, after the process has ended."""
    assert process.stderr is not None
    lines = process.stderr.read().splitlines()
    assert process.wait(LIMIT_S) == 0, lines
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
        facts = reports(process)
    assert recorded(tmp_path) == list(range(50))
    [path] = list(tmp_path.iterdir())
    init = parse_init(path.read_bytes())
    assert init.duration == 2000 and init.mtxi is not None  # mvhd patched: the file is closed
    named_us = name_time_us(path.name, UTC)
    assert named_us == init.mtxi.ntp_ns // 1000
    # two seconds of footage arrived at once: its first frame was captured before its bytes were sent
    assert -2_000_000 <= named_us - before_us < 10_000_000
    events = [fact["event"] for fact in facts]
    assert events == ["ready", "receiving", "streams", "run_started", "segment", "run_ended", "ended"]
    assert facts[-1]["pictures"] == 50 and facts[3]["run"] == init.mtxi.stream_id.hex()


async def test_sigterm_writes_what_is_whole_and_closes_the_file(tmp_path: Path) -> None:
    with remux(tmp_path) as process:
        send(process, STREAM)
        await eventually(lambda: list(tmp_path.iterdir()), what="the first part")
        process.send_signal(signal.SIGTERM)
        facts = reports(process)
    assert facts[-1]["reason"] == "stopped"
    assert closed(tmp_path) and None not in recorded(tmp_path)


async def test_parts_are_on_disk_while_the_stream_goes_on(tmp_path: Path) -> None:
    units = [data for _, data in transport(FOOTAGE, sound=False)]
    with remux(tmp_path) as process:
        send(process, b"".join(units[:6]))  # five frames are a part; the sixth gives the fifth's duration
        [path] = await eventually(lambda: list(tmp_path.iterdir()), what="the file")
        await has_pictures(path, 5)
        assert len(burned_in(path)) == 5


def test_silence_after_a_beginning_ends_it(tmp_path: Path) -> None:
    with remux(tmp_path, "--silence-s", "1") as process:  # longer than a busy machine needs for the stream
        send(process, STREAM)
        assert reports(process)[-1]["reason"] == "silent"
    assert len(recorded(tmp_path)) == 50


# -- frames of the SRT receiver ------------------------------------------------------------------------------


def framed(connections: list[list[tuple[int, bytes]]]) -> bytes:
    """Each connection's (arrival us, bytes), begun and ended."""
    out = b""
    for parts in connections:
        out += pack(FrameKind.BEGIN, parts[0][0], b"10.0.0.5")
        out += b"".join(pack(FrameKind.DATA, at_us, data) for at_us, data in parts)
        out += pack(FrameKind.END, parts[-1][0], b"the connection ended")
    return out


def facts_of(directory: Path, data: bytes) -> list[dict[str, Any]]:
    with remux(directory, "--framed") as process:
        send(process, data)
        assert process.stdin is not None
        process.stdin.close()
        return reports(process)


def arriving(units: Iterator[tuple[int, bytes]], first_us: int = 10**12) -> list[tuple[int, bytes]]:
    return [(first_us + at_us, data) for at_us, data in units]


def test_each_connection_is_a_run_and_its_bytes_arrived_when_the_receiver_got_them(tmp_path: Path) -> None:
    two = [
        arriving(transport(FOOTAGE, sound=True)),
        arriving(transport(FOOTAGE, sound=True), 10**12 + 9 * 10**6),
    ]
    facts = facts_of(tmp_path, framed(two))
    assert [fact["reason"] for fact in facts if fact["event"] == "ended"] == ["the connection ended"] * 2
    assert recorded(tmp_path) == [*range(50), *range(50)] and closed(tmp_path)
    inits = [parse_init(path.read_bytes()).mtxi for path in sorted(tmp_path.iterdir())]
    began_us = [init.ntp_ns // 1000 - OFFSET_US for init in inits if init is not None]
    assert [abs(at_us - 10**12 - n * 9 * 10**6) < 40_000 for n, at_us in enumerate(began_us)] == [True, True]
    assert len({init.stream_id for init in inits if init is not None}) == 2


def recording_reports(facts: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [
        (fact["event"], fact.get("reason", ""))
        for fact in facts
        if fact["event"] in ("not_recorded", "recorded", "run_started")
    ]


def test_a_stream_without_a_key_picture_is_reported_within_five_seconds_and_when_one_comes(
    tmp_path: Path,
) -> None:
    """E2. The camera's key pictures are 10 s apart."""
    footage = make_footage(frames=260, fps=Fraction(25), gop=250, b_frames=0, sound=False)
    facts = facts_of(tmp_path, framed([arriving(transport(footage, first=30))]))
    assert recording_reports(facts) == [
        ("not_recorded", "waiting for a key picture"),
        ("run_started", ""),
        ("recorded", ""),
    ]
    early = arriving(transport(footage, first=30))[: 25 * 4]
    facts = facts_of(tmp_path / "early", framed([early]))
    assert recording_reports(facts) == [("not_recorded", "waiting for a key picture")]


def test_pictures_that_stop_while_sound_goes_on_are_reported(tmp_path: Path) -> None:  # E2
    mux = Muxer("h264", sound=True)
    parts = arriving(transport(FOOTAGE, sound=True, mux=mux))
    for n in range(5 * 25):
        parts.append(
            (parts[-1][0] + 40_000, mux.audio(adts(FOOTAGE.audio[0].data, 3, 1), 270_000 + n * 3600))
        )
    assert recording_reports(facts_of(tmp_path, framed([parts])))[-1] == ("not_recorded", "no picture")


def test_after_a_pause_the_first_bytes_are_not_reported_as_bad(tmp_path: Path) -> None:
    parts = arriving(transport(FOOTAGE, sound=True))
    later = [(at_us + (8_000_000 if n >= 25 else 0), data) for n, (at_us, data) in enumerate(parts)]
    facts = facts_of(tmp_path, framed([later]))
    assert recording_reports(facts) == [("run_started", "")]
    assert recorded(tmp_path) == list(range(50))


def test_a_torn_stream_records_what_was_whole(tmp_path: Path) -> None:
    with remux(tmp_path) as process:
        send(process, STREAM[: len(STREAM) * 3 // 4 - 77])
        assert process.stdin is not None
        process.stdin.close()
        reports(process)
    frames = recorded(tmp_path)
    assert 30 < len(frames) < 50 and frames == list(range(len(frames)))


def test_garbage_ends_without_a_file_or_a_hang(tmp_path: Path) -> None:
    with remux(tmp_path / "cam1") as process:
        send(process, bytes(range(256)) * 800)
        assert process.stdin is not None
        process.stdin.close()
        assert [fact["event"] for fact in reports(process)] == ["ready", "receiving", "ended"]
    assert not (tmp_path / "cam1").exists()


def test_a_directory_that_cannot_be_written_is_reported_once_and_survived(tmp_path: Path) -> None:
    (tmp_path / "cam1").write_text("a file where the directory should be")
    with remux(tmp_path / "cam1") as process:
        send(process, STREAM)
        assert process.stdin is not None
        process.stdin.close()
        events = [fact["event"] for fact in reports(process)]
    assert events.count("write_failed") == 1 and events[-1] == "ended"


def test_a_child_of_a_parent_already_gone_does_not_stay(tmp_path: Path) -> None:
    arguments = ["--dir", str(tmp_path), "--part-s", "1", "--segment-s", "9", "--offset-us", "0"]
    argv = children.own_command("appliance.box.recorder.remux", arguments)
    argv[argv.index("--parent") + 1] = str(os.getppid())
    assert subprocess.run(argv, check=False, stdin=subprocess.PIPE, timeout=LIMIT_S).returncode == 3


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
        reports(process)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = (
        after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    )  # CPU time, not wall time: the machine is shared
    assert len(data) * 8 / cpu_s > 100e6, f"{len(data) * 8 / cpu_s / 1e6:.0f} Mbit per CPU second"
