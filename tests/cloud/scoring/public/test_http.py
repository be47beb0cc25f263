"""The public API of tournaments over HTTP: reads, decisions of people, and whose they are."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from appliance.cloud.scoring.imports.model import SeasonFile
from appliance.cloud.scoring.records.bracket import update_bracket
from tests.cloud.conftest import Cloud
from tests.cloud.scoring.records.kit import given, load, loaded, matchdays
from tests.cloud.scoring.records.test_bracket import cup
from tests.kit.client import Client

V2 = "/api/v2"
CUP = f"{V2}/tournaments/cup"
SEASON = ("A 2-1 B, C 0-0 D", "B 1-0 C, D 2-2 A", "A v C, B v D")
UNKNOWN = "019307a0-0000-7000-8000-00000000dead"


@dataclass
class Season:
    """A tournament of four teams; `office`: the internal token."""

    cloud: Cloud
    office: Client
    teams: dict[str, str]

    async def read(self, path: str) -> Any:
        """Without a token."""
        reply = await self.cloud.client.get(path)
        assert reply.status == 200, reply.body
        return reply.json

    async def table(self, query: str = "") -> list[tuple[str, int]]:
        return [(row["team"], row["points"]) for row in (await self.read(f"{CUP}/standings{query}"))["items"]]

    async def decide(self, path: str, **body: Any) -> dict[str, Any]:
        reply = await self.office.post(f"{V2}{path}", {"reason": "ruling 7", **body})
        assert reply.status == 201, reply.body
        return dict(reply.json)

    async def match(self, home: str, away: str) -> dict[str, Any]:
        items = (await self.read(f"{CUP}/matches"))["items"]
        return next(each for each in items if (each["home"]["name"], each["away"]["name"]) == (home, away))


@pytest.fixture
async def season(cloud: Cloud) -> Season:
    await loaded(cloud.store, matchdays(*SEASON))
    rows = await cloud.store.read(lambda tx: tx.all("SELECT id, name FROM teams"))
    return Season(cloud, await cloud.holder("internal"), {row["name"]: row["id"] for row in rows})


async def test_tables_are_readable_by_every_page(season: Season) -> None:
    reply = await season.cloud.client.get(f"{CUP}/standings", headers={"origin": "https://club.example"})
    assert (reply.status, reply.headers["access-control-allow-origin"]) == (200, "*")
    assert reply.json["items"][0] | {"team_id": ""} == {
        "position": 1,
        "shared": False,
        "stage": "League",
        "group": "",
        "team_id": "",
        "team": "A",
        "played": 2,
        "won": 1,
        "drawn": 1,
        "lost": 0,
        "goals_for": 4,
        "goals_against": 3,
        "goal_difference": 1,
        "points": 4,
        "adjustment": 0,
        "points_per_game": 2.0,
        "zone": "First",
        "clinched": False,
        "eliminated": False,
        "tie_break": None,
        "tie_unresolved": False,
        "form": "WD",
        "best": 1,
        "worst": 3,
    }
    assert {name: reply.json[name] for name in ("as_of", "provisional", "rules")} == {
        "as_of": None,
        "provisional": False,
        "rules": "default",
    }


@pytest.mark.parametrize(
    ("query", "table"),
    [
        ("", [("A", 4), ("B", 3), ("D", 2), ("C", 1)]),
        ("?as_of=2026-08-10", [("A", 3), ("C", 1), ("D", 1), ("B", 0)]),
        ("?venue=home", [("A", 3), ("B", 3), ("D", 1), ("C", 1)]),
        ("?last=1", [("B", 3), ("A", 1), ("D", 1), ("C", 0)]),
        ("?stage=league", [("A", 4), ("B", 3), ("D", 2), ("C", 1)]),
    ],
)
async def test_which_of_the_season_a_table_shows(
    season: Season, query: str, table: list[tuple[str, int]]
) -> None:
    assert await season.table(query) == table


async def test_rounds_and_matches(season: Season) -> None:
    rounds = (await season.read(f"{CUP}/rounds"))["items"]
    assert [(each["round"], each["matches"], each["ended"]) for each in rounds] == [
        ("matchday-1", 2, 2),
        ("matchday-2", 2, 2),
        ("matchday-3", 2, 0),
    ]
    first = await season.read(f"{CUP}/matches?limit=4")
    rest = await season.read(f"{CUP}/matches?limit=4&cursor={first['next_cursor']}")
    assert [len(first["items"]), len(rest["items"]), rest["next_cursor"]] == [4, 2, None]
    for query, count in (("round=matchday-1", 2), ("status=open", 2), ("date=2026-08-15", 2), ("round=x", 0)):
        assert len((await season.read(f"{CUP}/matches?{query}"))["items"]) == count, query
    match = await season.match("A", "B")
    assert (match["home_score"], match["away_score"], match["decided_by"]) == (2, 1, "score")
    assert await season.read(f"{V2}/matches/{match['id']}") == match


async def test_an_official_result_counts_and_no_update_overwrites_it(season: Season) -> None:  # D20
    match = await season.match("A", "B")
    await season.decide(f"/matches/{match['id']}/official", home=0, away=3)
    await loaded(season.cloud.store, matchdays("A 5-1 B, C 0-0 D", *SEASON[1:]))
    changed = await season.match("A", "B")
    assert (changed["home_score"], changed["away_score"], changed["decided_by"]) == (5, 1, "awarded")
    assert changed["official"] | {"on": ""} == {
        "home": 0,
        "away": 3,
        "on": "",
        "reason": "ruling 7",
        "by": "internal",
    }
    assert (await season.table())[0] == ("B", 6)
    await season.decide(f"/matches/{match['id']}/official", home=None, away=None)
    assert (await season.match("A", "B"))["official"] is None
    assert (await season.table())[0] == ("A", 4)


async def test_points_count_from_their_day(season: Season) -> None:
    await season.decide("/tournaments/cup/adjustments", team_id=season.teams["A"], points=-4, on="2026-08-12")
    assert await season.table() == [("B", 3), ("D", 2), ("C", 1), ("A", 0)]
    assert await season.table("?as_of=2026-08-10") == [("A", 3), ("C", 1), ("D", 1), ("B", 0)]
    await loaded(season.cloud.store, matchdays(*SEASON))
    assert (await season.table())[-1] == ("A", 0)
    (decision,) = (await season.read(f"{CUP}/decisions"))["items"]
    assert (decision["kind"], decision["points"], decision["reason"]) == ("adjustment", -4, "ruling 7")


async def test_the_order_of_level_teams_is_recorded(season: Season) -> None:  # D30
    await loaded(season.cloud.store, matchdays("A 0-0 B, C 0-0 D"), tournament_id="level")
    level = f"{V2}/tournaments/level/standings"
    before = (await season.read(level))["items"]
    assert {row["tie_unresolved"] for row in before} == {True}
    order = [season.teams[name] for name in "DBCA"]
    await season.decide("/tournaments/level/ties", stage="League", order=order)
    after = (await season.read(level))["items"]
    assert [row["team_id"] for row in after] == order
    assert {(row["tie_unresolved"], row["tie_break"]) for row in after} == {(False, "decision")}


async def test_only_level_teams_are_ordered(season: Season) -> None:  # D30
    """What was recorded while they were level stays, and counts again when they are."""
    order = [season.teams[name] for name in "BA"]
    body = {"stage": "League", "order": order, "reason": "lots"}
    refused = await season.office.post(f"{CUP}/ties", body)
    assert refused.status == 422, refused.body
    assert refused.wrong["order"] == (
        "only level teams need one: A is in place 1 with 4 points, goals 4-3;"
        " B is in place 2 with 3 points, goals 2-2"
    )
    assert (await season.read(f"{CUP}/decisions"))["items"] == []
    store, path = season.cloud.store, f"{V2}/tournaments/level"
    await loaded(store, matchdays("A 0-0 B", "A v B"), tournament_id="level")
    await season.decide("/tournaments/level/ties", stage="League", order=order)
    await loaded(store, matchdays("A 0-0 B", "A 1-0 B"), tournament_id="level")
    assert [row["team"] for row in (await season.read(f"{path}/standings"))["items"]] == ["A", "B"]
    assert len((await season.read(f"{path}/decisions"))["items"]) == 1
    assert (await season.office.post(f"{path}/ties", body)).status == 422
    await loaded(store, matchdays("A 0-0 B", "A 1-1 B"), tournament_id="level")
    assert [row["team"] for row in (await season.read(f"{path}/standings"))["items"]] == ["B", "A"]


async def test_a_person_decides_a_tie_of_the_bracket(season: Season) -> None:
    await season.cloud.store.write(
        lambda tx: load(tx, cup("A 1-1 B", "C 0-1 D", "W1 v W2"), tournament_id="knock")
    )
    await season.cloud.store.write(partial(update_bracket, tournament_id="knock"))
    path = f"{V2}/tournaments/knock/bracket"
    first, last = (await season.read(path))["rounds"]
    tie = next(each for each in first["ties"] if each["home"]["name"] == "A")
    assert (tie["winner_team_id"], tie["aggregate"]) == (None, {"home": 1, "away": 1})
    await season.decide(f"/ties/{tie['id']}/winner", team_id=season.teams["B"])
    await season.cloud.store.write(
        lambda tx: load(tx, cup("A 1-1 B", "C 0-1 D", "W1 v W2"), tournament_id="knock")
    )
    first, last = (await season.read(path))["rounds"]
    tie = next(each for each in first["ties"] if each["home"]["name"] == "A")
    assert (tie["winner_team_id"], tie["decided_by"]) == (season.teams["B"], "decision")
    (final,) = last["ties"]
    assert [(final[side]["name"], final[side]["slot"]) for side in ("home", "away")] == [
        ("B", "W1"),
        ("D", "W2"),
    ]
    assert tie["feeds"] == final["id"]
    (match,) = (await season.read(f"{V2}/tournaments/knock/matches?round=final"))["items"]
    assert [match[side]["name"] for side in ("home", "away")] == ["B", "D"]


async def test_a_winner_stays_when_a_file_names_the_teams(season: Season) -> None:
    store = season.cloud.store
    await store.write(lambda tx: load(tx, cup("A 2-1 B", "C 0-1 D", "W1 v W2"), tournament_id="knock"))
    await store.write(partial(update_bracket, tournament_id="knock"))
    (final,) = (await season.read(f"{V2}/tournaments/knock/bracket"))["rounds"][-1]["ties"]
    await season.decide(f"/ties/{final['id']}/winner", team_id=season.teams["D"])
    await store.write(lambda tx: load(tx, cup("A 2-1 B", "C 0-1 D", "A v D"), tournament_id="knock"))
    (final,) = (await season.read(f"{V2}/tournaments/knock/bracket"))["rounds"][-1]["ties"]
    assert final["winner_team_id"] == season.teams["D"]


async def test_a_season_that_ended_early_and_a_team_that_left(season: Season) -> None:
    curtailed = {"method": "points_per_game", "on": "2026-08-10"}
    changed = await season.office.patch(CUP, {"curtailed": curtailed})
    assert (changed.status, changed.json["curtailed"]) == (200, curtailed)
    assert (await season.table())[0] == ("A", 3)
    excluded = [{"team_id": season.teams["A"], "mode": "expunge", "on": "2026-08-10"}]
    await season.office.patch(CUP, {"curtailed": None, "excluded_teams": excluded})
    assert await season.table() == [("B", 3), ("D", 1), ("C", 1)]
    cleared = await season.office.patch(CUP, {"excluded_teams": None, "providers": None})
    assert (cleared.status, cleared.json["excluded_teams"], cleared.json["providers"]) == (200, [], {})
    assert (await season.table())[0] == ("A", 4)
    for field in ("name", "timezone", "rules"):
        assert list((await season.office.patch(CUP, {field: None})).wrong) == [field]
    unknown = await season.office.patch(CUP, {"excluded_teams": [{"team_id": UNKNOWN, "mode": "expunge"}]})
    assert unknown.status == 422 and list(unknown.wrong) == ["excluded_teams"]


async def test_a_league_changes_its_own_tournaments_alone(season: Season) -> None:
    league_id = (await season.read(CUP))["league_id"]
    own = await season.cloud.holder("league", f"league:{league_id}")
    other = await season.cloud.holder("league", f"league:{UNKNOWN}")
    points = {"team_id": season.teams["A"], "points": -1, "reason": "late"}
    match_id = (await season.match("A", "B"))["id"]
    writes: list[tuple[str, str, dict[str, Any], int]] = [
        ("PATCH", CUP, {"name": "League"}, 200),
        ("POST", f"{CUP}/adjustments", points, 201),
        (
            "POST",
            f"{CUP}/facts",
            {"team_id": season.teams["A"], "criterion": "discipline", "value": 3, "reason": "x"},
            201,
        ),
        (
            "POST",
            f"{CUP}/ties",
            {"stage": "League", "order": list(season.teams.values()), "reason": "lots", "on": "2026-07-01"},
            201,
        ),
        ("POST", f"{V2}/matches/{match_id}/official", {"home": 1, "away": 0, "reason": "x"}, 201),
        ("PATCH", f"{V2}/matches/{match_id}", {"is_neutral": True}, 200),
        ("GET", f"{CUP}/discrepancies", {}, 200),
    ]
    for method, path, body, status in writes:
        sent = body if method != "GET" else None
        assert (await other.request(method, path, sent)).status == 404, path
        assert (await own.request(method, path, sent)).status == status, path
    body = {"name": "Another cup", "league_id": league_id}
    assert (await own.post(f"{V2}/tournaments", body)).status == 201
    assert (await other.post(f"{V2}/tournaments", body)).status == 422
    assert (await other.post(f"{V2}/tournaments", {"name": "Another cup"})).status == 422
    assert (await own.patch(CUP, {"league_id": None})).status == 422


@pytest.mark.parametrize(
    ("path", "body", "named"),
    [
        ("/tournaments", {"name": "Cup", "rules": "nowhere"}, "rules"),
        ("/tournaments", {"name": "Cup", "season": "soon"}, "season"),
        ("/tournaments/cup/adjustments", {"team_id": UNKNOWN, "points": 1, "reason": "x"}, "team_id"),
        ("/tournaments/cup/ties", {"stage": "Cup", "order": [UNKNOWN, UNKNOWN], "reason": "x"}, "order"),
        (
            "/tournaments/cup/ties",
            {"stage": "Cup", "order": [UNKNOWN, UNKNOWN[:-1] + "e"], "reason": "x"},
            "stage",
        ),
        ("/tournaments/cup/adjustments", {"team_id": UNKNOWN, "points": 1}, "reason"),
    ],
)
async def test_a_refusal_names_the_field(season: Season, path: str, body: dict[str, Any], named: str) -> None:
    reply = await season.office.post(f"{V2}{path}", body)
    assert reply.status == 422, reply.body
    assert named in {error["loc"] for error in reply.json["errors"]}


@pytest.mark.parametrize(
    ("query", "wrong"),
    [
        ("stage=Leage", {"stage": "no such stage; there are: League"}),
        ("group=Z", {"group": "no such group; there are: none"}),
        ("stage=League&group=A", {"group": "no such group; there are: none"}),
        ("stage=Cup&group=A&as_of=2026-01-01", {"stage": "no such stage; there are: League"}),
    ],
)
async def test_tables_that_are_not_there_are_named(season: Season, query: str, wrong: dict[str, str]) -> None:
    reply = await season.cloud.client.get(f"{CUP}/standings?{query}")
    assert (reply.status, reply.wrong) == (422, wrong)


async def test_a_group_is_asked_for_by_its_letter(season: Season) -> None:
    groups = SeasonFile(
        matches=[
            given(text, line, kind="group", stage="Group stage", group=f"Group {group}")
            for line, (text, group) in enumerate([("A 1-0 B", "A"), ("C 1-0 D", "B")], 1)
        ]
    )
    await loaded(season.cloud.store, groups, tournament_id="groups")
    path = f"{V2}/tournaments/groups/standings"
    for query in ("group=b", "group=Group%20B", "stage=group%20stage&group=B"):
        assert [row["team"] for row in (await season.read(f"{path}?{query}"))["items"]] == ["C", "D"], query
    reply = await season.cloud.client.get(f"{path}?group=C")
    assert (reply.status, reply.wrong) == (422, {"group": "no such group; there are: Group A, Group B"})


async def test_what_is_not_there(season: Season) -> None:
    for path in ("/tournaments/nowhere/standings", f"/matches/{UNKNOWN}", "/tournaments/nowhere/rounds"):
        assert (await season.cloud.client.get(f"{V2}{path}")).status == 404, path
    for tie in ("cup.none", "nowhere.none", "none"):
        body = {"team_id": UNKNOWN, "reason": "x"}
        assert (await season.office.post(f"{V2}/ties/{tie}/winner", body)).status == 404, tie
    assert (await season.cloud.client.get(f"{CUP}/standings?as_of=2026-13-01")).status == 422
