"""The directory of a followed channel: what came, went or was replaced, and which files are opened.

Owns: when the folder is listed. Must not know: what is in a file, clocks. State changes on the trio thread.
"""

from __future__ import annotations

import heapq
import os
from typing import Final

import trio

from appliance.kernel.clock import ahead_of_wall_us
from appliance.recordings.following import disk
from appliance.recordings.following.channel_state import Followed, Open
from appliance.recordings.following.disk import Found
from appliance.recordings.following.paths import open_recording
from appliance.recordings.segment_state import Segment

RESCAN_S: Final = 5.0  # names; truth even where directory times lie
RESTAT_S: Final = 30.0  # sizes of every file: a damaged one may have grown
_OPEN_MAX: Final = 3  # files followed at once; more at a time are an import, not a recording
_SAME_TICK_S: Final = 0.05  # directory times are this coarse at worst: look again
_RECENT: Final = 3  # files, by time and by name, that are asked at each rescan whether they have grown


async def rescan_when_due(followed: Followed) -> None:
    now_s = trio.current_time()
    if (mtime_ns := _folder_mtime_ns(followed)) != followed.folder_mtime_ns:
        followed.folder_mtime_ns, followed.folder_changed_s = mtime_ns, now_s
    # what was written in the same tick as a listing would not show in the directory's time again
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


def _without_recent(followed: Followed) -> dict[str, Found]:
    """What was listed, but for the newest files that are not open: one of them may be growing."""
    closed = [(one.mtime_ns, name) for name, one in followed.listed.items() if name not in followed.open]
    recent = {name for _, name in heapq.nlargest(_RECENT, closed)}
    recent.update(heapq.nlargest(_RECENT, (name for _, name in closed)))
    return {name: one for name, one in followed.listed.items() if name not in recent}


def _folder_mtime_ns(followed: Followed) -> int:
    try:
        return os.stat(followed.folder).st_mtime_ns
    except FileNotFoundError:
        return 0


async def _compare(followed: Followed, found: dict[str, Found], listed_us: int | None) -> None:
    """Take in what came and went; `listed_us`: box time of the listing before."""
    channel = followed.channel
    if found == followed.listed:
        return
    gone = [name for name in channel.segments if name not in found]
    for name in gone:
        channel.forget(name)
        if (one := followed.open.pop(name, None)) is not None:
            os.close(one.fd)
    if gone:
        await followed.read(followed.cache.forget, gone)
    gap_us = ahead_of_wall_us(followed.shared.clock)
    fresh: list[tuple[Segment, bool]] = []
    changed = [
        (name in channel.segments, file.mtime_ns, name, file)
        for name, file in found.items()
        if followed.listed.get(name) != file
    ]
    for _, _, name, file in sorted(changed):  # those that have grown last: they count most
        if name in followed.open:
            continue  # its own looks tell
        is_new, old = name not in channel.segments, followed.listed.get(name)
        written_us = followed.disk_clock.box_us(file.mtime_ns // 1000 + gap_us)
        segment = channel.discover(name, file.bytes, written_us, None, has_changed=True)
        if is_new or old is None or (file.inode == old.inode and file.bytes > old.bytes):
            fresh.append((segment, is_new))
    followed.listed = found
    for segment, is_new in fresh[-_OPEN_MAX:]:
        await open_segment(followed, segment, looked_us=listed_us if is_new else None)
    if gone or len(fresh) > _OPEN_MAX or channel.waiting():
        followed.shared.changed.notify()
        followed.shared.wake_rebuild.notify()


async def open_segment(
    followed: Followed,
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
    followed.open[segment.name] = Open(segment, fd, was_there=was_there, is_old=is_old, looked_us=looked_us)
    followed.channel.opened(segment)
