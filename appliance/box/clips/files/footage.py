"""The interface that cutting needs of the recordings. The composition root passes the implementation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from appliance.kernel.signal import Signal
from appliance.media.index.spans import Gap, Standing
from appliance.media.index.view import SegmentView


class Footage(Protocol):
    """All instants here are wall times (latency not taken off), microseconds of box time."""

    @property
    def changed(self) -> Signal:
        """Notified when footage was indexed, lost or found."""
        ...

    def video_until_us(self, channel_id: str) -> int | None:
        """Wall time up to which video is indexed; None: no footage at all."""
        ...

    def newest_part_age_s(self, channel_id: str) -> float | None:
        """Seconds since the newest part arrived (monotonic); None: none arrived since the daemon started."""
        ...

    def run_begun_after(self, channel_id: str, instant_us: int) -> bool:
        """True when a recorder run began after this instant: footage missing before it will not arrive."""
        ...

    def known(self, channel_id: str, start_us: int, end_us: int) -> str:
        """Digest of the index's state for the span: changes when there is other video, or the same at other
        times, or another reason for missing video."""
        ...

    def standing(
        self, channel_id: str, cut_from: Sequence[tuple[str, int, int]], start_us: int, end_us: int
    ) -> Standing:
        """Whether a clip of this span would still get the footage it was cut from. `cut_from`: (run, start
        ns, end ns) of media time."""
        ...

    def take_moved(self) -> Mapping[str, Sequence[tuple[int, int]]]:
        """By channel, spans in which files were added, deleted or placed differently since the last call,
        recording included. For one caller."""
        ...

    def gaps(self, channel_id: str, start_us: int, end_us: int) -> Sequence[Gap]:
        """Parts of the span without video, with the timeline's reasons."""
        ...

    async def views(self, channel_id: str, start_us: int, end_us: int) -> Sequence[SegmentView]:
        """The segments that a plan of this span needs, with the key frame before it."""
        ...

    def open_fd(self, name: str) -> int:
        """Open a recording for reading by its name in a plan. Blocking; raises OSError when it is gone."""
        ...
