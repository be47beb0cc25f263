"""Where a unit's bytes come from, and the files it makes of them."""

from __future__ import annotations

import base64
import hashlib
import os
from pathlib import Path

import pytest

from appliance.box.datasets.cutting.attempt import Account, Attempt
from appliance.box.datasets.cutting.files import discard, draft_of, open_draft, publish, sha256_of, write_laid
from appliance.box.datasets.cutting.planning import Camera, Laid, Refusal, duplicates, times_of
from appliance.box.datasets.cutting.sources import FromSpans, Pass, open_source
from appliance.box.datasets.cutting.worker import open_unit_worker
from appliance.box.datasets.model import ClipJob, Piece, PlannedSpan, Unit
from tests.kit.camera_films import write_film


def job(start_s: float, end_s: float, **more: object) -> ClipJob:
    facts = {"play_id": "p", "camera": "cam1", "start_s": start_s, "end_s": end_s, "path": "/x/p.mp4"}
    return ClipJob.model_validate(facts | more)


@pytest.fixture
def laid(tmp_path: Path) -> Laid:
    camera = Camera.open(str(write_film(tmp_path / "camera.mp4")))
    laid = camera.clip(job(1.0, 2.0))
    camera.close()
    return laid


def test_times_are_checked_before_the_file_is_read() -> None:
    # T09
    assert times_of(job(0.0, 1.5)) == (0, 1_500_000)
    for start_s, end_s in ((-0.1, 1.0), (1.0, 1.0), (2.0, 1.0)):
        with pytest.raises(Refusal) as refused:
            times_of(job(start_s, end_s))
        assert refused.value.error == "bad_range"


def test_two_jobs_of_one_file_are_found() -> None:
    other = job(0, 1, path="/x/q.mp4")
    assert duplicates([job(0, 1), other, job(5, 6)]) == {2}


def test_spans_of_recordings_are_opened_once(tmp_path: Path, laid: Laid) -> None:
    path = str(tmp_path / "camera.mp4")
    pieces = tuple(Piece(path=path, offset=offset, length=length) for _, offset, length in laid.ranges)
    header = base64.b64encode(laid.header).decode()
    span = PlannedSpan(
        header=header, pieces=pieces, begin=laid.begin, frames=laid.frames, duration_s=laid.duration_s
    )
    jobs = (job(1, 2, span=0), job(1, 2, span=1), job(1, 2, span=9))
    source = open_source(Unit(game_id="g", camera="cam1", source="", jobs=jobs, spans=(span, span)))
    assert isinstance(source, FromSpans)
    assert source.clip(0) == laid and source.clip(1) == laid
    assert source.opens == 1 and source.size == os.path.getsize(path)
    assert source.passes({0: laid, 1: laid}, 4) == [Pass((0,), laid), Pass((1,), laid)]
    with pytest.raises(Refusal, match="no planned span"):
        source.clip(2)
    source.close()


@pytest.mark.parametrize("header", ["not base64!", "AAAA"])
def test_an_unusable_span_is_refused(header: str) -> None:
    span = PlannedSpan(header=header, pieces=(), begin=0, frames=1, duration_s=1.0)
    source = FromSpans((span,), (job(0, 1, span=0),))
    with pytest.raises(Refusal, match="unusable"):
        source.clip(0)


def test_a_recording_that_is_gone_is_named(tmp_path: Path, laid: Laid) -> None:
    piece = Piece(path=str(tmp_path / "gone.mp4"), offset=0, length=10)
    header = base64.b64encode(laid.header).decode()
    span = PlannedSpan(header=header, pieces=(piece,), begin=0, frames=1, duration_s=1.0)
    with pytest.raises(Refusal, match=r"gone\.mp4"):
        FromSpans((span,), (job(0, 1, span=0),)).clip(0)


def test_a_draft_becomes_the_clip(tmp_path: Path, laid: Laid) -> None:
    # T12
    path, source = str(tmp_path / "p_cam1.mp4"), os.open(tmp_path / "camera.mp4", os.O_RDONLY)
    draft = open_draft(path)
    assert draft_of(path).name == "p_cam1.mp4.partial"
    write_laid(laid, [source], draft)
    digest, size = sha256_of(draft)
    publish(path)
    data = Path(path).read_bytes()
    assert (digest, size) == (hashlib.sha256(data).hexdigest(), laid.size) and len(data) == laid.size
    discard(path)
    assert os.listdir(tmp_path) == ["camera.mp4"]
    os.close(draft)
    os.close(source)


def test_a_source_that_shrank_is_named(tmp_path: Path, laid: Laid) -> None:
    os.truncate(tmp_path / "camera.mp4", 1000)
    source, draft = os.open(tmp_path / "camera.mp4", os.O_RDONLY), open_draft(str(tmp_path / "p.mp4"))
    with pytest.raises(Refusal) as refused:
        write_laid(laid, [source], draft)
    assert refused.value.error == "source_cut_off"
    os.close(draft)
    os.close(source)


async def test_copies_are_made_one_by_one(tmp_path: Path) -> None:
    path = write_film(tmp_path / "camera.mp4")
    jobs = (job(1, 2), job(1.5, 2.5, path="/x/q.mp4"))
    unit = Unit(game_id="g", camera="cam1", source=str(path), jobs=jobs)
    source = open_source(unit)
    laid = {number: source.clip(number) for number in range(2)}
    async with open_unit_worker(None) as worker:
        (together,) = await Attempt(unit, source, worker, Account()).passes(laid)
        assert together.numbers == (0, 1) and together.whole.frames == 45
        copied = unit.model_copy(update={"mode": "copy"})
        apart = await Attempt(copied, source, worker, Account()).passes(laid)
        assert [each.numbers for each in apart] == [(0,), (1,)]
    source.close()
