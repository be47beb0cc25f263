"""The embedded recorder: when a chain is restarted, and its messages. Children are simulated."""

from __future__ import annotations

import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import trio

from appliance.box.recorder.embedded import RecorderHandle, Runner, run_embedded_recorder
from appliance.box.recorder.health import recorder_part
from appliance.box.recorder.process_pair import Heard
from appliance.box.recorder.source_facts import Line
from appliance.kernel.clock import boottime_us
from tests.network.test_destinations import Names, use

Act = Callable[[Heard], Awaitable[None]]


@dataclass
class Children:
    """Replaces processes: `script` gives the behaviour of each chain in turn; the last is repeated."""

    script: list[Act]
    started: list[tuple[float, list[str], bytes]] = field(default_factory=list)
    running: int = 0
    most: int = 0

    async def __call__(self, source: list[str], remux: list[str], heard: Heard, settings: bytes) -> None:
        self.started.append((trio.current_time(), source, settings))
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
    heard({"event": "failed", "reason": "bind: in use"})


async def be_absent(heard: Heard) -> None:
    heard({"event": "failed", "reason": "libsrt is not installed", "hint": "apt install srt-tools"})


CONNECTED = {"event": "connected", "address": "10.0.0.5"}
GONE = {"event": "disconnected", "address": "10.0.0.5", "reason": "the connection ended"}


def port(seconds: float, *events: dict[str, Any]) -> Act:
    """A listener: an event every second, then nothing for `seconds`."""

    async def act(heard: Heard) -> None:
        heard({"event": "listening"})
        for event in events:
            await trio.sleep(1)
            heard(event)
        await trio.sleep(seconds)

    return act


@dataclass
class SteadyClock:
    """Box time with an offset set by a test."""

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


async def test_a_listener_stays_open_while_cameras_come_and_go(
    autojump_clock: trio.testing.MockClock,
) -> None:
    children = Children([port(99, CONNECTED, GONE, CONNECTED, GONE)])
    async with recorder(children, {"cam1": "srt://:8891"}) as handle:
        await trio.sleep(60)
        facts = handle.facts()["cam1"]
    assert len(children.started) == 1
    assert (facts.state, facts.restarts, facts.source) == ("waiting", 2, "srt://:8891")
    assert facts.detail == "10.0.0.5: the connection ended" and facts.last_end == "source"


async def test_a_listener_that_breaks_is_open_again_at_once_and_the_gap_is_the_recorders(
    autojump_clock: trio.testing.MockClock,
) -> None:
    children = Children([port(10, CONNECTED), port(10, CONNECTED), stay])
    async with recorder(children, {"cam1": "srt://:8891"}) as handle:
        await trio.sleep(60)
        facts = handle.facts()["cam1"]
    assert children.gaps() == [11.01, 11.01]
    assert (facts.restarts, facts.last_end) == (2, "recorder")


async def test_words_of_a_connection_that_is_over_change_nothing(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """The two children write to two pipes: their lines arrive in any order."""
    late = {"event": "not_recorded", "reason": "waiting for a key picture", "hint": ""}
    children = Children([port(99, CONNECTED, GONE, {"event": "receiving"}, {"event": "segment"}, late)])
    async with recorder(children, {"cam1": "srt://:8891"}) as handle:
        await trio.sleep(60)
        assert handle.facts()["cam1"].state == "waiting"


async def test_figures_of_a_line_are_kept_while_its_camera_is_connected(
    autojump_clock: trio.testing.MockClock,
) -> None:
    figures = {"bitrate_bps": 8_000_000, "loss_ratio": 0.01, "packets_dropped": 2, "rtt_ms": 3.5}
    children = Children([port(99, CONNECTED, {"event": "link"} | figures, GONE)])
    async with recorder(children, {"cam1": "srt://:8891"}) as handle:
        await trio.sleep(2.5)
        assert handle.facts()["cam1"].line == Line("10.0.0.5", 8_000_000, 0.01, 2, 3.5)
        assert handle.facts()["cam1"].state == "receiving"
        await trio.sleep(1)
        assert handle.facts()["cam1"].line is None


async def test_a_refused_caller_is_reported_with_the_reason_for_a_minute(  # E6
    autojump_clock: trio.testing.MockClock,
) -> None:
    refused = {"event": "refused", "address": "10.0.0.7", "reason": "uses another passphrase", "count": 3}
    children = Children([port(999, refused, refused)])
    async with recorder(children, {"cam1": "srt://:8891"}) as handle:
        await trio.sleep(5)
        part = recorder_part(handle)
        assert part.status == "warn"
        assert part.detail == (
            "cam1 waiting for srt://:8891; cam1 refused 10.0.0.7: uses another passphrase (6 times)"
        )
        await trio.sleep(60)
        part = recorder_part(handle)
        assert part.detail == "cam1 waiting for srt://:8891"
        assert part.hint is not None and "camera of cam1" in part.hint


@pytest.mark.parametrize(  # E2
    ("event", "says"),
    [
        (
            {
                "event": "not_recorded",
                "reason": "waiting for a key picture",
                "hint": "a key picture a second",
            },
            "cam1 not recorded: waiting for a key picture (10.0.0.5)",
        ),
        (
            {"event": "quiet", "address": "10.0.0.5", "since_s": 2.0},
            "cam1 silent: 10.0.0.5 is connected and sends nothing",
        ),
        (
            {"event": "quiet", "address": "10.0.0.5", "since_s": 5.0},
            "cam1 lost: 10.0.0.5 is connected and sends nothing",
        ),
        (
            {"event": "write_failed", "error": "No space left on device"},
            "cam1 down: cannot write the recording: No space left on device",
        ),
    ],
)
async def test_a_received_stream_that_is_not_recorded_is_red(
    autojump_clock: trio.testing.MockClock, event: dict[str, Any], says: str
) -> None:
    children = Children([port(99, CONNECTED, event, {"event": "run_started"})])
    async with recorder(children, {"cam1": "srt://:8891"}) as handle:
        await trio.sleep(1.5)
        assert recorder_part(handle).status == "ok"
        await trio.sleep(1)
        part = recorder_part(handle)
        assert (part.status, part.detail) == ("bad", says) and part.hint
        await trio.sleep(1)
        assert recorder_part(handle).status == "ok"


async def test_a_port_that_is_taken_is_tried_twice_a_second_and_reported(
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


@pytest.mark.parametrize("url", ["srt://127.0.0.1:9000", "srt://2130706433:9000", "srt://169.254.169.254:80"])
async def test_a_source_at_the_box_itself_is_not_called_and_reported(
    url: str, autojump_clock: trio.testing.MockClock
) -> None:
    children = Children([stay])
    async with recorder(children, {"cam1": url, "cam2": "srt://10.0.0.9:9000"}) as handle:
        await trio.sleep(60)
        facts = handle.facts()["cam1"]
    assert [json.loads(report)["host"] for _, _, report in children.started] == ["10.0.0.9"]
    assert facts.state == "down" and "recorder.input_networks" in facts.hint
    assert " is " in facts.detail


async def test_the_child_is_given_the_address_that_was_checked(
    autojump_clock: trio.testing.MockClock,
) -> None:
    names = use(Names(["192.0.2.9"], ["127.0.0.1"], socket.gaierror(socket.EAI_NONAME, "no such name")))
    children = Children([fail_at_once, stay])
    url = "srt://cam.example:9000?passphrase=correct%20horse"
    async with recorder(children, {"cam1": url}) as handle:
        await trio.sleep(600)
        facts = handle.facts()["cam1"]
    [(_, _, report)] = children.started
    assert json.loads(report)["host"] == "192.0.2.9"
    assert (json.loads(report)["port"], json.loads(report)["passphrase"]) == (9000, "correct horse")
    assert names.queries > 3
    assert facts.state == "down" and facts.detail == "cam.example: no such name"
    assert facts.source == "srt://cam.example:9000"


async def test_a_passphrase_is_in_no_command_line_and_no_fact(
    autojump_clock: trio.testing.MockClock, capsys: pytest.CaptureFixture[str]
) -> None:
    children = Children([stay])
    async with recorder(children, {"cam1": "srt://:8891?passphrase=correct%20horse"}) as handle:
        await trio.sleep(1)
        facts = handle.facts()["cam1"]
    [(_, source, report)] = children.started
    assert b'"correct horse"' in report and "horse" not in " ".join(source)
    assert "horse" not in repr(facts) + "".join(capsys.readouterr())


async def test_a_missing_library_is_a_fact_with_a_remedy(autojump_clock: trio.testing.MockClock) -> None:
    children = Children([be_absent])
    async with recorder(children, {"cam1": "srt://:8891"}) as handle:
        await trio.sleep(1)
        facts = handle.facts()["cam1"]
    assert facts.state == "down" and "libsrt" in facts.detail and "apt install" in facts.hint


async def test_a_bad_url_is_shown_at_its_channel_and_disturbs_no_other(
    autojump_clock: trio.testing.MockClock,
) -> None:
    children = Children([port(100, CONNECTED)])
    async with recorder(children, {"bad": "rtsp://x", "cam1": "srt://:8891"}) as handle:
        await trio.sleep(2)
        facts = handle.facts()
    assert facts["bad"].state == "down" and "rtsp" in facts["bad"].detail
    assert facts["cam1"].state == "receiving"


async def test_states_ring_and_since_is_when_the_state_began(autojump_clock: trio.testing.MockClock) -> None:
    failed = {"event": "write_failed", "error": "No space left on device"}
    children = Children([port(5, CONNECTED, failed), stay])
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
        ports = [json.loads(output)["port"] for _, _, output in children.started]
    assert sorted(ports) == [8891, 8892, 8892]
    assert children.most == 2 and children.running == 0


async def test_when_box_time_is_set_the_children_are_restarted(
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
