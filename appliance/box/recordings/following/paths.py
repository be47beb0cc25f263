"""Opening and unlinking files under recordings_dir only.

Owns: names -> descriptors without following a link out of the tree. Must not know: the content of a file.
Names come from our plans and rows, directories from any program that can write to the disk.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from appliance.media.clock.names import is_segment_name

CHANNEL_ID = re.compile(r"[a-z0-9_-]{1,32}")  # as in the settings, and safe as a folder name
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
# O_NONBLOCK: opening a FIFO with the name of a recording must not hang
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


def open_recording(recordings_dir: Path, name: str) -> int:
    """Descriptor of the regular file `<channel id>/<segment>.mp4`, read-only. Blocking; raises OSError.

    FileNotFoundError means that the file is gone, or that its name is not valid, so that no caller can find
    out which other files exist. A disk that is away raises another error.
    """
    channel_id, _, segment = name.partition("/")
    if not CHANNEL_ID.fullmatch(channel_id) or not is_segment_name(segment):
        raise FileNotFoundError(errno.ENOENT, "not a recording", name)
    try:
        with open_channel(recordings_dir, channel_id) as directory:
            return open_segment(directory, segment)
    except FileNotFoundError:
        if _is_away(recordings_dir):
            raise OSError(errno.ENODEV, "the recordings disk is away", name) from None
        raise


def _is_away(recordings_dir: Path) -> bool:
    """An empty folder is a mount point without its disk: channel folders stay when their files are
    deleted."""
    try:
        with os.scandir(recordings_dir) as entries:
            return next(entries, None) is None
    except FileNotFoundError:
        return True


@contextmanager
def open_channel(recordings_dir: Path, channel_id: str) -> Iterator[int]:
    """Descriptor of a channel's directory for the block. Raises OSError."""
    root = os.open(recordings_dir, _DIRECTORY)
    try:
        directory = os.open(channel_id, _DIRECTORY | os.O_NOFOLLOW, dir_fd=root)
    finally:
        os.close(root)
    try:
        yield directory
    finally:
        os.close(directory)


def open_segment(directory: int, segment: str) -> int:
    """Descriptor of a regular file in an open channel directory. Raises OSError."""
    fd = os.open(segment, _FILE, dir_fd=directory)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise FileNotFoundError(errno.ENOENT, "not a regular file", segment)
    return fd


def unlink_segments(recordings_dir: Path, channel_id: str, segments: Iterable[str]) -> None:
    """Delete files of a channel's directory, durably; missing ones are fine. Blocking.

    Raises OSError; a missing directory is a disk that is away, and nothing was deleted.
    """
    if not CHANNEL_ID.fullmatch(channel_id):
        raise FileNotFoundError(errno.ENOENT, "not a channel", channel_id)
    with open_channel(recordings_dir, channel_id) as directory:
        for segment in segments:
            if not is_segment_name(segment):
                raise FileNotFoundError(errno.ENOENT, "not a recording", segment)
            with suppress(FileNotFoundError):
                os.unlink(segment, dir_fd=directory)
        os.fsync(directory)
