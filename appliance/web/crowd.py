"""Who is connected: how many there may be, and who goes when somebody comes and it is full.

Owns: the counts by address and network, and the choice of who is missed least: first who never asked
anything, then who has been silent longest. A request, an answer or a WebSocket under way is never cut for a
newcomer. Must not know: what a connection does. Finding the one that goes takes no search of all: a flood of
connections finds it thousands of times a second.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Protocol

from appliance.kernel.signal import Signal
from appliance.web.limits import Limits, is_loopback, network_of


class Member(Protocol):
    """What the crowd asks of a connection."""

    def abort(self) -> None: ...


Members = dict[Member, None]  # in order


@dataclass(slots=True)
class Crowd:
    """`members` by the address they came from. Each is in `silent` (it has not asked anything yet, oldest
    first), in `idle` (between requests, longest first), or in neither: it is being served."""

    limits: Limits
    members: dict[Member, str] = field(default_factory=dict)
    silent: Members = field(default_factory=dict)
    idle: Members = field(default_factory=dict)
    addresses: dict[str, Members] = field(default_factory=dict)
    networks: Counter[str] = field(default_factory=Counter)
    evicted: int = 0
    turned_away: int = 0  # who is being told now that there is no room
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
        return len(self.members) < limits.connections or self._evict(
            next(iter(self.silent or self.idle), None)
        )

    def _evict_of(self, among: Members) -> bool:
        for waiting in (self.silent, self.idle):
            victim = next((each for each in waiting if each in among), None)
            if self._evict(victim):
                return True
        return False

    def _evict(self, victim: Member | None) -> bool:
        if victim is None:
            return False
        self.remove(victim)
        self.evicted += 1
        victim.abort()
        return True

    def add(self, member: Member, address: str) -> None:
        self.members[member] = address
        self.silent[member] = None
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

    def remove(self, member: Member) -> None:
        """Also one that is no member any more."""
        address = self.members.pop(member, None)
        if address is None:
            return
        self.serve(member)
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
