"""Reference data over HTTP: the four routes of every kind, scopes, and the conventions of the box."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from appliance.cloud.competitions import store
from appliance.cloud.competitions.domain import DOMAIN
from appliance.cloud.competitions.kinds import KINDS, leagues_of, limited
from appliance.cloud.competitions.model import ListQuery
from appliance.kernel.operation import Caller
from tests.cloud.conftest import Cloud
from tests.kit.client import Client

V1 = "/logging/v1"


@dataclass
class Country:
    """Two leagues with a season and two teams each; clients of admin and of each league."""

    cloud: Cloud
    admin: Client
    ids: list[dict[str, str]]
    offices: list[Client]

    async def post(self, table: str, body: dict[str, Any], by: Client | None = None) -> dict[str, Any]:
        made = await (by or self.admin).post(f"{V1}/{table}", body)
        assert made.status in (200, 201), made.body
        return dict(made.json)


@pytest.fixture
async def country(cloud: Cloud) -> Country:
    country = Country(cloud, await cloud.holder("admin"), [], [])
    for name in ("North", "South"):
        league = await country.post("leagues", {"name": name, "sport": "football"})
        office = await cloud.holder("league", f"league:{league['id']}")
        ids = {"league": league["id"]}
        season = {"league_id": league["id"], "name": "2026-27"}
        ids["season"] = (await country.post("seasons", season, office))["id"]
        for side in ("home", "away"):
            team = {"league_id": league["id"], "name": f"{name} {side}"}
            ids[side] = (await country.post("teams", team, office))["id"]
        ids["athlete"] = (await country.post("athletes", {"team_id": ids["home"], "name": "Ana"}, office))[
            "id"
        ]
        association = {"season_id": ids["season"], "team_id": ids["home"]}
        ids["association"] = (await country.post("associations", association, office))["id"]
        event = {
            "season_id": ids["season"],
            "home_team_id": ids["home"],
            "away_team_id": ids["away"],
            "kickoff": "2026-12-01T19:30:00Z",
        }
        ids["event"] = (await country.post("events", event, office))["id"]
        country.ids.append(ids)
        country.offices.append(office)
    return country


async def test_an_event_returns_its_teams_league_and_season(country: Country) -> None:  # L01
    north = country.ids[0]
    event = (await country.admin.get(f"{V1}/events/{north['event']}")).json
    assert (event["league_id"], event["season_id"]) == (north["league"], north["season"])
    assert (event["home_team_id"], event["away_team_id"]) == (north["home"], north["away"])
    assert event["kickoff"] == "2026-12-01T19:30:00.000000Z" and event["status"] == "scheduled"
    assert event["created_by"].startswith("league league:")


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
async def test_another_leagues_rows_do_not_exist(country: Country, kind: Any) -> None:
    """On every route with an id, for every role that is limited to leagues."""
    north, south = country.ids
    row = f"{V1}/{kind.table}/{south[kind.name if kind.name != 'team' else 'home']}"
    own = f"{V1}/{kind.table}/{north[kind.name if kind.name != 'team' else 'home']}"
    readers = [
        await country.cloud.holder(role, f"league:{north['league']}") for role in ("manager", "client")
    ]
    for client in (country.offices[0], *readers):
        assert (await client.get(row)).status == 404 and (await client.get(own)).status == 200
        listed = (await client.get(f"{V1}/{kind.table}")).json["items"]
        assert listed and all(each["id"] not in south.values() for each in listed)
    assert (await country.offices[0].patch(row, {})).status == 404
    assert (await country.offices[0].patch(own, {})).status == 200
    assert (await readers[0].patch(own, {})).status == 403
    everything = (await country.admin.get(f"{V1}/{kind.table}")).json["items"]
    assert {each["id"] for each in everything} & set(south.values())


@pytest.mark.parametrize(
    ("table", "body", "wrong"),
    [
        ("seasons", {"league_id": "league", "name": "x"}, "league_id"),
        ("teams", {"league_id": "league", "name": "x"}, "league_id"),
        ("athletes", {"team_id": "home", "name": "x"}, "team_id"),
        ("associations", {"season_id": "season", "team_id": "home"}, "season_id"),
        ("events", {"season_id": "season", "home_team_id": "home", "away_team_id": "away"}, "season_id"),
    ],
)
async def test_a_reference_into_another_league_is_unknown(
    country: Country, table: str, body: dict[str, str], wrong: str
) -> None:
    north, south = country.ids
    sent = {name: south.get(value, value) for name, value in body.items()}
    refused = await country.offices[0].post(f"{V1}/{table}", sent)
    assert (refused.status, refused.json["code"]) == (422, "unknown_reference") and set(refused.wrong) == {
        wrong
    }
    own = {name: north.get(value, value) for name, value in body.items()}
    for name, value in body.items():
        if name.endswith("team_id") and name != wrong:
            mixed = {**own, name: south[value]}
            assert set((await country.offices[0].post(f"{V1}/{table}", mixed)).wrong) == {name}


async def test_an_association_lets_a_league_see_a_team_and_not_change_it(country: Country) -> None:  # L03
    north, south = country.ids
    office, guest = country.offices[0], f"{V1}/teams/{south['home']}"
    pair = {"season_id": north["season"], "team_id": south["home"]}
    association = await country.post("associations", pair)
    assert (await office.get(guest)).status == 200
    refused = await office.patch(guest, {"name": "Other"})
    assert (refused.status, refused.json["code"]) == (403, "not_allowed")
    again = await country.post("associations", pair)
    assert (again["id"], again["rev"]) == (association["id"], 1)
    ended = await office.patch(f"{V1}/associations/{association['id']}", {"is_active": False})
    assert (ended.json["is_active"], ended.json["rev"]) == (False, 2)
    assert (await office.get(guest)).status == 404
    assert (await country.post("associations", pair))["is_active"] is True


async def test_only_an_admin_makes_a_league(country: Country) -> None:
    body = {"name": "East", "sport": "basketball"}
    assert (await country.offices[0].post(f"{V1}/leagues", body)).status == 403
    assert (await country.admin.post(f"{V1}/leagues", {**body, "sport": "chess"})).wrong.keys() == {"sport"}


@pytest.mark.parametrize(
    ("table", "changes", "wrong"),
    [
        ("events", {"away_team_id": "home"}, "away_team_id"),
        ("events", {"kickoff": "tomorrow"}, "kickoff"),
        ("events", {"kickof": None}, "kickof"),
        ("seasons", {"starts_on": "2026-08-01", "ends_on": "2026-07-31"}, "ends_on"),
        ("seasons", {"starts_on": "20260801"}, "starts_on"),
        ("seasons", {"starts_on": "2026-02-30"}, "starts_on"),
    ],
)
async def test_an_impossible_value_is_refused_with_its_field(
    country: Country, table: str, changes: dict[str, Any], wrong: str
) -> None:
    north = country.ids[0]
    bodies: dict[str, dict[str, Any]] = {
        "events": {
            "season_id": north["season"],
            "home_team_id": north["home"],
            "away_team_id": north["away"],
        },
        "seasons": {"league_id": north["league"], "name": "x"},
    }
    sent = {**bodies[table], **{key: north.get(str(value), value) for key, value in changes.items()}}
    refused = await country.admin.post(f"{V1}/{table}", sent)
    assert refused.status == 422 and set(refused.wrong) == {wrong}


async def test_a_season_cannot_end_before_it_starts_by_a_change(country: Country) -> None:
    season = f"{V1}/seasons/{country.ids[0]['season']}"
    assert (await country.admin.patch(season, {"starts_on": "2026-08-01"})).json["rev"] == 2
    assert set((await country.admin.patch(season, {"ends_on": "2026-07-01"})).wrong) == {"ends_on"}
    assert (await country.admin.patch(season, {"starts_on": None})).json["starts_on"] is None


async def test_an_athlete_who_moves_stays_within_the_league(country: Country) -> None:
    north, south = country.ids
    athlete, office = f"{V1}/athletes/{north['athlete']}", country.offices[0]
    assert (await office.patch(athlete, {"team_id": north["away"]})).json["team_id"] == north["away"]
    assert set((await office.patch(athlete, {"team_id": south["home"]})).wrong) == {"team_id"}


async def test_the_conventions_are_those_of_the_box(country: Country) -> None:
    admin, body = country.admin, {"name": "East", "sport": "football"}
    path = f"{V1}/leagues"
    first, second = [await admin.post(path, body, key="k1") for _ in range(2)]
    assert first.json == second.json and first.headers["etag"] == '"r1"'
    assert (await admin.post(path, {**body, "name": "West"}, key="k1")).json["code"] == "key_reused"
    one = f"{path}/{first.json['id']}"
    assert (await admin.patch(one, {"name": "West"}, if_match='"r1"')).headers["etag"] == '"r2"'
    assert (await admin.patch(one, {"name": "East"}, if_match='"r1"')).status == 412
    given = {**body, "id": "019307a0-0000-7000-8000-000000000001"}
    assert [(await admin.post(path, given)).status for _ in range(2)] == [201, 200]
    assert (await admin.post(path, {**given, "name": "x"})).json["code"] == "id_reused"
    page = (await admin.get(f"{path}?limit=3")).json
    rest = (await admin.get(f"{path}?limit=3&cursor={page['next_cursor']}")).json
    assert [len(page["items"]), len(rest["items"]), rest["next_cursor"]] == [3, 1, None]
    assert set((await admin.get(f"{path}?league_id={first.json['id']}")).wrong) == {"league_id"}
    seasons = (await admin.get(f"{V1}/seasons?league_id={country.ids[1]['league']}")).json["items"]
    assert [season["id"] for season in seasons] == [country.ids[1]["season"]]


async def test_each_change_is_one_entry_of_the_journal(country: Country) -> None:
    journal, before = country.cloud.store.journal, country.cloud.store.journal.head
    team = f"{V1}/teams/{country.ids[0]['home']}"
    for name in ("New", "New", "Newer"):
        await country.admin.patch(team, {"name": name})
    entries = journal.recent(before) or []
    assert [entry.type for entry in entries] == ["team_updated", "team_updated"]


async def test_a_providers_name_leads_to_one_team(country: Country) -> None:
    north, south = country.ids
    office, alias = country.offices[0], {"provider": "openfootball", "name": "North FC"}
    path = f"/api/v2/teams/{north['home']}/aliases"
    assert [(await office.post(path, alias)).status for _ in range(2)] == [201, 200]
    other = await country.admin.post(f"/api/v2/teams/{south['home']}/aliases", alias)
    assert (other.status, other.json["code"]) == (409, "name_taken")
    assert [each["name"] for each in (await office.get(path)).json["items"]] == ["North FC"]
    for refused in (
        await office.get(f"/api/v2/teams/{south['home']}/aliases"),
        await office.post(f"/api/v2/teams/{south['home']}/aliases", {**alias, "name": "x"}),
    ):
        assert refused.status == 404
    internal = {"x-internal-token": "shared-demo"}
    made = await country.cloud.client.post(path, {**alias, "name": "North"}, headers=internal)
    assert (made.status, made.json["created_by"]) == (201, "internal")


async def test_what_is_referred_to_is_not_deleted(country: Country) -> None:
    north, office, admin = country.ids[0], country.offices[0], country.admin
    paths = {kind.name: f"{V1}/{kind.table}/{north.get(kind.name, north['home'])}" for kind in KINDS.values()}
    used = await office.delete(paths["team"])
    assert (used.status, used.json["code"]) == (409, "in_use")
    assert used.json["used_by"] == {"athletes": 1, "associations": 1, "events": 1}
    assert (await admin.delete(paths["league"])).json["used_by"] == {"seasons": 1, "teams": 2}
    assert (await office.delete(paths["association"])).status == 405
    assert (await office.delete(paths["event"], if_match='"r9"')).status == 412
    await office.post(f"/api/v2/teams/{north['home']}/aliases", {"provider": "x", "name": "N"})
    before = country.cloud.store.journal.head
    for name in ("event", "athlete"):
        assert (await office.delete(paths[name])).json == {"id": north[name]}
    assert (await office.patch(paths["association"], {"is_active": False})).status == 200
    for name in ("team", "season"):
        assert (await office.delete(paths[name])).status == 200
    away = f"{V1}/teams/{north['away']}"
    assert (await office.delete(paths["league"])).status == 403
    assert (await office.delete(away)).status == (await admin.delete(paths["league"])).status == 200
    for name in ("event", "team", "season"):
        gone = await office.get(paths[name])
        assert (gone.status, gone.json["code"]) == (410, "deleted"), name
        assert (await country.offices[1].get(paths[name])).status == 404
    assert (await office.get(f"{V1}/teams")).json["items"] == []
    revived = await office.patch(paths["association"], {"is_active": True})
    assert (revived.status, set(revived.wrong)) == (422, {"season_id"})
    body = {"league_id": country.ids[1]["league"], "name": "x"}
    assert (await admin.post(f"{V1}/teams", {**body, "id": north["home"]})).status == 410
    alias = {"provider": "x", "name": "N"}
    path = f"/api/v2/teams/{country.ids[1]['home']}/aliases"
    made = await country.offices[1].post(path, alias)
    assert made.status == 201  # the name was that of the deleted team
    assert (await country.offices[1].delete(f"{path}/{made.json['id']}")).status == 200
    assert (await country.offices[1].delete(f"{path}/{made.json['id']}")).status == 404
    types = [entry.type for entry in country.cloud.store.journal.recent(before) or []]
    deleted = ["event", "athlete", "team", "season", "team", "league", "alias"]
    assert [each for each in types if each.endswith("_deleted")] == [f"{each}_deleted" for each in deleted]


async def test_a_closure_can_run_twice(country: Country) -> None:
    """A batch may be run again: nothing outside the transaction has changed."""
    caller, kind = Caller("test", role="admin"), KINDS["league"]
    body = kind.takes.model_validate({"name": "East", "sport": "football"})

    class Undo(Exception):
        pass

    def undone(tx: Any) -> None:
        store.create(tx, caller, kind, body)
        raise Undo

    with pytest.raises(Undo):
        await country.cloud.store.write(undone)
    made = await country.cloud.store.write(lambda tx: store.create(tx, caller, kind, body))
    listed = await country.cloud.store.read(lambda tx: store.listing(tx, caller, kind, ListQuery()))
    assert made.status == 201 and [each["name"] for each in listed["items"]] == ["North", "South", "East"]


def test_a_client_without_a_league_sees_nothing() -> None:
    caller = Caller(role="client", scopes=("client:press",))
    assert leagues_of(caller) == ()
    assert limited("league_id IN ({leagues})", ()) == [("league_id IN (NULL)", ())]
    assert leagues_of(Caller(role="logger", scopes=("logger:x",))) is None


def test_every_kind_has_its_rows_in_the_matrix() -> None:
    expected = {route.rule for group in DOMAIN.routes(None) for route in group.routes}
    assert set(DOMAIN.access) == expected
