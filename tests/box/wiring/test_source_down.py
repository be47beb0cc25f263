"""Clips waiting for footage are notified when a camera disconnects or returns, and for nothing less."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from appliance.box.recorder.embedded import RecorderHandle
from appliance.box.recorder.source_facts import ChannelFacts, State
from appliance.box.recordings.domain import wake_with_sources
from appliance.box.sources import Source, recorder_trouble, source_part
from appliance.box.wiring.bridges import source_down, why_ended
from appliance.kernel.signal import Signal


@pytest.mark.parametrize(
    ("state", "is_down"),
    [
        ("receiving", False),
        ("silent", False),  # it may only pause
        ("unrecorded", False),
        ("lost", True),
        ("waiting", True),
        ("down", True),
    ],
)
async def test_a_source_is_down_when_no_footage_is_to_be_expected(
    state: State, is_down: bool, autojump_clock: MockClock
) -> None:
    recorder = RecorderHandle()
    recorder._facts["cam1"] = ChannelFacts("cam1", state, 0, "srt://:8891")
    assert source_down(recorder)("cam1") is is_down
    assert not source_down(recorder)("cam2") and not source_down(None)("cam1")


async def test_waiting_tasks_are_woken_when_a_source_goes_down_or_returns(autojump_clock: MockClock) -> None:
    recorder, wake = RecorderHandle(), Signal()

    async def becomes(state: State) -> int:
        recorder._facts["cam1"] = ChannelFacts("cam1", state, 0, "srt://:8891")
        recorder.changed.notify()
        await wait_all_tasks_blocked()
        return wake.count

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wake_with_sources, recorder, wake)
        at_first = await becomes("receiving")
        assert await becomes("silent") == at_first
        assert await becomes("lost") == at_first + 1
        assert await becomes("waiting") == at_first + 1
        assert await becomes("receiving") == at_first + 2
        nursery.cancel_scope.cancel()


async def test_an_outage_is_the_recorders_only_when_the_recorder_ended_it(autojump_clock: MockClock) -> None:
    recorder = RecorderHandle()
    why = why_ended(recorder, None)
    assert why("cam1", 0.0) is None
    recorder._facts["cam1"] = ChannelFacts("cam1", "waiting", 0, "", last_end="source")
    assert why("cam1", 0.0) == "source_lost"
    recorder._facts["cam1"] = ChannelFacts("cam1", "receiving", 0, "", last_end="recorder")
    assert why("cam1", 0.0) == "recorder_restart"


@pytest.mark.parametrize(
    ("state", "detail", "sends"),
    [
        ("unrecorded", "waiting for a key picture (10.0.0.5)", True),
        ("silent", "10.0.0.5 is connected and sends nothing", True),
        ("down", "cannot write the recording: No space left on device", False),
    ],
)
def test_a_camera_that_is_not_recorded_is_red_with_the_recorders_reason(
    state: State, detail: str, sends: bool
) -> None:
    """Not "its encoder is not connected": it is."""
    facts = ChannelFacts("cam1", state, 0, "srt://:8891", detail=detail, hint="look at it")
    assert facts.is_connected is sends
    part = source_part(Source("cam1", sends=sends, trouble=recorder_trouble(facts)))
    assert (part.status, part.detail, part.hint) == ("bad", detail, "look at it")
    assert recorder_trouble(ChannelFacts("cam1", "receiving", 0, "")) is None
    assert recorder_trouble(ChannelFacts("cam1", "waiting", 0, "")) is None
