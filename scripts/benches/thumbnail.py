"""A thumbnail of a 1080p clip: our method (index -> worker process -> JPEG) compared with the ffmpeg CLI and
PyAV.

Goal: <= 25 ms. All make a 320 px JPEG of the key picture at or before the same random instants.
"""

from __future__ import annotations

import os
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import benchkit
import trio
from benchkit import Options, Row

START_US = 1_790_000_000_000_000
MINUTES = 10


def measure(options: Options) -> list[Row]:
    """Rows of one recording of ten minutes, page cache warm, workers running."""
    from appliance.media.index.index import SegmentIndex
    from tests.kit.camera import RecordingWriter
    from tests.kit.fmp4_file import StraightClock

    seconds = 20 if options.quick else MINUTES * 60
    footage = benchkit.hd_footage(seconds=4 if options.quick else 12, quick=options.quick)
    writer = RecordingWriter(options.folder / "cam", footage, START_US, part_s=0.2, segment_s=1e9)
    writer.write_seconds(seconds)
    writer.close()
    (path,) = (options.folder / "cam").iterdir()
    fd = os.open(path, os.O_RDONLY)
    os.fdatasync(fd)
    index = SegmentIndex(path.name)
    index.update(fd, path.stat().st_size)
    os.close(fd)
    view = index.view(path.name, StraightClock(START_US))
    return trio.run(_beside, path, view, seconds, options)


async def _beside(path: Path, view: Any, seconds: int, options: Options) -> list[Row]:
    from appliance.kernel.actor import running
    from appliance.media.cut.frames import plan_frame
    from appliance.workers.jobs import ThumbnailJob
    from appliance.workers.pool import WorkerPoolHandle, run_worker_pool

    chance = random.Random(3)
    places = [chance.uniform(2, seconds - 2) for _ in range(40)]
    rounds = 3 if options.quick else 15
    began = time.perf_counter()
    async with running("workers", run_worker_pool, count=2) as pool:
        assert isinstance(pool, WorkerPoolHandle)

        async def ours(turn: int) -> None:
            fd = os.open(path, os.O_RDONLY)
            try:
                at_us = START_US + round(places[turn] * 1e6)
                result = plan_frame([view], lambda _: fd, at_us, 0)
                where = result.picture
                job = ThumbnailJob.of_sample(result.codec, result.extradata, where.offset, where.length)
                picture = await pool.thumbnail(job, fd)
                assert picture.width == 320
            finally:
                os.close(fd)

        await ours(0)
        first_s = time.perf_counter() - began
        others = _others(path, places)
        took: dict[str, list[float]] = {"ours: index, worker, JPEG": [], **{name: [] for name in others}}
        for turn in range(rounds):
            for name in took:
                at = time.perf_counter()
                if name in others:
                    others[name](turn)
                else:
                    await ours(turn)
                took[name].append(time.perf_counter() - at)
    middle = benchkit.quantile(took["ours: index, worker, JPEG"], 0.5)
    rows: list[Row] = [
        {
            "method": name,
            "median_ms": round(benchkit.quantile(times, 0.5) * 1000, 2),
            "min_ms": round(min(times) * 1000, 2),
            "ratio": round(benchkit.quantile(times, 0.5) / middle, 1),
            "goal": "<= 25 ms" if name.startswith("ours") else None,
        }
        for name, times in took.items()
    ]
    rows.append({"method": "ours, the first: pool starts too", "median_ms": round(first_s * 1000, 2)})
    return rows


def _others(path: Path, places: list[float]) -> dict[str, Callable[[int], object]]:
    import av

    def pyav(turn: int) -> None:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            stream.codec_context.skip_frame = "NONKEY"
            assert stream.time_base is not None
            container.seek(int(places[turn] / stream.time_base), stream=stream)
            frame = next(container.decode(stream))
            small = frame.reformat(320, 180, "yuvj420p")
            encoder: Any = av.CodecContext.create("mjpeg", "w")
            encoder.width, encoder.height, encoder.pix_fmt = 320, 180, "yuvj420p"
            encoder.time_base = stream.time_base
            small.pts = 0
            encoder.encode(small)

    methods: dict[str, Callable[[int], object]] = {"PyAV: open, seek, decode": pyav}
    program = benchkit.ffmpeg()
    if program is not None:

        def cli(turn: int) -> bytes:
            how = ["-frames:v", "1", "-vf", "scale=320:-2", "-f", "mjpeg", "-"]
            source = ["-skip_frame", "nokey", "-ss", f"{places[turn]:.3f}", "-i", str(path)]
            return benchkit.quiet(program, "-v", "error", *source, *how)

        methods["ffmpeg CLI"] = cli
    return methods


def main() -> None:
    benchkit.run("thumbnail", __doc__, {"thumbnail": measure})


if __name__ == "__main__":
    main()
