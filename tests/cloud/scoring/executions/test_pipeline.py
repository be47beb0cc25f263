"""Executions from the order to the report, on both databases."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
import trio

from appliance.cloud.scoring.executions.store import get_execution, order_again, order_of
from appliance.kernel.errors import Refused, Unavailable
from appliance.kernel.operation import Caller
from appliance.kernel.store import Store
from tests.cloud.scoring.executions.kit import LEAGUE, URL, Season, bench_over, match, tools_over
from tests.kit.waiting import LIMIT_S


def summary(row: dict[str, str]) -> dict[str, int]:
    counts: dict[str, int] = json.loads(row["summary"])
    return counts


async def test_matches_are_made_then_a_round_is_updated_and_the_table_follows(
    store: Store, tmp_path: Path
) -> None:  # D12 D15 D18 D20 D23
    season = Season(copy.deepcopy(LEAGUE))
    async with bench_over(store, tmp_path, season) as bench:
        made = await bench.run("create")
        assert (made["status"], made["failures"], made["error"]) == ("completed", 0, None)
        counts = summary(made)
        assert (counts["created"], counts["changed"], counts["table"]["rows"]) == (4, 0, 4)  # type: ignore[index]
        season.matches[2] = match(2, "B", "C", 1, 0)
        season.matches[3] = match(2, "D", "A", 3, 3)
        season.matches[0] = match(1, "A", "B", 5, 5)  # of another round: it is not touched
        updated = await bench.run("round", "matchday-2")
        counts = summary(updated)
        assert (counts["matches"], counts["changed"], counts["unchanged"]) == (2, 2, 0)
        again = summary(await bench.run("round", "matchday-2"))
        assert (again["changed"], again["unchanged"]) == (0, 2)
        table = await bench.run("standings")
        report = await bench.report(table)
        changed = {each["team"]: each["after"].get("points") for each in report["table"]["changes"]}
        assert changed == {"A": 4, "B": 3, "C": None, "D": 2}
        rows = await bench.rows(
            "SELECT home_score, away_score FROM matches WHERE slug = 'matchday-1' ORDER BY 1"
        )
        assert [tuple(row.values()) for row in rows] == [(0, 0), (2, 1)]


async def test_every_round_is_updated_and_one_that_fails_stops_no_other(
    store: Store, tmp_path: Path
) -> None:  # D19 D24
    season = Season(copy.deepcopy(LEAGUE), by_round=True)
    async with bench_over(store, tmp_path, season) as bench:
        await bench.run("create", input={"rounds": ["matchday-1", "matchday-2"]})
        season.matches[2] = match(2, "B", "C", 1, 0)
        season.failing = {"first:ref:matchday-1"}
        row = await bench.run("matches")
        assert (row["status"], row["failures"]) == ("completed", 1)
        counts = summary(row)
        assert (counts["operations"], counts["successes"], counts["failures"]) == (2, 1, 1)
        assert counts["changed"] == 1
        report = await bench.report(row)
        assert [(each["round"], each["status"], each["error"]) for each in report["rounds"]] == [
            ("matchday-1", "failure", "first cannot be reached"),
            ("matchday-2", "success", None),
        ]
        season.failing = {"first:ref:matchday-1", "first:ref:matchday-2"}
        row = await bench.run("matches")
        assert (row["status"], row["stage"], row["error"]) == ("failed", "fetch", "first cannot be reached")
        assert row["report_key"] is not None  # a failed one has its report too


async def test_a_fallback_provider_updates_matches_and_makes_none(
    store: Store, tmp_path: Path
) -> None:  # B09
    first, second = Season(copy.deepcopy(LEAGUE)), Season([], "second")
    second.matches = [match(1, "A", "B", 2, 1), match(2, "B", "C", 4, 4), match(3, "X", "Y", 1, 0)]
    async with bench_over(store, tmp_path, first, second) as bench:
        await bench.run("create")
        for name in "ABC":
            sql = "SELECT id FROM teams WHERE name = ?"
            (team,) = await bench.rows(sql, name)
            row = {"id": f"alias-{name}", "team_id": team["id"], "provider": "second", "name": name}
            row |= {"created_by": "test", "created_us": 0}
            await store.write(lambda tx, row=row: tx.insert("team_aliases", row))  # type: ignore[misc]
        first.failing = {"first:ref:"}
        row = await bench.run("round", "matchday-2")
        assert row["status"] == "completed" and summary(row)["changed"] == 1
        report = await bench.report(row)
        (only,) = report["rounds"]
        assert only["provider"] == "second"
        assert only["fallbacks"] == [{"provider": "first", "error": "first cannot be reached"}]
        assert len(await bench.rows("SELECT 1 FROM matches")) == 4
        assert await bench.rows("SELECT 1 FROM teams WHERE name IN ('X', 'Y')") == []


async def test_a_run_is_repeated_from_its_kept_answers(store: Store, tmp_path: Path) -> None:
    season = Season(copy.deepcopy(LEAGUE))
    async with bench_over(store, tmp_path, season) as bench:
        await bench.run("create")
        season.matches[2] = match(2, "B", "C", 1, 0)
        row = await bench.run("round", "matchday-2")
        await store.write(lambda tx: tx.run("UPDATE matches SET home_score = 9 WHERE home_score = 1"))
        fetched = len(season.fetched)
        order = await store.read(lambda tx: order_again(tx, row["id"], Caller(), from_raw=True))
        again = await bench.executor.execute(order)
        assert (again["repeats"], again["status"], summary(again)["changed"]) == (row["id"], "completed", 1)
        assert len(season.fetched) == fetched
        first, second = await bench.report(row), await bench.report(again)
        assert first["rounds"][0]["raw"] == second["rounds"][0]["raw"]
        live = await store.read(lambda tx: order_again(tx, row["id"], Caller(), from_raw=False))
        assert (await bench.executor.execute(live))["status"] == "completed"
        assert len(season.fetched) == fetched + 1
        table = await bench.run("standings")
        with pytest.raises(Refused) as caught:
            await store.read(lambda tx: order_again(tx, "none", Caller(), from_raw=True))
        assert caught.value.status == 404
        assert (
            await store.read(lambda tx: order_again(tx, table["id"], Caller(), from_raw=True))
        ).is_from_raw is False


async def test_the_report_is_stored_as_json_and_markdown(store: Store, tmp_path: Path) -> None:  # D16 D23
    async with bench_over(store, tmp_path, Season(copy.deepcopy(LEAGUE))) as bench:
        row = await bench.run("create")
        report = await bench.report(row)
        text = (await bench.objects.read(f"{row['report_key']}.md")).decode()
        assert report["execution"]["id"] == row["id"] and report["tournament"]["name"] == "League"
        assert set(report["stages_ms"]) >= {"validate", "fetch", "upsert"}
        assert report["rounds"][0]["by_round"] == {"matchday-1": 2, "matchday-2": 2}
        assert text.startswith("# League: create completed\n") and "| all | first | 4 | 4 | 0 | 0 |" in text
        shown = await store.read(lambda tx: get_execution(tx, row["id"], Caller(), URL))
        base = f"{URL}/api/v2/data-provider/reports/{row['id']}"
        assert shown["report"] == {"json": f"{base}.json", "markdown": f"{base}.md"}
        assert shown["duration_ms"] >= 0 and shown["rounds"][0]["provider"] == "first"


async def test_equal_runs_have_reports_of_equal_content(store: Store, tmp_path: Path) -> None:
    async with bench_over(store, tmp_path, Season(copy.deepcopy(LEAGUE))) as bench:
        await bench.run("create")
        hashes = [(await bench.report(await bench.run("standings")))["content_hash"] for _ in range(2)]
        assert len(set(hashes)) == 1


async def test_without_the_object_store_the_result_counts_and_says_so(store: Store, tmp_path: Path) -> None:
    async with bench_over(store, tmp_path, Season(copy.deepcopy(LEAGUE))) as bench:
        await bench.run("create")

        async def create(key: str, data: bytes) -> bool:
            raise Unavailable("objects_unavailable", "the disk is full")

        bench.objects.create = create  # type: ignore[method-assign]
        row = await bench.run("standings")
        assert (row["status"], row["report_key"]) == ("completed", None)
        assert "object store" in row["warnings"]


@pytest.mark.parametrize(
    "answer", [b"<html>", b"[]", b'{"matches": []}', b"\xff", b'{"matches": [{"team1": 1']
)
async def test_a_hostile_answer_fails_the_round_and_changes_nothing(
    answer: bytes, store: Store, tmp_path: Path
) -> None:
    season = Season(copy.deepcopy(LEAGUE))
    async with bench_over(store, tmp_path, season) as bench:
        await bench.run("create")
        season.answer = answer
        row = await bench.run("round", "matchday-1")
        assert (row["status"], row["stage"]) == ("failed", "fetch") and row["error"]
        assert {each["rev"] for each in await bench.rows("SELECT rev FROM matches")} == {1}
        kept = await bench.rows("SELECT raw_key FROM execution_rounds WHERE execution_id = ?", row["id"])
        assert kept == [{"raw_key": None}]


async def test_an_error_of_the_program_fails_one_execution(store: Store, tmp_path: Path) -> None:  # D09
    season = Season(copy.deepcopy(LEAGUE))
    async with bench_over(store, tmp_path, season) as bench:
        await bench.run("create")
        season.crash = ZeroDivisionError("secret value")
        row = await bench.run("matches")
        assert (row["status"], row["error"]) == ("failed", "an error of the program: ZeroDivisionError")
        season.crash = None
        assert (await bench.run("matches"))["status"] == "completed"


async def test_a_tournament_that_is_gone_fails_at_validation(store: Store, tmp_path: Path) -> None:  # D17
    async with bench_over(store, tmp_path, Season(copy.deepcopy(LEAGUE))) as bench:
        row = await bench.run("matches")
        assert (row["status"], row["stage"]) == ("failed", "validate") and "no matches" in row["error"]
        await bench.run("create")
        row = await bench.run("round", "matchday-9")
        assert (row["status"], row["stage"]) == ("failed", "validate")
        assert "no round matchday-9" in row["error"]


async def test_the_same_update_that_runs_is_not_begun_twice(store: Store, tmp_path: Path) -> None:
    season = Season(copy.deepcopy(LEAGUE))
    async with bench_over(store, tmp_path, season) as bench:
        await bench.run("create")
        season.gate, bench.executor.wait_s = trio.Event(), 0.05
        rows = [await bench.run("matches"), await bench.run("matches")]
        assert len({row["id"] for row in rows}) == 1
        other = await bench.run("round", "matchday-1")
        assert other["id"] != rows[0]["id"]
        season.gate.set()


async def test_after_its_time_a_request_gets_the_execution_in_progress(store: Store, tmp_path: Path) -> None:
    season = Season(copy.deepcopy(LEAGUE))
    async with bench_over(store, tmp_path, season) as bench:
        await bench.run("create")
        season.gate, bench.executor.wait_s = trio.Event(), 0.05
        row = await bench.run("matches")
        assert (row["status"], row["ended_us"]) == ("in_progress", None)
        season.gate.set()
        bench.executor.wait_s = LIMIT_S
        assert (await bench.run("matches"))["status"] == "completed"
        assert order_of(row).operation == "matches"


async def test_a_process_that_dies_is_found_and_its_run_repeated(store: Store, tmp_path: Path) -> None:  # D15
    """The first process is cancelled in the middle of a request, as when it ends; the lease ends with it."""
    season = Season(copy.deepcopy(LEAGUE))
    async with bench_over(store, tmp_path, season) as bench:
        await bench.run("create")
        season.matches[2] = match(2, "B", "C", 1, 0)
        season.gate, bench.executor.wait_s = trio.Event(), 0.05
        begun = await bench.run("round", "matchday-2")
    assert begun["status"] == "in_progress"
    season.gate = None
    other = tools_over(store, tmp_path, season, owner="process-2")
    async with bench_over(store, tmp_path, season, executor=lambda _: type(bench.executor)(other)) as bench:
        with trio.fail_after(LIMIT_S):
            await bench.ended_repeat(begun["id"])
        rows = await bench.rows("SELECT * FROM executions WHERE repeats = ?", begun["id"])
        (again,) = rows
        assert (again["status"], again["attempt"], again["process"]) == ("completed", 2, "process-2")
        (closed,) = await bench.rows("SELECT * FROM executions WHERE id = ?", begun["id"])
        assert (closed["status"], closed["error"]) == (
            "failed",
            "the process that ran it ended; it is run again",
        )
        assert summary(again)["changed"] == 1


async def test_a_round_that_was_drawn_meanwhile_is_made_and_teams_are_not(
    store: Store, tmp_path: Path
) -> None:  # D14
    season = Season(copy.deepcopy(LEAGUE))
    async with bench_over(store, tmp_path, season) as bench:
        await bench.run("create")
        season.matches.append(match(2, "A", "C"))  # another one of a known round
        season.matches += [{**match(9, "A", "B", 1, 0), "round": "Final"}]
        season.matches[2] = match(2, "B", "C", 3, 0)
        counts = summary(await bench.run("matches"))
        assert (counts["created"], counts["changed"], counts["unchanged"]) == (2, 1, 3)
        assert (counts["operations"], counts["failures"]) == (3, 0) and not counts["defects"]
        assert summary(await bench.run("matches"))["created"] == 0
        season.matches.append({**match(9, "X", "B"), "round": "Final"})
        row = await bench.run("matches")
        assert summary(row)["created"] == 0 and row["status"] == "completed"
        assert "unmapped_team" in row["summary"]
        assert len(await bench.rows("SELECT 1 FROM teams")) == 4


async def test_other_names_of_stages_make_no_match_twice(store: Store, tmp_path: Path) -> None:
    season = Season(copy.deepcopy(LEAGUE))
    async with bench_over(store, tmp_path, season) as bench:
        await bench.run("create")
        await store.write(lambda tx: tx.run("UPDATE matches SET stage = 'Premier League'"))
        season.matches[2] = match(2, "B", "C", 3, 0)
        counts = summary(await bench.run("matches"))
        assert (counts["created"], counts["changed"]) == (0, 1)
        assert len(await bench.rows("SELECT 1 FROM matches")) == 4
