"""The index in /readyz and in figures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from appliance.box.recordings.health import add_clocks, recordings_part
from appliance.ops.metrics import Metrics


@dataclass
class Handle:
    """The index with the given channels and unknown folders."""

    channels: dict[str, Any]
    strange: tuple[str, ...] = ()

    def channel_ids(self) -> list[str]:
        return list(self.channels)

    def footage(self, channel_id: str) -> Any:
        return self.channels[channel_id]

    def strangers(self) -> tuple[str, ...]:
        return self.strange


def handle(channels: dict[str, Any], strange: tuple[str, ...] = ()) -> Any:
    return Handle(channels, strange)


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
def test_the_health_part_shows_the_worst_problem(
    indexed: Indexed, strange: tuple[str, ...], status: str, message: str
) -> None:
    part = recordings_part(handle({"cam1": indexed}, strange))
    assert part.status == status and message in part.detail


def test_the_clocks_of_cameras_are_figures() -> None:
    """Details for people who keep statistics; unknown values are not shown."""
    metrics = Metrics()
    add_clocks(metrics, handle({"cam1": Clocks(120.5)}))
    text = metrics.render().decode()
    assert 'channel_clock_skew_ppm{channel="cam1"} 120.5' in text
    assert 'channel_clock_settling{channel="cam1"} 1.0' in text
    assert 'channel_recorder_lag_ms{channel="cam1"}' not in text
