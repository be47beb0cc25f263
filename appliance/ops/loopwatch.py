"""Measures the event loop: a step that is too long is logged with its task, the longest turn is reported."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog
import trio

log = structlog.get_logger("loop")

SLOW_STEP_S = 0.1  # a step this long delays every waiting answer noticeably


@dataclass(slots=True, eq=False)
class LoopWatch(trio.abc.Instrument):
    """Times every step of the event loop: `trio.run(..., instruments=[watch])`.

    A turn is the time between two polls of the sockets; its length is how late a timer or answer may be.
    `on_turn` gets every turn's length in seconds (for the metrics); it must take less than a microsecond.
    """

    slow_step_s: float = SLOW_STEP_S
    on_turn: Callable[[float], None] | None = None
    slow_steps: int = 0
    worst_turn_s: float = 0.0
    _step_began_s: float = 0.0
    _turn_began_s: float | None = None
    _clock: Callable[[], float] = field(default=time.perf_counter)

    def take_worst_turn_s(self) -> float:
        """The longest turn since the last call, including the present one."""
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
