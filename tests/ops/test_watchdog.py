"""Only a healthy event loop resets the watchdog."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
import structlog
import trio
from trio.testing import MockClock

from appliance.ops.notify import Notifier
from appliance.ops.watchdog import interval_s, run_watchdog


@dataclass(frozen=True, slots=True)
class Ear(Notifier):
    messages: list[tuple[float, str]] = field(default_factory=list)

    async def send(self, *assignments: str) -> None:
        self.messages.append((trio.current_time(), " ".join(assignments)))


async def test_the_watchdog_is_pinged_only_while_the_box_is_healthy(autojump_clock: MockClock) -> None:
    ear = Ear()
    began_s = trio.current_time()

    def trouble() -> str | None:
        return "the loop stood still" if 11 < trio.current_time() - began_s < 21 else None

    with structlog.testing.capture_logs() as logs, trio.move_on_after(31):
        await run_watchdog(notifier=ear, every_s=5, trouble=trouble)
    assert [(round(at_s - began_s), text) for at_s, text in ear.messages] == [
        (0, "WATCHDOG=1"),
        (5, "WATCHDOG=1"),
        (10, "WATCHDOG=1"),
        (15, "STATUS=not healthy: the loop stood still"),
        (20, "STATUS=not healthy: the loop stood still"),
        (25, "WATCHDOG=1 STATUS=recovered"),
        (30, "WATCHDOG=1"),
    ]
    assert [line["log_level"] for line in logs] == ["error", "error"]


@pytest.mark.parametrize(
    ("environment", "every_s"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "20000000"}, 5.0),
        ({"WATCHDOG_USEC": "20000000", "WATCHDOG_PID": "42"}, 5.0),
        ({"WATCHDOG_USEC": "20000000", "WATCHDOG_PID": "43"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_the_interval_comes_from_systemd(environment: dict[str, str], every_s: float | None) -> None:
    assert interval_s(environment, own_pid=42) == every_s
