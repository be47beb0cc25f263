"""Codecs by their names in MP4 and in FFmpeg."""

from __future__ import annotations

DECODER_OF_SAMPLE_ENTRY = {
    "avc1": "h264",
    "avc3": "h264",
    "hvc1": "hevc",
    "hev1": "hevc",
    "av01": "av1",
    "vp09": "vp9",
}
"""FFmpeg's name for the codec of an MP4 sample entry."""
