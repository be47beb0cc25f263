"""Sample tables, read where they lie: against the same tables expanded in memory."""

from __future__ import annotations

import os
import struct
from array import array
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.media.camera import tables
from appliance.media.camera.tables import ChunkTable, Place, RunTable, SizeTable, SyncTable, positions
from appliance.media.mp4.walk import Malformed

rows = st.lists(st.tuples(st.integers(1, 5), st.integers(1, 9)), min_size=1, max_size=30)


def stored(*words: int) -> tuple[int, Place]:
    """A table's payload behind version and flags, in a file."""
    fd = os.memfd_create("table")
    data = bytes(4) + struct.pack(f">{len(words)}I", *(word & 0xFFFF_FFFF for word in words))
    os.write(fd, data)
    return fd, Place(0, len(data))


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that short tables have several blocks."""
    monkeypatch.setattr(tables, "BLOCK_ROWS", 4)


@given(rows)
def test_runs_are_those_of_the_whole_table(table: list[tuple[int, int]]) -> None:
    fd, box = stored(len(table), *(word for row in table for word in row))
    runs = RunTable.of(fd, box)
    values = [value for count, value in table for _ in range(count)]
    sums = list(accumulate(values, initial=0))
    assert (runs.samples, runs.ticks) == (len(values), sums[-1])
    for first in range(len(values)):
        assert runs.tick_of(first) == sums[first]
        assert list(runs.values(first, len(values))) == values[first:]
        assert list(runs.values(first, first + 1)) == [values[first]]
    for tick in range(sums[-1] + 3):
        wanted = max(number for number in range(len(values)) if sums[number] <= tick)
        assert runs.sample_at(tick) == wanted
    with pytest.raises(Malformed):
        runs.values(0, len(values) + 1)
    os.close(fd)


def test_offsets_may_be_negative() -> None:
    fd, box = stored(2, 1, -5, 2, 7)
    assert list(RunTable.of(fd, box, signed=True).values(0, 3)) == [-5, 7, 7]
    os.close(fd)


@given(st.lists(st.tuples(st.integers(1, 4), st.integers(1, 3)), min_size=1, max_size=12))
def test_chunks_hold_every_sample_once(runs: list[tuple[int, int]]) -> None:
    """`runs`: (chunks, samples in each of them)."""
    words, chunk, counts = [], 1, []
    for chunks, samples in runs:
        words += [chunk, samples, 1]
        chunk += chunks
        counts += [samples] * chunks
    fd, stsc = stored(len(runs), *words)
    offsets_fd, stco = stored(len(counts), *(1000 * number for number in range(len(counts))))
    os.pwrite(fd, os.pread(offsets_fd, stco.end, 0), 10_000)
    table = ChunkTable.of(fd, stsc, Place(10_000, 10_000 + stco.end), wide=False)
    starts = list(accumulate(counts, initial=0))
    for first in range(starts[-1]):
        for stop in (first + 1, starts[-1]):
            actual = list(table.chunks(first, stop))
            wanted = [
                (starts[n], min(starts[n + 1], stop), 1000 * n)
                for n in range(len(counts))
                if starts[n + 1] > first and starts[n] < stop
            ]
            assert [chunk[:3] for chunk in actual] == wanted
    os.close(fd)
    os.close(offsets_fd)


def test_sizes_and_sync_samples() -> None:
    fd, box = stored(0, 3, 10, 20, 30)
    assert list(SizeTable.of(fd, box).values(1, 3)) == [20, 30]
    fixed_fd, fixed = stored(7, 100)
    assert list(SizeTable.of(fixed_fd, fixed).values(5, 8)) == [7, 7, 7]
    sync_fd, sync = stored(2, 1, 31)
    table = SyncTable.of(sync_fd, sync)
    assert [table.at_or_before(sample) for sample in (0, 29, 30, 99)] == [0, 0, 30, 30]
    assert table.flags(29, 32) == b"\0\1\0"
    everything = SyncTable.of(fd, None)
    assert (everything.at_or_before(5), everything.flags(0, 9)) == (5, None)
    for each in (fd, fixed_fd, sync_fd):
        os.close(each)


def test_samples_that_lie_together_are_one_stretch() -> None:
    chunks = [tables.Chunk(0, 2, 100, 1), tables.Chunk(2, 4, 130, 1), tables.Chunk(4, 5, 500, 1)]
    sizes = array("I", [10, 20, 5, 5, 9])
    assert list(positions(iter(chunks), sizes, 0)) == [(0, 4, 100), (4, 5, 500)]


@pytest.mark.parametrize("words", [(), (9, 1, 1), (0xFFFF_FFFF, 1, 1)])
def test_a_table_shorter_than_it_claims_is_malformed(words: tuple[int, ...]) -> None:
    fd, box = stored(*words)
    with pytest.raises(Malformed):
        RunTable.of(fd, box)
    os.close(fd)


def test_offsets_beyond_four_gigabytes() -> None:
    fd, stsc = stored(1, 1, 2, 1)
    offsets_fd, co64 = stored(2, 1, 16, 2, 32)
    os.pwrite(fd, os.pread(offsets_fd, co64.end, 0), 1000)
    table = ChunkTable.of(fd, stsc, Place(1000, 1000 + co64.end), wide=True)
    assert [chunk.offset for chunk in table.chunks(0, 4)] == [(1 << 32) + 16, (2 << 32) + 32]
    os.close(fd)
    os.close(offsets_fd)
