"""Paired devices and live codes in memory, so that a request needs no SQL.

Owns: looking up a token, who is connected, when a device was last seen. It follows the database: `load` at
start, then every change after its commit. Must not know: SQL, requests.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

import trio

from appliance.access.core import secret_hash
from appliance.http.access import STRANGER, Close, Grant
from appliance.kernel.clock import DAY_US

CHANGED, REVOKED = 4001, 4503  # WebSocket close codes: the client is to reconnect; it is not to reconnect
_CHANGED_REASON = "this device was renamed or has another role"
_REVOKED_REASON = "this device's access was taken away"
_RENEWED_REASON = "this device's token was renewed"
MISDIRECTED_MAX = 8  # channels, of one device
HEADERS_MAX = 1024  # remembered header values of paired devices
OVERLAP_S = 60.0  # requests under way and other tabs may still use the token before the next one


@dataclass(slots=True, eq=False)
class Known:
    """One device. `watches`: its open connections."""

    grant: Grant
    token_hash: str
    seen_us: int | None = None
    watches: list[Watch] = field(default_factory=list)
    rev: int = 0  # of the database row
    channel_id: str | None = None  # to which a capture device belongs
    cookie_day: int | None = None  # of box time, when its cookie was last renewed
    plain_left: int | None = (
        None  # of its row: days until its token ends, which crossed the network unencrypted
    )
    next_hash: str | None = None  # of the token that takes the place of the present one; both are valid
    next_used_s: float | None = None  # trio time at which that one was used first
    is_shared: bool = False  # the token before was used beside the next one: by another device
    open_grant: Grant | None = None  # of a request for which access is open; made when it is first needed
    misdirected: set[str] = field(default_factory=set)  # other channels for which it reported, in vain

    def end(self, code: int, reason: str, *, is_renamed_only: bool = False) -> None:
        """Close its connections. After a mere change of name, those that do not show the name stay open."""
        kept = [watch for watch in self.watches if is_renamed_only and not watch.shows_name]
        ended = [watch for watch in self.watches if watch not in kept]
        self.watches = kept
        for watch in ended:
            watch.close(code, reason)


@dataclass(slots=True, eq=False)
class Watch:
    """A context manager around a connection: `close` is called when the device is revoked or changed; at once
    if that has happened since its request was admitted."""

    known: Known | None
    grant: Grant | None
    close: Close
    shows_name: bool

    def __enter__(self) -> None:
        known, grant = self.known, self.grant
        if grant is None:
            return
        if known is None:
            self.close(REVOKED, _REVOKED_REASON)
        elif known.grant.role != grant.role or (self.shows_name and known.grant != grant):
            self.close(CHANGED, _CHANGED_REASON)
        else:
            known.watches.append(self)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.known is not None and self in self.known.watches:
            self.known.watches.remove(self)


class Registry:
    """Devices by token and id, and the selectors (first five characters) of valid codes."""

    def __init__(self) -> None:
        self._by_hash: dict[str, Known] = {}
        self._by_id: dict[str, Known] = {}
        self._revoked: set[str] = set()  # ids; a late result of a commit must not restore a device
        self._by_header: dict[bytes, Known] = {}  # values of Authorization and Cookie that named a device
        self._stored_us: dict[str, int | None] = {}  # id: time last seen, as stored in the database
        self._used_s: dict[str, float] = {}  # id: trio time of its last use, or when it was paired
        self._claimed: dict[str, str] = {}  # id: its channel, which the database does not have yet
        self._exposed: set[str] = set()  # ids of devices that sent their token unencrypted
        self.news = trio.Event()  # set when there is something to store: see take_claimed, take_exposed
        self.selectors: set[str] = set()  # of codes that can be used, or could until lately
        self.unknown_token = trio.Event()  # set when a token that no device has was used

    def load(self, devices: Iterable[Mapping[str, Any]], selectors: Iterable[str]) -> None:
        """At start: rows of `devices`, and selectors of codes."""
        for row in devices:
            self.put(row)
        self._used_s.clear()
        self.selectors.update(selectors)

    def put(self, row: Mapping[str, Any]) -> None:
        """Take over the row of a device that was paired or changed; a changed device's connections end. A row
        older than the known one, or of a revoked device, is ignored: rows of one commit come in any order."""
        if row["id"] in self._revoked:
            return
        grant = Grant(row["id"], row["name"], row["role"])
        known = self._by_id.get(grant.device_id)
        if known is None:
            known = Known(grant, row["token_hash"], row["seen_us"])
            self._by_id[grant.device_id] = self._by_hash[known.token_hash] = known
            self._stored_us[grant.device_id], known.rev = known.seen_us, row["rev"]
            known.channel_id, known.plain_left = row["channel_id"], row.get("plain_left")
            self._used_s[grant.device_id] = trio.current_time()
            if (next_hash := row.get("next_hash")) is not None:
                self._set_next(known, next_hash)
        elif row["rev"] > known.rev:
            known.rev, known.channel_id = row["rev"], row["channel_id"]
            if known.grant != grant:
                is_renamed_only = known.grant.role == grant.role
                known.grant, known.open_grant = grant, None
                known.end(CHANGED, _CHANGED_REASON, is_renamed_only=is_renamed_only)

    def revoke(self, device_id: str) -> None:
        """Forget a device: its next request is refused, its connections end."""
        self._revoked.add(device_id)
        known = self._by_id.pop(device_id, None)
        if known is not None:
            del self._by_hash[known.token_hash], self._stored_us[device_id]
            if known.next_hash is not None:
                del self._by_hash[known.next_hash]
            self._by_header.clear()
            known.end(REVOKED, _REVOKED_REASON)

    # -- a token that takes the place of another (own/renewals.py) -------------------------------------------

    def give_next(self, known: Known, next_hash: str) -> None:
        """This token is valid too from now on. One that was given before it, and never used, ends."""
        if known.next_hash is not None:
            del self._by_hash[known.next_hash]
        self._set_next(known, next_hash)

    def _set_next(self, known: Known, next_hash: str) -> None:
        known.next_hash, known.next_used_s = next_hash, None
        self._by_hash[next_hash] = known
        self._by_header.clear()  # which of both a request shows is looked at until one is left

    def promote(self, row: Mapping[str, Any]) -> None:
        """The token before ends; what is open may have been opened with it, and reconnects."""
        known = self._by_id.get(row["id"])
        if known is None or known.next_hash is None or known.next_hash != row["token_hash"]:
            return
        del self._by_hash[known.token_hash]
        known.token_hash, known.next_hash, known.next_used_s = known.next_hash, None, None
        known.plain_left, known.rev = row["plain_left"], row["rev"]
        self._by_header.clear()
        known.end(CHANGED, _RENEWED_REASON)

    def in_next_use(self) -> list[str]:
        """Ids of devices that use their next token."""
        return [device_id for device_id, known in self._by_id.items() if known.next_used_s is not None]

    def _between_tokens(self, known: Known, token_hash: str) -> None:
        now_s = trio.current_time()
        if token_hash == known.next_hash:
            known.next_used_s = now_s if known.next_used_s is None else known.next_used_s
        elif known.next_used_s is not None and now_s > known.next_used_s + OVERLAP_S:
            known.is_shared = True

    def expose(self, token: str) -> None:
        """This token was sent unencrypted, to a port that takes none."""
        known = self._by_hash.get(secret_hash(token))
        if known is not None and known.grant.device_id not in self._exposed:
            self._exposed.add(known.grant.device_id)
            self.news.set()

    def take_exposed(self) -> set[str]:
        """Ids of devices that the database does not have as exposed yet."""
        exposed, self._exposed = self._exposed, set()
        return exposed

    def set_plain(self, left: Mapping[str, int]) -> None:
        """Days that are left of tokens that crossed the network unencrypted, of every device that has one."""
        for device_id, known in self._by_id.items():
            known.plain_left = left.get(device_id)

    def devices(self) -> list[Known]:
        return list(self._by_id.values())

    def by_header(self, value: bytes) -> Known | None:
        """The device that this header value named before: hashing its token again would cost a mark 2 %."""
        return self._by_header.get(value)

    def by_token(self, token: str, header: bytes | None = None) -> Known | None:
        """The device with this token; `header`: the value of the header it came in, remembered if it is
        right."""
        token_hash = secret_hash(token)
        known = self._by_hash.get(token_hash)
        if known is None:
            self.unknown_token.set()
        elif known.next_hash is not None:
            self._between_tokens(known, token_hash)
        elif header is not None:
            if len(self._by_header) >= HEADERS_MAX:
                self._by_header.clear()
            self._by_header[header] = known
        return known

    def by_id(self, device_id: str) -> Known | None:
        return self._by_id.get(device_id)

    def ids(self) -> frozenset[str]:
        """Of every device that has access."""
        return frozenset(self._by_id)

    def watching(self, grant: Grant | None, close: Close, *, shows_name: bool = True) -> Watch:
        """See Watch. `shows_name`: what is open shows the device's name, so a new name ends it too."""
        if grant is None or grant is STRANGER:
            return Watch(None, None, close, shows_name)
        return Watch(self._by_id.get(grant.device_id), grant, close, shows_name)

    def claim(self, known: Known, channel_id: str) -> None:
        """A capture device reported for this channel. If it had no channel yet, it belongs to this one
        now."""
        if known.channel_id is None:
            known.channel_id = self._claimed[known.grant.device_id] = channel_id
            self.news.set()

    def misdirect(self, known: Known, channel_id: str) -> None:
        """A capture device reported for a channel that is not its own: for people, who gave several cameras
        one token."""
        if len(known.misdirected) < MISDIRECTED_MAX:
            known.misdirected.add(channel_id)

    def take_claimed(self) -> list[tuple[str, str]]:
        """(id, channel) of devices whose channel is not stored in the database yet."""
        claimed = list(self._claimed.items())
        self._claimed.clear()
        return claimed

    def take_seen(self, now_us: int) -> list[tuple[str, int]]:
        """(id, box time us) of devices seen since the last call. One that only keeps connections open counts
        as seen once a day."""
        for known in self._by_id.values():
            if known.watches and (known.seen_us or 0) // DAY_US != now_us // DAY_US:
                known.seen_us = now_us
        seen = [
            (device_id, known.seen_us)
            for device_id, known in self._by_id.items()
            if known.seen_us is not None and known.seen_us != self._stored_us[device_id]
        ]
        self._stored_us.update(seen)
        self._used_s.update((device_id, trio.current_time()) for device_id, _ in seen)
        return seen

    def in_use(self) -> set[str]:
        """Ids of devices that were used or paired within a day, whatever the wall clock showed."""
        since_s = trio.current_time() - DAY_US / 1e6
        return {device_id for device_id, used_s in self._used_s.items() if used_s >= since_s}
