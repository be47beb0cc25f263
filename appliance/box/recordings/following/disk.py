"""The blocking half of following: what threads do for the index, values in and values out.

Owns: listing a channel's directory, checking a file once, walking an old file. Must not know: the loop,
state. A thread never touches the index itself: it gets a cursor and returns its findings.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from appliance.box.recordings.following.cache import ChannelCache
from appliance.box.recordings.following.paths import open_channel, open_recording
from appliance.kernel.file_system import file_system_id
from appliance.media.clock.names import is_segment_name
from appliance.media.index.columns import KeyColumns, PartColumns
from appliance.media.index.holes import PLAIN_SOUND, find_hole
from appliance.media.index.index import MAX_PARTS_PER_SCAN, Growth, ScanCursor, SegmentIndex, scan, was_closed
from appliance.media.index.segment import SegmentFacts
from appliance.media.mp4.fmp4 import MAX_INIT_BYTES, Init, Malformed, parse_init

_OF_THE_DISK = frozenset({"lost+found", "system volume information", "recycler"})
_INIT_BYTES = 8192  # a normal one has 1 to 2 kB
_HEAD_BYTES = 512  # of the first part: sizes of its samples, which differ between recordings
_MVHD_BYTES = 32  # up to its duration, the one field that recorders rewrite
WALK_PARTS = 100  # parts of an old file at a time: 10 ms of Python, so that live channels do not wait


class ListedFile(NamedTuple):
    """One file of a channel: size in bytes and time of its last change, ns of the disk's clock.

    `inode` distinguishes a file from another with the same name.
    """

    bytes: int
    mtime_ns: int
    inode: int = 0


class Listing(NamedTuple):
    """A channel's files, and the device they are on (None: recordings_dir does not exist).

    `disk`: the file system's id, which survives a reboot where a device number may not.
    """

    files: dict[str, ListedFile]
    device: int | None
    disk: str | None = None


@dataclass(frozen=True, slots=True)
class FileCheck:
    """The result of checking a growing file. `head` are bytes that no recorder changes: others mean another
    file."""

    growth: Growth
    is_closed: bool
    head: bytes = b""


def list_channel(recordings_dir: Path, channel_id: str, known: Mapping[str, ListedFile]) -> Listing:
    """Every segment of the channel. Entries of `known` are reused as they are: only new files are read.

    A missing channel directory means no files. Raises FileNotFoundError when recordings_dir does not exist
    although some files are known, and other OSErrors of the disk.
    """
    try:
        device = os.stat(recordings_dir).st_dev
        disk = file_system_id(os.statvfs(recordings_dir), device)
    except FileNotFoundError:
        if not known:
            return Listing({}, None)
        raise
    files: dict[str, ListedFile] = {}
    try:
        with open_channel(recordings_dir, channel_id) as directory, os.scandir(directory) as entries:
            device = os.fstat(directory).st_dev  # a channel's folder may be a mount of its own
            disk = file_system_id(os.fstatvfs(directory), device)
            for entry in entries:
                if not is_segment_name(entry.name):
                    continue
                file = known[entry.name] if entry.name in known else _stat(entry)
                if file is not None:
                    files[entry.name] = file
    except FileNotFoundError:
        files = {}
    return Listing(files, device, disk)


def absent_at_start(known: Iterable[str], disks: Mapping[str, str], now: Listing) -> frozenset[str]:
    """The recordings known from an earlier process whose disk is not there now.

    A file that is missing from the disk it was on has been deleted. A disk is identified by its id (`disks`,
    by recording) or by any recording on it; a disk without either is away, not emptied.
    """
    groups: dict[str | None, set[str]] = {}
    for name in known:
        groups.setdefault(disks.get(name), set()).add(name)
    away = (
        names
        for disk, names in groups.items()
        if (disk is None or disk != now.disk) and names.isdisjoint(now.files)
    )
    return frozenset().union(*away)


def is_other_disk(known: Collection[str], before: int | None, now: Listing) -> bool:
    """Whether a listing shows another disk, or a mount point without one, instead of deleted files.

    Device numbers change when the same disk is mounted again, so a known file identifies a disk. `before`:
    the device on which `known` were; None: they were seen by an earlier process.
    """
    if not known or any(name in now.files for name in known):
        return False
    return before is None or now.device != before


def _stat(entry: os.DirEntry[str]) -> ListedFile | None:
    try:
        if not entry.is_file(follow_symlinks=False):
            return None
        status = entry.stat(follow_symlinks=False)
    except FileNotFoundError:  # deleted meanwhile
        return None
    return found_of(status)


def found_of(status: os.stat_result) -> ListedFile:
    return ListedFile(status.st_size, status.st_mtime_ns, status.st_ino)


def list_folders(recordings_dir: Path) -> tuple[str, ...]:
    """Directories under recordings_dir that may belong to a channel, or to none. Raises OSError."""
    try:
        with os.scandir(recordings_dir) as entries:
            return tuple(
                sorted(entry.name for entry in entries if entry.is_dir() and not _is_of_the_disk(entry.name))
            )
    except FileNotFoundError:
        return ()


def _is_of_the_disk(name: str) -> bool:
    """Folders that file systems, NAS boxes and desktops create at the top of a disk and that cannot be
    removed."""
    return name.startswith((".", "@", "#", "$")) or name.lower() in _OF_THE_DISK


def look(fd: int, cursor: ScanCursor, size: int, *, ask_closed: bool, look_inside: bool = False) -> FileCheck:
    """What has been added to an open file. Raises OSError."""
    growth = _scan(cursor, fd, size, look_inside=look_inside)
    init = growth.cursor.init
    head = _head(fd, init) if init is not None and growth.cursor.parts else b""
    is_whole = growth.cursor.position == size  # else it is a copy that is still being written
    is_closed = ask_closed and not growth.more and is_whole and init is not None and was_closed(fd, init)
    # bytes that came after `size` was read were written before the file was closed
    return FileCheck(growth, is_closed and os.fstat(fd).st_size == size, head)


def _head(fd: int, init: Init) -> bytes:
    data = os.pread(fd, min(init.size, _INIT_BYTES), 0)
    at = data.find(b"mvhd")
    if at >= 0:
        data = data[:at] + data[at + _MVHD_BYTES :]
    return data + os.pread(fd, _HEAD_BYTES, init.size)


def walk_step(recordings_dir: Path, path: str, cursor: ScanCursor, look_inside: bool = False) -> Growth:
    """The next stretch of an old file. Raises OSError on a disk error, which says nothing about the file."""
    try:
        fd = open_recording(recordings_dir, path)
    except FileNotFoundError as error:
        return given_up(cursor, error)
    try:
        return _scan(cursor, fd, os.fstat(fd).st_size, WALK_PARTS, look_inside)
    finally:
        os.close(fd)


def given_up(cursor: ScanCursor, error: OSError) -> Growth:
    """A file that cannot be read counts as damaged, with the reason."""
    return Growth(cursor._replace(damage=error.strerror or str(error)))


def _scan(
    cursor: ScanCursor, fd: int, size: int, max_parts: int = MAX_PARTS_PER_SCAN, look_inside: bool = False
) -> Growth:
    try:
        growth = scan(cursor, fd, size, max_parts)
        return _up_to_a_hole(cursor, fd, size, growth) if look_inside else growth
    except OSError:
        raise
    except Exception as error:  # noqa: BLE001  # border: one recording file
        return Growth(cursor._replace(size=size, damage=f"{type(error).__name__}: {error}"))


def _up_to_a_hole(cursor: ScanCursor, fd: int, size: int, growth: Growth) -> Growth:
    """The content before bytes that a power cut destroyed; the rest of the file is damaged."""
    init = growth.cursor.init
    if init is None or (init.audio is not None and init.audio.codec in PLAIN_SOUND):
        return growth
    for part in growth.parts:
        if find_hole(fd, part.offset, part.end) is not None:
            whole = scan(cursor, fd, part.offset)
            damage = f"a power cut took bytes after {part.offset}"
            return replace(whole, cursor=whole.cursor._replace(size=size, damage=damage), more=False)
    return growth


def read_init(recordings_dir: Path, path: str) -> Init | None:
    """The init of a file; None when it has no readable one."""
    try:
        fd = open_recording(recordings_dir, path)
    except OSError:
        return None
    try:
        for length in (65536, MAX_INIT_BYTES):
            try:
                return parse_init(os.pread(fd, length, 0))
            except Malformed:
                continue
        return None
    except OSError:
        return None
    finally:
        os.close(fd)


def load_parts(
    recordings_dir: Path, path: str, cache: ChannelCache, facts: SegmentFacts
) -> tuple[Init, PartColumns, KeyColumns] | None:
    """Init, parts and keys of a closed segment from its table; None when table or file do not match
    `facts`."""
    init = read_init(recordings_dir, path)
    if init is None or init.stsd_id != facts.stsd_id:
        return None
    mtxi = init.mtxi
    run = (mtxi.stream_id.hex(), mtxi.number, mtxi.dts_ns) if mtxi is not None else (facts.run_id, None, 0)
    if run != (facts.run_id, facts.number, facts.base_ns):
        return None
    table = cache.load_table(facts)
    return (init, *table) if table is not None else None


def finish(fd: int, cache: ChannelCache, facts: SegmentFacts, index: SegmentIndex, line: bytes) -> None:
    """After a segment was closed: sync its bytes, then store its table and facts. Raises OSError."""
    os.fdatasync(fd)
    cache.save_table(facts, index.parts, index.keys)
    cache.append(line)
