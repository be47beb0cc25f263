"""workers/reader.py: ranges of descriptors as one file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.workers.jobs import SourceRange
from appliance.workers.reader import PieceReader
from tests.workers.film import open_file

DATA = bytes(range(200))


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 150), st.integers(0, 50)), max_size=5),
    st.lists(st.tuples(st.integers(0, 300), st.integers(0, 100)), max_size=10),
)
def test_a_reader_reads_like_a_file_of_the_joined_pieces(
    pieces: list[tuple[int, int]], reads: list[tuple[int, int]]
) -> None:
    source = os.memfd_create("source")
    os.pwrite(source, DATA, 0)
    whole = b"".join(DATA[at : at + length] for at, length in pieces)
    reader = PieceReader([source], [SourceRange(0, at, length) for at, length in pieces])
    assert reader.read() == whole
    for at, length in reads:
        assert reader.seek(at) == at
        assert reader.read(length) == whole[at : at + length]
    assert reader.seek(0, os.SEEK_END) == len(whole)
    os.close(source)


def test_a_reader_does_not_change_the_position_of_a_shared_descriptor(tmp_path: Path) -> None:
    source = open_file(tmp_path / "r.mp4", DATA)
    PieceReader([source], [SourceRange(0, 50, 100)]).read()
    assert os.lseek(source, 0, os.SEEK_CUR) == 0
    os.close(source)


def test_a_file_shorter_than_its_piece_ends_there(tmp_path: Path) -> None:
    source = open_file(tmp_path / "r.mp4", DATA)
    assert PieceReader([source], [SourceRange(0, 150, 100), SourceRange(0, 0, 10)]).read() == DATA[150:]
    os.close(source)


def test_seeking_before_the_beginning_is_an_error() -> None:
    with pytest.raises(ValueError, match="before the beginning"):
        PieceReader([], []).seek(-1)
