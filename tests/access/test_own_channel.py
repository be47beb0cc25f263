"""A capture device can report only for its own channel, by HTTP, however it got its token."""

from __future__ import annotations

from pathlib import Path

import pytest
from trio.testing import MockClock, wait_all_tasks_blocked

from appliance.access.console import leave_token
from tests.access.kit import Side, running_side
from tests.kit.client import Client
from tests.kit.unanswered import lose_first_answers

REPORTS = ("heartbeat", "error")


async def reports(device: Client, channel_id: str) -> set[tuple[int, str]]:
    """(status, code) of every report."""
    replies = [await device.post(f"/channels/{channel_id}/{report}") for report in REPORTS]
    return {(reply.status, reply.json.get("code", "")) for reply in replies}


OWN, OTHER = {(200, "")}, {(403, "not_own_channel")}


async def test_a_device_with_a_channel_cannot_report_for_another(side: Side) -> None:
    _, device = await side.paired("capture", channel="cam1")
    assert await reports(device, "cam2") == OTHER
    assert await reports(device, "cam1") == OWN
    refused = await device.post("/channels/cam2/heartbeat")
    assert refused.json["channel_id"] == "cam1" and "Devices" in refused.json["hint"]
    _, operator = await side.paired("operator")
    assert await reports(operator, "cam1") == await reports(operator, "cam2") == OWN


async def test_the_first_accepted_report_sets_the_channel(side: Side, tmp_path: Path) -> None:
    """A report for a mistyped or missing channel is refused, and does not set the device's channel."""
    device_id, device = await side.paired("capture")
    assert await reports(device, "cam9") == {(404, "not_found")}
    assert await reports(device, "cam2") == OWN
    assert await reports(device, "cam1") == OTHER
    await wait_all_tasks_blocked()
    async with running_side(tmp_path) as again:  # stored
        assert await reports(again.device(bearer(device)), "cam1") == OTHER
        assert await reports(again.device(bearer(device)), "cam2") == OWN
    _, admin = await side.paired("admin")
    assert (await admin.get(f"/devices/{device_id}")).json["channel_id"] == "cam2"


async def test_a_binding_whose_commit_is_not_answered_is_known(
    side: Side, monkeypatch: pytest.MonkeyPatch
) -> None:
    lose_first_answers(monkeypatch)
    device_id, device = await side.paired("capture")
    assert await reports(device, "cam2") == OWN
    await wait_all_tasks_blocked()
    known = side.access.registry.by_id(device_id)
    assert known is not None and (known.channel_id, known.rev) == ("cam2", 2)


@pytest.mark.parametrize("report", REPORTS)
async def test_each_kind_of_report_sets_the_channel(side: Side, report: str) -> None:
    _, device = await side.paired("capture")
    assert (await device.post(f"/channels/cam1/{report}")).status == 200
    assert await reports(device, "cam2") == OTHER


async def test_the_first_report_sets_the_channel_of_a_token_from_a_file_too(
    autojump_clock: MockClock, side: Side
) -> None:
    bound = side.device(leave_token(side.state_dir, "capture", "North", "cam1"))
    free = side.device(leave_token(side.state_dir, "capture", "South"))
    assert (await bound.get("/time")).status == 401, "the box looks into its folder now"
    await wait_all_tasks_blocked()
    assert await reports(bound, "cam2") == OTHER
    assert await reports(bound, "cam1") == OWN
    assert await reports(free, "cam2") == OWN
    assert await reports(free, "cam1") == OTHER


async def test_an_admin_gives_it_another_channel(side: Side) -> None:
    device_id, device = await side.paired("capture", channel="cam1")
    _, admin = await side.paired("admin")
    changed = await admin.patch(f"/devices/{device_id}", {"channel_id": "cam2"})
    assert changed.json["channel_id"] == "cam2"
    assert await reports(device, "cam1") == OTHER
    assert await reports(device, "cam2") == OWN
    await admin.patch(f"/devices/{device_id}", {"name": "Upper stand"})
    assert await reports(device, "cam1") == OTHER, "a new name changes nothing"
    await admin.patch(f"/devices/{device_id}", {"channel_id": None})
    assert await reports(device, "cam1") == OWN
    assert await reports(device, "cam2") == OTHER


async def test_a_channel_that_does_not_exist_is_refused(side: Side) -> None:
    device_id, _ = await side.paired("capture", channel="cam9")  # there was one once
    _, admin = await side.paired("admin")
    refused = await admin.patch(f"/devices/{device_id}", {"channel_id": "cam8", "name": "x"})
    assert (refused.status, refused.json["code"]) == (422, "unknown_channel")
    assert set(refused.wrong) == {"channel_id"}
    same = await admin.patch(f"/devices/{device_id}", {"channel_id": "cam9", "name": "Upper stand"})
    assert (same.status, same.json["channel_id"], same.json["name"]) == (200, "cam9", "Upper stand")


async def test_another_role_belongs_to_no_channel(side: Side) -> None:
    device_id, _ = await side.paired("capture", channel="cam1")
    _, admin = await side.paired("admin")
    coach = await admin.patch(f"/devices/{device_id}", {"role": "coach"})
    assert (coach.json["role"], coach.json["channel_id"]) == ("coach", None)
    refused = await admin.patch(f"/devices/{device_id}", {"channel_id": "cam1"})
    assert refused.status == 422 and "channel_id" in refused.wrong
    both = await admin.patch(f"/devices/{device_id}", {"role": "capture", "channel_id": "cam2"})
    assert (both.json["role"], both.json["channel_id"]) == ("capture", "cam2")


@pytest.mark.parametrize("is_open", [True, False], ids=["open", "loopback"])
async def test_where_access_is_open_a_token_restricts_nothing(tmp_path: Path, is_open: bool) -> None:
    async with running_side(tmp_path, is_open=is_open, on_loopback=not is_open) as side:
        side.client.host = "127.0.0.1:8080"
        _, device = await side.paired("capture", channel="cam1")
        assert await reports(device, "cam2") == OWN


def bearer(device: Client) -> str:
    return device.headers["authorization"].split()[1]
