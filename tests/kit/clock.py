"""A clock that moves only when a test says so."""

from __future__ import annotations

from dataclasses import dataclass

KICKOFF_US = 1_795_203_000_000_000  # 2026-11-20T19:30:00Z


@dataclass(slots=True)
class FakeClock:
    """Box time by hand, microseconds UTC."""

    us: int = KICKOFF_US

    def now_us(self) -> int:
        return self.us

    def advance(self, seconds: float) -> None:
        self.us += round(seconds * 1e6)
