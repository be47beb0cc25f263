"""WebRTC previews forwarded to a simulated MediaMTX: logins, addresses, refusals."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import httpx
import pytest

from appliance.box.mediamtx.domain import preview_url
from appliance.box.mediamtx.http import Previews
from appliance.box.mediamtx.whep import open_whep, webrtc_url
from appliance.box.settings import check_settings
from appliance.kernel.store import open_store
from appliance.server.app import make_app
from appliance.server.box_routes import Hooks, Site
from tests.kit.box import add_channel
from tests.kit.client import Client, Reply
from tests.kit.clock import HandClock

OFFER, ANSWER = b"v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\n", b"v=0\r\no=- 2 2 IN IP4 10.0.0.5\r\n"
SECRET = "6f1f9b1e-5d0a-4a53-9a2c-0f8f6b1d2c3e"
FRAGMENT = {"content-type": "application/trickle-ice-sdpfrag"}


def created(request: httpx.Request) -> httpx.Response:
    headers = {
        "Content-Type": "application/sdp",
        "Location": f"{request.url.path}/{SECRET}",
        "ETag": "*",
        "Link": '<stun:stun.example>; rel="ice-server"',
        "Server": "mediamtx",
        "Access-Control-Allow-Origin": "*",
    }
    return httpx.Response(201, headers=headers, content=ANSWER)


@dataclass
class FakeMediamtx:
    """Answers offers like MediaMTX, or as the test sets."""

    answer: Callable[[httpx.Request], httpx.Response] = created
    asked: list[httpx.Request] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        return self.answer(request)


@dataclass
class Desk:
    client: Client
    mediamtx: FakeMediamtx

    async def offer(self, channel: str = "cam1", body: bytes = OFFER, kind: str = "application/sdp") -> Reply:
        return await self.client.post(f"/channels/{channel}/whep", body, headers={"content-type": kind})


@asynccontextmanager
async def previewing(tmp_path: Path, *, is_on: bool = True) -> AsyncIterator[Desk]:
    mediamtx = FakeMediamtx()
    transport = httpx.MockTransport(mediamtx)
    async with (
        open_store(tmp_path / "box.db", HandClock()) as store,
        open_whep("http://127.0.0.1:8889", "appliance", "secret", transport=transport) as whep,
    ):
        await store.write(partial(add_channel, channel_id="cam1"))
        app = make_app(
            [Previews(store, whep if is_on else None).routes()],
            store=store,
            clock=store.clock,
            site=Site(),
            hooks=Hooks(ready=dict, metrics=bytes, snapshot=lambda tx, give_way: {}),
        )
        yield Desk(Client(app), mediamtx)


async def test_an_offer_is_answered_under_an_address_of_the_box(tmp_path: Path) -> None:
    async with previewing(tmp_path) as desk:
        reply = await desk.offer()
        assert (reply.status, reply.body) == (201, ANSWER)
        assert reply.headers["location"] == f"/channels/cam1/whep/{SECRET}"
        assert reply.headers["content-type"] == "application/sdp"
        assert (reply.headers["etag"], reply.headers["link"]) == (
            "*",
            '<stun:stun.example>; rel="ice-server"',
        )
        assert "access-control-allow-origin" not in reply.headers and "server" not in reply.headers
        (query,) = desk.mediamtx.asked
        assert (query.method, query.url.path, query.content) == ("POST", "/cam1/whep", OFFER)
        assert query.headers["authorization"] == httpx.BasicAuth("appliance", "secret")._auth_header
        assert query.headers["content-type"] == "application/sdp"


async def test_candidates_and_the_end_go_to_the_same_session(tmp_path: Path) -> None:
    async with previewing(tmp_path) as desk:
        location = (await desk.offer()).headers["location"]
        desk.mediamtx.answer = lambda request: httpx.Response(204)
        headers = {**FRAGMENT, "if-match": "*"}
        patched = await desk.client.patch(location, b"a=candidate", headers=headers)
        assert (patched.status, patched.body) == (204, b"")
        desk.mediamtx.answer = lambda request: httpx.Response(200)
        assert (await desk.client.delete(location)).status == 200
        _, patch, end = desk.mediamtx.asked
        assert (patch.method, patch.url.path, patch.content) == (
            "PATCH",
            f"/cam1/whep/{SECRET}",
            b"a=candidate",
        )
        assert (patch.headers["content-type"], patch.headers["if-match"]) == (FRAGMENT["content-type"], "*")
        assert (end.method, end.url.path, end.content) == ("DELETE", f"/cam1/whep/{SECRET}", b"")


@pytest.mark.parametrize(
    ("answer", "status", "code", "message"),
    [
        (httpx.Response(404), 503, "no_publisher", "no source publishes to cam1"),
        (httpx.Response(401), 502, "mediamtx_login", "refuses the login"),
        (httpx.Response(500), 503, "mediamtx_error", "500"),
        (httpx.ConnectError("refused"), 503, "mediamtx_unreachable", "ConnectError"),
        (httpx.ReadTimeout("slow"), 503, "mediamtx_unreachable", "ReadTimeout"),
        (httpx.Response(201, content=ANSWER), 503, "mediamtx_answer", "201"),
        (httpx.Response(201, headers={"Location": "/cam1/whep/a b"}), 503, "mediamtx_answer", "201"),
        (
            httpx.Response(400, json={"status": "error", "error": "codecs not supported by client"}),
            422,
            "whep_refused",
            "codecs not supported by client",
        ),
        (httpx.Response(400, text="<html>"), 422, "whep_refused", "status 400"),
    ],
)
async def test_a_refusal_of_mediamtx_is_reported_in_a_text_of_the_box(
    tmp_path: Path, answer: httpx.Response | Exception, status: int, code: str, message: str
) -> None:
    def no(request: httpx.Request) -> httpx.Response:
        if isinstance(answer, Exception):
            raise answer
        return answer

    async with previewing(tmp_path) as desk:
        desk.mediamtx.answer = no
        reply = await desk.offer()
        assert (reply.status, reply.json["code"]) == (status, code)
        assert message in reply.json["detail"] and reply.json["hint"]
        assert b"secret" not in reply.body


async def test_a_session_that_has_ended_or_never_was_is_404(tmp_path: Path) -> None:
    async with previewing(tmp_path) as desk:
        desk.mediamtx.answer = lambda request: httpx.Response(404)
        assert (await desk.client.delete(f"/channels/cam1/whep/{SECRET}")).status == 404
        calls = len(desk.mediamtx.asked)
        for strange in ("..", "a%2F..%2Fcam2", "x" * 65):
            assert (await desk.client.delete(f"/channels/cam1/whep/{strange}")).status == 404
        assert len(desk.mediamtx.asked) == calls, "nothing strange is passed on"


async def test_an_invalid_offer_or_channel_is_not_forwarded(tmp_path: Path) -> None:
    async with previewing(tmp_path) as desk:
        assert (await desk.offer("cam9")).status == 404
        assert (await desk.offer(kind="application/json")).status == 415
        assert (await desk.offer(body=b"v" * 3_000_000)).status == 413
        assert desk.mediamtx.asked == []


async def test_a_client_is_reported_which_previews_there_are(tmp_path: Path) -> None:
    async with previewing(tmp_path) as desk:
        known = (await desk.client.get("/channels/cam1/live")).json
        assert (known["whep"], known["whep_url"]) == (True, "/channels/cam1/whep")
        assert known["websocket_url"] == "/channels/cam1/live"
        assert (await desk.client.get("/channels/cam9/live")).status == 404


async def test_without_mediamtx_there_is_none_and_a_hint_to_what_there_is(tmp_path: Path) -> None:
    async with previewing(tmp_path, is_on=False) as desk:
        reply = await desk.offer()
        assert (reply.status, reply.json["code"]) == (404, "no_whep")
        assert "/live" in reply.json["hint"]
        known = (await desk.client.get("/channels/cam1/live")).json
        assert (known["whep"], known["whep_url"]) == (False, None)


@pytest.mark.parametrize(
    ("api_url", "address"),
    [
        ("http://127.0.0.1:9997", "http://127.0.0.1:8889"),
        ("https://user:pass@mtx.example:9997/v3?x=1", "https://mtx.example:8889"),
        ("http://[::1]:9997", "http://[::1]:8889"),
        ("http://mtx", "http://mtx:8889"),
        ("", ""),
        ("http://mtx:port", ""),
    ],
)
def test_webrtc_is_looked_for_beside_the_api(api_url: str, address: str) -> None:
    assert webrtc_url(api_url) == address


@pytest.mark.parametrize(
    ("mode", "mediamtx", "is_on"),
    [
        ("external", {"api_url": "http://127.0.0.1:9997"}, True),
        ("external", {"webrtc_url": "http://127.0.0.1:8889"}, True),
        ("external", {}, False),
        ("embedded", {"api_url": "http://127.0.0.1:9997"}, False),
    ],
)
def test_previews_are_on_where_mediamtx_records(mode: str, mediamtx: dict[str, str], is_on: bool) -> None:
    settings = check_settings({"recorder": {"mode": mode}, "mediamtx": mediamtx})
    assert preview_url(settings) == ("http://127.0.0.1:8889" if is_on else "")
