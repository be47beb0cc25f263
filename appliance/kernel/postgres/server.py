"""Whether the server can be reached: how long it is tried, and when changes are refused instead.

Owns: the time since which it has been away, over all connections of the process, and how long one call tries
again. Must not know: connections.
"""

from __future__ import annotations

import time
from typing import Final

import structlog

from appliance.kernel.errors import Unavailable
from appliance.kernel.postgres.connection import CONNECT_S, SILENT_S
from appliance.kernel.postgres.errors import one_line, unavailable

log = structlog.get_logger("store")

AWAY_S: Final = 5.0  # seconds that callers wait for a server that is away; then they get 503
AGAIN_S: Final = 1.0  # seconds between attempts while callers get 503


def call_s() -> float:
    """The longest that one call lasts, but for connecting: an attempt at a server that has stopped answering,
    and trying again."""
    return SILENT_S + 2 * AWAY_S


def answers_within_s() -> float:
    """By then a write is answered, whatever the server does: a batch that is under way, then its own, which
    finds the server away; each may begin to connect just before its end."""
    return call_s() + AWAY_S + 2 * (CONNECT_S + 1)


class Server:
    """Used by several threads at a time."""

    def __init__(self) -> None:
        self._since_s: float | None = None
        self._tried_s = 0.0
        self._reason = ""

    def failed(self, error: BaseException) -> None:
        """A connection was lost or could not be made."""
        self._tried_s = time.monotonic()
        self._reason = one_line(error)
        if self._since_s is None:
            self._since_s = self._tried_s
            log.warning("database_away", reason=self._reason)

    def worked(self) -> None:
        """The server has answered."""
        since_s, self._since_s = self._since_s, None
        if since_s is not None:
            log.info("database_back", away_s=round(time.monotonic() - since_s, 1))

    @property
    def is_away(self) -> bool:
        """For longer than callers wait."""
        since_s = self._since_s
        return since_s is not None and time.monotonic() - since_s > AWAY_S

    @property
    def reason(self) -> str:
        return f"the database cannot be reached: {self._reason}"

    def may_try(self) -> bool:
        """Whether to try now: always, except once a second while it is away."""
        return not self.is_away or time.monotonic() - self._tried_s >= AGAIN_S

    def call(self) -> Call:
        """One read or one batch, which tries again for a time of its own."""
        return Call(self)

    def refusal(self, *, is_sent: bool = False) -> Unavailable:
        """`is_sent`: the change was on its way when the connection was lost."""
        reason = self.reason
        return unavailable(f"{reason}; whether the change was made is not known" if is_sent else reason)


class Call:
    """How long one caller tries again. What other connections achieve meanwhile does not prolong it."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._since_s: float | None = None
        self._end_s = time.monotonic() + (AWAY_S if server.is_away else call_s())

    def failed(self, error: BaseException) -> None:
        """Its connection was lost or could not be made."""
        self._server.failed(error)
        if self._since_s is None:
            self._since_s = time.monotonic()

    @property
    def until_s(self) -> float:
        """No wait of this call for the server goes on after this monotonic time."""
        return self._end_s if self._since_s is None else min(self._end_s, self._since_s + AWAY_S)

    @property
    def is_over(self) -> bool:
        """AWAY_S after its own first failure; earlier when the server has been away for that long, or the
        call has lasted for as long as any may."""
        return self._server.is_away or time.monotonic() >= self.until_s
