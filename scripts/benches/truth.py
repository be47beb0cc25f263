"""Published capture times against the truth: at a start, steady, over restarts, between angles.

    scripts/bench truth [--json] [--quick] [--only=steady|restarts|angles|real]

Time is simulated except for `real`: a camera with its own clock, its recorder, its disk, and the real index
that reads the files (tests/kit/truth.py), so half an hour takes seconds. Truth is when a picture was
captured; an error is the published time minus that, in ms; goals in the last column.

`real` (tests/kit/real_truth.py) sends two cameras by SRT through the embedded recorder of a real daemon, and
with MEDIAMTX_BIN=/path/to/mediamtx through MediaMTX, stops the daemon for 2 s, and reads clips: the barcode
of each frame compared with its published time.
"""

from __future__ import annotations

import os
import random
import sys
from bisect import bisect_left
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import benchkit
from benchkit import Options, Row

FIRST_S = 10.0
RESTARTS = {"2 s": (60.0, 62.0), "2 min": (60.0, 180.0)}


def _late(seconds: float, rng: random.Random) -> float:
    """A network of some ms, a disk that sometimes stalls, an encoder that starts 0.15 s late."""
    stall_us = 300_000 if rng.random() < 0.002 else 0
    return max(0.0, 150_000 * (1 - seconds)) + rng.uniform(0, 8_000) + stall_us


def cameras() -> dict[str, Any]:
    """Cameras by their special property; all connect inside a GOP."""
    from tests.kit.truth import Feed

    feed = Feed(late_us=_late, connects_s=(0.7,))
    return {
        "25 fps": replace(feed, fps=Fraction(25), seed=1),
        "29.97 fps, 2 B-frames": replace(feed, fps=Fraction(30_000, 1001), b_frames=2, seed=2),
        "50 fps, 1 B-frame, +300 ppm": replace(feed, fps=Fraction(50), b_frames=1, skew_ppm=300, seed=3),
        "60 fps, 3 B-frames, -300 ppm": replace(feed, fps=Fraction(60), b_frames=3, skew_ppm=-300, seed=4),
        "30 fps, 2 % fast": replace(feed, skew_ppm=20_000, seed=5),
        "30 fps, 2 % slow": replace(feed, skew_ppm=-20_000, seed=6),
    }


def seen(options: Options, feed: Any, seconds: float, **more: Any) -> list[Any]:
    """Every frame as published; raises when a published time changed."""
    from tests.kit.truth import Sight, record

    folder = options.folder / f"truth{random.random()}"
    folder.mkdir()
    recorder, stops = more.pop("recorder", "mediamtx"), more.pop("stops", ())
    held_s = 0.93 if recorder == "embedded" else 0.0
    return Sight(record(feed, seconds, recorder=recorder, held_s=held_s), folder, stops).run()


def worst_ms(errors: Sequence[Any], since_s: float, until_s: float = 1e9) -> float:
    from tests.kit.truth import START_US

    first, last = START_US + since_s * 1e6, START_US + until_s * 1e6
    return round(max(abs(each.error_us) for each in errors if first <= each.shown_us < last) / 1000, 1)


def measure_steady(options: Options) -> list[Row]:
    """The first ten seconds of a run, and after half a minute."""
    seconds = 40 if options.quick else 1800
    rows = []
    for name, feed in list(cameras().items())[: 1 if options.quick else None]:
        for recorder in ("mediamtx", "embedded"):
            errors = seen(options, feed, seconds, recorder=recorder)
            frame_ms = round(feed.frame_us / 1000, 1)
            rows.append(
                {
                    "camera": name,
                    "recorder": recorder,
                    "first 10 s": worst_ms(errors, 0, FIRST_S),
                    "steady": worst_ms(errors, 30),
                    "goal": f"< 80, < {frame_ms}",
                }
            )
    return rows


def measure_restarts(options: Options) -> list[Row]:
    """The daemon is down, the recorder continues: footage of that time, and after it."""
    rows = []
    restarts = {"2 s": (10.0, 12.0)} if options.quick else RESTARTS
    for name, feed in list(cameras().items())[: 1 if options.quick else None]:
        for label, (down_s, up_s) in restarts.items():
            errors = seen(options, feed, up_s + (10 if options.quick else 60), stops=[(down_s, up_s)])
            rows.append(
                {
                    "camera": name,
                    "down": label,
                    "of that time": worst_ms(errors, down_s, up_s),
                    "after": worst_ms(errors, up_s),
                    "goal": f"< {round(feed.frame_us / 1000, 1)}",
                }
            )
    return rows


def measure_angles(options: Options) -> list[Row]:
    """Largest difference of two cameras' times of one instant: from the first frame, and once both have
    settled."""
    stops = [(60.0, 62.0), (100.0, 220.0)]
    names, seconds = list(cameras())[:4], 280.0
    if options.quick:
        names, seconds, stops = names[:2], 25.0, [(10.0, 12.0)]
    runs = {name: seen(options, cameras()[name], seconds, stops=stops) for name in names}
    rows = []
    for number, left in enumerate(names):
        for right in names[number + 1 :]:
            frame_us = max(cameras()[left].frame_us, cameras()[right].frame_us)
            rows.append(
                {
                    "angles": f"{left} / {right}",
                    "always": apart_ms(runs[left], runs[right], 0),
                    "after 10 s": apart_ms(runs[left], runs[right], FIRST_S),
                    "goal": f"< {round(frame_us / 1000, 1)}",
                }
            )
    return rows


def apart_ms(left: Sequence[Any], right: Sequence[Any], since_s: float) -> float:
    from tests.kit.truth import START_US

    times = [item.shown_us for item in right]
    worst = 0.0
    for item in left:
        at = min(len(times) - 1, bisect_left(times, item.shown_us))
        if abs(times[at] - item.shown_us) < 50_000 and item.shown_us >= START_US + since_s * 1e6:
            worst = max(worst, abs(right[at].error_us - item.error_us))
    return round(worst / 1000, 1)


def measure_real(options: Options) -> list[Row]:
    """Two cameras through each available recorder; both connect inside a GOP, also after the restart."""
    import trio

    recorders: dict[str, Any] = {"embedded": _embedded}
    if os.environ.get("MEDIAMTX_BIN"):
        recorders["mediamtx"] = _mediamtx
    rows = []
    for recorder, begin in recorders.items():
        folder = options.folder / recorder
        folder.mkdir()
        figures, apart = trio.run(begin, folder, options.quick)
        for channel, report in figures.items():
            rows.append(
                {
                    "camera": REAL[channel].name,
                    "recorder": recorder,
                    "first 10 s": report.first_ms,
                    "steady": report.steady_ms,
                    "over a restart": report.after_ms,
                    "two angles": apart,
                    "frames": report.frames,
                    "goal": f"< 80, < {1000 / float(REAL[channel].fps):.1f}",
                }
            )
    return rows


class Real(NamedTuple):
    """A camera of the part `real`."""

    name: str
    fps: Fraction
    b_frames: int


REAL = {
    "cam1": Real("25 fps, 2 B-frames", Fraction(25), 2),
    "cam2": Real("60 fps, 3 B-frames", Fraction(60), 3),
}


async def _embedded(folder: Path, quick: bool) -> Any:
    from tests.box.live.mediamtx.rig import free_udp_port
    from tests.kit.running import running_box

    urls = {channel: f"srt://127.0.0.1:{free_udp_port()}?mode=caller&latency=120" for channel in REAL}
    channels = [
        {"id": channel, "input_url": f"srt://:{url.split(':')[2].split('?')[0]}?latency=120"}
        for channel, url in urls.items()
    ]
    async with running_box(folder / "box", channels=channels, recorder={"mode": "embedded"}) as box:
        return await _watch(box, folder, urls, quick)


async def _mediamtx(folder: Path, quick: bool) -> Any:
    from tests.box.live.mediamtx.rig import rig

    async with rig(folder, cameras=list(REAL)) as setup:
        target = f"srt://127.0.0.1:{setup.mediamtx.srt_port}?mode=caller&latency=120&streamid="
        urls = {channel: f"{target}publish:{channel}:{channel}:{channel}secret" for channel in REAL}
        return await _watch(setup.box, folder, urls, quick)


async def _watch(box: Any, folder: Path, urls: dict[str, str], quick: bool) -> Any:
    from tests.kit.film_sender import FilmSender
    from tests.kit.real_truth import watch

    lengths = {"before_s": 2.0, "after_s": 1.0} if quick else {"before_s": 35.0, "after_s": 20.0}
    with ExitStack() as stack:
        cameras = {}
        for channel, element in REAL.items():
            cameras[channel] = FilmSender(urls[channel], fps=element.fps, b_frames=element.b_frames)
            stack.enter_context(cameras[channel])
        return await watch(box, cameras, folder, down_s=2.0, **lengths)


def main() -> None:
    parts = {
        "steady": measure_steady,
        "restarts": measure_restarts,
        "angles": measure_angles,
        "real": measure_real,
    }
    benchkit.run("truth", __doc__, parts)


if __name__ == "__main__":
    main()
