"""Whose a token is; listing and revoking them."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from appliance.access.tokens.cache import CACHE_S
from appliance.access.tokens.http import Me
from tests.cloud.conftest import Cloud
from tests.kit.clock import HandClock


async def test_a_token_is_told_whose_it_is(cloud: Cloud) -> None:
    league = await cloud.holder("league", "league:a")
    assert (await league.get("/me")).json == {
        "role": "league",
        "name": "league league:a",
        "scopes": ["league:a"],
    }
    shared = await cloud.client.get("/me", headers={"x-internal-token": "shared-demo"})
    assert Me.model_validate(shared.json).role == "internal"
    assert (await cloud.client.get("/me")).status == 401
    local = await cloud.client.get("/me", headers={"host": "127.0.0.1:8090"})
    assert local.json == {"role": "", "name": "", "scopes": []}


async def test_an_admin_lists_and_revokes(cloud: Cloud, autojump_clock: MockClock) -> None:
    admin, other = await cloud.holder("admin"), await cloud.holder("client", "client:one")
    items = (await admin.get("/tokens")).json["items"]
    assert [(each["role"], each["scopes"], each["revoked_at"]) for each in items] == [
        ("admin", [], None),
        ("client", ["client:one"], None),
    ]
    path = f"/tokens/{items[1]['id']}"
    assert (await other.get("/me")).status == 200
    revoked = await admin.delete(path)
    assert revoked.status == 200 and revoked.json["revoked_at"] is not None
    await trio.sleep(CACHE_S)
    assert (await other.get("/me")).status == 401
    assert isinstance(cloud.clock, HandClock)
    cloud.clock.advance(5)
    assert (await admin.delete(path)).json == revoked.json
    assert (await admin.delete("/tokens/no")).status == 404
    first = (await admin.get("/tokens?limit=1")).json
    assert len(first["items"]) == 1 and first["next_cursor"]


@pytest.mark.parametrize("role", ["league", "internal"])
async def test_others_do_not(cloud: Cloud, role: str) -> None:
    assert (await (await cloud.holder(role)).get("/tokens")).status == 403
