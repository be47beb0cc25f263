"""`appliance backup` and `appliance restore`: copy the database to one file, and restore it.

Recordings and clip files are not included: clips whose files are gone are cut again from the recordings.
"""

from __future__ import annotations

from pathlib import Path

from appliance.box.settings import Settings
from appliance.kernel.clock import BoxClock
from appliance.kernel.rescue import install, publish_copy
from appliance.kernel.sqlite import connection
from appliance.ops.lock import hold_state


class NoBackup(OSError):
    """There is nothing to copy, or the copy is damaged."""


def backup_to(settings: Settings, file: Path) -> int:
    """Copy the database to `file`; returns its size in bytes. Works while the box runs.

    Raises NoBackup, OSError.
    """
    database = settings.storage.state_dir / "box.db"
    if not database.exists():
        raise NoBackup(f"no database at {database}")
    draft = file.with_name(f"{file.name}.tmp")
    draft.touch(mode=0o600)  # passphrases of cameras are in it
    connection.backup_file(database, draft)
    publish_copy(draft, file)
    return file.stat().st_size


def restore_from(settings: Settings, file: Path) -> Path | None:
    """Put the backup `file` in place of the database, with a new epoch; returns where the old one was moved.

    Raises StateBusy while the box runs, NoBackup, OSError.
    """
    state_dir = settings.storage.state_dir
    with hold_state(state_dir):
        try:
            moved_to = install(state_dir / "box.db", file, BoxClock.start(None, None).now_us())
        except ValueError as error:
            raise NoBackup(str(error)) from error
    return moved_to if moved_to.exists() else None
