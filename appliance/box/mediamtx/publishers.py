"""The encoders that send to MediaMTX, polled once a second while the box runs.

Owns: the polling, figures between two polls (bit rate, loss), how often a camera reconnected. Must not know:
the index, channels' states. MediaMTX's API is optional and nothing depends on it: while it is down or slow
the last error is shown in /readyz, and polling continues.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import structlog
import trio

from appliance.box.mediamtx.client import Mediamtx, PathState, SrtConnection, open_mediamtx
from appliance.kernel.errors import Refused, Unavailable
from appliance.kernel.retry import Backoff
from appliance.kernel.signal import Signal
from appliance.media.index.spans import Reason

LOOK_S: Final = 1.0  # two answers of a few kB from the same machine: 0.3 % of a core
RETRY_CAP_S: Final = 4.0  # the longest pause while it does not answer: its return is seen within 5 s
PATIENCE_S: Final = 4.0  # for one whole poll; the client's own limits are per packet
SLOW_S: Final = 1.0  # an answer of the same machine takes milliseconds
WINDOW_S: Final = 10.0  # bit rate and loss are computed over this time

_PICTURES: Final = frozenset(  # MediaMTX's names (internal/formatlabel)
    {"AV1", "VP9", "VP8", "H265", "H264", "MPEG-4 Video", "MPEG-1/2 Video", "M-JPEG"}
)

log = structlog.get_logger("mediamtx")


@dataclass(frozen=True, slots=True)
class Publisher:
    """One path of MediaMTX at the last poll.

    `since`: when the stream became available, RFC 3339 as MediaMTX wrote it. `address`, `rtt_ms`,
    `loss_ratio` and `packets_dropped` (lost permanently: a hole in the video) are known for SRT callers only.
    `restarts`: connections after the first since the box started. `silent_s`: seconds without new bytes.
    """

    path: str
    is_online: bool
    connection: str | None = None
    since: str | None = None
    address: str | None = None
    tracks: tuple[str, ...] = ()
    bitrate_bps: float | None = None
    loss_ratio: float | None = None
    packets_dropped: int | None = None
    rtt_ms: float | None = None
    frames_in_error: int = 0
    restarts: int = 0
    connected_s: float | None = None
    silent_s: float | None = None

    @property
    def has_video(self) -> bool:
        """False only when it is known that no track is video."""
        return not self.tracks or not _PICTURES.isdisjoint(self.tracks)


class _Sample(NamedTuple):
    at_s: float
    bytes: int
    received: int
    lost: int


@dataclass(slots=True)
class _Seen:
    """The state of a path between polls. Times are trio's."""

    connection: str | None = None
    connected_s: float = 0.0
    grew_s: float = 0.0  # the last poll that found more bytes than the poll before it
    grew_from_s: float = -math.inf  # the poll before `grew_s`
    connections: int = 0
    samples: deque[_Sample] = field(default_factory=deque)


@dataclass(slots=True)
class PublishersHandle:
    """Results of the last poll. Synchronous, from memory; `looked` is notified after each poll, successful or
    not."""

    looked: Signal = field(default_factory=Signal)
    error: Unavailable | Refused | None = None
    answered_s: float | None = None  # trio time of the last successful poll
    took_s: float = 0.0
    down_s: float | None = None  # trio time at which MediaMTX was last known to be down, or found restarted
    _started: str | None = None
    paths: dict[str, Publisher] = field(default_factory=dict)
    _seen: dict[str, _Seen] = field(default_factory=dict)

    @property
    def is_known(self) -> bool:
        """The last poll succeeded: `paths` is MediaMTX's present state."""
        return self.answered_s is not None and self.error is None

    def publisher(self, channel_id: str) -> Publisher | None:
        """None: MediaMTX does not answer, or does not have the path."""
        return self.paths.get(channel_id) if self.is_known else None

    def why_ended(self, channel_id: str, since_s: float) -> Reason | None:
        """Why nothing of the channel was recorded since this trio time; None: the polls do not show it yet.

        `recorder_restart`: MediaMTX was down, or received bytes of the camera without recording them.
        `source_lost`: it received none.
        """
        if self.down_s is not None and self.down_s >= since_s:
            return "recorder_restart"
        if self.answered_s is None or self.answered_s <= since_s:
            return None
        seen = self._seen.get(channel_id)
        if seen is None or seen.connection is None or seen.connected_s > since_s:
            return "source_lost"
        if seen.grew_s < self.answered_s:  # the last poll found no new bytes
            return "source_lost"
        return "recorder_restart" if seen.grew_from_s >= since_s else None

    def take(
        self,
        paths: Sequence[PathState],
        callers: Sequence[SrtConnection],
        *,
        started: str | None,
        now_s: float,
        took_s: float,
    ) -> None:
        """Process a successful poll."""
        if self._started not in (None, started):
            self.down_s = now_s
        self._started = started
        by_id = {caller.id: caller for caller in callers}
        self.error, self.answered_s, self.took_s = None, now_s, took_s
        self.paths = {path.name: self._publisher(path, by_id, now_s) for path in paths}
        for gone in self._seen.keys() - self.paths.keys():
            del self._seen[gone]

    def fail(self, error: Unavailable | Refused, now_s: float) -> None:
        """Process a failed poll."""
        if error.code == "mediamtx_unreachable":
            self.down_s = now_s
        if self.error is None or self.error.code != error.code:
            log.warning("mediamtx_is_not_seen", reason=error.detail, hint=error.hint)
        self.error = error

    def _publisher(self, path: PathState, callers: Mapping[str, SrtConnection], now_s: float) -> Publisher:
        seen = self._seen.setdefault(path.name, _Seen())
        if not path.available:
            seen.connection = None
            seen.samples.clear()
            return Publisher(path.name, False, restarts=max(0, seen.connections - 1))
        connection = path.source_id or path.available_since or path.name
        if connection != seen.connection:
            seen.connection, seen.connected_s = connection, now_s
            seen.grew_s, seen.grew_from_s = now_s, -math.inf
            seen.connections += 1
            seen.samples.clear()
        caller = callers.get(path.source_id or "")
        newest = _sample(path, caller, now_s)
        if seen.samples and newest.bytes > seen.samples[-1].bytes:
            seen.grew_s, seen.grew_from_s = now_s, seen.samples[-1].at_s
        seen.samples.append(newest)
        while len(seen.samples) > 2 and now_s - seen.samples[1].at_s >= WINDOW_S:
            seen.samples.popleft()
        bitrate_bps, loss_ratio = _rates(seen.samples[0], newest)
        return Publisher(
            path.name,
            True,
            connection=connection,
            since=path.available_since,
            address=caller.remote_addr if caller else None,
            tracks=path.tracks,
            bitrate_bps=bitrate_bps,
            loss_ratio=loss_ratio if caller else None,
            packets_dropped=caller.packets_dropped if caller else None,
            rtt_ms=caller.rtt_ms if caller else None,
            frames_in_error=path.frames_in_error,
            restarts=seen.connections - 1,
            connected_s=now_s - seen.connected_s,
            silent_s=now_s - seen.grew_s,
        )


def _sample(path: PathState, caller: SrtConnection | None, now_s: float) -> _Sample:
    if caller is None:
        return _Sample(now_s, path.inbound_bytes, 0, 0)
    return _Sample(now_s, path.inbound_bytes, caller.packets_received, caller.packets_lost)


def _rates(oldest: _Sample, newest: _Sample) -> tuple[float | None, float | None]:
    """(bits per second, share of packets lost in transit) between two polls; None: only one yet."""
    span_s = newest.at_s - oldest.at_s
    if span_s <= 0:
        return None, None
    received, lost = newest.received - oldest.received, newest.lost - oldest.lost
    loss_ratio = min(1.0, max(0, lost) / received) if received > 0 else (1.0 if lost > 0 else 0.0)
    return max(0, newest.bytes - oldest.bytes) * 8 / span_s, loss_ratio


async def run_publisher_watch(
    *,
    api_url: str,
    user: str,
    password: str,
    task_status: trio.TaskStatus[PublishersHandle] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Poll MediaMTX once a second until cancelled.

    Start: at once, whether or not it answers. Stop: cancel. Raises nothing of its own.
    """
    handle, backoff = PublishersHandle(), Backoff(base_s=LOOK_S, cap_s=RETRY_CAP_S)
    async with open_mediamtx(api_url, user, password) as client:
        task_status.started(handle)
        while True:
            await _look(client, handle)
            if handle.error is None:
                backoff.reset()
            handle.looked.notify()
            await trio.sleep(LOOK_S if handle.error is None else max(LOOK_S, backoff.next_s()))


async def _look(client: Mediamtx, handle: PublishersHandle) -> None:
    began_s = trio.current_time()
    try:
        with trio.fail_after(PATIENCE_S):
            started = await client.started()
            paths = await client.paths()
            callers = await _callers(client)
    except trio.TooSlowError:
        slow = Unavailable("mediamtx_slow", f"MediaMTX did not answer in {PATIENCE_S:g} s", "see its log")
        handle.fail(slow, trio.current_time())
    except (Unavailable, Refused) as error:
        handle.fail(error, trio.current_time())
    else:
        now_s = trio.current_time()
        handle.take(paths, callers, started=started, now_s=now_s, took_s=now_s - began_s)


async def _callers(client: Mediamtx) -> list[SrtConnection]:
    """Empty where its SRT server is off: paths are enough."""
    try:
        return await client.srt_connections()
    except Refused:
        return []
