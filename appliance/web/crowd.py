"""Who is connected: how many there may be, and who goes when somebody comes and it is full.

Owns: the counts by address and network, and the choice of who is missed least: first who never asked
anything, then who has been silent longest, then who has not read its answer for longest, STALLED_S at least.
A request, an answer that is read or a WebSocket is never cut for a newcomer. Must not know: what a
connection does. Finding the one that goes takes no search of all: a flood of connections finds it thousands
of times a second.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Container, Iterable
from dataclasses import dataclass, field
from itertools import islice
from typing import Protocol

import trio

from appliance.kernel.signal import Signal
from appliance.web.limits import Limits, is_loopback, network_of

GREETING_S = 1.0  # from the connection to the first request: a moment for a browser, and for a busy loop
LOOKS = 64  # of the longest silent, for one that has really sent nothing
STALLED_S = 1.0  # a tablet between two access points is away as long; it asks again


class Member(Protocol):
    """What the crowd asks of a connection."""

    def abort(self) -> None: ...

    def has_bytes(self) -> bool:
        """Whether something has come that was not read yet: in a flood the loop is late with everybody."""
        ...


Members = dict[Member, None]  # in order


class Turns:
    """Requests that are not short begin one at a time, one in each pass of the event loop.

    A pass in which fifty begin takes 20 ms or more, and a mark that came meanwhile waits for all of them;
    so it waits for one. Nothing is slower for it: the loop never rests while somebody waits for a turn.
    """

    def __init__(self) -> None:
        self._one = trio.Lock()

    async def take(self) -> None:
        async with self._one:
            await trio.lowlevel.checkpoint()


def _first(waiting: Iterable[Member], among: Container[Member]) -> Member | None:
    return next((each for each in waiting if each in among), None)


@dataclass(slots=True)
class Crowd:
    """`members` by the address they came from. Each is in `silent` (it has not asked anything yet, oldest
    first), in `idle` (between requests, longest first), or in neither: it is being served."""

    limits: Limits
    members: dict[Member, str] = field(default_factory=dict)
    silent: dict[Member, float] = field(default_factory=dict)  # with the time it came
    idle: Members = field(default_factory=dict)
    stalled: dict[Member, float] = field(default_factory=dict)  # since when its socket takes nothing
    addresses: dict[str, Members] = field(default_factory=dict)
    networks: Counter[str] = field(default_factory=Counter)
    evicted: int = 0
    turned_away: int = 0  # who is being told now that there is no room
    turns: Turns = field(default_factory=Turns)
    changed: Signal = field(default_factory=Signal)

    def make_room(self, address: str) -> bool:
        """Room for one more from `address`, made where it must be; False: everybody is being served."""
        limits = self.limits
        if not is_loopback(address):
            own = self.addresses.get(address, {})
            if len(own) >= limits.per_address and not self._evict_of(own):
                return False
            network = network_of(address)
            if network is not None and self.networks[network] >= limits.per_network:
                theirs = {each: None for each, at in self.members.items() if network_of(at) == network}
                if not self._evict_of(theirs):
                    return False
        return len(self.members) < limits.connections or self._evict_of(self.members)

    def _evict_of(self, among: Container[Member]) -> bool:
        stalled_before = trio.current_time() - STALLED_S
        for victim in (self._silent_of(among), _first(self.idle, among), _first(self.stalled, among)):
            if victim is None or self.stalled.get(victim, -math.inf) > stalled_before:
                continue
            self.remove(victim)
            self.evicted += 1
            victim.abort()
            return True
        return False

    def _silent_of(self, among: Container[Member]) -> Member | None:
        """Who has been silent longest. Among many that keep their place after an answer, one that came just
        now has a moment to ask."""
        came_before = math.inf
        if len(self.silent) < len(self.idle):
            came_before = trio.current_time() - GREETING_S
        oldest = ((each, at) for each, at in islice(self.silent.items(), LOOKS) if each in among)
        return next((each for each, at in oldest if at <= came_before and not each.has_bytes()), None)

    def add(self, member: Member, address: str) -> None:
        self.members[member] = address
        self.silent[member] = trio.current_time()
        self.addresses.setdefault(address, {})[member] = None
        if (network := network_of(address)) is not None:
            self.networks[network] += 1

    def serve(self, member: Member) -> None:
        """A whole request of it has come."""
        self.silent.pop(member, None)
        self.idle.pop(member, None)

    def rest(self, member: Member) -> None:
        """Its request has been answered, it may ask again."""
        if member in self.members:
            self.idle[member] = None

    def stall(self, member: Member, is_stalled: bool) -> None:
        """Its socket takes nothing more of the answer, or something again."""
        if not is_stalled:
            self.stalled.pop(member, None)
        elif member in self.members:
            self.stalled.setdefault(member, trio.current_time())

    def remove(self, member: Member) -> None:
        """Also one that is no member any more."""
        address = self.members.pop(member, None)
        if address is None:
            return
        self.serve(member)
        self.stalled.pop(member, None)
        own = self.addresses[address]
        del own[member]
        if not own:
            del self.addresses[address]
        if (network := network_of(address)) is not None:
            self.networks[network] -= 1
            if not self.networks[network]:
                del self.networks[network]
        self.changed.ring()

    async def wait_empty(self) -> None:
        seen = self.changed.count
        while self.members:
            seen = await self.changed.wait_past(seen)

    def abort(self) -> None:
        for member in list(self.members):
            member.abort()
