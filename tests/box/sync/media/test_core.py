"""Pieces of a file, their size, and the token bucket."""

from __future__ import annotations

import base64

from hypothesis import given
from hypothesis import strategies as st

from appliance.box.sync.media.core import PIECE_MAX, PIECE_MIN, Bucket, metadata_of, next_size, slices
from appliance.cloud.uploads.tus.headers import metadata_of as read_metadata

RANGES = st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 50), st.integers(0, 40)), max_size=6)


@given(header=st.binary(max_size=30), ranges=RANGES, cuts=st.lists(st.integers(1, 60), max_size=8))
def test_any_pieces_are_the_file(header: bytes, ranges: list[tuple[str, int, int]], cuts: list[int]) -> None:
    files = {name: bytes((ord(name) + at) % 256 for at in range(100)) for name in "abc"}
    whole = header + b"".join(files[name][offset : offset + size] for name, offset, size in ranges)
    at, sent = 0, b""
    for cut in [*cuts, len(whole)]:
        for name, offset, size in slices(len(header), ranges, at, min(cut, len(whole) - at)):
            source = files[name] if name else header
            sent += source[offset : offset + size]
        at = len(sent)
    assert sent == whole


def test_a_piece_grows_while_it_is_quick_and_shrinks_when_it_is_slow() -> None:
    assert next_size(2**20, 1.0, 0) == 2**21
    assert next_size(2**20, 5.0, 0) == 2**20
    assert next_size(2**20, 9.0, 0) == next_size(2**20, None, 0) == 2**19
    assert next_size(PIECE_MAX, 0.1, 0) == PIECE_MAX
    assert next_size(PIECE_MIN, None, 0) == PIECE_MIN
    assert next_size(2**20, 1.0, 250_000) == 500_000  # two seconds of the line


def test_the_bucket_gives_what_the_setting_allows() -> None:
    bucket, now_s = Bucket(1000.0), 50.0
    sent = 0
    while now_s < 150.0:
        now_s += bucket.wait_s(now_s)
        bucket.spend(1500, now_s)
        sent += 1500
    assert 100_000 <= sent <= 103_000
    assert bucket.wait_s(now_s + 1000) == 0
    bucket.spend(1000, now_s + 1000)  # a long pause saved nothing
    assert bucket.wait_s(now_s + 1000) == 1.0
    unlimited = Bucket(0.0)
    unlimited.spend(10**9, 0.0)
    assert unlimited.wait_s(0.0) == 0


def test_metadata_is_read_by_the_cloud() -> None:
    pairs = {"filename": "Final – cam1.mp4", "kind": "clip", "event_id": None}
    sent = metadata_of(pairs).encode()
    assert read_metadata({b"upload-metadata": sent}) == {"filename": "Final – cam1.mp4", "kind": "clip"}
    assert base64.b64encode(b"clip") in sent
