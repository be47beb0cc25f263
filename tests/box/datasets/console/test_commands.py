"""`appliance dataset check`, `run` and `status`, as they are typed; real videos, cut by the real worker."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from appliance.__main__ import app
from appliance.box.datasets.console import asked
from appliance.box.datasets.console.remote import BoxRuns
from appliance.box.datasets.plays.rows import BadInput
from tests.box.datasets.cutting.inside import use_inside_worker
from tests.kit.camera_films import CAMERA_STEP, CAMERAS, shown_in, write_game

PLAYS = """id,game_id,angle,start_timestamp,end_timestamp,play_type
p1,g1,LEFT,1,2,drive
p2,g1,RIGHT,2,3,
p3,g1,LEFT,1.5,2.5,shot
p4,g1,LEFT,3,90,shot
p5,g1,UP,1,2,shot
"""


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("GCS_VIDEO_BUCKET", "GCS_TRAINING_BUCKET", "SUPABASE_URL", "SUPABASE_SERVICE_KEY"):
        monkeypatch.delenv(name, raising=False)
    yield


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Games, plays and videos of one game."""
    (tmp_path / "games.json").write_text('{"game_ids": ["g1"]}')
    (tmp_path / "plays.csv").write_text(PLAYS)
    write_game(tmp_path / "src", "g1", frames=120)
    return tmp_path


def typed(folder: Path, *words: str, sources: bool = True) -> int:
    where = ["--sources", str(folder / "src")] if sources else []
    command = ["dataset", *words, "--games", str(folder / "games.json"), "--plays", str(folder / "plays.csv")]
    result = app([*command, *where], exit_on_error=False, print_error=False)
    assert isinstance(result, int)
    return result


def run(folder: Path, *words: str) -> int:
    return typed(folder, "run", "--out", str(folder / "out"), *words)


@pytest.mark.slow
def test_an_engineer_checks_runs_and_looks(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:  # T30
    assert typed(folder, "check") == 1
    assert (
        "5 plays, 8 clips" in (shown := capsys.readouterr().out) and "1 rows rejected: unknown_angle" in shown
    )
    monkeypatch.setenv("GCS_TRAINING_BUCKET", "training")
    assert (
        run(folder, "--format", "seed,gemini,webdataset,hf", "--annotate", "A {play_type}[ from {side}]") == 0
    )
    shown = capsys.readouterr().out
    assert "1 games complete, 0 failed, 0 pending; 6 clips, 4 failed" in shown
    assert "p4: failed: the play ends at 90 s" in shown and "note: few_examples" in shown
    game = folder / "out/games/g1"
    lines = [
        json.loads(line)
        for name in ("training", "validation")
        for line in (game / f"{name}_data.jsonl").read_text().splitlines()
    ]
    assert {line["textPrompt"] for line in lines} == {"A drive from left", "A from right", "A shot from left"}
    assert all(line["videoGcsUri"].startswith("gs://training/games/g1/clips/p") for line in lines)
    for line in lines:  # each clip shows its own camera, from its own start
        path = folder / "out" / line["videoGcsUri"].removeprefix("gs://training/")
        play, _, camera = path.stem.partition("_")
        first = CAMERAS.index(camera) * CAMERA_STEP + {"p1": 30, "p2": 60, "p3": 45}[play]
        assert shown_in(path).numbers[0] == first
    assert not (folder / "out/.work").exists()
    assert app(["dataset", "status", "--out", str(folder / "out")]) == 0
    assert "6 clips, 4 failed, 1 rows rejected" in capsys.readouterr().out


def test_a_second_run_only_names_what_stood(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    use_inside_worker(monkeypatch)
    assert run(folder, "--mode", "copy") == 0
    capsys.readouterr()
    assert run(folder, "--mode", "copy", "--delete-game", "other") == 0
    assert "6 of them stand" in capsys.readouterr().out
    assert run(folder, "--mode", "copy", "--delete-game", "g1") == 0
    assert not (folder / "out/games").exists()
    assert app(["dataset", "status", "--out", str(folder / "out")]) == 0
    games = ["--games", str(folder / "games.json")]
    assert app(["dataset", "status", "--out", str(folder / "out"), *games]) == 1
    assert "not begun" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--format", "csv"], "formats.0"),
        (["--annotate", "{"], "template"),
        (["--plays", "postgrest:http://db.example"], "https://"),
        (["--plays", "postgrest:https://db.example"], "SUPABASE_SERVICE_KEY"),
        (["--plays", "none.csv"], "No such file"),
        (["--sources", "s3://bucket/a"], "AWS_ACCESS_KEY_ID"),
        (["--sources", "box"], "both of the box, or neither"),
        (["--game-limit", "0"], "game_limit_s"),
    ],
)
def test_wrong_options_are_one_line_and_code_2(
    folder: Path,
    words: list[str],
    said: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # T01 T29
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    given = {"--games": str(folder / "games.json"), "--plays": str(folder / "plays.csv")}
    given |= {"--sources": str(folder / "src"), "--out": str(folder / "out")}
    given |= dict(zip(words[::2], words[1::2], strict=True))
    command = ["dataset", "run", *(word for pair in given.items() for word in pair)]
    assert app(command, exit_on_error=False, print_error=False) == 2
    errors = capsys.readouterr().err
    assert said in errors and errors.startswith("error: ") and "Traceback" not in errors


def test_roots_may_come_from_the_environment() -> None:  # T29
    with pytest.raises(BadInput, match="GCS_TRAINING_BUCKET"):
        asked.open_out("", {})
    key = {"GOOGLE_SERVICE_ACCOUNT": "/none.json", "GCS_TRAINING_BUCKET": "gs://training/"}
    assert asked.bucket_of(key, "GCS_TRAINING_BUCKET") == "gs://training"
    with pytest.raises(BadInput, match="GCS_VIDEO_BUCKET"):
        asked.read_asked(Path("games.json"), "plays.csv", "", {})


def test_a_run_of_the_box_is_started_there_and_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    asked_for: list[httpx.Request] = []
    answers = [{"id": "r1"}, {"status": "processing"}, {"status": "processing"}, {"status": "completed"}]

    def answer(request: httpx.Request) -> httpx.Response:
        asked_for.append(request)
        return httpx.Response(200, json=answers[len(asked_for) - 1])

    runs = BoxRuns("http://box", "token", httpx.MockTransport(answer))
    run_id = runs.start({"game_ids": ["g1"]})
    assert [run["status"] for run in runs.follow(run_id, 0)] == ["processing", "processing", "completed"]
    assert [request.url.path for request in asked_for] == ["/dataset-runs", *["/dataset-runs/r1"] * 3]
    assert asked_for[0].headers["authorization"] == "Bearer token"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (httpx.Response(403, json={"detail": "an operator may"}), "403: an operator may"),
        (httpx.Response(200, text="<html>"), "without a reason"),
        (None, "does not answer"),
    ],
)
def test_a_box_that_refuses_says_why(answer: httpx.Response | None, said: str) -> None:
    def send(request: httpx.Request) -> httpx.Response:
        if answer is None:
            raise httpx.ConnectError("refused")
        return answer

    with pytest.raises(BadInput, match=said):
        BoxRuns("http://box", transport=httpx.MockTransport(send), pause_s=0).newest()


@pytest.mark.parametrize(("failures", "begins"), [(2, True), (3, False)])
def test_a_trigger_is_tried_three_times_where_nothing_was_sent(failures: int, begins: bool) -> None:  # T03a
    sent: list[httpx.Request] = []

    def send(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        if len(sent) <= failures:
            raise httpx.ConnectError("refused")
        return httpx.Response(202, json={"id": "r1"})

    runs = BoxRuns("http://box", transport=httpx.MockTransport(send), pause_s=0)
    if begins:
        assert runs.start({"game_ids": ["g1"]}) == "r1"
    else:
        with pytest.raises(BadInput, match="does not answer"):
            runs.start({"game_ids": ["g1"]})
    assert len(sent) == 3


def test_a_trigger_that_was_not_answered_in_time_is_not_sent_twice() -> None:  # T03a
    sent: list[httpx.Request] = []

    def send(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        raise httpx.ReadTimeout("10 s")

    with pytest.raises(BadInput, match="does not answer"):
        BoxRuns("http://box", transport=httpx.MockTransport(send), pause_s=0).start({})
    assert len(sent) == 1
