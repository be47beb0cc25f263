"""What a file system calls itself: another one under the same path is another disk, or a bare mount point."""

from __future__ import annotations

import os
from pathlib import Path


def file_system_id(told: os.statvfs_result, device: int) -> str:
    """Of ext4, btrfs and the like a digest of their UUID, which outlives a start of the machine where a
    device number may not; others tell nothing."""
    return f"{told.f_fsid & (1 << 64) - 1:x}" if told.f_fsid else f"device {device}"


def file_system_of(folder: Path) -> str:
    """Blocking; raises OSError."""
    return file_system_id(os.statvfs(folder), os.stat(folder).st_dev)
