"""Start: process start to /readyz answering, an empty box, .pyc warm; and Python's share of it.

Goal (issue 3, with 100 h of indexed recordings: see `index`): ready < 1 s. The first start is discarded: it
compiles and creates the database.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import benchbox
import benchkit
from benchkit import Options, Row

IMPORTS = {
    "python alone": "pass",
    "import appliance.__main__": "import appliance.__main__",
    "import appliance.box.daemon": "import appliance.__main__, appliance.box.daemon",
}


def measure(options: Options) -> list[Row]:
    """Starts of the daemon and of its stages alternate."""
    rounds = 1 if options.quick else 7
    took: dict[str, list[float]] = {"appliance serve -> /readyz": [], **{name: [] for name in IMPORTS}}
    rss_mb: list[float] = []
    for turn in range(rounds + 1):
        with benchbox.daemon(options.folder / "box", ["cam1", "cam2", "cam3", "cam4"]) as box:
            if turn:
                took["appliance serve -> /readyz"].append(box.ready_s)
                rss_mb.append(box.rss_mb())
        for name, code in IMPORTS.items():
            began = time.perf_counter()
            environment = benchbox.compiled_once()
            subprocess.run([sys.executable, "-c", code], cwd=benchkit.ROOT, env=environment, check=True)
            if turn:
                took[name].append(time.perf_counter() - began)
    ours = statistics.median(took["appliance serve -> /readyz"])
    rows = [
        {
            "what": name,
            "median_ms": round(statistics.median(times) * 1000, 1),
            "min_ms": round(min(times) * 1000, 1),
            "ratio": round(statistics.median(times) / ours, 2),
            "rss_mb": None,
            "goal": None,
        }
        for name, times in took.items()
    ]
    rows[0] |= {"rss_mb": statistics.median(rss_mb), "goal": "< 1 s"}
    return rows


def main() -> None:
    benchkit.run("start", __doc__, {"start": measure})


if __name__ == "__main__":
    main()
