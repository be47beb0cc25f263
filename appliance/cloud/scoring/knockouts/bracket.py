"""The bracket: ties in rounds, who is in each, who goes through, and where to.

Placeholders are filled from ties and groups that are decided. What is not decided stays open.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from appliance.cloud.scoring.knockouts.slots import Slot, slot
from appliance.cloud.scoring.knockouts.tie import DecidedBy, Outcome, decide
from appliance.cloud.scoring.match import WALKOVER, Match, Pair
from appliance.cloud.scoring.rules.model import Knockout

NOT_PLAYED: Final = WALKOVER | {"cancelled", "n/p"}
_NUMBERED: Final = re.compile(r"\d\s*$|^\s*\d+\.")
_LAST: Final = re.compile(r"(?:grand )?final")
_BEFORE: Final = re.compile(r"qualif|preliminary")
_THIRD: Final = re.compile(r"third|3rd|bronze|platz 3|tercer|terceiro|terzo")


@dataclass(frozen=True, slots=True)
class Tie:
    """`home`, `away`: teams, None while unknown; `slots`: their names in the schedule. `feeds`: the tie
    that the winner goes to."""

    id: str
    stage: str
    round: str
    home: str | None
    away: str | None
    slots: tuple[str, str]
    legs: tuple[str, ...]
    aggregate: Pair | None
    decided_by: DecidedBy | None
    winner: str | None
    feeds: str | None = None


@dataclass(frozen=True, slots=True)
class Note:
    """Something a person should look at: `tie` is its id."""

    tie: str
    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class Bracket:
    """`ties` in the order of play."""

    ties: tuple[Tie, ...]
    notes: tuple[Note, ...]

    def rounds(self) -> list[tuple[str, list[Tie]]]:
        by_round: dict[tuple[str, str], list[Tie]] = {}
        for tie in self.ties:
            by_round.setdefault((tie.stage, tie.round), []).append(tie)
        return [(name, ties) for (_, name), ties in by_round.items()]


Placed = Callable[[str, Slot], str | None]
"""The team of a slot that a group decides: (its text, what it stands for); None while open."""


@dataclass
class _Drawing:
    rules: Knockout
    placed: Placed
    decisions: Mapping[str, str]
    as_of: str | None
    by_number: dict[int, tuple[str | None, str | None]] = field(default_factory=dict)
    """Winner and loser by the number of a match."""
    ties: list[Tie] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)

    def team(self, name: str) -> str | None:
        target = slot(name)
        if target is None:
            return name
        if target.kind in ("winner", "loser"):
            return self.by_number.get(target.number, (None, None))[target.kind == "loser"]
        return self.placed(name, target) if target.kind == "placed" else None

    def draw(self, tie_id: str, matches: Sequence[Match], legs: int, later: frozenset[str]) -> None:
        """`later`: teams that later rounds name."""
        first = matches[0]
        names = (first.home, first.away)
        known = {name: self.team(name) for match in matches for name in (match.home, match.away)}
        home, away = known[first.home], known[first.away]
        outcome = Outcome()
        is_bye = first.detail == "bye"
        if is_bye or (home is not None and away is not None):
            named = [
                replace(match, home=known[match.home] or "", away=known[match.away] or "")
                for match in matches
            ]
            outcome = decide(
                home or "", away or "", named, legs=legs, away_goals=self.rules.away_goals, as_of=self.as_of
            )
        elif any(match.score is not None for match in matches):
            self.notes.append(Note(tie_id, "team_unknown", f"{names[0]} - {names[1]} has a result"))
        if outcome.winner is None and not outcome.defect:
            outcome = self._by_later_round(matches, legs, later) or outcome
        if outcome.defect:
            self.notes.append(Note(tie_id, "equal_shoot_out", outcome.defect))
        if (person := self.decisions.get(tie_id)) is not None and person in (home, away):
            outcome = Outcome(person, "decision", outcome.aggregate)
        elif person is not None:
            self.notes.append(
                Note(tie_id, "decision_not_of_tie", f"{person} was recorded and is not in this tie")
            )
        loser = None
        if outcome.winner is not None:
            loser = away if outcome.winner == home else home
        for match in matches:
            if match.number is not None:
                self.by_number[match.number] = (outcome.winner, loser)
        self.ties.append(
            Tie(
                tie_id, first.stage, first.round, home, away, names, tuple(match.id for match in matches),
                outcome.aggregate, outcome.decided_by, outcome.winner,
            )
        )  # fmt: skip

    def _by_later_round(self, matches: Sequence[Match], legs: int, later: frozenset[str]) -> Outcome | None:
        """A tie of fewer legs than the others of its round, or of a match that was not played: decided
        when the next round names one of the two teams."""
        home, away = matches[0].home, matches[0].away
        if self.as_of is not None or (home in later) == (away in later):
            return None
        through = home if home in later else away
        if all(match.detail in NOT_PLAYED for match in matches):
            return Outcome(through, "walkover")
        regular = sum(not match.is_replay for match in matches)
        alone = (
            decide(home, away, matches, legs=regular, away_goals=self.rules.away_goals)
            if regular < legs
            else None
        )
        return alone if alone is not None and alone.winner == through else None


def draw_bracket(
    matches: Iterable[Match],
    rules: Knockout,
    *,
    placed: Placed = lambda name, target: None,
    decisions: Mapping[str, str] | None = None,
    as_of: str | None = None,
) -> Bracket:
    """`decisions`: winners that people recorded, by the tie's id."""
    drawing = _Drawing(rules, placed, decisions or {}, as_of)
    ties = _ties(match for match in matches if match.kind == "knockout")
    legs, later = _legs(ties), _later(ties)
    for tie_id, own in ties.items():
        drawing.draw(tie_id, own, legs[own[0].stage, own[0].round], later[own[0].stage, own[0].round])
    fed = _feeds(
        drawing.ties, {match.number: tie_id for tie_id, own in ties.items() for match in own if match.number}
    )
    return Bracket(
        tuple(replace(tie, feeds=fed.get(tie.id)) for tie in drawing.ties),
        tuple(drawing.notes + _gone_on(drawing.ties)),
    )


def _ties(matches: Iterable[Match]) -> dict[str, list[Match]]:
    """Matches of the same two teams in one round, by the tie's id, in the order of play. Legs that are
    listed as two rounds make one, which has no name but its stage's."""
    order = sorted(
        matches, key=lambda match: (match.date or "9", match.leg or 0, match.number or 0, match.id)
    )
    first = _first_legs(order)
    ties: dict[str, list[Match]] = {}
    for match in order:
        name = first.get((match.stage, match.round))
        own = match if name is None else replace(match, round="")
        tie_id = f"{_slug(match.stage)}.{_slug(name or match.round)}.{_slug(_pair(match))}"
        ties.setdefault(tie_id, []).append(own)
    return ties


def _pair(match: Match) -> str:
    return match.tie or "-".join(sorted((match.home, match.away)))


def _first_legs(order: Iterable[Match]) -> dict[tuple[str, str], str]:
    """The round of the first legs, for both rounds where two numbered ones of a stage have the same pairs
    (Matchday 1 and Matchday 2 of play-offs)."""
    pairs: dict[tuple[str, str], list[str]] = {}
    for match in order:
        if _NUMBERED.search(match.round) and match.leg is None and not match.is_replay:
            pairs.setdefault((match.stage, match.round), []).append(_pair(match))
    same: dict[tuple[str, ...], list[str]] = {}
    for (stage, name), own in pairs.items():
        if len(set(own)) == len(own):
            same.setdefault((stage, *sorted(own)), []).append(name)
    return {
        (stage, name): names[0] for (stage, *_), names in same.items() if len(names) == 2 for name in names
    }


def _slug(text: str) -> str:
    return re.sub(r"[^\w]+", "-", text.casefold()).strip("-")


def _legs(ties: Mapping[str, Sequence[Match]]) -> dict[tuple[str, str], int]:
    """How many legs the ties of a round have: by the marks of the matches, else by the most that a tie
    has."""
    legs: dict[tuple[str, str], int] = {}
    for matches in ties.values():
        key = matches[0].stage, matches[0].round
        marked = 2 if any(match.leg for match in matches) else 0
        regular = sum(not match.is_replay for match in matches)
        legs[key] = max(legs.get(key, 1), marked, min(2, regular))
    return legs


def _later(ties: Mapping[str, Sequence[Match]]) -> dict[tuple[str, str], frozenset[str]]:
    """By round: the teams that rounds after it name, without the match for third place."""
    rounds: dict[tuple[str, str], set[str]] = {}
    for matches in ties.values():
        rounds.setdefault((matches[0].stage, matches[0].round), set()).update(
            (matches[0].home, matches[0].away)
        )
    after: dict[tuple[str, str], frozenset[str]] = {}
    seen: frozenset[str] = frozenset()
    for key in reversed(rounds):
        after[key] = seen
        if not _THIRD.search(key[1].casefold()):
            seen |= {name for name in rounds[key] if slot(name) is None}
    return after


def is_third_place(tie: Tie) -> bool:
    return _THIRD.search(tie.round.casefold()) is not None


def _is_last(tie: Tie) -> bool:
    """A final: its teams in later ties play another competition (Apertura, then Clausura)."""
    return bool(_LAST.fullmatch(tie.round.casefold())) and not _BEFORE.search(tie.stage.casefold())


def _feeds(ties: Sequence[Tie], by_number: Mapping[int | None, str]) -> dict[str, str]:
    """Where each winner goes: the tie that names it as a slot, else the next one that it is in."""
    feeds: dict[str, str] = {}
    for tie in ties:
        for name in tie.slots:
            target = slot(name)
            if target is not None and target.kind == "winner" and target.number in by_number:
                feeds[by_number[target.number]] = tie.id
    for at, tie in enumerate(ties):
        if tie.id in feeds or tie.winner is None or _is_last(tie):
            continue
        later = (other for other in ties[at + 1 :] if (other.stage, other.round) != (tie.stage, tie.round))
        into = next((other.id for other in later if tie.winner in (other.home, other.away)), None)
        if into is not None:
            feeds[tie.id] = into
    return feeds


def _gone_on(ties: Sequence[Tie]) -> list[Note]:
    """Ties whose loser, not the winner, goes on: one of the results is wrong. Where both do, the loser
    has a second chance."""
    notes: list[Note] = []
    for at, tie in enumerate(ties):
        if tie.winner is None or tie.home is None or tie.away is None or _is_last(tie):
            continue
        loser = tie.away if tie.winner == tie.home else tie.home
        later = [
            other
            for other in ties[at + 1 :]
            if (other.stage, other.round) != (tie.stage, tie.round) and not is_third_place(other)
        ]
        through = next((each for each in later if loser in (each.home, each.away)), None)
        if through is not None and not any(tie.winner in (each.home, each.away) for each in later):
            notes.append(
                Note(tie.id, "loser_goes_on", f"{tie.winner} won, and {loser} is in {through.round}")
            )
    return notes
