"""A dataset's clips out of cameras' files: ours compared with the document's loop, one ffmpeg a clip.

Parts: `apart` and `overlapping` (transcode of plays that share nothing, and that overlap in pairs by three
quarters; same encoder settings, alternating by batches of plays), `copy` (without and with checks), `memory`
(highest memory of the cutting process against the source's length). CPU seconds are those of all processes.
Goals: >= 0.95x the loop's speed apart, >= 1.4x overlapping, copy without checks >= 100x, every source opened
once, memory flat. BENCH_PLAYS sets the number of plays (200) of each of two cameras.
"""

from __future__ import annotations

import os
import resource
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import benchkit
from benchkit import Options, Row

CAMERAS = ("FAR_LEFT", "NEAR_RIGHT")
PLAY_S, EVERY_S = 12.0, 16.0
SHIFT_S = 3.0  # a second play of a pair begins so much after the first
QUICK_S = 4.0  # the plays of a quick run; pairs still overlap
BATCH = 10
ENCODE = ("-c:v", "libx264", "-preset", "ultrafast", "-crf", "23", "-c:a", "aac")

Span = tuple[float, float]


def film(options: Options, seconds: int) -> Path:
    """A progressive 1080p file of `seconds`, moov at its end, as a camera or an editor leaves it."""
    from tests.kit.camera import RecordingWriter

    footage = benchkit.hd_footage(seconds=4 if options.quick else 12, quick=options.quick)
    folder = options.folder / "footage"
    whole = options.folder / f"camera-{seconds}.mp4"
    if whole.exists():
        return whole
    program = benchkit.ffmpeg()
    assert program is not None
    if not folder.exists():
        writer = RecordingWriter(folder, footage, 1_790_000_000_000_000, part_s=1.0, segment_s=1e9)
        writer.write_seconds(48)
        writer.close()
    (short,) = folder.iterdir()
    benchkit.quiet(
        *(program, "-v", "error", "-stream_loop", "-1", "-i", str(short)),
        *("-t", str(seconds), "-c", "copy", str(whole)),
    )
    return whole


def apart(count: int) -> list[Span]:
    """Plays in different groups of pictures, each beginning at another place of its group."""
    return [(1 + number * EVERY_S + number * 0.37 % 2, 1 + number * EVERY_S + number * 0.37 % 2 + PLAY_S)
            for number in range(count)]  # fmt: skip


def overlapping(count: int) -> list[Span]:
    """Pairs of plays: the second begins SHIFT_S after the first."""
    firsts = [start for start, _ in apart(-(-count // 2))]
    spans = [(start + shift, start + shift + PLAY_S) for start in firsts for shift in (0.0, SHIFT_S)]
    return spans[:count]


@dataclass
class Cost:
    """What a method has taken so far."""

    wall_s: float = 0.0
    cpu_s: float = 0.0
    encoder_s: float = 0.0
    worker_s: float = 0.0  # wall time of units that ran side by side, added up
    opens: int = 0
    clips: int = 0


def cut_by_us(source: Path, camera: str, spans: Sequence[Span], out: Path, cost: Cost, **how: object) -> None:
    """One unit."""
    from appliance.box.datasets.cutting.unit import cut_unit
    from appliance.box.datasets.model import Unit

    jobs = [
        {"play_id": f"p{n}", "camera": camera, "start_s": start, "end_s": end, "path": str(out / f"{n}.mp4")}
        for n, (start, end) in enumerate(spans)
    ]
    facts = {"game_id": "g", "camera": camera, "source": str(source), "jobs": jobs, **how}
    result = cut_unit(Unit.model_validate(facts))
    failed = [(clip.error, clip.detail) for clip in result.results if clip.error]
    if failed:
        raise SystemExit(f"{len(failed)} clips failed: {failed[0]}")
    cost.wall_s += result.wall_s
    cost.cpu_s += result.cpu_s
    cost.encoder_s += result.encoder_s
    cost.opens += result.source_opens
    cost.clips += len(result.results)


def cut_by_loop(source: Path, spans: Sequence[Span], out: Path, cost: Cost) -> None:
    """The document's: one ffmpeg a clip."""
    program = benchkit.ffmpeg()
    assert program is not None
    began_s, before = time.perf_counter(), _children_s()
    for number, (start, end) in enumerate(spans):
        place = ("-ss", f"{start:.6f}", "-i", str(source), "-t", f"{end - start:.6f}")
        benchkit.quiet(program, "-v", "error", "-y", *place, *ENCODE, str(out / f"{number}.mp4"))
    cost.wall_s += time.perf_counter() - began_s
    cost.cpu_s += _children_s() - before
    cost.opens += len(spans)
    cost.clips += len(spans)


def _children_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _plays(options: Options) -> int:
    return 4 if options.quick else int(os.environ.get("BENCH_PLAYS", "200"))


def _race(options: Options, spans: Sequence[Span], goal: str) -> list[Row]:
    """Both methods in turn, batch by batch.

    Ours cuts both cameras at once with one thread each, as a run does; the loop takes one clip after the
    other with ffmpeg's own threads, as the document does.
    """
    source = film(options, round(spans[-1][1]) + 2)
    out = options.folder / "clips"
    ours, loop = Cost(), Cost()
    for at in range(0, len(spans), BATCH):
        _both_cameras(source, spans[at : at + BATCH], out, ours)
        for camera in CAMERAS:
            (out / camera).mkdir(parents=True, exist_ok=True)
            cut_by_loop(source, spans[at : at + BATCH], out / camera, loop)
    source.unlink()
    rows = [_row("ours", ours, ours), _row("one ffmpeg a clip", loop, ours)]
    rows[0]["encoder share"] = f"{ours.encoder_s / ours.worker_s:.0%}"
    rows[0]["goal"] = goal
    return rows


def _both_cameras(source: Path, spans: Sequence[Span], out: Path, cost: Cost) -> None:
    """A unit for each camera, side by side; `cost` gets the wall time of both together."""
    began_s, costs = time.perf_counter(), [Cost() for _ in CAMERAS]

    def cut(number: int) -> None:
        folder = out / CAMERAS[number]
        folder.mkdir(parents=True, exist_ok=True)
        cut_by_us(source, CAMERAS[number], spans, folder, costs[number], check=False)

    with ThreadPoolExecutor(len(CAMERAS)) as threads:
        list(threads.map(cut, range(len(CAMERAS))))
    cost.wall_s += time.perf_counter() - began_s
    for each in costs:
        cost.worker_s += each.wall_s
        cost.cpu_s += each.cpu_s
        cost.encoder_s += each.encoder_s
        cost.opens += each.opens
        cost.clips += each.clips


def _row(method: str, cost: Cost, ours: Cost) -> Row:
    """`speed`: ours compared with this one, by CPU and by wall time."""
    return {
        "method": method,
        "clips": cost.clips,
        "wall_s": round(cost.wall_s, 2),
        "cpu_s": round(cost.cpu_s, 2),
        "opens": cost.opens,
        "cpu_ratio": round(cost.cpu_s / ours.cpu_s, 2),
        "wall_ratio": round(cost.wall_s / ours.wall_s, 2),
    }


def _shown(options: Options, spans: Sequence[Span]) -> list[Span]:
    """The plays as they are cut: a quick run ends them early."""
    return [(start, start + QUICK_S) for start, _ in spans] if options.quick else list(spans)


def measure_apart(options: Options) -> list[Row]:
    return _race(options, _shown(options, apart(_plays(options))), "loop >= 0.95x")


def measure_overlapping(options: Options) -> list[Row]:
    return _race(options, _shown(options, overlapping(_plays(options))), "loop >= 1.4x")


def measure_copy(options: Options) -> list[Row]:
    """All plays of one camera by us, a tenth of them by the loop."""
    spans = _shown(options, apart(_plays(options)))
    source = film(options, round(spans[-1][1]) + 2)
    out = options.folder / "clips"
    out.mkdir(exist_ok=True)
    plain, checked, loop = Cost(), Cost(), Cost()
    cut_by_us(source, CAMERAS[0], spans, out, plain, mode="copy", check=False)
    cut_by_us(source, CAMERAS[0], spans[: len(spans) // 4], out, checked, mode="copy")
    cut_by_loop(source, spans[: max(2, len(spans) // 10)], out, loop)
    source.unlink()
    return [
        {**_each("ours, copy", plain, plain), "goal": "loop >= 100x"},
        _each("ours, copy and checks", checked, plain),
        _each("one ffmpeg a clip", loop, plain),
    ]


def _each(method: str, cost: Cost, ours: Cost) -> Row:
    """Per clip, for methods that made different numbers of them."""
    wall_ms, cpu_ms = (1000 * each / cost.clips for each in (cost.wall_s, cost.cpu_s))
    ours_wall_ms, ours_cpu_ms = (1000 * each / ours.clips for each in (ours.wall_s, ours.cpu_s))
    ratios = {"cpu_ratio": round(cpu_ms / ours_cpu_ms, 1), "wall_ratio": round(wall_ms / ours_wall_ms, 1)}
    per_clip = {"wall_ms": round(wall_ms, 2), "cpu_ms": round(cpu_ms, 2)}
    return {"method": method, "clips": cost.clips, **per_clip, "opens": cost.opens, **ratios}


def measure_memory(options: Options) -> list[Row]:
    """The same four plays out of longer and longer files, each in a process of its own."""
    rows: list[Row] = []
    for minutes in (1,) if options.quick else (2, 10, 40):
        source = film(options, 60 * minutes)
        alone = (sys.executable, __file__, "--alone", str(source), str(options.folder / "clips"))
        own_kb, worker_kb = map(int, benchkit.quiet(*alone).split())
        size_mb = source.stat().st_size / 1e6
        source.unlink()
        peaks = {"own_mb": own_kb // 1024, "worker_mb": worker_kb // 1024}
        rows.append({"minutes": minutes, "source_mb": round(size_mb), **peaks})
    rows[0]["goal"] = "flat"
    return rows


def _alone(source: Path, out: Path) -> None:
    """What `measure_memory` runs in a process of its own: prints its highest memory and its worker's, KiB."""
    out.mkdir(exist_ok=True)
    for mode in ("copy", "transcode"):
        cut_by_us(source, CAMERAS[0], apart(3), out, Cost(), mode=mode)
    print(*(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)))


PARTS: dict[str, Callable[[Options], list[Row]]] = {
    "apart": measure_apart,
    "overlapping": measure_overlapping,
    "copy": measure_copy,
    "memory": measure_memory,
}


def main(_arguments: Any = ()) -> None:
    if sys.argv[1:2] == ["--alone"]:
        _alone(Path(sys.argv[2]), Path(sys.argv[3]))
    else:
        benchkit.run("dataset", __doc__, PARTS)


if __name__ == "__main__":
    main()
