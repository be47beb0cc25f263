"""Pings systemd's watchdog while loop and database respond; else systemd restarts the box.

Sent from the event loop only, never from a thread, and only while `trouble()` returns None. A full or
read-only disk is no reason to stop: a restart would not repair it, and marks in memory would be lost.
"""

from __future__ import annotations

from collections.abc import Callable

import structlog
import trio

from appliance.ops.notify import Notifier

log = structlog.get_logger("watchdog")


def interval_s(environment: dict[str, str], own_pid: int) -> float | None:
    """Seconds between two pings, or None when systemd does not watch this process
    (sd_watchdog_enabled(3))."""
    microseconds = environment.get("WATCHDOG_USEC", "")
    if not microseconds.isdigit() or int(microseconds) == 0:
        return None
    if environment.get("WATCHDOG_PID", str(own_pid)) != str(own_pid):
        return None
    return int(microseconds) / 1e6 / 4  # three pings may be missed before systemd acts


async def run_watchdog(
    *,
    notifier: Notifier,
    every_s: float,
    trouble: Callable[[], str | None],
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Ping every `every_s` seconds while `trouble` returns None.

    Start: after the first ping. Stop: cancel. Raises: nothing of its own.
    """
    hungry = False
    await notifier.send("WATCHDOG=1")
    task_status.started()
    while True:
        await trio.sleep(every_s)
        reason = trouble()
        if reason is None:
            await notifier.send("WATCHDOG=1", *(["STATUS=recovered"] if hungry else []))
        else:
            log.error("watchdog_not_fed", reason=reason)
            await notifier.send(f"STATUS=not healthy: {reason}")
        hungry = reason is not None
