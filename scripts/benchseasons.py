"""Seasons in the store: importing them, updating many at once; parts of scripts/benches/standings.py.

An update is what an execution writes for a round: its ten matches, the tables, the bracket; each its own
transaction. Reading answers from providers, reports and messages are not in it. The server syncs at each
commit.
"""

from __future__ import annotations

import json
import multiprocessing
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import permutations
from multiprocessing.queues import Queue
from pathlib import Path
from random import Random
from typing import Any

import benchkit
import trio
from benchkit import Options, Row

_LIMIT_S = 600.0
AT_ONCE = 32
"""Executions that one process of the service runs at a time."""


@dataclass(frozen=True)
class Size:
    """`clubs`: of each tournament that is updated; `seasons`: of 380 matches, that are imported."""

    tournaments: int
    clubs: int
    seasons: int


FULL, QUICK = Size(500, 10, 100), Size(4, 4, 1)


def season_text(clubs: int, seed: int, last: str = "2:1") -> str:
    """A whole season as openfootball's JSON. `last`: the result of the last round's matches."""
    random = Random(seed)
    pairs = list(permutations([f"Club {at:02}" for at in range(clubs)], 2))
    random.shuffle(pairs)
    a_round = max(1, clubs // 2)
    matches = []
    for at, (home, away) in enumerate(pairs):
        is_last = at >= len(pairs) - a_round
        goals = (
            [int(each) for each in last.split(":")] if is_last else [random.randrange(4), random.randrange(3)]
        )
        day = f"2026-{1 + at // (28 * a_round) % 12:02}-{1 + at // a_round % 28:02}"
        name = f"Matchday {1 + at // a_round}"
        matches.append({"round": name, "date": day, "team1": home, "team2": away, "score": {"ft": goals}})
    return json.dumps({"name": "Bench", "matches": matches})


@contextmanager
def opened_server(options: Options) -> Iterator[Any]:
    """In the quick form one that does not sync."""
    from tests.kit import postgres

    if options.quick:
        yield postgres.server()
    else:
        with postgres.own_server(fsync="on", full_page_writes="on", synchronous_commit="on") as server:
            yield server


def imports(options: Options) -> list[Row]:
    """Season files of 20 clubs, one after the other, into PostgreSQL and SQLite; with reading the file."""
    size = QUICK if options.quick else FULL
    rows = []
    with opened_server(options) as server:
        for store, url in (("PostgreSQL", server.empty_database()), ("SQLite", "sqlite:import.db")):
            folder = options.folder / store
            folder.mkdir()
            matches, took = trio.run(_import, url, folder, size.seasons)
            rows.append(
                {
                    "store": store,
                    "matches": matches,
                    "seconds": round(took, 1),
                    "per_s": round(matches / took),
                }
            )
    return rows


async def _import(url: str, folder: Path, seasons: int) -> tuple[int, float]:
    from appliance.cloud.database import open_database

    matches = 0
    texts = [season_text(20, number) for number in range(seasons)]
    async with open_database(url, folder) as store:
        began = time.perf_counter()
        for number, text in enumerate(texts):
            matches += await _load(store, f"season-{number}", text, is_new=True)
        return matches, time.perf_counter() - began


async def _load(store: Any, tournament: str, text: str, *, is_new: bool, only: str | None = None) -> int:
    """As an execution does it: the file, then the tables, then the bracket."""
    from appliance.cloud.scoring.imports.openfootball_json import read_json
    from appliance.cloud.scoring.model import TournamentIn
    from appliance.cloud.scoring.records.apply import Source, apply_file
    from appliance.cloud.scoring.records.bracket import update_bracket
    from appliance.cloud.scoring.records.manage import ensure_tournament
    from appliance.cloud.scoring.records.tables import recalculate_standings
    from appliance.kernel.operation import Caller

    caller = Caller("bench", role="internal")
    if is_new:
        body = TournamentIn(id=tournament, name=tournament, rules="england:1", season="2018-19")
        await store.write(partial(ensure_tournament, caller=caller, body=body))
    apply = partial(
        apply_file,
        tournament_id=tournament,
        file=read_json(text, None),
        source=Source("openfootball"),
        may_create=is_new,
        caller=caller,
        only_round=only,
    )
    summary = await store.write(apply)
    await store.write(partial(recalculate_standings, tournament_id=tournament))
    await store.write(partial(update_bracket, tournament_id=tournament))
    return int(summary.matches)


def updates(options: Options) -> list[Row]:
    """One round of each tournament: by two processes with 32 at once each, by one, and one at a time."""
    size = QUICK if options.quick else FULL
    ways = {"two processes": (2, AT_ONCE), "one process": (1, AT_ONCE), "one at a time": (1, 1)}
    with opened_server(options) as server:
        url = server.empty_database()
        options.folder.joinpath("updates").mkdir()
        _processes(url, options.folder, size, 1, AT_ONCE, "")
        rows = [
            {"way": name, **_processes(url, options.folder, size, count, at_once, f"{turn}:{turn + 1}")}
            for turn, (name, (count, at_once)) in enumerate(ways.items())
        ]
    slowest = rows[-1]["per_s"]
    return [{**row, "ratio": round(row["per_s"] / slowest, 1)} for row in rows]


def _processes(url: str, folder: Path, size: Size, count: int, at_once: int, result: str) -> Row:
    """`result`: of the matches of the last round; "": the tournaments are made."""
    context = multiprocessing.get_context("spawn")
    answers: Queue[tuple[float, list[float]]] = context.Queue()
    shares = [range(number, size.tournaments, count) for number in range(count)]
    work = [
        context.Process(
            target=_process, args=(url, folder, size.clubs, list(share), at_once, result, answers)
        )
        for share in shares
    ]
    for process in work:
        process.daemon = True
        process.start()
    reports = [answers.get(timeout=_LIMIT_S) for _ in work]  # one that has failed sends nothing
    for process in work:
        process.join()
    took = [each for _, times in reports for each in times]
    spread = benchkit.spread_ms(took)
    per_s = len(took) / max(seconds for seconds, _ in reports)
    return {
        "tournaments": len(took),
        "per_s": round(per_s, 1),
        "p50_ms": spread["p50_ms"],
        "p99_ms": spread["p99_ms"],
    }


def _process(
    url: str, folder: Path, clubs: int, share: Sequence[int], at_once: int, result: str, answers: Any
) -> None:
    answers.put(trio.run(_work, url, folder, clubs, share, at_once, result))


async def _work(
    url: str, folder: Path, clubs: int, share: Sequence[int], at_once: int, result: str
) -> tuple[float, list[float]]:
    from appliance.cloud.database import open_database
    from appliance.kernel import interpreter

    interpreter.configure()
    took: list[float] = []
    slots = trio.CapacityLimiter(at_once)
    texts = {number: season_text(clubs, number, result or "2:1") for number in share}
    only = f"matchday-{2 * (clubs - 1)}" if result else None

    async def one(number: int) -> None:
        async with slots:
            began = time.perf_counter()
            await _load(store, f"t-{number}", texts[number], is_new=not result, only=only)
            took.append(time.perf_counter() - began)

    async with open_database(url, folder, connections=4) as store:
        began = time.perf_counter()
        async with trio.open_nursery() as nursery:
            for number in share:
                nursery.start_soon(one, number)
        return time.perf_counter() - began, took
