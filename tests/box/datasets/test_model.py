"""Records of a dataset run."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from appliance.box.datasets.model import (
    CAMERAS,
    ClipJob,
    ClipResult,
    Piece,
    PlannedSpan,
    Unit,
    UnitResult,
    cameras_of,
    clip_name,
)


def a_unit() -> Unit:
    piece = Piece(path="/a", offset=1, length=2)
    span = PlannedSpan(header="AAAA", pieces=(piece,), begin=7, frames=60, duration_s=2.0)
    job = ClipJob(play_id="p1", camera="FAR_LEFT", start_s=1.5, end_s=2, path="/out/p1.mp4", span=0)
    return Unit(game_id="g", camera="FAR_LEFT", source="/g.mp4", jobs=(job,), spans=(span,))


def test_an_angle_is_shown_by_two_cameras() -> None:
    # T10
    assert cameras_of("LEFT") == ("FAR_LEFT", "NEAR_RIGHT")
    assert cameras_of("RIGHT") == ("FAR_RIGHT", "NEAR_LEFT")
    assert {*cameras_of("LEFT"), *cameras_of("RIGHT")} == set(CAMERAS)


@pytest.mark.parametrize("angle", ["", "left", "CENTRE"])
def test_another_angle_is_an_error(angle: str) -> None:
    # T10
    with pytest.raises(ValueError, match="neither LEFT nor RIGHT"):
        cameras_of(angle)


def test_a_clip_is_named_by_play_and_camera() -> None:
    # T12 T14
    assert clip_name("p1", "NEAR_LEFT") == "p1_NEAR_LEFT.mp4"


def test_a_unit_survives_json() -> None:
    unit = a_unit()
    assert Unit.model_validate(json.loads(json.dumps(unit.model_dump(mode="json")))) == unit


def test_a_result_survives_json() -> None:
    clip = ClipResult(play_id="p", camera="FAR_LEFT", path="/x", error="timeout", detail="60 s")
    result = UnitResult(game_id="g", camera="FAR_LEFT", results=(clip,), cpu_s=1.25)
    assert UnitResult.model_validate(json.loads(json.dumps(result.model_dump(mode="json")))) == result


@pytest.mark.parametrize("change", [{"camera": "A/B"}, {"start_s": float("nan")}, {"unknown": 1}])
def test_what_no_clip_can_be_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        ClipJob.model_validate(a_unit().jobs[0].model_dump() | change)


def test_a_clip_has_a_minute_by_default() -> None:
    # T13
    assert a_unit().limits.clip_s == 60.0
