"""Measurements become text, and each problem says what to do."""

from __future__ import annotations

import pytest

from appliance.ops.health import (
    GB,
    Board,
    DiskSpace,
    HealthPart,
    clock_part,
    disk_part,
    journal_part,
    loop_part,
    safe_mode_part,
    store_part,
    worst,
)


@pytest.mark.parametrize(
    ("free_gb", "status"), [(30, "ok"), (20, "ok"), (19.9, "warn"), (10, "warn"), (9.9, "bad")]
)
def test_disk_space_is_judged_by_aim_and_reserve(free_gb: float, status: str) -> None:
    space = DiskSpace("/srv/recordings", int(free_gb * GB), 500 * GB)
    part = disk_part(space, reserve_bytes=10 * GB, min_free_bytes=20 * GB)
    assert part.status == status
    assert f"{free_gb:.1f} GB of 500.0 GB" in part.detail
    assert (part.hint is None) == (status == "ok")


def test_a_disk_that_is_not_there_is_bad() -> None:
    part = disk_part(DiskSpace("/srv", -1, -1, "No such file"), reserve_bytes=0, min_free_bytes=0)
    assert (part.status, part.detail) == ("bad", "/srv: No such file")


@pytest.mark.parametrize(
    ("step_us", "status"),
    [(0, "ok"), (-100_000, "ok"), (200_000, "warn"), (-500_001, "bad"), (3_600_000_000, "bad")],
)
def test_a_clock_step_beyond_half_a_second_is_bad(step_us: int, status: str) -> None:
    assert clock_part(step_us).status == status


@pytest.mark.parametrize(
    ("queue", "probe_s", "silent_s", "error", "status"),
    [
        (3, 0.001, 0.5, "", "ok"),
        (501, 0.001, 0.5, "", "warn"),
        (0, 1.5, 0.5, "", "warn"),
        (0, 0.001, 10.5, "", "bad"),
        (0, None, 0.0, "", "bad"),
        (0, 0.001, 0.5, "the disk of the database is full", "bad"),
    ],
)
def test_the_store_is_judged_by_its_answers(
    queue: int, probe_s: float | None, silent_s: float, error: str, status: str
) -> None:
    assert store_part(queue=queue, probe_s=probe_s, silent_s=silent_s, error=error).status == status


def test_a_log_that_cannot_shrink_is_reported() -> None:
    assert journal_part(head=10, oldest=1, wal_bytes=1 << 20).detail.startswith("10 entries up to 10")
    assert journal_part(head=10, oldest=1, wal_bytes=65 << 20).status == "warn"
    behind = journal_part(head=10, oldest=8, wal_bytes=0, lost=["scoring"])
    assert behind.status == "bad" and "scoring" in behind.detail


@pytest.mark.parametrize(("lag_s", "status"), [(0.01, "ok"), (0.3, "warn"), (2.5, "bad")])
def test_the_loops_turns_are_judged(lag_s: float, status: str) -> None:
    assert loop_part(lag_s).status == status


def test_safe_mode_is_red_and_says_why() -> None:
    part = safe_mode_part(["cutting", "files"], "3 abnormal exits in 2 minutes", 90.0)
    assert part.status == "bad" and part.detail.startswith("3 abnormal exits") and part.hint
    assert "cutting, files" in part.detail and "cutting: tried again in 2 min" in part.detail
    assert safe_mode_part([], "").status == "ok"


def test_the_board_calls_each_part_when_it_is_read() -> None:
    board = Board()
    state = [HealthPart("ok", "fine")]
    board.add("disk", lambda: state[0])
    assert board.parts() == {"disk": {"status": "ok", "detail": "fine", "hint": None}}
    state[0] = HealthPart("ok", "fine", figures={"free_bytes": 5.0})
    assert board.parts()["disk"]["figures"] == {"free_bytes": 5.0}
    state[0] = HealthPart("bad", "gone", "plug it in")
    assert worst(board.parts()) == "bad"
    assert worst({}) == "ok"
    with pytest.raises(ValueError, match="two health parts"):
        board.add("disk", lambda: state[0])
