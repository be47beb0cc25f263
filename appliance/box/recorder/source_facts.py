"""The state of a channel's source in the embedded recorder, for health, figures and the wait for footage.

Owns: the types. Must not know: how the facts are found (embedded.py), messages for people (health.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["waiting", "receiving", "silent", "lost", "unrecorded", "down"]
LastEnd = Literal["", "source", "recorder"]


@dataclass(frozen=True, slots=True)
class Refusal:
    """A caller that is not recorded: `count` times, last at `at_s` (trio.current_time)."""

    address: str
    reason: str
    count: int
    at_s: float


@dataclass(frozen=True, slots=True)
class Line:
    """A connected camera's line in the last five seconds. `packets_dropped`: lost permanently since it
    connected."""

    address: str
    bitrate_bps: float
    loss_ratio: float
    packets_dropped: int
    rtt_ms: float


@dataclass(frozen=True, slots=True)
class ChannelFacts:
    """The state of a channel's source. `since_us` is box time of the last change of `state`.

    waiting: no camera is connected. receiving: a stream arrives. silent: a camera is connected and sends
    nothing; it may only pause. lost: the same for so long that its footage is not waited for. unrecorded: a
    stream arrives and no picture of it is recorded. down: no camera could be recorded. `last_end` says what
    ended the last recording since the daemon's start: the source, or the recorder.
    """

    channel_id: str
    state: State
    since_us: int
    source: str  # without secrets
    restarts: int = 0  # connections that ended and starts that failed
    detail: str = ""
    hint: str = ""
    refused: tuple[Refusal, ...] = ()
    last_end: LastEnd = ""
    line: Line | None = None

    @property
    def is_connected(self) -> bool:
        """Whether a camera is connected, whatever it sends."""
        return self.state in ("receiving", "silent", "lost", "unrecorded")

    @property
    def is_down(self) -> bool:
        """Whether no footage is expected now."""
        return self.state in ("waiting", "lost", "down")
