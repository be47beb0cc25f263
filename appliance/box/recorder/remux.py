"""Child process: writes MPEG-TS from stdin to a recording in a directory.

    python -m appliance.box.recorder.remux --dir DIR --part-s 0.2 --segment-s 60 --offset-us N --parent PID

Owns: reading, the clock passed to it, the files. The recording logic is in media/ingest/ingest.py. Must not
know: where the stream comes from. stdin is one connection's bytes, or with --framed connections one after the
other (framing.py), each with the instants its bytes arrived. Ends at EOF, on SIGTERM (both write what is
complete and close the file) or when a stream that had begun sends nothing for --silence-s.

Status lines on stderr (children.say): ready, receiving, streams, skipped, run_started, run_ended, segment
{name}, picture_changed, bad_parameter_sets, clock_jump, not_recorded {reason, hint}, recorded, write_failed,
progress, ended.
"""

from __future__ import annotations

import argparse
import os
import select
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

from appliance.box.recorder import children
from appliance.box.recorder.framing import FrameKind, FrameReader
from appliance.kernel.clock import boottime_us
from appliance.media.ingest.ingest import Ingest, Notice, Output
from appliance.media.ingest.segment_file import SegmentFiles, segment_name
from appliance.media.mp4.fragment import OpenSegment, own_stream_id

_READ_BYTES: Final = 1 << 18
_MEMORY_BYTES: Final = 512 << 20
_PROGRESS_US: Final = 5_000_000
_WRITE_RETRY_US: Final = 2_000_000  # a full disk is tried again this often, never in a loop
_UNRECORDED_US: Final = 3_000_000  # bytes arrive for so long without a recorded picture: report why
_JUMP_REPORTED_US: Final = 1_000_000
_PAUSE_US: Final = 1_000_000  # bytes stopped arriving: then a missing key picture is not the reason


class Remux:
    """One connection, from bytes to files."""

    def __init__(self, directory: Path, *, part_s: float, segment_s: float) -> None:
        self._files = SegmentFiles(directory)
        self._ingest = Ingest(
            part_s=part_s, segment_s=segment_s, new_stream_id=lambda: own_stream_id(os.urandom(12))
        )
        self._mute_until_us = 0
        self._fed_us = 0
        self._reported_us = 0
        self._pictures = 0
        self._picture_us = 0
        self._unrecorded = ""
        self._jumps = self._jump_reported_us = 0

    def feed(self, data: bytes, now_us: int) -> None:
        if not self._fed_us:
            self._reported_us = now_us
            children.report("receiving")
        if now_us - self._fed_us > _PAUSE_US:
            self._picture_us = now_us
        self._fed_us = now_us
        if now_us >= self._mute_until_us:
            self._carry_out(self._ingest.feed(data, now_us), now_us)
        self._report(now_us)

    def close(self, now_us: int, reason: str) -> None:
        """Write what is complete and close the file."""
        self._carry_out(self._ingest.close(), now_us)
        children.report("ended", reason=reason, bytes=self._ingest.bytes, pictures=self._ingest.pictures)

    def _carry_out(self, outputs: list[Output], now_us: int) -> None:
        for output in outputs:
            if isinstance(output, Notice):
                self._report_notice(output, now_us)
                continue
            try:
                self._files.apply((output,))
            except OSError as error:
                self._ingest.abandon_run()
                self._mute_until_us = now_us + _WRITE_RETRY_US
                children.report("write_failed", error=error.strerror or str(error), errno=error.errno)
                return
            if isinstance(output, OpenSegment):
                children.report("segment", name=segment_name(output.ntp_ns))

    def _report_notice(self, notice: Notice, now_us: int) -> None:
        """Report it; steps of a clock that steps continuously at most once a second."""
        if notice.event == "clock_jump":
            self._jumps += 1
            if now_us - self._jump_reported_us < _JUMP_REPORTED_US:
                return
            notice.facts["count"], self._jumps, self._jump_reported_us = self._jumps, 0, now_us
        children.report(notice.event, **notice.facts)

    def _report(self, now_us: int) -> None:
        if now_us - self._reported_us >= _PROGRESS_US:
            self._reported_us = now_us
            ingest = self._ingest
            children.report(
                "progress", bytes=ingest.bytes, pictures=ingest.pictures, lost_packets=ingest.lost_packets
            )
        if now_us >= self._mute_until_us:
            self._watch(now_us)

    def _watch(self, now_us: int) -> None:
        """Report when bytes arrive and no picture is recorded, and when pictures are recorded again."""
        if self._ingest.pictures != self._pictures:
            self._pictures, self._picture_us = self._ingest.pictures, now_us
            if self._unrecorded:
                self._unrecorded = ""
                children.report("recorded")
        elif now_us - self._picture_us >= _UNRECORDED_US:
            reason, hint = self._ingest.lacks()
            if reason != self._unrecorded:
                self._unrecorded = reason
                children.report("not_recorded", reason=reason, hint=hint)


class _Plain:
    """stdin is one connection; bytes arrive when they are read."""

    def __init__(self, new: Callable[[], Remux], offset_us: int) -> None:
        self._remux, self._offset_us = new(), offset_us

    def feed(self, data: bytes) -> None:
        self._remux.feed(data, boottime_us() + self._offset_us)

    def close(self, reason: str) -> None:
        self._remux.close(boottime_us() + self._offset_us, reason)


class _Framed:
    """stdin is connections one after the other, each a separate recording."""

    def __init__(self, new: Callable[[], Remux], offset_us: int) -> None:
        self._new, self._offset_us = new, offset_us
        self._frames = FrameReader()
        self._remux: Remux | None = None

    def feed(self, data: bytes) -> None:
        for frame in self._frames.feed(data):
            if frame.kind is FrameKind.END:
                self.close(frame.payload.decode())
            elif frame.kind is FrameKind.BEGIN:
                self.close("another connection")
                self._remux = self._new()
            elif self._remux is not None:
                self._remux.feed(frame.payload, frame.arrival_us + self._offset_us)

    def close(self, reason: str) -> None:
        remux, self._remux = self._remux, None
        if remux is not None:
            remux.close(boottime_us() + self._offset_us, reason)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="appliance.box.recorder.remux")
    parser.add_argument("--dir", type=Path, required=True)
    parser.add_argument("--part-s", type=float, required=True)
    parser.add_argument("--segment-s", type=float, required=True)
    parser.add_argument("--offset-us", type=int, required=True, help="box time minus CLOCK_BOOTTIME")
    parser.add_argument("--framed", action="store_true", help="stdin is frames of the SRT receiver")
    parser.add_argument("--silence-s", type=float, default=0.0, help="0: wait for ever")
    parser.add_argument("--parent", type=int, required=True)
    return parser.parse_args()


def main() -> int:
    arguments = _arguments()
    children.die_with(arguments.parent)
    children.limit(memory_bytes=_MEMORY_BYTES)
    stop = children.wake_on_signals()
    poll = select.poll()
    poll.register(0, select.POLLIN)
    poll.register(stop, select.POLLIN)
    new = partial(Remux, arguments.dir, part_s=arguments.part_s, segment_s=arguments.segment_s)
    record = (_Framed if arguments.framed else _Plain)(new, arguments.offset_us)
    children.report("ready")
    silence_ms: float | None = None
    while True:
        ready = dict(poll.poll(silence_ms))
        if not ready or stop in ready:
            record.close("stopped" if ready else "silent")
            return 0
        data = os.read(0, _READ_BYTES)
        if not data:
            record.close("stream ended")
            return 0
        silence_ms = arguments.silence_s * 1000 or None
        record.feed(data)


if __name__ == "__main__":
    sys.exit(main())
