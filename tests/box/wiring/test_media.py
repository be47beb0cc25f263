"""The media workers in /readyz."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from appliance.box.wiring.media import workers_part


@dataclass
class Slot:
    up: bool


@dataclass
class Pool:
    """A pool with the given workers."""

    slots: list[Slot] = field(default_factory=list)
    waiting_live: int = 0
    waiting_bulk: int = 0

    def statistics(self) -> Any:
        return self


def pool(*up: bool) -> Any:
    return Pool([Slot(each) for each in up])


def test_without_workers_pictures_are_missing() -> None:
    assert workers_part(pool(True, False)).status == "ok"
    assert workers_part(pool(False)).status == "warn"
