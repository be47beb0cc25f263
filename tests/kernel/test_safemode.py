"""Safe mode: three abnormal exits in two minutes, counted across restarts, left one part at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from appliance.kernel import safemode
from appliance.kernel.safemode import (
    AGAIN_S,
    MARKER,
    QUIET_S,
    Marker,
    MarkerFile,
    SafeMode,
    SafeModeDecision,
    decide,
    open_safe_mode,
    run_leaving,
)
from tests.kit.box import in_the_loop

SECOND = 1_000_000
PARTS = ("old", "cutting", "files")


def crash_starts(*at_s: float) -> list[bool]:
    """Safe mode or not, for runs started at these seconds, each after an abnormal end."""
    left: Marker | None = None
    results: list[bool] = []
    for second in at_s:
        left, decision = decide(left, boot="b", now_us=int(second * SECOND))
        results.append(decision.on)
    return results


def test_the_fourth_start_after_three_quick_crashes_is_safe() -> None:
    assert crash_starts(0, 10, 20, 30) == [False, False, False, True]


def test_slow_crashes_never_lead_to_safe_mode() -> None:
    assert crash_starts(0, 70, 140, 210, 280, 350) == [False] * 6


def test_the_window_is_two_minutes_to_the_microsecond() -> None:
    assert crash_starts(0, 10, 20, 129.999999) == [False, False, False, True]
    assert crash_starts(0, 10, 20, 130) == [False] * 4


def test_a_crash_long_after_safe_mode_is_one_crash() -> None:
    assert crash_starts(0, 10, 20, 30, 400) == [False, False, False, True, False]


def test_a_reboot_is_no_crash_and_another_release_begins_anew() -> None:
    left, _ = decide(Marker("old boot", (1, 2, 3)), boot="b", now_us=5)
    assert left == Marker("b")
    left, decision = decide(Marker("b", (1, 2, 3), version="1"), boot="b", now_us=5, version="2")
    assert left == Marker("b", version="2") and not decision.on


def test_the_reason_names_the_count_and_the_last_error() -> None:
    _, decision = decide(Marker("b", (1, 2), "StoreBroken: disk I/O error"), boot="b", now_us=3)
    assert decision == SafeModeDecision(
        True, 3, "3 abnormal exits in 2 minutes; the last: StoreBroken: disk I/O error"
    )


def test_a_part_that_ended_the_box_when_it_was_turned_on_is_held_back_at_the_next_start() -> None:
    record, decision = decide(Marker("b", (), "boom", trying="files"), boot="b", now_us=900 * SECOND)
    assert decision.on and "turning on files ended the box" in decision.reason
    assert record.ended == {"files": 1} and not record.trying
    safe = SafeMode(decision, PARTS, PARTS, record.ended)
    assert safe.off_parts() == ["old", "cutting", "files"]
    assert (safe.pause_s("old"), safe.pause_s("files")) == (QUIET_S, AGAIN_S)
    twice = SafeMode(decision, PARTS, PARTS, {"old": 2})
    assert twice.off_parts() == ["cutting", "files", "old"] and twice.pause_s("old") == 2 * AGAIN_S


@pytest.fixture
def one_boot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(safemode, "boot_id", lambda: "b")
    monkeypatch.setattr(safemode, "boottime_us", lambda: 500 * SECOND)


@contextmanager
def run_of(state: Path) -> Iterator[tuple[SafeMode, MarkerFile]]:
    with open_safe_mode(state, PARTS, last_resort="recordings") as opened:
        yield opened


def crash(state: Path, times: int) -> None:
    for _ in range(times):
        with pytest.raises(ValueError, match="bug"), run_of(state):
            raise ValueError("bug")


@pytest.mark.usefixtures("one_boot")
def test_crashes_are_remembered_over_restarts_and_a_clean_end_forgets_them(tmp_path: Path) -> None:
    state = tmp_path / "state"
    crash(state, 3)
    with run_of(state) as (safe, _):
        assert safe.on and "ValueError: bug" in safe.reason
        assert safe.off_parts() == list(PARTS) and safe.hold("recordings").is_set()
    assert not (state / MARKER).exists()
    with run_of(state) as (safe, _):
        assert not safe.on and all(safe.hold(part).is_set() for part in PARTS)


@pytest.mark.usefixtures("one_boot")
def test_a_box_that_ends_in_safe_mode_too_holds_back_its_last_resort(tmp_path: Path) -> None:
    crash(tmp_path, 4)
    with run_of(tmp_path) as (safe, _):
        assert safe.off_parts() == ["recordings", *PARTS]


@pytest.mark.usefixtures("one_boot")
def test_a_killed_run_leaves_its_marker_from_the_first_moment(tmp_path: Path) -> None:
    with run_of(tmp_path):
        left = (tmp_path / MARKER).read_text()
    (tmp_path / MARKER).write_text(left)  # as kill -9 would have left it
    with run_of(tmp_path) as (safe, _):
        assert (safe.on, safe.exits) == (False, 1)


@pytest.mark.usefixtures("one_boot")
@pytest.mark.parametrize("left", ["", "[]", '{"boot_id": 1}', "\x00"])
def test_a_marker_that_cannot_be_read_is_no_marker(tmp_path: Path, left: str) -> None:
    (tmp_path / MARKER).write_text(left)
    with run_of(tmp_path) as (safe, _):
        assert not safe.on


@pytest.mark.usefixtures("one_boot")
async def test_parts_come_back_one_at_a_time_and_the_box_is_as_before(
    tmp_path: Path, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trio.to_thread, "run_sync", in_the_loop)
    crash(tmp_path, 3)
    began_s = trio.current_time()
    with run_of(tmp_path) as (safe, marker_file):
        async with trio.open_nursery() as nursery:
            await nursery.start(run_leaving, safe, marker_file)
            for number, part in enumerate(PARTS):
                await safe.hold(part).wait()
                assert trio.current_time() - began_s == pytest.approx(QUIET_S * (2 * number + 1))
                assert marker_file.marker.trying == part, "the next start knows what was tried"
                assert safe.off_parts() == list(PARTS[number + 1 :])
        assert not safe.on and not marker_file.marker.trying and not marker_file.marker.was_safe
        assert marker_file.marker.exits_us == (), "what is over does not count any more"


async def test_a_box_without_safe_mode_has_nothing_to_leave(tmp_path: Path) -> None:
    safe = SafeMode(SafeModeDecision(False), PARTS, (), {})
    await run_leaving(safe, MarkerFile(tmp_path / MARKER, Marker("b")))
    assert not (tmp_path / MARKER).exists()
