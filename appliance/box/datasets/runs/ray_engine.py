"""A cluster of Ray as engine: the same function, as a task for each (game, camera). Only this file imports
ray.

Owns: the cluster's settings (its own tokens, no usage statistics, no dashboard) and retries on another node
when one dies. Sources, outputs and the work folder must be at the same paths on every node, as on a shared
disk: a task gets paths, not bytes. Clips of a unit are reported when the unit ends.
"""

from __future__ import annotations

import os
from typing import Any, Final

import trio

from appliance.box.datasets.cutting.unit import cut_unit
from appliance.box.datasets.model import ClipResult, Unit, UnitResult
from appliance.box.datasets.plays.rows import BadInput
from appliance.box.datasets.runs.engine import OnClip
from appliance.kernel.threads import in_thread

RETRIES: Final = 3
SETTINGS: Final = {"RAY_AUTH_MODE": "token", "RAY_USAGE_STATS_ENABLED": "0"}


def cut_as_json(unit: str) -> str:
    """The task: JSON in and out, so that nodes share no classes but these."""
    return cut_unit(Unit.model_validate_json(unit)).model_dump_json()


class RayEngine:
    """`address`: "auto" for the running cluster of this machine, or HOST:PORT; "local" starts one node for
    this process. Raises BadInput."""

    def __init__(self, address: str) -> None:
        os.environ.update({name: os.environ.get(name, value) for name, value in SETTINGS.items()})
        try:
            import ray
        except ImportError:
            raise BadInput("--engine ray needs Ray: pip install 'appliance[ray]'") from None
        self._ray: Any = ray
        where: dict[str, Any] = {"include_dashboard": False} if address == "local" else {"address": address}
        try:
            ray.init(log_to_driver=False, configure_logging=False, **where)
        except (ConnectionError, RuntimeError, ValueError, OSError) as error:
            reason = str(error).partition("\n")[0]
            raise BadInput(f"the Ray cluster at {address} cannot be used: {reason}") from None
        # a node that dies is no exception of the task: retries then happen on another one
        self._task: Any = ray.remote(num_cpus=1, max_retries=RETRIES)(cut_as_json)

    @property
    def parallel(self) -> int:
        return max(1, int(self._ray.cluster_resources().get("CPU", 1)))

    async def cut(self, unit: Unit, on_clip: OnClip) -> UnitResult:
        ref = self._task.remote(unit.model_dump_json())
        try:
            text = await in_thread(self._ray.get, ref, limiter=_WAITS, abandon_on_cancel=True)
        except trio.Cancelled:
            self._ray.cancel(ref, force=True)
            raise
        except self._ray.exceptions.RayError as error:
            return _lost(unit, str(error).partition("\n")[0][:300])
        result = UnitResult.model_validate_json(text)
        for clip in result.results:
            on_clip(clip)
        return result

    def close(self) -> None:
        self._ray.shutdown()


_WAITS: Final = trio.CapacityLimiter(1000)  # threads that wait for a task each


def _lost(unit: Unit, reason: str) -> UnitResult:
    results = tuple(
        ClipResult(
            play_id=job.play_id,
            camera=job.camera,
            path=job.path,
            error="worker_lost",
            detail=f"every node that tried was lost: {reason}",
        )
        for job in unit.jobs
    )
    return UnitResult(
        game_id=unit.game_id, camera=unit.camera, results=results, error="worker_lost", detail=reason
    )
