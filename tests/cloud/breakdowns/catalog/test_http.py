"""Break-down types, rules, offices and loggers over HTTP: the same doors, scopes and conventions."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from appliance.cloud.breakdowns.catalog import store as catalog
from appliance.cloud.breakdowns.catalog.http import catalog_routes
from appliance.cloud.breakdowns.catalog.kinds import KINDS
from appliance.cloud.breakdowns.catalog.model import CatalogQuery
from appliance.cloud.breakdowns.domain import DOMAIN
from appliance.kernel.operation import Caller
from appliance.kernel.store import Store
from tests.cloud.breakdowns.world import World, bare_world, logging_world, make
from tests.cloud.conftest import Cloud
from tests.kit.client import Client

V1 = "/logging/v1"
UNKNOWN = "019307a0-0000-7000-8000-00000000dead"


@dataclass
class Two:
    """Two leagues with an office of their own each, and a shared one; clients by role."""

    cloud: Cloud
    north: World
    south: World
    offices: list[str]
    admin: Client
    manager: Client

    async def post(self, by: Client, path: str, body: dict[str, Any]) -> dict[str, Any]:
        made = await by.post(f"{V1}/{path}", body)
        assert made.status in (200, 201), made.body
        return dict(made.json)


@pytest.fixture
async def two(cloud: Cloud) -> Two:
    worlds = [await cloud.store.write(logging_world) for _ in range(2)]
    offices = [
        await cloud.store.write(
            partial(make, what="office", name=f"office {at}", capacity=5, league_id=world.league)
        )
        for at, world in enumerate(worlds)
    ]
    manager = await cloud.holder("manager", f"league:{worlds[0].league}")
    return Two(cloud, worlds[0], worlds[1], offices, await cloud.holder("admin"), manager)


async def test_a_manager_sets_up_rules_offices_and_loggers(two: Two) -> None:
    north, manager = two.north, two.manager
    kind = await two.post(two.admin, "breakdown-types", {"name": "Complete", "rank": 9, "fields": ["pass"]})
    assert (kind["target_s"], kind["due_s"]) == (4 * 3600, 8 * 3600)  # L19
    rule = {"league_id": north.league, "team_id": north.home, "breakdown_type_id": kind["id"]}
    made = await two.post(manager, "rules", rule)
    office = await two.post(manager, "offices", {"league_id": north.league, "name": "Madrid", "capacity": 3})
    person = {"office_id": office["id"], "name": "Ana", "sports": ["football"]}
    logger = await two.post(manager, "loggers", {**person, "breakdown_type_ids": [kind["id"]]})
    assert (logger["is_available"], logger["job_id"]) == (True, None)
    for path, row in (("rules", made), ("offices", office), ("loggers", logger)):
        assert (await manager.get(f"{V1}/{path}/{row['id']}")).json == row
        assert row in (await manager.get(f"{V1}/{path}")).json["items"]
    paused = await manager.patch(f"{V1}/loggers/{logger['id']}", {"is_available": False})
    assert (paused.json["is_available"], paused.headers["etag"]) == (False, '"r2"')
    assert [each["id"] for each in (await manager.get(f"{V1}/rules?team_id={north.home}")).json["items"]] == [
        made["id"]
    ]


async def test_an_event_shows_its_marking_and_the_rule_that_won(two: Two) -> None:  # L04 L05
    north = two.north
    league = await two.cloud.holder("league", f"league:{north.league}")
    teams = {"home_team_id": north.home, "away_team_id": north.away}
    event = await two.post(league, "events", {"season_id": north.season, **teams})
    part = event["logging"]
    assert (part["state"], part["won_by"], part["breakdown_type_id"]) == (
        "awaiting_source",
        "league",
        north.types[1],
    )
    path = f"{V1}/events/{event['id']}"
    assert (await two.manager.get(path)).json["logging"] == part
    stopped = await two.manager.patch(f"{V1}/rules/{part['rule_id']}", {"is_active": False})
    assert stopped.status == 200
    (listed,) = (await league.get(f"{V1}/events")).json["items"]
    assert (listed["logging"]["reason"], listed["logging"]["is_marked"]) == ("no_rule", False)
    document = (await two.admin.get("/openapi.json")).json
    assert "logging" in document["components"]["schemas"]["Event"]["properties"]


async def test_another_leagues_rows_do_not_exist(two: Two) -> None:
    ids = await _ids(two, two.south, two.offices[1])
    for path, row_id in ids.items():
        one = f"{V1}/{path}/{row_id}"
        assert (await two.manager.get(one)).status == 404, path
        assert (await two.manager.patch(one, {})).status == 404, path
        listed = (await two.manager.get(f"{V1}/{path}")).json["items"]
        assert row_id not in [each["id"] for each in listed], path
        assert (await two.admin.get(one)).status == 200, path
    own = await _ids(two, two.north, two.offices[0])
    for path, row_id in own.items():
        assert (await two.manager.patch(f"{V1}/{path}/{row_id}", {})).status == 200, path


async def _ids(two: Two, world: World, office: str) -> dict[str, str]:
    rule = await two.cloud.store.write(world.rule)
    logger = await two.cloud.store.write(lambda tx: world.logger(tx, office_id=office))
    return {"rules": rule, "offices": office, "loggers": logger}


async def test_what_works_for_every_league_is_changed_by_an_admin_alone(two: Two) -> None:
    shared = two.north.office
    logger = await two.cloud.store.write(two.north.logger)
    assert (await two.manager.get(f"{V1}/offices/{shared}")).json["league_id"] is None
    for path in (f"offices/{shared}", f"loggers/{logger}"):
        refused = await two.manager.patch(f"{V1}/{path}", {"name": "Mine"})
        assert (refused.status, refused.json["code"]) == (403, "not_allowed"), path
    refused = await two.manager.post(f"{V1}/offices", {"name": "Mine", "capacity": 1})
    assert set(refused.wrong) == {"league_id"}
    person = {"name": "Ana", "sports": [], "breakdown_type_ids": []}
    for office in (shared, two.offices[1]):
        refused = await two.manager.post(f"{V1}/loggers", {**person, "office_id": office})
        assert (refused.json["code"], set(refused.wrong)) == ("unknown_reference", {"office_id"})
    moved = await two.manager.post(f"{V1}/loggers", {**person, "office_id": two.offices[0]})
    refused = await two.manager.patch(f"{V1}/loggers/{moved.json['id']}", {"office_id": two.offices[1]})
    assert set(refused.wrong) == {"office_id"}


async def test_a_logger_sees_itself_and_no_other(two: Two) -> None:
    own, other = [await two.cloud.store.write(two.north.logger) for _ in range(2)]
    client = await two.cloud.holder("logger", f"logger:{own}")
    assert (await client.get(f"{V1}/loggers/{own}")).status == 200
    assert (await client.get(f"{V1}/loggers/{other}")).status == 404
    assert [each["id"] for each in (await client.get(f"{V1}/loggers")).json["items"]] == [own]
    assert [each["id"] for each in (await client.get(f"{V1}/offices")).json["items"]] == [two.north.office]
    assert (await client.get(f"{V1}/offices/{two.offices[0]}")).status == 404
    assert len((await client.get(f"{V1}/breakdown-types")).json["items"]) == 2
    assert (await client.get(f"{V1}/rules")).status == 403


@pytest.mark.parametrize(
    ("path", "body", "wrong"),
    [
        ("breakdown-types", {"name": "x", "rank": 1, "target_s": 7200, "due_s": 3600}, "due_s"),
        ("breakdown-types", {"name": "x", "rank": 1, "fields": ["Goal"]}, "fields.0"),
        ("breakdown-types", {"name": "x", "rank": -1}, "rank"),
        (
            "offices",
            {"name": "x", "capacity": 1, "league_id": UNKNOWN},
            "league_id",
        ),
        ("offices", {"name": "x"}, "capacity"),
    ],
)
async def test_a_wrong_value_is_refused_with_its_field(
    two: Two, path: str, body: dict[str, Any], wrong: str
) -> None:
    refused = await two.admin.post(f"{V1}/{path}", body)
    assert refused.status == 422 and set(refused.wrong) == {wrong}


async def test_the_conventions_are_those_of_every_list(two: Two) -> None:
    admin, path = two.admin, f"{V1}/breakdown-types"
    given = {"id": "019307a0-0000-7000-8000-000000000001", "name": "x", "rank": 3}
    assert [(await admin.post(path, given)).status for _ in range(2)] == [201, 200]
    assert (await admin.post(path, {**given, "rank": 4})).json["code"] == "id_reused"
    one = f"{path}/{given['id']}"
    assert (await admin.patch(one, {"rank": 4}, if_match='"r1"')).headers["etag"] == '"r2"'
    assert (await admin.patch(one, {"rank": 4})).json["rev"] == 2  # nothing new
    assert (await admin.patch(one, {"rank": 5}, if_match='"r1"')).status == 412
    page = (await admin.get(f"{path}?limit=2")).json
    rest = (await admin.get(f"{path}?limit=2&cursor={page['next_cursor']}")).json
    assert [len(page["items"]), len(rest["items"]), rest["next_cursor"]] == [2, 1, None]
    assert set((await admin.get(f"{path}?league_id={two.north.league}")).wrong) == {"league_id"}


async def test_the_audit_shows_who_changed_what(two: Two) -> None:
    rule = (await two.manager.get(f"{V1}/rules")).json["items"][0]["id"]
    await two.manager.patch(f"{V1}/rules/{rule}", {"is_active": False})
    entries = (await two.manager.get(f"{V1}/audit?subject=rule:{rule}")).json["items"]
    assert [(each["action"], each["details"].get("is_active")) for each in entries] == [
        ("created", True),
        ("updated", False),
    ]
    assert entries[1]["by"].startswith("manager league:")
    leagues = [each["subject"] for each in (await two.manager.get(f"{V1}/audit?limit=1000")).json["items"]]
    assert f"rule:{rule}" in leagues
    other = (await two.admin.get(f"{V1}/rules?league_id={two.south.league}")).json["items"][0]["id"]
    assert f"rule:{other}" not in leagues
    assert set((await two.admin.get(f"{V1}/audit?subject=x")).wrong) == {"subject"}


async def test_every_list_runs_on_both_databases_for_every_role(any_store: Store) -> None:
    world = await any_store.write(bare_world)
    logger = await any_store.write(world.logger)
    for role, scopes in (
        ("admin", ()),
        ("manager", (f"league:{world.league}",)),
        ("client", ()),
        ("logger", (f"logger:{logger}",)),
    ):
        for kind in KINDS.values():
            query = partial(
                catalog.listing, caller=Caller("x", role=role, scopes=scopes), kind=kind, query=CatalogQuery()
            )
            items = (await any_store.read(query))["items"]
            assert len(items) <= 1, (role, kind.name)


def test_every_route_has_its_row() -> None:
    rules = {route.rule for group in catalog_routes() for route in group.routes}
    assert rules <= set(DOMAIN.access)
