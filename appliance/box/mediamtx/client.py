"""MediaMTX's control API (v3), read for health.

Owns: the wire format. Must not know: channels, the index; recordings are found on the disk only, because
MediaMTX has no recording status, loses hooks when it crashes, and its /v3/recordings walks the disk. Source:
MediaMTX 1.20 api/openapi.yaml, internal/defs/api_{path,srt}.go.
"""

from __future__ import annotations

import ipaddress
import math
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from appliance.kernel.errors import Refused, Unavailable
from appliance.network.addresses import BadDestination

if TYPE_CHECKING:
    import httpx

_TIMEOUT_S: Final = 3.0  # it answers in milliseconds; a refused login is delayed up to 4 s on purpose
_MAX_PAGES: Final = 20
# MediaMTX usually runs on this machine: its loopback is called, unlike for a camera's address
OWN_NETWORKS: Final = (ipaddress.IPv4Network("127.0.0.0/8"), ipaddress.IPv6Network("::1/128"))
HINT: Final = "is MediaMTX running, and [mediamtx] api_url its apiAddress?"


@dataclass(frozen=True, slots=True)
class PathState:
    """One path of MediaMTX: whether an encoder publishes, and what. Counters restart with each stream."""

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
    packets_dropped: int  # lost permanently: a hole in the footage
    receive_mbps: float


@dataclass(frozen=True, slots=True)
class RecordSettings:
    """One configured path: whether and where it is recorded. `record_path` holds %path and times."""

    name: str
    record: bool
    record_path: str
    record_format: str


@dataclass(frozen=True, slots=True)
class UserSettings:
    """One of MediaMTX's own users. `permissions`: (action, path), "" is any path. `addresses`: empty is
    any."""

    name: str
    addresses: tuple[str, ...]
    permissions: tuple[tuple[str, str], ...]

    def may(self, action: str, path: str | None = None) -> bool:
        """Whether the user may do `action` on `path`; `path` None: on at least one path."""
        return any(
            allowed == action and (path is None or where in ("", path)) for allowed, where in self.permissions
        )


@dataclass(frozen=True, slots=True)
class MediamtxAccess:
    """How MediaMTX decides who may use it. `users` count with the method "internal"."""

    method: str
    users: tuple[UserSettings, ...]


class Mediamtx:
    """Typed reader of the control API. Each call raises Unavailable (try later) or Refused (correct the
    setup)."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def paths(self) -> list[PathState]:
        """All paths, also those without a publisher."""
        return [_path(item) for item in await self._all("/v3/paths/list")]

    async def started(self) -> str | None:
        """When this MediaMTX was started, as it reports it; another value is another process. None:
        unknown."""
        try:
            return _text((await self._get("/v3/info", None)).get("started"))
        except Refused as error:
            if error.code == "mediamtx_login":
                raise
            return None

    async def recordings(self) -> list[RecordSettings]:
        """Its recording settings, by path."""
        return [_record_settings(item) for item in await self._all("/v3/config/paths/list")]

    async def access(self) -> MediamtxAccess:
        """Who may use it, by the settings it runs with. It does not show passwords."""
        answer = await self._get("/v3/config/global/get", None)
        users = answer.get("authInternalUsers")
        return MediamtxAccess(
            _text(answer.get("authMethod")) or "internal",
            tuple(_user(each) for each in users or () if isinstance(each, dict)),
        )

    async def srt_connections(self) -> list[SrtConnection]:
        """All SRT connections."""
        return [_srt_connection(item) for item in await self._all("/v3/srtconns/list")]

    async def _all(self, url: str) -> list[Mapping[str, Any]]:
        items: list[Mapping[str, Any]] = []
        for page in range(_MAX_PAGES):
            answer = await self._get(url, page)
            listed, pages = answer.get("items"), answer.get("pageCount")
            if not isinstance(listed, list) or not isinstance(pages, int):
                raise Unavailable("mediamtx_answer", f"{url} did not answer with a list", HINT)
            items += [item for item in listed if isinstance(item, dict)]
            if page + 1 >= pages:
                break
        return items

    async def _get(self, url: str, page: int | None) -> Mapping[str, Any]:
        import httpx

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
            raise Unavailable("mediamtx_unreachable", detail, HINT) from error
        except BadDestination as error:
            raise refused_address(error) from error
        if answer.status_code in (401, 403):
            raise refused_login()
        if answer.status_code >= 500:
            raise Unavailable("mediamtx_error", f"MediaMTX answered {answer.status_code}", "see its log")
        if answer.status_code != 200:
            raise Refused(
                502, "mediamtx_refused", f"{url}: {answer.status_code}", "is it MediaMTX 1.15 or newer?"
            )
        try:
            body = answer.json()
        except ValueError as error:
            raise Unavailable("mediamtx_answer", f"{url} did not answer in JSON", HINT) from error
        if not isinstance(body, dict):
            raise Unavailable("mediamtx_answer", f"{url} did not answer with an object", HINT)
        return body


def refused_address(error: BadDestination) -> Refused:
    """The name in the settings leads to an address that the box does not call."""
    hint = "[mediamtx] api_url and webrtc_url must name the machine of MediaMTX"
    return Refused(502, "mediamtx_refused", f"the box does not call MediaMTX there: {error}", hint)


def checked_transport() -> httpx.AsyncBaseTransport:
    """For calls to MediaMTX: a name is resolved once, and its address is checked."""
    from appliance.network.http_calls import CheckedTransport

    return CheckedTransport(OWN_NETWORKS, may_be_own=True)


def refused_login() -> Refused:
    """MediaMTX refuses the box's login."""
    hint = (
        "run `appliance mediamtx-config`, restart the box; if set, [mediamtx] read_password is the box's own"
    )
    return Refused(502, "mediamtx_login", "MediaMTX refuses the login", hint)


@asynccontextmanager
async def open_mediamtx(
    api_url: str, user: str = "", password: str = "", *, transport: httpx.AsyncBaseTransport | None = None
) -> AsyncIterator[Mediamtx]:
    """A client for `api_url` (http://127.0.0.1:9997). It connects at the first request; proxy settings of the
    environment are ignored."""
    import httpx  # here, because only a box beside MediaMTX needs it: 32 modules, 25 ms of a start

    login = httpx.BasicAuth(user, password) if user else None
    transport = transport or checked_transport()
    async with httpx.AsyncClient(
        base_url=api_url, auth=login, timeout=_TIMEOUT_S, transport=transport, trust_env=False
    ) as http:
        yield Mediamtx(http)


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


def _user(item: Mapping[str, Any]) -> UserSettings:
    permissions = [each for each in item.get("permissions") or () if isinstance(each, dict)]
    return UserSettings(
        name=_text(item.get("user")) or "",
        addresses=tuple(str(each) for each in item.get("ips") or ()),
        permissions=tuple(
            (_text(each.get("action")) or "", _text(each.get("path")) or "") for each in permissions
        ),
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
