"""A file beside the database that lists the devices that were revoked or given another role.

A database that is restored from a copy brings back the rows of the copy's time. At every start the file's
entries are applied to the rows again, so a device that was revoked after the copy was made stays revoked.
Owns: `state_dir/devices.json`. Must not know: how a copy is made or restored. If the file cannot be written,
that is logged and tried again; the change itself is in the database already.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import structlog
import trio

from appliance.access.roles import ROLES
from appliance.kernel import json
from appliance.kernel.threads import in_thread
from appliance.kernel.tx import Row, Tx
from appliance.kernel.witness import sync_folder

log = structlog.get_logger("access")

NAME = "devices.json"


@dataclass(frozen=True, slots=True)
class Change:
    """The newest change of a device. `role`: the new role; None: revoked. `at_us`: box time."""

    role: str | None
    at_us: int


class Revocations:
    """The file's content."""

    def __init__(self, folder: Path | None) -> None:
        """`folder`: the state folder; None: nothing is kept (a side whose database is not one file)."""
        self._file = None if folder is None else folder / NAME
        self._changes: dict[str, Change] = {}
        self._is_unsaved = False
        self._limiter = trio.CapacityLimiter(1)
        self._lock = trio.Lock()

    def note(self, device_id: str, role: str | None, at_us: int) -> None:
        """Record a change that was committed; `save` writes it. It replaces neither a revocation nor a newer
        change."""
        before = self._changes.get(device_id)
        if before is not None and (before.role is None or (role is not None and before.at_us > at_us)):
            return
        self._changes[device_id] = Change(role, at_us)
        self._is_unsaved = self._file is not None

    def corrected(self, row: Row) -> Row:
        """The row of a device as it must be: a revocation always counts, a role when it is newer than the
        row's newest change."""
        change = self._changes.get(row["id"])
        if change is None or row["revoked_us"] is not None:
            return row
        if change.role is None:
            return {**row, "revoked_us": change.at_us}
        return {**row, "role": change.role} if change.at_us > row["updated_us"] else row

    def apply(self, tx: Tx) -> None:
        """Bring the rows of all devices to the state of the file."""
        for row in tx.all("SELECT * FROM devices"):
            new = self.corrected(row)
            if new != row:
                tx.update("devices", row["id"], {key: new[key] for key in ("role", "revoked_us")})

    def add_revoked(self, rows: Iterable[Row]) -> None:
        """Add the database's revocations that the file lacks, because it could not be written or was lost."""
        for row in rows:
            if row["revoked_us"] is not None and row["id"] not in self._changes:
                self.note(row["id"], None, row["revoked_us"])

    async def load(self) -> None:
        """Read the file. If it cannot be read, that is logged and the file is written anew."""
        if self._file is None:
            return
        try:
            data = await in_thread(self._file.read_bytes, limiter=self._limiter)
            entries = json.decode(data)["devices"]
            self._changes = {str(key): _change(value) for key, value in entries.items()}
        except FileNotFoundError:
            return
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            log.error("device_changes_unreadable", file=str(self._file), error=str(error))

    async def save(self) -> None:
        """Write the file durably, if there is something new. Errors of the disk are logged."""
        if self._file is None or not self._is_unsaved:
            return
        async with self._lock:  # the newest content is written last
            self._is_unsaved = False
            entries = {key: [change.role, change.at_us] for key, change in self._changes.items()}
            data = json.encode({"devices": entries})
            try:
                await in_thread(_write, self._file, data, limiter=self._limiter)
            except OSError as error:
                self._is_unsaved = True
                log.warning("device_changes_not_written", file=str(self._file), error=str(error))


def _write(file: Path, data: bytes) -> None:
    draft = file.with_name(f"{NAME}.tmp")
    with draft.open("wb") as opened:
        os.fchmod(opened.fileno(), 0o600)
        opened.write(data)
        opened.flush()
        os.fsync(opened.fileno())
    os.replace(draft, file)
    sync_folder(file.parent)


def _change(value: list[object]) -> Change:
    role, at_us = value
    if not isinstance(at_us, int) or not (role is None or (isinstance(role, str) and role in ROLES)):
        raise ValueError("an entry is a role or null, and a time")
    return Change(role, at_us)
