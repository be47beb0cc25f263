"""Runs the randomised faults of tests/faults as often as requested and prints the results.

Owns: the list of faults and the table. A fault is an async function (rounds, seed, folder) -> Tally; all its
files are in a temporary folder (TMPDIR selects the disk), which is kept when a guarantee was broken.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from importlib import import_module
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import structlog  # noqa: E402
import trio  # noqa: E402

from tests.attacks.faults import (  # noqa: E402
    attacks_for_hours,
    raw_bytes_for_hours,
    requests_for_hours,
    roles_for_hours,
    rounds_in,
)
from tests.faults.bad_files import bad_recordings  # noqa: E402
from tests.faults.clip_cut import clip_power_cuts  # noqa: E402
from tests.faults.cloud_kills import cloud_kills  # noqa: E402
from tests.faults.flapping import flaps  # noqa: E402
from tests.faults.half import half_chromium, half_webkit  # noqa: E402
from tests.faults.kills import daemon_kills, worker_kills  # noqa: E402
from tests.faults.logging_kills import logging_kills  # noqa: E402
from tests.faults.mixed_load import mixed_load  # noqa: E402
from tests.faults.postgres_full import full_disks  # noqa: E402
from tests.faults.postgres_kills import kills_of_four  # noqa: E402
from tests.faults.power_cut import power_cuts  # noqa: E402
from tests.faults.second_namespace import stranger  # noqa: E402
from tests.faults.sync_kills import sync_kills  # noqa: E402
from tests.faults.tally import Tally  # noqa: E402
from tests.faults.test_stateful import any_order  # noqa: E402
from tests.faults.unsynced_cut import unsynced_cuts  # noqa: E402
from tests.faults.upload_cuts import upload_cuts  # noqa: E402
from tests.kernel.test_store_model import store_orders  # noqa: E402

Fault = Callable[[int, int, Path], Awaitable[Tally]]

FAULTS: dict[str, Fault] = {
    "power_cut": power_cuts,
    "clip_power_cut": clip_power_cuts,
    "unsynced_cut": unsynced_cuts,
    "any_order": any_order,
    "store_order": store_orders,
    "daemon_kill": daemon_kills,
    "worker_kill": worker_kills,
    "postgres_kill": kills_of_four,
    "cloud_kill": cloud_kills,
    "logging_kill": logging_kills,
    "postgres_full": full_disks,  # needs root
    "sync": sync_kills,
    "uploads": upload_cuts,  # a round is 40 MB of one file: 50 are 2 GB
    "bad_recording": bad_recordings,
    "flapping_source": flaps,
    "mixed_load": mixed_load,  # a round is a minute
    "half_chromium": half_chromium,  # a round is a mark that creates a play
    "half_webkit": half_webkit,
    "stranger": stranger,  # a round is every attack, with TLS off and on in turn; needs root
    "raw_bytes": raw_bytes_for_hours,
    "attacks": attacks_for_hours,
    "requests": requests_for_hours,
    "roles": roles_for_hours,
}
for path in sorted(ROOT.glob("tests/box/*/faults.py")):  # of domains that can be removed
    FAULTS.update(import_module(f"tests.box.{path.parent.name}.faults").FAULTS)
ATTACKS = ("raw_bytes", "attacks", "requests", "roles")  # with --minutes instead of rounds, and --address
COLUMNS = ("fault", "seed", "rounds", "struck", "acknowledged", "lost", "violations", "seconds")


def main() -> int:
    """The command line. 1 when anything was lost or violated."""
    parser = argparse.ArgumentParser(prog="scripts/faults", description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=50, help="of each fault")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", action="append", choices=list(FAULTS), default=[])
    parser.add_argument("--minutes", type=float, help="of each attack, instead of rounds")
    parser.add_argument("--address", help="HOST:PORT of the box that is attacked, instead of one of its own")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    logging.disable(logging.CRITICAL)
    if options.address:
        os.environ["ATTACK_ADDRESS"] = options.address
    rows = []
    for name in options.only or FAULTS:
        rounds = rounds_in(options.minutes) if options.minutes and name in ATTACKS else options.rounds
        rounds = round(options.minutes) if options.minutes and name == "mixed_load" else rounds
        rows.append(measure(name, rounds, options.seed, quiet=options.json))
    print(json.dumps(rows, indent=2) if options.json else table(rows))
    return int(any(row["lost"] or row["violations"] for row in rows))


def measure(name: str, rounds: int, seed: int, *, quiet: bool) -> dict[str, Any]:
    """One fault's row. Violations are printed on stderr at once."""
    folder = Path(tempfile.mkdtemp(prefix=f"fault-{name}-"))
    began = time.monotonic()
    tally = trio.run(FAULTS[name], rounds, seed, folder)
    row = {
        "fault": name,
        "seed": seed,
        "rounds": tally.rounds,
        "struck": tally.struck,
        "acknowledged": tally.acknowledged,
        "lost": tally.lost,
        "violations": len(tally.violations),
        "seconds": round(time.monotonic() - began, 1),
        "told": tally.violations[:20],
    }
    if tally.is_clean:
        shutil.rmtree(folder)
    else:
        print(f"{name}: see {folder}", *tally.violations[:20], sep="\n  ", file=sys.stderr)
    if not quiet:
        print(f"{name}: {row['rounds']} rounds in {row['seconds']} s", file=sys.stderr)
    return row


def table(rows: list[dict[str, Any]]) -> str:
    """The rows in columns."""
    cells = [list(COLUMNS), *([str(row[column]) for column in COLUMNS] for row in rows)]
    widths = [max(len(line[at]) for line in cells) for at in range(len(COLUMNS))]
    return "\n".join(
        "  ".join(text.ljust(width) if not at else text.rjust(width) for at, (text, width) in columns)
        for columns in (enumerate(zip(line, widths, strict=True)) for line in cells)
    )


if __name__ == "__main__":
    sys.exit(main())
