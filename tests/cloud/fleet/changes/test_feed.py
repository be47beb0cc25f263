"""What goes down to a site's box: from a snapshot, and from a cursor, on both databases."""

from __future__ import annotations

from functools import partial

import pytest

from appliance.cloud.fleet.changes import feed
from appliance.cloud.fleet.changes.kinds import KINDS
from appliance.cloud.fleet.changes.scope import forget_removed, refresh
from appliance.cloud.fleet.changes.sweep import sweep
from appliance.kernel.clock import DAY_US
from appliance.kernel.errors import Refused
from appliance.kernel.store import Store
from appliance.kernel.tx import Tx
from tests.cloud.fleet.changes.world import (
    OTHER,
    SITE,
    add_event,
    add_league,
    change,
    everything,
    keys,
    make,
    remove,
    since,
)


async def test_a_site_gets_its_events_with_their_teams_and_rosters(store: Store) -> None:
    _, start = await everything(store)
    league = await store.write(add_league)
    event_id = await store.write(lambda tx: add_event(tx, league))
    await store.write(lambda tx: add_event(tx, league, site_id=None))
    far = await store.write(lambda tx: add_event(tx, league, days=15))
    changes, cursor = await since(store, start)
    teams = sorted([league.home, league.away])
    assert keys(changes) == [
        ("event", event_id, True),
        *[("team", team, True) for team in teams],
        *[("roster", team, True) for team in teams],
    ]
    sent = list(dict.fromkeys(each["kind"] for each in changes))
    assert [kind.name for kind in KINDS if kind.name in sent] == sent == ["event", "team", "roster"]
    event = changes[0]["resource"]
    assert event["home"] == {"team_id": league.home, "name": "Rovers", "short_name": None}
    assert (event["league"], event["season"], event["sport"]) == ("League", "2026-27", "football")
    rosters = {each["id"]: each["resource"] for each in changes if each["kind"] == "roster"}
    assert [each["name"] for each in rosters[league.home]["athletes"]] == ["Ana"]
    have, same = await everything(store)
    assert same == cursor and set(have) == {(each["kind"], each["id"]) for each in changes}
    assert (await everything(store, OTHER))[0] == {} and ("event", far) not in have
    assert (await since(store, cursor)) == ([], cursor)


async def test_a_change_is_sent_to_the_sites_that_show_it(store: Store) -> None:
    league = await store.write(add_league)
    here = await store.write(lambda tx: add_event(tx, league))
    there = await store.write(lambda tx: add_event(tx, league, site_id=OTHER))
    (_, cursor), (_, others) = await everything(store), await everything(store, OTHER)
    await store.write(lambda tx: change(tx, "team", league.home, name="Wanderers"))
    await store.write(lambda tx: change(tx, "team", league.home, name="Athletic"))
    changes, cursor = await since(store, cursor)
    assert sorted(keys(changes)) == [("event", here, True), ("team", league.home, True)]
    assert {each["resource"].get("home", each["resource"])["name"] for each in changes} == {"Athletic"}
    assert ("event", there, True) in keys((await since(store, others, OTHER))[0])
    await store.write(lambda tx: make(tx, "athlete", team_id=league.away, name="Bea", number="9"))
    assert keys((await since(store, cursor))[0]) == [("roster", league.away, True)]
    moved = (await since(store, cursor))[1]
    await store.write(lambda tx: change(tx, "league", league.league_id, name="Premier"))
    ((_, _, there_is),) = keys((await since(store, moved))[0])
    assert there_is


async def test_an_athlete_who_moves_changes_both_rosters(store: Store) -> None:
    league = await store.write(add_league)
    athlete = await store.write(lambda tx: make(tx, "athlete", team_id=league.home, name="Cleo"))
    await store.write(lambda tx: add_event(tx, league))
    _, cursor = await everything(store)
    await store.write(lambda tx: change(tx, "athlete", athlete, team_id=league.away))
    changes, _ = await since(store, cursor)
    assert sorted(each["id"] for each in changes) == sorted([league.home, league.away])


async def test_what_no_longer_concerns_a_site_is_a_tombstone(store: Store) -> None:
    league = await store.write(add_league)
    event_id = await store.write(lambda tx: add_event(tx, league))
    _, cursor = await everything(store)
    await store.write(lambda tx: change(tx, "event", event_id, status="cancelled"))
    ((kind, _, is_there),) = keys((await since(store, cursor))[0])  # cancelled: still the site's
    assert (kind, is_there) == ("event", True)
    await store.write(lambda tx: change(tx, "event", event_id, site_id=OTHER))
    changes, cursor = await since(store, cursor)
    assert [is_there for *_, is_there in keys(changes)] == [False] * 5
    assert (await everything(store))[0] == {} and len((await everything(store, OTHER))[0]) == 5
    await store.write(lambda tx: change(tx, "event", event_id, site_id=SITE))
    assert [is_there for *_, is_there in keys((await since(store, cursor))[0])] == [True] * 5


async def test_what_was_deleted_is_a_tombstone(store: Store) -> None:
    league = await store.write(add_league)
    event_id = await store.write(lambda tx: add_event(tx, league))
    athlete = await store.write(lambda tx: make(tx, "athlete", team_id=league.home, name="Cleo"))
    _, cursor = await everything(store)
    await store.write(lambda tx: remove(tx, "athlete", athlete))
    changes, cursor = await since(store, cursor)
    assert [len(each["resource"]["athletes"]) for each in changes] == [1]
    await store.write(lambda tx: remove(tx, "event", event_id))
    assert [is_there for *_, is_there in keys((await since(store, cursor))[0])] == [False] * 5


async def test_events_come_into_the_window_of_time_and_leave_it(store: Store) -> None:
    league = await store.write(add_league)
    event_id = await store.write(lambda tx: add_event(tx, league, days=15))
    soon = await store.write(lambda tx: add_event(tx, league, days=1))
    _, cursor = await everything(store)
    await sweep(store)
    assert (await since(store, cursor))[0] == []
    day = await store.read(lambda tx: tx.now_us)

    def in_time(tx: Tx) -> None:  # as if days had passed: unseen by the hook
        for row_id, days in ((event_id, 13), (soon, -15)):
            tx.run("UPDATE events SET kickoff_us = ? WHERE id = ?", (day + days * DAY_US, row_id))

    await store.write(in_time)
    await sweep(store)
    changes, cursor = await since(store, cursor)
    assert sorted(keys(changes)) == sorted([("event", event_id, True), ("event", soon, False)])
    assert await store.write(lambda tx: refresh(tx, SITE)) == 0


async def test_pages_of_any_size_say_the_same(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    _, start = await everything(store)
    league = await store.write(add_league)
    for days in range(4):
        await store.write(partial(add_event, league=league, days=days))
    whole, cursor = await since(store, start)
    have, _ = await everything(store)
    assert len(whole) == len(have) == 8
    for name, value in (("PAGE", 3), ("PAGE_BYTES", 1)):
        monkeypatch.setattr(feed, name, value)
        assert await since(store, start) == (whole, cursor)
        assert (await everything(store))[0] == have


async def test_the_cursor_moves_when_nothing_is_for_the_site(store: Store) -> None:
    _, cursor = await everything(store)
    league = await store.write(add_league)
    changes, moved = await since(store, cursor)
    assert changes == [] and moved != cursor
    assert league and (await since(store, moved)) == ([], moved)


async def test_a_cursor_of_another_past_is_refused(store: Store) -> None:
    await store.write(add_league)
    _, cursor = await everything(store)
    epoch, seq, mark = cursor.split(".")
    wrong = [
        f"{'0' * 16}.{seq}.{mark}",
        f"{epoch}.{int(seq) + 1}.{mark}",
        f"{epoch}.{seq}.00",
        "x",
        f"{epoch}.0.0",
    ]
    await store.write(lambda tx: tx.run("DELETE FROM journal WHERE seq < 3"))  # pruned
    for each in [*wrong, f"{epoch}.2.{mark}"]:
        with pytest.raises(Refused) as refused:
            await since(store, each)
        assert (refused.value.status, refused.value.code) == (410, "cursor_expired"), each
    assert await since(store, cursor) == ([], cursor)


async def test_a_tombstone_stays_until_the_journal_begins_after_it(store: Store) -> None:
    league = await store.write(add_league)
    event_id = await store.write(lambda tx: add_event(tx, league))
    await store.write(lambda tx: change(tx, "event", event_id, site_id=None))
    assert await store.write(forget_removed) == 0
    await store.write(lambda tx: tx.append("later", "later:1", {}))
    await store.write(lambda tx: tx.run("DELETE FROM journal WHERE seq < ?", (tx.head(),)))
    assert await store.write(forget_removed) == 5
    assert await store.read(lambda tx: tx.value("SELECT count(*) FROM site_scope")) == 0


async def test_a_kind_of_a_newer_process_is_left_to_it(store: Store) -> None:
    def newer(tx: Tx) -> None:
        seq = tx.append("site_scope_changed", "site_scope:north", {})
        row = {"site_id": SITE, "kind": "table", "subject_id": "t", "seq": seq, "is_removed": 0}
        tx.insert("site_scope", row)

    await store.write(newer)
    assert (await everything(store))[0] == {("table", "t"): None}
