"""Shared code of the benches: command line, alternating timing, tables, 1080p footage.

A bench is a file of scripts/benches whose parts are functions from Options to rows; `run` gives it a command
line. Compared methods alternate inside one round, so other load on the machine affects them equally; ratios
are to the first method, ours. Everything is created in a temporary folder (TMPDIR selects the disk) and
removed at the end.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from random import Random
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

Row = dict[str, Any]


@dataclass(frozen=True)
class Options:
    """`quick`: small pictures and few rounds; the figures are meaningless, the code is the same."""

    quick: bool
    folder: Path
    only: frozenset[str]  # empty: everything

    def wants(self, part: str) -> bool:
        return not self.only or part in self.only


def run(name: str, doc: str | None, parts: Mapping[str, Callable[[Options], list[Row]]]) -> None:
    """The command line of a bench: --json, --quick, --only PART."""
    parser = argparse.ArgumentParser(description=(doc or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument(
        "--quick", action="store_true", help="a few seconds; proves the code, not the figures"
    )
    parser.add_argument("--only", action="append", choices=list(parts), default=[])
    request = parser.parse_args()
    tables: dict[str, list[Row]] = {}
    with tempfile.TemporaryDirectory(prefix=f"bench-{name}-") as folder:
        options = Options(request.quick, Path(folder), frozenset(request.only))
        for part, measure in parts.items():
            if options.wants(part):
                tables[part] = measure(options)
                if not request.json:
                    print(table(f"{name}: {part}", tables[part]), flush=True)
    if request.json:
        print(json.dumps({name: tables}), flush=True)


# -- figures ------------------------------------------------------------------------------------------------


def quantile(values: Sequence[float], share: float) -> float:
    order = sorted(values)
    return order[min(len(order) - 1, int(len(order) * share))]


def spread_ms(values_s: Sequence[float]) -> Row:
    """Minimum, p50, p99 and maximum in ms, and the count. On a busy machine the minimum is the box's own
    part."""
    if not values_s:
        return {"min_ms": None, "p50_ms": None, "p99_ms": None, "max_ms": None, "n": 0}
    report = {"min_ms": min(values_s), "p50_ms": quantile(values_s, 0.5)}
    report |= {"p99_ms": quantile(values_s, 0.99), "max_ms": max(values_s)}
    return {key: round(value * 1000, 2) for key, value in report.items()} | {"n": len(values_s)}


def race(
    methods: Mapping[str, Callable[[int], object]],
    rounds: int,
    *,
    warm_up: int = 1,
    tidy: Callable[[], object] = lambda: None,
) -> list[Row]:
    """Run every method once a round; rows of median and min ms with the ratio to the first method.

    The first `warm_up` calls of each are discarded: they open libraries and warm caches. `tidy` runs after
    every call and is not timed.
    """
    took: dict[str, list[float]] = {name: [] for name in methods}
    for turn in range(rounds + warm_up):
        for name, method in methods.items():
            began = time.perf_counter()
            method(turn)
            took_s = time.perf_counter() - began
            tidy()
            if turn >= warm_up:
                took[name].append(took_s)
    ours = statistics.median(next(iter(took.values())))
    return [
        {
            "method": name,
            "median_ms": round(statistics.median(times) * 1000, 3),
            "min_ms": round(min(times) * 1000, 3),
            "ratio": round(statistics.median(times) / ours, 1),
        }
        for name, times in took.items()
    ]


def table(title: str, rows: Sequence[Row]) -> str:
    """Columns in the order of their first use, the goal last; a missing value is a dash."""
    columns: list[str] = []
    for row in rows:
        columns += [key for key in row if key not in columns]
    columns.sort(key="goal".__eq__)
    cells = [columns, *([_cell(row.get(key)) for key in columns] for row in rows)]
    widths = [max(len(line[n]) for line in cells) for n in range(len(columns))]
    lines = [
        "  ".join(
            cell.rjust(width) if n and not cell[:1].isalpha() else cell.ljust(width)
            for n, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in cells
    ]
    return f"\n== {title}\n" + "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])


def _cell(value: object) -> str:
    return "-" if value is None else str(value)


# -- footage ------------------------------------------------------------------------------------------------


@lru_cache(maxsize=2)
def hd_footage(*, seconds: int, quick: bool, b_frames: int = 2) -> Any:
    """Barcoded 1080p30 of about 6 Mbit/s with a 2 s GOP and sound; with `quick` 320x180.

    Ultrafast, because only its size and structure matter. A few seconds of work for 20 s of footage.
    """
    from tests.kit.camera import Footage, _tone, make_footage

    if quick:
        return make_footage(frames=seconds * 30, fps=Fraction(30), gop=60, b_frames=b_frames)
    sets, video = _encode_hd(seconds * 30, b_frames)
    return Footage("h264", Fraction(30), 1920, 1080, sets, video, tuple(_tone(seconds * 48_000)))


def _encode_hd(frames: int, b_frames: int) -> tuple[tuple[bytes, ...], tuple[Any, ...]]:
    import av
    from av.video.codeccontext import VideoCodecContext

    from appliance.media.bitstream import annexb
    from appliance.media.mp4.fragment import Sample

    encoder = av.CodecContext.create("libx264", "w")
    assert isinstance(encoder, VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = 1920, 1080, "yuv420p"
    encoder.framerate, encoder.time_base, encoder.bit_rate = Fraction(30), Fraction(1, 90_000), 6_000_000
    params = f"keyint=60:min-keyint=60:scenecut=0:bframes={b_frames}:b-adapt=0:repeat-headers=1"
    encoder.options = {"preset": "ultrafast", "x264-params": params + ":vbv-maxrate=7000:vbv-bufsize=7000"}
    video: list[Sample] = []
    sets: tuple[bytes, ...] = ()
    pictures = _pictures(frames)
    for packet in [packet for frame in [*pictures, None] for packet in encoder.encode(frame)]:
        assert packet.pts is not None and packet.dts is not None
        unit = annexb.access_unit("h264", annexb.split(bytes(packet)))
        own = tuple(nal for group in unit.sets for nal in group)
        sets = sets or own
        data = annexb.length_prefixed(own + unit.nals)
        video.append(Sample(packet.dts, packet.pts, 3000, unit.sync, data))
    return sets, tuple(video)


def _pictures(frames: int) -> Iterator[Any]:
    """A noisy picture with irregular motion and the frame's number."""
    from av.video.frame import VideoFrame

    from appliance.box.recorder.synthetic import barcode

    size = 1920 * 1080
    soft = bytes(
        96 + level // 4 for level in range(256)
    )  # like grass under floodlight: detail, little contrast
    field = Random(7).randbytes(1920 * 1400).translate(soft)
    for number in range(frames):
        frame = VideoFrame(1920, 1080, "yuv420p")
        luma = frame.planes[0]
        assert luma.line_size == 1920
        at = (number * number * 37 % 300) * 1920 + number * 3 % 64
        plane = bytearray(field[at : at + size])
        barcode.draw(plane, 1920, 1920, number, number * 1_000_000 // 30)
        luma.update(bytes(plane))
        for colour in frame.planes[1:]:
            colour.update(bytes([128]) * colour.buffer_size)
        frame.pts, frame.time_base = number * 3000, Fraction(1, 90_000)
        yield frame


def ffmpeg() -> str | None:
    """The CLI for comparison, if it is installed."""
    return shutil.which("ffmpeg")


def quiet(*command: str) -> bytes:
    """Run it to its end; returns its stdout."""
    return subprocess.run(command, check=True, stdin=subprocess.DEVNULL, capture_output=True).stdout
