"""Irregular streams: alternating parameter sets, wrong sample entries, late joins."""

from __future__ import annotations

from dataclasses import replace

from appliance.media.bitstream import annexb
from appliance.media.bitstream.access_points import sample_nals
from appliance.media.bitstream.params import describe
from appliance.media.mp4 import boxes
from appliance.media.mp4.fmp4 import Track
from appliance.media.mp4.fragment import Sample
from tests.kit.barcode import Media, encode

# Two streams of one encoder that differ only in their VUI: same ids, different bytes.
VUI = {"libx264": "colorprim=bt709:transfer=bt709:colormatrix=bt709", "libx265": "colorprim=bt709"}
# What MediaMTX 1.20 writes into avcC until it has received a stream's parameter sets: 1920x1080, and PPS 47
# of SPS 0.
PLACEHOLDER = [bytes.fromhex(x) for x in ("6742c028d900780227e584000003000400000300f03c60c920", "08060708")]


def joined(*media: Media) -> Media:
    """Pictures of several streams in sequence, as one track described by the first."""
    frames: list[Sample] = []
    for each in media:
        by = frames[-1].dts + frames[-1].duration - each.frames[0].dts if frames else 0
        frames += [frame._replace(dts=frame.dts + by, pts=frame.pts + by) for frame in each.frames]
    return replace(media[0], frames=frames, audio=None, packets=(), sound=None)


def alternating(codec: str, groups: int, **kind: object) -> Media:
    """Groups of 30 pictures; every second group has another VUI, in-band."""
    looks = [
        encode(30, codec=codec, first=30 * n, extra=VUI[codec] if n % 2 else "", sound=False, **kind)
        for n in range(groups)
    ]
    return joined(*looks)


def without_sets(media: Media) -> Media:
    """Key samples without their in-band parameter sets: only the sample entry has them."""
    codec: annexb.VideoCodec = "hevc" if media.video.codec.startswith("h") else "h264"
    sets = (32, 33, 34) if codec == "hevc" else (7, 8)
    frames = []
    for frame in media.frames:
        stored = [nal for nal in sample_nals(frame.data) if annexb.nal_type(codec, nal) not in sets]
        frames.append(frame._replace(data=annexb.length_prefixed(stored)))
    return replace(media, frames=frames)


def described_as(media: Media, track: Track, nals: list[bytes]) -> Media:
    """The media in a file whose sample entry has the parameter sets `nals` and no others."""
    config = (
        (b"avcC", b"\1\0\0\0\xff\xe0\0")
        if track.codec == "avc1"
        else (b"hvcC", b"\1" + bytes(20) + b"\xff\0")
    )
    entry = boxes.visual_entry(track.codec.encode(), 0, 0, boxes.box(*config))
    blank = replace(track, stsd=boxes.stsd(entry))
    if not nals:
        return replace(media, video=blank)
    made = describe(blank, annexb.length_prefixed(nals))
    return replace(
        media, video=replace(track, stsd=boxes.stsd(made.entry), width=made.width, height=made.height)
    )


def from_second_group(media: Media) -> Media:
    """The media from its second key on, as a recorder that joins late starts; media time 0 is that key."""
    start = next(n for n, frame in enumerate(media.frames) if n and frame.sync)
    base = media.frames[start]
    late = [f._replace(dts=f.dts - base.pts, pts=f.pts - base.pts) for f in media.frames[start:]]
    return replace(media, frames=late)
