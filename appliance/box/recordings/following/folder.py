"""The directory of a followed channel: files added, deleted or replaced, and which files are opened.

Owns: when the folder is listed. Must not know: the content of a file, clocks. State changes on the trio
thread.
"""

from __future__ import annotations

import heapq
import os
from typing import Final

import trio

from appliance.box.recordings.following import disk
from appliance.box.recordings.following.channel_state import FollowedChannel, OpenFile
from appliance.box.recordings.following.disk import ListedFile
from appliance.box.recordings.following.paths import open_recording
from appliance.box.recordings.segment_state import Segment
from appliance.kernel.clock import ahead_of_wall_us

RESCAN_S: Final = 5.0  # seconds between listings of all names, also where directory times are wrong
RESTAT_S: Final = 30.0  # sizes of every file: a damaged one may have grown
_OPEN_MAX: Final = 3  # files followed at once; more at a time are an import, not a recording
_SAME_TICK_S: Final = 0.05  # resolution of directory times at worst: list again
_RECENT: Final = 3  # files, newest by time and by name, whose growth is checked at each rescan


async def rescan_when_due(followed: FollowedChannel) -> None:
    now_s = trio.current_time()
    if (mtime_ns := _folder_mtime_ns(followed)) != followed.folder_mtime_ns:
        followed.folder_mtime_ns, followed.folder_changed_s = mtime_ns, now_s
    # a file written in the same tick as a listing would not change the directory's time again
    changed = followed.rescanned_s <= followed.folder_changed_s + _SAME_TICK_S
    is_due = now_s - followed.rescanned_s >= RESCAN_S
    if not (changed or followed.hinted or is_due):
        return
    followed.hinted = False
    followed.rescanned_s = now_s
    restat = now_s - followed.restated_s >= RESTAT_S
    if restat:
        followed.restated_s = now_s
    known = {} if restat else _without_recent(followed) if is_due else followed.listed
    root, channel_id = followed.shared.recordings_dir, followed.channel.id
    listed_us, followed.listed_us = followed.listed_us, followed.shared.clock.now_us()
    listing = await followed.read(disk.list_channel, root, channel_id, known)
    await _compare(followed, followed.there(listing), listed_us)


def _without_recent(followed: FollowedChannel) -> dict[str, ListedFile]:
    """The last listing except the newest files that are not open: one of them may be growing."""
    closed = [(file.mtime_ns, name) for name, file in followed.listed.items() if name not in followed.open]
    recent = {name for _, name in heapq.nlargest(_RECENT, closed)}
    recent.update(heapq.nlargest(_RECENT, (name for _, name in closed)))
    return {name: file for name, file in followed.listed.items() if name not in recent}


def _folder_mtime_ns(followed: FollowedChannel) -> int:
    try:
        return os.stat(followed.folder).st_mtime_ns
    except FileNotFoundError:
        return 0


async def _compare(followed: FollowedChannel, files: dict[str, ListedFile], listed_us: int | None) -> None:
    """Apply added and deleted files; `listed_us`: box time of the listing before."""
    channel = followed.channel
    if files == followed.listed:
        return
    gone = [name for name in channel.segments if name not in files]
    for name in gone:
        channel.forget(name)
        if (opened := followed.open.pop(name, None)) is not None:
            os.close(opened.fd)
    if gone:
        await followed.read(followed.cache.forget, gone)
    gap_us = ahead_of_wall_us(followed.shared.clock)
    fresh: list[tuple[Segment, bool]] = []
    changed = [
        (name in channel.segments, file.mtime_ns, name, file)
        for name, file in files.items()
        if followed.listed.get(name) != file
    ]
    for _, _, name, file in sorted(changed):  # those that grew last come first: they are the most important
        if name in followed.open:
            continue  # its own checks see its growth
        is_new, old = name not in channel.segments, followed.listed.get(name)
        written_us = followed.disk_clock.box_us(file.mtime_ns // 1000 + gap_us)
        segment = channel.discover(name, file.bytes, written_us, None, has_changed=True)
        if is_new or old is None or (file.inode == old.inode and file.bytes > old.bytes):
            fresh.append((segment, is_new))
    followed.listed = files
    for segment, is_new in fresh[-_OPEN_MAX:]:
        await open_segment(followed, segment, looked_us=listed_us if is_new else None)
    if gone or len(fresh) > _OPEN_MAX or channel.waiting():
        followed.shared.changed.notify()
        followed.shared.wake_rebuild.notify()


async def open_segment(
    followed: FollowedChannel,
    segment: Segment,
    *,
    was_there: bool = False,
    is_old: bool = False,
    looked_us: int | None = None,
) -> None:
    try:
        fd = await followed.read(open_recording, followed.shared.recordings_dir, followed.path(segment.name))
    except OSError as error:
        followed.disk_errors.record("open", error)
        return
    followed.disk_errors.clear("open")
    followed.open[segment.name] = OpenFile(
        segment, fd, was_there=was_there, is_old=is_old, looked_us=looked_us
    )
    followed.channel.opened(segment)
