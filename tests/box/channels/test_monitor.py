"""The monitor in simulated time: which channels are silent, since when, and how often it is published."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from appliance.box.channels import store as channel_store
from appliance.box.channels.machine import ChannelEvent
from appliance.kernel.errors import Refused
from appliance.kernel.operation import Caller
from appliance.kernel.store import StoreFull
from tests.box.channels.box import Box, open_box
from tests.kit.box import add_channel


async def keep_beating(box: Box, channel_id: str, *, every_s: float, count: int) -> None:
    for _ in range(count):
        await trio.sleep(every_s)
        await box.beat(channel_id)


async def test_thirty_seconds_of_silence_are_an_error_and_the_next_heartbeat_ends_it(
    tmp_path: Path, autojump_clock: MockClock
) -> None:  # V27
    async with open_box(tmp_path) as box:
        await box.add()
        assert (await box.beat())["status"] == "active"
        await trio.sleep(29.9)
        assert (await box.get())["status"] == "active"
        await trio.sleep(0.2)
        silent = await box.get()
        assert (silent["status"], silent["error_cause"]) == ("error", "timeout")
        assert silent["error_reason"] == "no heartbeat for 30 seconds"
        await trio.sleep(3600)
        assert (await box.beat())["status"] == "active"
        back = await box.get()
        assert (back["status"], back["error_cause"], back["error_reason"]) == ("active", None, None)
        assert box.statuses() == ["active", "error", "active"]  # one broadcast per transition
        event = box.events("channel_status")[1]
        assert event["channel_id"] == "cam1"
        assert event["reason"] == "no heartbeat for 30 seconds"
        assert event["channel"]["status"] == "error"


async def test_regular_heartbeats_write_nothing_to_the_journal(
    tmp_path: Path, autojump_clock: MockClock
) -> None:  # V04
    async with open_box(tmp_path) as box:
        await box.add()
        head = box.store.journal.head
        await keep_beating(box, "cam1", every_s=5, count=400)
        assert box.store.journal.head == head
        assert (await box.row())["rev"] == 2  # created, activated


async def test_last_seen_is_right_at_once_and_on_disk_within_five_seconds(
    tmp_path: Path, autojump_clock: MockClock
) -> None:  # V04
    async with open_box(tmp_path) as box:
        await box.add()
        await trio.sleep(7)
        now_us = box.store.clock.now_us()
        await box.beat(body=b'{"resolution":"1920x1080","framerate":29.97,"bitrate":8000000}')
        shown = await box.get()
        assert shown["last_seen_at"] == "2026-11-20T19:00:07.000000Z"
        assert (shown["resolution"], shown["framerate"], shown["bitrate"]) == ("1920x1080", 29.97, 8000000)
        assert (await box.row())["last_seen_us"] is None
        await trio.sleep(5)
        row = await box.row()
        assert row["last_seen_us"] == now_us
        assert (row["resolution"], row["framerate"], row["dropped_frames"]) == ("1920x1080", 29.97, None)


async def test_a_stopping_box_writes_the_last_reports(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with open_box(tmp_path) as box:
        await box.add()
        await trio.sleep(1)
        await box.beat()
        assert (await box.row())["last_seen_us"] is None
    async with open_box(tmp_path) as box:
        assert (await box.row())["last_seen_us"] is not None


async def test_after_a_start_an_active_channel_has_a_full_timeout(
    tmp_path: Path, autojump_clock: MockClock
) -> None:  # V30
    async with open_box(tmp_path) as box:
        await box.add()
    await trio.sleep(29)
    async with open_box(tmp_path) as box:
        await trio.sleep(29.9)
        assert (await box.get())["status"] == "active"
        await trio.sleep(0.2)
        assert (await box.get())["status"] == "error"


async def test_an_error_outlives_a_restart_and_its_cause_still_decides(
    tmp_path: Path, autojump_clock: MockClock
) -> None:  # V30
    async with open_box(tmp_path) as box:
        await box.add("silent")
        await box.add("faulty")
        await box.do("faulty", "error", reason="lens cap on")
        await trio.sleep(31)
    async with open_box(tmp_path) as box:
        assert (await box.beat("silent"))["status"] == "active"
        assert (await box.beat("faulty"))["status"] == "error"
        assert (await box.beat("faulty", b'{"ok":true}'))["status"] == "active"


async def test_a_heartbeat_does_not_switch_a_channel_on(
    tmp_path: Path, autojump_clock: MockClock
) -> None:  # V30
    async with open_box(tmp_path) as box:
        await box.add(active=False)
        assert (await box.beat(body=b'{"ok":true}'))["status"] == "inactive"
        await trio.sleep(100)
        assert (await box.get())["status"] == "inactive"
        assert box.statuses() == []


async def test_a_fault_ends_by_ok_and_never_by_time(tmp_path: Path, autojump_clock: MockClock) -> None:  # V30
    async with open_box(tmp_path) as box:
        await box.add()
        faulty = await box.do("cam1", "error", reason="encoder overheats")
        assert (faulty["status"], faulty["error_reason"]) == ("error", "encoder overheats")
        assert (await box.beat())["status"] == "error"
        await trio.sleep(100)
        assert (await box.beat(body=b'{"ok":true}'))["status"] == "active"
        await trio.sleep(29.9)
        assert (await box.get())["status"] == "active"
        assert box.statuses() == ["active", "error", "active"]


async def test_activating_again_gives_a_full_timeout_and_is_no_transition(
    tmp_path: Path, autojump_clock: MockClock
) -> None:  # V03
    async with open_box(tmp_path) as box:
        await box.add()
        await trio.sleep(29)
        assert (await box.do("cam1", "activate"))["status"] == "active"
        await trio.sleep(29.9)
        assert (await box.get())["status"] == "active"
        assert box.statuses() == ["active"]


async def test_many_heartbeats_at_once_end_a_timeout_once(
    tmp_path: Path, autojump_clock: MockClock
) -> None:  # V27
    async with open_box(tmp_path) as box:
        await box.add()
        await trio.sleep(31)
        async with trio.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(box.beat)
        assert box.statuses() == ["active", "error", "active"]


async def test_eighty_devices_are_reported_apart(tmp_path: Path, autojump_clock: MockClock) -> None:  # V27
    async with open_box(tmp_path) as box:
        names = [f"cam{number}" for number in range(80)]
        for name in names:
            await box.add(name)
        async with trio.open_nursery() as nursery:
            for name in names[:40]:
                nursery.start_soon(partial(keep_beating, box, name, every_s=5, count=10))
        page = (await box.call("GET", "/channels", query={"limit": 1000})).resource["items"]
        assert {item["id"] for item in page if item["status"] == "active"} == set(names[:40])


async def test_a_row_changed_elsewhere_is_followed(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with open_box(tmp_path) as box:
        await box.add(active=False)
        await box.store.write(
            lambda tx: channel_store.command_channel(tx, Caller(), "cam1", ChannelEvent.ACTIVATE)
        )
        await trio.sleep(30.1)
        assert (await box.get())["status"] == "error"


async def test_a_new_channel_is_monitored_at_once_and_an_archived_one_is_not(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with open_box(tmp_path) as box:
        await box.store.write(lambda tx: add_channel(tx, "cam9", status="active"))  # without a journal entry
        assert (await box.beat("cam9"))["status"] == "active"
        await box.call("DELETE", "/channels/{channel_id}", channel_id="cam9")
        for wanted, status in (("cam9", 410), ("nobody", 404)):
            with pytest.raises(Refused) as refused:
                await box.beat(wanted)
            assert refused.value.status == status


# -- channels whose liveness comes from footage -------------------------------------------------------------


async def test_footage_keeps_a_channel_alive_for_an_hour(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with open_box(tmp_path) as box:
        await box.add(input_url="srt://:8891")
        box.ages_s["cam1"] = 0.2
        await trio.sleep(3600)
        shown = await box.get()
        assert shown["status"] == "active"
        assert shown["last_seen_at"] >= "2026-11-20T19:59:54"
        assert box.statuses() == ["active"]


async def test_a_dead_camera_and_its_return_are_one_error_and_one_end(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with open_box(tmp_path) as box:
        await box.add(input_url="srt://:8891")
        await trio.sleep(29.9)
        assert (await box.get())["status"] == "active"
        await trio.sleep(0.2)
        silent = await box.get()
        assert (silent["status"], silent["error_reason"]) == ("error", "no footage for 30 seconds")
        await box.beat()  # a heartbeat is only information here
        assert (await box.get())["status"] == "error"
        box.ages_s["cam1"] = 0.1
        await trio.sleep(1)
        assert (await box.get())["status"] == "active"
        assert box.statuses() == ["active", "error", "active"]


# -- problems of the box ----------------------------------------------------------------------------


async def test_a_full_disk_delays_an_error_and_loses_no_report(
    tmp_path: Path, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_box(tmp_path) as box:
        await box.add()
        await box.add("cam2")
        await box.beat("cam2", b'{"framerate":25}')
        whole = box.store.write

        async def full(closure: Any) -> Any:
            await trio.lowlevel.checkpoint()
            raise StoreFull

        monkeypatch.setattr(type(box.store), "write", lambda self, closure: full(closure))
        await trio.sleep(40)
        assert box.statuses() == ["active", "active"]
        with pytest.raises(StoreFull):
            await box.do("cam1", "deactivate")
        monkeypatch.setattr(type(box.store), "write", lambda self, closure: whole(closure))
        await trio.sleep(6)
        assert (await box.row("cam2"))["framerate"] == 25.0
        assert box.statuses() == ["active", "active", "error", "error"]


async def test_a_report_that_could_not_be_flushed_is_flushed_later(
    tmp_path: Path, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_box(tmp_path) as box:
        await box.add()
        await box.beat(body=b'{"framerate":25}')

        async def full(self: Any, closure: Any) -> Any:
            await trio.lowlevel.checkpoint()
            raise StoreFull

        with monkeypatch.context() as patched:
            patched.setattr(type(box.store), "write", full)
            await trio.sleep(6)
        assert (await box.row())["framerate"] is None
        await trio.sleep(5)
        assert (await box.row())["framerate"] == 25.0


async def test_a_stalled_box_does_not_blame_its_cameras(tmp_path: Path) -> None:
    clock = MockClock()

    async def main() -> None:
        async with open_box(tmp_path) as box:
            await box.add()
            await trio.testing.wait_all_tasks_blocked()
            clock.jump(90)  # stopped for a minute and a half, then everything at once
            await trio.testing.wait_all_tasks_blocked()
            assert (await box.beat())["status"] == "active"
            clock.jump(1)
            await trio.testing.wait_all_tasks_blocked()
            assert box.statuses() == ["active"]

    await trio.to_thread.run_sync(lambda: trio.run(main, clock=clock))
