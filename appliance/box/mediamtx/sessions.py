"""WebRTC previews of paired devices: ended when the access of their device ends.

Video goes directly from MediaMTX to a tablet, so closing the tablet's connections to the box does not end it.
Owns: which device began which session. A session that its device ends, or that ends by itself, costs nothing
more than an entry here; each device has at most SESSIONS_MAX. Must not know: requests.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass

import structlog
import trio

from appliance.box.mediamtx.whep import Whep
from appliance.http.access import Door, Grant
from appliance.kernel.errors import Refused, Unavailable
from appliance.kernel.retry import Backoff

log = structlog.get_logger("mediamtx")

SESSIONS_MAX = 16  # of one device: four angles, loaded again a few times without an end


@dataclass(frozen=True, slots=True)
class _Session:
    device_id: str
    channel_id: str
    watch: AbstractContextManager[None]


class PreviewSessions:
    """The sessions that were begun, oldest first, by MediaMTX's secret."""

    def __init__(self, whep: Whep, door: Door) -> None:
        self._whep = whep
        self._door = door
        self._open: dict[str, _Session] = {}
        self._to_end: dict[str, str] = {}  # secret: channel
        self._wake = trio.Event()

    def begun(self, grant: Grant, channel_id: str, secret: str) -> None:
        """A device was given this session; the oldest of too many is ended."""
        watch = self._door.watching(grant, lambda code, reason: self._end(secret), shows_name=False)
        own = [key for key, session in self._open.items() if session.device_id == grant.device_id]
        for key in own[: max(0, len(own) + 1 - SESSIONS_MAX)]:
            self._end(key)
        self._open[secret] = _Session(grant.device_id, channel_id, watch)
        watch.__enter__()  # calls `_end` at once if the access ended meanwhile

    def ended(self, secret: str) -> None:
        """The device has ended it."""
        session = self._open.pop(secret, None)
        if session is not None:
            session.watch.__exit__(None, None, None)

    def _end(self, secret: str) -> None:
        session = self._open[secret]
        self.ended(secret)
        self._to_end[secret] = session.channel_id
        self._wake.set()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """End sessions whose device has lost its access; while MediaMTX does not answer, again and again."""
        task_status.started()
        backoff = Backoff(base_s=0.2, cap_s=5.0)
        while True:
            await self._wake.wait()
            self._wake = trio.Event()
            for secret, channel_id in list(self._to_end.items()):
                if await self._is_over(channel_id, secret):
                    backoff.reset()
                    del self._to_end[secret]
                else:
                    await trio.sleep(backoff.next_s())
                    self._wake.set()

    async def _is_over(self, channel_id: str, secret: str) -> bool:
        """End it; whether it has ended, now or before."""
        try:
            await self._whep.end(channel_id, secret)
        except (Refused, Unavailable) as error:
            if error.status == 404:
                return True
            log.warning("preview_not_ended", channel=channel_id, reason=error.detail)
            return False
        return True
