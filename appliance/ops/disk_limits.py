"""Space to be kept free ([storage] reserve_gb, settings of domains) compared with its disk.

Owns: measuring the disk, and the messages. A limit larger than the disk is a mistake in the file, and would
make the box delete every recording without ever meeting it.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from appliance.box.domains import kept_free_gb
from appliance.box.settings import Settings, SettingsError
from appliance.ops.health import GB

_RECORDING: Final = ".mp4"


class Room(NamedTuple):
    """The file system of a folder; sizes in bytes. `ours`: the size of the recordings, where it was
    counted."""

    total: int
    free: int
    ours: int | None = None

    @property
    def most(self) -> int:
        """The bytes that would be free if all recordings were deleted; without `ours` the size of the
        disk."""
        return self.total if self.ours is None else min(self.total, self.free + self.ours)


def refuse_impossible(settings: Settings) -> None:
    """For `serve`: raises SettingsError for a limit that is no smaller than the whole disk.

    A limit that cannot be met only because of other files does not stop a box on the day of a game: retention
    keeps 1 GB free instead, and /readyz is red.
    """
    if problems := list(_too_large(settings, room_of(settings.storage.recordings_dir))):
        raise SettingsError(problems)


def refuse_unreachable(settings: Settings) -> None:
    """For `check-config`: raises SettingsError also when deleting all recordings would not be enough."""
    room = room_of(settings.storage.recordings_dir, count=True)
    if problems := list(_too_large(settings, room)):
        raise SettingsError(problems)


def _too_large(settings: Settings, room: Room | None) -> Iterator[str]:
    limits = {
        "storage.reserve_gb": settings.storage.reserve_gb,
        **kept_free_gb(settings),
    }
    folder = settings.storage.recordings_dir
    for name, limit_gb in limits.items():
        if room is not None and limit_gb and limit_gb * GB >= room.most:
            yield (
                f"{name}: {limit_gb:g} GB cannot be kept free at {folder}, whose disk"
                f" has {room.total / GB:.1f} GB, {room.free / GB:.1f} GB of them free; use at most"
                f" {math.floor(room.most / GB * 10) / 10:g}, or every recording would be deleted"
            )


def room_of(folder: Path, *, count: bool = False) -> Room | None:
    """The disk of `folder` or of its nearest existing parent; `count`: with its recordings' bytes.

    None when no disk answers: a disk that is not mounted is reported by /readyz.
    """
    there = folder
    while not there.exists() and there != there.parent:
        there = there.parent
    try:
        stats = os.statvfs(there)
        ours = sum(_sizes(folder)) if count else None
    except OSError:
        return None
    return Room(stats.f_blocks * stats.f_frsize, stats.f_bavail * stats.f_frsize, ours)


def _sizes(folder: Path) -> Iterator[int]:
    for parent, _, names in os.walk(folder):
        for name in names:
            if not name.endswith(_RECORDING):
                continue  # other files there are not ours to delete
            try:
                yield os.lstat(os.path.join(parent, name)).st_size
            except FileNotFoundError:
                continue
