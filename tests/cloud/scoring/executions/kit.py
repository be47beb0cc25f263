"""An executor over a real store and folder, with providers by hand whose seasons a test writes."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import trio

from appliance.cloud.objects.folder import FolderObjects
from appliance.cloud.scoring.executions.executor import Executor
from appliance.cloud.scoring.executions.model import Order
from appliance.cloud.scoring.executions.pipeline import Tools
from appliance.cloud.scoring.model import TournamentIn
from appliance.cloud.scoring.notices.messages import Receivers
from appliance.cloud.scoring.providers.model import Configured, ProviderFailed, Wanted
from appliance.cloud.scoring.records.manage import ensure_tournament
from appliance.kernel.operation import Caller
from appliance.kernel.store import Store
from appliance.kernel.tx import Row

URL = "https://api.example"


def match(number: int, home: str, away: str, *score: int) -> dict[str, Any]:
    day = f"2026-08-{number:02}"
    given: dict[str, Any] = {"round": f"Matchday {number}", "date": day, "time": "15:00 UTC"}
    return {**given, "team1": home, "team2": away, **({"score": {"ft": list(score)}} if score else {})}


@dataclass
class Season:
    """A provider that has one season, by round or as a whole. `failing`: addresses without an answer;
    `answer`: instead of the season; `gate`: a request waits for it."""

    matches: list[dict[str, Any]]
    name: str = "first"
    by_round: bool = False
    failing: set[str] = field(default_factory=set)
    answer: bytes | None = None
    gate: trio.Event | None = None
    fetched: list[str] = field(default_factory=list)
    crash: Exception | None = None

    def address(self, wanted: Wanted) -> str:
        return f"{self.name}:{wanted.reference}:{wanted.round if self.by_round else ''}"

    async def fetch(self, address: str) -> bytes:
        self.fetched.append(address)
        if self.gate is not None:
            await self.gate.wait()
        if self.crash is not None:
            raise self.crash
        if address in self.failing:
            raise ProviderFailed("unreachable", f"{self.name} cannot be reached")
        slug = address.rpartition(":")[2].replace("matchday-", "Matchday ")
        matches = [each for each in self.matches if not slug or each["round"] == slug]
        return self.answer if self.answer is not None else json.dumps({"matches": matches}).encode()


LEAGUE = [match(1, "A", "B", 2, 1), match(1, "C", "D", 0, 0), match(2, "B", "C"), match(2, "D", "A")]


@dataclass
class Bench:
    """`executor`: of the process that is alive."""

    store: Store
    objects: FolderObjects
    executor: Executor
    tools: Tools

    async def run(self, operation: Any, round_slug: str = "", **fields: Any) -> Row:
        return await self.executor.execute(Order(operation, "league", round_slug, **fields))

    async def report(self, row: Row) -> dict[str, Any]:
        report: dict[str, Any] = json.loads(await self.objects.read(f"{row['report_key']}.json"))
        return report

    async def ended_repeat(self, execution_id: str) -> None:
        """Wait until the execution has been run again."""
        sql = "SELECT 1 FROM executions WHERE repeats = ? AND status <> 'in_progress'"
        changed = self.store.journal.changed
        while True:
            seen = changed.count
            if await self.rows(sql, execution_id):
                return
            await changed.wait_past(seen)

    async def rows(self, sql: str, *values: Any) -> list[Row]:
        return await self.store.read(lambda tx: tx.all(sql, values))


def tools_over(store: Store, folder: Path, *seasons: Season, **changes: Any) -> Tools:
    objects = FolderObjects(folder / "objects")
    objects.open()
    fields: dict[str, Any] = {
        "store": store,
        "objects": objects,
        "providers": [Configured(each, 0.0, 10 * at) for at, each in enumerate(seasons)],
        "owner": "process-1",
        "environment": "demo",
        "base_url": lambda: URL,
        "receivers": Receivers("demo"),
    }
    return Tools(**{**fields, **changes})


async def make_league(store: Store, *seasons: Season) -> None:
    body = TournamentIn(id="league", name="League", providers={each.name: "ref" for each in seasons})
    await store.write(lambda tx: ensure_tournament(tx, Caller("test", role="admin"), body) and None)


@asynccontextmanager
async def bench_over(
    store: Store,
    folder: Path,
    *seasons: Season,
    executor: Callable[[Tools], Executor] = Executor,
    **changes: Any,
) -> AsyncIterator[Bench]:
    """The tournament `league` with these providers, and a process that runs executions."""
    tools = tools_over(store, folder, *seasons, **changes)
    await make_league(store, *seasons)
    made = executor(tools)
    async with trio.open_nursery() as nursery:
        await nursery.start(made.serve)
        assert isinstance(tools.objects, FolderObjects)
        yield Bench(store, tools.objects, made, tools)
        nursery.cancel_scope.cancel()
