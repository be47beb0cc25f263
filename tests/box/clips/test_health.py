"""The cutter and the disks of clips in /readyz."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from appliance.box.clips.health import clip_disks_part, cutter_part
from appliance.kernel.retry import DiskErrors


@dataclass
class Handle:
    """A cutter with the given figures."""

    figures: dict[str, int]
    often: dict[str, int] = field(default_factory=dict)

    def cut_too_often(self) -> dict[str, int]:
        return self.often

    def statistics(self) -> dict[str, int]:
        return self.figures


def handle(figures: dict[str, int], often: dict[str, int] | None = None) -> Any:
    return Handle(figures, often or {})


def test_an_error_of_the_clips_disk_is_reported_with_its_text() -> None:
    cutter, files = DiskErrors("cutter"), DiskErrors("clip files")
    assert clip_disks_part([cutter, files]).status == "ok"
    files.record("write", OSError(30, "Read-only file system"))
    part = clip_disks_part([cutter, files])
    assert (part.status, part.detail) == ("bad", "write: Read-only file system") and part.hint


def test_many_waiting_clips_ask_for_the_cameras() -> None:
    figures = {"waiting": 3, "running": 1, "ghosts": 2, "exports": 400}
    part = cutter_part(handle(figures))
    assert part.status == "ok" and part.detail.endswith("400 exports stand in line")
    assert cutter_part(handle({**figures, "waiting": 51})).status == "warn"


def test_a_clip_that_is_cut_again_and_again_is_red_and_named() -> None:
    figures = {"waiting": 0, "running": 0, "ghosts": 0, "exports": 0}
    part = cutter_part(handle(figures, often={"0199": 4}))
    assert part.status == "bad" and "0199 4 times" in part.detail and part.hint
