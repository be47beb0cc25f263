"""A unit of work: every frame of every clip is read back."""

from __future__ import annotations

import os
import struct
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import trio

from appliance.box.datasets.cutting.unit import cut_unit, run_unit
from appliance.box.datasets.cutting.worker import JobFailed
from appliance.box.datasets.model import ClipJob, ClipResult, Mode, Unit, UnitResult
from appliance.media.mp4.turn import turn_of_first_track
from tests.box.datasets.cutting.inside import InsideWorker, use_inside_worker
from tests.kit.barcode import AUDIO_HZ
from tests.kit.camera_films import (
    CAMERA_STEP,
    FRAGMENTED,
    Film,
    numbers_between,
    shown_in,
    tone,
    write_film,
    write_game,
)

PLAYS = [(0.0, 0.5), (1.0, 3.0), (2.5, 4.0), (3.3, 5.25), (7.9, 8.0), (8.966, 10.0)]
"""Some overlap; one begins two frames before a key picture, one at the very start."""


@pytest.fixture(autouse=True)
def inside(monkeypatch: pytest.MonkeyPatch) -> InsideWorker:
    """Processes are started in test_worker.py."""
    return use_inside_worker(monkeypatch)


def unit_of(
    source: Path,
    plays: Sequence[tuple[float, float]] = PLAYS,
    *,
    out: Path,
    mode: Mode = "transcode",
    **more: object,
) -> Unit:
    out.mkdir(exist_ok=True)
    jobs = [
        ClipJob(
            play_id=f"p{number}",
            camera="FAR_LEFT",
            start_s=start,
            end_s=end,
            path=str(out / f"p{number}.mp4"),
        )
        for number, (start, end) in enumerate(plays)
    ]
    facts = {"game_id": "g", "camera": "FAR_LEFT", "source": str(source), "jobs": tuple(jobs), "mode": mode}
    return Unit.model_validate(facts | more)


def cut(source: Path, out: Path, plays: Sequence[tuple[float, float]] = PLAYS, **more: object) -> UnitResult:
    return cut_unit(unit_of(source, plays, out=out, **more))  # type: ignore[arg-type]


def assert_exact(result: UnitResult, film: Film, plays: Sequence[tuple[float, float]] = PLAYS) -> None:
    for clip, (start, end) in zip(result.results, plays, strict=True):
        assert (clip.error, clip.detail) == (None, "")
        shown = shown_in(clip.path)
        assert shown.numbers == numbers_between(film, start, end)
        assert clip.frames == len(shown.numbers)
        assert shown.times[0] == pytest.approx(0.0, abs=0.001)


FILMS = {
    "b_frames": Film(),
    "no_b_frames": Film(bframes=0),
    "moov_in_front": Film(options=(("moov_size", "65536"),)),
    "no_sound": Film(sound=False),
    "hevc": Film(codec="libx265"),
    "ntsc": Film(rate=Fraction(30_000, 1001), frames=310),
    "one_key_in_four_seconds": Film(gop=120),
}


@pytest.mark.parametrize("mode", ["transcode", "copy"])
@pytest.mark.parametrize("name", FILMS)
def test_every_frame_is_that_of_the_play(tmp_path: Path, name: str, mode: Mode) -> None:
    # T11 T13
    film = FILMS[name]
    result = cut(write_film(tmp_path / "camera.mp4", film), tmp_path / "out", mode=mode)
    assert_exact(result, film)
    assert result.source_opens == 1
    assert all(
        clip.checks is not None and clip.checks.decoded and clip.attempts == 1 for clip in result.results
    )
    assert all(clip.bytes == os.path.getsize(clip.path) and len(clip.sha256) == 64 for clip in result.results)


@pytest.mark.parametrize("mode", ["transcode", "copy"])
def test_a_fragmented_file_is_cut_alike(tmp_path: Path, mode: Mode) -> None:
    film = Film(bframes=0, sound=False, options=FRAGMENTED)
    result = cut(write_film(tmp_path / "camera.mp4", film), tmp_path / "out", mode=mode)
    assert_exact(result, film)


@pytest.mark.parametrize("name", ["b_frames", "no_sound", "hevc"])
def test_a_clip_does_not_depend_on_the_clips_cut_with_it(tmp_path: Path, name: str) -> None:
    # T12: bytes are equal with one encoder thread
    source = write_film(tmp_path / "camera.mp4", FILMS[name])
    together = cut(source, tmp_path / "together", check=False)
    assert together.error is None
    for number, play in enumerate(PLAYS):
        alone = cut(source, tmp_path / f"alone{number}", [play], check=False)
        assert alone.results[0].sha256 == together.results[number].sha256


@pytest.mark.parametrize("mode", ["transcode", "copy"])
def test_the_sound_is_that_of_the_pictures(tmp_path: Path, mode: Mode) -> None:
    film = Film()
    result = cut(write_film(tmp_path / "camera.mp4", film), tmp_path / "out", mode=mode)
    for clip, (start, _) in zip(result.results, PLAYS, strict=True):
        heard = shown_in(clip.path).pcm[0]
        first = round(numbers_between(film, start, 99)[0] * AUDIO_HZ / 30)
        length = min(len(heard), round(clip.duration_s * AUDIO_HZ)) - 2048
        skip = 1024 if length > 3000 else 0
        wanted = tone(first + skip, max(length - skip, 1))
        actual = heard[skip : skip + len(wanted)]
        assert np.corrcoef(actual, wanted)[0, 1] > 0.99 if length > 3000 else True
        assert abs(len(heard) / AUDIO_HZ - clip.duration_s) < 0.05


def test_overlapping_plays_are_decoded_once(tmp_path: Path) -> None:
    source = write_film(tmp_path / "camera.mp4")
    unit = unit_of(source, [(1.0, 3.0), (1.5, 3.5), (2.0, 4.0)], out=tmp_path / "out", check=False)
    alone = [cut_unit(unit.model_copy(update={"jobs": (job,)})).bytes_read for job in unit.jobs]
    assert cut_unit(unit).bytes_read < 0.7 * sum(alone)


def test_plays_with_wrong_times_fail_alone(tmp_path: Path) -> None:
    # T09
    source = write_film(tmp_path / "camera.mp4")
    plays = [(1.0, 2.0), (5.0, 5.0), (6.0, 4.0), (-1.0, 2.0), (9.5, 12.0), (20.0, 22.0), (9.5, 10.04)]
    result = cut(source, tmp_path / "out", plays)
    assert [clip.error for clip in result.results] == [
        None, "bad_range", "bad_range", "bad_range", "beyond_end", "beyond_end", None,
    ]  # fmt: skip
    assert "10.000 s" in result.results[4].detail
    assert sorted(os.listdir(tmp_path / "out")) == ["p0.mp4", "p6.mp4"]


def test_a_second_clip_of_a_name_is_refused(tmp_path: Path) -> None:
    unit = unit_of(write_film(tmp_path / "camera.mp4"), [(1.0, 2.0)], out=tmp_path / "out")
    result = cut_unit(unit.model_copy(update={"jobs": (*unit.jobs, *unit.jobs)}))
    assert [clip.error for clip in result.results] == [None, "bad_range"]


@pytest.mark.parametrize(
    ("content", "error"),
    [(None, "source_missing"), (b"", "source_unreadable"), (b"no video" * 99, "source_unreadable")],
)
def test_a_camera_without_a_usable_file_is_skipped(tmp_path: Path, content: bytes | None, error: str) -> None:
    # T15
    if content is not None:
        (tmp_path / "camera.mp4").write_bytes(content)
    result = cut(tmp_path / "camera.mp4", tmp_path / "out")
    assert result.error == error
    assert {clip.error for clip in result.results} == {error}
    assert os.listdir(tmp_path / "out") == []


def test_a_game_of_four_cameras(tmp_path: Path) -> None:
    # T10 T11 T14: each clip is of its own camera
    game = write_game(tmp_path, "g1", frames=120)
    for number, (camera, source) in enumerate(game.items()):
        result = cut(source, tmp_path / camera, [(1.0, 2.0)], mode="copy")
        first = number * CAMERA_STEP + 30
        assert shown_in(result.results[0].path).numbers == list(range(first, first + 30))


@pytest.mark.parametrize(
    ("film", "error"), [(Film(black=True), "black"), (Film(still=True, first=5), "frozen")]
)
@pytest.mark.parametrize("mode", ["transcode", "copy"])
def test_a_clip_without_a_play_is_not_listed(tmp_path: Path, film: Film, error: str, mode: Mode) -> None:
    # T31
    result = cut(write_film(tmp_path / "camera.mp4", film), tmp_path / "out", [(1.0, 2.0)], mode=mode)
    assert [(clip.error, clip.attempts) for clip in result.results] == [(error, 1)]
    assert os.listdir(tmp_path / "out") == []


def test_a_file_that_was_cut_off_gives_what_it_has(tmp_path: Path) -> None:
    # T15
    film = Film(bframes=0, sound=False, options=FRAGMENTED)
    source = write_film(tmp_path / "camera.mp4", film)
    os.truncate(source, source.stat().st_size * 7 // 10)
    result = cut(source, tmp_path / "out")
    errors = [clip.error for clip in result.results]
    assert errors[:4] == [None] * 4 and errors[4:] == ["source_cut_off"] * 2
    front = write_film(tmp_path / "front.mp4", FILMS["moov_in_front"])
    os.truncate(front, front.stat().st_size * 7 // 10)
    result = cut(front, tmp_path / "out2")
    errors = [clip.error for clip in result.results]
    assert errors[:4] == [None] * 4 and errors[4:] == ["source_cut_off"] * 2
    back = write_film(tmp_path / "back.mp4", Film())
    os.truncate(back, back.stat().st_size * 6 // 10)
    assert cut(back, tmp_path / "out3").error == "source_unreadable"


@pytest.mark.parametrize("mode", ["transcode", "copy"])
@pytest.mark.parametrize("sound", [False, True])
def test_damage_in_the_middle_fails_the_plays_it_meets(tmp_path: Path, mode: Mode, sound: bool) -> None:
    source = write_film(tmp_path / "camera.mp4", Film(bframes=0, sound=sound))
    data = bytearray(source.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 600] = b"\xff" * 600
    source.write_bytes(data)
    plays = [(number + 0.0, number + 0.9) for number in range(10)]
    result = cut(source, tmp_path / "out", plays, mode=mode)
    failed = [clip for clip in result.results if clip.error]
    assert 1 <= len(failed) <= 2
    assert {clip.error for clip in failed} == {"bad_media"}
    assert all(clip.attempts == 2 for clip in failed)


def test_frames_of_varying_length_keep_their_times(tmp_path: Path) -> None:
    ticks, at = [], 0
    for number in range(200):
        ticks.append(at)
        at += 3000 if number % 7 else 12_000
    film = Film(frames=200, at=tuple(ticks), bframes=0, sound=False)
    source = write_film(tmp_path / "camera.mp4", film)
    for mode in ("transcode", "copy"):
        result = cut(source, tmp_path / mode, [(1.0, 3.0), (2.0, 4.5)], mode=mode)
        assert_exact(result, film, [(1.0, 3.0), (2.0, 4.5)])
        numbers = numbers_between(film, 2.0, 4.5)
        wanted = [(ticks[number] - ticks[numbers[0]]) / 90_000 for number in numbers]
        assert shown_in(result.results[1].path).times == pytest.approx(wanted, abs=0.001)


@pytest.mark.parametrize("mode", ["transcode", "copy"])
def test_a_camera_that_was_mounted_sideways(tmp_path: Path, mode: Mode) -> None:
    """Encoded clips are upright; copies keep the display matrix, for players to turn."""
    source = write_film(tmp_path / "camera.mp4")
    data = bytearray(source.read_bytes())
    at = data.index(b"tkhd") + 44
    struct.pack_into(">9i", data, at, 0, 0x10000, 0, -0x10000, 0, 0, 0, 0, 0x40000000)
    source.write_bytes(data)
    result = cut(source, tmp_path / "out", [(1.0, 2.0)], mode=mode)
    assert result.results[0].error is None
    head = Path(result.results[0].path).read_bytes()[:4096]
    assert turn_of_first_track(head).transposed is (mode == "copy")
    if mode == "transcode":
        assert shown_in(result.results[0].path).size == (96, 192)


def test_each_clip_is_reported_as_it_ends(tmp_path: Path) -> None:
    ended: list[ClipResult] = []
    unit = unit_of(write_film(tmp_path / "camera.mp4"), [(1.0, 1.5), (9.0, 99.0)], out=tmp_path / "out")

    async def main() -> UnitResult:
        return await run_unit(unit, on_clip=ended.append)

    result = trio.run(main)
    assert sorted(clip.play_id for clip in ended) == ["p0", "p1"]
    assert {clip.play_id: clip for clip in ended} == {clip.play_id: clip for clip in result.results}


LOST = JobFailed("lost", "killed by SIGSEGV")


def test_a_clip_is_tried_once_more(tmp_path: Path, inside: InsideWorker) -> None:
    # T03a T31
    inside.fails = [LOST]
    result = cut(write_film(tmp_path / "camera.mp4"), tmp_path / "out", [(1.0, 1.5)])
    assert [(clip.error, clip.attempts) for clip in result.results] == [(None, 2)]
    inside.fails = [LOST, LOST]
    result = cut(tmp_path / "camera.mp4", tmp_path / "out", [(1.0, 1.5)])
    assert [(clip.error, clip.attempts) for clip in result.results] == [("worker_lost", 2)]
    assert "SIGSEGV" in result.results[0].detail
    assert os.listdir(tmp_path / "out") == []


def test_after_a_loss_each_clip_of_the_pass_is_tried_alone(tmp_path: Path, inside: InsideWorker) -> None:
    plays = [(1.0, 1.5), (1.2, 1.7), (1.4, 1.9)]
    inside.fails = [LOST, LOST]
    result = cut(write_film(tmp_path / "camera.mp4"), tmp_path / "out", plays, check=False)
    assert [clip.error for clip in result.results] == ["worker_lost", None, None]
    assert inside.kinds == ["cut_clips"] * 4


def test_no_clip_is_tried_again_when_that_is_switched_off(tmp_path: Path, inside: InsideWorker) -> None:
    # T03a
    inside.fails = [LOST]
    result = cut(write_film(tmp_path / "camera.mp4"), tmp_path / "out", [(1.0, 1.5)], retries=0)
    assert [(clip.error, clip.attempts) for clip in result.results] == [("worker_lost", 1)]


def test_a_full_disk_is_named(tmp_path: Path, inside: InsideWorker) -> None:
    # T28
    inside.fails = [JobFailed("io", "[Errno 28] No space left on device")]
    result = cut(write_film(tmp_path / "camera.mp4"), tmp_path / "out", [(1.0, 1.5)])
    assert [clip.error for clip in result.results] == ["disk_full"]


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    unit = unit_of(write_film(tmp_path / "camera.mp4"), [(1.0, 1.5)], out=tmp_path / "out", retries=0)
    (tmp_path / "out").rmdir()
    assert [clip.error for clip in cut_unit(unit).results] == ["io"]


@pytest.mark.parametrize("mode", ["transcode", "copy"])
def test_a_clip_that_takes_too_long_fails(tmp_path: Path, mode: Mode) -> None:
    # T13: only encoding can take long
    result = cut(
        write_film(tmp_path / "camera.mp4"),
        tmp_path / "out",
        [(1.0, 2.0)],
        mode=mode,
        limits={"clip_s": 1e-6},
    )
    assert [clip.error for clip in result.results] == ["timeout" if mode == "transcode" else None]


def test_when_a_unit_is_stopped_no_unfinished_file_is_left(tmp_path: Path, inside: InsideWorker) -> None:
    # T12
    unit = unit_of(write_film(tmp_path / "camera.mp4"), [(1.0, 1.5), (5.0, 5.5)], out=tmp_path / "out")
    ended: list[ClipResult] = []

    async def main() -> None:
        with trio.CancelScope() as scope:

            def stop(result: ClipResult) -> None:
                ended.append(result)
                scope.cancel()

            await run_unit(unit, on_clip=stop)

    trio.run(main)
    assert len(ended) == 1
    assert os.listdir(tmp_path / "out") == ["p0.mp4"]


def test_what_an_earlier_run_left_is_removed(tmp_path: Path) -> None:
    unit = unit_of(write_film(tmp_path / "camera.mp4"), [(9.0, 99.0)], out=tmp_path / "out")
    for name in ("p0.mp4", "p0.mp4.partial"):
        (tmp_path / "out" / name).write_bytes(b"old")
    assert cut_unit(unit).results[0].error == "beyond_end"
    assert os.listdir(tmp_path / "out") == []
