"""Looking at a channel without a mark: replay, replay.mp4, frame.jpg, and a clip's thumbnail.

A replay is a plan that belongs to no clip. Its URL contains start, duration and `v`, the hash of the plan:
its bytes never change, so a player may request ranges of it for as long as it is kept. `replay` answers with
that URL and with facts that a player cannot read from the bytes; `replay.mp4` redirects to it.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlencode

import trio

from appliance.box.clips.cutting.planner import PlanSpan
from appliance.box.clips.files.delivery import IMMUTABLE, ClipDelivery
from appliance.box.clips.files.footage import Footage
from appliance.box.clips.records.marks import MarkRules
from appliance.box.clips.viewing.replay_model import (
    FrameQuery,
    FrozenQuery,
    Replay,
    ReplayQuery,
    ReplayRequest,
    check_replay_query,
    replay_resource,
)
from appliance.box.clips.viewing.thumbnails import FRAME_WIDTH_PX, Pictures
from appliance.http.api import Ctx, RawRoute, Receive, Routes, Scope, Send
from appliance.http.ranges import FileRange, Media, send_media
from appliance.http.requests import parse_query
from appliance.kernel.clock import Clock, to_rfc3339
from appliance.kernel.errors import Refused, Unavailable, not_found
from appliance.kernel.operation import Answer
from appliance.kernel.store import Store
from appliance.kernel.tx import ReadTx
from appliance.media.cut.plan import NoFootage, Plan
from appliance.media.index.view import MediaClock
from appliance.media.mp4.fmp4 import Malformed

HOLD_S = 15.0  # ?wait=1 waits this long for footage that is still coming
KEPT = 64  # frozen replays: enough for several tablets that scrub back


@dataclass(frozen=True, slots=True)
class FrozenReplay:
    """A plan and the URL of its bytes."""

    url: str
    plan: Plan


@dataclass(slots=True)
class Replays:
    """FrozenReplay plans by `v`."""

    store: Store
    footage: Footage
    clock: Clock
    rules: MarkRules
    plan_span: PlanSpan
    delivery: ClipDelivery
    kept: OrderedDict[str, Plan] = field(default_factory=OrderedDict)

    def routes(self) -> Routes:
        """GET /channels/{channel_id}/replay.mp4, and what there is to know of it before it is loaded."""
        routes = Routes("media")
        path = "/channels/{channel_id}/replay"
        words = "The last seconds, or any span."
        routes.raw.append(
            RawRoute(
                "GET",
                f"{path}.mp4",
                self.serve,
                words,
                query=FrozenQuery,
                media_type="video/mp4",
                also=((307, "to the address with everything in it, whose bytes never change"),),
            )
        )

        @routes.get(path, query=ReplayQuery, returns=Replay, hot=True)
        async def facts(ctx: Ctx, channel_id: str, query: ReplayQuery) -> Answer:
            """Freeze the last seconds, or any span: its URL, and the capture times of what it shows."""
            frozen = await self.freeze(channel_id, check_replay_query(query, self.rules))
            with readable():
                clock = await self._clock(channel_id, frozen.plan)
            return Answer(200, replay_resource(frozen.url, frozen.plan, clock))

        return routes

    async def serve(self, scope: Scope, receive: Receive, send: Send, given: dict[str, str]) -> None:
        """GET /channels/{channel_id}/replay.mp4"""
        query = parse_query(scope["query_string"], FrozenQuery)
        request = check_replay_query(query, self.rules)
        plan = self.kept.get(query.v or "")
        if plan is not None and request.start_us is not None:
            await self._send(scope, receive, send, query.v or "", plan)
            return
        frozen = await self.freeze(given["channel_id"], request)
        headers = [
            (b"location", frozen.url.encode()),
            (b"cache-control", b"no-store"),
            (b"content-length", b"0"),
        ]
        await send({"type": "http.response.start", "status": 307, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    async def freeze(self, channel_id: str, request: ReplayRequest) -> FrozenReplay:
        """The plan of the request, kept under its URL. Raises Refused: 404, 409 `not_yet_covered`, and
        Unavailable: 503 `recording_unreadable`."""
        latency_ms = await self.store.read(lambda tx: channel_latency_ms(tx, channel_id))
        start_us, duration_us = await self._span(channel_id, request, latency_ms * 1000)
        try:
            with readable():
                plan = await self.plan_span(channel_id, start_us, start_us + duration_us, latency_ms * 1000)
        except NoFootage:
            raise self._not_covered(channel_id, latency_ms * 1000) from None
        query = {
            "start": to_rfc3339(start_us),
            "duration": f"{duration_us / 1e6:.9g}",
            "v": self._keep(plan),
        }
        return FrozenReplay(f"/channels/{channel_id}/replay.mp4?{urlencode(query)}", plan)

    async def _clock(self, channel_id: str, plan: Plan) -> MediaClock | None:
        """The clock of the run a plan begins with."""
        start_us, end_us = plan.coverage_start_us + plan.latency_us, plan.coverage_end_us + plan.latency_us
        views = await self.footage.views(channel_id, start_us, end_us)
        return next((each.clock for each in views if each.run_id == plan.media_spans[0][0]), None)

    async def _span(self, channel_id: str, request: ReplayRequest, latency_us: int) -> tuple[int, int]:
        """Start and duration, once the footage is indexed. Raises Refused 409 `not_yet_covered`."""
        if request.start_us is None:
            until_us = self.footage.video_until_us(channel_id)
            if until_us is None:
                raise self._not_covered(channel_id, latency_us)
            return until_us - latency_us - request.duration_us, request.duration_us
        end_us = request.start_us + request.duration_us + latency_us
        with trio.move_on_after(HOLD_S if request.wait else 0):
            while not self._covered(channel_id, end_us):
                await self.footage.changed.wait_past(self.footage.changed.count)
        if not self._covered(channel_id, end_us):
            raise self._not_covered(channel_id, latency_us)
        return request.start_us, request.duration_us

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


@contextmanager
def readable() -> Iterator[None]:
    """Turns errors of a disk or a damaged file in the block into the answer 503 `recording_unreadable`."""
    try:
        yield
    except (OSError, Malformed) as error:
        raise Unavailable(
            "recording_unreadable", f"the recording cannot be read: {error}", "look at /readyz for the disk"
        ) from error


def channel_latency_ms(tx: ReadTx, channel_id: str) -> int:
    """Raises Refused 404 for an unknown channel."""
    latency_ms = tx.value("SELECT latency_ms FROM channels WHERE id = ?", (channel_id,))
    if latency_ms is None:
        raise not_found("channel", channel_id)
    return int(latency_ms)


def picture_routes(pictures: Pictures) -> list[RawRoute]:
    """GET /clips/{clip_id}/thumbnail and /channels/{channel_id}/frame.jpg."""

    async def thumbnail(scope: Scope, receive: Receive, send: Send, given: dict[str, str]) -> None:
        picture = await pictures.thumbnail(given["clip_id"])
        await _send_jpeg(scope, receive, send, picture.jpeg, IMMUTABLE if picture.is_final else "no-cache")

    async def frame(scope: Scope, receive: Receive, send: Send, given: dict[str, str]) -> None:
        channel_id = given["channel_id"]
        latency_ms = await pictures.store.read(lambda tx: channel_latency_ms(tx, channel_id))
        at_us = parse_query(scope["query_string"], FrameQuery).at
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
        RawRoute(
            "GET",
            "/clips/{clip_id}/thumbnail",
            thumbnail,
            "The clip's picture, a JPEG.",
            media_type="image/jpeg",
        ),
        RawRoute(
            "GET",
            "/channels/{channel_id}/frame.jpg",
            frame,
            "The frame at or before ?at=; without it the newest key picture.",
            query=FrameQuery,
            media_type="image/jpeg",
        ),
    ]


async def _send_jpeg(scope: Scope, receive: Receive, send: Send, jpeg: bytes, cache: str) -> None:
    etag = f'"{hashlib.sha256(jpeg).hexdigest()[:16]}"'
    media = Media(size=len(jpeg), pieces=[jpeg], etag=etag, content_type="image/jpeg", cache_control=cache)
    await send_media(scope, receive, send, media)
