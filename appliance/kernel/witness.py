"""A small file beside the database that records its newest state, to notice a database that is gone or lost
its end.

SQLite opens a database without its write-ahead log as if the log had been empty, and a missing file as a new
one. Owns: one small file in the state folder. Everything here blocks.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

NAME: Final = "box.json"


@dataclass(frozen=True, slots=True)
class Witness:
    """`head`: newest journal seq known to be durable; `epoch`: the life of the database it belongs to.

    `schema`: the schema's version then; 0 where an older release did not record it. `log`: bytes of the
    write-ahead log then; -1: the database was closed, which removes its log, or an older release did not
    record it. A run that does not end cleanly leaves its log, so a missing log is noticed however little the
    database changed since. `floor`: the database's `counter_floor` (kernel/rescue.py), for a rescue that
    cannot read it any more.
    """

    site_id: str
    epoch: str
    head: int
    schema: int = 0
    log: int = -1
    floor: int = 0


def read_witness(state_dir: Path) -> Witness | None:
    """None when there is none, or it cannot be read."""
    try:
        fields = json.loads((state_dir / NAME).read_text())
        schema = int(fields.get("schema", 0))
        log = int(fields.get("log", -1))
        floor = int(fields.get("floor", 0))
        return Witness(str(fields["site_id"]), str(fields["epoch"]), int(fields["head"]), schema, log, floor)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def write_witness(state_dir: Path, witness: Witness) -> None:
    """Write durably and atomically. Raises OSError."""
    draft = state_dir / f"{NAME}.tmp"
    with draft.open("w") as file:
        file.write(json.dumps(asdict(witness)))
        file.flush()
        os.fsync(file.fileno())
    os.replace(draft, state_dir / NAME)
    sync_folder(state_dir)


def log_bytes(database: Path) -> int:
    """Size of the write-ahead log beside the database; -1: there is none."""
    try:
        return Path(f"{database}-wal").stat().st_size
    except OSError:
        return -1


def note_closed(database: Path) -> None:
    """Record that the log was removed by a close, and not lost. Errors of the disk are logged."""
    witness = read_witness(database.parent)
    if witness is not None and witness.log >= 0 and log_bytes(database) < 0:
        with suppress(OSError):
            write_witness(database.parent, replace(witness, log=-1))


def sync_folder(folder: Path) -> None:
    """Make a rename in the folder durable. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
