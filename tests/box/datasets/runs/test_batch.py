"""A run from rows and videos to manifests, with an engine that cuts nothing and real files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from appliance.box.datasets.model import ClipJob, ErrorCode, Unit
from appliance.box.datasets.outputs.entries import TRAINING, VALIDATION, game_key
from appliance.box.datasets.runs.batch import all_manifests, make_work
from appliance.box.datasets.runs.manifest import Manifest, slow_run
from appliance.box.datasets.runs.progress import CameraStarted, ClipDone, GameEnded, GameStarted, SourceReady
from appliance.box.datasets.runs.publish import read_manifest
from appliance.box.datasets.storage.folder import FolderStorage
from appliance.box.datasets.storage.model import Expected, Stored
from tests.box.datasets.batches import Runs, add_videos, rows
from tests.box.datasets.hand_engine import HandEngine
from tests.kit.box import in_the_loop


@pytest.fixture(autouse=True)
def threads_in_the_loop(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("trio.to_thread.run_sync", in_the_loop)
    yield


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    made = Runs(tmp_path)
    for game_id in ("g1", "g2"):
        add_videos(made.sources, game_id)
    return made


def lines(runs: Runs, game_id: str, name: str) -> list[dict[str, str]]:
    return [json.loads(line) for line in runs.out.read(game_key(game_id, name)).splitlines()]


def manifest_of(runs: Runs, game_id: str = "g1") -> Manifest:
    manifest = read_manifest(runs.out, game_id)
    assert manifest is not None
    return manifest


def root_of(runs: Runs) -> Path:
    assert isinstance(runs.out, FolderStorage)
    return runs.out.root


def work_files(runs: Runs) -> list[Path]:
    return list((root_of(runs) / ".work").rglob("*"))


def files(runs: Runs) -> list[str]:
    return [stored.key for stored in runs.out.keys("games/")]


async def test_a_run_makes_the_files_of_every_game(runs: Runs) -> None:  # T03 T11 T14 T16 T18 T20 T21
    engine = HandEngine()
    result = await runs.run([*rows("g1", 5), *rows("g2", 9)], engine)
    assert result.status == "completed" and result.completed_games == ("g1", "g2")
    assert (result.clips, result.failed_clips, result.success_rate) == (28, 0, 1.0)
    assert len(engine.units) == 8 and engine.most_at_once == 2
    training, validation = lines(runs, "g1", TRAINING), lines(runs, "g1", VALIDATION)
    assert (len(training), len(validation)) == (8, 2)
    assert len(lines(runs, "g2", TRAINING)) == 14
    assert training[0]["videoGcsUri"].startswith("gs://bucket/games/g1/clips/g1-p")
    assert {line["textPrompt"] for line in training} <= {
        "Basketball drive play from left side",
        "Basketball drive play from right side",
    }
    manifest = manifest_of(runs)
    assert manifest.answer() == {
        "game_id": "g1",
        "status": "completed",
        "message": "10 clips, 0 failed",
        "total_plays": 5,
        "successful_clips": 10,
        "failed_clips": 0,
        "jsonl_files": {
            "training": f"{runs.out.uri}/games/g1/training_data.jsonl",
            "validation": f"{runs.out.uri}/games/g1/validation_data.jsonl",
        },
    }
    assert manifest.figures.source_opens == dict.fromkeys(
        ("FAR_LEFT", "FAR_RIGHT", "NEAR_LEFT", "NEAR_RIGHT"), 1
    )
    assert slow_run(manifest) == "" and manifest.figures.clips_cut == 10
    assert manifest.figures.jsonl_bytes == sum(file.bytes for file in manifest.files)
    kept = json.loads(runs.out.read("runs/run1.json"))  # T25 T27
    assert (kept["games"], kept["clips"], kept["success_rate"]) == (2, 28, 1.0)
    assert (
        kept["clip_s"] == 28 * 4 and kept["cpu_s"] > 0 and kept["bytes_read"] > 0 and "manifests" not in kept
    )
    assert [path for path in work_files(runs) if path.suffix == ".mp4"] == []  # T12


async def test_both_angles_of_a_play_and_overlapping_plays_are_on_one_side(runs: Runs) -> None:  # T19
    plays = rows("g1", 12)
    for at in (3, 7):
        plays[at]["start_timestamp"] = plays[at - 1]["end_timestamp"] - 1
    await runs.run(plays, HandEngine())
    sides: dict[str, set[str]] = {}
    for name in (TRAINING, VALIDATION):
        for line in lines(runs, "g1", name):
            play_id = line["videoGcsUri"].rpartition("/")[2].split("_")[0]
            sides.setdefault(play_id, set()).add(name)
    assert len(sides) == 12 and all(len(side) == 1 for side in sides.values())
    assert sides["g1-p2"] == sides["g1-p3"] and sides["g1-p6"] == sides["g1-p7"]


async def test_a_missing_camera_and_failed_clips_are_a_partial_success(runs: Runs) -> None:  # T09 T15 T16 T17
    (runs.sources / "Games/g1/NEAR_RIGHT.mp4").unlink()

    def fails(unit: Unit, job: ClipJob) -> ErrorCode | None:
        return "timeout" if job.play_id == "g1-p1" else None

    plays = [*rows("g1", 4), {**rows("g1", 1)[0], "id": "bad", "angle": "UP"}]
    result = await runs.run(plays, HandEngine(fails))
    manifest = manifest_of(runs)
    assert result.status == manifest.status == "completed"
    assert (manifest.total_plays, manifest.successful_clips, manifest.failed_clips) == (5, 4, 6)
    assert [each.code for each in manifest.rejected] == ["unknown_angle"]
    assert sorted((each.play_id, each.camera, each.code) for each in manifest.failures) == [
        ("g1-p0", "NEAR_RIGHT", "source_missing"),
        ("g1-p1", "FAR_RIGHT", "timeout"),
        ("g1-p1", "NEAR_LEFT", "timeout"),
        ("g1-p2", "NEAR_RIGHT", "source_missing"),
    ]
    listed = [line["videoGcsUri"] for name in (TRAINING, VALIDATION) for line in lines(runs, "g1", name)]
    assert len(listed) == 4 and not any("g1-p1_" in uri or "NEAR_RIGHT" in uri for uri in listed)
    # n counts the plays with at least one clip: floor(3 * 0.8)
    assert manifest.split is not None and manifest.split.training_plays == 2


async def test_a_game_without_a_clip_has_no_jsonl_and_names_the_cause(runs: Runs) -> None:  # T22 T28
    await runs.run(rows("g1", 3), HandEngine())
    (runs.sources / "Games/g1/FAR_LEFT.mp4").write_bytes(b"changed")
    for camera in ("NEAR_RIGHT", "FAR_RIGHT", "NEAR_LEFT"):
        (runs.sources / f"Games/g1/{camera}.mp4").unlink()
    result = await runs.run(
        [*rows("g1", 3), *rows("g2", 1)],
        HandEngine(lambda unit, job: "disk_full" if unit.game_id == "g1" else None),
    )
    manifest = manifest_of(runs)
    assert result.status == "failed" and result.completed_games == ("g2",) and result.failed_games == ("g1",)
    assert manifest.status == "failed" and manifest.cause == "all_clips_failed"
    assert "source_missing (4)" in manifest.reason and "disk_full (2)" in manifest.reason
    assert manifest.answer()["error"] == "all_clips_failed" and manifest.jsonl_files is None
    assert [key for key in files(runs) if "/g1/" in key] == ["games/g1/manifest.json", "games/g1/split.json"]


@pytest.mark.parametrize(
    ("plays", "cause"),
    [([], "unknown_game"), ([{**rows("g1", 1)[0], "angle": "UP"}], "no_usable_plays")],
)
async def test_a_game_without_plays_names_the_cause(
    runs: Runs, plays: list[dict[str, Any]], cause: str
) -> None:  # T28
    result = await runs.run(plays, HandEngine(), game_ids=["g1"])
    assert result.status == "failed" and manifest_of(runs).cause == cause and manifest_of(runs).reason


async def test_a_second_run_cuts_nothing_and_writes_the_same(runs: Runs) -> None:
    plays = rows("g1", 5)
    await runs.run(plays, HandEngine())
    before = {key: runs.out.read(key) for key in files(runs) if not key.endswith("manifest.json")}
    engine = HandEngine()
    result = await runs.run(plays, engine)
    assert engine.units == [] and result.status == "completed" and result.clips == 10
    assert {key: runs.out.read(key) for key in before} == before
    assert manifest_of(runs).run_id == "run2" and manifest_of(runs).figures.clips_kept == 10


async def test_only_what_does_not_stand_is_cut_again(runs: Runs) -> None:
    plays = rows("g1", 5)
    await runs.run(plays, HandEngine())
    root = root_of(runs)
    (root / "games/g1/clips/g1-p0_FAR_LEFT.mp4").write_bytes(b"x" * 46)  # damaged, of the same length
    (root / "games/g1/clips/g1-p1_FAR_RIGHT.mp4").unlink()
    (root / "games/g1/records/g1-p2_FAR_LEFT.json").write_text("{")
    plays[3]["end_timestamp"] += 1
    engine = HandEngine()
    await runs.run(plays, engine)
    assert sorted(engine.cut_clips) == [
        "g1/g1_g1-p0_FAR_LEFT.mp4",
        "g1/g1_g1-p1_FAR_RIGHT.mp4",
        "g1/g1_g1-p2_FAR_LEFT.mp4",
        "g1/g1_g1-p3_FAR_RIGHT.mp4",
        "g1/g1_g1-p3_NEAR_LEFT.mp4",
    ]
    (runs.sources / "Games/g1/FAR_LEFT.mp4").write_bytes(b"another video")
    engine = HandEngine()
    await runs.run(plays, engine)
    assert len(engine.cut_clips) == 3 and {unit.camera for unit in engine.units} == {"FAR_LEFT"}


async def test_a_run_that_was_killed_goes_on_where_it_was(runs: Runs) -> None:
    """Killed: nothing more of it happens, not even the manifest of a failure."""
    done = 0

    class Killed(BaseException):
        pass

    async def before(job: ClipJob) -> None:
        nonlocal done
        done += 1
        if done == 8:
            raise Killed

    plays = rows("g1", 5)
    with pytest.raises(BaseExceptionGroup):
        await runs.run(plays, HandEngine(before=before))
    assert manifest_of(runs).status == "processing"
    assert game_key("g1", TRAINING) not in files(runs)
    stored = [key for key in files(runs) if "/records/" in key]
    engine = HandEngine()
    result = await runs.run(plays, engine)
    assert result.status == "completed" and result.clips == 10
    assert len(stored) > 0 and len(engine.cut_clips) == 10 - len(stored)


async def test_later_plays_move_no_earlier_one(runs: Runs) -> None:  # T18
    await runs.run(rows("g1", 5), HandEngine())
    before = {
        name: {line["videoGcsUri"] for line in lines(runs, "g1", name)} for name in (TRAINING, VALIDATION)
    }
    await runs.run(rows("g1", 9), HandEngine(), split_seed="another")
    for name, uris in before.items():
        assert uris <= {line["videoGcsUri"] for line in lines(runs, "g1", name)}
    manifest = manifest_of(runs)
    assert manifest.split is not None and manifest.split.training_plays == 7


async def test_plays_that_are_gone_leave_no_clip(runs: Runs) -> None:
    formats = ("seed", "gemini", "webdataset", "hf")
    await runs.run(rows("g1", 5), HandEngine(), formats=formats)
    await runs.run(rows("g1", 5)[:2], HandEngine(), formats=("seed", "hf"))
    left = [key for key in files(runs) if "-p" in key]
    assert len(left) == 4 + 4 + 4 and all("-p0_" in key or "-p1_" in key for key in left)
    assert not any("webdataset" in key or "gemini" in key for key in files(runs))


async def test_signals_are_written_in_order_and_the_manifest_last(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:  # T21
    written: list[str] = []
    put = FolderStorage.put

    def note(self: FolderStorage, key: str, data: bytes, expected: Expected | str = Expected.ANY) -> Stored:
        written.append(key.rpartition("/")[2])
        return put(self, key, data, expected)

    monkeypatch.setattr(FolderStorage, "put", note)
    await runs.run(rows("g1", 1), HandEngine())
    assert (
        written[0] == "manifest.json"
    )  # processing, with the run's id: files of an earlier run count for nothing
    assert written[-5:] == [TRAINING, VALIDATION, "manifest.json", "README.md", "run1.json"]
    # one play: nothing trains, and the empty file is there all the same
    assert runs.out.read(game_key("g1", TRAINING)) == b"" and len(lines(runs, "g1", VALIDATION)) == 2


async def test_two_runs_of_one_game_do_not_mix(runs: Runs) -> None:  # T21
    async def before(job: ClipJob) -> None:
        runs.out.put(game_key("g1", TRAINING), b"of another run")

    result = await runs.run(rows("g1", 1), HandEngine(before=before))
    assert result.failed_games == ("g1",) and result.manifests[0].cause == "changed_meanwhile"
    assert runs.out.read(game_key("g1", TRAINING)) == b"of another run"


async def test_a_game_ends_at_its_limit_and_keeps_its_clips(
    runs: Runs, autojump_clock: MockClock
) -> None:  # T06
    async def before(job: ClipJob) -> None:
        if job.play_id == "g1-p1":
            await trio.sleep_forever()

    plays = [*rows("g1", 3), *rows("g2", 2)]
    result = await runs.run(plays, HandEngine(before=before, parallel=40))
    assert (
        trio.current_time() >= 3600 and result.failed_games == ("g1",) and result.completed_games == ("g2",)
    )
    manifest = manifest_of(runs)
    assert (
        manifest.cause == "timeout" and "limit 3600 s" in manifest.reason and manifest.figures.wall_s == 3600
    )
    engine = HandEngine()
    assert (await runs.run(plays, engine)).status == "completed"
    assert {name.split("/")[0] for name in engine.cut_clips} == {"g1"} and len(engine.cut_clips) == 2


async def test_the_run_ends_at_the_total_limit_and_names_what_is_pending(
    runs: Runs, autojump_clock: MockClock
) -> None:  # T05
    for at in range(3, 10):
        add_videos(runs.sources, f"g{at}")

    async def before(job: ClipJob) -> None:
        if not job.play_id.startswith("g1"):
            await trio.sleep_forever()

    plays = [row for at in range(1, 10) for row in rows(f"g{at}", 2)]
    result = await runs.run(plays, HandEngine(before=before, parallel=40), game_limit_s=9999)
    assert result.status == "failed" and result.completed_games == ("g1",) and result.total_time == 7200
    assert result.pending_games == tuple(f"g{at}" for at in range(2, 10))
    assert manifest_of(runs, "g2").cause == "timeout"


async def test_a_canceled_run_keeps_what_is_finished(runs: Runs) -> None:
    async def before(job: ClipJob) -> None:
        if job.play_id == "g1-p2":
            batch.cancel.set()
            await trio.sleep_forever()

    batch = runs.batch(rows("g1", 4), HandEngine(before=before))
    result = await batch.perform()
    assert result.pending_games == ("g1",) and manifest_of(runs).cause == "canceled"


async def test_a_hundred_games_are_one_run_and_six_run_at_once(runs: Runs) -> None:  # T03 T25
    most = 0
    for at in range(100):
        add_videos(runs.sources, f"x{at}", ["FAR_LEFT"])

    async def look(job: ClipJob) -> None:
        nonlocal most
        most = max(
            most,
            len({event.game_id for event in runs.events if isinstance(event, GameStarted)})
            - sum(isinstance(event, GameEnded) for event in runs.events),
        )

    plays = [rows(f"x{at}", 1)[0] for at in range(100)]
    result = await runs.run(plays, HandEngine(before=look, parallel=40))
    assert len(result.completed_games) == 100 and result.failed_clips == 100
    assert 2 <= most <= 6 and len(all_manifests(runs.out)) == 100


async def test_whole_games_are_split_on_request(runs: Runs) -> None:  # T19
    for at in range(3, 6):
        add_videos(runs.sources, f"g{at}")
    plays = [row for at in range(1, 6) for row in rows(f"g{at}", 3)]
    await runs.run(plays, HandEngine(), split_unit="game")
    sizes = [
        (len(lines(runs, f"g{at}", TRAINING)), len(lines(runs, f"g{at}", VALIDATION))) for at in range(1, 6)
    ]
    assert sorted(sizes) == [(0, 6), (6, 0), (6, 0), (6, 0), (6, 0)]
    await runs.run(plays[:3], HandEngine(), split_unit="game", split_seed="another")
    assert (len(lines(runs, "g1", TRAINING)), len(lines(runs, "g1", VALIDATION))) == sizes[0]


async def test_a_full_disk_of_the_outputs_ends_the_game_with_its_cause(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:  # T28
    def full(self: FolderStorage, key: str, path: Path) -> Stored:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(FolderStorage, "put_file", full)
    result = await runs.run(rows("g1", 2), HandEngine())
    assert result.manifests[0].cause == "disk_full" and manifest_of(runs).cause == "disk_full"


async def test_a_broken_file_of_assignments_stops_the_game(runs: Runs) -> None:  # T18
    runs.out.put(game_key("g1", "split.json"), b"[]")
    result = await runs.run(rows("g1", 2), HandEngine())
    assert result.manifests[0].cause == "storage" and "never guesses" in result.manifests[0].reason


async def test_progress_tells_every_step(runs: Runs) -> None:  # T26
    await runs.run(rows("g1", 2), HandEngine())
    kinds = [type(event) for event in runs.events]
    assert kinds[0] is GameStarted and kinds[-1] is GameEnded
    assert kinds.count(CameraStarted) == kinds.count(SourceReady) == kinds.count(ClipDone) == 4
    assert runs.events[0] == GameStarted("g1", 2, 4, 4, 0)


async def test_work_folders_of_dead_processes_are_removed(tmp_path: Path) -> None:  # T12
    out = FolderStorage(tmp_path)
    old = tmp_path / ".work" / "999999999_run"
    old.mkdir(parents=True)
    assert make_work(out, tmp_path, "run1").is_dir() and not old.exists()
