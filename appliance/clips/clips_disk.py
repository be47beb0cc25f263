"""Is the disk of clips_dir the one that the rows speak of?

A mount point without its disk fills with the files of new clips, and all others look lost: an export, whose
file is all there is of it, would be given up. So the database remembers the file system; under another one,
with most files missing, nothing is lost, deleted or adopted until the disk is back. A disk that was copied
has the files.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import trio

from appliance.kernel.file_system import file_system_of
from appliance.kernel.store import Store
from appliance.kernel.tx import ReadTx

_KEY = "clips_disk"  # in `meta`


@dataclass(slots=True)
class ClipsDisk:
    """What was found last; shared by all who would take a missing file for a lost one."""

    is_away: bool = False

    async def look(self, store: Store, clips_dir: Path) -> bool:
        """Find out; returns whether the disk is there. Raises OSError, StoreBroken."""
        now = await trio.to_thread.run_sync(file_system_of, clips_dir)
        known, named = await store.read(
            lambda tx: (tx.value("SELECT value FROM meta WHERE key = ?", (_KEY,)), _named(tx))
        )
        if known != now:
            there = await trio.to_thread.run_sync(_count, clips_dir, named)
            if known is not None and there * 2 < len(named):
                self.is_away = True
                return False
            await store.insist(lambda tx: tx.run("INSERT OR REPLACE INTO meta VALUES (?, ?)", (_KEY, now)))
        self.is_away = False
        return True


def _named(tx: ReadTx) -> list[str]:
    sql = "SELECT file_path FROM plans WHERE file_path IS NOT NULL"
    return [row["file_path"] for row in tx.all(sql)]


def _count(clips_dir: Path, names: list[str]) -> int:
    return sum((clips_dir / name).exists() for name in names)
