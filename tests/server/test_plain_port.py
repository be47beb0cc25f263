"""The plain port while TLS is on: it redirects to the encrypted one, and serves no secrets."""

from __future__ import annotations

import re
from typing import Any

import pytest

from appliance.server.box_routes import Site
from appliance.server.pages import APP_DIR
from appliance.server.plain_port import PLAIN_PATHS, PlainPort, Trust, trust_routes
from tests.kit.client import Client
from tests.server.conftest import Box
from tests.server.sample import sample_routes

TRUST = Trust('North "A" <1>', "https://north.local:8443", b"certificate", b"profile", "AB:CD")
GIVEN = Trust("North", "https://box.club.example:8443")


def plain(box: Box, trust: Trust = TRUST, **options: Any) -> Client:
    app = box.app(
        sample_routes(),
        trust_routes(trust, 8443),
        site=Site("north", hosts=("north.local",)),
        static_dir=APP_DIR,
    )
    return Client(PlainPort(app, app.gate, 8443), **options)


@pytest.mark.parametrize(
    ("host", "path", "location"),
    [
        ("127.0.0.1:8080", "/", "https://127.0.0.1:8443/"),
        ("north.local", "/clips?limit=1", "https://north.local:8443/clips?limit=1"),
        ("[::1]:8080", "/notes", "https://[::1]:8443/notes"),
        ("[::1]", "/notes", "https://[::1]:8443/notes"),
    ],
)
async def test_a_page_redirects_to_the_same_address_with_https(
    box: Box, host: str, path: str, location: str
) -> None:
    reply = await plain(box, host=host).get(path)
    assert (reply.status, reply.headers["location"]) == (307, location)
    assert reply.headers["cache-control"] == "no-store"


async def test_a_name_that_is_not_the_boxes_is_not_redirected(box: Box) -> None:
    reply = await plain(box, host="evil.example").get("/")
    assert reply.status == 421 and "location" not in reply.headers


@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE", "PUT"])
async def test_a_changing_request_is_refused_without_effect(box: Box, method: str) -> None:
    reply = await plain(box).request(method, "/notes", {"text": "x"})
    assert (reply.status, reply.json["code"]) == (403, "tls_required")
    assert "https://127.0.0.1:8443/notes" in reply.json["hint"]
    assert box.count_notes() == 0


async def test_the_plain_port_serves_what_a_device_needs_before_it_trusts_the_box(box: Box) -> None:
    client = plain(box)
    for path in PLAIN_PATHS:
        assert (await client.get(path)).status == 200, path
    script = re.search(r'src="([^"]+)"', (await client.get("/trust")).body.decode())
    assert script is not None and (await client.get(script[1])).status == 200, "what the page loads"
    assert (await client.get("/ca.crt")).body == b"certificate"
    assert (await client.get("/ca.mobileconfig")).headers[
        "content-type"
    ] == "application/x-apple-aspen-config"
    page = (await client.get("/trust")).body.decode()
    assert "AB:CD" in page and "https://north.local:8443" in page
    assert "North &quot;A&quot; &lt;1&gt;" in page and "{{" not in page


@pytest.mark.parametrize("trust", [TRUST, GIVEN])
async def test_the_page_for_a_new_device_is_there_and_asks_for_no_code(box: Box, trust: Trust) -> None:
    """It links to the encrypted page: a form here would send the code, and get the token, unencrypted."""
    client = plain(box, trust)
    page = await client.get("/pair?c=7QK2M9XT")
    text = page.body.decode()
    assert page.status == 200 and "<form" not in text and trust.address in text and "7QK2" not in text
    assert "connect-src https://*:8443;" in page.headers["content-security-policy"]
    assert (await client.request("HEAD", "/pair")).status == 200


@pytest.mark.parametrize("path", ["/pair", "/pair?c=7QK2M9XT"])
async def test_no_token_is_given_without_encryption(box: Box, path: str) -> None:
    reply = await plain(box).post(path, {"code": "7QK2M9XT", "name": "Bench"})
    assert (reply.status, reply.json["code"]) == (403, "tls_required")
    assert "https://127.0.0.1:8443/pair" in reply.json["hint"] and "set-cookie" not in reply.headers


async def test_the_plain_page_learns_whether_the_device_trusts_the_encrypted_port(box: Box) -> None:
    app = box.app(trust_routes(TRUST, 8443))
    reply = await Client(app).get("/trusted", headers={"origin": "http://127.0.0.1:8080"})
    assert (reply.status, reply.headers["access-control-allow-origin"]) == (200, "*")


async def test_with_a_certificate_of_another_authority_there_is_nothing_to_download(box: Box) -> None:
    client = plain(box, GIVEN)
    assert (await client.get("/ca.crt")).status == 404
    page = (await client.get("/trust")).body.decode()
    assert "Settings" not in page and "fingerprint must" not in page and GIVEN.address in page


async def test_a_target_that_is_no_path_does_not_change_the_host(box: Box) -> None:
    sent = list[Any]()

    async def send(message: Any) -> None:
        sent.append(message)

    app = box.app()
    scope = {"type": "http", "method": "GET", "path": "x", "raw_path": b"@evil.example/", "query_string": b""}
    scope |= {"headers": [(b"host", b"127.0.0.1:8080")], "server": ("127.0.0.1", 8080)}
    await PlainPort(app, app.gate, 8443)(scope, None, send)  # type: ignore[arg-type]
    assert dict(sent[0]["headers"])[b"location"] == b"https://127.0.0.1:8443/"


async def test_a_websocket_is_refused(box: Box) -> None:
    sent = list[dict[str, Any]]()

    async def send(message: Any) -> None:
        sent.append(message)

    app = box.app()
    await PlainPort(app, app.gate, 8443)({"type": "websocket", "path": "/ws"}, None, send)  # type: ignore[arg-type]
    assert [each["type"] for each in sent] == ["websocket.close"]
