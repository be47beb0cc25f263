"""Shared helpers: published frames beside the truth, and the real content of a clip."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import trio

from appliance.box.recorder.synthetic.barcode import Burned
from appliance.kernel.clock import from_rfc3339, to_rfc3339
from tests.kit.browser import plain_get
from tests.kit.camera import RecordingWriter, WrittenFrame, burned, burned_between
from tests.kit.running import Box, Http
from tests.kit.waiting import LIMIT_S

NTSC = Fraction(30_000, 1001)
FRAME_US = 33_367  # one frame of 29.97 fps
AUDIO_RATE = 48_000
PACKET = 1024  # samples of an AAC packet


@dataclass(frozen=True)
class Published:
    """A frame's capture time in the API, and the truth about that frame."""

    at_us: int
    truth: WrittenFrame

    @property
    def error_us(self) -> int:
        return self.at_us - self.truth.capture_us


async def frame_times(http: Http, channel: str, start_us: int, end_us: int) -> list[int]:
    """Capture times of the channel's frames (timeline?frames=1), us."""
    start, end = to_rfc3339(start_us), to_rfc3339(end_us)
    known = await http.get(f"/channels/{channel}/timeline", start=start, end=end, frames=1)
    return [from_rfc3339(each) for each in known["frames"]]


async def published(http: Http, channel: str, writer: RecordingWriter) -> list[Published]:
    """Every frame on disk with its published time; waits until the box has indexed the last of them.

    The k-th frame published is the k-th written: frames of a channel are never reordered.
    """
    truth = writer.frames
    span = truth[0].capture_us - 1_000_000, truth[-1].capture_us + 1_000_000
    with trio.fail_after(LIMIT_S):
        # parts cause no event
        while len(times := await frame_times(http, channel, *span)) < len(truth):  # noqa: ASYNC110
            await trio.sleep(0.05)
    return [Published(at_us, frame) for at_us, frame in zip(times, truth, strict=True)]


def write_past(writer: RecordingWriter, until_us: int) -> None:
    """Every part due by now; each file's mtime is the time its last part was due."""
    while (due := writer.next_due_us()) <= until_us:
        writer.write_until(due)
        newest = max(writer.directory.glob("*.mp4"))
        os.utime(newest, ns=(due * 1000, due * 1000))


def expected(frames: Sequence[Published], start_us: int, end_us: int) -> list[int]:
    """The expected frame numbers in the clip [start_us, end_us)."""
    return [each.truth.burned for each in frames if start_us <= each.at_us < end_us]


def expected_first(state: Path, url: str, play: dict[str, Any]) -> int:
    """The number of the first frame published at or after a play's IN, in its first clip."""
    clip = play["clips"][0]
    start_us = from_rfc3339(clip["start_time"])
    frames = published_frames(state, url, clip["channel_id"], start_us)
    return next(text.frame for at_us, text in frames if at_us >= start_us)


def published_frames(
    state: Path, url: str, channel_id: str, about_us: int, near_us: int = 2_000_000
) -> list[tuple[int, Burned]]:
    """(published capture time, burned-in time) of each frame nearer than that.

    The recording gives the burned-in time of its k-th frame, the timeline the capture time of its k-th frame,
    both from its start: a slow test may run minutes later. A slow machine's synthetic camera may start late;
    that delay is in both, so what a page shows must match.
    """
    timeline = f"{url}/channels/{channel_id}/timeline"
    spans = plain_get(f"{timeline}?{_span(about_us - 3_600_000_000, about_us + 60_000_000)}")["spans"]
    first_us, end_us = from_rfc3339(spans[0]["start"]), from_rfc3339(spans[-1]["end"])
    borders = [*range(first_us, end_us, 50_000_000), end_us]
    times = [
        from_rfc3339(at)
        for span in pairwise(borders)
        for at in plain_get(f"{timeline}?{_span(*span)}&frames=1")["frames"]
    ]
    near = [n for n, at_us in enumerate(times) if abs(at_us - about_us) < near_us]
    if not near:
        return []
    outcome, before = [], 0
    for segment in sorted((state / "recordings" / channel_id).glob("*.mp4")):
        count, pictures = burned_between(segment, near[0] - before, near[-1] + 1 - before)
        outcome += [(times[before + n], content) for n, content in pictures.items() if content is not None]
        before += count
    return outcome


def frames_about(
    state: Path, url: str, channel_id: str, instant_us: int
) -> tuple[list[tuple[int, Burned]], int]:
    """Published frames about the one with this burned-in instant, and its place among them.

    The camera of a slow machine sends it late, so it is published for another time.
    """
    for near_us in (2_000_000, 30_000_000):
        frames = published_frames(state, url, channel_id, instant_us, near_us)
        for n, (_, content) in enumerate(frames):
            if content.instant_us == instant_us:
                return frames, n
    raise AssertionError(f"no frame of {channel_id} has the instant {instant_us}")


def _span(start_us: int, end_us: int) -> str:
    return f"start={to_rfc3339(start_us)}&end={to_rfc3339(end_us)}"


def captured_ms(state: Path, url: str, channel_id: str, instant_ms: float) -> float:
    """The published capture time of the picture with this burned-in instant."""
    frames, n = frames_about(state, url, channel_id, round(instant_ms * 1000))
    return frames[n][0] / 1000


def assert_same_instant(state: Path, url: str, shown: dict[str, float]) -> None:
    """Each camera shows its picture of one instant. `shown`: burned-in time by channel id, ms.

    So they differ by less than a picture, in published times: while the clock of a new source is being
    measured, a picture may be longer or shorter than the source's interval.
    """
    captured, longest_us = [], 0
    for channel_id, instant_ms in shown.items():
        frames, at = frames_about(state, url, channel_id, round(instant_ms * 1000))
        times = [at_us for at_us, _ in frames]
        captured.append(times[at])
        longest_us = max([longest_us, *(b - a for a, b in pairwise(times[max(0, at - 1) : at + 2]))])
    assert max(captured) - min(captured) < longest_us + 1000, (captured, longest_us)


def span_of(clip: dict[str, Any]) -> tuple[int, int]:
    """A clip's or play's [start, end) in the API, us."""
    start_us = from_rfc3339(clip["start_time"])
    return start_us, start_us + round(clip["duration"] * 1e6)


@dataclass(frozen=True)
class Shown:
    """What a player that honours edit lists shows and plays; times in seconds from the clip's start."""

    times: list[float]
    numbers: list[int]
    sound: list[tuple[int, int]]  # (first sample, samples) of each decoded chunk
    peaks: list[float]  # peak amplitude of each chunk: 1 is full scale

    @property
    def samples(self) -> int:
        return sum(count for _, count in self.sound)

    def peak(self, from_s: float, until_s: float) -> float:
        """The peak amplitude in a span."""
        chunks = zip(self.sound, self.peaks, strict=True)
        return max(
            p for (at, n), p in chunks if from_s <= at / AUDIO_RATE and (at + n) / AUDIO_RATE <= until_s
        )

    def sound_breaks(self) -> list[tuple[int, int]]:
        """Where a chunk does not begin at the end of the previous one: (sample, difference in samples)."""
        ends = [at + count for at, count in self.sound]
        return [
            (at, at - end)
            for end, (at, _) in zip(ends, self.sound[1:], strict=False)
            if abs(at - end) > 1  # clip time is in ticks of the video
        ]


def shown(clip: bytes) -> Shown:
    """Decode a whole clip."""
    times, numbers = [], []
    with av.open(io.BytesIO(clip), "r") as container:
        for frame in container.decode(video=0):
            read = burned(frame)
            times.append(float(frame.time or 0))
            numbers.append(-1 if read is None else read.frame)
    sound, peaks = [], []
    with av.open(io.BytesIO(clip), "r") as container:
        for chunk in container.decode(audio=0) if container.streams.audio else ():
            sound.append((round(float(chunk.time or 0) * AUDIO_RATE), chunk.samples))
            peaks.append(float(np.abs(chunk.to_ndarray()).max()))
    return Shown(times, numbers, sound, peaks)


def picture_number(jpeg: bytes) -> int:
    """The frame number in a JPEG."""
    with av.open(io.BytesIO(jpeg), "r", format="jpeg_pipe") as container:
        read = burned(next(container.decode(video=0)))
    assert read is not None, "no barcode in the picture"
    return read.frame


def assert_continuous(clip: Shown, *, sound_short_s: float = 0, fps: Fraction = NTSC) -> None:
    """Pictures one frame apart, sound without gap or overlap from the first picture to the last's end.

    `sound_short_s`: how much sooner sound may end, where the clip was cut at the live edge (sound of pictures
    that B-frames brought early is not written yet). A packet at either end counts as rounding.
    """
    steps = [right - left for left, right in zip(clip.times, clip.times[1:], strict=False)]
    assert all(abs(step - 1 / fps) < 0.0015 for step in steps), steps
    assert clip.times[0] == 0
    assert clip.sound_breaks() == []
    assert 0 <= clip.sound[0][0] <= PACKET
    wanted = round(len(clip.times) / fps * AUDIO_RATE)
    assert wanted - PACKET - sound_short_s * AUDIO_RATE <= clip.samples <= wanted + PACKET, (
        clip.samples,
        wanted,
        clip.sound[0],
    )


def typed(box: Box, *words: str, code: int | None = 0, option: str = "--config") -> str:
    """The output of a command with the box's settings, as typed on its machine. `code`: its exit code; None:
    any. `option`: that of the settings file."""
    line = [sys.executable, "-m", "appliance", *words, option, str(box.folder / "appliance.toml")]
    done = subprocess.run(line, check=False, capture_output=True, text=True)
    assert code in (None, done.returncode), f"{words}: {done.returncode} {done.stdout}{done.stderr}"
    return done.stdout + done.stderr
