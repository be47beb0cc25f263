"""What the embedded recorder knows of a channel's source, for health, figures and who waits for footage.

Owns: the types. Must not know: how any of it was found out (embedded.py), words for people (wiring).
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
    """A connected camera's line in the last five seconds. `packets_dropped`: lost for good, since it came."""

    address: str
    bitrate_bps: float
    loss_ratio: float
    packets_dropped: int
    rtt_ms: float


@dataclass(frozen=True, slots=True)
class ChannelFacts:
    """What is known of a channel's source. `since_us` is box time of the last change of `state`.

    waiting: nobody sends. receiving: a stream comes. silent: a camera is connected and sends nothing; it may
    only pause. lost: the same for so long that its footage is not waited for. unrecorded: a stream comes and
    no picture of it is recorded. down: nobody could be recorded.
    `last_end` says who stopped recording last since the daemon's start: the source, or the recorder.
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
        """Is a camera connected, whatever it sends?"""
        return self.state in ("receiving", "silent", "lost", "unrecorded")

    @property
    def is_down(self) -> bool:
        """Is no footage to be expected now?"""
        return self.state in ("waiting", "lost", "down")
