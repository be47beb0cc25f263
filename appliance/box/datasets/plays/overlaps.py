"""Groups of plays of one game that share video: they must be on one side of the split. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from appliance.box.datasets.model import Play


def overlap_groups(plays: Iterable[Play]) -> list[tuple[str, ...]]:
    """The ids of plays whose intervals overlap, also through others; each play is in one group. Plays that
    only touch do not overlap."""
    groups: list[list[str]] = []
    end_s = float("-inf")
    for play in sorted(plays, key=lambda play: (play.start_s, play.id)):
        if play.start_s < end_s:
            groups[-1].append(play.id)
        else:
            groups.append([play.id])
        end_s = max(end_s, play.end_s)
    return [tuple(group) for group in groups]
