"""Which logger gets which job. Pure.

A job goes to a logger who has its sport and its break-down type, whose office works for its league and has
room, and who has no open job and has not given it back before. Of several the one with the least load gets
it, then the one who has waited longest, then the smallest id.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import product


@dataclass(frozen=True, slots=True)
class Worker:
    """A logger. `league_id`: the only one that the office works for; None: every league. `load`: jobs within
    the last day. `last_us`: when the last one was assigned; 0: never. `passed`: jobs given back before."""

    id: str
    office_id: str
    sports: frozenset[str]
    types: frozenset[str]
    league_id: str | None = None
    load: int = 0
    last_us: int = 0
    passed: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Waiting:
    """A job that waits. `due_us`: the limit of its clock."""

    id: str
    league_id: str
    sport: str
    type_id: str
    due_us: int


def unfit(worker: Worker, job: Waiting) -> str:
    """Why the logger must not get the job; "": nothing speaks against it."""
    if job.sport not in worker.sports:
        return f"the logger has not the sport {job.sport}"
    if job.type_id not in worker.types:
        return "the logger is not qualified for this break-down type"
    if worker.league_id not in (None, job.league_id):
        return "the logger's office works for another league"
    return ""


def assign_all(
    workers: Iterable[Worker], waiting: Iterable[Waiting], room: Mapping[str, int], most: int
) -> list[tuple[Waiting, Worker]]:
    """Who gets what: the most urgent job first, each logger one, `most` pairs. `workers` have no open job;
    `room`: how many more jobs each office may have open."""
    lines: dict[tuple[str, str], list[Worker]] = {}
    for worker in sorted(workers, key=lambda worker: (worker.load, worker.last_us, worker.id)):
        for sport, type_id in product(worker.sports, worker.types):
            lines.setdefault((sport, type_id), []).append(worker)
    taken, left = set[str](), dict(room)
    pairs: list[tuple[Waiting, Worker]] = []
    for job in sorted(waiting, key=lambda job: (job.due_us, job.id)):
        if len(pairs) == most:
            break
        line = lines.get((job.sport, job.type_id), [])
        line[:] = [each for each in line if each.id not in taken and left.get(each.office_id, 0) > 0]
        found = next((each for each in line if job.id not in each.passed and not unfit(each, job)), None)
        if found is not None:
            taken.add(found.id)
            left[found.office_id] -= 1
            pairs.append((job, found))
    return pairs
