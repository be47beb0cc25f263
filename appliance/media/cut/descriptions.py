"""The sample descriptions of a clip: one for each set of parameter sets its pictures are decoded with.

Owns: which entry of stsd each sample needs. Must not know: boxes around it, sound, times. Sets may differ
from one key to the next while the format is the same (an encoder that changes VUI or its level, a file whose
entry is wrong); ids of sets then collide, so the samples get separate descriptions. In-band sets stay in the
samples too: Chromium uses those, FFmpeg and GStreamer use the description.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Final

from appliance.media.bitstream.access_points import sample_nals
from appliance.media.bitstream.params import (
    KEY_HEAD_BYTES,
    Description,
    codec_of,
    describe,
    has_spare_pps,
    length_size,
)
from appliance.media.bitstream.picture_sets import pps_ids
from appliance.media.cut.piece import Piece
from appliance.media.index.chain import KeyAt
from appliance.media.mp4.fmp4 import Malformed, Track

_Sets = tuple[Track, int]  # parameter sets may be in the file's own entry, so the id alone is not enough

_MOST: Final = 256  # a source alternates between a few; hundreds in one clip are an attack


@dataclass(slots=True)
class Descriptions:
    """All descriptions of a clip in the order of their numbers (from 1); `first` is that of its first
    picture."""

    descriptions: list[Description] = field(default_factory=list)

    @property
    def entries(self) -> list[bytes]:
        """The entries of stsd."""
        return [description.entry for description in self.descriptions]

    @property
    def first(self) -> Description:
        return self.descriptions[0]

    def add(self, piece: Piece) -> list[tuple[int, int]]:
        """(first sample, number of its description) for every change. Raises Malformed, OSError."""
        stretches = list(_stretches(piece))
        numbers: dict[_Sets, int] = {}
        for sets, first, _ in stretches:
            if sets not in numbers:
                numbers[sets] = self._number(_describe(piece, first, [x for x in stretches if x[0] == sets]))
        return [(first, numbers[sets]) for sets, first, _ in stretches]

    def _number(self, description: Description) -> int:
        """The number of an entry; samples that are decoded with the same sets share one."""
        for number, known in enumerate(self.descriptions, start=1):
            if description.entry == known.entry or (
                known.params_id and known.params_id == description.params_id
            ):
                return number
        if len(self.descriptions) == _MOST:
            raise Malformed(f"more than {_MOST} descriptions in one clip")
        self.descriptions.append(description)
        return len(self.descriptions)


def _stretches(piece: Piece) -> Iterator[tuple[_Sets, int, int]]:
    """(sets, first sample, end) of neighbouring samples decoded with the same sets of the same file entry."""
    named = [(_sets(piece, at), place) for place, at in piece.video.keys]
    firsts = [next(group) for _, group in groupby(named, key=lambda pair: pair[0])]
    ends = [*(place for _, place in firsts[1:]), len(piece.video.pts)]
    for (sets, first), end in zip(firsts, ends, strict=True):
        yield sets, first, end


def _sets(piece: Piece, at: KeyAt) -> _Sets:
    return piece.span.links[at.link].track, at.key.params_id


def _describe(piece: Piece, key: int, stretches: Sequence[tuple[_Sets, int, int]]) -> Description:
    """How the samples of some stretches are decoded; the key sample `key` is the first of them."""
    track = stretches[0][0][0]
    head = _head(piece, key)
    named: frozenset[int] = frozenset()
    if has_spare_pps(track, head):  # then it must be known whether some picture refers to it
        codec, prefix = codec_of(track), length_size(track)
        assert codec is not None
        for _, first, end in stretches:
            for sample in range(first, end):
                named |= pps_ids(codec, sample_nals(_head(piece, sample), prefix))
    return describe(track, head, named)


def _head(piece: Piece, sample: int) -> bytes:
    link, offset = piece.video.place_of(sample)
    return os.pread(piece.reader.fd(link), min(piece.video.sizes[sample], KEY_HEAD_BYTES), offset)
