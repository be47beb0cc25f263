"""Cameras for tests: footage with a barcode in every frame, written to disk or sent.

- `make_footage` encodes once (barcoded.py): H.264 with B-frames or HEVC, any rate, AAC, barcoded frames.
- `RecordingWriter` writes it into a channel's directory part by part, as MediaMTX would, at any pace.
- `SrtSender` sends a live barcoded picture over SRT (srt_sender.py).
- `burned` reads the barcode of a decoded frame; `burned_in` reads those of a file.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import trio

from appliance.media.ingest.ingest import AUDIO_ID, VIDEO_ID, describe_video
from appliance.media.ingest.segment_file import SegmentFiles
from appliance.media.mp4 import boxes
from appliance.media.mp4.fragment import CloseSegment, Command, FragmentWriter, Sample, TrackSpec, WritePart
from tests.kit.barcoded import AUDIO_RATE as AUDIO_RATE
from tests.kit.barcoded import HZ as HZ
from tests.kit.barcoded import Footage as Footage
from tests.kit.barcoded import _tone as _tone
from tests.kit.barcoded import burned as burned
from tests.kit.barcoded import burned_between as burned_between
from tests.kit.barcoded import burned_in as burned_in
from tests.kit.barcoded import burned_so_far as burned_so_far
from tests.kit.barcoded import has_pictures as has_pictures
from tests.kit.barcoded import make_footage as make_footage
from tests.kit.srt_sender import SrtSender as SrtSender

_REORDER = 16  # frames by which a B-frame may be late, with a margin


@dataclass(frozen=True)
class WrittenFrame:
    """The truth about one frame on disk: `capture_us` is when it was captured (wall time, us UTC)."""

    number: int  # counted over all repetitions and runs
    burned: int  # its barcode: number within the footage
    run: int  # 0 for the first run, one more per restart
    media_ns: int  # presentation time in its run
    capture_us: int


@dataclass
class RecordingWriter:
    """One channel's directory, growing as MediaMTX would write it.

    Frame n is captured at start_us + n / fps, by a source whose clock is `skew_ppm` fast, so its timestamps
    run ahead. A part is due when its last sample ends plus `delay_us` (network). Nothing waits: call
    `write_until(wall)` as time (real or simulated) passes, or `run_live`. `frames` lists what is on disk.
    """

    directory: Path
    footage: Footage
    start_us: int
    part_s: float = 0.2
    segment_s: float = 4.0
    skew_ppm: float = 0.0
    delay_us: int = 0
    frames: list[WrittenFrame] = field(default_factory=list)
    run: int = -1

    def __post_init__(self) -> None:
        self._files = SegmentFiles(self.directory)
        self._pending: list[WrittenFrame] = []
        self._steps = self._run_from(0)
        self._next: tuple[int, list[Command]] | None = None

    def write_until(self, wall: int) -> int:
        """Write every part due by `wall` (us UTC); returns how many."""
        written = 0
        while (due := self.next_due_us()) <= wall:
            assert self._next is not None and due == self._next[0]
            self._apply(self._next[1])
            self._next = None
            written += 1
        return written

    def write_seconds(self, seconds: float) -> int:
        """Write all of the first `seconds` since start_us; returns the parts written."""
        return self.write_until(self.start_us + self.delay_us + round(seconds * 1e6))

    def next_due_us(self) -> int:
        """When the next part is complete (wall, us UTC)."""
        if self._next is None:
            self._next = next(self._steps)
        return self._next[0]

    async def run_live(self, now_us: Callable[[], int], *, until_us: int) -> None:
        """Write each part when it is due by `now_us`, until wall time `until_us`."""
        while (due := self.next_due_us()) <= until_us:
            await trio.sleep(max(0, due - now_us()) / 1e6)
            self.write_until(due)

    def restart(self, *, gap_s: float) -> None:
        """The recorder stops and starts a new run: at least `gap_s` is missing, then footage continues from a
        key frame."""
        number = self.frames[-1].number + 1 if self.frames else 0
        self._close_run()
        number += round(gap_s * self.footage.fps)
        while not self._key_at(number):
            number += 1
        self._steps, self._next = self._run_from(number), None

    def close(self) -> None:
        """The source ended: the open file gets its duration. Samples not yet part of a due part are lost."""
        self._close_run()

    def wall_us(self, media_ns: int) -> int:
        """True arrival (us UTC) of a media instant of the newest run."""
        return self._true_us(media_ns / 1e9 + self._base / HZ)

    def _close_run(self) -> None:
        """Parts that are not due are not written; the file on disk, if one is open, gets its duration."""
        self._pending.clear()
        prepared = self._next[1] if self._next is not None else []
        closing = [c for c in [*prepared, *self._writer.close()] if isinstance(c, CloseSegment)]
        if self._files.is_open:
            self._apply(closing[:1])

    def _apply(self, commands: Sequence[Command]) -> None:
        self._files.apply(commands)
        # B-frames of the previous part may arrive in this one: keep presentation order
        newest = self.frames[-_REORDER:] + self._pending
        self.frames[-_REORDER:] = sorted(newest, key=lambda frame: (frame.run, frame.number))
        self._pending = []

    def _true_us(self, source_s: float) -> int:
        return self.start_us + self.delay_us + round(source_s * 1e6 / (1 + self.skew_ppm * 1e-6))

    def _key_at(self, number: int) -> bool:
        burned_number = number % self.footage.frames
        return any(s.sync and self._number_of(s) == burned_number for s in self.footage.video)

    def _number_of(self, sample: Sample) -> int:
        return round(sample.pts * self.footage.fps / HZ)

    def _run_from(self, first: int) -> Iterator[tuple[int, list[Command]]]:
        """(due, commands) of each part of a run that begins with frame `first`, without end."""
        self.run += 1
        self._base = round(first * HZ / self.footage.fps)  # source ticks where this run's media time is 0
        self._writer = FragmentWriter(
            self._tracks(),
            stream_id=os.urandom(16),
            part_s=self.part_s,
            segment_s=self.segment_s,
            ntp_ns=lambda media_ns: self.wall_us(media_ns) * 1000,
        )
        commands: list[Command] = []
        waiting: list[WrittenFrame] = []
        for track_id, sample, frame in self._merged(first):
            commands += self._writer.add(track_id, sample)
            if frame is not None:
                waiting.append(frame)
            if any(isinstance(command, WritePart) for command in commands):
                # a rotation ends the part before this sample, which then belongs to the next one
                done = [
                    f for f in waiting if track_id != VIDEO_ID or f is not frame or not self._holds(VIDEO_ID)
                ]
                waiting = [f for f in waiting if f not in done]
                self._pending += done
                scale = HZ if track_id == VIDEO_ID else AUDIO_RATE
                yield self._true_us((sample.dts + sample.duration) / scale + self._base / HZ), commands
                commands = []

    def _holds(self, track_id: int) -> bool:
        return bool(self._writer._lanes[track_id].samples)

    def _tracks(self) -> list[TrackSpec]:
        footage = self.footage
        description = describe_video(footage.codec, footage.sets)
        tracks = [TrackSpec(VIDEO_ID, False, HZ, description.entry, footage.width, footage.height)]
        if footage.audio:
            specific = bytes([2 << 3 | 3 >> 1, (3 & 1) << 7 | 1 << 3])  # AAC-LC, 48 kHz, mono
            tracks.append(TrackSpec(AUDIO_ID, True, AUDIO_RATE, boxes.mp4a_entry(1, AUDIO_RATE, specific)))
        return tracks

    def _merged(self, first: int) -> Iterator[tuple[int, Sample, WrittenFrame | None]]:
        """Samples from frame `first` on in the order of their dts, in this run's media time."""
        pictures, sounds = self._pictures(first), self._sounds()
        picture, sound = next(pictures), next(sounds, None)
        while True:
            if sound is not None and sound.dts / AUDIO_RATE < picture[0].dts / HZ:
                yield AUDIO_ID, sound, None
                sound = next(sounds, None)
            else:
                yield VIDEO_ID, *picture
                picture = next(pictures)

    def _pictures(self, first: int) -> Iterator[tuple[Sample, WrittenFrame]]:
        footage = self.footage
        repetition = first // footage.frames
        start = next(
            i for i, s in enumerate(footage.video) if s.sync and self._number_of(s) == first % footage.frames
        )
        while True:
            shift = round(repetition * footage.frames * HZ / footage.fps) - self._base
            for sample in footage.video[start:]:
                moved = sample._replace(dts=sample.dts + shift, pts=sample.pts + shift)
                burned_number = self._number_of(sample)
                number = repetition * footage.frames + burned_number
                media_ns = moved.pts * 1_000_000_000 // HZ
                capture_us = self.wall_us(media_ns) - self.delay_us
                yield moved, WrittenFrame(number, burned_number, self.run, media_ns, capture_us)
            repetition, start = repetition + 1, 0

    def _sounds(self) -> Iterator[Sample]:
        """Sound without end; its repetitions are joined sample to sample."""
        at = 0
        while self.footage.audio:
            for sample in self.footage.audio:
                yield sample._replace(dts=at, pts=at)
                at += sample.duration
