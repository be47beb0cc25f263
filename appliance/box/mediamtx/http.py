"""MediaMTX's hook, and previews by WebRTC: POST /channels/{id}/whep, forwarded to MediaMTX with the box's own
login.

Owns: the box's URLs of MediaMTX's sessions. A tablet has no MediaMTX login and gets no MediaMTX address;
video goes directly from MediaMTX to it. In embedded mode there is none: WS /channels/{id}/live is the preview
that always works. `GET /channels/{id}/live` lists the available ones.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from pydantic import BaseModel, Field

from appliance.box.mediamtx.hook import HookCalls, parse_hook
from appliance.box.mediamtx.sessions import PreviewSessions
from appliance.box.mediamtx.whep import Whep, WhepAnswer
from appliance.http.access import grant_of
from appliance.http.api import Ctx, RawRoute, Receive, Routes, Scope, Send
from appliance.http.requests import header_map, read_body
from appliance.kernel import json
from appliance.kernel.errors import Refused, not_found
from appliance.kernel.fields import Input
from appliance.kernel.operation import Answer
from appliance.kernel.store import Store
from appliance.kernel.tx import ReadTx

_SDP = "application/sdp"
_FRAGMENT = "application/trickle-ice-sdpfrag"


class HookIn(Input):
    """The body that config/mediamtx-hook posts."""

    event: str
    path: str
    segment: str | None = None
    duration: str | None = None


class FolderIndex(Protocol):
    """The interface that the hook needs of the recordings."""

    def channel_ids(self) -> list[str]: ...

    def rescan_now(self, channel_id: str) -> None: ...


def hook_routes(index: Callable[[], FolderIndex], calls: HookCalls) -> Routes:
    """POST /mediamtx/hook: a hint to check a folder now. The disk still decides: a lost hook costs 5 s."""
    routes = Routes("mediamtx")

    @routes.post("/mediamtx/hook", body=HookIn)
    async def hook(ctx: Ctx, body: HookIn) -> Answer:
        """MediaMTX reports that a segment began or ended, or that a camera connected or disconnected."""
        hint = parse_hook(body.model_dump(exclude_none=True))
        calls.count(str(hint.event))
        if hint.channel_id in index().channel_ids():
            index().rescan_now(hint.channel_id)
        return Answer(200, {"heard": str(hint.event)})

    return routes


class PreviewInfo(BaseModel):
    channel_id: str
    websocket_url: str = Field(description="live pictures as fragmented MP4")
    whep: bool = Field(description="whether there is WebRTC")
    whep_url: str | None


@dataclass(frozen=True, slots=True)
class Previews:
    """The routes. `whep` None: no MediaMTX, or its address is not set. `sessions` None: everything is
    open."""

    store: Store
    whep: Whep | None
    sessions: PreviewSessions | None = None

    def routes(self) -> Routes:
        session = "/channels/{channel_id}/whep/{secret}"
        return Routes(
            "live pictures",
            raw=[
                RawRoute(
                    "GET",
                    "/channels/{channel_id}/live",
                    self.info,
                    "Which previews there are.",
                    returns=PreviewInfo,
                ),
                RawRoute(
                    "POST",
                    "/channels/{channel_id}/whep",
                    self.offer,
                    "A WebRTC offer; 201 with the answer.",
                    media_type=_SDP,
                    takes=_SDP,
                    status=201,
                ),
                RawRoute(
                    "PATCH",
                    session,
                    self.patch,
                    "Trickled candidates.",
                    media_type=_FRAGMENT,
                    takes=_FRAGMENT,
                    also=((204, "taken"),),
                ),
                RawRoute("DELETE", session, self.end, "End the preview."),
            ],
        )

    async def info(self, scope: Scope, receive: Receive, send: Send, given: dict[str, str]) -> None:
        """The available previews."""
        channel_id = await self._known(given["channel_id"])
        known = {
            "channel_id": channel_id,
            "websocket_url": f"/channels/{channel_id}/live",
            "whep": self.whep is not None,
            "whep_url": None if self.whep is None else f"/channels/{channel_id}/whep",
        }
        body = json.encode(known)
        await _reply(send, WhepAnswer(200, "application/json", body, (("cache-control", "no-store"),)))

    async def offer(self, scope: Scope, receive: Receive, send: Send, given: dict[str, str]) -> None:
        whep, channel_id = self._on(), await self._known(given["channel_id"])
        sdp = await _body(scope, receive, _SDP)
        answer = await whep.offer(channel_id, sdp)
        grant = grant_of(scope)
        if self.sessions is not None and grant is not None:
            self.sessions.begun(grant, channel_id, answer.secret)
        location = ("location", f"/channels/{channel_id}/whep/{answer.secret}")
        await _reply(send, answer, location)

    async def patch(self, scope: Scope, receive: Receive, send: Send, given: dict[str, str]) -> None:
        whep, channel_id = self._on(), await self._known(given["channel_id"])
        fragment = await _body(scope, receive, _FRAGMENT)
        headers = {"Content-Type": _FRAGMENT}
        if_match = header_map(scope).get(b"if-match")
        if if_match is not None:
            headers["If-Match"] = if_match.decode("latin-1")
        await _reply(send, await whep.patch(channel_id, given["secret"], fragment, headers))

    async def end(self, scope: Scope, receive: Receive, send: Send, given: dict[str, str]) -> None:
        whep, channel_id = self._on(), await self._known(given["channel_id"])
        answer = await whep.end(channel_id, given["secret"])
        if self.sessions is not None:
            self.sessions.ended(given["secret"])
        await _reply(send, answer)

    def _on(self) -> Whep:
        """Raises Refused 404 when there is no MediaMTX to forward an offer to."""
        if self.whep is None:
            hint = (
                "watch WS /channels/{id}/live; WebRTC needs recorder.mode = external and [mediamtx] api_url"
            )
            raise Refused(404, "no_whep", "this box offers no WebRTC preview", hint)
        return self.whep

    async def _known(self, channel_id: str) -> str:
        """The id itself. Raises Refused 404. Ids from rows are safe in a path."""
        if not await self.store.read(lambda tx: _exists(tx, channel_id)):
            raise not_found("channel", channel_id)
        return channel_id


def _exists(tx: ReadTx, channel_id: str) -> bool:
    sql = "SELECT count(*) FROM channels WHERE id = ? AND archived_us IS NULL"
    return bool(tx.value(sql, (channel_id,)))


async def _body(scope: Scope, receive: Receive, media_type: str) -> bytes:
    """Raises Refused 413, 415."""
    headers = header_map(scope)
    sent = headers.get(b"content-type", b"").split(b";")[0].strip().lower().decode("latin-1")
    if sent != media_type:
        detail = f"Content-Type must be {media_type}, not {sent[:80] or 'none'}"
        raise Refused(415, "unsupported_media_type", detail)
    return await read_body(headers, receive)


async def _reply(send: Send, answer: WhepAnswer, *more: tuple[str, str]) -> None:
    headers = [*answer.headers, *more]
    if answer.body:
        headers.append(("content-type", answer.content_type))
    if answer.status != 204:
        headers.append(("content-length", str(len(answer.body))))
    wire = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
    await send({"type": "http.response.start", "status": answer.status, "headers": wire})
    await send({"type": "http.response.body", "body": answer.body})
