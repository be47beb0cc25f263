"""The identity of a file system, to notice another disk, or a bare mount point, under the same path."""

from __future__ import annotations

import os
from pathlib import Path


def file_system_id(stats: os.statvfs_result, device: int) -> str:
    """For ext4, btrfs and others a digest of their UUID, which survives a reboot; a device number may not,
    and is used only where the file system reports no id."""
    return f"{stats.f_fsid & (1 << 64) - 1:x}" if stats.f_fsid else f"device {device}"


def file_system_of(folder: Path) -> str:
    """The id of the file system that holds `folder`. Blocking; raises OSError."""
    return file_system_id(os.statvfs(folder), os.stat(folder).st_dev)
