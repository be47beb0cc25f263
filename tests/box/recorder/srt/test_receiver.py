"""The SRT receiver with real SRT senders: who is recorded, the effect of a pause, the messages."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest
import trio

from appliance.box.recorder.embedded import RecorderHandle
from appliance.box.recorder.health import recorder_part
from tests.box.recorder.test_embedded_srt import files, recording
from tests.kit.camera import SrtSender, burned_in, burned_so_far, has_pictures
from tests.kit.ports import free_udp_port
from tests.kit.udp_relay import UdpRelay
from tests.kit.waiting import LIMIT_S, eventually

pytestmark = pytest.mark.slow

SECRET = "correct-horse-battery"


@contextmanager
def caller(port: int, data: bytes = b"", *, options: str = "") -> Iterator[subprocess.Popen[bytes]]:
    """A caller that sends `data`, then nothing, and reconnects when the box closes the connection."""
    argv = ["srt-live-transmit", "-q", "file://con", f"srt://127.0.0.1:{port}?mode=caller{options}"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        try:
            assert process.stdin is not None
            process.stdin.write(data)
            process.stdin.flush()
            yield process
        finally:
            process.kill()


async def board(handle: RecorderHandle, says: str, *, within_s: float = LIMIT_S) -> str:
    """Wait until the health part contains it; returns the whole line."""
    await eventually(
        lambda: says in recorder_part(handle).detail, within_s=within_s, what=f"{says!r} on the board"
    )
    return recorder_part(handle).detail


async def recorded(directory: Path, pictures: int) -> Path:
    """Wait until the newest file has this many."""
    await eventually(lambda: files(directory), what="a file")
    path = files(directory)[-1]
    await has_pictures(path, pictures)
    return path


async def test_a_silent_caller_does_not_lock_the_port(tmp_path: Path) -> None:  # E1
    port = free_udp_port()
    async with recording(tmp_path, f"srt://:{port}?latency=80") as handle:
        with caller(port), SrtSender(port):
            await recorded(tmp_path, 10)
            detail = await board(handle, "sent nothing")
            assert detail.startswith("cam1 refused 127.0.0.1: sent nothing")
            assert recorder_part(handle).status == "warn"
            path = await recorded(tmp_path, 60)  # it reconnects meanwhile
        assert len(files(tmp_path)) == 1
    numbers = [each.frame if each else None for each in burned_in(path)]
    assert numbers == list(range(numbers[0] or 0, (numbers[0] or 0) + len(numbers)))


@pytest.mark.parametrize("stall_s", [0.9, 2.5])
@pytest.mark.parametrize("what", ["the camera pauses", "the link is cut"])
async def test_a_pause_loses_nothing(tmp_path: Path, what: str, stall_s: float) -> None:  # E7
    """Pictures captured during the pause arrive after it, in the same run."""
    port = free_udp_port()
    async with recording(tmp_path, f"srt://:{port}?latency=80") as handle:
        with UdpRelay(port) as relay, SrtSender(relay.port, latency_ms=80) as sender:
            path = await recorded(tmp_path, 25)
            if what == "the link is cut":
                relay.blocked = True
            else:
                sender.pause()
            began = len(burned_so_far(path))
            await trio.sleep(stall_s)  # the pause itself
            relay.blocked = False
            sender.resume()
            await recorded(tmp_path, began + round(25 * stall_s) + 50)
            assert handle.facts()["cam1"].restarts == 0
    assert len(files(tmp_path)) == 1
    shown = [item for item in burned_in(path) if item is not None]
    assert {b.frame - a.frame for a, b in pairwise(shown)} == {1}
    assert {b.instant_us - a.instant_us for a, b in pairwise(shown)} == {40_000}


async def test_a_packet_that_is_never_sent_again_does_not_stop_the_recording(tmp_path: Path) -> None:  # E7
    """An encoder that silently gives packets up; ours waits for them, but not forever."""
    port = free_udp_port()
    async with recording(tmp_path, f"srt://:{port}?latency=80") as handle:
        with UdpRelay(port) as relay, SrtSender(relay.port, latency_ms=80):
            await recorded(tmp_path, 25)
            relay.swallow()
            await eventually(lambda: len(files(tmp_path)) == 2, what="the second run")
            await recorded(tmp_path, 10)
            relay.swallow()  # now it is skipped at once
            await recorded(tmp_path, 60)
            await eventually(lambda: handle.facts()["cam1"].line, what="figures of its line")
            facts = handle.facts()["cam1"]
            assert facts.restarts == 1 and facts.line is not None
            assert facts.line.address == "127.0.0.1" and facts.line.packets_dropped == 1
            assert 100_000 < facts.line.bitrate_bps < 5_000_000
            assert 0 < facts.line.loss_ratio < 1 and 0 < facts.line.rtt_ms < 1000
    assert len(files(tmp_path)) == 2


@pytest.mark.parametrize(
    ("channel", "camera", "reason"),
    [
        (f"&passphrase={SECRET}", "another-passphrase", "uses another passphrase"),
        (f"&passphrase={SECRET}", None, "is not encrypted, the channel has a passphrase"),
        ("", SECRET, "is encrypted, the channel has no passphrase"),
    ],
)
async def test_a_refused_caller_is_named_with_the_reason(  # E6
    tmp_path: Path, channel: str, camera: str | None, reason: str
) -> None:
    port = free_udp_port()
    async with recording(tmp_path, f"srt://:{port}?latency=80{channel}") as handle:
        with SrtSender(port, passphrase=camera):
            detail = await board(handle, "refused")
            assert f"cam1 refused 127.0.0.1: {reason}" in detail
            assert detail.startswith(f"cam1 waiting for srt://:{port}; ")
        assert not files(tmp_path)
        right = SECRET if channel else None
        with SrtSender(port, passphrase=right):
            await recorded(tmp_path, 10)
            assert recorder_part(handle).detail.startswith("cam1 refused")


async def test_a_passphrase_is_in_no_command_line_and_no_environment(tmp_path: Path) -> None:  # E8
    port = free_udp_port()
    async with recording(tmp_path, f"srt://:{port}?latency=80&passphrase={SECRET}") as handle:
        with SrtSender(port, passphrase=SECRET) as sender:
            await recorded(tmp_path, 5)
            own = {process.pid for process in sender._processes}
            assert not holders(SECRET.encode(), but=own)
        assert SECRET not in repr(handle.facts())


def holders(secret: bytes, *, but: set[int]) -> list[str]:
    """Files of /proc readable by any account, or contained in a process dump, that hold `secret`."""
    results = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        for name in ("cmdline", "environ"):
            try:
                data = Path("/proc", pid, name).read_bytes()
            except OSError:
                continue
            if secret in data and int(pid) not in but:
                results.append(f"{pid}/{name}")
    return results


async def test_a_caller_with_sound_alone_is_reported_and_replaced_by_a_camera(
    tmp_path: Path,
) -> None:  # E1, E2
    port = free_udp_port()
    sound = ["ffmpeg", "-v", "quiet", "-re", "-f", "lavfi", "-i", "sine", "-c:a", "aac", "-f", "mpegts"]
    process = subprocess.Popen([*sound, f"srt://127.0.0.1:{port}?mode=caller"])  # noqa: ASYNC220  # starting is fast
    try:
        async with recording(tmp_path, f"srt://:{port}?latency=80") as handle:
            detail = await board(handle, "not recorded")
            assert detail == "cam1 not recorded: no video, only aac (127.0.0.1)"
            assert recorder_part(handle).status == "bad" and not files(tmp_path)
            with SrtSender(port):
                await recorded(tmp_path, 10)
                assert handle.facts()["cam1"].state == "receiving"
    finally:
        process.kill()
        process.wait()


async def test_a_source_the_box_calls_is_recorded_and_its_end_reported(tmp_path: Path) -> None:
    port = free_udp_port()
    argv = ["ffmpeg", "-v", "quiet", "-re", "-f", "lavfi", "-i", "testsrc=size=320x180:rate=25"]
    argv += ["-c:v", "libx264", "-preset", "ultrafast", "-g", "10", "-bf", "0", "-f", "mpegts"]
    argv += [f"srt://127.0.0.1:{port}?mode=listener&passphrase={SECRET}"]
    process = subprocess.Popen(argv)  # noqa: ASYNC220  # starting is fast
    try:
        url = f"srt://127.0.0.1:{port}?passphrase={SECRET}"
        async with recording(tmp_path, url) as handle:
            await eventually(lambda: files(tmp_path), what="the recording")
            assert handle.facts()["cam1"].state == "receiving"
            process.terminate()
            await eventually(lambda: handle.facts()["cam1"].state == "down", what="its end")
            assert not recorder_part(handle).detail.count(SECRET)
    finally:
        process.kill()
        process.wait()
