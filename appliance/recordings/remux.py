"""Child process: MPEG-TS on stdin becomes a recording in a directory.

    python -m appliance.recordings.remux --dir DIR --part-s 0.2 --segment-s 60 --offset-us N --parent PID

Owns: reading, the clock it was told, the files. What a recording is lives in media/ingest.py.
Must not know: where the stream comes from. Ends at EOF, on SIGTERM (both write what is whole and close the
file) or when a stream that had begun falls silent for --silence-s. One connection per process.

Status lines on stderr (children.say): ready, receiving, streams, skipped, no_video, run_started, run_ended,
segment {name}, picture_changed, bad_parameter_sets, clock_jump, no_picture, write_failed, progress, ended.
"""

from __future__ import annotations

import argparse
import os
import select
import sys
from pathlib import Path
from typing import Final

from appliance.kernel.clock import boottime_us
from appliance.media.fragment import OpenSegment, own_stream_id
from appliance.media.ingest import Ingest, Notice, Output
from appliance.media.segment_file import SegmentFiles, segment_name
from appliance.recordings import children

_READ_BYTES: Final = 1 << 18
_MEMORY_BYTES: Final = 512 << 20
_PROGRESS_US: Final = 5_000_000
_WRITE_RETRY_US: Final = 2_000_000  # a full disk is asked again this often, never in a loop
_NO_PICTURE_US: Final = 10_000_000


class Remux:
    """One connection, from bytes to files."""

    def __init__(self, directory: Path, *, part_s: float, segment_s: float) -> None:
        self._files = SegmentFiles(directory)
        self._ingest = Ingest(
            part_s=part_s, segment_s=segment_s, new_stream_id=lambda: own_stream_id(os.urandom(12))
        )
        self._mute_until_us = 0
        self._begun_us = 0
        self._told_us = 0
        self._warned = False

    def feed(self, data: bytes, now_us: int) -> None:
        if not self._begun_us:
            self._begun_us = self._told_us = now_us
            children.say("receiving")
        if now_us >= self._mute_until_us:
            self._carry_out(self._ingest.feed(data, now_us), now_us)
        self._report(now_us)

    def close(self, now_us: int, reason: str) -> None:
        """Write what is whole and close the file."""
        self._carry_out(self._ingest.close(), now_us)
        children.say("ended", reason=reason, bytes=self._ingest.bytes, pictures=self._ingest.pictures)

    def _carry_out(self, outputs: list[Output], now_us: int) -> None:
        for output in outputs:
            if isinstance(output, Notice):
                children.say(output.event, **output.facts)
                continue
            try:
                self._files.apply((output,))
            except OSError as error:
                self._ingest.abandon_run()
                self._mute_until_us = now_us + _WRITE_RETRY_US
                children.say("write_failed", error=error.strerror or str(error), errno=error.errno)
                return
            if isinstance(output, OpenSegment):
                children.say("segment", name=segment_name(output.ntp_ns))

    def _report(self, now_us: int) -> None:
        if now_us - self._told_us >= _PROGRESS_US:
            self._told_us = now_us
            one = self._ingest
            children.say("progress", bytes=one.bytes, pictures=one.pictures, lost_packets=one.lost_packets)
        if not self._warned and not self._ingest.pictures and now_us - self._begun_us >= _NO_PICTURE_US:
            self._warned = True
            children.say(
                "no_picture", hint="the stream has no key picture: set the encoder to closed GOPs of 1-2 s"
            )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="appliance.recordings.remux")
    parser.add_argument("--dir", type=Path, required=True)
    parser.add_argument("--part-s", type=float, required=True)
    parser.add_argument("--segment-s", type=float, required=True)
    parser.add_argument("--offset-us", type=int, required=True, help="box time minus CLOCK_BOOTTIME")
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
    remux = Remux(arguments.dir, part_s=arguments.part_s, segment_s=arguments.segment_s)
    children.say("ready")
    silence_ms: float | None = None
    while True:
        ready = dict(poll.poll(silence_ms))
        now_us = boottime_us() + arguments.offset_us
        if not ready or stop in ready:
            remux.close(now_us, "stopped" if ready else "silent")
            return 0
        data = os.read(0, _READ_BYTES)
        if not data:
            remux.close(now_us, "stream ended")
            return 0
        silence_ms = arguments.silence_s * 1000 or None
        remux.feed(data, now_us)


if __name__ == "__main__":
    sys.exit(main())
