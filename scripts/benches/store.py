"""The store through its public call: one read, one 350 B row, one journal entry of about 1 kB per write.

Goal: 200 callers >= 15,000/s with p99 <= 25 ms. FULL (ours) and NORMAL alternate in one run; NORMAL only
shows the cost of FULL and is not used (it loses acknowledged commits at a power cut).
"""

from __future__ import annotations

import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import benchkit
import trio
from benchkit import Options, Row

ROW = "r" * 330
BODY = {"session_id": "s" * 36, "clip": {"title": "c" * 900}}
TABLE = "CREATE TABLE bench (id INTEGER PRIMARY KEY, caller INTEGER, text TEXT) STRICT"
SEEN = 1000  # rows a read selects from


def measure(options: Options) -> list[Row]:
    """Rounds of FULL and NORMAL in turn; medians over the rounds."""
    seconds, rounds = (0.2, 1) if options.quick else (2.0, 3)
    crowd = 20 if options.quick else 200
    rows = []
    for callers, goal in ((1, None), (crowd, ">= 15,000/s, p99 <= 25 ms")):
        report: dict[str, list[Row]] = {"FULL": [], "NORMAL": []}
        for turn in range(rounds):
            for mode, results in report.items():
                folder = options.folder / f"{callers}-{mode}-{turn}"
                folder.mkdir()
                results.append(trio.run(_measure, folder, mode, callers, seconds))
        ours = statistics.median(each["per_s"] for each in report["FULL"])
        for mode, results in report.items():
            middle = {key: statistics.median(each[key] for each in results) for key in results[0]}
            rows.append(
                {
                    "synchronous": mode,
                    "callers": callers,
                    **{key: round(value, 2) for key, value in middle.items()},
                    "ratio": round(middle["per_s"] / ours, 2),
                    "goal": goal if mode == "FULL" else None,
                }
            )
    return rows


async def _measure(folder: Path, mode: str, callers: int, seconds: float) -> Row:
    """Closed loop: every caller writes again as soon as it gets its answer."""
    from appliance.kernel import interpreter
    from appliance.kernel.clock import BoxClock
    from appliance.kernel.sqlite.engine import on_disk
    from appliance.kernel.store import open_store
    from appliance.kernel.tx import Tx

    took: list[float] = []
    interpreter.configure()  # the same settings as the daemon's process

    def closure(tx: Tx) -> None:
        number = tx.value("SELECT max(id) FROM bench") or 0
        tx.one("SELECT * FROM bench WHERE id = ?", (number % SEEN,))
        tx.insert("bench", {"caller": callers, "text": ROW})
        tx.append("bench", f"bench:{number}", BODY)

    async def call(end: float) -> None:
        while (began := time.perf_counter()) < end:
            await store.write(closure)
            took.append(time.perf_counter() - began)

    async with open_store(folder / "box.db", BoxClock.start(None, None)) as store:
        await store.write(lambda tx: tx.run(TABLE))
        db = on_disk(store).db
        assert db is not None
        db.execute(f"PRAGMA synchronous={mode}")  # only here: the product always uses FULL
        interpreter.freeze()
        began, cpu_s = time.perf_counter(), time.process_time()
        async with trio.open_nursery() as nursery:
            for _ in range(callers):
                nursery.start_soon(call, began + seconds)
        lasted, cpu_s = time.perf_counter() - began, time.process_time() - cpu_s
    spread = benchkit.spread_ms(took)
    del spread["n"]
    return {"per_s": len(took) / lasted, **spread, "cpu_us_each": cpu_s / len(took) * 1e6}


def main() -> None:
    benchkit.run("store", __doc__, {"writes": measure})


if __name__ == "__main__":
    main()
