"""Which logger gets which job."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.cloud.breakdowns.queue.core import Waiting, Worker, assign_all, unfit

ANA = Worker("ana", "office", frozenset({"football"}), frozenset({"basic"}))
JOB = Waiting("job", "league", "football", "basic", 100)


def choose(workers: list[Worker], job: Waiting) -> Worker | None:
    """The one of these who gets the job."""
    pairs = assign_all(workers, [job], {"office": 100}, 50)
    return pairs[0][1] if pairs else None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"sports": frozenset({"basketball"})}, "sport"),  # L13
        ({"types": frozenset({"complex"})}, "qualified"),  # L14
        ({"league_id": "other"}, "league"),
    ],
)
def test_a_logger_who_cannot_do_it_never_gets_it(change: dict[str, object], words: str) -> None:
    worker = replace(ANA, **change)  # type: ignore[arg-type]
    assert words in unfit(worker, JOB) and choose([worker], JOB) is None
    assert unfit(replace(ANA, league_id="league"), JOB) == ""


def test_what_was_given_back_does_not_come_again() -> None:
    assert choose([replace(ANA, passed=frozenset({"job"}))], JOB) is None


def test_the_least_loaded_gets_it_then_the_longest_idle_then_the_smallest_id() -> None:  # L15
    others = [
        replace(ANA, id="busy", load=2),
        replace(ANA, id="recent", load=1, last_us=9),
        replace(ANA, id="b", load=1, last_us=5),
        replace(ANA, id="a", load=1, last_us=5),
    ]
    order = []
    while others:
        worker = choose(others, JOB)
        assert worker is not None
        order.append(worker.id)
        others.remove(worker)
    assert order == ["a", "b", "recent", "busy"]


def test_the_most_urgent_job_goes_first() -> None:
    late = replace(JOB, id="late", due_us=50)
    assert [job.id for job, _ in assign_all([ANA], [JOB, late], {"office": 5}, 50)] == ["late"]


workers = st.lists(
    st.builds(
        Worker,
        st.uuids().map(str),
        st.sampled_from(["one", "two"]),
        st.frozensets(st.sampled_from(["football", "basketball"])),
        st.frozensets(st.sampled_from(["basic", "complex"])),
        st.sampled_from([None, "north"]),
        st.integers(0, 3),
    ),
    max_size=8,
    unique_by=lambda worker: worker.id,
)
jobs = st.lists(
    st.builds(
        Waiting,
        st.uuids().map(str),
        st.sampled_from(["north", "south"]),
        st.sampled_from(["football", "basketball"]),
        st.sampled_from(["basic", "complex"]),
        st.integers(0, 50),
    ),
    max_size=8,
    unique_by=lambda job: job.id,
)


@given(workers, jobs, st.integers(0, 3), st.integers(0, 3))
def test_what_is_assigned_keeps_to_every_limit(
    found: list[Worker], waiting: list[Waiting], first: int, second: int
) -> None:
    room = {"one": first, "two": second}
    pairs = assign_all(found, waiting, room, 50)
    assert len({job.id for job, _ in pairs}) == len({worker.id for _, worker in pairs}) == len(pairs)
    assert all(unfit(worker, job) == "" for job, worker in pairs)
    for office, most in room.items():
        assert sum(worker.office_id == office for _, worker in pairs) <= most
    assigned = {job.id for job, _ in pairs}
    idle = [each for each in found if each.id not in {worker.id for _, worker in pairs}]
    used = {office: sum(worker.office_id == office for _, worker in pairs) for office in room}
    for job in waiting:
        if job.id not in assigned:  # nothing waits that an idle logger of an office with room could do
            assert not [w for w in idle if not unfit(w, job) and used[w.office_id] < room[w.office_id]]


def test_many_idle_loggers_of_another_sport_hide_none_that_fits() -> None:
    idle = [replace(ANA, id=f"{at}", sports=frozenset({"basketball"})) for at in range(200)]
    busier = replace(ANA, id="only", load=9, last_us=9)
    assert choose([*idle, busier], JOB) == busier


def test_no_more_than_asked_for_the_most_urgent_first() -> None:
    jobs = [replace(JOB, id=f"{at}", due_us=9 - at) for at in range(9)]
    workers = [replace(ANA, id=f"{at}") for at in range(9)]
    pairs = assign_all(workers, jobs, {"office": 9}, 3)
    assert [job.id for job, _ in pairs] == ["8", "7", "6"]
