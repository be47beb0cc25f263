"""Dataset runs over HTTP: the trigger of the first pipeline, and runs of many games."""

from __future__ import annotations

import pytest

from appliance.box.datasets.plays.checked import GamePlays
from appliance.box.datasets.plays.postgrest import PlaysUnavailable
from tests.box.datasets.on_box.conftest import Desk

GAME = "23135de8-36ca-4882-bdf1-8796cd8caa8a"


async def test_the_trigger_is_answered_at_once_with_all_fields(desk: Desk) -> None:  # T03 T16
    answer = await desk.client().post("/", {"game_id": GAME})
    assert answer.status == 202
    run = answer.json
    assert run["status"] == "processing" and run["message"] == "Processing started"
    assert run["game_id"] == GAME and run["id"] == run["run_id"]
    assert (run["total_plays"], run["successful_clips"], run["failed_clips"]) == (0, 0, 0)
    assert run["jsonl_files"] is None and run["games"][0]["status"] == "waiting"
    assert (await desk.client().get(f"/dataset-runs/{run['id']}")).json == run
    assert [event["type"] for event in desk.events()] == ["dataset_run_created"]


async def test_a_second_trigger_joins_the_run_of_the_game(desk: Desk) -> None:  # T03b
    client = desk.client()
    first, second = [(await client.post("/", {"game_id": GAME})).json["id"] for _ in range(2)]
    assert first == second
    assert (await client.post("/", {"game_id": "other"})).json["id"] != first


@pytest.mark.parametrize("body", [{}, {"game_id": None}])
async def test_a_trigger_without_a_game_is_400(desk: Desk, body: dict[str, None]) -> None:  # T07
    answer = await desk.client().post("/", body)
    assert answer.status == 400 and answer.json["error"] == "missing game_id"
    assert answer.json["errors"] == [{"loc": "game_id", "msg": "is required"}]


async def test_a_query_that_fails_is_500_supabase_error(desk: Desk) -> None:  # T07
    class Broken:
        async def plays(self, game_id: str) -> GamePlays:
            raise PlaysUnavailable("the plays cannot be read: status 503")

    desk.plays = Broken
    answer = await desk.client().post("/", {"game_id": GAME})
    assert answer.status == 500 and answer.json["error"] == answer.json["code"] == "supabase_error"
    assert "SUPABASE_SERVICE_KEY" in answer.json["hint"] and desk.events() == []


async def test_a_run_of_many_games_is_listed_and_each_game_runs_once(desk: Desk) -> None:  # T01
    client = desk.client()
    body = {"game_ids": ["g2", "g1", "g2"], "formats": ["seed", "hf"], "split_seed": "s"}
    run = (await client.post("/dataset-runs", body)).json
    assert [game["game_id"] for game in run["games"]] == ["g2", "g1"] and run["game_id"] is None
    assert run["request"]["formats"] == ["seed", "hf"]
    desk.clock.advance(1)
    await client.post("/dataset-runs", {"game_ids": ["g3"]})
    listed = (await client.get("/dataset-runs?limit=1")).json
    assert [each["id"] for each in listed["items"]] == [run["id"]] and listed["next_cursor"]


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ({"game_ids": "g1"}, "game_ids"),
        ({"game_ids": []}, "game_ids"),
        ({"game_ids": ["../g"]}, "game_ids.0"),
        ({"game_ids": ["g"], "formats": ["csv"]}, "formats.0"),
        ({"game_ids": ["g"], "template": "{"}, "template"),
        ({"game_ids": ["g"], "out": "/etc"}, "out"),
    ],
)
async def test_a_wrong_field_is_named(desk: Desk, body: dict[str, object], wrong: str) -> None:  # T01 T29
    answer = await desk.client().post("/dataset-runs", body)
    assert answer.status == 422 and list(answer.wrong) == [wrong]


async def test_a_run_is_canceled_once(desk: Desk) -> None:
    client = desk.client()
    run = (await client.post("/dataset-runs", {"game_ids": ["g1"]})).json
    answer = await client.post(f"/dataset-runs/{run['id']}/cancel")
    assert answer.status == 202 and answer.json["message"] == "Ending"
    assert (await client.post("/dataset-runs/none/cancel")).status == 404
    assert (await client.get("/dataset-runs/none")).status == 404
