"""Fields of clips and plays (V23 and ours), as requests contain them and as the API shows them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, create_model, model_validator

from appliance import domain
from appliance.kernel.fields import ChannelKey, Input, Instant, Uuid
from appliance.kernel.paging import Page

Mode = Literal["instant", "exact", "transcode"]
LONGEST_S = 86_400.0  # above any [clips] max_duration_s, which has its own message
Duration = Annotated[float, Field(ge=0, le=LONGEST_S, description="seconds; 0 opens a ghost that OUT ends")]
StartTime = Annotated[
    str, Field(max_length=64, description="RFC 3339, or HH:MM:SS in the site's zone; default: now - lead_s")
]
Title = Annotated[str, Field(max_length=200)]


class Mark(Input):
    """The fields of IN, for a clip and for a play alike. `duration` is accepted for `duration_seconds`
    (V16)."""

    id: Uuid | None = None
    session_id: Uuid
    start_time: StartTime | None = None
    duration_seconds: Duration = 0.0
    title: Title | None = None
    client_time: Annotated[str, Field(max_length=64)] | None = None
    # a client's clock may start in 1970
    clock_offset_ms: Annotated[float, Field(ge=-4e12, le=4e12)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _one_duration(cls, data: Any) -> Any:
        if isinstance(data, dict) and "duration" in data:
            data = dict(data)
            short = data.pop("duration")
            if data.setdefault("duration_seconds", short) != short:
                raise ValueError("duration and duration_seconds differ: send one of them")
        return data


class ClipIn(Mark):
    """POST /clips."""

    channel_id: ChannelKey
    mode: Mode | None = None


class PlayIn(Mark):
    """POST /plays: one mark on every channel of the session."""

    channel_ids: list[ChannelKey] | None = None


class EndIn(Input):
    """OUT. Without end_time: now + lag_s."""

    end_time: Instant | None = None


class EndCommand(EndIn):
    """OUT over /ws: names the play or clip that ends."""

    id: Uuid


class CueIn(Input):
    """The snap. Without cue_time: now. May be pressed again."""

    cue_time: Instant | None = None


class CueCommand(CueIn):
    id: Uuid


class Trim(Input):
    """PATCH of a clip or play: on a ghost duration_seconds is OUT, on an ended one a trim."""

    duration_seconds: Annotated[float, Field(gt=0, le=LONGEST_S)] | None = None
    start_time: StartTime | None = None
    title: Title | None = None

    @model_validator(mode="before")
    @classmethod
    def _short_name(cls, data: Any) -> Any:
        if isinstance(data, dict) and "duration" in data and "duration_seconds" not in data:
            data = dict(data)
            data["duration_seconds"] = data.pop("duration")
        return data


class ClipPatch(Trim):
    mode: Mode | None = None


class PlayPatch(Trim):
    pass


class ClipQuery(Page):
    """GET /clips. `shown_models` adds the filters of other domains."""

    session_id: Uuid | None = None
    channel_id: ChannelKey | None = None
    play_id: Uuid | None = None
    status: Literal["pending", "processing", "ready", "failed"] | None = None
    is_favorite: bool | None = None
    include: str | None = None


class OfSession(Page):
    include: str | None = None


class PlayQuery(Page):
    session_id: Uuid | None = None
    deleted: Literal[0, 1] = Field(0, description="1: those whose delete can still be undone, instead")
    include: Literal["clips"] | None = None


class Include(Input):
    include: str | None = None


class Missing(BaseModel):
    start: str
    end: str
    reason: str


class Coverage(BaseModel):
    """Where the clip has video, and where not.

    `start` and `end` are capture times; `duration_s` is the time a player needs to show its `frames`, null
    for clips that were cut before the box counted them. `runs`: number of recordings it is made of, one after
    the other; more than one means that the camera reconnected, or that another one sent in its place.
    """

    start: str
    end: str
    missing: list[Missing]
    duration_s: float | None = None
    frames: int | None = None
    runs: int | None = None


class Clip(BaseModel):
    """A clip as the API shows it. It can be played whenever stream_url is not null."""

    id: str
    clip_id: str
    session_id: str
    channel_id: str
    play_id: str | None
    title: str | None
    start_time: str = Field(description="IN: capture time on the field")
    duration: float = Field(description="seconds; 0 while it waits for OUT")
    file_path: str | None = Field(description="relative to clips_dir")
    thumbnail_path: str | None
    status: str
    is_favorite: bool
    view_count: int
    error_message: str | None
    attempts: int
    retries: int
    waiting_for: Literal["out", "footage", "worker"] | None
    auto_closed: bool
    mode: Mode
    media_rev: int
    preroll_s: float | None = Field(description="hidden video before IN, for players that ignore edit lists")
    coverage: Coverage | None
    latency_ms: int
    ready_after_s: float | None = Field(
        description="from OUT to playable, seconds, by the box; null: not yet, or not at the first try"
    )
    start_time_given: str | None
    stream_url: str | None
    thumbnail_url: str
    created_at: str
    updated_at: str
    created_by: str
    rev: int


class Play(BaseModel):
    """A play: one mark over all angles."""

    id: str
    play_id: str
    session_id: str
    number: int
    start_time: str
    duration: float
    cue_time: str | None
    title: str | None
    is_favorite: bool
    auto_closed: bool
    start_time_given: str | None
    clip_ids: list[str]
    created_at: str
    updated_at: str
    created_by: str
    rev: int
    clips: list[Clip] | None = Field(None, description="with ?include=clips")


@dataclass(frozen=True, slots=True)
class ShownModels:
    """The models of the routes with what other domains add to them."""

    clip: type[Clip]
    play: type[Play]
    clip_query: type[ClipQuery]
    of_session: type[OfSession]
    include: type[Include]


@cache
def shown_models(parts: tuple[str, ...], filters: tuple[tuple[str, Any], ...]) -> ShownModels:
    """`parts`: fields of a clip that `?include=` adds; `filters`: (name, type) of query parameters.

    The same arguments give the same classes, so that the API's document has each once.
    """
    fields: dict[str, Any] = {
        part: (list[dict[str, Any]] | None, Field(None, description=f"with ?include={part}"))
        for part in parts
    }
    clip = create_model("Clip", __base__=Clip, __doc__=Clip.__doc__, **fields)
    clips: Any = (list[clip] | None, Field(None, description="with ?include=clips"))  # type: ignore[valid-type]
    wanted: dict[str, Any] = {name: (kind | None, None) for name, kind in filters}
    return ShownModels(
        clip=clip,
        play=create_model("Play", __base__=Play, __doc__=Play.__doc__, clips=clips),
        clip_query=create_model("ClipQuery", __base__=ClipQuery, **wanted, include=_include(*parts)),
        of_session=create_model("OfSession", __base__=OfSession, include=_include(*parts)),
        include=create_model("Include", __base__=Include, include=_include(*parts, "clips")),
    )


def _include(*words: str) -> Any:
    return (Literal[words] | None if words else None, None)


def is_forgotten() -> str:
    """SQL condition on `clips`: closed by the box, and not viewed, kept or used by another domain since."""
    return f"(clips.id IN forgotten_clips{''.join(f' AND NOT {use}' for use in domain.clip_uses())})"
