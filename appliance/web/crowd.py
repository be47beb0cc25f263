"""Who is connected: how many there may be, and who goes when somebody comes and it is full.

Owns: the counts by address and network, and the choice of who is missed least: first who never asked
anything, then who has been silent longest. A request, an answer or a WebSocket under way is never cut for a
newcomer. Must not know: what a connection does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from appliance.kernel.signal import Signal
from appliance.web.limits import Limits, is_loopback, network_of


class Member(Protocol):
    """What the crowd asks of a connection."""

    @property
    def waiting(self) -> tuple[bool, float] | None:
        """(whether it has ever asked, since when it asks nothing); None: it is being served."""
        ...

    def abort(self) -> None: ...


@dataclass(slots=True)
class Crowd:
    """`members` by the address they came from."""

    limits: Limits
    members: dict[Member, str] = field(default_factory=dict)
    addresses: Counter[str] = field(default_factory=Counter)
    networks: Counter[str] = field(default_factory=Counter)
    evicted: int = 0
    turned_away: int = 0  # who is being told now that there is no room
    changed: Signal = field(default_factory=Signal)

    def make_room(self, address: str) -> bool:
        """Room for one more from `address`, made where it must be; False: everybody is being served."""
        limits, network = self.limits, network_of(address)
        if not is_loopback(address):
            if self.addresses[address] >= limits.per_address and not self._evict(
                each for each, came_from in self.members.items() if came_from == address
            ):
                return False
            if (
                network is not None
                and self.networks[network] >= limits.per_network
                and not self._evict(
                    each for each, came_from in self.members.items() if network_of(came_from) == network
                )
            ):
                return False
        return len(self.members) < limits.connections or self._evict(self.members)

    def _evict(self, among: Iterable[Member]) -> bool:
        waiting = [(since, each) for each in among if (since := each.waiting) is not None]
        if not waiting:
            return False
        victim = min(waiting, key=lambda pair: pair[0])[1]
        self.remove(victim)
        self.evicted += 1
        victim.abort()
        return True

    def add(self, member: Member, address: str) -> None:
        self.members[member] = address
        self.addresses[address] += 1
        if (network := network_of(address)) is not None:
            self.networks[network] += 1

    def remove(self, member: Member) -> None:
        """Also one that is no member any more."""
        address = self.members.pop(member, None)
        if address is None:
            return
        _take_off(self.addresses, address)
        if (network := network_of(address)) is not None:
            _take_off(self.networks, network)
        self.changed.ring()

    async def wait_empty(self) -> None:
        seen = self.changed.count
        while self.members:
            seen = await self.changed.wait_past(seen)

    def abort(self) -> None:
        for member in list(self.members):
            member.abort()


def _take_off(counts: Counter[str], key: str) -> None:
    counts[key] -= 1
    if counts[key] <= 0:
        del counts[key]
