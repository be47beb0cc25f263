"""Which plays train and which validate: reproducible, without the same video on both sides, and never
changed.

Owns: the order (HMAC-SHA256 of the play's id under the run's seed), the cut at the floor of 80 %, and what
holds for plays that were assigned before. Must not know: cameras, files. Pure.

A play is assigned before it is expanded to its cameras, so both angles of a play are on one side. Plays
whose intervals overlap are assigned together. An assignment never changes: a play that comes later and
overlaps plays of both sides is left out, because it would show video of one side to the other.
"""

from __future__ import annotations

import hmac
from collections.abc import Collection, Mapping, Sequence
from typing import Final, Literal

from pydantic import Field

from appliance.box.datasets.model import Record

Side = Literal["training", "validation"]
SIDES: Final[tuple[Side, Side]] = ("training", "validation")
SHARE: Final = 0.8
SplitUnit = Literal["play", "game"]


class Split(Record):
    """`sides`: by play. `left_out`: plays that overlap plays of both sides. `assignments`: every one that was
    ever made, for the next run."""

    sides: dict[str, Side] = Field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    assignments: dict[str, Side] = Field(default_factory=dict)

    @property
    def training_share(self) -> float:
        """Of the plays that are assigned; 0 without any."""
        return (
            sum(side == "training" for side in self.sides.values()) / len(self.sides) if self.sides else 0.0
        )

    def drift(self, share: float = SHARE) -> float:
        """How far the share is from the one that the same number of single plays would have: 0 without groups
        and earlier assignments."""
        if not self.sides:
            return 0.0
        return round(self.training_share - floor_of(len(self.sides), share) / len(self.sides), 6)


def floor_of(count: int, share: float = SHARE) -> int:
    """How many of `count` plays train: floor(count * share), with a share of at most six decimals."""
    return count * round(share * 1_000_000) // 1_000_000


def order_key(seed: str, name: str) -> bytes:
    return hmac.digest(seed.encode(), name.encode(), "sha256")


def split_plays(
    groups: Sequence[Collection[str]], known: Mapping[str, Side], seed: str, share: float = SHARE
) -> Split:
    """Assign each group as one. `known`: earlier assignments, by play.

    In the order of their keys, a group trains when that brings the number of training plays nearer to the
    floor: for single plays these are exactly the first floor(n * share).
    """
    sides: dict[str, Side] = {}
    left_out: list[str] = []
    new: list[Collection[str]] = []
    for group in groups:
        before = {known[play_id] for play_id in group if play_id in known}
        if not before:
            new.append(group)
            continue
        for play_id in group:
            if play_id in known:
                sides[play_id] = known[play_id]
            elif len(before) == 1:
                sides[play_id] = next(iter(before))
            else:
                left_out.append(play_id)
    wanted = floor_of(len(sides) + sum(map(len, new)), share)
    training = sum(side == "training" for side in sides.values())
    for group in sorted(new, key=lambda group: min(order_key(seed, play_id) for play_id in group)):
        trains = abs(training + len(group) - wanted) < abs(wanted - training)
        training += len(group) if trains else 0
        sides.update(dict.fromkeys(group, SIDES[0 if trains else 1]))
    return Split(sides=sides, left_out=tuple(sorted(left_out)), assignments={**known, **sides})


def split_games(
    game_ids: Collection[str], known: Mapping[str, Side], seed: str, share: float = SHARE
) -> dict[str, Side]:
    """The side of each game, for evaluation on games that training has not seen. Earlier assignments stay."""
    return split_plays([(game_id,) for game_id in game_ids], known, seed, share).assignments
