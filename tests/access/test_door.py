"""Which requests are allowed: with every way to send a token, and without one."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import pytest

from appliance.access.roles import NoRow, matrix
from appliance.http.api import Ctx, Routes
from appliance.http.requests import Empty
from appliance.kernel.errors import Refused
from appliance.kernel.operation import Answer
from tests.access.kit import ROWS, Side, mark_routes, running_side


async def test_without_a_token_only_the_open_routes_answer(side: Side) -> None:
    reply = await side.client.get("/time")
    assert (reply.status, reply.json["code"]) == (401, "not_paired")
    assert "appliance pair" in reply.json["hint"] and reply.headers["www-authenticate"] == "Bearer"
    assert (await side.client.get("/healthz")).status == 200
    assert set((await side.client.get("/version")).json) == {"version"}
    _, coach = await side.paired("coach")
    assert (await coach.get("/version")).json["site_id"] == "box-1"


@pytest.mark.parametrize(
    "value", ["Bearer", "Bearer ", "Bearer wrong", "Basic YTpi", "bearer sb1_", "sb1_x", "Bearer \xff"]
)
async def test_a_wrong_token_gives_no_access(side: Side, value: str) -> None:
    reply = await side.client.post("/plays", headers={"authorization": value})
    assert (reply.status, reply.json["code"]) == (401, "not_paired")


@pytest.mark.parametrize(
    "token", ["", "x", "sb1_" + "A" * 43, "A" * 15_000, "sb1_%s", "sb1_\x00", "' OR 1=1 --"]
)
@pytest.mark.parametrize("way", ["authorization", "cookie"])
async def test_a_changed_token_gives_no_access(side: Side, token: str, way: str) -> None:
    """Also after a valid token was sent the same way: the cached result is for that token only."""
    _, coach = await side.paired("coach")
    right = coach.headers["authorization"].split()[1]
    written = {"authorization": "Bearer {}", "cookie": "appliance_device={}"}[way]
    assert (await side.client.post("/plays", headers={way: written.format(right)})).status == 201
    for wrong in (token, right[:-1], right + "A", right.swapcase(), right[4:]):
        reply = await side.client.post("/plays", headers={way: written.format(wrong)})
        assert (reply.status, reply.json["code"]) == (401, "not_paired")


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "localhost"},
        {"host": "127.0.0.1:8080"},
        {"host": "[::1]:8080"},
        {"x-forwarded-for": "127.0.0.1"},
        {"x-real-ip": "127.0.0.1", "host": "localhost"},
        {"forwarded": "for=127.0.0.1;host=localhost"},
        {"x-forwarded-host": "localhost", "x-original-url": "/healthz"},
        {"x-http-method-override": "GET"},
        {"origin": "http://box.local"},
        {"x-client": "admin", "x-internal-token": "admin"},
        {"authorization": "Bearer ", "cookie": "appliance_device="},
    ],
    ids=str,
)
async def test_headers_and_the_peer_address_give_no_access(side: Side, headers: dict[str, str]) -> None:
    """A box bound to the network: neither headers nor the address of the client replace a token."""
    for peer in ("127.0.0.1", "::1", "192.0.2.9"):
        side.client.peer = peer
        assert (await side.client.post("/plays", headers=headers)).status == 401
        assert (await side.client.get("/time", headers=headers)).status == 401


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("HEAD", "/time", 401),
        ("GET", "/%74ime", 401),
        ("GET", "/time?client=admin", 401),
        ("GET", "/time/", 404),
        ("GET", "//time", 404),
        ("GET", "/healthz/../time", 404),
        ("POST", "/time", 405),
        ("OPTIONS", "/plays", 200),
        ("HEAD", "/clips/1/stream", 401),
        ("GET", "/channels/cam1/timeline", 404),
    ],
)
async def test_no_spelling_of_a_path_bypasses_the_check(
    side: Side, method: str, path: str, status: int
) -> None:
    assert (await side.client.request(method, path)).status == status


async def test_a_refusal_names_the_permitted_roles(side: Side) -> None:
    _, capture = await side.paired("capture")
    reply = await capture.post("/plays")
    assert (reply.status, reply.json["code"]) == (403, "not_allowed")
    assert reply.json["roles"] == ["admin", "coach", "operator"] and "operator" in reply.json["hint"]


async def test_the_body_of_a_request_without_a_token_is_not_read(side: Side) -> None:
    reply = await side.client.post("/plays", b"x" * (64 * 1024 + 1))
    assert reply.status == 401, "not 413: the door is before the body"


async def test_only_admins_manage_devices(side: Side) -> None:
    device_id, operator = await side.paired("operator")
    for reply in (
        await operator.get("/devices"),
        await operator.post("/devices/codes", {"role": "admin"}),
        await operator.patch(f"/devices/{device_id}", {"role": "admin"}),
        await operator.delete(f"/devices/{device_id}"),
    ):
        assert reply.status == 403


LOOPBACK = "127.0.0.1:8080"


@pytest.mark.parametrize("is_open", [True, False], ids=["open", "loopback"])
async def test_where_access_is_open_devices_still_need_an_admin(tmp_path: Path, is_open: bool) -> None:
    """While access is open, no tokens or keys may be made that stay valid after it is closed."""
    async with running_side(tmp_path, is_open=is_open, on_loopback=not is_open) as side:
        side.client.host = LOOPBACK
        assert (await side.client.get("/time")).status == 200
        assert (await side.client.post("/plays")).json["created_by"] == "test"
        assert (await side.client.post("/devices/codes", {"role": "admin"})).status == 401
        assert (await side.client.get("/devices")).status == 401
        assert (await side.client.post("/media-keys")).status == 401
        _, coach = await side.paired("coach", "Bench")
        assert (await coach.post("/plays")).json["created_by"] == "Bench"
        _, capture = await side.paired("capture")
        assert (await capture.post("/plays")).status == 201, "a token never takes away what is open"


@pytest.mark.parametrize(
    "fields",
    [
        {"x-forwarded-for": "10.0.0.1"},
        {"X-Forwarded-Host": "box"},
        {"forwarded": "for=10.0.0.1"},
        {"host": "box.local"},
        {"host": "127.0.0.1.evil.example"},
        {"host": "127.evil.example"},
        {"host": "[127.0.0.1"},
        {"host": ""},
    ],
    ids=str,
)
async def test_loopback_is_open_only_to_loopback(tmp_path: Path, fields: dict[str, str]) -> None:
    """A proxy on the same machine may forward requests from the network to a loopback port."""
    async with running_side(tmp_path, on_loopback=True) as side:
        for host in (LOOPBACK, "localhost", "LocalHost:8080", "[::1]:8080", "127.0.0.2:8080", "127.9.9.9"):
            side.client.host = host
            assert (await side.client.get("/time")).status == 200
        assert (await side.client.get("/time", headers=fields)).status in (401, 421)


@pytest.mark.parametrize(
    ("is_open", "on_loopback", "host", "refused"),
    [
        (True, False, "box.local", False),
        (False, True, LOOPBACK, False),
        (False, True, "box.local", True),
        (False, False, LOOPBACK, True),
    ],
)
async def test_a_role_counts_for_requests_and_commands_alike(
    tmp_path: Path, is_open: bool, on_loopback: bool, host: str, refused: bool
) -> None:
    """Where a WebSocket's request needed no token, its commands need none; otherwise the role decides."""
    async with running_side(tmp_path, is_open=is_open, on_loopback=on_loopback) as side:
        _, capture = await side.paired("capture")
        side.client.host = capture.host = host
        assert (await capture.post("/plays")).status == (403 if refused else 201)
        headers = {b"host": host.encode(), b"authorization": capture.headers["authorization"].encode()}
        socket = side.door.admit({"query_string": b""}, headers, "GET /healthz")
        with pytest.raises(Refused, match="may not") if refused else nullcontext():
            side.door.allow(socket, "POST /plays")


async def test_a_device_that_is_revoked_loses_its_open_commands_too(tmp_path: Path) -> None:
    async with running_side(tmp_path, is_open=True) as side:
        device_id, coach = await side.paired("coach")
        headers = {b"authorization": coach.headers["authorization"].encode()}
        socket = side.door.admit({"query_string": b""}, headers, "GET /time")
        side.access.registry.revoke(device_id)
        with pytest.raises(Refused, match="has ended"):
            side.door.allow(socket, "POST /plays")


async def test_a_media_key_gives_access_to_media_only_until_its_token_ends(side: Side) -> None:
    device_id, coach = await side.paired("coach")
    _, admin = await side.paired("admin")
    key = (await coach.post("/media-keys")).json["key"]
    assert (await side.client.get(f"/clips/1/stream?k={key}")).status == 200
    assert (await side.client.get(f"/clips/1/stream?k={key[:-2]}AA")).status == 401
    assert (await side.client.get("/clips/1/stream?k=")).status == 401
    assert (await side.client.get(f"/events?k={key}")).status == 401
    assert (await side.client.post(f"/plays?k={key}")).status == 401
    assert (await side.client.post(f"/media-keys?k={key}")).status == 401, "a key makes no keys"
    _, capture = await side.paired("capture")
    assert (await capture.get(f"/clips/1/stream?k={key}")).status == 403, "a key adds nothing to a token"
    side.clock.advance(12 * 3600 + 1)
    assert (await side.client.get(f"/clips/1/stream?k={key}")).status == 401
    key = (await coach.post("/media-keys")).json["key"]
    await admin.patch(f"/devices/{device_id}", {"role": "capture"})
    assert (await side.client.get(f"/clips/1/stream?k={key}")).status == 403
    await admin.patch(f"/devices/{device_id}", {"role": "coach"})
    await admin.delete(f"/devices/{device_id}")
    assert (await side.client.get(f"/clips/1/stream?k={key}")).status == 401


async def test_access_survives_a_restart(side: Side, tmp_path: Path) -> None:
    """The registry is loaded from the database."""
    device_id, coach = await side.paired("coach", "Bench")
    _, admin = await side.paired("admin")
    gone_id, gone = await side.paired("coach")
    await admin.delete(f"/devices/{gone_id}")
    async with running_side(tmp_path) as again:
        again.client.headers = coach.headers
        assert (await again.client.post("/plays")).json["identity"] == device_id
        again.client.headers = gone.headers
        assert (await again.client.post("/plays")).status == 401


def test_a_route_without_a_row_keeps_the_box_from_starting() -> None:
    """`make_app` calls this before it serves anything."""
    routes = Routes("new")

    @routes.get("/new")
    @routes.command("new_do", Empty)
    async def new(ctx: Ctx) -> Answer:
        """A route without a row."""
        raise NotImplementedError

    with pytest.raises(NoRow, match="DO new_do, GET /new"):
        matrix(ROWS).require([mark_routes(), routes])


async def test_the_document_shows_the_matrix(side: Side) -> None:
    _, coach = await side.paired("coach")
    paths = (await coach.get("/openapi.json")).json["paths"]
    assert paths["/plays"]["post"]["x-roles"] == ["operator", "coach", "admin"]
    assert paths["/healthz"]["get"]["x-roles"] == ["everybody"]
    assert all("x-roles" in operation for methods in paths.values() for operation in methods.values())
