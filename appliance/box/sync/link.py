"""Whether the cloud answers, since when, and what is wrong in plain words.

Owns: the state that /readyz, Health and the metrics show. `up` and `down` report to it; it does no I/O.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from appliance.kernel.errors import Refused, Unavailable


@dataclass(frozen=True, slots=True)
class Trouble:
    """`is_final`: it stays until a person does what the hint says."""

    code: str
    detail: str
    hint: str
    is_final: bool


@dataclass(slots=True)
class Link:
    """`since_us`: box time since which the cloud answers, or since which it does not."""

    url: str
    since_us: int
    is_connected: bool = False
    troubles: dict[str, Trouble] = field(default_factory=dict)  # by direction: "up", "down"
    notes: dict[str, str] = field(default_factory=dict)  # shown to people although it works

    def answered(self, now_us: int) -> None:
        """The cloud answered, with a result or an error."""
        self._set(True, now_us)

    def worked(self, direction: str, now_us: int) -> None:
        """A call did what it should."""
        self._set(True, now_us)
        self.troubles.pop(direction, None)

    def failed(self, direction: str, error: Refused | Unavailable, now_us: int) -> bool:
        """A call failed; True when that is news. A refusal is an answer: the cloud is there."""
        is_refusal = isinstance(error, Refused)
        trouble = Trouble(error.code, error.detail, error.hint or "nothing: it is tried again", is_refusal)
        is_news = self.troubles.get(direction) != trouble
        self.troubles[direction] = trouble
        self._set(is_refusal, now_us)
        return is_news

    def _set(self, is_connected: bool, now_us: int) -> None:
        if is_connected != self.is_connected:
            self.is_connected, self.since_us = is_connected, now_us
