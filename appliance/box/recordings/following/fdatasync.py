"""Makes footage survive a power cut: fdatasync of growing files, once a second.

Owns: when a channel's growing files are synced, and up to which time its video is durable. Must not know:
parts. MediaMTX never syncs: without this a power cut loses up to 30 s of every camera.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Final

import trio

from appliance.box.recordings.following.cache import ChannelCache
from appliance.box.recordings.following.channel_state import FollowedChannel, OpenFile
from appliance.kernel.threads import in_thread

SYNC_S: Final = 1.0


async def run_sync(followed: FollowedChannel) -> None:
    """One sync at a time per channel, in a separate thread: a slow disk delays no other channel."""
    while True:
        await trio.sleep(SYNC_S)
        grown = [open_file for open_file in followed.open.values() if open_file.needs_sync]
        until_us = followed.channel.video_until_us
        if not grown and not followed.log_needs_sync:
            continue
        needs_log, followed.log_needs_sync = followed.log_needs_sync, False
        try:
            # duplicated: the checking task may close its own while a slow disk still writes
            fds = _duplicated(grown)
            for open_file in grown:
                open_file.needs_sync = False
            failure = await in_thread(
                _sync,
                fds,
                followed.cache if needs_log else None,
                limiter=followed.sync_thread,
                abandon_on_cancel=True,
            )
            _note(followed, failure, until_us if grown else None)
        except OSError as error:
            followed.disk_errors.record("sync", error)


def _note(followed: FollowedChannel, failure: OSError | None, until_us: int | None) -> None:
    """Advance what is durable, unless a sync of footage has failed in this run.

    After an error the kernel may mark the pages that were not written as clean, and the next sync succeeds
    without them: nothing but reading the disk after a power cut tells whether they are there.
    """
    if failure is not None:
        followed.durable_is_final = True
        followed.disk_errors.record("sync", failure)
        return
    followed.disk_errors.clear("sync")
    if until_us is not None and not followed.durable_is_final:
        followed.durable_until_us = until_us
        followed.shared.changed.notify()


def _duplicated(grown: Sequence[OpenFile]) -> list[int]:
    fds: list[int] = []
    try:
        for open_file in grown:
            fds.append(os.dup(open_file.fd))
    except OSError:
        for fd in fds:
            os.close(fd)
        raise
    return fds


def _sync(fds: list[int], cache: ChannelCache | None) -> OSError | None:
    """Sync each file, also after the error of another; returns the first error of a file. Raises OSError when
    only the index's log could not be synced: it can be made again from the files."""
    failure: OSError | None = None
    try:
        for fd in fds:
            try:
                os.fdatasync(fd)
            except OSError as error:
                failure = failure or error.with_traceback(None)
        if cache is not None and failure is None:
            cache.sync()
    finally:
        for fd in fds:
            os.close(fd)
    return failure
