"""Runs a daemon in this process, from its start to a signal: that of the box, or of the hosted side.

Owns: the event loop, signals, the log, and the exit code for each way in which a run ends.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import structlog
import trio

from appliance.kernel import allocator, interpreter
from appliance.kernel.fields import SettingsError
from appliance.kernel.migrate import WrongDatabase
from appliance.kernel.store import StoreBroken
from appliance.ops.lock import StateBusy
from appliance.ops.logs import choose_style, configure_logs, toggle_debug
from appliance.ops.loopwatch import LoopWatch
from appliance.server.connections.listeners import CannotListen

if TYPE_CHECKING:
    from appliance.kernel.store import Store
    from appliance.server.connections.server import Bound

    Ready = Callable[[Bound, Store], Awaitable[None]]

log = structlog.get_logger("main")

Daemon = Callable[..., Awaitable[None]]
OK, FAILED, USAGE, BAD_SETTINGS = 0, 1, 2, 78

EXPECTED = (StateBusy, CannotListen, WrongDatabase, StoreBroken, OSError)
"""Reasons for a failing start or run that are not errors of ours: reported in one line, without traceback."""


def run_until_signal(settings: Any, ready: Ready | None, load: Callable[[], Daemon]) -> int:
    """Run the daemon that `load` imports: 0 after a clean end, 1 with the reason in the log otherwise. Raises
    SettingsError, which a daemon may find only when it starts."""
    interpreter.configure()
    allocator.configure()
    run_daemon = load()
    configure_logs(choose_style(sys.stdout, os.environ.get("JOURNAL_STREAM", "")))
    loop = LoopWatch()
    try:
        trio.run(_run_until_signal, run_daemon, settings, loop, partial(_up, ready), instruments=[loop])
    except BaseExceptionGroup as group:
        leaves = list(_leaves(group))
        if all(isinstance(leaf, KeyboardInterrupt) for leaf in leaves):
            return FAILED
        wrong = [leaf for leaf in leaves if isinstance(leaf, SettingsError)]
        if wrong:
            raise wrong[0] from None
        if all(isinstance(leaf, EXPECTED) for leaf in leaves):
            for leaf in leaves:
                log.critical("ended", reason=str(leaf))
        else:
            log.critical("ended", reason="a mistake of ours: please send this", exc_info=group)
        return FAILED
    return OK


async def _up(ready: Ready | None, bound: Bound, store: Store) -> None:
    interpreter.freeze()
    if ready is not None:
        await ready(bound, store)


async def _run_until_signal(run_daemon: Daemon, settings: Any, loop: LoopWatch, ready: Ready) -> None:
    stop = trio.Event()
    async with trio.open_nursery() as nursery:
        await nursery.start(_wait_for_signals, stop)
        await nursery.start(_switch_logs)
        await run_daemon(settings, stop=stop, loop=loop, ready=ready)
        nursery.cancel_scope.cancel(reason="the daemon has ended")


async def _wait_for_signals(
    stop: trio.Event, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    """The first SIGTERM or SIGINT drains; a second one ends at once, like kill."""
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        task_status.started()
        async for number in signals:
            if stop.is_set():
                os._exit(FAILED)
            log.info("stopping", signal=signal.Signals(number).name)
            stop.set()


async def _switch_logs(*, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
    """SIGUSR1 turns debug messages on, the next one off."""
    with trio.open_signal_receiver(signal.SIGUSR1) as signals:
        task_status.started()
        async for _ in signals:
            log.info("log_level", now=logging.getLevelName(toggle_debug()).lower())


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for each in group.exceptions:
        if isinstance(each, BaseExceptionGroup):
            yield from _leaves(each)
        else:
            yield each
