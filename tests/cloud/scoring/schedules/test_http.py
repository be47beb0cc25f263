"""POST scheduler, GET schedules and runs, as programs and people use them."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from appliance.cloud.scoring.imports.model import FileMatch
from appliance.cloud.scoring.schedules.due import claim_due, record_run
from appliance.cloud.scoring.schedules.planning import Setting, ensure_daily
from appliance.cloud.scoring.schedules.settings import SchedulerSettings
from appliance.kernel.clock import to_rfc3339
from appliance.kernel.tx import Tx
from tests.cloud.conftest import Cloud
from tests.cloud.scoring.executions.test_http import office_of
from tests.cloud.scoring.schedules.test_planning import fixture, make
from tests.kit.client import Client
from tests.kit.clock import HandClock

BASE = "/api/v2/data-provider"
TOKEN = {"x-internal-token": "shared-demo"}
DEMO = Setting("demo", SchedulerSettings())
TODAY = "2026-11-20"  # of the clock, 19:00 UTC


async def loaded(cloud: Cloud) -> None:
    await cloud.store.write(lambda tx: make(tx, fixture(TODAY), fixture(TODAY, "20:00", "C", "D")))


def make_named(tx: Tx, match: FileMatch, name: str) -> None:
    make(tx, match, tournament_id=name, name=name)


async def test_schedules_of_today_are_made_and_answered_at_once(cloud: Cloud) -> None:  # B02 B03 B13 D26
    empty = await cloud.client.post(f"{BASE}/scheduler", headers=TOKEN)
    assert (empty.status, empty.json) == (200, {"schedules": []})
    await loaded(cloud)
    reply = await cloud.client.post(f"{BASE}/scheduler", headers=TOKEN)
    (made,) = reply.json["schedules"]
    assert made["id"] == "brasileirao_betano_2026_11_20_19_02"
    assert made["cronExpression"] == "cron(2 19 20 11 ? 2026)"
    assert (made["status"], made["fireAt"]) == ("scheduled", "2026-11-20T19:02:00.000000Z")
    one = "https://api.example/api/v2/data-provider/tournaments/league"
    assert made["targetInput"] == {
        "standingsUrl": f"{one}/standings",
        "roundUrl": f"{one}/matches/matchday-1",
        "targetEnv": "demo",
    }
    body = {"kind": "daily", "targetEnv": "demo"}
    again = await cloud.client.post(f"{BASE}/scheduler", body, headers=TOKEN)
    assert again.json == reply.json


async def test_both_headers_are_accepted_and_wrong_ones_refused(cloud: Cloud) -> None:  # B11 B12 D10
    for headers in (TOKEN, {"authorization": "Bearer shared-demo"}):
        assert (await cloud.client.post(f"{BASE}/scheduler", headers=headers)).status == 200
    admin = await cloud.holder("admin")
    assert (await admin.post(f"{BASE}/scheduler")).status == 200
    for headers in (
        {},
        {"x-internal-token": "wrong"},
        {"x-internal-token": "shared-production"},
        {"authorization": "Bearer wrong"},
    ):
        reply = await cloud.client.post(f"{BASE}/scheduler", headers=headers)
        assert (reply.status, reply.json) == (403, {"error": "Invalid internal service token"})
    league = await cloud.holder("league", "league:019307a0-0000-7000-8000-00000000dead")
    reply = await league.post(f"{BASE}/scheduler")
    assert (reply.status, reply.json["code"]) == (403, "not_allowed")


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"targetEnv": "production"}, 422, "targetEnv"),
        ({"targetEnv": "staging"}, 422, "targetEnv"),
        ({"kind": "weekly"}, 422, "kind"),
        ({"roundSlug": "matchday-1"}, 422, "tournamentId"),
        ({"kind": "knockouts"}, 422, "tournamentId"),
        ({"tournamentId": "none"}, 404, ""),
        ({"tournamentId": "league", "roundSlug": "none"}, 422, "roundSlug"),
        ({"endpoint": "http://x"}, 422, "endpoint"),
    ],
)
async def test_a_wrong_body_is_named(body: dict[str, Any], status: int, field: str, cloud: Cloud) -> None:
    await loaded(cloud)
    reply = await cloud.client.post(f"{BASE}/scheduler", body, headers=TOKEN)
    assert reply.status == status and (not field or list(reply.wrong) == [field])


async def test_a_round_or_a_bracket_on_request(cloud: Cloud) -> None:  # D07
    await loaded(cloud)
    for kind, group in (("scores", "scores-and-standings-routine"), ("knockouts", "knockouts-routine")):
        body = {"kind": kind, "tournamentId": "league", "roundSlug": "matchday-1"}
        reply = await cloud.client.post(f"{BASE}/scheduler", body, headers=TOKEN)
        (made,) = reply.json["schedules"]
        assert (made["group"], "knockoutsUrl" in made["targetInput"]) == (group, kind == "knockouts")
    only = await cloud.client.post(f"{BASE}/scheduler", {"tournamentId": "league"}, headers=TOKEN)
    assert len(only.json["schedules"]) == 1


async def test_schedules_are_listed_by_group_with_the_next_day(cloud: Cloud) -> None:  # B16
    await loaded(cloud)
    await cloud.store.write(lambda tx: make(tx, fixture("2026-11-21", home="E", away="F"), tournament_id="b"))
    await cloud.client.post(f"{BASE}/scheduler", headers=TOKEN)
    await cloud.store.write(partial(ensure_daily, setting=DEMO))
    await cloud.store.write(
        lambda tx: tx.run("UPDATE schedules SET status = 'completed' WHERE what = 'daily'")
    )
    await cloud.store.write(partial(ensure_daily, setting=DEMO))
    shown = (await cloud.client.get(f"{BASE}/schedules", headers=TOKEN)).json
    assert [each["kind"] for each in shown["items"]] == ["daily", "standings", "daily"]
    assert shown["items"][1]["nextRun"] == "2026-11-20T19:02:00.000000Z"
    following = [(each["fireAt"][:16], each["kind"], each["isScheduled"]) for each in shown["next24h"]]
    assert following == [
        ("2026-11-20T19:02", "standings", True),
        ("2026-11-21T00:01", "daily", True),
        *[("2026-11-21T00:03", "standings", False)] * 2,
    ]
    path = f"{BASE}/schedules?group=daily-routine&status=completed"
    routine = (await cloud.client.get(path, headers=TOKEN)).json
    assert [each["function"] for each in routine["items"]] == ["caller-daily-routine"]
    pages = []
    path = f"{BASE}/schedules?limit=2"
    cursor: str | None = ""
    while cursor is not None:
        page = (await cloud.client.get(path + (f"&cursor={cursor}" if cursor else ""), headers=TOKEN)).json
        pages.append([each["id"] for each in page["items"]])
        cursor = page["next_cursor"]
    assert [len(page) for page in pages] == [2, 1] and len({each for page in pages for each in page}) == 3


async def test_a_league_sees_the_next_day_of_its_own_without_the_daily_run(cloud: Cloud) -> None:
    """The plan of the next day holds although the daily run that makes it is not shown."""
    await loaded(cloud)
    for name, home in (("mine", "E"), ("other", "G")):
        match = fixture("2026-11-21", home=home, away=f"{home}2")
        await cloud.store.write(partial(make_named, match=match, name=name))
    await cloud.client.post(f"{BASE}/scheduler", headers=TOKEN)
    await cloud.store.write(partial(ensure_daily, setting=DEMO))
    await cloud.store.write(
        lambda tx: tx.run("UPDATE schedules SET status = 'completed' WHERE what = 'daily'")
    )
    await cloud.store.write(partial(ensure_daily, setting=DEMO))

    async def following(client: Client) -> list[tuple[str, str | None, bool]]:
        shown = (await client.get(f"{BASE}/schedules", headers={})).json["next24h"]
        return [(each["kind"], each["tournamentId"], each["isScheduled"]) for each in shown]

    staff = await following(await cloud.holder("admin"))
    assert [each for each in staff if each[1] is None] == [("daily", None, True)]
    assert {each[1] for each in staff} == {None, "league", "mine", "other"}
    for name in ("mine", "league"):
        own = await following(await office_of(cloud, name))
        assert own == [each for each in staff if each[1] == name] != []


async def test_runs_are_found_by_their_function_with_the_lines_of_the_log(cloud: Cloud) -> None:  # B16
    await cloud.store.write(partial(ensure_daily, setting=DEMO))
    (claim,) = await cloud.store.write(partial(claim_due, setting=DEMO, owner="p", limit=9))
    end = partial(record_run, setting=DEMO, claim=claim, took_us=688_500, memory_mb=139)
    await cloud.store.write(partial(end, run_id="d66897c3", error=None))
    path = f"{BASE}/runs?function=caller-daily-routine"
    (run,) = (await cloud.client.get(path, headers=TOKEN)).json["items"]
    assert (run["durationMs"], run["memoryMb"], run["status"]) == (688, 139, "success")
    assert run["log"] == [
        "START RequestId: d66897c3",
        "INFO: START [demo]",
        "END RequestId: d66897c3 Duration: 688.50 ms Memory Used: 139 MB Status: SUCCESS",
    ]
    other = (await cloud.client.get(f"{BASE}/runs?function=caller-knockouts-update", headers=TOKEN)).json
    assert other["items"] == []


async def test_rows_of_production_are_not_shown_in_a_demo(cloud: Cloud) -> None:  # B10
    await cloud.store.write(partial(ensure_daily, setting=Setting("production", SchedulerSettings())))
    shown = (await cloud.client.get(f"{BASE}/schedules", headers=TOKEN)).json
    assert (shown["items"], shown["next24h"]) == ([], [])
    assert isinstance(cloud.clock, HandClock) and to_rfc3339(cloud.clock.now_us())[:10] == TODAY
