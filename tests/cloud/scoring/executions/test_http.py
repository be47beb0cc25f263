"""The doors of updates, as programs use them: the internal token, 200 and 202, imports, reports."""

from __future__ import annotations

import json
from typing import Any

import pytest

from appliance.cloud.scoring.executions.http import IMPORT_BYTES
from tests.cloud.conftest import Cloud
from tests.kit.client import Client, Reply

BASE = "/api/v2/data-provider"
LEAGUE = f"{BASE}/tournaments/league"
TOKEN = {"x-internal-token": "shared-demo"}
FILE = json.dumps(
    {
        "name": "League 2014/15",
        "matches": [
            {
                "round": "Matchday 1",
                "date": "2014-08-16",
                "team1": "A",
                "team2": "B",
                "score": {"ft": [2, 1]},
            },
            {"round": "Matchday 2", "date": "2014-08-23", "team1": "B", "team2": "A", "score": {"ft": [1]}},
        ],
    }
).encode()
REFUSED = {"error": "Invalid internal service token"}


async def load(cloud: Cloud, body: bytes = FILE, query: str = "") -> Reply:
    return await cloud.client.post(f"{LEAGUE}/import{query}", body, headers=TOKEN)


UPDATES = [
    ("POST", "/matches"),
    ("PATCH", "/matches"),
    ("PATCH", "/matches/matchday-1"),
    ("PATCH", "/standings"),
    ("PATCH", "/knockouts"),
    ("POST", "/import"),
]


@pytest.mark.parametrize(("method", "path"), UPDATES)
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-internal-token": "wrong"},
        {"x-internal-token": "shared-production"},
        {"authorization": "Bearer wrong"},
        {"authorization": "Bearer shared-demo"},
        {"x-internal-token": ""},
    ],
)
async def test_only_the_token_of_this_environment_is_admitted(
    method: str, path: str, headers: dict[str, str], cloud: Cloud
) -> None:  # D10 B11 B12
    reply = await cloud.client.request(method, f"{LEAGUE}{path}", headers=headers)
    assert (reply.status, reply.json) == (403, REFUSED)


async def test_a_bearer_of_an_admin_is_no_internal_token(cloud: Cloud) -> None:  # B12
    admin = await cloud.holder("admin")
    reply = await admin.patch(f"{LEAGUE}/standings")
    assert (reply.status, reply.json) == (403, REFUSED)


async def test_an_import_makes_the_tournament_and_answers_what_it_did(cloud: Cloud) -> None:
    reply = await load(cloud, query="?name=League&season=2014-15&rules=england&timezone=Europe/London")
    assert reply.status == 200 and reply.json["status"] == "completed"
    summary = reply.json["summary"]
    assert {name: summary[name] for name in ("matches", "created", "changed", "unchanged")} == {
        "matches": 2,
        "created": 2,
        "changed": 0,
        "unchanged": 0,
    }
    assert [each["code"] for each in summary["defects"]] == ["bad_score"]
    again = (await load(cloud)).json["summary"]
    assert (again["created"], again["changed"], again["unchanged"]) == (0, 0, 2)  # D20
    row = await cloud.store.read(lambda tx: tx.one("SELECT * FROM tournaments"))
    assert row is not None and (row["id"], row["season"], row["rules"]) == ("league", "2014-15", "england")


@pytest.mark.parametrize(
    ("query", "field"),
    [("?rules=none", "rules"), ("?timezone=Mars", "timezone"), ("?provider=A%20B", "provider"), ("?x=1", "x")]
    + [("?season=now", "season")],
)
async def test_a_wrong_parameter_of_an_import_is_named(query: str, field: str, cloud: Cloud) -> None:  # D10
    reply = await load(cloud, query=query)
    assert reply.status == 422 and list(reply.wrong) == [field]
    assert await cloud.store.read(lambda tx: tx.all("SELECT 1 FROM tournaments")) == []


@pytest.mark.parametrize(
    ("path", "field", "words"),
    [
        ("league/import?season=soon", "season", "such as 2026, 2026-27"),
        ("league/import?provider=Bad%20Provider", "provider", "such as openfootball"),
        ("league/import?rules=England", "rules", "england:2"),
        ("X%20Y/import", "id", "lower-case letters, digits, - and _"),
    ],
)
async def test_an_error_says_the_form_in_words(path: str, field: str, words: str, cloud: Cloud) -> None:
    reply = await cloud.client.post(f"{BASE}/tournaments/{path}", FILE, headers=TOKEN)
    assert (reply.status, list(reply.wrong)) == (422, [field])
    assert words in reply.wrong[field] and "^" not in reply.wrong[field] and "[a-z" not in reply.wrong[field]


@pytest.mark.parametrize("body", [b"\xff\xfe\x00", b"{", b'{"matches": []}'])
async def test_an_import_without_matches_says_what_it_leaves(body: bytes, cloud: Cloud) -> None:
    """The tournament is made before the file is read; one that has matches already stays as it is."""
    reply = await load(cloud, body)
    (warning,) = reply.json["warnings"]
    assert warning.startswith("the tournament league is there without matches")
    shown = (await cloud.client.get(f"{BASE}/executions/{reply.json['executionId']}", headers=TOKEN)).json
    assert shown["warnings"] == [warning]
    assert "warnings" not in (await load(cloud)).json
    assert "warnings" not in (await load(cloud, body)).json


async def test_a_file_that_cannot_be_read_is_a_failed_execution_that_says_why(cloud: Cloud) -> None:
    reply = await load(cloud, b"\xff\xfe\x00")
    assert reply.status == 200 and reply.json["status"] == "failed"
    assert "not UTF-8" in reply.json["error"] and "warning" in reply.headers
    shown = (await cloud.client.get(f"{BASE}/executions/{reply.json['executionId']}", headers=TOKEN)).json
    assert (shown["stage"], shown["status"]) == ("transform", "failed")
    assert [shown["summary"][name] for name in ("operations", "successes", "failures")] == [1, 0, 1]  # D23
    empty = await load(cloud, b"  ")
    assert empty.status == 422
    huge = await load(cloud, b" " * (IMPORT_BYTES + 1))
    assert (huge.status, huge.json["limit_bytes"]) == (413, IMPORT_BYTES)


async def test_updates_of_what_is_not_there(cloud: Cloud) -> None:  # D17
    for method, path in UPDATES[:-1]:
        reply = await cloud.client.request(method, f"{LEAGUE}{path}", headers=TOKEN)
        assert (reply.status, reply.json["code"]) == (404, "not_found")
    await load(cloud)
    reply = await cloud.client.patch(f"{LEAGUE}/matches/matchday-9", headers=TOKEN)
    assert reply.status == 404 and "/rounds" in reply.json["hint"]
    assert len(await cloud.store.read(lambda tx: tx.all("SELECT 1 FROM executions"))) == 1


async def test_the_tables_are_computed_and_the_report_is_there(cloud: Cloud) -> None:  # B06 B08 D29
    await load(cloud)
    sql = "UPDATE matches SET home_score = 0 WHERE home_score = 2"
    await cloud.store.write(lambda tx: tx.run(sql))
    for body in (None, b"null", {"tournamentId": "league"}):
        reply = await cloud.client.patch(f"{LEAGUE}/standings", body, headers=TOKEN)
        assert (reply.status, reply.json["status"]) == (200, "completed")
    listed = (await cloud.client.get(f"{BASE}/executions?order=oldest", headers=TOKEN)).json["items"]
    assert [each["operation"] for each in listed] == ["import", *["standings"] * 3]
    assert listed[1]["summary"]["table"] == {"rows": 2, "changed": 2}
    for kind, media in (("json", "application/json"), ("md", "text/markdown; charset=utf-8")):
        address = listed[1]["report"]["json" if kind == "json" else "markdown"]
        assert address == f"https://api.example{BASE}/reports/{listed[1]['id']}.{kind}"
        report = await cloud.client.get(f"{BASE}/reports/{listed[1]['id']}.{kind}", headers=TOKEN)
        assert (report.status, report.headers["content-type"]) == (200, media)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/matches/matchday-1", {"roundSlug": "matchday-2"}),
        ("/matches/matchday-1", {"tournamentId": "other"}),
        ("/standings", {"roundSlug": "matchday-1"}),
        ("/matches", {"unknown": 1}),
    ],
)
async def test_a_body_that_contradicts_the_address_is_refused(
    path: str, body: dict[str, Any], cloud: Cloud
) -> None:  # D10 D28
    await load(cloud)
    reply = await cloud.client.patch(f"{LEAGUE}{path}", body, headers=TOKEN)
    assert reply.status == 422 and list(reply.wrong) == list(body)


async def test_the_round_of_a_tournament_from_invented_seasons(cloud: Cloud) -> None:  # B07 D28
    """The demo's provider, asked by a tournament that was made for it."""
    office = await cloud.holder("admin")
    made = await office.post(
        "/api/v2/tournaments",
        {"id": "league", "name": "Demo", "providers": {"fixture": "league-4@2026-08-15"}},
    )
    if made.status == 404:
        pytest.skip("the routes of tournaments are not there")
    reply = await cloud.client.post(f"{LEAGUE}/matches", headers=TOKEN)
    assert (reply.status, reply.json["summary"]["created"]) == (200, 12)
    body = {"tournamentId": "league", "roundSlug": "matchday-1"}
    reply = await cloud.client.patch(f"{LEAGUE}/matches/matchday-1", body, headers=TOKEN)
    assert (reply.status, reply.json["summary"]["unchanged"]) == (200, 2)


async def test_an_execution_is_run_again_by_people(cloud: Cloud) -> None:
    first = (await load(cloud)).json["executionId"]
    admin = await cloud.holder("admin")
    reply = await admin.post(f"{BASE}/executions/{first}/run", {"source": "raw"})
    assert (reply.status, reply.json["summary"]["unchanged"]) == (200, 2)
    shown = (await admin.get(f"{BASE}/executions/{reply.json['executionId']}")).json
    assert (shown["repeats"], shown["created_by"]) == (first, "admin")
    assert (await admin.post(f"{BASE}/executions/none/run")).status == 404


async def office_of(cloud: Cloud, tournament_id: str) -> Client:
    """A client with the token of the tournament's league."""
    sql = "SELECT league_id FROM tournaments WHERE id = ?"
    return await cloud.holder(
        "league", f"league:{await cloud.store.read(lambda tx: tx.value(sql, (tournament_id,)))}"
    )


async def test_a_league_sees_and_repeats_its_own_alone(cloud: Cloud) -> None:
    other = f"{BASE}/tournaments/other/import?name=Another"
    first = (await load(cloud, query="?name=League")).json["executionId"]
    file = FILE.replace(b'"A"', b'"C"').replace(b'"B"', b'"D"')  # teams of its own: its league is made
    foreign = (await cloud.client.post(other, file, headers=TOKEN)).json["executionId"]
    office = await office_of(cloud, "league")
    assert [each["id"] for each in (await office.get(f"{BASE}/executions")).json["items"]] == [first]
    assert (await office.get(f"{BASE}/executions/{first}")).json["tournament_id"] == "league"
    for end in ("json", "md"):
        report = await office.get(f"{BASE}/reports/{first}.{end}")
        assert report.status == 200 and "authorization" in report.headers["vary"]
    again = await office.post(f"{BASE}/executions/{first}/run", {"source": "raw"})
    assert (again.status, again.json["summary"]["unchanged"]) == (200, 2)
    listed = (await office.get(f"{BASE}/executions?order=oldest")).json["items"]
    assert [(each["id"], each["repeats"]) for each in listed] == [
        (first, None),
        (again.json["executionId"], first),
    ]
    before = cloud.store.journal.head
    for method, path in (
        ("GET", "executions/{}"),
        ("POST", "executions/{}/run"),
        ("GET", "reports/{}.json"),
        ("GET", "reports/{}.md"),
    ):
        refused = await office.request(method, f"{BASE}/{path.format(foreign)}")
        unknown = await office.request(method, f"{BASE}/{path.format('none')}")
        assert refused.status == unknown.status == 404  # the same answer: that it exists is not shown
        assert refused.json["detail"].replace(foreign, "none") == unknown.json["detail"]
    assert (await office.get(f"{BASE}/executions?tournament_id=other")).json["items"] == []
    assert cloud.store.journal.head == before
    theirs = await office_of(cloud, "other")
    assert [each["id"] for each in (await theirs.get(f"{BASE}/executions")).json["items"]] == [foreign]
    assert (await theirs.get(f"{BASE}/reports/{foreign}.md")).status == 200


async def test_other_reports_are_not_there(cloud: Cloud) -> None:
    for name in ("none.json", "none.md", "none.txt", "..%2f..%2fcloud.json", "x"):
        assert (await cloud.client.get(f"{BASE}/reports/{name}", headers=TOKEN)).status == 404
