"""Shards of WebDataset: tar files in which the files with one basename are one sample.

Owns: what is in which shard, and the bytes of a tar (the same for the same clips). Must not know: roots.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from appliance.box.datasets.outputs.entries import Clip
from appliance.box.datasets.outputs.lines import facts

SHARD_BYTES_MAX: Final = 1_000_000_000
SHARD_SAMPLES_MAX: Final = 10_000


def shards_of(
    clips: Iterable[Clip], bytes_max: int = SHARD_BYTES_MAX, samples_max: int = SHARD_SAMPLES_MAX
) -> Iterator[list[Clip]]:
    """Clips in shards, in their order. The angles of one play may be in two shards of the same side."""
    shard: list[Clip] = []
    size = 0
    for clip in clips:
        if shard and (size + clip.bytes > bytes_max or len(shard) >= samples_max):
            yield shard
            shard, size = [], 0
        shard.append(clip)
        size += clip.bytes
    if shard:
        yield shard


def shard_name(side: str, number: int) -> str:
    return f"webdataset/{side}-{number:06d}.tar"


def write_shard(target: Path, clips: Sequence[Clip], files: Sequence[Path]) -> None:
    """A tar with `{play}_{camera}.mp4` and `.json` for each clip; `files` are their bytes. Blocks."""
    with tarfile.open(target, "w", format=tarfile.USTAR_FORMAT) as tar:
        for clip, path in zip(clips, files, strict=True):
            with path.open("rb") as video:
                tar.addfile(_entry(f"{clip.name}.mp4", path.stat().st_size), video)
            text = json.dumps(facts(clip), ensure_ascii=False, sort_keys=True).encode()
            tar.addfile(_entry(f"{clip.name}.json", len(text)), io.BytesIO(text))


def _entry(name: str, size: int) -> tarfile.TarInfo:
    """Without times and owners: equal clips make equal shards."""
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = size, 0o644
    return entry
