"""Sites: who sees one, and what a box's request must show."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from appliance.cloud.fleet.box_request import box_of, read_box_request
from appliance.cloud.fleet.domain import DOMAIN
from appliance.cloud.fleet.model import Site
from appliance.cloud.fleet.sites import bound_site, own_site, site_resource, visible_site
from appliance.http.access import GRANT_KEY, Grant
from appliance.kernel.errors import Refused
from appliance.kernel.operation import Caller
from tests.cloud.fleet.sending import BOX
from tests.kit.asgi import request_scope
from tests.kit.box import sim_store


def test_the_site_of_a_token() -> None:
    assert own_site(("site:north",)) == "north"
    for scopes in ((), ("league:x",)):
        with pytest.raises(Refused, match="not_a_box"):
            own_site(scopes)


async def test_a_site_is_made_by_its_first_request_and_seen_by_its_own(tmp_path: Path) -> None:
    async with sim_store(tmp_path) as store:
        row = await store.write(partial(bound_site, site_id="north", box_id=BOX))
        assert Site.model_validate(site_resource(row)).box_id == BOX
        assert await store.write(partial(bound_site, site_id="north", box_id=BOX)) == row
        own, other = (Caller(role="box", scopes=(f"site:{site}",)) for site in ("north", "south"))
        for caller in (own, Caller(role="admin"), Caller()):
            seen = await store.read(partial(visible_site, caller=caller, site_id="north"))
            assert seen["id"] == "north"
        with pytest.raises(Refused, match="not_found"):
            await store.read(partial(visible_site, caller=other, site_id="north"))


async def test_a_request_names_its_machine() -> None:
    scope = request_scope("POST", box_id=BOX) | {GRANT_KEY: Grant("1", "n", "box", ("site:north",))}
    request = box_of(scope)
    assert (request.site_id, request.box_id, request.body) == ("north", BOX, b"")
    for wrong in ("", "x", "5f0c3a52"):
        with pytest.raises(Refused, match="Box-Id"):
            box_of(scope | {"headers": [(b"box-id", wrong.encode())]})

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b"x" * 11}

    assert (await read_box_request(scope, receive, 11)).body == b"x" * 11
    with pytest.raises(Refused, match="too_large"):
        await read_box_request(scope, receive, 10)


def test_every_route_of_boxes_has_its_row() -> None:
    assert all(row.allows("box") for rule, row in DOMAIN.access.items() if "/edge/v1/" in rule)
