"""Safe mode: three abnormal exits in two minutes, counted over restarts, forgotten by a clean end."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.kernel import safemode
from appliance.kernel.safemode import MARKER, Record, SafeMode, decide, open_safe_mode

SECOND = 1_000_000


def crash_starts(*at_s: float) -> list[bool]:
    """Safe mode or not, for a run started at each of these seconds after one that ended abnormally."""
    left: Record | None = None
    found: list[bool] = []
    for second in at_s:
        left, mode = decide(left, boot="b", now_us=int(second * SECOND))
        found.append(mode.on)
    return found


def test_the_fourth_start_after_three_quick_crashes_is_safe() -> None:
    assert crash_starts(0, 10, 20, 30) == [False, False, False, True]


def test_slow_crashes_never_lead_to_safe_mode() -> None:
    assert crash_starts(0, 70, 140, 210, 280, 350) == [False] * 6


def test_the_window_is_two_minutes_to_the_microsecond() -> None:
    assert crash_starts(0, 10, 20, 129.999999) == [False, False, False, True]
    assert crash_starts(0, 10, 20, 130) == [False] * 4


def test_safe_mode_ends_by_itself_when_it_held_for_two_minutes() -> None:
    assert crash_starts(0, 10, 20, 30, 400) == [False, False, False, True, False]


def test_a_reboot_is_no_crash() -> None:
    left, _ = decide(Record("old boot", (1, 2, 3)), boot="b", now_us=5)
    assert left == Record("b")


def test_the_reason_names_the_count_and_the_last_error() -> None:
    _, mode = decide(Record("b", (1, 2), "StoreBroken: disk I/O error"), boot="b", now_us=3)
    assert mode == SafeMode(True, 3, "3 abnormal exits in 2 minutes; the last: StoreBroken: disk I/O error")


@pytest.fixture
def one_boot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(safemode, "boot_id", lambda: "b")
    monkeypatch.setattr(safemode, "boottime_us", lambda: 500 * SECOND)


@pytest.mark.usefixtures("one_boot")
def test_crashes_are_remembered_over_restarts_and_a_clean_end_forgets_them(tmp_path: Path) -> None:
    state = tmp_path / "state"
    for _ in range(3):
        with pytest.raises(ValueError, match="bug"), open_safe_mode(state) as mode:
            assert not mode.on
            raise ValueError("bug")
    with open_safe_mode(state) as mode:
        assert mode.on and "ValueError: bug" in mode.reason
    assert not (state / MARKER).exists()
    with open_safe_mode(state) as mode:
        assert not mode.on


@pytest.mark.usefixtures("one_boot")
def test_a_killed_run_leaves_its_marker_from_the_first_moment(tmp_path: Path) -> None:
    with open_safe_mode(tmp_path):
        left = (tmp_path / MARKER).read_text()
    (tmp_path / MARKER).write_text(left)  # as kill -9 would have left it
    with open_safe_mode(tmp_path) as mode:
        assert (mode.on, mode.exits) == (False, 1)


@pytest.mark.parametrize(
    "damage", ["", "{", "[]", '{"boot_id": "b"}', '{"boot_id":"b","exits_us":[null],"reason":""}']
)
@pytest.mark.usefixtures("one_boot")
def test_a_damaged_marker_never_stops_a_start(tmp_path: Path, damage: str) -> None:
    (tmp_path / MARKER).write_text(damage)
    with open_safe_mode(tmp_path) as mode:
        assert not mode.on


@pytest.mark.usefixtures("one_boot")
def test_a_state_folder_that_cannot_be_written_never_stops_a_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with open_safe_mode(tmp_path / "file" / "state") as mode:
        assert not mode.on
