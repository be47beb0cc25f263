"""Codec strings."""

from __future__ import annotations

from appliance.media.decode.thumbnail import DECODERS
from appliance.media.mp4.codecs import DECODER_OF_SAMPLE_ENTRY


def test_every_sample_entry_has_a_decoder_that_workers_may_use() -> None:
    assert set(DECODER_OF_SAMPLE_ENTRY.values()) == set(DECODERS)
