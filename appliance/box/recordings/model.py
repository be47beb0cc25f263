"""The recordings' types for other modules: footage states, facts for events, figures, the timeline's model.

Owns: types and how they are shown. All instants are int us UTC of box time unless a field says otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import BaseModel, Field

from appliance.kernel.clock import optional_rfc3339, to_rfc3339
from appliance.kernel.fields import Input, Instant
from appliance.media.index.spans import Reason, TimelineCoverage

if TYPE_CHECKING:
    from appliance.kernel.tx import Tx

FootageState = Literal["on", "stalled", "none"]


@dataclass(frozen=True, slots=True)
class RecordingGap:
    """Footage is missing from `start_us` (capture time) on; announced when it begins (`end_us` None) and
    ends.

    A gap that is detected only after its end is announced once. Both announcements of one gap have the same
    start.
    """

    channel_id: str
    start_us: int
    end_us: int | None
    reason: Reason


@dataclass(frozen=True, slots=True)
class FootageChanged:
    """The present footage state of a channel, from the index."""

    channel_id: str
    footage: FootageState


Fact = RecordingGap | FootageChanged


@dataclass(frozen=True, slots=True)
class ChannelFootage:
    """The state of one channel at one moment. Instants are wall times, latency not taken off.

    `video_until_us`: every frame before it is indexed. `durable_until_us`: and survives a power cut;
    it stays where it is once a sync has failed, whatever succeeds later.
    `skew_ppm`: the source's clock against box time, positive is fast. `ntp_lag_ms`: how far MediaMTX's own
    estimate (mtxi) is behind the observed arrival. `claimed_off_us`: how far the times in the newest
    recordings (mtxi, name) are ahead of their arrival, when that is so far that the arrival is used.
    `undecodable_s`: newest footage that cannot be shown because no picture allows decoding to begin.
    """

    channel_id: str
    footage: FootageState
    latency_us: int
    video_from_us: int | None
    video_until_us: int | None
    durable_until_us: int | None
    newest_part_age_s: float | None
    run_id: str | None
    segments: int
    waiting: int  # segments not walked yet
    unreadable: tuple[tuple[str, str], ...]  # (name, reason), newest last
    bytes: int
    skew_ppm: float
    ntp_lag_ms: float | None
    claimed_off_us: int
    copies: tuple[tuple[str, str], ...]  # (ignored file, the one that has the same run and number)
    undecodable_s: float
    error: str | None  # the newest disk error
    is_settling: bool = False  # the newest run began or leapt moments ago: its arrivals are still compared


@dataclass(frozen=True, slots=True)
class StoredSegment:
    """One file on the disk, for retention. Wall times, latency not taken off.

    `name`: `<channel id>/<file>`. `end_us` is `start_us` when the file shows nothing. `is_growing`: it is
    being written, or was a moment ago.
    """

    channel_id: str
    name: str
    start_us: int
    end_us: int
    written_us: int
    bytes: int
    is_growing: bool


class SourceState(BaseModel):
    """The state of a camera's connection to the recorder. null: not known."""

    channel_id: str
    status: Literal["ok", "warn", "bad"]
    detail: str
    hint: str | None
    is_recorded: bool
    is_connected: bool | None
    address: str | None = Field(description="where the encoder calls from")
    since: str | None = Field(description="since when it sends without a break")
    tracks: list[str]
    bitrate_bps: float | None
    loss_ratio: float | None = Field(description="packets lost on the way, most of them sent again in time")
    packets_dropped: int | None = Field(description="packets lost for good since it connected")
    rtt_ms: float | None
    restarts: int | None = Field(description="connections after the first since the box started")
    run_changes: int = Field(description="recordings begun anew within the last minute")


class TimelineQuery(Input):
    """GET /channels/{id}/timeline."""

    start: Instant | None = Field(None, description="default: ten minutes before end")
    end: Instant | None = Field(None, description="default: now")
    frames: Annotated[int, Field(ge=0, le=1)] = Field(
        0, description="1: capture time of every video frame; the span may be 60 s at most"
    )


class TimelineSpan(BaseModel):
    start: str
    end: str
    run_id: str


class TimelineGap(BaseModel):
    start: str
    end: str | None = Field(description="null while it lasts")
    reason: Reason


class TimelineRun(BaseModel):
    """`width` and `height` are of the picture as it is shown: turned by the display matrix of the file."""

    run_id: str
    start: str
    end: str
    codec: str
    width: int
    height: int
    segments: int


class TimelineSize(BaseModel):
    """From `at` on the picture, as it is shown, has this size."""

    at: str
    width: int
    height: int


class Timeline(BaseModel):
    """Capture times throughout."""

    channel_id: str
    start: str
    end: str
    footage: FootageState
    latency_ms: int
    video_until: str | None = Field(description="every frame captured before it is indexed")
    spans: list[TimelineSpan]
    gaps: list[TimelineGap]
    runs: list[TimelineRun]
    sizes: list[TimelineSize] = Field(
        description="the size at the begin of what is covered, then every change"
    )
    frames: list[str] | None = None


def timeline_resource(
    channel: ChannelFootage, start_us: int, end_us: int, known: TimelineCoverage, frames: list[int] | None
) -> dict[str, Any]:
    """The timeline as API resource; `known` in wall time, `frames` in capture time."""
    late_us = channel.latency_us
    until_us = channel.video_until_us
    return {
        "channel_id": channel.channel_id,
        "start": to_rfc3339(start_us),
        "end": to_rfc3339(end_us),
        "footage": channel.footage,
        "latency_ms": late_us // 1000,
        "video_until": optional_rfc3339(None if until_us is None else until_us - late_us),
        "spans": [
            {
                "start": to_rfc3339(span.start_us - late_us),
                "end": to_rfc3339(span.end_us - late_us),
                "run_id": span.run_id,
            }
            for span in known.spans
        ],
        "gaps": [
            {
                "start": to_rfc3339(g.start_us - late_us),
                "end": None if g.end_us is None else to_rfc3339(g.end_us - late_us),
                "reason": g.reason,
            }
            for g in known.gaps
        ],
        "runs": [
            {
                "run_id": run.run_id,
                "start": to_rfc3339(run.start_us - late_us),
                "end": to_rfc3339(run.end_us - late_us),
                "codec": run.codec,
                "width": run.width,
                "height": run.height,
                "segments": run.segments,
            }
            for run in known.runs
        ],
        "sizes": [
            {"at": to_rfc3339(change.at_us - late_us), "width": change.width, "height": change.height}
            for change in known.sizes
        ],
        "frames": None if frames is None else [to_rfc3339(frame) for frame in frames],
    }


MEET_US: Final = 200_000  # segments of one run join within a frame or two


def note_deleted(tx: Tx, segment: StoredSegment) -> None:
    """Store deleted footage by its time: a trim that would need it is refused (clips/records/expiry.py)."""
    start_us, end_us = segment.start_us, segment.end_us
    if start_us == end_us:
        return
    meets = "channel_id = ? AND start_us <= ? AND end_us >= ?"
    met = (segment.channel_id, end_us + MEET_US, start_us - MEET_US)
    known = tx.one(f"SELECT min(start_us) AS a, max(end_us) AS b FROM footage_gone WHERE {meets}", met)
    if known is not None and known["a"] is not None:
        start_us, end_us = min(start_us, known["a"]), max(end_us, known["b"])
        tx.run(f"DELETE FROM footage_gone WHERE {meets}", met)
    tx.insert("footage_gone", {"channel_id": segment.channel_id, "start_us": start_us, "end_us": end_us})
