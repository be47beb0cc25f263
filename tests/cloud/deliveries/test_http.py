"""Routes and settings of webhooks."""

from __future__ import annotations

from typing import Any

import pytest

from appliance.cloud.deliveries import domain, http
from appliance.cloud.deliveries.owners import CLIENT_TYPES
from appliance.cloud.deliveries.settings import WebhookSettings
from tests.cloud.conftest import Cloud
from tests.cloud.deliveries.test_deliveries import announce


async def test_the_routes(cloud: Cloud) -> None:
    admin = await cloud.holder("admin")
    body = {"url": "https://receiver.example/hook?a=b", "types": ["breakdown.available", "breakdown.updated"]}
    made = await admin.post("/logging/v1/subscriptions", body)
    assert made.status == 201 and made.json["secret"].startswith("whsec_")
    path = f"/logging/v1/subscriptions/{made.json['id']}"
    shown = (await admin.get(path)).json
    assert shown == {name: value for name, value in made.json.items() if name != "secret"}
    listed = await admin.get("/logging/v1/subscriptions")
    assert listed.json["items"] == [shown] and "whsec_" not in listed.body.decode()
    rotated = await admin.post(f"{path}/rotate")
    assert rotated.status == 200 and rotated.json["secret"] not in ("", made.json["secret"])
    await announce(cloud.store)
    (delivery,) = (await admin.get(f"/logging/v1/deliveries?subscription_id={shown['id']}")).json["items"]
    assert (await admin.get(f"/logging/v1/deliveries/{delivery['id']}")).json["log"] == []
    assert (await admin.post(f"/logging/v1/deliveries/{delivery['id']}/redeliver")).status == 201
    assert (await admin.delete(path)).status == 200
    assert (await admin.get(path)).status == 410
    assert (await admin.get(f"/logging/v1/deliveries/{delivery['id']}")).status == 404
    assert (await admin.post("/logging/v1/deliveries/no/redeliver")).status == 404
    entries = await cloud.store.journal.read(0)
    assert entries and not any(b"whsec_" in entry.event for entry in entries)


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"url": "ftp://receiver.example/"}, "url"),
        ({"url": "https://user:pass@receiver.example/"}, "url"),
        ({"types": []}, "types"),
        ({"types": ["no.such"]}, "types.0"),
        ({"scope": ["league"]}, "scope.0"),
        ({"secret": "whsec_x"}, "secret"),
    ],
)
async def test_a_wrong_subscription_names_its_field(cloud: Cloud, change: dict[str, Any], where: str) -> None:
    admin = await cloud.holder("admin")
    body = {"url": "https://receiver.example/", "types": ["job.logged"], **change}
    refused = await admin.post("/logging/v1/subscriptions", body)
    assert refused.status == 422 and where in refused.wrong


def test_every_route_has_its_row() -> None:
    rules = {route.rule for route in http.delivery_routes().routes}
    assert set(domain.DOMAIN.access) == rules


@pytest.mark.parametrize("retry_s", [(0,), (-1,), (3e6,), (1,) * 51, ("soon",)])
def test_a_pause_that_cannot_be_is_refused(retry_s: tuple[Any, ...]) -> None:
    with pytest.raises(ValueError, match="retry_s"):
        WebhookSettings(retry_s=retry_s)


V1 = "/logging/v1"
BREAKDOWNS = {"url": "https://receiver.example/", "types": ["breakdown.available"]}


async def test_a_client_has_its_own_subscriptions_and_deliveries_alone(cloud: Cloud) -> None:
    admin = await cloud.holder("admin")
    scopes = ("client:one", "league:a", "league:b")
    one, again, other = [await cloud.holder("client", *each) for each in (scopes, scopes, ("league:a",))]
    made = (await one.post(f"{V1}/subscriptions", {**BREAKDOWNS, "scope": ["league:a"]})).json
    assert (made["scope"], made["owner"]) == (["league:a"], "client:one")
    whole = (await again.post(f"{V1}/subscriptions", BREAKDOWNS)).json
    assert whole["scope"] == list(scopes)  # never everything
    theirs = (await other.post(f"{V1}/subscriptions", BREAKDOWNS)).json
    assert theirs["owner"].startswith("token:") and theirs["scope"] == ["league:a"]
    own = (await admin.post(f"{V1}/subscriptions", BREAKDOWNS)).json
    assert (own["owner"], own["scope"]) == ("", [])
    await announce(cloud.store, "league:a")
    counts = {"one": (one, 2), "again": (again, 2), "other": (other, 1), "admin": (admin, 4)}
    for name, (client, count) in counts.items():
        for table in ("subscriptions", "deliveries"):
            items = (await client.get(f"{V1}/{table}")).json["items"]
            assert len(items) == count, (name, table)
    (delivery,) = (await other.get(f"{V1}/deliveries")).json["items"]
    for method, path in (
        ("GET", f"subscriptions/{theirs['id']}"),
        ("POST", f"subscriptions/{theirs['id']}/rotate"),
        ("DELETE", f"subscriptions/{theirs['id']}"),
        ("GET", f"deliveries/{delivery['id']}"),
        ("POST", f"deliveries/{delivery['id']}/redeliver"),
    ):
        assert (await one.request(method, f"{V1}/{path}")).status == 404, path
        assert (await other.request(method, f"{V1}/{path}")).status in (200, 201, 404), path
    assert (await other.get(f"{V1}/subscriptions/{theirs['id']}")).status == 410
    assert (await one.get(f"{V1}/subscriptions/{theirs['id']}")).status == 404
    assert (await other.get(f"{V1}/deliveries")).json["items"] == []


@pytest.mark.parametrize(
    ("change", "where"),
    [({"types": ["breakdown.available", "job.logged"]}, "types.1"), ({"scope": ["league:b"]}, "scope.0")],
)
async def test_a_client_subscribes_within_its_token(cloud: Cloud, change: dict[str, Any], where: str) -> None:
    client = await cloud.holder("client", "client:one", "league:a")
    refused = await client.post(f"{V1}/subscriptions", {**BREAKDOWNS, **change})
    assert refused.status == 422 and where in refused.wrong
    assert (await client.post(f"{V1}/subscriptions", {**BREAKDOWNS, "types": [*CLIENT_TYPES]})).status == 201


async def test_other_roles_have_no_webhooks(cloud: Cloud) -> None:
    league = await cloud.holder("league", "league:a")
    assert (await league.get(f"{V1}/subscriptions")).status == 403
    assert (await cloud.client.get(f"{V1}/deliveries")).status == 401
