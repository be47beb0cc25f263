"""Bytes of a recording that a power cut destroyed: sectors of zeros in place of coded video.

A file that grew without fsync may be restored with its length and without its bytes. Coded video never
contains a run of zeros this long: emulation prevention breaks each third zero (ISO/IEC 14496-10 7.3.1,
23008-2 7.3.1). Sound as plain samples may: silence. Must not know: boxes, callers.
"""

from __future__ import annotations

import os

SECTOR = 512  # the smallest unit a disk writes
CHUNK = 1 << 20
TELLING = 4  # the last sector of an intact recording may end with this many zeros: sound ends with any bytes
PLAIN_SOUND = frozenset({"ipcm", "fpcm", "lpcm", "twos", "sowt"})  # sample entries of uncompressed sound

_ZEROS = bytes(SECTOR)


def find_hole(fd: int, start: int, end: int) -> int | None:
    """Offset of the first 512 zeros, or of the end of the file, in the sectors of [start, end); None: none.

    The last sector of a file is shorter: a hole if all of it is zeros. Blocking. Raises OSError.
    """
    size = os.fstat(fd).st_size
    end = max(end, min(size, end + -end % SECTOR))
    at = start - start % SECTOR
    while at < end:
        chunk = os.pread(fd, min(CHUNK, end - at), at)
        at_zeros = chunk.find(_ZEROS)
        if at_zeros >= 0:
            return at + at_zeros
        if not chunk:
            return at
        # the run may continue in the next chunk; a short read is resumed where it stopped
        at += len(chunk) if at + len(chunk) >= end else max(1, len(chunk) - SECTOR + 1)
    return _short_sector(fd, size) if end == size else None


def _short_sector(fd: int, size: int) -> int | None:
    last = os.pread(fd, size % SECTOR, size - size % SECTOR)
    return None if any(last) or len(last) < TELLING else size - len(last)
