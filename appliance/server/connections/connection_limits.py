"""The present connections: their limits, and which one is closed for a new one when the server is full.

Owns: the counts by address and network, and the choice of the connection to close. First an address is chosen
(IPv6: a /64): the one with the most connections, but only if it has more than the new connection's address
would have. So an address with fewer connections than others never loses one to them, however fast they
reconnect, unless it sends no request for GREETING_S. Within the address the least used connection is closed:
one that never sent a request, then the one idle longest, then the one that has not read its answer for
longest, at least STALLED_S. A connection that is serving a request, whose client reads an answer, or that is
a WebSocket is never closed for a new one. Must not know: what a connection does. Choosing must not search all
connections: a flood needs it thousands of times a second.
"""

from __future__ import annotations

import math
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Protocol

import trio

from appliance.http.limits import ServerLimits, is_in, network_of
from appliance.kernel.fields import is_loopback
from appliance.kernel.signal import Signal
from appliance.server.connections.priority import MarkPriority

GREETING_S = 1.0  # from accepting to the first request: enough for a browser, also while the loop is busy
# how many of the connections silent longest are checked for unread bytes, and how many networks of equal size
LOOKS = 64
STALLED_S = 1.0  # a tablet that changes its access point is unreachable for this long, and then reconnects


class Member(Protocol):
    """The interface of a connection."""

    def abort(self) -> None: ...

    def stop(self) -> None:
        """The server stops: a connection without a request ends at once."""
        ...

    def has_bytes(self) -> bool:
        """Whether there are unread bytes: during a flood the event loop reads every connection late."""
        ...


Members = dict[Member, None]  # in order of time


Since = tuple[Member, float]


def _longest(waiting: Mapping[Member, float], among: Container[Member], until: float) -> Since | None:
    first = next((each for each in waiting.items() if each[0] in among), None)
    return first if first is not None and first[1] <= until else None


def _longest_silent(waiting: Mapping[Member, float], among: Container[Member], until: float) -> Since | None:
    oldest = (each for each in islice(waiting.items(), LOOKS) if each[0] in among and each[1] <= until)
    return next((each for each in oldest if not each[0].has_bytes()), None)


@dataclass(slots=True, eq=False)
class Group:
    """The connections of one address, or of one IPv6 /64. Each is in `silent` (no request yet), in `idle`
    (between requests), or in neither: it is being served. Values: since when; in that order."""

    size: int = 0
    silent: dict[Member, float] = field(default_factory=dict)
    idle: dict[Member, float] = field(default_factory=dict)
    stalled: dict[Member, float] = field(default_factory=dict)  # its socket accepts nothing


@dataclass(frozen=True, slots=True)
class Place:
    address: str
    name: str  # of its group
    group: Group


@dataclass(slots=True)
class OpenConnections:
    """`by_size`: the groups with that many connections; `largest`: the greatest key."""

    limits: ServerLimits
    members: dict[Member, Place] = field(default_factory=dict)
    addresses: dict[str, Members] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)
    by_size: dict[int, dict[Group, None]] = field(default_factory=dict)
    largest: int = 0
    silent: dict[Member, float] = field(default_factory=dict)  # without a request yet, all groups
    idle: int = 0  # connections between two requests, all groups
    evicted: int = 0
    waiting: int = 0  # connections that wait for room at present
    turned_away: int = 0  # connections that are being answered 503 at present
    priority: MarkPriority = field(default_factory=MarkPriority)
    changed: Signal = field(default_factory=Signal)

    def make_room(self, address: str) -> bool:
        """Whether one more connection from `address` is accepted; closes another one for it if needed. False:
        all are being served."""
        limits, network = self.limits, network_of(address)
        group = self.groups.get(network or address)
        if group is not None and not is_loopback(address) and not is_in(address, limits.proxies):
            own = self.addresses.get(address, {})
            if len(own) >= limits.per_address and not self._evict_of([group], own):
                return False
            if network is not None and group.size >= limits.per_network and not self._evict_of([group]):
                return False
        return len(self.members) < limits.connections or self._evict_for(group)

    def _evict_for(self, newcomers: Group | None) -> bool:
        """Close a connection of a group with the most connections, or of the new one's own group if no other
        has more; then only one that sent no request within GREETING_S."""
        own_size = newcomers.size if newcomers is not None else 0
        for size in range(self.largest, own_size, -1):
            if size in self.by_size and self._evict_of(self.by_size[size]):
                return True
        if newcomers is not None and self._evict_of([newcomers]):
            return True
        mute = _longest_silent(self.silent, self.members, trio.current_time() - GREETING_S)
        return mute is not None and self._evict(mute[0])

    def _evict_of(self, groups: Iterable[Group], among: Container[Member] | None = None) -> bool:
        among = self.members if among is None else among
        groups = iter(groups)
        while looked := list(islice(groups, LOOKS)):
            victim = self._missed_least(looked, among)
            if victim is not None:
                return self._evict(victim)
        return False

    def _evict(self, victim: Member) -> bool:
        self.remove(victim)
        self.evicted += 1
        victim.abort()
        return True

    def _missed_least(self, groups: list[Group], among: Container[Member]) -> Member | None:
        now = trio.current_time()
        # if many are kept after an answer, one that has just come has a moment for its request
        came_before = now - GREETING_S if len(self.silent) < self.idle else math.inf
        picks = [_longest_silent(group.silent, among, came_before) for group in groups]
        picks = picks if any(picks) else [_longest(group.idle, among, math.inf) for group in groups]
        picks = picks if any(picks) else [_longest(group.stalled, among, now - STALLED_S) for group in groups]
        oldest = min((pick for pick in picks if pick is not None), key=lambda pick: pick[1], default=None)
        return None if oldest is None else oldest[0]

    def add(self, member: Member, address: str) -> None:
        name = network_of(address) or address
        group = self.groups.setdefault(name, Group())
        self.members[member] = Place(address, name, group)
        self.addresses.setdefault(address, {})[member] = None
        group.silent[member] = self.silent[member] = trio.current_time()
        self._resize(group, 1)

    def _resize(self, group: Group, by: int) -> None:
        if group.size:
            del self.by_size[group.size][group]
            if not self.by_size[group.size]:
                del self.by_size[group.size]
        group.size += by
        if group.size:
            self.by_size.setdefault(group.size, {})[group] = None
        if group.size > self.largest or self.largest not in self.by_size:
            self.largest = group.size

    def serve(self, member: Member) -> None:
        """Record that a complete request has arrived on the connection."""
        if (place := self.members.get(member)) is not None:
            place.group.silent.pop(member, None)
            self.silent.pop(member, None)
            self.idle -= place.group.idle.pop(member, None) is not None

    def rest(self, member: Member) -> None:
        """Record that its request has been answered; it may send another."""
        if (place := self.members.get(member)) is not None:
            self.idle += member not in place.group.idle
            place.group.idle[member] = trio.current_time()

    def stall(self, member: Member, is_stalled: bool) -> None:
        """Record whether its socket accepts nothing more of the answer."""
        if (place := self.members.get(member)) is None:
            return
        if is_stalled:
            place.group.stalled.setdefault(member, trio.current_time())
        else:
            place.group.stalled.pop(member, None)

    def remove(self, member: Member) -> None:
        """Remove a connection; nothing happens when it was removed before."""
        self.serve(member)
        place = self.members.pop(member, None)
        if place is None:
            return
        place.group.stalled.pop(member, None)
        own = self.addresses[place.address]
        del own[member]
        if not own:
            del self.addresses[place.address]
        self._resize(place.group, -1)
        if not place.group.size:
            del self.groups[place.name]
        self.changed.notify()

    async def wait_empty(self) -> None:
        seen = self.changed.count
        while self.members:
            seen = await self.changed.wait_past(seen)

    def stop(self) -> None:
        """End those without a request."""
        for member in list(self.silent):
            member.stop()

    def abort(self) -> None:
        for member in list(self.members):
            member.abort()
