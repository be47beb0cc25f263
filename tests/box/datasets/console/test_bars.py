"""Progress in words: bars on a terminal, lines elsewhere."""

from __future__ import annotations

from appliance.box.datasets.console.bars import Bars, Lines, end_line
from appliance.box.datasets.model import ClipResult
from appliance.box.datasets.runs.manifest import Figures, Manifest
from appliance.box.datasets.runs.progress import (
    CameraStarted,
    ClipDone,
    GameEnded,
    GameStarted,
    RunEvent,
    SourceReady,
    SourceRemoved,
)

DONE = ClipResult(play_id="p1", camera="FAR_LEFT", path="x")
FAILED = DONE.model_copy(update={"error": "timeout", "detail": "took 60 s"})
END = Manifest(
    run_id="r",
    game_id="g1",
    status="completed",
    started_at="",
    successful_clips=1,
    failed_clips=1,
    figures=Figures(wall_s=2.0, source_opens={"FAR_LEFT": 3}),
)
EVENTS: list[RunEvent] = [
    GameStarted("g1", 1, 2, 2, 0),
    CameraStarted("g1", "FAR_LEFT", 1),
    SourceReady("g1", "FAR_LEFT", 3_000_000, True),
    ClipDone("g1", DONE),
    ClipDone("g1", FAILED),
    SourceRemoved("g1", "FAR_LEFT"),
    GameEnded(END),
]


def test_lines_name_games_cameras_sizes_and_failures() -> None:  # T26 T28
    written: list[str] = []
    for event in EVENTS:
        Lines(written.append)(event)
    assert "".join(written).splitlines() == [
        "Processing game g1: 1 plays, 2 clips across 2 videos",
        "g1 FAR_LEFT: 1 clips",
        "g1 FAR_LEFT: fetched (3.0 MB)",
        "g1 FAR_LEFT p1: failed: took 60 s",
        "g1 FAR_LEFT: copy removed",
        end_line(END),
    ]


def test_bars_are_written_over_each_other_and_an_end_stays() -> None:
    written: list[str] = []
    bars = Bars(written.append)
    for event in [GameStarted("g0", 1, 0, 0, 0), *EVENTS]:
        bars(event)
    assert written[0].endswith("] 0/0\n")
    assert written[1].startswith("\x1b[1A\x1b[2K") and written[1].count("\n") == 2
    assert "#" * 15 + "." * 15 in written[2] and "1/2\n" in written[2]
    assert "2/2, 1 failed" in written[3]
    assert end_line(END) in written[4] and written[4].count("\n") == 2


def test_the_cause_of_a_failure_and_of_a_slow_run_is_named() -> None:  # T28
    assert "opened more than once: FAR_LEFT 3 times" in end_line(END)
    failed = END.model_copy(update={"status": "failed", "reason": "no clip could be cut"})
    assert end_line(failed).endswith("FAILED: no clip could be cut")
