"""The hosted side over HTTP: who comes in, what everybody may read, and the conventions of the box."""

from __future__ import annotations

from functools import partial

import pytest
import trio

from appliance.access.tokens.cache import CACHE_S
from appliance.access.tokens.store import revoke_token
from appliance.cloud.permissions import ROLES, SCOPES, cloud_matrix
from appliance.cloud.service import host_names, process_name
from appliance.cloud.settings import check_settings
from appliance.kernel.errors import Unavailable
from tests.cloud.conftest import Cloud
from tests.kit.client import Client


def on_loopback(cloud: Cloud, **headers: str) -> Client:
    return Client(cloud.client.app, host="127.0.0.1:8090", headers=dict(headers))


async def test_without_a_token_only_what_is_public_is_served(cloud: Cloud) -> None:
    assert (await cloud.client.get("/healthz")).json == {"status": "ok"}
    assert set((await cloud.client.get("/version")).json) == {"version"}
    refused = await cloud.client.get("/readyz")
    assert (refused.status, refused.json["code"]) == (401, "not_paired")
    assert "appliance cloud token" in refused.json["hint"]


async def test_every_role_has_its_rows(cloud: Cloud) -> None:
    matrix = cloud_matrix([])
    assert set(SCOPES) == set(ROLES)
    for role in ROLES:
        client = await cloud.holder(role)
        for path in ("/readyz", "/metrics", "/openapi.json"):
            status = (await client.get(path)).status
            assert status == (200 if matrix.row(f"GET {path}").allows(role) else 403), (role, path)


async def test_the_token_of_this_environment_is_internal(cloud: Cloud) -> None:  # B11
    for headers in ({"x-internal-token": "shared-demo"}, {"authorization": "Bearer shared-demo"}):
        assert (await cloud.client.get("/metrics", headers=headers)).status == 200
    for token in ("shared-production", "shared-dem", ""):
        assert (await cloud.client.get("/metrics", headers={"x-internal-token": token})).status == 401


@pytest.mark.parametrize("header", ["x-forwarded-for", "forwarded", "via"])
async def test_a_demo_is_open_to_its_own_machine_alone(cloud: Cloud, header: str) -> None:
    assert (await on_loopback(cloud).get("/readyz")).status == 200
    assert (await on_loopback(cloud, **{header: "192.0.2.1"}).get("/readyz")).status == 401
    assert (await on_loopback(cloud, authorization="Bearer wrong").get("/readyz")).status == 401


async def test_the_cookie_of_a_box_at_another_port_is_no_token(cloud: Cloud) -> None:
    cookie = {"cookie": "appliance_device=sb1_something"}
    assert (await on_loopback(cloud, **cookie).get("/readyz")).status == 200


async def test_a_revoked_token_ends_within_a_second(
    cloud: Cloud, autojump_clock: trio.testing.MockClock
) -> None:
    admin = await cloud.holder("admin")
    assert (await admin.get("/metrics")).status == 200
    (token_id,) = [row["id"] for row in await cloud.store.read(lambda tx: tx.all("SELECT id FROM tokens"))]
    await cloud.store.write(partial(revoke_token, token_id=token_id))
    await trio.sleep(CACHE_S)
    assert (await admin.get("/metrics")).status == 401


async def test_a_database_that_is_away_is_503(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    admin = await cloud.holder("admin")

    async def away(query: object) -> None:
        raise Unavailable("storage_unavailable", "the database is away")

    monkeypatch.setattr(cloud.store, "read", away)
    refused = await admin.get("/metrics")
    assert (refused.status, refused.json["code"]) == (503, "storage_unavailable")
    assert (await cloud.client.get("/healthz")).status == 200


async def test_a_page_of_any_origin_reads_what_everybody_may(cloud: Cloud) -> None:
    origin = {"origin": "https://league.example"}
    assert (await cloud.client.get("/version", headers=origin)).headers["access-control-allow-origin"] == "*"
    asked = origin | {"access-control-request-method": "GET"}
    preflight = await cloud.client.request("OPTIONS", "/version", headers=asked)
    assert preflight.status == 204 and preflight.headers["access-control-allow-methods"] == "GET, HEAD"
    admin = await cloud.holder("admin")
    assert "access-control-allow-origin" not in (await admin.get("/metrics", headers=origin)).headers
    refused = await cloud.client.request("OPTIONS", "/metrics", headers=asked)
    assert "access-control-allow-origin" not in refused.headers
    assert "access-control-allow-origin" not in (await cloud.client.get("/version")).headers
    assert (await admin.post("/version", {}, headers=origin)).json["code"] == "cross_origin"


async def test_u0000_is_refused_wherever_text_enters(cloud: Cloud) -> None:
    """PostgreSQL would fail at it. The page at / is not served by this application: no files."""
    admin = await cloud.holder("admin")
    refused = await admin.post("/logging/v1/leagues", {"name": "No\x00rth", "sport": "football"})
    assert (refused.status, list(refused.wrong)) == (422, ["name"])
    assert (await admin.get("/logging/v1/events?cursor=%00")).status == 422
    for path in ("/logging/v1/teams/%00", "/%00"):
        assert (await admin.get(path)).json["code"] == "no_such_path"


async def test_no_figure_is_one_of_a_box(cloud: Cloud) -> None:
    shown = (await (await cloud.holder("internal")).get("/metrics")).body
    assert not [name for name in (b"clip", b"ingest", b"clock_steps") if name in shown]


async def test_the_document_is_the_clouds(cloud: Cloud) -> None:
    admin = await cloud.holder("admin")
    document = (await admin.get("/openapi.json")).json
    assert document["info"]["title"] == "The stadium cloud"
    assert not {"/snapshot", "/events"} & set(document["paths"])
    assert (await cloud.client.get("/docs")).status == 200


def test_the_service_answers_to_its_domain_and_its_other_names() -> None:
    settings = check_settings(
        {"cloud": {"api_domain": "api.example:8443"}, "server": {"allowed_hosts": ["other.example"]}}
    )
    assert host_names(settings) == ("127.0.0.1", "api.example", "other.example")
    assert process_name() != process_name()
