"""The worker's side of each job: descriptors and arguments in, an answer out. Runs only inside the
sandbox."""

from __future__ import annotations

import base64
import os
import socket
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import BinaryIO, cast

from appliance.media.decode.probe import probe
from appliance.media.decode.thumbnail import BadMedia, Jpeg, frame_jpeg, keyframe_jpeg
from appliance.media.decode.transcode import PRESETS, Recipe, transcode
from appliance.media.mp4.turn import Turn
from appliance.workers.clips.perform import perform_clips
from appliance.workers.jobs import MAX_SAMPLE_BYTES, SourceRange, parse_piece
from appliance.workers.protocol import (
    Json,
    WorkerProtocolError,
    WorkerRequest,
    boolean,
    integer,
    number,
    sequence,
    text,
)
from appliance.workers.reader import OutputFile, PieceReader

Descriptors = Sequence[int]
Report = Callable[[float], None]
"""Called with the position of a long job, as often as the job wants."""


def perform(request: WorkerRequest, descriptors: Descriptors, report: Report = lambda second: None) -> Json:
    """Do one job. Raises BadMedia for input that cannot be used, ProtocolError for an invalid request."""
    job = _JOBS.get(request.job)
    if job is None:
        raise WorkerProtocolError(f"no job called {request.job!r}")
    return job(request.args, descriptors, report)


def _thumbnail(args: Json, descriptors: Descriptors, _report: Report) -> Json:
    source, output = _expect(descriptors, 2)
    piece = parse_piece(args.get("piece"), 1)
    if not 0 < piece.length <= MAX_SAMPLE_BYTES:
        raise BadMedia(f"a keyframe of {piece.length} bytes")
    sample = os.pread(source, piece.length, piece.offset)
    if len(sample) != piece.length:
        raise BadMedia("the recording ends inside the keyframe")
    extradata = base64.b64decode(text(args, "extradata"), validate=True)
    turn = Turn(*(bool(each) for each in sequence(args, "turn")))
    width_px = integer(args, "width_px")
    jpeg = keyframe_jpeg(text(args, "codec"), extradata, sample, width_px=width_px, turn=turn)
    return _write_picture(jpeg, output)


def _frame(args: Json, descriptors: Descriptors, _report: Report) -> Json:
    *inputs, output = descriptors
    reader = PieceReader(inputs, _pieces(args, len(inputs)))
    jpeg = frame_jpeg(cast(BinaryIO, reader), at_s=number(args, "at_s"), width_px=integer(args, "width_px"))
    return _write_picture(jpeg, output)


def _probe(args: Json, descriptors: Descriptors, _report: Report) -> Json:
    reader = PieceReader(descriptors, _pieces(args, len(descriptors)))
    return asdict(probe(cast(BinaryIO, reader), decode=boolean(args, "decode")))


def _transcode(args: Json, descriptors: Descriptors, report: Report) -> Json:
    *inputs, output = descriptors
    preset, crf, threads = text(args, "preset"), integer(args, "crf"), integer(args, "threads")
    if preset not in PRESETS or not 0 <= crf <= 51 or not 1 <= threads <= 16:
        raise WorkerProtocolError(f"no such recipe: {preset} crf {crf} on {threads} threads")
    reader = PieceReader(inputs, _pieces(args, len(inputs)))
    os.ftruncate(output, 0)  # an earlier worker may have died in the middle of this job
    writer = OutputFile(output)
    try:
        written = transcode(
            cast(BinaryIO, reader),
            cast(BinaryIO, writer),
            Recipe(preset, crf, threads),
            moov_bytes=integer(args, "moov_bytes"),
            report=report,
        )
    except BadMedia:
        if writer.error is not None:
            raise writer.error from None
        raise
    return asdict(written)


def _cut_clips(args: Json, descriptors: Descriptors, _report: Report) -> Json:
    return perform_clips(args, descriptors)


def _selfcheck(args: Json, _descriptors: Descriptors, _report: Report) -> Json:
    return {
        "connected": _can_connect(integer(args, "port")),
        "opened": _can_open(text(args, "path")),
    }


_JOBS: dict[str, Callable[[Json, Descriptors, Report], Json]] = {
    "thumbnail": _thumbnail,
    "frame": _frame,
    "probe": _probe,
    "transcode": _transcode,
    "cut_clips": _cut_clips,
    "selfcheck": _selfcheck,
}


def _pieces(args: Json, inputs: int) -> list[SourceRange]:
    return [parse_piece(value, inputs) for value in sequence(args, "pieces")]


def _expect(descriptors: Descriptors, count: int) -> Descriptors:
    if len(descriptors) != count:
        raise WorkerProtocolError(f"{len(descriptors)} descriptors where {count} belong")
    return descriptors


def _write_picture(jpeg: Jpeg, output: int) -> Json:
    written = 0
    while written < len(jpeg.data):
        written += os.pwrite(output, jpeg.data[written:], written)
    return {"width": jpeg.width, "height": jpeg.height, "size_bytes": written}


def _can_connect(port: int) -> bool:
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as out:
            out.settimeout(1.0)
            out.connect(("127.0.0.1", port))
    except OSError:
        return False
    return True


def _can_open(path: str) -> bool:
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_CLOEXEC))
    except OSError:
        return False
    return True
