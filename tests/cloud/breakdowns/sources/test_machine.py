"""The states of a video."""

from __future__ import annotations

from appliance.cloud.breakdowns.sources.machine import SOURCE, USABLE, SourceEvent, SourceState

S, E = SourceState, SourceEvent


def test_a_locked_video_can_be_marked_corrupt_and_nothing_else() -> None:  # L27 L28a
    assert SOURCE.allowed(S.LOCKED) == [E.LOCK, E.CORRUPT]
    assert SOURCE.next(S.LOCKED, E.LOCK) is S.LOCKED


def test_a_corrupt_video_never_comes_back() -> None:  # L28
    assert SOURCE.allowed(S.CORRUPT) == SOURCE.allowed(S.LOST) == []


def test_a_failed_copy_may_succeed_later() -> None:
    assert SOURCE.next(S.FAILED, E.ACCEPT) is S.ACCEPTED
    assert SOURCE.next(S.PENDING, E.FAIL) is S.FAILED


def test_only_a_usable_video_is_logged() -> None:
    assert {state for state in S if E.LOCK in SOURCE.allowed(state)} == set(USABLE)
