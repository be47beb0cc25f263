"""Codes made on the box's own console: `appliance pair` leaves a file, the daemon takes it over.

Owns: the folder `state_dir/pairing`. Whoever may write there has the database anyway, so the first admin can
be made only there. It works while the daemon runs, because no second program opens the database. A file holds
the code's hash and when it was made on this boot's clock: a step of the wall clock makes no code older.
"""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from pathlib import Path

from appliance.access.core import SELECTOR_CHARS, new_code, secret_hash
from appliance.access.roles import ROLES
from appliance.kernel import json
from appliance.kernel.clock import boot_id, boottime_us
from appliance.kernel.ids import canonical_uuid, new_uuid

FOLDER = "pairing"
_BYTES_MAX = 4096
_ENDING = ".json"


@dataclass(frozen=True, slots=True)
class ConsoleCode:
    """One file. Times in microseconds."""

    id: str
    selector: str
    code_hash: str
    role: str
    name: str | None
    boot_id: str
    made_boottime_us: int
    lives_us: int

    def left_us(self) -> int:
        """How much longer it can be used; 0 after a reboot."""
        if self.boot_id != boot_id():
            return 0
        return max(0, self.made_boottime_us + self.lives_us - boottime_us())


def leave_code(state_dir: Path, role: str, name: str | None, minutes: float) -> str:
    """Make a code and leave its file for the daemon; returns the code. Raises OSError."""
    code = new_code()
    made = ConsoleCode(
        new_uuid(),
        code[:SELECTOR_CHARS],
        secret_hash(code),
        role,
        name,
        boot_id(),
        boottime_us(),
        round(minutes * 60e6),
    )
    folder = state_dir / FOLDER
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    file, draft = folder / f"{made.id}{_ENDING}", folder / f"{made.id}.tmp"
    draft.touch(mode=0o600)
    draft.write_bytes(json.encode(asdict(made)))
    if os.geteuid() == 0:  # the daemon runs as the owner of its folder and must read and remove the file
        owner = state_dir.stat()
        for path in (folder, draft):
            os.chown(path, owner.st_uid, owner.st_gid)
    draft.rename(file)
    return code


def waiting_codes(state_dir: Path) -> list[ConsoleCode]:
    """The codes in the folder, also those whose time is over. A file that is not a code is passed over."""
    try:
        files = sorted((state_dir / FOLDER).glob(f"*{_ENDING}"))
    except OSError:
        return []
    return [code for file in files if (code := _read(file)) is not None]


def remove_codes(state_dir: Path, ids: list[str]) -> None:
    """Remove the files of codes that are in the database now."""
    for code_id in ids:
        (state_dir / FOLDER / f"{code_id}{_ENDING}").unlink(missing_ok=True)


def _read(file: Path) -> ConsoleCode | None:
    try:
        with file.open("rb") as opened:
            code = ConsoleCode(**json.decode(opened.read(_BYTES_MAX)))
        is_ours = canonical_uuid(code.id) == file.stem and code.role in ROLES
        return code if is_ours and isinstance(code.left_us(), int) else None
    except (OSError, ValueError, TypeError, AttributeError):
        return None
