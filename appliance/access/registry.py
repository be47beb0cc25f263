"""Paired devices and live codes in memory, so that a request needs no SQL.

Owns: looking up a token, who is connected, when a device was last seen. It follows the database: `load` at
start, then every change after its commit. Must not know: SQL, requests.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from appliance.access.core import secret_hash
from appliance.http.access import Close, Grant

CHANGED, REVOKED = 4001, 4503  # close codes of contract section 4: reconnect; do not
_CHANGED_REASON = "this device was renamed or has another role"
_REVOKED_REASON = "this device's access was taken away"


@dataclass(slots=True, eq=False)
class Known:
    """One device. `sockets` end its WebSockets."""

    grant: Grant
    token_hash: str
    seen_us: int | None = None
    sockets: list[Close] = field(default_factory=list)

    def end_sockets(self, code: int, reason: str) -> None:
        sockets, self.sockets = self.sockets, []
        for close in sockets:
            close(code, reason)


class Registry:
    """Devices by token and id, and the beginnings of live codes."""

    def __init__(self) -> None:
        self._by_hash: dict[str, Known] = {}
        self._by_id: dict[str, Known] = {}
        self._stored_us: dict[str, int | None] = {}  # the times last seen that the database has
        self.selectors: set[str] = set()  # of codes that can be used, or could until lately

    def load(self, devices: Iterable[Mapping[str, Any]], selectors: Iterable[str]) -> None:
        """At start: rows of `devices`, and selectors of codes."""
        for row in devices:
            self.put(row)
        self.selectors.update(selectors)

    def put(self, row: Mapping[str, Any]) -> None:
        """A device that was paired or changed; a changed one reconnects its sockets."""
        grant = Grant(row["id"], row["name"], row["role"])
        known = self._by_id.get(grant.device_id)
        if known is None:
            known = Known(grant, row["token_hash"], row["seen_us"])
            self._by_id[grant.device_id] = self._by_hash[known.token_hash] = known
            self._stored_us[grant.device_id] = known.seen_us
        elif known.grant != grant:
            known.grant = grant
            known.end_sockets(CHANGED, _CHANGED_REASON)

    def revoke(self, device_id: str) -> None:
        """Its next request is refused, its sockets end."""
        known = self._by_id.pop(device_id, None)
        if known is not None:
            del self._by_hash[known.token_hash], self._stored_us[device_id]
            known.end_sockets(REVOKED, _REVOKED_REASON)

    def by_token(self, token: str) -> Known | None:
        return self._by_hash.get(secret_hash(token))

    def by_id(self, device_id: str) -> Known | None:
        return self._by_id.get(device_id)

    @contextmanager
    def watching(self, grant: Grant | None, close: Close) -> Iterator[None]:
        """For the length of the block `close` is called when the device is revoked or changed; at once when
        that has happened since it was admitted."""
        if grant is None:
            yield
            return
        known = self._by_id.get(grant.device_id)
        if known is None:
            close(REVOKED, _REVOKED_REASON)
        elif known.grant != grant:
            close(CHANGED, _CHANGED_REASON)
        else:
            known.sockets.append(close)
        try:
            yield
        finally:
            if known is not None and close in known.sockets:
                known.sockets.remove(close)

    def take_seen(self) -> list[tuple[str, int]]:
        """(id, box time us) of devices seen since the last call."""
        seen = [
            (device_id, known.seen_us)
            for device_id, known in self._by_id.items()
            if known.seen_us is not None and known.seen_us != self._stored_us[device_id]
        ]
        self._stored_us.update(seen)
        return seen
