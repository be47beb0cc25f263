"""Frames with their number drawn in, sound that can be compared, and decoding of clips.

A frame's number is drawn as large black and white blocks, so it survives any decoder and quality. Sound is
seeded noise: two decoded sections are equal to the bit, or are different sound.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from typing import Any

import av
import numpy as np
import numpy.typing as npt

from appliance.media.mp4 import boxes
from appliance.media.mp4.fmp4 import Track, parse_init
from appliance.media.mp4.fragment import Sample

Pixels = npt.NDArray[np.uint8]
Sound = npt.NDArray[np.float32]

_BITS, _COLUMNS = 12, 6  # 6 x 2 blocks
SIZE = (192, 96)
VIDEO_HZ, AUDIO_HZ = 90_000, 48_000


def draw(number: int, size: tuple[int, int] = SIZE) -> Pixels:
    """Luma of frame `number`: twelve blocks, six in a row, bit 0 first."""
    bits = np.array([number >> bit & 1 for bit in range(_BITS)], np.uint8).reshape(2, _COLUMNS)
    block = np.ones((size[1] // 2, size[0] // _COLUMNS), np.uint8)
    return (np.kron(bits, block) * 200 + 25).astype(np.uint8)


def number_of(frame: av.VideoFrame) -> int:
    """The number drawn into a decoded frame."""
    luma = frame.to_ndarray(format="gray")
    height, width = luma.shape[0] // 2, luma.shape[1] // _COLUMNS
    middles = luma[height // 2 :: height, width // 2 :: width][:2, :_COLUMNS].reshape(-1)
    return sum(1 << bit for bit, level in enumerate(middles.tolist()) if level > 128)


@dataclass(frozen=True)
class Media:
    """Encoded samples; times in ticks of 90 kHz (video) and 48 kHz (audio), both from 0 in pts."""

    video: Track
    frames: Sequence[Sample]
    audio: Track | None = None
    packets: Sequence[Sample] = ()
    sound: Sound | None = None  # the decoded packets: [channel, sample], packet n begins at n * 1024


@lru_cache(maxsize=32)
def encode(
    count: int,
    *,
    codec: str = "libx264",
    gop: int = 30,
    bframes: int = 0,
    rate: Fraction = Fraction(30),
    first: int = 0,
    size: tuple[int, int] = SIZE,
    sound: bool = True,
    extra: str = "",
) -> Media:
    """`count` frames numbered from `first`; parameter sets also in-band as MediaMTX writes them, open GOP for
    HEVC.

    `extra`: more options of x264 or x265, such as "open-gop=1:bframes=2".
    """
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        video: Any = container.add_stream(codec, rate=rate, options=_options(codec, gop, bframes, extra))
        video.width, video.height, video.pix_fmt = *size, "yuv420p"
        video.codec_context.time_base = Fraction(1, VIDEO_HZ)
        video.codec_context.thread_count = 1
        # without noise substitution: its decoder generates noise that depends on where decoding began
        aac = {"aac_pns": "0"}
        noise: Any = None
        if sound:
            noise = container.add_stream("aac", rate=AUDIO_HZ, layout="stereo", options=aac)
        for place in range(count):
            planes = np.vstack([draw(first + place, size), np.full((size[1] // 2, size[0]), 128, np.uint8)])
            frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
            frame.pts, frame.time_base = round(place * VIDEO_HZ / rate), Fraction(1, VIDEO_HZ)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        for chunk in _noise(count / float(rate), first) if sound else ():
            container.mux(noise.encode(chunk))
        if sound:
            container.mux(noise.encode(None))
    return _media(file.getvalue())


def repeated(media: Media, times: int) -> Media:
    """The same pictures and packets, one repetition after the other: a long recording without encoding it.

    Its sound has no gap where a repetition is a multiple of 16 pictures at 30 fps: of whole packets.
    """
    length = sum(frame.duration for frame in media.frames)
    sound = length * AUDIO_HZ // VIDEO_HZ

    def again(samples: Sequence[Sample], every: int) -> list[Sample]:
        return [
            each._replace(dts=each.dts + number * every, pts=each.pts + number * every)
            for number in range(times)
            for each in samples
            if each.dts < every
        ]

    return replace(media, frames=again(media.frames, length), packets=again(media.packets, sound), sound=None)


def _options(codec: str, gop: int, bframes: int, extra: str) -> dict[str, str]:
    common = f"keyint={gop}:min-keyint={gop}:scenecut=0:bframes={bframes}:repeat-headers=1"
    more = f":{extra}" if extra else ""
    if codec == "libx265":
        fixed = ":open-gop=1:pools=none:frame-threads=1:log-level=none"
        return {"preset": "ultrafast", "x265-params": common + fixed + more}
    return {"preset": "veryfast", "x264-params": common + ":b-adapt=0" + more}


def _noise(seconds: float, seed: int) -> Iterator[av.AudioFrame]:
    shape = (2, round(seconds * AUDIO_HZ))
    samples = np.random.default_rng(seed).uniform(-0.5, 0.5, shape).astype(np.float32)
    for at in range(0, shape[1] - 1023, 1024):
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(samples[:, at : at + 1024]), format="fltp", layout="stereo"
        )
        frame.sample_rate, frame.pts, frame.time_base = AUDIO_HZ, at, Fraction(1, AUDIO_HZ)
        yield frame


def _media(data: bytes) -> Media:
    """Samples and tracks of a progressive file, timestamps shifted to begin at pts 0."""
    at = data.index(b"moov") - 4
    size = int.from_bytes(data[at : at + 4], "big")
    tracks = parse_init(boxes.ftyp(b"isom", 0, b"") + data[at : at + size]).tracks
    result: dict[str, list[Sample]] = {"video": [], "audio": []}
    with av.open(io.BytesIO(data), "r", options={"ignore_editlist": "1"}) as container:
        for packet in container.demux():
            if packet.dts is None or packet.pts is None:
                continue
            kind = packet.stream.type
            scale = packet.time_base * (VIDEO_HZ if kind == "video" else AUDIO_HZ)
            dts, pts, length = (
                round(value * scale) for value in (packet.dts, packet.pts, packet.duration or 0)
            )
            result[kind].append(Sample(dts, pts, length, bool(packet.is_keyframe), bytes(packet)))
        extradata = container.streams.audio[0].codec_context.extradata if container.streams.audio else None
    for samples in result.values():
        base = min((sample.pts for sample in samples), default=0)
        samples[:] = [sample._replace(dts=sample.dts - base, pts=sample.pts - base) for sample in samples]
    video = replace(next(track for track in tracks if track.kind == "video"), timescale=VIDEO_HZ)
    audio = next((track for track in tracks if track.kind == "audio"), None)
    return Media(video, result["video"], audio, result["audio"], _decode_packets(result["audio"], extradata))


def _decode_packets(packets: Sequence[Sample], extradata: bytes | None) -> Sound | None:
    if not packets:
        return None
    decoder: Any = av.CodecContext.create("aac", "r")
    decoder.extradata, decoder.sample_rate = extradata, AUDIO_HZ
    decoded = [frame for packet in packets for frame in decoder.decode(av.Packet(packet.data))]
    return np.hstack([frame.to_ndarray() for frame in decoded])


@dataclass(frozen=True)
class Played:
    """What a player that honours edit lists shows: frames (time s, number), sound (first sample, pcm)."""

    frames: list[tuple[float, int]]
    sound: list[tuple[int, Sound]]

    @property
    def numbers(self) -> list[int]:
        return [number for _, number in self.frames]

    def pcm(self) -> Sound:
        """All sound from clip time 0 as one array; gaps are zeros."""
        end = max((at + chunk.shape[1] for at, chunk in self.sound), default=0)
        whole = np.zeros((2, end), np.float32)
        for at, chunk in self.sound:
            whole[:, at : at + chunk.shape[1]] = chunk
        return whole


def play(clip: bytes) -> Played:
    """Decode a whole clip."""
    with av.open(io.BytesIO(clip), "r") as container:
        frames = [(float(frame.time or 0), number_of(frame)) for frame in container.decode(video=0)]
    sound: list[tuple[int, Sound]] = []
    with av.open(io.BytesIO(clip), "r") as container:
        for chunk in container.decode(audio=0) if container.streams.audio else ():
            sound.append((round(float(chunk.time or 0) * AUDIO_HZ), chunk.to_ndarray().astype(np.float32)))
    return Played(frames, sound)
