"""Two nodes of Ray on this machine, one killed in the middle: every clip is cut, with the bytes of this
machine.

For scripts/faults --only dataset_ray, where Ray is installed.
"""

from __future__ import annotations

import importlib.util
import os
import secrets
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import trio

from appliance.box.datasets.cutting.unit import cut_unit
from appliance.box.datasets.model import ClipJob, Unit, UnitResult
from appliance.box.datasets.runs.ray_engine import SETTINGS, RayEngine
from appliance.kernel.threads import in_thread
from tests.faults.tally import Tally
from tests.kit.camera_films import CAMERAS, write_game

PLAYS = 6
KILL_AFTER_S = 2.0


def units_of(folder: Path, out: str) -> list[Unit]:
    """The cameras of a game, a unit each."""
    (folder / out).mkdir()
    return [
        Unit(
            game_id="g1",
            camera=camera,
            source=str(folder / "Games/g1" / f"{camera}.mp4"),
            jobs=tuple(
                ClipJob(
                    play_id=f"p{at}",
                    camera=camera,
                    start_s=at * 1.2,
                    end_s=at * 1.2 + 1.5,
                    path=str(folder / out / f"p{at}_{camera}.mp4"),
                )
                for at in range(PLAYS)
            ),
        )
        for camera in CAMERAS
    ]


def digests(results: list[UnitResult]) -> dict[str, str]:
    return {f"{clip.play_id}_{clip.camera}": clip.sha256 for result in results for clip in result.results}


async def ray_kills(rounds: int, seed: int, folder: Path) -> Tally:
    """A round: all cameras of a game, the second node killed after two seconds."""
    tally = Tally()
    if importlib.util.find_spec("ray") is None:
        tally.wrong("Ray is not installed: pip install 'appliance[ray]'")
        return tally
    for number in range(rounds):
        place = folder / str(number)
        write_game(place, "g1", frames=300)
        expected = digests([await in_thread(cut_unit, unit) for unit in units_of(place, "here")])
        await _round(tally, units_of(place, "there"), expected)
        tally.rounds += 1
    return tally


async def _round(tally: Tally, units: list[Unit], expected: dict[str, str]) -> None:
    os.environ.update(SETTINGS)
    os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    from ray.cluster_utils import Cluster

    arguments = {"num_cpus": 1, "include_dashboard": False}
    # in the main thread, where alone Ray can set its signal handlers
    cluster: Any = Cluster(initialize_head=True, head_node_args=arguments)
    engine = None
    try:
        doomed = cluster.add_node(num_cpus=1)
        engine = RayEngine(cluster.address)
        results: list[UnitResult] = []

        async def cut(unit: Unit) -> None:
            results.append(await engine.cut(unit, lambda clip: None))

        async with trio.open_nursery() as nursery:
            for unit in units:
                nursery.start_soon(cut, unit)
            await trio.sleep(KILL_AFTER_S)
            tally.struck += len(results) < len(units)
            cluster.remove_node(doomed, allow_graceful=False)
        made = digests(results)
        tally.acknowledged += len(made)
        tally.lose(sorted(name for name, digest in expected.items() if made.get(name) != digest))
    finally:
        if engine is not None:
            engine.close()
        cluster.shutdown()


FAULTS: dict[str, Callable[[int, int, Path], Awaitable[Tally]]] = {"dataset_ray": ray_kills}
