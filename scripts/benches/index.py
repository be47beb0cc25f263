"""The index: start with 100 h of recordings, scanning, idling, and the cost of a part.

Parts: `start` (1,000 and 6,000 segments of 60 s, with and without a cache; the real daemon with the largest),
`walk` (scanning an hour of recording), `live` (4 channels: idle polling, and parts as they are written).
Goal: with 100 h indexed the daemon answers in < 1 s with RSS < 200 MB.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import statistics
import sys
import time
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import benchbox
import benchkit
import trio
from benchkit import Options, Row

START_US = 1_790_000_000_000_000
SEGMENT_S = 60
CHANNELS = ("cam1", "cam2", "cam3", "cam4")
STREAM = bytes(range(16))


# -- recordings ---------------------------------------------------------------------------------------------


def one_segment(folder: Path, part_s: float, seconds: int = SEGMENT_S) -> Path:
    """A segment of small pictures with sound: real structure, few bytes."""
    from tests.kit.camera import RecordingWriter, make_footage

    footage = make_footage(frames=120, fps=Fraction(30), gop=60, width=160, height=90)
    writer = RecordingWriter(folder, footage, START_US, part_s=part_s, segment_s=1e9)
    writer.write_seconds(seconds)
    writer.close()
    (path,) = folder.iterdir()
    return path


def fill(recordings: Path, index: Path, segments: int) -> None:
    """Copies of one segment, each a minute later in its channel's only run, and their cache.

    The cache is written by the index's own code; scanning 100 h to get it would take minutes.
    """
    from appliance.box.recordings.following.cache import ChannelCache
    from appliance.media.clock.timeline import PPB, Knot
    from appliance.media.index.index import SegmentIndex
    from appliance.media.index.segment import closed, facts_of
    from appliance.media.index.table import facts_line, knot_line
    from appliance.media.ingest.segment_file import segment_name
    from appliance.media.mp4.fmp4 import parse_init

    model = one_segment(recordings.parent / "model", part_s=0.2)
    data = model.read_bytes()
    init = parse_init(data)
    assert init.mtxi is not None
    at = data.index(b"mtxi") + 8  # after the full box's version and flags
    report = SegmentIndex(model.name)
    fd = os.open(model, os.O_RDONLY)
    report.update(fd, len(data))
    os.close(fd)
    facts = closed(facts_of(report))
    shift_ns = SEGMENT_S * 1_000_000_000
    assert facts.first_ns is not None and facts.end_ns is not None
    for number, channel in enumerate(CHANNELS):
        (recordings / channel).mkdir(parents=True)
        cache = ChannelCache(index / channel)
        stream = bytes([number]) + STREAM[1:]
        lines = []
        for n in range(segments // len(CHANNELS)):
            dts_ns, ntp_ns = init.mtxi.dts_ns + n * shift_ns, START_US * 1000 + n * shift_ns
            name = segment_name(ntp_ns)
            mtxi = stream + n.to_bytes(8, "big") + dts_ns.to_bytes(8, "big", signed=True)
            with open(recordings / channel / name, "wb") as file:
                file.write(data[:at] + mtxi + ntp_ns.to_bytes(8, "big"))
                file.write(memoryview(data)[at + 40 :])
            os.utime(recordings / channel / name, ns=(ntp_ns + shift_ns, ntp_ns + shift_ns))
            own = replace(
                facts,
                name=name,
                number=n,
                run_id=stream.hex(),
                base_ns=dts_ns,
                ntp_us=ntp_ns // 1000,
                first_ns=facts.first_ns + n * shift_ns,
                end_ns=facts.end_ns + n * shift_ns,
                sizes=tuple(size._replace(at_ns=size.at_ns + n * shift_ns) for size in facts.sizes),
            )
            cache.save_table(own, report.parts, report.keys)
            lines.append(facts_line(own))
            for knot in range(6):  # one every 10 s of media time
                media_ns = dts_ns + knot * 10_000_000_000
                lines.append(knot_line(stream.hex(), Knot(media_ns, ntp_ns // 1000 + knot * 10_000_000, PPB)))
        cache.append(b"".join(lines))


# -- start --------------------------------------------------------------------------------------------------


def measure_start(options: Options) -> list[Row]:
    rows: list[Row] = []
    for segments in (40,) if options.quick else (1000, 6000):
        base = options.folder / str(segments)
        fill(base / "recordings", base / "state" / "index", segments)
        hours = round(segments * SEGMENT_S / 3600, 1)
        for case, index in (("cached", base / "state" / "index"), ("not cached", base / "empty")):
            output = _child(base / "recordings", index, "2" if options.quick else "4")
            rows.append({"case": case, "segments": segments, "hours": hours, **output})
        ready = []
        for _ in range(1 if options.quick else 4):
            with benchbox.daemon(base, CHANNELS) as box:
                ready.append(box.ready_s)
                rss_mb = box.rss_mb()
        ready = ready[1:] or ready  # the first one creates the database too
        rows.append(
            {
                "case": "appliance serve -> /readyz",
                "segments": segments,
                "hours": hours,
                "ready_ms": round(statistics.median(ready) * 1000),
                "rss_mb": rss_mb,
                "goal": "< 1 s, < 200 MB",
            }
        )
    return rows


def _child(recordings: Path, index: Path, seconds: str) -> Row:
    """The index alone in a separate process."""
    command = [sys.executable, __file__, "--child", str(recordings), str(index), seconds]
    row: Row = json.loads(benchkit.quiet(*command))
    return row


def child(recordings: Path, index: Path, seconds: float) -> None:
    """Start the index, print when its history is loaded; then measure the progress of the background scan."""

    async def main() -> None:
        actor = _index(recordings, index)  # imports
        rss_mb, began = _rss_mb(), time.perf_counter()
        async with actor as handle:
            row = {"ready_ms": round((time.perf_counter() - began) * 1000, 1), "rss_mb": _rss_mb()}
            row["rss_index_mb"] = round(row["rss_mb"] - rss_mb, 1)
            waiting = row["waiting"] = handle.statistics()["segments_waiting"]
            if waiting:
                with trio.move_on_after(seconds):
                    await _walked(handle)
                walked = waiting - handle.statistics()["segments_waiting"]
                lasted_s = time.perf_counter() - began
                row["walked_h_per_s"] = round(walked * SEGMENT_S / 3600 / lasted_s, 2)
            print(json.dumps(row), flush=True)

    trio.run(main)


def _index(recordings: Path, index: Path) -> Any:
    from appliance.box.recordings.actor import run_recordings
    from appliance.kernel.actor import running
    from appliance.kernel.clock import BoxClock

    async def announce(_fact: object) -> None:
        return

    return running(
        "recordings",
        run_recordings,
        recordings_dir=recordings,
        index_dir=index,
        channels=dict.fromkeys(CHANNELS, 0),
        clock=BoxClock.start(None, None),
        name_timezone=ZoneInfo("UTC"),
        announce=announce,
    )


async def _walked(handle: Any) -> None:
    """Return when no file waits to be scanned."""
    seen = -1
    while handle.statistics()["segments_waiting"]:
        seen = await handle.changed.wait_past(seen)


def _rss_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return round(pages * os.sysconf("SC_PAGE_SIZE") / 1e6, 1)


# -- walk ---------------------------------------------------------------------------------------------------


def measure_walk(options: Options) -> list[Row]:
    """From nothing to every part and key of one file, page cache warm."""
    from appliance.media.index.index import SegmentIndex

    minutes = 1 if options.quick else 20
    rows = []
    for part_s in (1.0, 0.2):
        path = one_segment(options.folder / f"walk{part_s}", part_s, minutes * 60)
        took = []
        for _ in range(2 if options.quick else 5):
            fd = os.open(path, os.O_RDONLY)
            index = SegmentIndex(path.name)
            began = time.perf_counter()
            index.update(fd, path.stat().st_size)
            took.append(time.perf_counter() - began)
            os.close(fd)
        middle = statistics.median(took)
        rows.append(
            {
                "part_s": part_s,
                "parts": len(index.parts),
                "ms_per_hour": round(middle * 1000 * 60 / minutes, 1),
                "min_ms_per_hour": round(min(took) * 1000 * 60 / minutes, 1),
                "us_per_part": round(middle / len(index.parts) * 1e6, 1),
                "times real time": round(minutes * 60 / middle),
            }
        )
    return rows


# -- live ---------------------------------------------------------------------------------------------------


def measure_live(options: Options) -> list[Row]:
    """CPU of the index with 4 channels: idle, and with 4 x 5 parts a second."""
    seconds = 1.0 if options.quick else 8.0
    base = options.folder / "live"
    command = [sys.executable, __file__, "--live", str(base), str(seconds)]
    rows: list[Row] = json.loads(benchkit.quiet(*command))
    return rows


def live(base: Path, seconds: float) -> None:
    """In a separate process, whose CPU time is measured."""
    import benchready

    from tests.kit.camera import make_footage

    footage = make_footage(frames=120, fps=Fraction(30), gop=60)

    async def used() -> float:
        before = time.process_time()
        await trio.sleep(seconds)
        return time.process_time() - before

    async def main() -> list[Row]:
        rows: list[Row] = []
        for channel in CHANNELS:
            one_segment(base / "idle" / channel, part_s=0.2, seconds=10)
        async with _index(base / "idle", base / "index-idle") as handle:
            await _walked(handle)
            idle_s = await used()
        rows.append({"case": "idle, 4 channels", "share of a core": f"{idle_s / seconds:.2%}"})
        recordings = base / "live" / "recordings"
        begun = multiprocessing.get_context("spawn").Event()
        writer = multiprocessing.get_context("spawn").Process(
            target=benchready.write_live,
            args=(recordings, list(CHANNELS), footage, base / "live" / "log", begun),
            daemon=True,
        )
        writer.start()
        try:
            assert await trio.to_thread.run_sync(begun.wait, 30)
            async with _index(recordings, base / "index-live") as handle:
                await _walked(handle)
                busy_s = await used()
        finally:
            writer.terminate()
            writer.join()
        parts = len(CHANNELS) * seconds / benchready.PART_S
        rows.append(
            {
                "case": f"4 channels x {1 / benchready.PART_S:.0f} parts/s",
                "share of a core": f"{busy_s / seconds:.2%}",
                "ms CPU per part": round((busy_s - idle_s) / parts * 1000, 2),
            }
        )
        return rows

    print(json.dumps(trio.run(main)))


def main() -> None:
    if sys.argv[1:2] == ["--child"]:
        child(Path(sys.argv[2]), Path(sys.argv[3]), float(sys.argv[4]))
    elif sys.argv[1:2] == ["--live"]:
        live(Path(sys.argv[2]), float(sys.argv[3]))
    else:
        benchkit.run("index", __doc__, {"start": measure_start, "walk": measure_walk, "live": measure_live})


if __name__ == "__main__":
    main()
