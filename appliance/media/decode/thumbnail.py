"""Decode one keyframe, or one exact frame, and encode it as JPEG.

Owns the FFmpeg calls for it (PyAV), so it runs in worker processes only. Must not know: files, descriptors,
the daemon. Figures behind the choices (measured on 1080p): decoding is 17.6 of 19 ms; threads only delay a
single frame; AREA scaling costs 0.3 ms and does not shimmer; a plain open + seek + full-size image took 140
ms.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import BinaryIO

import av
import av.error
from av.stream import Stream
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from appliance.media.mp4.turn import AS_CODED, Turn, turn_of_first_track

DECODERS = ("h264", "hevc", "av1", "vp9")
"""The codecs that MediaMTX records in fMP4. No other codec named by a header is worth its attack surface."""

OPEN_OPTIONS = {"probesize": "32", "analyzeduration": "0"}
"""Without these options every open decodes frames to guess what the moov already contains: 27 to 48 ms
measured.
"""

_HEAD_BYTES = 4096  # ftyp, mvhd and the first tkhd take 300
_MAX_PIXELS = 8192 * 4320
_MAX_SIDE_PX = 8192
_JPEG_QUALITY = "4"  # mjpeg's qscale: about 7 kB for 320x180

FFMPEG_ERROR: type[Exception] = vars(av.error)["FFmpegError"]  # the stubs of PyAV leave its base class out

BAD_MEDIA = (FFMPEG_ERROR, ValueError, ArithmeticError, LookupError, EOFError, MemoryError, OSError)
"""All that PyAV raised over damaged input in fuzzing: not every one is an FFmpegError."""


class BadMedia(ValueError):
    """The bytes cannot be decoded as requested. Trying again gives the same result."""


@dataclass(frozen=True, slots=True)
class Jpeg:
    data: bytes
    width: int
    height: int


def keyframe_jpeg(
    codec: str, extradata: bytes, sample: bytes, *, width_px: int, turn: Turn = AS_CODED
) -> Jpeg:
    """Decode one keyframe sample, turn it upright by `turn`, scale it to `width_px` wide (0 = its own size)
    with its aspect ratio.

    codec: FFmpeg's name, one of DECODERS. extradata: avcC, hvcC, av1C payload. sample: as stored in the MP4.
    Raises BadMedia.
    """
    if codec not in DECODERS:
        raise BadMedia(f"no decoder for {codec!r}")
    try:
        return _encode(_decode_one(codec, extradata, sample), width_px, turn)
    except BadMedia:
        raise
    except BAD_MEDIA as exc:
        raise BadMedia(describe(exc)) from exc


def frame_jpeg(file: BinaryIO, *, at_s: float, width_px: int) -> Jpeg:
    """The frame shown at `at_s` seconds of an MP4 (edit lists applied), upright: the last one that begins at
    or before it.

    Decodes from the start, so pass a short cut that begins at the keyframe. Raises BadMedia.
    """
    try:
        turn = turn_of_file(file)
        with av.open(file, "r", format="mp4", options=OPEN_OPTIONS, buffer_size=1 << 20) as container:
            stream = container.streams.video[0]
            stream.codec_context.thread_count = 1
            shown = _shown_at(container.decode(stream), at_s)
            return _encode(shown, width_px, turn)
    except BadMedia:
        raise
    except BAD_MEDIA as exc:
        raise BadMedia(describe(exc)) from exc


def describe(exc: BaseException) -> str:
    """One line for a person; FFmpeg's own texts include an errno and a useless file name."""
    text = getattr(exc, "strerror", None) or str(exc) or "no reason given"
    return f"{type(exc).__name__}: {text}"


def shown_for(frame: VideoFrame, stream: Stream) -> int:
    """Ticks for which a decoded frame is shown: up to the end of the edit list when that cuts it, which the
    frame's own duration does not include."""
    if frame.pts is None or stream.duration is None or frame.time_base != stream.time_base:
        return frame.duration
    left = stream.duration - frame.pts
    return left if 0 < left < frame.duration else frame.duration


def _decode_one(codec: str, extradata: bytes, sample: bytes) -> VideoFrame:
    context = av.CodecContext.create(codec, "r")
    if not isinstance(context, VideoCodecContext):
        raise BadMedia(f"{codec} is not a video codec")
    context.extradata = extradata or None
    context.thread_count = 1
    context.options = {"max_pixels": str(_MAX_PIXELS)}
    frames = context.decode(av.Packet(sample)) or context.decode(None)
    if not frames:
        raise BadMedia("the sample holds no whole picture")
    return frames[0]


def _shown_at(frames: Iterator[VideoFrame], at_s: float) -> VideoFrame:
    shown: VideoFrame | None = None
    for frame in frames:
        if shown is not None and frame.time > at_s:
            break
        shown = frame
    if shown is None:
        raise BadMedia("no frame is shown")
    return shown


def turn_of_file(file: BinaryIO) -> Turn:
    """The turn for the pictures of an MP4 whose first track is video; leaves the file at its start.

    Not by side data of frames: PyAV imports numpy for them, whose threads the sandbox forbids.
    """
    head = file.read(_HEAD_BYTES)
    file.seek(0)
    return turn_of_first_track(head)


def upright(frame: VideoFrame, turn: Turn) -> VideoFrame:
    """`frame` (8-bit 4:2:0, even sides) with its pixels turned; times and colour properties are not
    copied."""
    if turn == AS_CODED:
        return frame
    turned = VideoFrame(*turn.size(frame.width, frame.height), frame.format.name)
    for source, target in zip(frame.planes, turned.planes, strict=True):
        rows = turn.plane(bytes(source), source.line_size, source.width, source.height)
        padding = bytes(target.line_size - target.width)
        target.update((padding.join(rows) + padding).ljust(target.buffer_size, b"\0"))
    return turned


def _encode(frame: VideoFrame, width_px: int, turn: Turn) -> Jpeg:
    width, height = scaled_size(*turn.size(frame.width, frame.height), width_px)
    coded = turn.size(width, height)
    picture = upright(frame.reformat(*coded, "yuvj420p", interpolation="AREA"), turn)
    picture.pts = 0
    picture.pict_type = 0
    encoder = av.CodecContext.create("mjpeg", "w")
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuvj420p"
    encoder.time_base = Fraction(1, 30)
    encoder.thread_count = 1
    encoder.options = {"qmin": _JPEG_QUALITY, "qmax": _JPEG_QUALITY}
    packets = [*encoder.encode(picture), *encoder.encode(None)]
    return Jpeg(b"".join(bytes(packet) for packet in packets), width, height)


def scaled_size(width: int, height: int, wanted_px: int) -> tuple[int, int]:
    """`wanted_px` wide with the same aspect ratio, both even (chroma is subsampled). 0 keeps the size; never
    larger than the source.
    """
    if width < 2 or height < 2 or max(width, height) > _MAX_SIDE_PX:
        raise BadMedia(f"a picture of {width}x{height}")
    target = min(wanted_px, width) if wanted_px else width
    scaled = round(height * target / width)
    if not 2 <= scaled <= _MAX_SIDE_PX:
        raise BadMedia(f"a picture of {width}x{height}")
    return max(2, target & ~1), max(2, scaled & ~1)
