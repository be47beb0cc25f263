"""The state of each camera's connection to the recordings: GET /sources, parts of /readyz, figures.

Owns: the judgement and the messages for people. Must not know: how the facts are found.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from appliance.box.channels.monitor import MonitorHandle
from appliance.box.mediamtx.hook import HookCalls
from appliance.box.mediamtx.publishers import SLOW_S, Publisher, PublishersHandle
from appliance.box.recorder.embedded import RecorderHandle
from appliance.box.recorder.source_facts import ChannelFacts, Line
from appliance.box.recordings.actor import RecordingsHandle
from appliance.box.recordings.model import FootageState, SourceState
from appliance.http.api import Ctx, Routes
from appliance.kernel.clock import Clock
from appliance.kernel.operation import Answer
from appliance.ops.health import Board, HealthPart
from appliance.ops.metrics import Metrics

RUN_CHANGES_BAD: Final = 5  # in a minute: a camera on a bad line reconnects less often
UNRECORDED_S: Final = 3.0  # connected for so long, and nothing recorded: a GOP is 1 to 2 s
_KEY_HINT: Final = (
    "its log says why: it waits for a key picture (set the encoder to closed GOPs of 1-2 s), or cannot write;"
    " `appliance doctor` compares its recordPath with storage.recordings_dir"
)
_TWO_HINT: Final = "look for a second encoder with this stream id; else check the camera's line and encoder"


@dataclass(frozen=True, slots=True)
class Source:
    """One channel. `age_s`: since its newest part came, None if none came in this run. `run_changes`: how
    often recording restarted within the last minute, or the last one it was recorded. `sends`: whether its
    encoder is connected, None: unknown."""

    channel_id: str
    status: str = "active"
    error_reason: str | None = None
    footage: FootageState = "none"
    age_s: float | None = None
    run_changes: int = 0
    sends: bool | None = None
    publisher: Publisher | None = None
    restarts: int | None = None
    # from the embedded recorder: its camera is connected but not recorded, or cannot be recorded
    trouble: HealthPart | None = None

    @property
    def is_recorded(self) -> bool:
        return self.footage == "on"


def source_part(source: Source) -> HealthPart:
    """One camera, in a message without its name."""
    if source.run_changes > RUN_CHANGES_BAD:
        detail = f"its recording began anew {source.run_changes} times within a minute"
        return HealthPart("bad", f"{detail}: two encoders send under its name, or its line breaks", _TWO_HINT)
    if source.status == "inactive":
        return HealthPart("ok", "switched off")
    if source.is_recorded:
        return _recorded(source)
    return _not_recorded(source)


def _publisher_of(line: Line, channel_id: str, restarts: int) -> Publisher:
    """The line of an embedded recorder's camera, with the fields of MediaMTX's."""
    return Publisher(
        channel_id,
        True,
        address=line.address,
        bitrate_bps=line.bitrate_bps,
        loss_ratio=line.loss_ratio,
        packets_dropped=line.packets_dropped,
        rtt_ms=line.rtt_ms,
        restarts=restarts,
    )


def recorder_trouble(facts: ChannelFacts | None) -> HealthPart | None:
    """The embedded recorder's part for a camera that is connected and not recorded, or cannot be recorded."""
    if facts is None or facts.state in ("waiting", "receiving"):
        return None
    return HealthPart("bad", facts.detail, facts.hint or None)


def _recorded(source: Source) -> HealthPart:
    if source.status != "error":
        return HealthPart("ok", _figures(source.publisher))
    hint = "look at the camera; POST /channels/{id}/activate when it is mended"
    if "heartbeat" in (source.error_reason or ""):
        hint = 'start its capture software again, or set its liveness to "footage"'
    return HealthPart("bad", f"{source.error_reason or 'reports a fault'}, though it is recorded", hint)


def _not_recorded(source: Source) -> HealthPart:
    publisher = source.publisher
    if source.trouble is not None:
        return source.trouble
    if publisher is not None and publisher.is_online:
        return _unrecorded(publisher)
    fault = f"{source.error_reason}; " if source.status == "error" and source.error_reason else ""
    gone = "its encoder is not connected" if source.sends is False else "no footage"
    hint = "look at the camera's power, its line, and the address it sends to"
    if source.age_s is not None:
        return HealthPart("bad", f"{fault}{gone}, nothing recorded for {source.age_s:.0f} s", hint)
    return HealthPart(
        "bad" if source.status == "error" else "warn", f"{fault}{gone}, nothing recorded yet", hint
    )


def _unrecorded(publisher: Publisher) -> HealthPart:
    """Connected to MediaMTX, but nothing of it reaches the disk."""
    who = publisher.address or "its encoder"
    if (publisher.connected_s or 0.0) < UNRECORDED_S:
        return HealthPart("warn", f"{who} has just connected")
    if (publisher.silent_s or 0.0) >= UNRECORDED_S:
        return HealthPart(
            "bad", f"{who} is connected and sends nothing", "look at the encoder: has it a picture?"
        )
    if not publisher.has_video:
        hint = "look at the cable between camera and encoder"
        return HealthPart("bad", f"{who} sends {', '.join(publisher.tracks)} and no video", hint)
    detail = f"{who} sends{_rate(publisher)} and MediaMTX records nothing"
    return HealthPart("bad", detail, f"MediaMTX: {_KEY_HINT}")


def _rate(publisher: Publisher) -> str:
    return "" if publisher.bitrate_bps is None else f" {publisher.bitrate_bps / 1e6:.1f} Mbit/s"


def _figures(publisher: Publisher | None) -> str:
    """The known figures of its line: "8.1 Mbit/s, 0.0 % lost, 3 ms, from 192.168.10.7:50123"."""
    if publisher is None or not publisher.is_online:
        return "records"
    figures = [_rate(publisher).strip()]
    if publisher.loss_ratio is not None and publisher.rtt_ms is not None:
        figures += [f"{publisher.loss_ratio * 100:.1f} % lost", f"{publisher.rtt_ms:.0f} ms"]
    figures += [f"from {publisher.address}" if publisher.address else ""]
    figures += [f"connected again {publisher.restarts} times" if publisher.restarts else ""]
    return ", ".join(["records", *filter(None, figures)])


def cameras_part(sources: Sequence[Source]) -> HealthPart:
    """All cameras: whether each is recorded, and why not."""
    judged = [(source.channel_id, source_part(source)) for source in sources]
    on = sum(source.is_recorded for source in sources)
    wrong = [(name, part) for name, part in judged if part.status != "ok"]
    figures = {"cameras": float(len(sources)), "recorded": float(on)}
    if not wrong:
        off = sum(source.status == "inactive" for source in sources)
        return HealthPart(
            "ok", f"{on} cameras are recorded" + (f", {off} switched off" if off else ""), None, figures
        )
    wrong.sort(key=lambda each: each[1].status != "bad")
    detail = "; ".join(f"{name}: {part.detail}" for name, part in wrong)
    return HealthPart(wrong[0][1].status, detail, wrong[0][1].hint, figures)


def mediamtx_part(
    publishers: PublishersHandle | None, channels: Sequence[str], hooks: HookCalls, *, is_recording: bool
) -> HealthPart:
    """MediaMTX itself. Its API is optional: without it publishers are unknown, and everything else
    continues."""
    calls = sum(hooks.by_event.values())
    called = f"its hook has called {calls} times" if calls else "its hook has not called"
    if publishers is None:
        return HealthPart("ok", f"not asked: mediamtx.api_url is empty; {called}")
    error = publishers.error
    if error is not None:
        detail = f"{error.detail}; {'footage comes all the same' if is_recording else 'nothing is recorded'}"
        return HealthPart(
            "warn" if is_recording else "bad", detail, error.hint or "systemctl status mediamtx"
        )
    if publishers.answered_s is None:
        return HealthPart("ok", "not asked yet")
    sending = {name for name, path in publishers.paths.items() if path.is_online}
    strange = sorted(sending - set(channels))
    detail = f"{len(sending)} encoders send, {called}"
    if strange:
        hint = "add a channel of that id, or correct the encoder's stream id"
        return HealthPart("warn", f"{', '.join(strange)} sends and is no channel; {detail}", hint)
    if publishers.took_s > SLOW_S:
        hint = "is the machine overloaded?"
        return HealthPart("warn", f"its API took {publishers.took_s:.1f} s to answer; {detail}", hint)
    return HealthPart("ok", detail)


@dataclass(frozen=True, slots=True)
class Sources:
    """Combines the facts of monitor, index, recorder and MediaMTX's API. Synchronous, from memory."""

    clock: Clock
    monitor: MonitorHandle
    recordings: RecordingsHandle | None
    recorder: RecorderHandle | None
    publishers: PublishersHandle | None

    def all(self) -> list[Source]:
        return [self._source(each, *status) for each, status in self.monitor.statuses().items()]

    def _source(self, channel_id: str, status: str, error_reason: str | None) -> Source:
        recordings, publishers = self.recordings, self.publishers
        publisher = None if publishers is None else publishers.publisher(channel_id)
        facts = None if self.recorder is None else self.recorder.facts().get(channel_id)
        sends: bool | None = None if facts is None else facts.is_connected
        if facts is not None and facts.line is not None:
            publisher = _publisher_of(facts.line, channel_id, facts.restarts)
        trouble = recorder_trouble(facts)
        if publishers is not None and publishers.is_known:
            sends = publisher is not None and publisher.is_online
        restarts = publisher.restarts if publisher else facts.restarts if facts else None
        if recordings is None:
            return Source(
                channel_id, status, error_reason, sends=sends, publisher=publisher, restarts=restarts
            )
        return Source(
            channel_id,
            status,
            error_reason,
            recordings.footage_state(channel_id),
            recordings.newest_part_age_s(channel_id),
            recordings.run_changes(channel_id),
            sends,
            publisher,
            restarts,
            trouble,
        )

    def routes(self) -> Routes:
        routes = Routes("sources")

        @routes.get("/sources", items=SourceState)
        async def sources(ctx: Ctx) -> Answer:
            """The state of every camera's connection: whether it sends, its figures, and whether it is
            recorded."""
            items = [source_resource(source) for source in self.all()]
            as_of_seq = await ctx.read(lambda tx: tx.head())
            return Answer(200, {"items": items, "next_cursor": None, "as_of_seq": as_of_seq})

        return routes

    def add(self, board: Board, metrics: Metrics, hooks: HookCalls, *, external: bool) -> None:
        """Add its health parts and metrics."""
        if self.recordings is not None:
            board.add("cameras", lambda: cameras_part(self.all()))
        if external:
            board.add("mediamtx", lambda: self._mediamtx(hooks))
            metrics.gauges(
                "mediamtx_hook_calls", "Calls of MediaMTX's hook since the start", "event", hooks.figures
            )
            metrics.gauge("mediamtx_up", "1 while MediaMTX's API answers", self._is_up)
        for name, meaning, ask in _FIGURES:
            metrics.gauges(f"source_{name}", meaning, "channel", self._figure(ask))

    def _mediamtx(self, hooks: HookCalls) -> HealthPart:
        sources = self.all()
        is_recording = any(source.is_recorded for source in sources)
        channels = [source.channel_id for source in sources]
        return mediamtx_part(self.publishers, channels, hooks, is_recording=is_recording)

    def _is_up(self) -> float:
        return float(self.publishers is not None and self.publishers.is_known)

    def _figure(self, ask: Callable[[Source], float | None]) -> Callable[[], dict[str, float]]:
        return lambda: {each.channel_id: value for each in self.all() if (value := ask(each)) is not None}


def _of_publisher(ask: Callable[[Publisher], float | None]) -> Callable[[Source], float | None]:
    return lambda source: (
        ask(source.publisher) if source.publisher is not None and source.publisher.is_online else None
    )


_FIGURES: Final[Sequence[tuple[str, str, Callable[[Source], float | None]]]] = (
    ("recorded", "1 while the camera's footage reaches the disk", lambda each: float(each.is_recorded)),
    (
        "connected",
        "1 while its encoder is connected",
        lambda each: None if each.sends is None else each.sends,
    ),
    ("bitrate_bps", "Bits per second its encoder sends", _of_publisher(lambda each: each.bitrate_bps)),
    ("loss_ratio", "Share of its packets lost on the way", _of_publisher(lambda each: each.loss_ratio)),
    ("packets_dropped", "Packets lost for good", _of_publisher(lambda each: each.packets_dropped)),
    ("rtt_ms", "Round trip to its encoder", _of_publisher(lambda each: each.rtt_ms)),
    ("restarts", "Times its encoder connected again", lambda each: each.restarts),
    ("run_changes", "Recordings begun anew within a minute", lambda each: float(each.run_changes)),
)


def source_resource(source: Source) -> dict[str, Any]:
    """The source as the API shows it."""
    part, publisher = source_part(source), source.publisher or Publisher(source.channel_id, False)
    return {
        "channel_id": source.channel_id,
        "status": part.status,
        "detail": part.detail,
        "hint": part.hint,
        "is_recorded": source.is_recorded,
        "is_connected": source.sends,
        "address": publisher.address,
        "since": publisher.since,
        "tracks": list(publisher.tracks),
        "bitrate_bps": publisher.bitrate_bps,
        "loss_ratio": publisher.loss_ratio,
        "packets_dropped": publisher.packets_dropped,
        "rtt_ms": publisher.rtt_ms,
        "restarts": source.restarts,
        "run_changes": source.run_changes,
    }
