"""Who may be started again: an actor that met only what it declared it can meet.

Owns: the retry of declared errors with backoff, and the watch over the event loop's steps. Anything not
declared passes through and ends the daemon, which systemd starts again: a half-known state is worse than a
restart of a second.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import structlog
import trio

from appliance.kernel.backoff import Backoff
from appliance.kernel.errors import Unavailable

log = structlog.get_logger("supervision")

STABLE_S = 60.0  # an actor that ran this long has recovered: the next trouble starts from the shortest wait
SLOW_STEP_S = 0.1  # a step this long is felt by everybody who waits for an answer


@dataclass(slots=True)
class Supervised:
    """What health shows of one actor. Written by its own task alone."""

    name: str
    restarts: int = 0
    waiting: bool = False  # between two tries
    last_error: str = ""


def supervise(
    nursery: trio.Nursery,
    name: str,
    actor: Callable[[], Awaitable[None]],
    *,
    retry: tuple[type[Exception], ...] = (Unavailable,),
    backoff: Backoff | None = None,
) -> Supervised:
    """Run `actor` in `nursery`, again after each declared error. Returns its record at once.

    Stop: cancel the nursery, or let the actor return. Raises (in the nursery): whatever is not in `retry`,
    also when it comes in one group with something that is.
    """
    record = Supervised(name)
    nursery.start_soon(_run, record, actor, retry, backoff or Backoff(), name=name)
    return record


async def _run(
    record: Supervised,
    actor: Callable[[], Awaitable[None]],
    retry: tuple[type[Exception], ...],
    backoff: Backoff,
) -> None:
    while True:
        began_s = trio.current_time()
        try:
            await actor()
            return
        except retry as error:
            failure: BaseException = error
        except BaseExceptionGroup as group:
            if group.split(retry)[1] is not None:
                raise
            failure = group
        if trio.current_time() - began_s >= STABLE_S:
            backoff.reset()
        wait_s = backoff.next_s()
        record.restarts += 1
        record.last_error = _told(failure)
        log.warning("actor_retries", actor=record.name, error=record.last_error, wait_s=round(wait_s, 2))
        record.waiting = True
        await trio.sleep(wait_s)
        record.waiting = False


def _told(error: BaseException) -> str:
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(_told(each) for each in error.exceptions)
    return str(error) or type(error).__name__


@dataclass(slots=True, eq=False)
class LoopWatch(trio.abc.Instrument):
    """Times every step of the event loop: `trio.run(..., instruments=[watch])`.

    A turn is what lies between two looks at the sockets; its length is how late any timer or answer may be.
    `on_turn` gets every turn's length in seconds (for the metrics); keep it below a microsecond.
    """

    slow_step_s: float = SLOW_STEP_S
    on_turn: Callable[[float], None] | None = None
    slow_steps: int = 0
    worst_turn_s: float = 0.0
    _step_began_s: float = 0.0
    _turn_began_s: float | None = None
    _clock: Callable[[], float] = field(default=time.perf_counter)

    def take_worst_turn_s(self) -> float:
        """The longest turn since the last call, the one under way included."""
        worst_s = self.worst_turn_s
        if self._turn_began_s is not None:
            worst_s = max(worst_s, self._clock() - self._turn_began_s)
        self.worst_turn_s = 0.0
        return worst_s

    def after_io_wait(self, timeout: float) -> None:
        self._turn_began_s = self._clock()

    def before_io_wait(self, timeout: float) -> None:
        if self._turn_began_s is None:
            return
        turn_s = self._clock() - self._turn_began_s
        self.worst_turn_s = max(self.worst_turn_s, turn_s)
        if self.on_turn is not None:
            self.on_turn(turn_s)

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self._step_began_s = self._clock()

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        took_s = self._clock() - self._step_began_s
        if took_s >= self.slow_step_s:
            self.slow_steps += 1
            log.warning("slow_step", task=task.name, took_ms=round(took_s * 1000))
