"""The box as a source: plays of a session out of recordings, read in place."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.box.datasets.cutting.box_source import BoxCamera, BoxPlay, BoxUnit, plan_box_unit
from appliance.box.datasets.cutting.unit import run_unit
from appliance.box.datasets.model import Mode
from appliance.media.cut.plan import Plan, make_plan
from tests.box.datasets.cutting.inside import use_inside_worker
from tests.kit.barcode import encode
from tests.kit.camera_films import shown_in
from tests.kit.fmp4_file import START_US, Recordings

FRAMES, GOP = 300, 30


@pytest.fixture
def recordings(tmp_path: Path) -> Iterator[Recordings]:
    (tmp_path / "cam1").mkdir()
    recordings = Recordings(tmp_path / "cam1")
    recordings.record(encode(FRAMES, gop=GOP, bframes=2), segment_s=4.0)
    yield recordings
    recordings.close()


async def planned(recordings: Recordings, plays: list[BoxPlay], mode: Mode = "transcode") -> BoxUnit:
    async def plan(channel_id: str, start_us: int, end_us: int, latency_us: int) -> Plan:
        assert channel_id == "cam1"
        times = {"start_us": start_us, "end_us": end_us, "latency_us": latency_us}
        return make_plan(recordings.views, recordings.open_fd, **times)

    folder = recordings.folder.parent / "clips"
    folder.mkdir(exist_ok=True)
    camera = BoxCamera("g", "cam1", START_US, 0, recordings.folder, folder)
    return await plan_box_unit(camera, plays, plan, mode=mode)


PLAYS = [
    BoxPlay("a", 0.49, 1.99),
    BoxPlay("b", 1.39, 2.89),
    BoxPlay("c", 3.29, 5.09),
    BoxPlay("d", 7.99, 8.99),
]
"""The third lies in two recordings."""


@pytest.mark.parametrize("mode", ["transcode", "copy"])
async def test_plays_are_cut_out_of_recordings_in_place(
    recordings: Recordings, mode: Mode, monkeypatch: pytest.MonkeyPatch
) -> None:
    # T11: nothing is copied but clips, each recording is opened once
    use_inside_worker(monkeypatch)
    before = sorted(path.name for path in recordings.folder.iterdir())
    made = await planned(recordings, PLAYS, mode)
    assert made.refused == ()
    result = await run_unit(made.unit)
    for play, clip in zip(PLAYS, result.results, strict=True):
        assert (clip.error, clip.detail) == (None, "")
        wanted = [n for n in range(FRAMES) if play.start_s <= n / 30 < play.end_s]
        assert shown_in(clip.path).numbers == wanted
        assert Path(clip.path).name == f"{play.play_id}_cam1.mp4"
    assert result.source_opens == len(before)
    assert sorted(path.name for path in recordings.folder.iterdir()) == before


async def test_overlapping_plays_are_decoded_together(
    recordings: Recordings, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = use_inside_worker(monkeypatch)
    made = await planned(recordings, PLAYS)
    assert [job.within for job in made.unit.jobs] == [4, 4, None, None]
    await run_unit(made.unit.model_copy(update={"check": False}))
    assert worker.kinds == ["cut_clips"] * 3


async def test_a_play_that_was_not_recorded_is_refused(recordings: Recordings) -> None:
    plays = [
        BoxPlay("a", 0.5, 2.0),
        BoxPlay("b", 9.5, 12.0),
        BoxPlay("c", 60.0, 65.0),
        BoxPlay("d", 3.0, 2.0),
    ]
    made = await planned(recordings, plays)
    assert [job.play_id for job in made.unit.jobs] == ["a"]
    assert [(clip.play_id, clip.error) for clip in made.refused] == [
        ("b", "no_footage"),
        ("c", "no_footage"),
        ("d", "bad_range"),
    ]
    assert "were not recorded" in made.refused[0].detail


async def test_a_recording_that_was_deleted_meanwhile_is_named(
    recordings: Recordings, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_inside_worker(monkeypatch)
    made = await planned(recordings, PLAYS, "copy")
    for path in recordings.folder.iterdir():
        path.unlink()
    result = await run_unit(made.unit)
    assert {clip.error for clip in result.results} == {"source_missing"}
