"""Bytes a power cut has taken out of a recording: sectors of zeros where coded video should be.

A file that grew without fsync may come back with its length and without its bytes. Coded video never has a
run of zeros this long: emulation prevention breaks each third zero (ISO/IEC 14496-10 7.3.1, 23008-2 7.3.1).
Sound as plain samples may: silence. Must not know: boxes, who asks.
"""

from __future__ import annotations

import os

SECTOR = 512  # the least a disk writes whole
CHUNK = 1 << 20
PLAIN_SOUND = frozenset({"ipcm", "fpcm", "lpcm", "twos", "sowt"})  # sample entries of uncompressed sound

_ZEROS = bytes(SECTOR)


def find_hole(fd: int, start: int, end: int) -> int | None:
    """Where in [start, end) of the file the first run of 512 zeros, or the file's end, lies; None: nowhere.

    Blocking. Raises OSError.
    """
    at = start
    while at < end:
        chunk = os.pread(fd, min(CHUNK, end - at), at)
        found = chunk.find(_ZEROS)
        if found >= 0:
            return at + found
        if not chunk:
            return at
        # the run may go on in the next chunk; a short read is looked at again from where it stopped
        at += len(chunk) if at + len(chunk) >= end else max(1, len(chunk) - SECTOR + 1)
    return None
