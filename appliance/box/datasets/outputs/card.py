"""The card of a dataset: what is in it, how it is balanced, what failed, how to load it. Pure.

The lines between --- are those that the `datasets` library of Hugging Face reads: where each split's files
are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Final

from appliance.box.datasets.outputs.entries import Clip, in_order

HEAD: Final = """---
configs:
- config_name: default
  data_files:
  - split: train
    path: games/*/hf/train/*
  - split: validation
    path: games/*/hf/validation/*
---
"""
_WORDS_MAX: Final = 30


def card(
    clips: Sequence[Clip],
    *,
    formats: Sequence[str],
    failures: Mapping[str, int],
    rejections: Mapping[str, int],
    notes: Sequence[str] = (),
    seed: str,
) -> str:
    """Markdown. `failures` and `rejections`: counts by reason."""
    games = {clip.game_id for clip in clips}
    plays = {(clip.game_id, clip.play_id) for clip in clips}
    parts = [
        HEAD if "hf" in formats else "",
        "# Training clips\n",
        f"{len(clips)} clips of {len(plays)} plays in {len(games)} games, {_hours(clips)}.\n",
        "## Split\n",
        f"By play, before its cameras: in the order of HMAC-SHA256 with the seed `{seed}`;"
        " plays that overlap are together.\n",
        _table(
            ("side", "plays", "clips", "seconds"), [_side(clips, side) for side in ("training", "validation")]
        ),
        "## Balance\n",
        _table(("play type", "training", "validation"), _balance(clips)),
        "## Durations\n",
        _table(("seconds", "clips"), _durations(clips)),
        "## Cameras\n",
        _table(("camera", "clips"), sorted(Counter(clip.camera for clip in clips).items())),
        "## What is not in it\n",
        _table(("reason", "clips"), sorted(failures.items())) if failures else "No clip failed.\n",
        _table(("reason", "rows of plays"), sorted(rejections.items())) if rejections else "",
        "".join(f"- {note}\n" for note in notes),
    ]
    return "\n".join(part for part in parts if part)


def _hours(clips: Sequence[Clip]) -> str:
    seconds = sum(clip.duration_s for clip in clips)
    return f"{seconds / 3600:.1f} hours" if seconds >= 3600 else f"{seconds:.1f} s"


def _side(clips: Sequence[Clip], side: str) -> tuple[str, int, int, str]:
    chosen = in_order(clips, "training" if side == "training" else "validation")
    plays = {(clip.game_id, clip.play_id) for clip in chosen}
    return side, len(plays), len(chosen), f"{sum(clip.duration_s for clip in chosen):.1f}"


def _balance(clips: Sequence[Clip]) -> list[tuple[str, int, int]]:
    """Plays by type and side, the commonest types first."""
    counts: dict[str, Counter[str]] = {}
    for clip in {(clip.game_id, clip.play_id): clip for clip in clips}.values():
        kind = str(clip.fields.get("play_type") or "(none)")
        counts.setdefault(kind, Counter())[clip.side] += 1
    rows = [(kind, sides["training"], sides["validation"]) for kind, sides in counts.items()]
    rows.sort(key=lambda row: (-row[1] - row[2], row[0]))
    rest = rows[_WORDS_MAX:]
    if rest:
        rows[_WORDS_MAX:] = [
            (f"({len(rest)} others)", sum(row[1] for row in rest), sum(row[2] for row in rest))
        ]
    return rows


def _durations(clips: Sequence[Clip]) -> list[tuple[str, int]]:
    edges = (2, 5, 10, 20, 60, 300)
    counts = Counter(sum(clip.duration_s >= edge for edge in edges) for clip in clips)
    names = [f"below {edges[0]}"]
    names += [f"{low} to {high}" for low, high in pairwise(edges)] + [f"from {edges[-1]}"]
    return [(name, counts[at]) for at, name in enumerate(names) if counts[at]]


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(_cell(cell) for cell in line)} |\n" for line in lines)


def _cell(value: object) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ")
