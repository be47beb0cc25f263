"""The box's side against the real hosted side: everything arrives once, whatever happens to either."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest
import trio
from trio.testing import MockClock

from appliance.box.sync.up import actor
from appliance.box.sync.up.actor import run_up
from appliance.box.sync.up.state import CURSOR
from appliance.kernel.errors import Refused, Unavailable
from appliance.kernel.follow import find_cursor
from appliance.ops import pruning
from tests.box.sync.up.linked import linked, make_entries, make_things


async def test_a_snapshot_then_each_change(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with linked(tmp_path) as both:
        await both.store.write(make_things)
        await both.drain()
        await both.check_equal()
        assert (await both.in_cloud()).events == []
        await both.store.write(make_things)
        await both.drain()
        await both.check_equal()
        assert [each["type"] for each in (await both.in_cloud()).events] == [
            "channel_created",
            "session_created",
        ]
        assert both.link.is_connected and both.link.troubles == {}


async def test_batches_are_limited_and_in_order(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with linked(tmp_path) as both:
        await both.drain()
        await both.store.write(partial(make_entries, count=2 * actor._READ + 7))
        await both.drain()
        posts = [each for each in both.line.requests if each.endswith("/events")]
        assert len(posts) == 3
        assert [each["seq"] for each in (await both.in_cloud()).events] == list(range(1, 2 * actor._READ + 8))


async def test_a_line_that_breaks_anywhere_loses_and_doubles_nothing(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    """Before the request, or after it was served: then the answer is lost."""
    dice = Random(7)

    def before(request: httpx.Request) -> None:
        if dice.random() < 0.2:
            raise httpx.ConnectError("cut")

    def after(request: httpx.Request, answer: httpx.Response) -> httpx.Response:
        if dice.random() < 0.3:
            raise httpx.ReadError("cut")
        return answer

    async with linked(tmp_path) as both:
        both.line.before, both.line.after = before, after
        for _ in range(6):
            await both.store.write(make_things)
            await both.store.write(partial(make_entries, count=dice.randint(0, 300)))
            await both.drain_anyhow()
            if dice.random() < 0.5:
                both.restart()
        await both.check_equal()
        state = await both.in_cloud()
        seqs = [each["seq"] for each in state.events]
        assert seqs == list(range(seqs[0], both.store.journal.head + 1)) and state.parked == []


@pytest.mark.parametrize(
    ("document", "code"),
    [
        ({"acked_through": "5"}, "cloud_answer"),
        ({"acked_through": -1}, "cloud_answer"),
        ({"acked_through": True}, "cloud_answer"),
        ({}, "cloud_answer"),
        ({"acked_through": 10, "rejected": 5}, "cloud_answer"),
        ({"acked_through": 10, "rejected": [1] * 501}, "cloud_answer"),  # each would be logged
        ({"acked_through": 1}, "cloud_answer"),  # less than what was acknowledged before, for a batch
        ({"acked_through": 5}, "cloud_answer"),  # nothing of the batch: it would be sent again at once
        ([], "cloud_answer"),
    ],
)
async def test_an_answer_that_is_none_moves_nothing(
    autojump_clock: MockClock, tmp_path: Path, document: Any, code: str
) -> None:
    async with linked(tmp_path) as both:
        await both.store.write(partial(make_entries, count=5))
        await both.drain()
        await both.store.write(partial(make_entries, count=5))
        both.line.after = lambda request, answer: httpx.Response(200, json=document)
        for _ in range(2):
            with pytest.raises(Unavailable) as unavailable:
                await both.up.step()
            assert unavailable.value.code == code
        cursor = await both.store.read(partial(find_cursor, name=CURSOR))
        assert cursor is not None and cursor.seq == 5


async def test_a_cloud_that_expects_what_was_never_sent_is_not_followed(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with linked(tmp_path) as both:
        await both.drain()
        await both.store.write(partial(make_entries, count=5))
        for expected in (0, 1, 7, 10**9, "x"):
            document = {"code": "hole", "detail": "x", "expected": expected}
            both.line.after = lambda request, answer, it=document: httpx.Response(409, json=it)  # type: ignore[misc]
            with pytest.raises(Unavailable):
                await both.up.step()


ODD: list[Any] = [
    *[None, 5, "x", [], [1], {}, {"acked_through": 1.5}, {"acked_through": 2**70}, {"acked_through": None}],
    *[
        {"acked_through": 6, "rejected": [None, {"id": []}]},
        {"code": 5},
        {"code": "hole"},
        {"code": "new one"},
    ],
    *[
        {"code": "hole", "expected": 2**70},
        {"code": "hole", "expected": -1},
        {"code": "diverged", "detail": [1]},
    ],
    *[{"code": "epoch_superseded", "is_known": "x"}, {"code": "epoch_superseded", "is_known": False}],
    *[{"id": "x"}, {"code": "snapshot_too_old"}, {"code": "not_found", "hint": 7, "detail": None}],
]


async def test_no_answer_ends_the_box(autojump_clock: MockClock, tmp_path: Path) -> None:
    """Whatever the status and the body, on whichever path: it is a refusal, or it is tried again."""
    async with linked(tmp_path) as both:
        await both.store.write(make_things)
        for status in (200, 302, 409):
            for document in ODD:
                answer = httpx.Response(status, json=document, headers={"retry-after": "x"})
                both.line.after = lambda request, served, it=answer: it  # type: ignore[misc]
                for _ in range(2):
                    try:
                        await both.up.step()
                    except (Refused, Unavailable) as error:
                        both.link.failed("up", error, 0)
        both.line.after = lambda request, served: served
        await both.store.write(make_things)
        await both.drain_anyhow()
        await both.check_equal()


async def test_a_newer_cloud_with_unknown_fields_is_understood(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    def newer(request: httpx.Request, answer: httpx.Response) -> httpx.Response:
        value = answer.json()
        return httpx.Response(answer.status_code, json=value | {"new": {"in": 2}, "rejected_v2": []})

    async with linked(tmp_path) as both:
        both.line.after = newer
        await both.store.write(make_things)
        await both.drain()
        await both.store.write(lambda tx: tx.append("laser_fired", "laser:1", {"power": 9}))
        await both.drain()
        await both.check_equal()
        assert [each["type"] for each in (await both.in_cloud()).events] == ["laser_fired"]


async def test_private_fields_stay_on_the_box(autojump_clock: MockClock, tmp_path: Path) -> None:
    for share_notes in (False, True):
        async with linked(tmp_path / str(share_notes), share_notes=share_notes) as both:
            await both.drain()
            tag = {"id": "t1", "session_id": "s1", "coach_notes": "secret", "notes": "open"}
            await both.store.write(lambda tx, tag=tag: tx.append("tag_created", "tag:t1", {"tag": tag}))  # type: ignore[misc]
            await both.store.write(lambda tx: tx.append("drawing_created", "drawing:1", {"lines": "secret"}))
            await both.drain()
            state = await both.in_cloud()
            text = json.dumps([state.events, state.resources])
            assert ("secret" in text) is share_notes and "open" in text
            assert [each["seq"] for each in state.events] == [1, 2]


@pytest.fixture(autouse=True)
def folders(tmp_path: Path) -> None:
    for name in ("False", "True"):
        (tmp_path / name).mkdir()


async def test_a_week_without_the_cloud(
    autojump_clock: MockClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seven days, a game each; the journal is kept, and drained when the cloud is back."""
    monkeypatch.setattr(actor, "RETRY_MAX_S", 4 * 3600.0)  # thousands of attempts show no more than some
    async with linked(tmp_path) as both:
        await both.drain()
        both.line.before = _cut
        async with trio.open_nursery() as nursery:
            box = both.up._box
            run = partial(run_up, both.store, both.client, both.link, both.clock, box)
            shown = await nursery.start(run)
            for _ in range(7):
                await both.store.write(make_things)
                await both.store.write(partial(make_entries, count=100))
                await trio.sleep(86_400)
                await pruning.prune(both.store, both.clock.now_us())
            assert not both.link.is_connected and shown.backlog.entries == 7 * 102
            assert shown.backlog.oldest_us is not None
            both.line.before = lambda request: None
            while shown.state is None or shown.state.acked < both.store.journal.head:  # noqa: ASYNC110
                await trio.sleep(60)
            nursery.cancel_scope.cancel()
        await both.check_equal()
        state = await both.in_cloud()
        assert [each["seq"] for each in state.events] == list(range(1, 7 * 102 + 1))


def _cut(request: httpx.Request) -> None:
    raise httpx.ConnectError("unplugged")


async def test_what_was_pruned_before_it_was_sent_comes_with_a_snapshot(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with linked(tmp_path) as both:
        await both.drain()
        both.line.before = _cut
        for _ in range(3):
            await both.store.write(make_things)
        with pytest.raises(Unavailable):
            await both.up.step()
        await trio.sleep(100 * 86_400)
        await both.store.write(make_things)
        await pruning.prune(both.store, both.clock.now_us())
        assert both.store.journal.oldest > 1
        both.line.before = lambda request: None
        await both.drain()
        await both.check_equal()
        assert not (
            await both.cloud.store.read(lambda tx: tx.all("SELECT * FROM site_epochs WHERE number > 1"))
        )


async def test_it_asks_ever_more_seldom_and_says_why(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with linked(tmp_path) as both:
        both.line.before = _cut
        run = partial(run_up, both.store, both.client, both.link, both.clock, both.up._box)
        async with trio.open_nursery() as nursery:
            await nursery.start(run)
            await trio.sleep(1200)
            nursery.cancel_scope.cancel()
        assert 20 <= len(both.line.requests) <= 120
        assert both.link.troubles["up"].code == "cloud_unreachable"


async def test_a_slow_line_gets_smaller_batches(autojump_clock: MockClock, tmp_path: Path) -> None:
    def slow(request: httpx.Request) -> None:
        if len(request.content) > 20_000:
            raise httpx.WriteTimeout("slow")

    async with linked(tmp_path) as both:
        await both.drain()
        both.line.before = slow
        await both.store.write(partial(make_entries, count=600))
        await both.drain_anyhow()
        assert len((await both.in_cloud()).events) == 600


async def test_a_cloud_that_refuses_every_epoch_is_asked_ever_more_seldom(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    def refuse(request: httpx.Request, answer: httpx.Response) -> httpx.Response:
        document = {"code": "diverged", "detail": "entry 1 is another one"}
        return httpx.Response(409, json=document) if request.url.path.endswith("/events") else answer

    async with linked(tmp_path) as both:
        both.line.after = refuse
        run = partial(run_up, both.store, both.client, both.link, both.clock, both.up._box)
        async with trio.open_nursery() as nursery:
            await nursery.start(run)
            await both.store.write(make_things)
            await trio.sleep(1200)
            nursery.cancel_scope.cancel()
        assert 2 <= sum(each.endswith("/commit") for each in both.line.requests) < 50


async def test_a_cloud_that_sends_the_box_back_again_and_again_is_asked_ever_more_seldom(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    def back(request: httpx.Request, answer: httpx.Response) -> httpx.Response:
        acked = int(request.headers["sync-after"].partition(":")[0])
        document = {"code": "hole", "detail": "the one before", "expected": max(1, acked)}
        return httpx.Response(409, json=document)

    async with linked(tmp_path) as both:
        await both.store.write(partial(make_entries, count=500))
        await both.drain()
        both.line.after = back
        both.line.requests.clear()
        run = partial(run_up, both.store, both.client, both.link, both.clock, both.up._box)
        async with trio.open_nursery() as nursery:
            await nursery.start(run)
            await both.store.write(make_things)
            await trio.sleep(1200)
            nursery.cancel_scope.cancel()
        assert 2 <= len(both.line.requests) < 50


async def test_the_token_of_another_site_sends_nothing(autojump_clock: MockClock, tmp_path: Path) -> None:
    """The first thing that a box sends is a snapshot: it would be another site's."""
    async with linked(tmp_path, site_id="south") as both:
        await both.store.write(make_things)
        with pytest.raises(Refused) as refused:
            await both.drain()
        assert refused.value.code == "other_site" and (await both.in_cloud()).resources == []


async def test_an_idle_box_shows_that_it_is_there(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with linked(tmp_path) as both:
        await both.drain()
        both.line.requests.clear()
        run = partial(run_up, both.store, both.client, both.link, both.clock, both.up._box)
        async with trio.open_nursery() as nursery:
            await nursery.start(run)
            await trio.sleep(300)
            nursery.cancel_scope.cancel()
        assert 9 <= len(both.line.requests) <= 12


async def test_a_limit_of_the_line_is_kept(autojump_clock: MockClock, tmp_path: Path) -> None:
    async with linked(tmp_path) as both:
        await both.drain()
        both.up._box = actor.Box("north", "http://cloud", "1", both.up._box.content, max_bytes_s=10_000)
        await both.store.write(partial(make_entries, count=1000))
        began_s = trio.current_time()
        await both.drain()
        assert trio.current_time() - began_s > 30  # 400 bytes each


async def test_parked_events_no_longer_count_once_they_were_replayed(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    async with linked(tmp_path) as both:
        await both.drain()
        await both.store.write(lambda tx: tx.append("clip_ready", "clip:c1", {"clip": "not whole"}))
        await both.drain()
        assert both.up.shown.parked == 1
        both.restart()  # it is not forgotten either
        await both.up.step()
        assert both.up.shown.parked == 1
        await both.cloud.store.write(lambda tx: tx.run("UPDATE parked_events SET status = 'applied'"))
        await trio.sleep(actor.SHOW_S)
        await both.up.step()
        assert both.up.shown.parked == 0
