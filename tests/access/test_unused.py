"""A device that was not used for long loses its access, and no other device does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from appliance.access import codes, revocations
from appliance.access.actor import SEEN_S
from tests.access.kit import Side, running_side
from tests.kit.box import in_the_loop
from tests.kit.client import Client
from tests.kit.unanswered import lose_first_answers

DAY_S = 86_400.0
DAYS = 5
LIVE = "SELECT count(*) FROM devices WHERE revoked_us IS NULL"


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for module in (codes, revocations):
        monkeypatch.setattr(module, "in_thread", in_the_loop)
    yield


async def use(side: Side, device: Client, days: int) -> None:
    """The box is used on so many days by one device."""
    for _ in range(days):
        side.clock.advance(DAY_S)
        assert (await device.get("/time")).status == 200
        await trio.sleep(SEEN_S + 1)


async def a_day_later() -> None:
    """A day later by the monotonic clock as well, so that no device counts as used today."""
    await trio.sleep(DAY_S + SEEN_S)


async def test_a_device_unused_while_the_box_is_used_loses_access(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with running_side(tmp_path, unused_days=DAYS) as side:
        lost_id, lost = await side.paired("coach", "Drawer")
        _, used = await side.paired("coach", "Bench")
        _, admin = await side.paired("admin", "Old office")
        await use(side, used, DAYS)
        assert (await lost.get("/time")).status == 200, "which counts as a use"
        await a_day_later()
        await use(side, used, DAYS)
        assert (await side.store.read(lambda tx: tx.value(LIVE))) == 2, "the admin's, which was not used"
        await use(side, used, 1)
        reply = await lost.get("/time")
        assert (reply.status, reply.json["code"]) == (401, "not_paired")
        assert (await admin.get("/time")).status == 401
        assert (await used.get("/time")).status == 200
        _, office = await side.paired("admin", "Office")
        assert (await office.get(f"/devices/{lost_id}")).status == 410
    async with running_side(tmp_path, clock=side.clock) as side:
        assert (await side.device(bearer(lost)).get("/time")).status == 401


async def test_one_that_ends_by_a_commit_without_an_answer_is_out_at_once(
    tmp_path: Path, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    lose_first_answers(monkeypatch)
    async with running_side(tmp_path, unused_days=DAYS) as side:
        _, lost = await side.paired("coach", "Drawer")
        _, used = await side.paired("coach", "Bench")
        await a_day_later()
        await use(side, used, DAYS + 1)
        assert (await lost.get("/time")).status == 401
        assert (await used.get("/time")).status == 200


async def test_days_on_which_the_box_was_not_used_do_not_count(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """A break between seasons, and a wall clock that is set years ahead and back."""
    async with running_side(tmp_path, unused_days=DAYS) as side:
        _, rare = await side.paired("coach")
        _, other = await side.paired("coach")
        for leap_s in (200 * DAY_S, 4000 * DAY_S, -4000 * DAY_S):
            await a_day_later()
            side.clock.advance(leap_s)
            await use(side, other, 1)
        assert (await rare.get("/time")).status == 200


async def test_a_device_that_only_watches_is_in_use(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with running_side(tmp_path, unused_days=DAYS) as side:
        _, screen = await side.paired("coach", "Lobby")
        _, other = await side.paired("coach", "Bench")
        known = side.access.registry.by_token(bearer(screen))
        assert known is not None
        ended = list[int]()
        with side.access.registry.watching(known.grant, lambda code, reason: ended.append(code)):
            await a_day_later()
            await use(side, other, 3 * DAYS)
            await a_day_later()
        assert ended == [] and (await screen.get("/time")).status == 200


async def test_a_device_used_today_keeps_access_whatever_its_stored_time(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    """The clock was wrong when it was used."""
    async with running_side(tmp_path, unused_days=DAYS) as side:
        _, old = await side.paired("coach", "Used under a wrong clock")
        _, other = await side.paired("coach", "Bench")
        await use(side, other, 3 * DAYS)
        assert (await old.get("/time")).status == 200


async def test_unused_days_0_turns_it_off(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with running_side(tmp_path) as side:
        _, rare = await side.paired("coach")
        _, other = await side.paired("coach")
        await a_day_later()
        await use(side, other, 3 * DAYS)
        assert (await rare.get("/time")).status == 200


def bearer(device: Client) -> str:
    return device.headers["authorization"].split()[1]
