"""What cuts units: the interface of an engine, and the engine of this machine."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Protocol

from appliance.box.datasets.cutting.unit import run_unit
from appliance.box.datasets.model import ClipResult, Unit, UnitResult

OnClip = Callable[[ClipResult], None]
"""Called in the event loop once a clip is finished: made, checked and at its path, or failed."""


class Engine(Protocol):
    @property
    def parallel(self) -> int:
        """How many units it cuts at once."""
        ...

    async def cut(self, unit: Unit, on_clip: OnClip) -> UnitResult:
        """All clips of the unit. Canceled, it ends what it has started. Raises nothing: what goes wrong is
        in the result."""
        ...


class LocalEngine:
    """This machine: each unit in a sandboxed process of its own. `parallel`: default one for each CPU that
    this process may use."""

    def __init__(self, parallel: int = 0) -> None:
        self._parallel = parallel or len(os.sched_getaffinity(0))

    @property
    def parallel(self) -> int:
        return self._parallel

    async def cut(self, unit: Unit, on_clip: OnClip) -> UnitResult:
        return await run_unit(unit, on_clip=on_clip)
