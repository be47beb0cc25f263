"""Ray as engine: one node of this machine, and what is said without Ray. Two nodes: scripts/faults."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from appliance.box.datasets.cutting.unit import cut_unit, run_unit
from appliance.box.datasets.model import ClipJob, ClipResult, Unit
from appliance.box.datasets.plays.rows import BadInput
from appliance.box.datasets.runs.ray_engine import RayEngine, cut_as_json
from tests.kit.camera_films import write_game

HAS_RAY = importlib.util.find_spec("ray") is not None


def unit_in(folder: Path) -> Unit:
    source = write_game(folder, "g1", frames=90)["FAR_LEFT"]
    (folder / "clips").mkdir()
    jobs = tuple(
        ClipJob(
            play_id=f"p{at}",
            camera="FAR_LEFT",
            start_s=at + 0.5,
            end_s=at + 1.5,
            path=str(folder / f"clips/p{at}.mp4"),
        )
        for at in range(2)
    )
    return Unit(game_id="g1", camera="FAR_LEFT", source=str(source), jobs=jobs)


@pytest.mark.slow
def test_a_task_is_the_same_function_with_json_around_it(tmp_path: Path) -> None:
    unit = unit_in(tmp_path)
    cut = [clip.sha256 for clip in cut_unit(unit).results]
    result = cut_as_json(unit.model_dump_json())
    assert all(cut) and [f'"sha256":"{digest}"' in result for digest in cut] == [True, True]


@pytest.mark.skipif(HAS_RAY, reason="Ray is installed")
def test_without_ray_the_extra_is_named() -> None:
    with pytest.raises(BadInput, match=r"appliance\[ray\]"):
        RayEngine("local")


@pytest.mark.slow
@pytest.mark.skipif(not HAS_RAY, reason="Ray is not installed: pip install 'appliance[ray]'")
async def test_a_node_cuts_what_this_machine_cuts(tmp_path: Path) -> None:
    unit = unit_in(tmp_path)
    engine = RayEngine("local")
    try:
        reported: list[ClipResult] = []
        result = await engine.cut(unit, reported.append)
    finally:
        engine.close()
    assert [clip.error for clip in result.results] == [None, None]
    here = await run_unit(unit)
    assert reported == list(result.results)
    assert [clip.sha256 for clip in result.results] == [clip.sha256 for clip in here.results]
