"""Bytes a power cut has taken out of a recording: sectors of zeros where coded video should be.

A file that grew without fsync may come back with its length and without its bytes. Coded video never has a
run of zeros this long: emulation prevention breaks each third zero (ISO/IEC 14496-10 7.3.1, 23008-2 7.3.1).
Sound as plain samples may: silence. Must not know: boxes, who asks.
"""

from __future__ import annotations

import os

SECTOR = 512  # the least a disk writes whole
CHUNK = 1 << 20
TELLING = 4  # so many zeros may end a recording's last sector by chance: sound ends as it likes
PLAIN_SOUND = frozenset({"ipcm", "fpcm", "lpcm", "twos", "sowt"})  # sample entries of uncompressed sound

_ZEROS = bytes(SECTOR)


def find_hole(fd: int, start: int, end: int) -> int | None:
    """Where the first 512 zeros, or the end of the file, lie in the sectors of [start, end); None: nowhere.

    The last sector of a file is shorter: all of it zeros is a hole too. Blocking. Raises OSError.
    """
    size = os.fstat(fd).st_size
    end = max(end, min(size, end + -end % SECTOR))
    at = start - start % SECTOR
    while at < end:
        chunk = os.pread(fd, min(CHUNK, end - at), at)
        found = chunk.find(_ZEROS)
        if found >= 0:
            return at + found
        if not chunk:
            return at
        # the run may go on in the next chunk; a short read is looked at again from where it stopped
        at += len(chunk) if at + len(chunk) >= end else max(1, len(chunk) - SECTOR + 1)
    return _short_sector(fd, size) if end == size else None


def _short_sector(fd: int, size: int) -> int | None:
    last = os.pread(fd, size % SECTOR, size - size % SECTOR)
    return None if any(last) or len(last) < TELLING else size - len(last)
