"""Whether the disk mounted at clips_dir is the one the rows refer to. Checked before every write and delete.

If the disk is not mounted, new files would be written to the bare mount point, and all others would look
lost: an export, which exists only as its file, would be given up. So the database stores the file system's id
and where it was mounted. A folder on the disk around its mount point is a bare mount point: nothing counts as
lost, and nothing is written, deleted or adopted, until the disk is back. A different disk is accepted as a
new one: files that are not on it are made again.
"""

from __future__ import annotations

import errno
import os
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import structlog

from appliance.kernel.file_system import file_system_of
from appliance.kernel.sqlite.engine import on_disk
from appliance.kernel.store import Store
from appliance.kernel.threads import in_thread
from appliance.kernel.tx import ReadTx, Tx

log = structlog.get_logger("clip_files")

_KEY = "clips_disk"  # in `meta`: which file system
_PLACE = "clips_disk_place"  # the folder, and on the next line where its disk is mounted


@dataclass(frozen=True, slots=True)
class MountState:
    """What is at clips_dir. `root`: its mount point. `is_own`: a disk of its own, not the system's or the
    state's."""

    file_system: str
    device: int
    root: str
    is_own: bool


@dataclass(slots=True)
class ClipsDisk:
    """Result of the last check; shared by all modules that write or delete there, or look for lost files."""

    is_away: bool = False
    is_known: bool = False  # it was checked
    is_new: bool = False  # a different disk, without the files of the one before
    device: int | None = None
    under_way: set[str] = field(default_factory=set)  # files being made: their names without the extension

    @property
    def is_there(self) -> bool:
        """Whether a missing file counts as lost."""
        return self.is_known and not self.is_away

    async def look(self, store: Store, clips_dir: Path) -> bool:
        """Check the disk; True when it is there. Does not clear `is_away`: the caller does, after its sweep.

        Raises OSError, StoreBroken.
        """
        mount = await in_thread(_find, clips_dir, on_disk(store).path.parent)
        known, place, named = await store.read(
            lambda tx: (_meta(tx, _KEY), _meta(tx, _PLACE), _named(tx)),
        )
        now = (mount.file_system, f"{clips_dir}\n{mount.root}")
        if (known, place) != now:
            missing: list[str] = []
            is_other = known not in (None, mount.file_system)
            if is_other or place not in (None, now[1]):
                missing = await in_thread(_missing, clips_dir, named)
            if is_other and len(missing) * 2 > len(named) and is_bare(place, clips_dir, mount):
                self.is_away = True
                return False
            if missing:
                log.warning("another_clips_disk", missing=len(missing))
                await in_thread(_begin, clips_dir)
                self.is_new = True
            await store.write_retrying(partial(_accept, now=now, missing=missing))
        self.is_known, self.device = True, mount.device
        return True

    async def require(self, clips_dir: Path) -> None:
        """`check` in a thread of its own. Raises OSError."""
        await in_thread(self.check, clips_dir)

    def check(self, clips_dir: Path) -> None:
        """Raises OSError while the disk is away, also when it was removed since the last check. Blocking: for
        a thread that writes to the disk next."""
        if not self.is_away and self.device is not None:
            self.is_away = device_of(clips_dir) != self.device
        if self.is_away:
            raise OSError(errno.ENODEV, "the disk with the clips is not mounted")

    @asynccontextmanager
    async def writing(self, clips_dir: Path, name: str) -> AsyncIterator[None]:
        """A block in which this file is written and its name stored in a row. Raises OSError as `require`."""
        await self.require(clips_dir)
        with self.making(name):
            yield

    @contextmanager
    def making(self, name: str) -> Iterator[None]:
        """As `writing`, for a block whose thread calls `check` itself."""
        made = without_ending(name)
        self.under_way.add(made)
        try:
            yield
        finally:
            self.under_way.discard(made)


def without_ending(name: str) -> str:
    """The part of the name that a file and its draft share."""
    return name.rpartition(".")[0]


def is_bare(place: str | None, clips_dir: Path, mount: MountState) -> bool:
    """Whether clips_dir is the bare mount point of a disk. `place` None: stored by an older release."""
    if place is None:
        return not mount.is_own
    folder, _, root = place.partition("\n")
    if folder != str(clips_dir):  # clips_dir was changed
        return False
    return root != mount.root and Path(root).is_relative_to(mount.root)


def device_of(folder: Path) -> int:
    """Device number of the folder, or of where it would be made. Blocking; raises OSError."""
    return os.stat(_standing(folder)).st_dev


def _standing(folder: Path) -> Path:
    """The folder, or its nearest existing parent. Raises OSError."""
    while True:
        try:
            os.stat(folder)
        except FileNotFoundError:
            if folder == folder.parent:
                raise
            folder = folder.parent
        else:
            return folder


def _find(clips_dir: Path, state_dir: Path) -> MountState:
    device = device_of(clips_dir)
    root = clips_dir.resolve()
    while root != root.parent and device_of(root.parent) == device:
        root = root.parent
    is_own = device not in (device_of(Path("/")), device_of(state_dir))
    return MountState(file_system_of(_standing(clips_dir)), device, str(root), is_own)


def _begin(clips_dir: Path) -> None:
    """Make a subfolder: an empty clips_dir would later be taken for a mount point without its disk."""
    (clips_dir / "thumbs").mkdir(parents=True, exist_ok=True)


def _meta(tx: ReadTx, key: str) -> str | None:
    value = tx.value("SELECT value FROM meta WHERE key = ?", (key,))
    return None if value is None else str(value)


def _named(tx: ReadTx) -> list[str]:
    sql = "SELECT file_path FROM plans WHERE file_path IS NOT NULL"
    return [row["file_path"] for row in tx.all(sql)]


def _missing(clips_dir: Path, names: Sequence[str]) -> list[str]:
    return [name for name in names if not (clips_dir / name).exists()]


def _accept(tx: Tx, now: tuple[str, str], missing: Sequence[str]) -> None:
    """Clips whose recordings exist are served from them and get new files; recovery.py handles the others."""
    for key, value in zip((_KEY, _PLACE), now, strict=True):
        tx.run("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))
    names = frozenset(missing)
    sql = "SELECT clip_id, media_rev, file_path FROM plans WHERE file_path IS NOT NULL AND length(header) > 0"
    for row in [each for each in tx.all(sql) if each["file_path"] in names]:
        cut = row["clip_id"], row["media_rev"]
        tx.run("UPDATE plans SET file_path = NULL WHERE clip_id = ? AND media_rev = ?", cut)
        clip = row["clip_id"], row["file_path"]
        tx.run("UPDATE clips SET file_path = NULL WHERE id = ? AND file_path = ?", clip)
