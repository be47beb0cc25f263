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
from appliance.box.recordings.following.channel_state import ChannelState, OpenFile
from appliance.kernel.threads import in_thread

SYNC_S: Final = 1.0


async def run_sync(followed: ChannelState) -> None:
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
            await in_thread(
                _sync,
                fds,
                followed.cache if needs_log else None,
                limiter=followed.sync_thread,
                abandon_on_cancel=True,
            )
            followed.disk_errors.clear("sync")
            if grown:
                followed.durable_until_us = until_us
                followed.shared.changed.notify()
        except OSError as error:
            followed.disk_errors.record("sync", error)


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


def _sync(fds: list[int], cache: ChannelCache | None) -> None:
    try:
        for fd in fds:
            os.fdatasync(fd)
        if cache is not None:
            cache.sync()
    finally:
        for fd in fds:
            os.close(fd)
