"""Looking at a channel without marking anything: replay.mp4, frame.jpg, and a clip's thumbnail.

A replay is a plan that belongs to no clip. Its URL names start, duration and `v`, the hash of the plan: those
bytes never change, so a player may ask for ranges of it as long as it likes.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlencode

import trio

from appliance.clips.delivery import IMMUTABLE, Delivery
from appliance.clips.footage import Footage
from appliance.clips.marks import MarkRules
from appliance.clips.pictures import FRAME_WIDTH_PX, Pictures
from appliance.clips.planner import PlanSpan
from appliance.kernel.clock import Clock, from_rfc3339, to_rfc3339
from appliance.kernel.errors import Refused, invalid, not_found
from appliance.kernel.store import Store
from appliance.kernel.tx import ReadTx
from appliance.media.plan import NoFootage, Plan
from appliance.web.api import RawRoute, Receive, Scope, Send
from appliance.web.ranges import FileRange, Media, send_media

DEFAULT_S = 20.0  # "what just happened"
HOLD_S = 15.0  # ?wait=1 holds this long for footage that is still coming
KEPT = 64  # frozen replays: a desk of tablets scrubbing back


@dataclass(frozen=True, slots=True)
class Asked:
    """A replay request, checked. Instants are capture times, microseconds."""

    start_us: int | None
    duration_us: int
    v: str | None
    wait: bool


def read_query(query: str, rules: MarkRules) -> Asked:
    """The query of replay.mp4. Raises Refused 422 naming the field."""
    given = {key: values[-1] for key, values in parse_qs(query, keep_blank_values=True).items()}
    unknown = sorted(set(given) - {"start", "duration", "v", "wait", "client"})
    if unknown:
        raise invalid(unknown[0], "unknown query parameter; known: start, duration, v, wait")
    start_us = None
    if "start" in given:
        try:
            start_us = from_rfc3339(given["start"].replace(" ", "+"))
        except ValueError as error:
            raise invalid("start", str(error)) from None
    try:
        seconds = float(given.get("duration", DEFAULT_S))
    except ValueError:
        raise invalid("duration", "must be seconds, such as 20") from None
    if not 0 < seconds <= rules.clips.max_duration_s:
        raise invalid("duration", f"must be more than 0 and at most {rules.clips.max_duration_s:g} seconds")
    return Asked(start_us, round(seconds * 1e6), given.get("v"), given.get("wait") == "1")


@dataclass(slots=True)
class Replays:
    """Frozen plans by `v`."""

    store: Store
    footage: Footage
    clock: Clock
    rules: MarkRules
    plan_span: PlanSpan
    delivery: Delivery
    kept: OrderedDict[str, Plan] = field(default_factory=OrderedDict)

    def route(self) -> RawRoute:
        return RawRoute(
            "GET", "/channels/{channel_id}/replay.mp4", self.serve, "The last seconds, or any span."
        )

    async def serve(self, scope: Scope, receive: Receive, send: Send, given: dict[str, str]) -> None:
        """GET /channels/{channel_id}/replay.mp4"""
        channel_id = given["channel_id"]
        asked = read_query(scope["query_string"].decode("latin-1"), self.rules)
        plan = self.kept.get(asked.v or "")
        if plan is not None and asked.start_us is not None:
            await self._send(scope, receive, send, asked.v or "", plan)
            return
        latency_ms = await self.store.read(lambda tx: channel_latency_ms(tx, channel_id))
        start_us, duration_us = await self._span(channel_id, asked, latency_ms * 1000)
        try:
            plan = await self.plan_span(channel_id, start_us, start_us + duration_us, latency_ms * 1000)
        except NoFootage:
            raise self._not_covered(channel_id, latency_ms * 1000) from None
        v = self._keep(plan)
        query = {"start": to_rfc3339(start_us), "duration": f"{duration_us / 1e6:g}", "v": v}
        location = f"/channels/{channel_id}/replay.mp4?{urlencode(query)}"
        headers = [
            (b"location", location.encode()),
            (b"cache-control", b"no-store"),
            (b"content-length", b"0"),
        ]
        await send({"type": "http.response.start", "status": 307, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    async def _span(self, channel_id: str, asked: Asked, latency_us: int) -> tuple[int, int]:
        """Start and duration, once the footage is there. Raises Refused 409 `not_yet_covered`."""
        if asked.start_us is None:
            until_us = self.footage.video_until_us(channel_id)
            if until_us is None:
                raise self._not_covered(channel_id, latency_us)
            return until_us - latency_us - asked.duration_us, asked.duration_us
        end_us = asked.start_us + asked.duration_us + latency_us
        with trio.move_on_after(HOLD_S if asked.wait else 0):
            while not self._covered(channel_id, end_us):
                await self.footage.changed.wait_past(self.footage.changed.count)
        if not self._covered(channel_id, end_us):
            raise self._not_covered(channel_id, latency_us)
        return asked.start_us, asked.duration_us

    def _covered(self, channel_id: str, end_us: int) -> bool:
        until_us = self.footage.video_until_us(channel_id)
        if until_us is not None and until_us >= end_us:
            return True
        return self.footage.run_begun_after(channel_id, end_us)

    def _not_covered(self, channel_id: str, latency_us: int) -> Refused:
        until_us = self.footage.video_until_us(channel_id)
        shown = None if until_us is None else to_rfc3339(until_us - latency_us)
        return Refused(
            409,
            "not_yet_covered",
            f"no footage of {channel_id} for that time" + (f"; it reaches to {shown}" if shown else ""),
            "ask for an earlier time, or add wait=1",
            extra={"covered_until": shown},
        )

    def _keep(self, plan: Plan) -> str:
        ranges = ";".join(f"{each.name}:{each.offset}:{each.length}" for each in plan.ranges)
        v = hashlib.sha256(plan.header + ranges.encode()).hexdigest()[:16]
        self.kept[v] = plan
        self.kept.move_to_end(v)
        while len(self.kept) > KEPT:
            self.kept.popitem(last=False)
        return v

    async def _send(self, scope: Scope, receive: Receive, send: Send, v: str, plan: Plan) -> None:
        ranges = [(each.name, each.offset, each.length) for each in plan.ranges]
        pieces: list[bytes | FileRange] = [plan.header, *await self.delivery.open_ranges(ranges)]
        media = Media(size=plan.size, pieces=pieces, etag=f'"{v}"', cache_control=IMMUTABLE)
        await send_media(scope, receive, send, media)


def channel_latency_ms(tx: ReadTx, channel_id: str) -> int:
    """Raises Refused 404 for a channel nobody knows."""
    found = tx.value("SELECT latency_ms FROM channels WHERE id = ?", (channel_id,))
    if found is None:
        raise not_found("channel", channel_id)
    return int(found)


def picture_routes(pictures: Pictures) -> list[RawRoute]:
    """GET /clips/{clip_id}/thumbnail and /channels/{channel_id}/frame.jpg."""

    async def thumbnail(scope: Scope, receive: Receive, send: Send, given: dict[str, str]) -> None:
        found = await pictures.thumbnail(given["clip_id"])
        await _send_jpeg(scope, receive, send, found.jpeg, IMMUTABLE if found.is_final else "no-cache")

    async def frame(scope: Scope, receive: Receive, send: Send, given: dict[str, str]) -> None:
        channel_id = given["channel_id"]
        latency_ms = await pictures.store.read(lambda tx: channel_latency_ms(tx, channel_id))
        at_us = _at(scope["query_string"].decode("latin-1"))
        if at_us is not None:
            jpeg = await pictures.frame(channel_id, at_us, latency_ms)
        else:
            until_us = pictures.footage.video_until_us(channel_id)
            if until_us is None:
                raise Refused(409, "not_yet_covered", f"no footage of {channel_id}")
            newest_us = until_us - latency_ms * 1000
            jpeg = await pictures.at(channel_id, newest_us, latency_ms, width_px=FRAME_WIDTH_PX, bulk=False)
        await _send_jpeg(scope, receive, send, jpeg, "no-store")

    return [
        RawRoute("GET", "/clips/{clip_id}/thumbnail", thumbnail, "The clip's picture, a JPEG."),
        RawRoute(
            "GET",
            "/channels/{channel_id}/frame.jpg",
            frame,
            "The frame at or before ?at=; without it the newest key picture.",
        ),
    ]


def _at(query: str) -> int | None:
    given = {key: values[-1] for key, values in parse_qs(query, keep_blank_values=True).items()}
    if "at" not in given:
        return None
    try:
        return from_rfc3339(given["at"].replace(" ", "+"))
    except ValueError as error:
        raise invalid("at", str(error)) from None


async def _send_jpeg(scope: Scope, receive: Receive, send: Send, jpeg: bytes, cache: str) -> None:
    etag = f'"{hashlib.sha256(jpeg).hexdigest()[:16]}"'
    media = Media(size=len(jpeg), pieces=[jpeg], etag=etag, content_type="image/jpeg", cache_control=cache)
    await send_media(scope, receive, send, media)
