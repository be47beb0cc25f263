"""The worker's side of cutting several clips: runs only inside the sandbox."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict
from typing import BinaryIO, cast

from appliance.media.decode.clips import ClipRecipe, Stretch, Window, cut_clips
from appliance.workers.jobs import parse_piece
from appliance.workers.protocol import Json, WorkerProtocolError, integer, number, sequence
from appliance.workers.reader import OutputFile, PieceReader

_NICE = 15
"""Below the daemon and the workers that people wait for; above nothing else that matters on a box."""
_NAMES = ("frames", "end_s", "damaged", "encoder_s", "error", "detail")


def perform_clips(args: Json, descriptors: Sequence[int]) -> Json:
    """Raises BadMedia, ProtocolError, and OSError of the first output that could not be written."""
    _lower_priority()
    windows = [_window(value) for value in sequence(args, "windows")]
    threads = integer(args, "threads")
    if not 0 < len(windows) < len(descriptors) or not 1 <= threads <= 16:
        raise WorkerProtocolError(f"{len(windows)} clips on {threads} threads")
    inputs, outputs = descriptors[: -len(windows)], descriptors[-len(windows) :]
    source = PieceReader(inputs, [parse_piece(value, len(inputs)) for value in sequence(args, "pieces")])
    for output in outputs:
        os.ftruncate(output, 0)  # an earlier worker may have died in the middle of this job
    sinks = [OutputFile(output) for output in outputs]
    recipe = ClipRecipe(threads, number(args, "clip_s"))
    stretch = Stretch(*_integers(args.get("stretch"), 3))
    cut = cut_clips(cast(BinaryIO, source), cast("list[BinaryIO]", sinks), stretch, windows, recipe)
    for sink in sinks:
        if sink.error is not None:
            raise sink.error
    clips = [{name: value for name, value in asdict(clip).items() if name in _NAMES} for clip in cut.clips]
    return {"clips": clips, "decoded": cut.decoded}


def _window(value: object) -> Window:
    if not isinstance(value, list) or len(value) != 4 or not isinstance(value[2], bool):
        raise WorkerProtocolError("a window is [first, end, sound, moov bytes]")
    first, end, moov_bytes = _integers([value[0], value[1], value[3]], 3)
    if end <= first or not 0 < moov_bytes <= 1 << 30:
        raise WorkerProtocolError(f"no such window: {value}")
    return Window(first, end, value[2], moov_bytes)


def _integers(value: object, count: int) -> list[int]:
    if not isinstance(value, list) or len(value) != count or not all(type(each) is int for each in value):
        raise WorkerProtocolError(f"not {count} integers: {value}")
    return cast("list[int]", value)


def _lower_priority() -> None:
    """Once: priority is never raised again, which needs a right that a worker does not have."""
    if (missing := _NICE - os.getpriority(os.PRIO_PROCESS, 0)) > 0:
        os.nice(missing)
