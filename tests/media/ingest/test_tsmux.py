"""Our transport streams are readable by other software."""

from __future__ import annotations

import io

import av
import pytest

from appliance.media.ingest.mpegts import PACKET
from appliance.media.ingest.tsmux import Muxer, adts
from tests.kit.camera import make_footage


def annexb(data: bytes) -> bytes:
    out, at = b"", 0
    while at < len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        out += b"\0\0\0\1" + data[at + 4 : at + 4 + size]
        at += 4 + size
    return out


def test_libavformat_reads_pictures_and_sound_with_their_times() -> None:
    footage = make_footage(frames=60, gop=30)
    mux = Muxer("h264", sound=True)
    data = b"".join(mux.video(annexb(s.data), s.pts + 9000, s.dts + 9000, key=s.sync) for s in footage.video)
    data += b"".join(mux.audio(adts(s.data, 3, 1), s.pts * 15 // 8 + 9000) for s in footage.audio)
    with av.open(io.BytesIO(data), mode="r", format="mpegts") as container:
        assert [s.codec_context.name for s in container.streams] == ["h264", "aac"]
        # a packet's stream may be accessed only while its container is open: otherwise PyAV crashes
        packets = [(p.stream.type, p.pts, p.dts) for p in container.demux() if p.dts is not None]
    pictures = [(pts, dts) for kind, pts, dts in packets if kind == "video"]
    assert pictures == [(s.pts + 9000, s.dts + 9000) for s in footage.video]
    assert sum(kind == "audio" for kind, _, _ in packets) == len(footage.audio)


@pytest.mark.parametrize("size", [1, 100, 160, 161, 162, 163, 164, 165, 166, 183, 184, 185, 186, 400])
def test_every_length_fills_whole_packets(size: int) -> None:
    for key in (True, False):
        data = Muxer("h264", sound=False).video(b"\0\0\1" + bytes([9] * size), 5, 5, key=key)
        assert len(data) % PACKET == 0
        assert all(data[at] == 0x47 for at in range(0, len(data), PACKET))


def test_timestamps_of_any_size_are_wrapped_to_33_bits() -> None:
    first = Muxer("h264", sound=False).video(b"\0\0\1\x65a", 3 * 2**33 + 5, 3 * 2**33 + 5, key=True)
    two = Muxer("h264", sound=False).video(b"\0\0\1\x65a", 5, 5, key=True)
    assert first == two
