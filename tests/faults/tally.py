"""The findings of the rounds of a fault: the runner's table, a test's assertions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass
class Tally:
    """`lost`: acknowledged answers that no longer exist. Others are `violations`.

    `struck`: rounds in which the fault certainly hit its target.
    """

    rounds: int = 0
    struck: int = 0
    acknowledged: int = 0
    lost: int = 0
    violations: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        return not self.lost and not self.violations

    def wrong(self, what: str) -> None:
        self.violations.append(what)

    def check(self, condition: object, what: str) -> None:
        """Record `what` as a violation unless the condition holds."""
        if not condition:
            self.wrong(what)

    def lose(self, what: Iterable[str]) -> None:
        """Lost answers."""
        gone = list(what)
        self.lost += len(gone)
        self.violations += [f"lost: {each}" for each in gone[:5]]
