"""MediaMTX as the box sees it: its control API (v3) for health, its hooks as hints, its WHEP for previews.

Owns: the wire formats. Must not know: channels, the index; what is recorded is learnt from the disk alone,
because MediaMTX has no recording status, loses hooks when it crashes, and its /v3/recordings walks the disk.
Source: MediaMTX 1.20 api/openapi.yaml, internal/defs/api_{path,srt}.go; WHEP: draft-ietf-wish-whep.
"""

from __future__ import annotations

import math
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, Literal

import httpx

from appliance.kernel.errors import Refused, Unavailable, invalid, not_found

_OFFER_S: Final = 10.0  # an offer is answered when a publisher's tracks are known
_SECRET: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_PASSED_ON: Final = ("link", "etag", "accept-patch", "id")
_TIMEOUT_S: Final = 3.0  # it answers in milliseconds; a refused login is held back up to 4 s on purpose
_MAX_PAGES: Final = 20
_CHANNEL: Final = re.compile(r"[a-z0-9_-]{1,32}")
_HINT: Final = "is MediaMTX running, and [mediamtx] api_url its apiAddress?"

HookEvent = Literal["available", "unavailable", "segment-create", "segment-complete"]
_HOOK_EVENTS: Final[dict[str, HookEvent]] = {
    "available": "available",
    "unavailable": "unavailable",
    "segment-create": "segment-create",
    "segment-complete": "segment-complete",
}
_HOOK_FIELDS: Final = {"event", "path", "segment", "duration"}


@dataclass(frozen=True, slots=True)
class PathState:
    """One path of MediaMTX: is somebody publishing, and what. Counters start again with each stream."""

    name: str
    available: bool
    available_since: str | None  # RFC 3339 as MediaMTX wrote it
    source_type: str | None  # "srtConn" ...
    source_id: str | None  # the id in srt_connections()
    tracks: tuple[str, ...]  # "H264", "MPEG-4 Audio" ...
    inbound_bytes: int
    frames_in_error: int


@dataclass(frozen=True, slots=True)
class SrtConnection:
    """One SRT caller of MediaMTX. Packet counts are since it connected."""

    id: str
    path: str
    state: str  # idle, read, publish
    remote_addr: str
    rtt_ms: float
    packets_received: int
    packets_lost: int
    packets_dropped: int  # lost for good: a hole in the footage
    receive_mbps: float


@dataclass(frozen=True, slots=True)
class RecordSettings:
    """One configured path: whether and where it is recorded. `record_path` holds %path and times."""

    name: str
    record: bool
    record_path: str
    record_format: str


@dataclass(frozen=True, slots=True)
class Hook:
    """A hint: look at this channel's directory now."""

    event: HookEvent
    channel_id: str
    segment: str | None = None  # file name


class Mediamtx:
    """Typed reader of the control API. Each call raises Unavailable (try later) or Refused (set it right)."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def paths(self) -> list[PathState]:
        """All paths, those without a publisher too."""
        return [_path(item) for item in await self._all("/v3/paths/list")]

    async def started(self) -> str | None:
        """When this MediaMTX was started, in its words; another value is another process. None: not told."""
        try:
            return _text((await self._get("/v3/info", None)).get("started"))
        except Refused as error:
            if error.code == "mediamtx_login":
                raise
            return None

    async def recordings(self) -> list[RecordSettings]:
        """What its configuration says of recording, by path."""
        return [_record_settings(item) for item in await self._all("/v3/config/paths/list")]

    async def srt_connections(self) -> list[SrtConnection]:
        """Everybody connected by SRT."""
        return [_srt_connection(item) for item in await self._all("/v3/srtconns/list")]

    async def _all(self, url: str) -> list[Mapping[str, Any]]:
        items: list[Mapping[str, Any]] = []
        for page in range(_MAX_PAGES):
            answer = await self._get(url, page)
            found, pages = answer.get("items"), answer.get("pageCount")
            if not isinstance(found, list) or not isinstance(pages, int):
                raise Unavailable("mediamtx_answer", f"{url} did not answer with a list", _HINT)
            items += [item for item in found if isinstance(item, dict)]
            if page + 1 >= pages:
                break
        return items

    async def _get(self, url: str, page: int | None) -> Mapping[str, Any]:
        params = {} if page is None else {"page": page, "itemsPerPage": 100}
        try:
            answer = await self._http.get(url, params=params)
        except httpx.TimeoutException as error:
            detail = f"MediaMTX does not answer in {_TIMEOUT_S:g} s"
            raise Unavailable(
                "mediamtx_slow", detail, "is the machine overloaded? see MediaMTX's log"
            ) from error
        except httpx.TransportError as error:
            detail = f"MediaMTX does not answer: {type(error).__name__}"
            raise Unavailable("mediamtx_unreachable", detail, _HINT) from error
        if answer.status_code in (401, 403):
            raise _refused_login()
        if answer.status_code >= 500:
            raise Unavailable("mediamtx_error", f"MediaMTX answered {answer.status_code}", "see its log")
        if answer.status_code != 200:
            raise Refused(
                502, "mediamtx_refused", f"{url}: {answer.status_code}", "is it MediaMTX 1.15 or newer?"
            )
        try:
            body = answer.json()
        except ValueError as error:
            raise Unavailable("mediamtx_answer", f"{url} did not answer in JSON", _HINT) from error
        if not isinstance(body, dict):
            raise Unavailable("mediamtx_answer", f"{url} did not answer with an object", _HINT)
        return body


@asynccontextmanager
async def open_mediamtx(
    api_url: str, user: str = "", password: str = "", *, transport: httpx.AsyncBaseTransport | None = None
) -> AsyncIterator[Mediamtx]:
    """A client for `api_url` (http://127.0.0.1:9997). It connects when first asked; environment proxies are
    not used."""
    login = httpx.BasicAuth(user, password) if user else None
    async with httpx.AsyncClient(
        base_url=api_url, auth=login, timeout=_TIMEOUT_S, transport=transport, trust_env=False
    ) as http:
        yield Mediamtx(http)


@dataclass(frozen=True, slots=True)
class WhepAnswer:
    """What MediaMTX said. `secret` names the session it made, "" where none was made."""

    status: int
    content_type: str
    body: bytes
    headers: tuple[tuple[str, str], ...]
    secret: str = ""


class Whep:
    """Previews by WebRTC, for readers who hold no login. Raises Unavailable (try later) or Refused."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def offer(self, channel_id: str, sdp: bytes) -> WhepAnswer:
        """A new session on the channel's path: 201 with the answer."""
        answer = await self._ask("POST", f"/{channel_id}/whep", sdp, {"Content-Type": "application/sdp"})
        if answer.status_code == 404:
            hint = "it can be watched once its camera sends; WS /channels/{id}/live needs no WebRTC"
            raise Unavailable("no_publisher", f"nobody is publishing to {channel_id}", hint)
        secret = answer.headers.get("location", "").rstrip("/").rpartition("/")[2]
        if answer.status_code != 201 or not _SECRET.fullmatch(secret):
            raise Unavailable("mediamtx_answer", f"MediaMTX answered {answer.status_code} to an offer", _HINT)
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
        try:
            answer = await self._http.request(method, path, content=body, headers=dict(headers))
        except httpx.TransportError as error:
            detail = f"MediaMTX does not answer: {type(error).__name__}"
            hint = "is MediaMTX running, and [mediamtx] webrtc_url its webrtcAddress?"
            raise Unavailable("mediamtx_unreachable", detail, hint) from error
        if answer.status_code in (401, 403):
            raise _refused_login()
        if answer.status_code >= 500:
            raise Unavailable("mediamtx_error", f"MediaMTX answered {answer.status_code}", "see its log")
        if 400 <= answer.status_code != 404:
            detail = f"MediaMTX refuses: {_said(answer)}"
            hint = "offer H.264 or Opus; B-frames and AAC are not for WebRTC: use WS /channels/{id}/live"
            raise Refused(422, "whep_refused", detail, hint)
        return answer


def _whep_answer(answer: httpx.Response, secret: str = "") -> WhepAnswer:
    kept = [(name, value) for name, value in answer.headers.multi_items() if name.lower() in _PASSED_ON]
    content_type = answer.headers.get("content-type", "application/sdp")
    return WhepAnswer(answer.status_code, content_type, answer.content, tuple(kept), secret)


def _said(answer: httpx.Response) -> str:
    """MediaMTX's own reason, {"status": "error", "error": "..."}."""
    try:
        body = answer.json()
    except ValueError:
        body = None
    reason = _text(body.get("error")) if isinstance(body, dict) else None
    return (reason or f"status {answer.status_code}")[:300]


@asynccontextmanager
async def open_whep(
    webrtc_url: str, user: str = "", password: str = "", *, transport: httpx.AsyncBaseTransport | None = None
) -> AsyncIterator[Whep]:
    """A client for `webrtc_url` (http://127.0.0.1:8889). It connects when first asked."""
    login = httpx.BasicAuth(user, password) if user else None
    async with httpx.AsyncClient(
        base_url=webrtc_url, auth=login, timeout=_OFFER_S, transport=transport, trust_env=False
    ) as http:
        yield Whep(http)


def webrtc_url(api_url: str) -> str:
    """Where the MediaMTX of this API serves WebRTC by default: the same host, port 8889. "" when unknown."""
    try:
        known = httpx.URL(api_url)
    except httpx.InvalidURL:
        return ""
    host = f"[{known.host}]" if ":" in known.host else known.host
    return f"{known.scheme}://{host}:8889" if host else ""


def parse_hook(body: object) -> Hook:
    """The JSON body of POST /mediamtx/hook (config/mediamtx-hook). Raises Refused naming the field."""
    if not isinstance(body, dict):
        raise invalid("body", "must be a JSON object")
    for name in body:
        if name not in _HOOK_FIELDS:
            raise invalid(str(name), f"is not known; there are {', '.join(sorted(_HOOK_FIELDS))}")
    event, path, segment = body.get("event"), body.get("path"), body.get("segment") or None
    if not isinstance(event, str) or event not in _HOOK_EVENTS:
        raise invalid("event", f"must be one of {', '.join(_HOOK_EVENTS)}")
    if not isinstance(path, str) or not _CHANNEL.fullmatch(path):
        raise invalid("path", "must be a channel id: a-z, 0-9, _ and -, at most 32")
    if segment is not None and (not isinstance(segment, str) or "/" in segment or len(segment) > 255):
        raise invalid("segment", "must be a file name")
    return Hook(_HOOK_EVENTS[event], path, segment)


def _refused_login() -> Refused:
    hint = "[mediamtx] read_user and read_password must be the 'appliance' user of mediamtx.yml"
    return Refused(502, "mediamtx_login", "MediaMTX refuses the login", hint)


def _path(item: Mapping[str, Any]) -> PathState:
    source = item.get("source") if isinstance(item.get("source"), dict) else None
    since = item.get("availableTime", item.get("readyTime"))
    tracks = item.get("tracks2")
    names = (
        [track.get("codec") for track in tracks if isinstance(track, dict)] if tracks else item.get("tracks")
    )
    return PathState(
        name=_text(item.get("name")) or "",
        available=bool(item.get("available", item.get("ready", False))),  # older versions say "ready"
        available_since=_text(since),
        source_type=_text(source.get("type")) if source else None,
        source_id=_text(source.get("id")) if source else None,
        tracks=tuple(str(name) for name in names or ()),
        inbound_bytes=_whole(item.get("inboundBytes", item.get("bytesReceived"))),
        frames_in_error=_whole(item.get("inboundFramesInError")),
    )


def _record_settings(item: Mapping[str, Any]) -> RecordSettings:
    return RecordSettings(
        name=_text(item.get("name")) or "",
        record=item.get("record") is True,
        record_path=_text(item.get("recordPath")) or "",
        record_format=_text(item.get("recordFormat")) or "",
    )


def _srt_connection(item: Mapping[str, Any]) -> SrtConnection:
    return SrtConnection(
        id=_text(item.get("id")) or "",
        path=_text(item.get("path")) or "",
        state=_text(item.get("state")) or "",
        remote_addr=_text(item.get("remoteAddr")) or "",
        rtt_ms=_number(item.get("msRTT")),
        packets_received=_whole(item.get("packetsReceived")),
        packets_lost=_whole(item.get("packetsReceivedLoss")),
        packets_dropped=_whole(item.get("packetsReceivedDrop")),
        receive_mbps=_number(item.get("mbpsReceiveRate")),
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _number(value: object) -> float:
    number = float(value) if isinstance(value, int | float) else 0.0
    return number if math.isfinite(number) else 0.0


def _whole(value: object) -> int:
    return int(_number(value))
