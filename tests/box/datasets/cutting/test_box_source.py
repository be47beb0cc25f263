"""The box as a source: planned spans of its recordings, read in place."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.box.datasets.cutting.unit import run_unit
from appliance.box.datasets.model import ClipJob, Mode, Piece, PlannedSpan, Unit
from appliance.media.cut.plan import make_plan
from tests.box.datasets.cutting.inside import use_inside_worker
from tests.kit.barcode import encode
from tests.kit.camera_films import shown_in
from tests.kit.fmp4_file import START_US, Recordings

FRAMES = 300
PLAYS = [("a", 0.49, 1.99), ("b", 1.39, 2.89), ("c", 3.29, 5.09)]
"""Two overlap; the third lies in two recordings."""


@pytest.fixture
def recordings(tmp_path: Path) -> Iterator[Recordings]:
    (tmp_path / "cam1").mkdir()
    recordings = Recordings(tmp_path / "cam1")
    recordings.record(encode(FRAMES, gop=30, bframes=2), segment_s=4.0)
    yield recordings
    recordings.close()


def unit_of(recordings: Recordings, mode: Mode) -> Unit:
    """As the box plans its clips (clips/cutting)."""
    jobs, spans = [], []
    for number, (play, start, end) in enumerate(PLAYS):
        start_us, end_us = START_US + round(start * 1e6), START_US + round(end * 1e6)
        plan = make_plan(recordings.views, recordings.open_fd, start_us=start_us, end_us=end_us, latency_us=0)
        folder = recordings.folder
        pieces = tuple(
            Piece(path=str(folder / each.name), offset=each.offset, length=each.length)
            for each in plan.ranges
        )
        header = base64.b64encode(plan.header).decode()
        spans.append(
            PlannedSpan(header=header, pieces=pieces, begin=0, frames=plan.frames, duration_s=plan.duration_s)
        )
        path = str(folder.parent / f"{play}_cam1.mp4")
        jobs.append(ClipJob(play_id=play, camera="cam1", start_s=start, end_s=end, path=path, span=number))
    return Unit(game_id="g", camera="cam1", source="", jobs=tuple(jobs), spans=tuple(spans), mode=mode)


@pytest.mark.parametrize("mode", ["transcode", "copy"])
async def test_plays_are_cut_out_of_recordings_in_place(
    recordings: Recordings, mode: Mode, monkeypatch: pytest.MonkeyPatch
) -> None:
    # T11: nothing is copied but clips, each recording is opened once
    use_inside_worker(monkeypatch)
    before = sorted(path.name for path in recordings.folder.iterdir())
    result = await run_unit(unit_of(recordings, mode))
    for (_, start, end), clip in zip(PLAYS, result.results, strict=True):
        assert (clip.error, clip.detail) == (None, "")
        assert shown_in(clip.path).numbers == [n for n in range(FRAMES) if start <= n / 30 < end]
    assert result.source_opens == 2
    assert sorted(path.name for path in recordings.folder.iterdir()) == before


@pytest.mark.parametrize("mode", ["transcode", "copy"])
async def test_recordings_that_were_deleted_meanwhile_are_named(
    recordings: Recordings, mode: Mode, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_inside_worker(monkeypatch)
    unit = unit_of(recordings, mode)
    for path in recordings.folder.iterdir():
        path.unlink()
    result = await run_unit(unit)
    assert {clip.error for clip in result.results} == {"source_missing"}
