"""A 12 s clip from 1, 10 and 60 minute recordings: our plan and file compared with FFmpeg, PyAV and
re-encoding.

Parts: `plan` (time, page cache warm, without fsync and HTTP), `exact` (are the frames the requested ones?)
and `ready` (last byte of OUT sent -> clip_ready of the last angle received, through the real daemon). Goals:
plan + file <= 5 ms and constant, >= 25x ffmpeg -c copy, >= 500x libx264; 14/14 exact; OUT of indexed footage
with 4 cameras p50 <= 20 ms, p99 <= 80 ms; OUT = now: the newest part's close + 150 ms.
"""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import benchkit
import benchready
from benchkit import Options, Row

START_US = 1_790_000_000_000_000
FPS = 30
PART_S = 1.0  # MediaMTX's default
STRESS = (0, 1, 17, 30, 57, 58, 59)  # IN this many frames after a key

Cut = Callable[[int, int, Path], None]  # first frame, number of frames, file to make


@dataclass(frozen=True)
class Recording:
    """One file with MediaMTX's structure and its index. Frames are counted from 0 through all repetitions."""

    path: Path
    footage: Any
    index: Any
    view: Any

    @property
    def frames(self) -> int:
        return int(self.index.frames)

    def open_fd(self, _name: str) -> int:
        return os.open(self.path, os.O_RDONLY)

    def plan(self, first: int, count: int) -> Any:
        """Our plan, made like the daemon's."""
        from appliance.box.clips.cutting.planner import open_once
        from appliance.media.cut.plan import make_plan

        start_us, end_us = self.published_us(first), self.published_us(first + count)
        with open_once(self.open_fd) as open_fd:
            return make_plan([self.view], open_fd, start_us=start_us, end_us=end_us, latency_us=0)

    def _tick(self, frame: int) -> int:
        return int(self.index.first) + frame * self.index.timescale // FPS

    def published_us(self, frame: int) -> int:
        """The instant the box publishes for a frame: an IN exactly there means this value."""
        return int(self.view.clock.wall_us(self.index.run_ns(self._tick(frame))))

    def file_time(self, frame: int) -> Fraction:
        """Seconds since the start of the file, as FFmpeg counts."""
        return Fraction(self._tick(frame), self.index.timescale)


def record(folder: Path, footage: Any, seconds: int) -> Recording:
    """`seconds` of the footage repeated in one segment, on the disk and in the page cache."""
    from appliance.media.index.index import SegmentIndex
    from tests.kit.camera import RecordingWriter
    from tests.kit.fmp4_file import StraightClock

    writer = RecordingWriter(folder, footage, START_US, part_s=PART_S, segment_s=1e9)
    writer.write_seconds(seconds)
    writer.close()
    (path,) = folder.iterdir()
    fd = os.open(path, os.O_RDONLY)
    os.fdatasync(fd)  # otherwise the disk would be busy with it during the measurement
    index = SegmentIndex(path.name)
    index.update(fd, path.stat().st_size)
    os.close(fd)
    return Recording(path, footage, index, index.view(path.name, StraightClock(START_US)))


# -- the methods --------------------------------------------------------------------------------------------


def ours(recording: Recording) -> Cut:
    from appliance.box.clips.files.write_plan import copy_plan

    def cut(first: int, count: int, target: Path) -> None:
        plan = recording.plan(first, count)
        out = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        try:
            copy_plan(
                out, plan.header, [(r.name, r.offset, r.length) for r in plan.ranges], recording.open_fd
            )
        finally:
            os.close(out)

    return cut


def cli(recording: Recording, *how: str) -> Cut:
    import av

    program = benchkit.ffmpeg()
    assert program is not None
    with av.open(str(recording.path)) as container:
        start_us = container.start_time or 0

    def cut(first: int, count: int, target: Path) -> None:
        # it counts from the file's first picture or sound; rounded down, since rounded up it would be after
        # the frame
        at_us = int(recording.file_time(first) * 1_000_000) - start_us
        place = ["-ss", f"{at_us}us", "-i", str(recording.path), "-t", f"{count / FPS:.6f}"]
        benchkit.quiet(program, "-v", "error", "-y", *place, *how, "-movflags", "+faststart", str(target))

    return cut


COPY = ("-c", "copy")
ENCODE = ("-c:v", "libx264", "-preset", "ultrafast", "-crf", "23", "-c:a", "aac")


def pyav(recording: Recording, **options: str) -> Cut:
    """Seek back to the key, copy packets up to OUT, hide the pre-roll by an edit list (negative times)."""
    import av

    def cut(first: int, count: int, target: Path) -> None:
        begin, end = (recording.file_time(n) for n in (first, first + count))
        with (
            av.open(str(recording.path), options=options) as source,
            av.open(
                str(target),
                "w",
                format="mp4",
                options={"movflags": "faststart"},
                container_options={"avoid_negative_ts": "disabled"},
            ) as clip,
        ):
            streams = (source.streams.video[0], source.streams.audio[0])
            outs = {each.index: clip.add_stream_from_template(each) for each in streams}
            video = streams[0]
            assert video.time_base is not None
            source.seek(round(begin / video.time_base), stream=video)
            done = set()
            for packet in source.demux(*streams):
                if packet.dts is None or packet.pts is None:
                    continue
                if packet.dts * packet.time_base >= end:
                    done.add(packet.stream_index)
                    if len(done) == len(streams):
                        break
                    continue
                shift = round(begin / packet.time_base)
                packet.dts, packet.pts = packet.dts - shift, packet.pts - shift
                packet.stream = outs[packet.stream_index]
                clip.mux(packet)

    return cut


def _footage(options: Options) -> Any:
    return benchkit.hd_footage(seconds=4 if options.quick else 12, quick=options.quick)


# -- plan ---------------------------------------------------------------------------------------------------


def measure_plan(options: Options) -> list[Row]:
    """Methods in turn on each recording, with the same random IN for a whole round."""
    footage = _footage(options)
    rows: list[Row] = []
    for minutes in (0.5,) if options.quick else (1, 10, 60):
        folder = options.folder / f"{minutes}min"
        recording = record(folder, footage, round(minutes * 60))
        rows += _beside(recording, minutes, options)
        recording.path.unlink()
    return rows


def _beside(recording: Recording, minutes: float, options: Options) -> list[Row]:
    count = 60 if options.quick else 12 * FPS
    chance = random.Random(minutes)
    places = [chance.randrange(recording.frames - count - FPS) for _ in range(40)]
    target = options.folder / "clip.mp4"

    def turn(cut: Cut) -> Callable[[int], object]:
        return lambda n: cut(places[n], count, target)

    methods: dict[str, Callable[[int], object]] = {
        "ours: plan + file": turn(ours(recording)),
        "ours: plan only": lambda n: recording.plan(places[n], count),
        "PyAV seek + copy": turn(pyav(recording)),
        "PyAV, probesize=32": turn(pyav(recording, probesize="32")),
    }
    if benchkit.ffmpeg():
        methods["ffmpeg -c copy"] = turn(cli(recording, *COPY))

    def tidy() -> None:  # every cut creates a new file: truncating an old one takes time too
        target.unlink(missing_ok=True)

    rows = benchkit.race(methods, 2 if options.quick else 9, tidy=tidy)
    if benchkit.ffmpeg():
        encode = benchkit.race({"x": turn(cli(recording, *ENCODE))}, 1, warm_up=0, tidy=tidy)[0]
        ratio = round(encode["median_ms"] / rows[0]["median_ms"])
        rows.append({**encode, "method": "libx264 ultrafast crf 23", "ratio": ratio})
    goals = {"ours: plan + file": "<= 5 ms, flat"}
    if minutes == 60:
        goals |= {"ffmpeg -c copy": ">= 25x", "libx264 ultrafast crf 23": ">= 500x"}
    return [
        {"method": row["method"], "minutes": minutes, **row, "goal": goals.get(row["method"])} for row in rows
    ]


# -- exactness ----------------------------------------------------------------------------------------------


def measure_exact(options: Options) -> list[Row]:
    """Stress cuts of every method at 1080p; our method also on other structures, with small pictures."""
    from tests.kit.camera import make_footage

    main = _footage(options)
    recording = record(options.folder / "exact", main, 16)
    methods: dict[str, Cut] = {"ours": ours(recording), "PyAV seek + copy": pyav(recording)}
    if benchkit.ffmpeg():
        methods |= {"ffmpeg -c copy": cli(recording, *COPY), "libx264 ultrafast": cli(recording, *ENCODE)}
    size = f"{main.width}x{main.height}"
    rows = [
        _exact(name, f"H.264, 2 B-frames, {size}", recording, cut, options) for name, cut in methods.items()
    ]
    others: dict[str, dict[str, Any]] = {
        "H.264, no B-frames": {"b_frames": 0},
        "H.264, open GOP": {"b_frames": 3, "open_gop": True},
        "HEVC, 3 B-frames, open GOP": {"codec": "hevc", "b_frames": 3, "open_gop": True},
    }
    for name, how in others.items():
        small = make_footage(frames=240, fps=Fraction(FPS), gop=60, **how)
        other = record(options.folder / name.replace(" ", "-"), small, 16)
        rows.append(_exact("ours", f"{name}, 320x180", other, ours(other), options))
    return rows


def _exact(name: str, media: str, recording: Recording, cut: Cut, options: Options) -> Row:
    cuts = stress_cuts()[:: 4 if options.quick else 1]
    target = options.folder / "exact-clip.mp4"
    exact, worst = 0, ""
    for first, count in cuts:
        cut(first, count, target)
        wanted = [n % recording.footage.frames for n in range(first, first + count)]
        shown = frames_of(target)
        exact += shown == wanted
        if shown != wanted and not worst:
            worst = (
                f"asked {wanted[0]}..{wanted[-1]}, shown {shown[0]}..{shown[-1]} ({len(shown)} of {count})"
            )
    return {"method": name, "media": media, "exact": f"{exact}/{len(cuts)}", "first miss": worst or None}


def stress_cuts() -> list[tuple[int, int]]:
    """(first frame, frames): IN around a key, OUT at every phase of the GOP too."""
    results = []
    for number, after in enumerate(STRESS):
        results += [(60 * 2 + after, 12 + number), (60 * 4 + after, 61 - after)]
    return results


def frames_of(clip: Path) -> list[int]:
    """The numbers in the frames a player shows, -1 for one that cannot be read."""
    import av

    from tests.kit.camera import burned

    with av.open(str(clip)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        stream.codec_context.options = {"skip_loop_filter": "all"}
        seen = [burned(frame) for frame in container.decode(stream)]
    return [-1 if item is None else item.frame for item in seen]


PARTS: dict[str, Callable[[Options], list[Row]]] = {
    "plan": measure_plan,
    "exact": measure_exact,
    "ready": benchready.measure,
}


def main(_arguments: Sequence[str] = ()) -> None:
    benchkit.run("cut", __doc__, PARTS)


if __name__ == "__main__":
    main()
