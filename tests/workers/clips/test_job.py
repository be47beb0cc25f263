"""The job of cutting clips: limits, and answers that no honest worker sends."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from appliance.workers.clips.job import ClipWindow, CutClipReport, CutClipsJob
from appliance.workers.clips.perform import perform_clips
from appliance.workers.jobs import SourceRange
from appliance.workers.protocol import Json, WorkerProtocolError

WINDOW = ClipWindow(0, 90_000, True, 30, 1.0)
JOB = CutClipsJob((SourceRange(0, 0, 10),), (0, 0, 0), (WINDOW, WINDOW), 1, 60.0)
CLIP = {"frames": 30, "end_s": 1.0, "damaged": 0, "encoder_s": 0.1, "error": "", "detail": ""}


@pytest.fixture
def descriptors() -> Iterator[list[int]]:
    opened = [os.memfd_create(name) for name in ("source", "one", "two")]
    for each in opened[1:]:
        os.ftruncate(each, 1 << 20)
    yield opened
    for each in opened:
        os.close(each)


def answer(*clips: object) -> Json:
    return {"clips": list(clips), "decoded": 60}


def test_limits_grow_with_the_clips() -> None:
    one = CutClipsJob(JOB.pieces, JOB.stretch, (WINDOW,), 1, 60.0)
    assert (one.wall_s, JOB.wall_s) == (90.0, 150.0)
    assert JOB.cpu_s >= JOB.wall_s
    assert JOB.output_bytes == WINDOW.largest_bytes > WINDOW.moov_bytes


def test_an_honest_answer_is_read(descriptors: list[int]) -> None:
    report = JOB.result(answer(CLIP, CLIP | {"error": "timeout", "frames": 0}), descriptors)
    assert report.clips[0] == CutClipReport(30, 1.0, 0, 0.1, "", "")
    assert report.clips[1].error == "timeout"


@pytest.mark.parametrize(
    "clips",
    [
        (),
        (CLIP,),
        (CLIP, 5),
        (CLIP, CLIP | {"error": "unheard of"}),
        (CLIP, CLIP | {"frames": 0}),
        (CLIP, CLIP | {"end_s": "long"}),
    ],
)
def test_an_impossible_answer_is_refused(descriptors: list[int], clips: tuple[object, ...]) -> None:
    with pytest.raises(WorkerProtocolError):
        JOB.result(answer(*clips), descriptors)


def test_a_clip_without_a_file_is_refused(descriptors: list[int]) -> None:
    os.ftruncate(descriptors[-1], 0)
    with pytest.raises(WorkerProtocolError, match="empty"):
        JOB.result(answer(CLIP, CLIP), descriptors)


@pytest.mark.parametrize(
    "change",
    [
        {"windows": []},
        {"windows": [[0, 0, True, 100]]},
        {"windows": [[0, 9, 1, 100]]},
        {"windows": [[0, 9, True, 0]]},
        {"windows": [5]},
        {"threads": 0},
        {"threads": 99},
        {"stretch": [0, 0]},
        {"pieces": [[7, 0, 1]]},
    ],
)
def test_an_invalid_request_is_refused(
    descriptors: list[int], change: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("appliance.workers.clips.perform._lower_priority", lambda: None)
    with pytest.raises(WorkerProtocolError):
        perform_clips({**JOB.args(), **change}, descriptors)
