"""Real plays with their real times on four cameras whose frames tell their number."""

from __future__ import annotations

import csv
from dataclasses import replace
from fractions import Fraction
from functools import cache
from pathlib import Path

import pytest

from appliance.box.datasets.cutting.passes import Stretch, group
from appliance.box.datasets.cutting.unit import cut_unit
from appliance.box.datasets.model import CAMERAS, ClipJob, Mode, Unit, cameras_of, clip_name
from tests.box.datasets.cutting.inside import use_inside_worker
from tests.kit.camera_films import Film, numbers_between, shown_in, write_film

PLAYS = Path(__file__).parents[3] / "data" / "basketball" / "plays.csv"
FILM = Film(frames=1480, rate=Fraction(4), gop=8, sound=False)
NUMBERS = 4096  # a barcode has twelve bits


@cache
def plays() -> list[tuple[str, str, float, float]]:
    with PLAYS.open() as file:
        return [
            (row["id"], row["angle"], float(row["start_timestamp"]), float(row["end_timestamp"]))
            for row in csv.DictReader(file)
        ]


def film_of(camera: str) -> Film:
    return replace(FILM, first=1000 * CAMERAS.index(camera))


def test_some_of_the_plays_overlap() -> None:
    stretches = [Stretch(n, int(start) * 10**6, int(start) * 10**6, int(end) * 10**6)
                 for n, (_, _, start, end) in enumerate(plays())]  # fmt: skip
    assert len(stretches) == 32
    assert 1 < len(group(stretches, 4)) < 32


@pytest.mark.parametrize("mode", ["transcode", "copy"])
def test_each_play_is_seen_by_its_two_cameras(
    tmp_path: Path, mode: Mode, monkeypatch: pytest.MonkeyPatch
) -> None:
    # T10 T11 T13 T14: clips = 2 x plays, four sources opened once each
    use_inside_worker(monkeypatch)
    opens = clips = 0
    for camera in CAMERAS:
        mine = [play for play in plays() if camera in cameras_of(play[1])]
        jobs = tuple(
            ClipJob(
                play_id=play,
                camera=camera,
                start_s=start,
                end_s=end,
                path=str(tmp_path / clip_name(play, camera)),
            )
            for play, _, start, end in mine
        )
        source = write_film(tmp_path / f"{camera}.mp4", film_of(camera))
        unit = Unit(game_id="g", camera=camera, source=str(source), jobs=jobs, mode=mode, check=False)
        result = cut_unit(unit)
        for clip, (_, _, start, end) in zip(result.results, mine, strict=True):
            assert (clip.error, clip.detail) == (None, "")
            wanted = [number % NUMBERS for number in numbers_between(film_of(camera), start, end)]
            assert shown_in(clip.path).numbers == wanted
        opens, clips = opens + result.source_opens, clips + len(result.results)
    assert (opens, clips) == (4, 2 * len(plays()))
