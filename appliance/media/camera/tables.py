"""The sample tables of a progressive MP4 track, read where they lie: what a stretch of time needs, no more.

Owns: stts, ctts, stsz, stsc, stco, co64, stss by sample number and by time. A table is never loaded whole, so
memory does not grow with the length of a video; every BLOCK_ROWS rows a checkpoint is kept. Must not know:
tracks, edit lists, clips. The bytes are not trusted: counts are checked against the box, the only exceptions
are Malformed and OSError. Layout: ISO/IEC 14496-12 section 8.6 and 8.7.
"""

from __future__ import annotations

import os
import sys
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import accumulate
from operator import lt
from typing import Final, NamedTuple

from appliance.media.mp4.walk import Malformed

BLOCK_ROWS: Final = 4096
_MOST_SAMPLES: Final = 1 << 26  # a week at 100 fps
_NATIVE_IS_LITTLE: Final = sys.byteorder == "little"


class Place(NamedTuple):
    """The payload of a box in a file: [start, end), absolute."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Rows:
    """A table of `count` rows of `width` 32-bit words, the first at byte `start` of the file."""

    fd: int
    start: int
    count: int
    width: int

    @classmethod
    def of(cls, fd: int, box: Place, width: int, skip: int = 8) -> Rows:
        """Behind version, flags and the count, which ends at byte `skip`. Raises Malformed."""
        head = os.pread(fd, skip, box.start)
        count = int.from_bytes(head[skip - 4 : skip], "big")
        if len(head) < skip or count > _MOST_SAMPLES or box.start + skip + 4 * width * count > box.end:
            raise Malformed(f"a table at {box.start} is shorter than it claims")
        return cls(fd, box.start + skip, count, width)

    def read(self, first: int, stop: int) -> array[int]:
        """The words of rows first..stop as unsigned numbers. Raises Malformed where the file ends before."""
        size = 4 * self.width * (stop - first)
        data = os.pread(self.fd, size, self.start + 4 * self.width * first)
        if len(data) != size:
            raise Malformed(f"the file ends inside the table at {self.start}")
        words = array("I", data)
        if _NATIVE_IS_LITTLE:
            words.byteswap()
        return words

    def blocks(self) -> Iterator[tuple[int, array[int]]]:
        """(number of the first row, words) of all rows, BLOCK_ROWS at a time."""
        for first in range(0, self.count, BLOCK_ROWS):
            yield first, self.read(first, min(first + BLOCK_ROWS, self.count))


@dataclass(slots=True)
class RunTable:
    """stts or ctts: rows of (samples, value). `samples` and `ticks` at each block's begin, and in all."""

    rows: Rows
    signed: bool = False
    first_samples: array[int] = field(default_factory=lambda: array("q"))
    first_ticks: array[int] = field(default_factory=lambda: array("q"))
    samples: int = 0
    ticks: int = 0

    @classmethod
    def of(cls, fd: int, box: Place, *, signed: bool = False) -> RunTable:
        """Reads the table once, for its checkpoints. Raises Malformed."""
        table = cls(Rows.of(fd, box, 2), signed)
        for _, words in table.rows.blocks():
            table.first_samples.append(table.samples)
            table.first_ticks.append(table.ticks)
            counts, values = words[0::2], words[1::2]
            table.samples += sum(counts)
            table.ticks += 0 if signed else sum(map(int.__mul__, counts, values))
            if table.samples > _MOST_SAMPLES or table.ticks > 1 << 60:
                raise Malformed(f"the table at {table.rows.start} has too many samples")
        return table

    def _block(self, number: int) -> tuple[array[int], array[int]]:
        first = number * BLOCK_ROWS
        words = self.rows.read(first, min(first + BLOCK_ROWS, self.rows.count))
        values = array("i", words[1::2].tobytes()) if self.signed else words[1::2]
        return words[0::2], values

    def values(self, first: int, stop: int) -> array[int]:
        """The value of each sample first..stop."""
        wanted = array("i" if self.signed else "I")
        number = bisect_right(self.first_samples, first) - 1
        while first < stop and 0 <= number < len(self.first_samples):
            counts, values = self._block(number)
            at = self.first_samples[number]
            for count, value in zip(counts, values, strict=True):
                if at + count > first:
                    take = min(at + count, stop) - first
                    wanted.extend(array(wanted.typecode, [value]) * take)
                    first += take
                    if first >= stop:
                        break
                at += count
            number += 1
        if first < stop:
            raise Malformed(f"the table at {self.rows.start} ends before sample {stop}")
        return wanted

    def tick_of(self, sample: int) -> int:
        """Sum of the values of all samples before `sample`."""
        number = bisect_right(self.first_samples, sample) - 1
        if number < 0:
            return 0
        at, tick = self.first_samples[number], self.first_ticks[number]
        for count, value in zip(*self._block(number), strict=True):
            if at + count > sample:
                return tick + (sample - at) * value
            at, tick = at + count, tick + count * value
        return tick

    def sample_at(self, tick: int) -> int:
        """The last sample whose sum before it is at most `tick`; 0 where there is none."""
        number = max(bisect_right(self.first_ticks, tick) - 1, 0)
        if number >= len(self.first_samples):
            return 0
        at, reached = self.first_samples[number], self.first_ticks[number]
        for count, value in zip(*self._block(number), strict=True):
            if value and reached + count * value > tick:
                return at + max(tick - reached, 0) // value
            at, reached = at + count, reached + count * value
        return max(at - 1, 0)


@dataclass(frozen=True, slots=True)
class SizeTable:
    """stsz: the bytes of each sample; `fixed` where all have one size."""

    rows: Rows
    fixed: int
    samples: int

    @classmethod
    def of(cls, fd: int, box: Place) -> SizeTable:
        head = os.pread(fd, 12, box.start)
        fixed, samples = int.from_bytes(head[4:8], "big"), int.from_bytes(head[8:12], "big")
        if len(head) < 12 or samples > _MOST_SAMPLES:
            raise Malformed(f"no sizes at {box.start}")
        rows = Rows(fd, box.start + 12, 0, 1) if fixed else Rows.of(fd, box, 1, skip=12)
        return cls(rows, fixed, samples)

    def values(self, first: int, stop: int) -> array[int]:
        return array("I", [self.fixed]) * (stop - first) if self.fixed else self.rows.read(first, stop)


class Chunk(NamedTuple):
    """Samples first..stop lie together from byte `offset` of the file on."""

    first: int
    stop: int
    offset: int
    description: int


@dataclass(slots=True)
class ChunkTable:
    """stsc and stco or co64: where samples lie. `starts`: (first chunk, first sample) of each block of
    rows."""

    rows: Rows
    offsets: Rows
    starts: list[tuple[int, int]]

    @classmethod
    def of(cls, fd: int, stsc: Place, offsets: Place, *, wide: bool) -> ChunkTable:
        """Raises Malformed."""
        table = cls(Rows.of(fd, stsc, 3), Rows.of(fd, offsets, 2 if wide else 1), [])
        sample, last = 0, (0, 0)
        for _, words in table.rows.blocks():
            for chunk, count in zip(words[0::3], words[1::3], strict=True):
                if chunk <= last[0] or chunk > table.offsets.count or sample > _MOST_SAMPLES:
                    raise Malformed(f"the chunks at {table.rows.start} are out of order")
                sample += (chunk - last[0]) * last[1] if last[0] else 0
                if words[0] == chunk:
                    table.starts.append((chunk, sample))
                last = chunk, count
        return table

    def chunks(self, first: int, stop: int) -> Iterator[Chunk]:
        """The chunks, or parts of them before `stop`, that hold samples first..stop; the first from its
        begin."""
        number = max(bisect_right(self.starts, first, key=lambda start: start[1]) - 1, 0)
        while number < len(self.starts):
            at = number * BLOCK_ROWS
            words = self.rows.read(at, min(at + BLOCK_ROWS, self.rows.count))
            sample = self.starts[number][1]
            nexts = [*words[3::3], self.starts[number + 1][0] if number + 1 < len(self.starts) else 0]
            for row, following in enumerate(nexts):
                chunk, count, description = words[3 * row : 3 * row + 3]
                end = following or self.offsets.count + 1
                if sample + (end - chunk) * count > first and count:
                    skip = max(first - sample, 0) // count
                    for each in range(chunk + skip, end):
                        begin = sample + (each - chunk) * count
                        if begin >= stop:
                            return
                        yield Chunk(begin, min(begin + count, stop), self._offset(each), description)
                sample += (end - chunk) * count
            number += 1

    def _offset(self, chunk: int) -> int:
        words = self.offsets.read(chunk - 1, chunk)
        return words[0] << 32 | words[1] if len(words) == 2 else words[0]


@dataclass(slots=True)
class SyncTable:
    """stss: sorted numbers (from 0) of sync samples; None: every sample is one."""

    numbers: array[int] | None

    @classmethod
    def of(cls, fd: int, box: Place | None) -> SyncTable:
        if box is None:
            return cls(None)
        rows = Rows.of(fd, box, 1)
        numbers = array("I", [number - 1 for number in rows.read(0, rows.count) if number])
        if not all(map(lt, numbers, numbers[1:])):
            raise Malformed(f"the sync samples at {rows.start} are out of order")
        return cls(numbers)

    def at_or_before(self, sample: int) -> int | None:
        """The last sync sample up to `sample`."""
        if self.numbers is None:
            return sample
        place = bisect_right(self.numbers, sample)
        return self.numbers[place - 1] if place else None

    def flags(self, first: int, stop: int) -> bytes | None:
        """One byte per sample first..stop, 1 = sync; None when all are."""
        if self.numbers is None:
            return None
        flags = bytearray(stop - first)
        for number in self.numbers[bisect_left(self.numbers, first) : bisect_left(self.numbers, stop)]:
            flags[number - first] = 1
        return bytes(flags)


def positions(chunks: Iterator[Chunk], sizes: array[int], first: int) -> Iterator[tuple[int, int, int]]:
    """(first sample, sample after the last, file offset) of stretches that lie together.

    `sizes` are those of samples from `first` on; `first` is the begin of the first chunk.
    """
    sums = list(accumulate(sizes, initial=0))
    begin, end, offset = first, first, -1
    for chunk in chunks:
        if offset >= 0 and chunk.offset == offset + sums[end - first] - sums[begin - first]:
            end = chunk.stop
            continue
        if offset >= 0:
            yield begin, end, offset
        begin, end, offset = chunk.first, chunk.stop, chunk.offset
    if offset >= 0:
        yield begin, end, offset
