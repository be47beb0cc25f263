"""Health as text: each layer's part, and the causes when it is not ok."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from appliance.box.channels.configured import Applied
from appliance.box.recorder.source_facts import ChannelFacts
from appliance.box.wiring.boards import (
    add_clocks,
    clip_disks_part,
    cutter_part,
    recorder_part,
    recordings_part,
    settings_part,
    workers_part,
)
from appliance.kernel.retry import DiskErrors
from appliance.ops.metrics import Metrics

ONE = ChannelFacts("cam1", "receiving", 0, "srt://:8891")


@dataclass
class Says:
    """A handle that returns the given values."""

    answer: Any
    strange: tuple[str, ...] = ()
    often: dict[str, int] = field(default_factory=dict)

    def cut_too_often(self) -> dict[str, int]:
        return self.often

    def facts(self) -> Any:
        return self.answer

    def statistics(self) -> Any:
        return self.answer

    def channel_ids(self) -> list[str]:
        return list(self.answer)

    def footage(self, channel_id: str) -> Any:
        return self.answer[channel_id]

    def strangers(self) -> tuple[str, ...]:
        return self.strange


def says(answer: Any, strange: tuple[str, ...] = (), often: dict[str, int] | None = None) -> Any:
    """Replaces any of the handles."""
    return Says(answer, strange, often or {})


@dataclass
class Indexed:
    channel_id: str = "cam1"
    error: str | None = None
    unreadable: tuple[tuple[str, str], ...] = ()
    waiting: int = 0
    segments: int = 5
    claimed_off_us: int = 0
    copies: tuple[tuple[str, str], ...] = ()
    video_until_us: int | None = None
    footage: str = "on"
    undecodable_s: float = 0.0


@dataclass
class Clocks:
    skew_ppm: float
    ntp_lag_ms: float | None = None
    is_settling: bool = True


@dataclass
class Slot:
    up: bool


@dataclass
class Pool:
    slots: list[Slot] = field(default_factory=list)
    waiting_live: int = 0
    waiting_bulk: int = 0


def test_a_channel_of_the_file_that_was_deleted_is_named() -> None:
    assert settings_part(Applied()).status == "ok"
    assert settings_part(None).status == "bad"
    part = settings_part(Applied(refused=["cam1"]))
    assert part.status == "warn" and "cam1" in part.detail and part.hint


def test_a_camera_that_does_not_send_is_named_with_its_hint() -> None:
    part = recorder_part(says({"cam1": ONE}))
    assert (part.status, part.detail) == ("ok", "1 cameras send")
    silent = ChannelFacts("cam2", "waiting", 0, "srt://:8892", 0, "nobody calls", "start cam2")
    part = recorder_part(says({"cam1": ONE, "cam2": silent}))
    assert part.status == "warn" and part.detail == "cam2 waiting for srt://:8892 (nobody calls)"
    assert part.hint == "start cam2"


@pytest.mark.parametrize(
    ("indexed", "strange", "status", "message"),
    [
        (Indexed(), (), "ok", "5 segments indexed"),
        (Indexed(waiting=3), (), "ok", "3 to go"),
        (Indexed(unreadable=(("a.mp4", "cut"),)), (), "warn", "a.mp4"),
        (Indexed(), ("cam9",), "warn", "cam9"),
        (Indexed(undecodable_s=4), (), "ok", "5 segments indexed"),
        (Indexed(undecodable_s=9), (), "bad", "cam1 records, but nothing of its last 9 s can be shown"),
        (Indexed(undecodable_s=9, footage="none"), (), "ok", "5 segments indexed"),
        (
            Indexed(claimed_off_us=-3_600_000_000, video_until_us=1_790_003_600_000_000),
            (),
            "warn",
            "cam1: the recordings' clock is 1 h 0 min behind, they claim 2026-09-21T14:13:20.000000Z"
            " for what arrived at 2026-09-21T15:13:20.000000Z",
        ),
        (
            Indexed(claimed_off_us=15_000_000),
            ("cam9",),
            "warn",
            "15 s ahead; folders without a channel: cam9",
        ),
        (Indexed(claimed_off_us=-(1 << 50)), (), "warn", "13031 d 5 h behind"),
        (Indexed(error="recordings: gone"), ("cam9",), "bad", "recordings: gone"),
    ],
)
def test_the_index_says_its_worst(
    indexed: Indexed, strange: tuple[str, ...], status: str, message: str
) -> None:
    part = recordings_part(says({"cam1": indexed}, strange))
    assert part.status == status and message in part.detail


def test_without_workers_pictures_are_missing() -> None:
    assert workers_part(says(Pool([Slot(True), Slot(False)]))).status == "ok"
    assert workers_part(says(Pool([Slot(False)]))).status == "warn"


def test_a_clips_disk_that_refuses_is_reported_in_its_words() -> None:
    cutter, files = DiskErrors("cutter"), DiskErrors("clip files")
    assert clip_disks_part([cutter, files]).status == "ok"
    files.record("write", OSError(30, "Read-only file system"))
    part = clip_disks_part([cutter, files])
    assert (part.status, part.detail) == ("bad", "write: Read-only file system") and part.hint


def test_many_waiting_clips_ask_for_the_cameras() -> None:
    figures = {"waiting": 3, "running": 1, "ghosts": 2, "exports": 400}
    part = cutter_part(says(figures))
    assert part.status == "ok" and part.detail.endswith("400 exports stand in line")
    assert cutter_part(says({**figures, "waiting": 51})).status == "warn"


def test_a_clip_that_is_cut_again_and_again_is_red_and_named() -> None:
    figures = {"waiting": 0, "running": 0, "ghosts": 0, "exports": 0}
    part = cutter_part(says(figures, often={"0199": 4}))
    assert part.status == "bad" and "0199 4 times" in part.detail and part.hint


def test_the_clocks_of_cameras_are_figures() -> None:
    """Details for people who keep statistics; unknown values are not shown."""
    metrics = Metrics()
    add_clocks(metrics, says({"cam1": Clocks(120.5)}))
    text = metrics.render().decode()
    assert 'channel_clock_skew_ppm{channel="cam1"} 120.5' in text
    assert 'channel_clock_settling{channel="cam1"} 1.0' in text
    assert 'channel_recorder_lag_ms{channel="cam1"}' not in text
