"""What the database said of itself last, kept beside it: one that is gone or lost its end is noticed by it.

SQLite opens a database without its write-ahead log as if nothing had been in it, and a missing file as a new
one. Owns: one small file in the state folder. Everything here blocks.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

NAME: Final = "box.json"


@dataclass(frozen=True, slots=True)
class Witness:
    """`head`: newest journal seq known to be durable; `epoch`: the life of the database it belongs to.

    `schema`: the schema's version then; 0 where an older release did not say.
    """

    site_id: str
    epoch: str
    head: int
    schema: int = 0


def read_witness(state_dir: Path) -> Witness | None:
    """None when there is none, or none that can be read."""
    try:
        found = json.loads((state_dir / NAME).read_text())
        schema = int(found.get("schema", 0))
        return Witness(str(found["site_id"]), str(found["epoch"]), int(found["head"]), schema)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def write_witness(state_dir: Path, witness: Witness) -> None:
    """Durably, whole or not at all. Raises OSError."""
    draft = state_dir / f"{NAME}.tmp"
    with draft.open("w") as file:
        file.write(json.dumps(asdict(witness)))
        file.flush()
        os.fsync(file.fileno())
    os.replace(draft, state_dir / NAME)
    sync_folder(state_dir)


def sync_folder(folder: Path) -> None:
    """Make a rename in the folder durable. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
