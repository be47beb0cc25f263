"""The embedded recorder: when a chain is started again, and the real thing over SRT."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import trio

from appliance.kernel.clock import BoxClock, boottime_us, wall_us
from appliance.media.fmp4 import Mtxi, parse_init
from appliance.recordings.chain import Heard
from appliance.recordings.embedded import RecorderHandle, Runner, run_embedded_recorder
from tests.kit.camera import SrtSender, burned_in, burned_so_far
from tests.kit.waiting import children_of, eventually, is_alive
from tests.recordings.family import own_children

OPEN_S = 5.0
PROMPT_US = 200_000
Act = Callable[[Heard], Awaitable[None]]


@dataclass
class Children:
    """Stands in for processes: `script` says what each chain in turn does; the last is repeated."""

    script: list[Act]
    started: list[tuple[float, list[str], list[str]]] = field(default_factory=list)
    running: int = 0
    most: int = 0

    async def __call__(self, source: list[str], remux: list[str], heard: Heard) -> None:
        self.started.append((trio.current_time(), source, remux))
        act = self.script[min(len(self.started), len(self.script)) - 1]
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await act(heard)
        finally:
            with trio.CancelScope(shield=True):
                await trio.sleep(0.01)  # ending takes a moment
            self.running -= 1

    def gaps(self) -> list[float]:
        times = [at for at, _, _ in self.started]
        return [round(b - a, 3) for a, b in pairwise(times)]


async def stay(heard: Heard) -> None:
    await trio.sleep_forever()


async def fail_at_once(heard: Heard) -> None:
    heard({"event": "stderr", "line": "bind: in use"})


async def be_absent(heard: Heard) -> None:
    raise FileNotFoundError("srt-live-transmit")


def connection(seconds: float, *events: dict[str, Any]) -> Act:
    async def act(heard: Heard) -> None:
        await trio.sleep(1)
        heard({"event": "receiving"})
        for event in events:
            await trio.sleep(1)
            heard(event)
        await trio.sleep(seconds)

    return act


@dataclass
class SteadyClock:
    """Box time whose offset a test may move."""

    offset_us: int = 10**15

    def now_us(self) -> int:
        return boottime_us() + self.offset_us


@asynccontextmanager
async def recorder(
    runner: Runner, channels: dict[str, str], clock: SteadyClock | None = None
) -> AsyncIterator[RecorderHandle]:
    async with trio.open_nursery() as nursery:

        async def run(task_status: trio.TaskStatus[RecorderHandle]) -> None:
            await run_embedded_recorder(
                channels=channels,
                recordings_dir=Path("/recordings"),
                part_s=0.2,
                segment_s=60,
                clock=clock or SteadyClock(),
                runner=runner,
                task_status=task_status,
            )

        yield await nursery.start(run)
        nursery.cancel_scope.cancel()


async def test_a_listener_is_open_again_the_moment_a_camera_left(
    autojump_clock: trio.testing.MockClock,
) -> None:
    children = Children([connection(10), connection(10), stay])
    async with recorder(children, {"cam1": "srt://:8891"}) as handle:
        await trio.sleep(60)
        facts = handle.facts()["cam1"]
    assert children.gaps() == [11.01, 11.01]
    assert (facts.state, facts.restarts, facts.source) == ("waiting", 2, "srt://:8891")


async def test_a_port_that_is_taken_is_tried_twice_a_second_and_told(
    autojump_clock: trio.testing.MockClock,
) -> None:
    children = Children([fail_at_once])
    async with recorder(children, {"cam1": "srt://:8891"}) as handle:
        await trio.sleep(5.2)
        facts = handle.facts()["cam1"]
    assert set(children.gaps()) == {0.51} and len(children.started) == 11
    assert facts.state == "down" and facts.detail == "bind: in use" and "port" in facts.hint


async def test_a_source_the_box_calls_is_called_less_and_less_often(
    autojump_clock: trio.testing.MockClock,
) -> None:
    children = Children([fail_at_once])
    async with recorder(children, {"cam1": "srt://10.0.0.9:9000"}):
        await trio.sleep(600)
    gaps = children.gaps()
    assert all(gap <= min(15, 0.5 * 2**n) + 0.02 for n, gap in enumerate(gaps))  # jitter only shortens
    assert max(gaps) > 5


async def test_a_passphrase_a_program_quotes_back_is_not_passed_on(
    autojump_clock: trio.testing.MockClock, capsys: pytest.CaptureFixture[str]
) -> None:
    async def quote_back(heard: Heard) -> None:
        heard(
            {"event": "stderr", "line": "cannot open srt://:8891?passphrase=correct%20horse (correct horse)"}
        )

    async with recorder(Children([quote_back]), {"cam1": "srt://:8891?passphrase=correct%20horse"}) as handle:
        await trio.sleep(1)
        facts = handle.facts()["cam1"]
    assert facts.detail == "cannot open srt://:8891?passphrase=*** (***)"
    assert "horse" not in "".join(capsys.readouterr())


async def test_a_missing_program_is_a_fact_with_a_remedy(autojump_clock: trio.testing.MockClock) -> None:
    children = Children([be_absent])
    async with recorder(children, {"cam1": "srt://:8891"}) as handle:
        await trio.sleep(1)
        facts = handle.facts()["cam1"]
    assert facts.state == "down" and "srt-live-transmit" in facts.detail and "apt install" in facts.hint


async def test_a_bad_url_is_a_fact_of_its_channel_and_disturbs_no_other(
    autojump_clock: trio.testing.MockClock,
) -> None:
    children = Children([connection(100)])
    async with recorder(children, {"bad": "rtsp://x", "cam1": "srt://:8891"}) as handle:
        await trio.sleep(2)
        facts = handle.facts()
    assert facts["bad"].state == "down" and "rtsp" in facts["bad"].detail
    assert facts["cam1"].state == "receiving"


async def test_states_ring_and_since_is_when_the_state_began(autojump_clock: trio.testing.MockClock) -> None:
    failed = {"event": "write_failed", "error": "No space left on device"}
    children = Children([connection(5, failed), stay])
    states: list[str] = []
    async with recorder(children, {"cam1": "srt://:8891"}) as handle:
        seen = handle.changed.count
        with trio.move_on_after(20):
            while True:
                states.append(handle.facts()["cam1"].state)
                seen = await handle.changed.wait_past(seen)
    assert [state for n, state in enumerate(states) if n == 0 or state != states[n - 1]] == [
        *("waiting", "receiving", "down", "waiting")
    ]


async def test_only_changed_channels_are_disturbed_and_a_port_is_free_before_it_is_used_again(
    autojump_clock: trio.testing.MockClock,
) -> None:
    children = Children([stay])
    async with recorder(children, {"cam1": "srt://:8891", "cam2": "srt://:8892"}) as handle:
        await trio.sleep(1)
        handle.want({"cam1": "srt://:8891", "cam3": "srt://:8892"})
        await trio.sleep(1)
        assert set(handle.facts()) == {"cam1", "cam3"}
        ports = [source[-2].split("?")[0] for _, source, _ in children.started]
    assert sorted(ports) == ["srt://:8891", "srt://:8892", "srt://:8892"]
    assert children.most == 2 and children.running == 0


async def test_when_box_time_is_set_anew_the_children_are_told(
    autojump_clock: trio.testing.MockClock,
) -> None:
    children, clock = Children([stay]), SteadyClock()
    async with recorder(children, {"cam1": "synthetic:"}, clock):
        await trio.sleep(20)
        assert len(children.started) == 1
        clock.offset_us += 3_000_000
        await trio.sleep(20)
    offsets = [int(source[source.index("--offset-us") + 1]) for _, source, _ in children.started]
    assert len(offsets) == 2 and abs(offsets[1] - offsets[0] - 3_000_000) < 1_000


# -- the real thing -----------------------------------------------------------------------------------------


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@asynccontextmanager
async def recording(directory: Path, url: str) -> AsyncIterator[RecorderHandle]:
    clock = BoxClock.start(None, None)
    async with trio.open_nursery() as nursery:

        async def run(task_status: trio.TaskStatus[RecorderHandle]) -> None:
            await run_embedded_recorder(
                channels={"cam1": url},
                recordings_dir=directory,
                part_s=0.2,
                segment_s=60,
                clock=clock,
                task_status=task_status,
            )

        yield await nursery.start(run)
        nursery.cancel_scope.cancel()


def files(directory: Path) -> list[Path]:
    return sorted(directory.glob("cam1/*.mp4"))


def all_files(directory: Path) -> list[Path]:
    return sorted(directory.glob("*/*.mp4"))


def runs(directory: Path) -> list[Mtxi]:
    found = [parse_init(path.read_bytes()).mtxi for path in files(directory)]
    return [mtxi for mtxi in found if mtxi is not None]


@pytest.mark.slow
async def test_the_synthetic_camera_is_recorded_at_once_and_stopping_closes_its_file(tmp_path: Path) -> None:
    async with recording(tmp_path, "synthetic:?size=320x180") as handle:
        [path] = await eventually(lambda: files(tmp_path), within_s=OPEN_S, what="the file")
        await eventually(lambda: len(burned_so_far(path)) >= 10, within_s=OPEN_S, what="two parts")
        newest = burned_in(path)[-1]
        assert newest is not None and 0 < wall_us() - newest.instant_us < 2_000_000
        assert handle.facts()["cam1"].state == "receiving"
    assert parse_init(path.read_bytes()).duration > 0
    frames = [b.frame if b else None for b in burned_in(path)]
    assert frames == list(range(len(frames)))
    assert not own_children()


@pytest.mark.slow
@pytest.mark.parametrize("leaves", ["politely", "abruptly"])
async def test_a_camera_that_drops_and_returns_is_recorded_within_a_second(
    tmp_path: Path, leaves: str
) -> None:
    port = free_port()
    sender = SrtSender(port, gop=10)  # the first may go by while the two shake hands: the next is 0.4 s on
    async with recording(tmp_path, f"srt://:{port}?latency=80") as handle:
        sender.start()
        try:
            await eventually(lambda: files(tmp_path), within_s=OPEN_S, what="the first run")
            sender.stop() if leaves == "politely" else sender.drop()
            await eventually(lambda: handle.facts()["cam1"].state == "waiting", within_s=3, what="open again")
            sender.start()
            await eventually(lambda: len(files(tmp_path)) == 2, within_s=OPEN_S, what="the second run")
        finally:
            sender.stop()
        await eventually(lambda: handle.facts()["cam1"].restarts == 2, within_s=3)
    one, two = runs(tmp_path)
    assert one.stream_id != two.stream_id and one.number == two.number == 0
    for path in files(tmp_path):
        assert None not in burned_in(path)
    first = burned_in(files(tmp_path)[1])[0]
    assert first is not None and first.frame < sender.fps, "less than a second of its pictures is lost"


@pytest.mark.slow
async def test_an_encrypted_stream_is_recorded_and_one_with_another_key_is_not(tmp_path: Path) -> None:
    port = free_port()
    async with recording(tmp_path, f"srt://:{port}?latency=80&passphrase=correct-horse") as handle:
        with SrtSender(port, passphrase="battery-staple"):
            await eventually(lambda: handle.facts()["cam1"].state == "waiting", within_s=OPEN_S)
            with trio.move_on_after(1):
                await eventually(lambda: files(tmp_path), within_s=OPEN_S)
        assert not files(tmp_path)
        with SrtSender(port, passphrase="correct-horse"):
            await eventually(lambda: files(tmp_path), within_s=OPEN_S, what="the recording")
        assert "correct-horse" not in repr(handle.facts())


DAEMON = """
import sys, trio
from pathlib import Path
from appliance.kernel.clock import BoxClock
from appliance.recordings.embedded import run_embedded_recorder
trio.run(lambda: run_embedded_recorder(
    channels={"cam1": "synthetic:?size=320x180", "cam2": f"srt://:{sys.argv[2]}"},
    recordings_dir=Path(sys.argv[1]), part_s=0.2, segment_s=60, clock=BoxClock.start(None, None)))
"""


@pytest.mark.slow
async def test_kill_9_of_the_daemon_leaves_no_process_and_a_readable_recording(tmp_path: Path) -> None:
    port = free_port()
    argv = [sys.executable, "-c", DAEMON, str(tmp_path), str(port)]
    daemon = await trio.lowlevel.open_process(argv)
    try:
        with SrtSender(port):
            await eventually(lambda: len(all_files(tmp_path)) == 2, within_s=OPEN_S, what="both")
            pids = children_of(daemon.pid)
            assert len(pids) == 4 and all(is_alive(pid) for pid in pids)
            daemon.kill()
            await daemon.wait()
            await eventually(lambda: not any(is_alive(pid) for pid in pids), within_s=5, what="no orphan")
    finally:
        daemon.kill()
        await daemon.wait()
    counts = [len(frames) for frames in map(burned_in, all_files(tmp_path)) if None not in frames]
    assert len(counts) == 2 and min(counts) >= 5


@pytest.mark.slow
async def test_children_outlive_the_worker_threads_that_come_and_go(tmp_path: Path) -> None:
    """PR_SET_PDEATHSIG follows the thread that forked: it must be the main one."""
    async with recording(tmp_path, "synthetic:?size=320x180"):
        await eventually(lambda: files(tmp_path), within_s=OPEN_S)
        pids = own_children()
        listed = await eventually(lambda: task_children(os.getpid()), within_s=1)
        assert len(pids) == 2 and set(pids) <= set(listed)


def task_children(thread: int) -> list[int]:
    """Processes forked by exactly this thread of ours."""
    return [int(pid) for pid in Path(f"/proc/self/task/{thread}/children").read_text().split()]


@pytest.mark.slow
async def test_a_frame_is_on_disk_a_part_and_the_lines_latency_after_its_capture(tmp_path: Path) -> None:
    """Nothing on the way holds a picture back: not the sender's datagrams, not srt-live-transmit's output.

    One picture in 60 parts must be as young as that: what is held back is held back always, what a busy
    machine delays is not.
    """
    port = free_port()
    ages_us: list[int] = []
    async with recording(tmp_path, f"srt://:{port}?latency=80"):
        with SrtSender(port, latency_ms=80):
            [path] = await eventually(lambda: files(tmp_path), within_s=OPEN_S, what="the file")
            while min(ages_us, default=PROMPT_US) >= PROMPT_US and len(ages_us) < 60:
                seen = path.stat().st_size
                await eventually(lambda seen=seen: path.stat().st_size > seen, what="the next part")  # type: ignore[misc]
                newest = burned_so_far(path)[-1]
                assert newest is not None
                ages_us.append(wall_us() - newest.instant_us)
    # 80 ms of SRT, 40 ms until the next picture begins; the rest is this machine and decoding to look
    assert 110_000 < min(ages_us) < PROMPT_US, ages_us
