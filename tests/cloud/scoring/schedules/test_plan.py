"""The schedules of a day: the documents' times and ids."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.cloud.scoring.schedules.plan import (
    Fixture,
    Schedule,
    Times,
    cron,
    plan_day,
    repoll,
    schedule_id,
)

MINUTE_US = 60_000_000


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000_000


NOW = at("2025-08-09T00:01")
NAMES = {"t1": "Brasileiro Betano", "t2": "Brasileiro  Betano!"}


def fixture(kickoff: str | None = "2025-08-09T19:00", **fields: Any) -> Fixture:
    base = {
        "tournament_id": "t1",
        "round": "round-20",
        "kind": "league",
        "status": "open",
        "date": "2025-08-09",
    }
    return Fixture(**{**base, "kickoff_us": kickoff and at(kickoff), **fields})


def plan(*fixtures: Fixture, now_us: int = NOW, **fields: Any) -> list[Schedule]:
    times = fields.pop("times", Times())
    return plan_day(
        fixtures, NAMES, now_us, times, base_url="https://api.example", environment="demo", **fields
    )


def test_scores_90_and_standings_120_minutes_after_the_kick_off() -> None:  # D26 D27 B04
    scores, standings = plan(fixture())
    assert (scores.what, scores.fire_us, scores.cron) == (
        "scores",
        at("2025-08-09T20:30"),
        "cron(30 20 9 8 ? 2025)",
    )
    assert (standings.what, standings.fire_us) == ("standings", at("2025-08-09T21:00"))
    assert (scores.id, scores.group) == ("brasileiro_betano_2025_08_09_20_30", "scores-and-standings-routine")
    own = "https://api.example/api/v2/data-provider/tournaments/t1"
    assert (
        scores.target
        == standings.target
        == {
            "standingsUrl": f"{own}/standings",
            "roundUrl": f"{own}/matches/round-20",
            "targetEnv": "demo",
        }
    )


def test_the_demo_fires_two_minutes_from_now() -> None:  # B03, the document's own example
    (only,) = plan(
        fixture(), fixture("2025-08-09T16:00"), now_us=at("2025-08-09T21:54"), times=Times(test_delay_min=2)
    )
    assert (only.id, only.cron) == ("brasileiro_betano_2025_08_09_21_56", "cron(56 21 9 8 ? 2025)")


def test_matches_of_a_round_at_the_same_minute_are_one_request() -> None:  # B02
    same = [fixture(), fixture(), fixture("2025-08-09T19:00:30")]
    assert len(plan(*same[:2])) == 2
    assert [each.fire_us for each in plan(*same)][:2] == [at("2025-08-09T20:30"), at("2025-08-09T20:31")]


def test_ids_that_are_taken_get_the_round_then_what_it_does() -> None:
    both = plan(fixture(), fixture("2025-08-09T18:30", round="round-21"), fixture("2025-08-09T18:30"))
    at_half_past = [each.id for each in both if each.fire_us == at("2025-08-09T20:30")]
    base = "brasileiro_betano_2025_08_09_20_30"
    assert at_half_past == [base, f"{base}_round_20", f"{base}_round_21"]
    again = plan(fixture(), taken={base, f"{base}_round_20"})
    assert again[0].id == f"{base}_round_20_scores"
    more = plan(fixture(), taken={base, f"{base}_round_20", f"{base}_round_20_scores"})
    assert more[0].id == f"{base}_round_20_scores_2"


@pytest.mark.parametrize(
    ("kickoff", "count"),
    [("2025-08-08T23:59", 1), ("2025-08-09T00:00", 2), ("2025-08-10T01:59", 2), ("2025-08-10T02:00", 0)],
)
def test_today_is_the_utc_day_and_the_first_two_hours_of_the_next(kickoff: str, count: int) -> None:  # D04
    """One of yesterday that has no result is asked for at once."""
    assert len(plan(fixture(kickoff))) == count


def test_what_is_due_already_fires_now_and_what_has_ended_never() -> None:
    late = plan(fixture("2025-08-09T09:00"), now_us=at("2025-08-09T12:00"))
    assert [each.fire_us for each in late] == [at("2025-08-09T12:00")] * 2
    assert len({each.id for each in late}) == 2
    assert plan(fixture(status="ended")) == []


def test_a_match_without_a_time_is_asked_for_on_the_next_day() -> None:
    assert plan(fixture(None)) == []
    (swept,) = plan(fixture(None, date="2025-08-08"))
    assert (swept.what, swept.fire_us) == ("standings", NOW)
    assert plan(fixture(None, date=None)) == []


def test_what_was_missed_is_asked_for_once_for_two_weeks() -> None:
    missed = [fixture("2025-08-06T15:00"), fixture("2025-08-06T17:00"), fixture(None, date="2025-08-01")]
    assert [(each.what, each.fire_us) for each in plan(*missed)] == [("standings", NOW)]
    assert plan(fixture("2025-07-20T15:00"), fixture(None, date="2025-07-20")) == []
    put_off = fixture("2025-08-06T15:00", status="not-defined")
    assert plan(put_off) == []


def test_a_knockout_round_moves_the_bracket_too() -> None:  # D06
    assert all("knockoutsUrl" in each.target for each in plan(fixture(kind="knockout")))


def test_asking_again_ends() -> None:  # D27
    kickoff, fire = at("2025-08-09T19:00"), at("2025-08-09T20:30")
    times = [fire]
    while (again := repoll(times[-1], kickoff, repoll_min=10, give_up_min=240)) is not None:
        times.append(again)
    assert times[1] == at("2025-08-09T20:40") and times[-1] == at("2025-08-09T23:00")


@settings(max_examples=20, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["t1", "t2"]), st.sampled_from(["r1", "R 1"]), st.integers(0, 1439)),
        max_size=12,
    )
)
def test_every_schedule_has_its_own_id(drawn: list[tuple[str, str, int]]) -> None:
    made = plan(
        *(
            Fixture(name, round_, "league", "open", None, NOW + minute * MINUTE_US)
            for name, round_, minute in drawn
        )
    )
    assert len({each.id for each in made}) == len(made)
    assert [each.fire_us for each in made] == sorted(each.fire_us for each in made)
    for each in made:
        assert each.fire_us % MINUTE_US == 0 and cron(each.fire_us) == each.cron
        assert each.id.startswith(schedule_id(NAMES[each.tournament_id], each.fire_us))
