"""One camera: a source that must be fetched is fetched once and removed, whatever happens."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.box.datasets.model import ClipJob, ErrorCode, Unit
from appliance.box.datasets.runs.camera import Camera
from appliance.box.datasets.runs.game import figures_of
from appliance.box.datasets.runs.progress import SourceReady, SourceRemoved
from appliance.box.datasets.runs.sources import StoredVideos
from appliance.box.datasets.storage.folder import FolderStorage
from tests.box.datasets.batches import Runs, add_videos, rows
from tests.box.datasets.hand_engine import HandEngine
from tests.kit.box import in_the_loop


class Distant(FolderStorage):
    """A folder whose objects have no place, as those of a bucket. `fetched`: keys; `error`: of the next
    fetch."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.fetched: list[str] = []
        self.error: OSError | None = None

    def place(self, key: str) -> Path | None:
        return None

    def fetch(self, key: str, target: Path) -> int:
        self.fetched.append(key)
        if self.error is not None:
            target.write_bytes(b"half")
            error, self.error = self.error, None
            raise error
        return super().fetch(key, target)


@pytest.fixture(autouse=True)
def threads_in_the_loop(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("trio.to_thread.run_sync", in_the_loop)
    yield


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    made = Runs(tmp_path, Distant(tmp_path / "out"))
    add_videos(made.sources, "g1")
    return made


def copies(runs: Runs) -> list[Path]:
    return list((runs.folder / "out/.work").rglob("source_*"))


async def test_a_distant_source_is_fetched_once_and_its_copy_removed(runs: Runs) -> None:  # T11 T12
    distant = Distant(runs.sources)
    result = await runs.batch(rows("g1", 6), HandEngine(), StoredVideos(distant)).perform()
    assert result.clips == 12 and len(distant.fetched) == len(set(distant.fetched)) == 4
    assert copies(runs) == []
    kinds = [type(event) for event in runs.events]
    assert kinds.count(SourceReady) == kinds.count(SourceRemoved) == 4
    figures = result.manifests[0].figures
    assert figures.bytes_fetched == figures.source_bytes > 0
    again = HandEngine()
    result = await runs.batch(rows("g1", 6), again, StoredVideos(distant)).perform()
    assert result.clips == 12 and again.units == [] and len(distant.fetched) == 4


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (OSError(errno.EIO, "the bucket cannot be used"), "source_unreadable"),
        (FileNotFoundError(errno.ENOENT, "gone"), "source_missing"),
        (OSError(errno.ENOSPC, "no space"), "disk_full"),
    ],
)
async def test_a_fetch_that_fails_fails_the_clips_of_its_camera_alone(
    runs: Runs, error: OSError, code: ErrorCode
) -> None:  # T15 T12 T28
    distant = Distant(runs.sources)
    distant.error = error
    result = await runs.batch(rows("g1", 4), HandEngine(), StoredVideos(distant)).perform()
    assert result.status == "completed" and (result.clips, result.failed_clips) == (6, 2)
    assert {failure.code for failure in result.manifests[0].failures} == {code}
    assert copies(runs) == []


async def test_shards_of_a_distant_root_are_made_of_fetched_clips(runs: Runs) -> None:
    result = await runs.run(rows("g1", 2), HandEngine(), formats=("seed", "webdataset", "hf"))
    assert result.clips == 4
    assert {file.key.rpartition("/")[2] for file in result.manifests[0].files} >= {
        "training-000000.tar",
        "metadata.jsonl",
    }
    assert not list((runs.folder / "out/.work").rglob("packed_*"))


async def test_a_failed_clip_is_listed_once_with_its_attempts(runs: Runs) -> None:
    def fails(unit: Unit, job: ClipJob) -> ErrorCode | None:
        return "black" if job.play_id == "g1-p0" else None

    result = await runs.run(rows("g1", 2), HandEngine(fails))
    assert [(each.play_id, each.attempts) for each in result.manifests[0].failures] == [("g1-p0", 2)] * 2


def test_figures_of_cameras_that_were_not_cut_are_zero() -> None:
    figures = figures_of([Camera("g1", "FAR_LEFT", ())], 2.0)
    assert figures.wall_s == 2.0 and figures.source_opens == {} and figures.clips_cut == 0
