"""MediaMTX's WHEP: offers, candidates and the end of WebRTC previews, forwarded with the box's own login.

Owns: the wire format (draft-ietf-wish-whep). Must not know: channels' rows, callers.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from appliance.box.mediamtx.client import HINT, checked_transport, refused_address, refused_login
from appliance.kernel.errors import Refused, Unavailable, not_found
from appliance.network.addresses import BadDestination

if TYPE_CHECKING:
    import httpx

_OFFER_S: Final = 10.0  # an offer is answered when a publisher's tracks are known
_SECRET: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_PASSED_ON: Final = ("link", "etag", "accept-patch", "id")


@dataclass(frozen=True, slots=True)
class WhepAnswer:
    """MediaMTX's answer. `secret` identifies the session it made, "" where none was made."""

    status: int
    content_type: str
    body: bytes
    headers: tuple[tuple[str, str], ...]
    secret: str = ""


class Whep:
    """Previews by WebRTC, for clients without a login. Raises Unavailable (try later) or Refused."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def offer(self, channel_id: str, sdp: bytes) -> WhepAnswer:
        """A new session on the channel's path: 201 with the answer."""
        answer = await self._ask("POST", f"/{channel_id}/whep", sdp, {"Content-Type": "application/sdp"})
        if answer.status_code == 404:
            hint = "it can be watched once its camera sends; WS /channels/{id}/live needs no WebRTC"
            raise Unavailable("no_publisher", f"no source publishes to {channel_id}", hint)
        secret = answer.headers.get("location", "").rstrip("/").rpartition("/")[2]
        if answer.status_code != 201 or not _SECRET.fullmatch(secret):
            raise Unavailable("mediamtx_answer", f"MediaMTX answered {answer.status_code} to an offer", HINT)
        return _whep_answer(answer, secret)

    async def patch(
        self, channel_id: str, secret: str, fragment: bytes, headers: Mapping[str, str]
    ) -> WhepAnswer:
        """Candidates found after the offer (trickle ICE)."""
        return await self._session("PATCH", channel_id, secret, fragment, headers)

    async def end(self, channel_id: str, secret: str) -> WhepAnswer:
        return await self._session("DELETE", channel_id, secret, b"", {})

    async def _session(
        self, method: str, channel_id: str, secret: str, body: bytes, headers: Mapping[str, str]
    ) -> WhepAnswer:
        if not _SECRET.fullmatch(secret):
            raise not_found("preview", "of that address")
        answer = await self._ask(method, f"/{channel_id}/whep/{secret}", body, headers)
        if answer.status_code == 404:
            raise not_found("preview", "of that address")
        return _whep_answer(answer)

    async def _ask(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> httpx.Response:
        import httpx

        try:
            answer = await self._http.request(method, path, content=body, headers=dict(headers))
        except httpx.TransportError as error:
            detail = f"MediaMTX does not answer: {type(error).__name__}"
            hint = "is MediaMTX running, and [mediamtx] webrtc_url its webrtcAddress?"
            raise Unavailable("mediamtx_unreachable", detail, hint) from error
        except BadDestination as error:
            raise refused_address(error) from error
        if answer.status_code in (401, 403):
            raise refused_login()
        if answer.status_code >= 500:
            raise Unavailable("mediamtx_error", f"MediaMTX answered {answer.status_code}", "see its log")
        if 400 <= answer.status_code != 404:
            detail = f"MediaMTX refuses: {_reason_of(answer)}"
            hint = "offer H.264 or Opus; B-frames and AAC are not for WebRTC: use WS /channels/{id}/live"
            raise Refused(422, "whep_refused", detail, hint)
        return answer


def _whep_answer(answer: httpx.Response, secret: str = "") -> WhepAnswer:
    headers = [(name, value) for name, value in answer.headers.multi_items() if name.lower() in _PASSED_ON]
    content_type = answer.headers.get("content-type", "application/sdp")
    return WhepAnswer(answer.status_code, content_type, answer.content, tuple(headers), secret)


def _reason_of(answer: httpx.Response) -> str:
    """MediaMTX's own reason, {"status": "error", "error": "..."}."""
    try:
        body = answer.json()
    except ValueError:
        body = None
    reason = body.get("error") if isinstance(body, dict) else None
    return ((reason if isinstance(reason, str) else "") or f"status {answer.status_code}")[:300]


@asynccontextmanager
async def open_whep(
    webrtc_url: str, user: str = "", password: str = "", *, transport: httpx.AsyncBaseTransport | None = None
) -> AsyncIterator[Whep]:
    """A client for `webrtc_url` (http://127.0.0.1:8889). It connects at the first request."""
    import httpx  # here, because only a box beside MediaMTX needs it

    login = httpx.BasicAuth(user, password) if user else None
    transport = transport or checked_transport()
    async with httpx.AsyncClient(
        base_url=webrtc_url, auth=login, timeout=_OFFER_S, transport=transport, trust_env=False
    ) as http:
        yield Whep(http)


def webrtc_url(api_url: str) -> str:
    """The default WebRTC address of the MediaMTX with this API: the same host, port 8889. "" when unknown."""
    import httpx

    try:
        known = httpx.URL(api_url)
    except httpx.InvalidURL:
        return ""
    host = f"[{known.host}]" if ":" in known.host else known.host
    return f"{known.scheme}://{host}:8889" if host else ""
