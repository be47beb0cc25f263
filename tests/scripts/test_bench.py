"""Every bench runs, quickly and on small media, and prints its metrics. Their values are not checked here."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.kit import postgres

BENCHES = Path(__file__).resolve().parents[2] / "scripts" / "benches"
DEADLINE_S = 150.0

ON_POSTGRES = ("cloudstore", "standings", "sync")
PROMISED: dict[str, dict[str, tuple[str, ...]]] = {
    "access": {
        "cost": ("case", "without_us", "with_us", "more_percent", "goal"),
        "reconnect": ("case", "all_ms", "cpu_ms"),
        "codes": ("case", "sent_per_s", "idle_p95_ms", "p95_ms", "ratio", "goal"),
        "revocation": ("case", "median_ms", "max_ms", "goal"),
    },
    "attacks": {"marks": ("attack", "ratio", "goal", "newcomer_ms", "newcomer_p95_ms", "newcomer_goal")},
    "cloudstore": {
        "writes": ("store", "per_s", "p50_ms", "p99_ms", "ratio"),
        "lag": ("what", "p50_ms", "p99_ms", "goal"),
    },
    "cut": {
        "plan": ("method", "minutes", "median_ms", "min_ms", "ratio"),
        "exact": ("method", "media", "exact"),
        "ready": ("case", "p50_ms", "p99_ms", "max_ms", "n"),
    },
    "dataset": {
        "apart": ("method", "clips", "wall_s", "cpu_s", "opens", "cpu_ratio", "wall_ratio"),
        "overlapping": ("method", "clips", "wall_s", "cpu_s", "opens", "cpu_ratio", "wall_ratio"),
        "copy": ("method", "clips", "wall_ms", "cpu_ms", "opens", "cpu_ratio", "wall_ratio"),
        "memory": ("minutes", "source_mb", "own_mb", "worker_mb"),
    },
    "delivery": {"delivery": ("way", "gbit_s", "mark_p99_ms", "load_cpu_percent", "waited_percent")},
    "heartbeats": {"heartbeats": ("case", "cpu_percent", "load_cpu_percent", "waited_percent")},
    "index": {
        "start": ("case", "segments", "hours", "ready_ms", "rss_mb"),
        "walk": ("part_s", "parts", "ms_per_hour", "us_per_part"),
        "live": ("case", "share of a core"),
    },
    "jobs": {"assignment": ("case", "per_s", "p50_ms", "p99_ms", "waiting", "loggers")},
    "live": {"fan_out": ("way", "p99_ms", "delivered", "gaps", "load_cpu_percent", "waited_percent")},
    "narrow": {"narrow": ("case", "p50_ms", "p99_ms", "max_ms", "goal_ms", "met")},
    "standings": {
        "tables": ("method", "median_ms", "min_ms", "ratio", "goal"),
        "import": ("store", "matches", "seconds", "per_s"),
        "updates": ("way", "tournaments", "per_s", "p50_ms", "p99_ms", "ratio"),
    },
    "start": {"start": ("what", "median_ms", "min_ms", "ratio")},
    "store": {"writes": ("synchronous", "callers", "per_s", "p50_ms", "p99_ms", "ratio")},
    "sync": {
        "intake": ("way", "events_s", "times"),
        "latency": ("what", "p50_ms", "p99_ms", "goal"),
        "down": ("cloud", "p50_ms", "p99_ms", "n", "goal"),
        "marks": ("box", "p95_ms", "ratio", "goal"),
        "reconnect": ("boxes", "drained", "max_ms", "rss_mb", "goal"),
    },
    "thumbnail": {"thumbnail": ("method", "median_ms")},
    "touch": {"touch": ("engine", "what", "median_ms", "max_ms", "n", "goal")},
    "truth": {
        "steady": ("camera", "first 10 s"),
        "restarts": ("camera", "after"),
        "angles": ("angles", "always"),
        "real": ("camera", "first 10 s", "steady", "over a restart", "two angles"),
    },
}


@cache
def run_bench(name: str) -> Any:
    command = [sys.executable, str(BENCHES / f"{name}.py"), "--quick", "--json"]
    done = subprocess.run(command, capture_output=True, timeout=DEADLINE_S, check=False)
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    return json.loads(done.stdout)[name]


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.postgres] * (name in ON_POSTGRES)) for name in PROMISED],
)
def test_a_bench_runs_and_its_json_has_its_metrics(name: str) -> None:
    if name in ON_POSTGRES and (reason := postgres.missing()):
        pytest.skip(reason)
    report = run_bench(name)
    assert report.keys() == PROMISED[name].keys()
    for part, columns in PROMISED[name].items():
        assert report[part], part
        for row in report[part]:
            assert set(columns) <= row.keys(), (part, row)
            assert row[columns[1]] is not None


@pytest.mark.slow
def test_our_cuts_are_exact_where_a_stream_copy_is_not() -> None:
    rows = run_bench("cut")["exact"]
    ours = [row["exact"] for row in rows if row["method"] == "ours"]
    assert len(ours) == 4
    assert all(exact.partition("/")[0] == exact.partition("/")[2] for exact in ours)
    copied = next(row["exact"] for row in rows if row["method"] == "PyAV seek + copy")
    assert copied.startswith("0/")


def test_without_json_a_bench_prints_a_table_for_people() -> None:
    command = [sys.executable, str(BENCHES / "store.py"), "--quick"]
    done = subprocess.run(command, capture_output=True, timeout=DEADLINE_S, check=True)
    lines = done.stdout.decode().splitlines()
    assert "== store: writes" in lines
    assert any(line.startswith("FULL") for line in lines)
