"""State machines as tables: state -> event -> state, every cell filled.

Rule 1: everything that decides whether a transition is legal is in the table of a domain's `machine.py`.
Rule 2: an ILLEGAL cell raises and changes nothing.
Rule 3: time is an event; no machine has a timer.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum, StrEnum
from typing import Generic, TypeVar

from appliance.kernel.errors import Refused


class Cell(Enum):
    ILLEGAL = "illegal"


ILLEGAL = Cell.ILLEGAL

S = TypeVar("S", bound=StrEnum)
E = TypeVar("E", bound=StrEnum)


class Machine(Generic[S, E]):
    """A checked table. The constructor raises when a cell is missing, or belongs to no event."""

    def __init__(
        self, name: str, states: type[S], events: type[E], table: Mapping[S, Mapping[E, S | Cell]]
    ) -> None:
        for state in states:
            cells = set(table.get(state, {}))
            if missing := set(events) - cells:
                raise ValueError(f"{name} machine: state {state} lacks {sorted(missing)}")
            if unknown := cells - set(events):
                raise ValueError(f"{name} machine: state {state} has cells of no event: {sorted(unknown)}")
        self.name = name
        self.states = states
        self.events = events
        self.table = table

    def allowed(self, state: S) -> list[E]:
        """Events with a legal cell in this state, in the order the event enum lists them."""
        return [event for event in self.events if self.table[state][event] is not ILLEGAL]

    def next(self, state: S, event: E) -> S:
        """The state after `event`. Raises Refused 409 naming the state and what is allowed in it."""
        after = self.table[state][event]
        if isinstance(after, Cell):
            allowed = [str(each) for each in self.allowed(state)]
            raise Refused(
                409,
                "illegal_transition",
                f"a {self.name} that is {state} cannot {event}",
                f"allowed now: {', '.join(allowed)}" if allowed else "nothing is allowed in this state",
                extra={"state": str(state), "event": str(event), "allowed": allowed},
            )
        return after

    def diagram(self) -> str:
        """The table as a Mermaid state diagram, generated so that the diagram always matches the code."""
        lines = ["stateDiagram-v2"]
        for state, row in self.table.items():
            for event, after in row.items():
                if not isinstance(after, Cell):
                    lines.append(f"    {state} --> {after}: {event}")
        return "\n".join(lines)
