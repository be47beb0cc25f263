"""What a corrected result changed in a bracket: the tie itself, and every later tie that hangs on it."""

from __future__ import annotations

from dataclasses import dataclass

from appliance.cloud.scoring.knockouts.bracket import Bracket, Tie


@dataclass(frozen=True, slots=True)
class Change:
    """`what`: home, away or winner. `has_result`: the tie was played with the team it had before, so that its
    result is to be looked at."""

    tie: str
    round: str
    what: str
    was: str | None
    now: str | None
    has_result: bool = False

    def __str__(self) -> str:
        tail = "; it has a result already" if self.has_result else ""
        return f"{self.round}: {self.what} was {self.was or 'open'}, is {self.now or 'open'}{tail}"


def changes(before: Bracket, after: Bracket) -> list[Change]:
    """In the order of play. Ties are compared by their ids; new ones are no change."""
    known = {tie.id: tie for tie in before.ties}
    return [
        change for tie in after.ties if (was := known.get(tie.id)) is not None for change in _of_tie(was, tie)
    ]


def _of_tie(was: Tie, now: Tie) -> list[Change]:
    found: list[Change] = []
    for what in ("home", "away", "winner"):
        old, new = getattr(was, what), getattr(now, what)
        if old != new:
            played = what != "winner" and old is not None and now.aggregate is not None
            found.append(Change(now.id, now.round, what, old, new, played))
    return found
