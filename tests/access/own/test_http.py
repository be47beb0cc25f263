"""A paired device's page gives a code to the same page as an installed app: its role, never a higher one."""

from __future__ import annotations

import pytest
from trio.testing import MockClock

from appliance.access.own.store import APP_MINUTES, APPS_MAX, CODES_MAX
from tests.access.kit import Side
from tests.kit.client import Client


async def install(side: Side, device: Client) -> tuple[str, Client]:
    """(id, client) of the app."""
    made = await device.post("/devices/self/code")
    assert made.status == 201
    paired = await side.client.post("/pair", {"code": made.json["code"]})
    assert paired.status == 201
    return paired.json["device_id"], side.device(paired.json["token"])


@pytest.mark.parametrize("role", ["coach", "analyst", "operator", "admin"])
async def test_an_app_is_a_device_with_the_same_role(side: Side, role: str) -> None:
    device_id, device = await side.paired(role, "Bench")
    made = await device.post("/devices/self/code", key="once")
    assert (made.json["role"], made.json["name"]) == (role, "Bench app")
    paired = await side.client.post("/pair", {"code": made.json["code"], "name": "ignored"})
    assert (paired.json["role"], paired.json["name"]) == (role, "Bench app")
    _, admin = await side.paired("admin")
    shown = (await admin.get(f"/devices/{paired.json['device_id']}")).json
    assert (shown["app_of"], shown["created_by"]) == (device_id, "Bench")
    again = await side.client.post("/pair", {"code": made.json["code"]})
    assert (again.status, again.json["reason"]) == (403, "used")
    stored = await side.store.read(lambda tx: tx.all("SELECT * FROM idempotency"))
    assert stored == [], "an answer with a secret is stored nowhere"


@pytest.mark.parametrize("role", ["capture", "assistant", "integrator"])
async def test_what_has_no_page_has_no_app(side: Side, role: str) -> None:
    _, device = await side.paired(role)
    assert (await device.post("/devices/self/code")).status == 403
    assert (await side.client.post("/devices/self/code")).status == 401


async def test_the_role_is_that_of_the_moment_of_use(autojump_clock: MockClock, side: Side) -> None:
    device_id, device = await side.paired("operator")
    _, admin = await side.paired("admin")
    code = (await device.post("/devices/self/code")).json["code"]
    await admin.patch(f"/devices/{device_id}", {"role": "coach"})
    assert (await side.client.post("/pair", {"code": code})).json["role"] == "coach"


async def test_an_app_goes_with_its_device_and_follows_its_role(
    autojump_clock: MockClock, side: Side
) -> None:
    device_id, device = await side.paired("operator")
    _, admin = await side.paired("admin")
    app_id, app = await install(side, device)
    await admin.patch(f"/devices/{device_id}", {"role": "analyst"})
    assert (await admin.get(f"/devices/{app_id}")).json["role"] == "analyst"
    code = (await device.post("/devices/self/code")).json["code"]
    assert (await admin.delete(f"/devices/{device_id}")).status == 200
    assert (await app.get("/time")).status == 401
    assert (await side.client.post("/pair", {"code": code})).json["reason"] == "expired"


async def test_an_app_makes_no_codes_and_a_device_few_apps(side: Side) -> None:
    _, device = await side.paired("coach")
    for _ in range(APPS_MAX):
        _, app = await install(side, device)
    refused = await app.post("/devices/self/code")
    assert (refused.status, refused.json["code"]) == (409, "is_app")
    refused = await device.post("/devices/self/code")
    assert (refused.status, refused.json["code"]) == (409, "too_many_apps")


async def test_codes_are_few_short_lived_and_one_at_a_time(autojump_clock: MockClock, side: Side) -> None:
    _, device = await side.paired("coach")
    codes = [(await device.post("/devices/self/code")).json["code"] for _ in range(CODES_MAX)]
    refused = await device.post("/devices/self/code")
    assert (refused.status, refused.json["code"]) == (503, "too_many_codes")
    assert (await side.client.post("/pair", {"code": codes[0]})).json["reason"] == "expired"
    side.clock.advance(APP_MINUTES * 60 + 1)
    assert (await side.client.post("/pair", {"code": codes[-1]})).json["reason"] == "expired"
    side.clock.advance(3600)
    assert (await device.post("/devices/self/code")).status == 201
