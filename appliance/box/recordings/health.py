"""The index in messages for people and in figures: its parts of /readyz and of /metrics."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from appliance.box.recordings.model import ChannelFootage
from appliance.kernel.clock import to_rfc3339
from appliance.ops.health import Board, HealthPart

if TYPE_CHECKING:
    from appliance.box.recordings.actor import RecordingsHandle
    from appliance.ops.metrics import Metrics

_UNDECODABLE_S: Final = 5.0  # an encoder may take a few seconds to its first key frame


def add_recordings(board: Board, metrics: Metrics, recordings: RecordingsHandle) -> None:
    """The part `recordings`, and the figures of the cameras' clocks."""
    board.add("recordings", lambda: recordings_part(recordings))
    add_clocks(metrics, recordings)


def recordings_part(recordings: RecordingsHandle) -> HealthPart:
    """The index: unknown folders, unreadable files, failing disks."""
    channels = [recordings.footage(each) for each in recordings.channel_ids()]
    errors = [f"{each.channel_id}: {each.error}" for each in channels if each.error]
    if errors:
        return HealthPart("bad", "; ".join(errors), "check the recordings disk")
    stuck = [each for each in channels if each.footage == "on" and each.undecodable_s > _UNDECODABLE_S]
    if stuck:
        return HealthPart(
            "bad", "; ".join(map(_without_entry, stuck)), "set the encoder to a key frame every second"
        )
    warnings = _recordings_warnings(channels, recordings.strangers())
    if warnings:
        details, hints = zip(*warnings, strict=True)
        return HealthPart("warn", "; ".join(details), "; ".join(hints))
    waiting = sum(each.waiting for each in channels)
    total = sum(each.segments for each in channels)
    return HealthPart("ok", f"{total} segments indexed" + (f", {waiting} to go" if waiting else ""))


def _recordings_warnings(
    channels: Sequence[ChannelFootage], strangers: Sequence[str]
) -> list[tuple[str, str]]:
    """(detail, hint) of every problem, the most important first."""
    warnings = [
        (_wrong_clock(each), "set the recorder's clock and time zone; times of arrival hold until then")
        for each in channels
        if each.claimed_off_us
    ]
    if strangers:
        warnings.append(
            (f"folders without a channel: {', '.join(strangers)}", "add a channel, or remove them")
        )
    copies = [(each.channel_id, *pair) for each in channels for pair in each.copies]
    if copies:
        channel_id, name, original = copies[-1]
        detail = f"{len(copies)} files ignored: {channel_id}/{name} has the run and number of {original}"
        warnings.append((detail, "remove the copies from the recordings folder"))
    unreadable = [name for each in channels for name, _ in each.unreadable]
    if unreadable:
        detail = f"{len(unreadable)} unreadable files, newest {unreadable[-1]}"
        warnings.append((detail, "see /channels/{id}/timeline"))
    return warnings


def _without_entry(channel: ChannelFootage) -> str:
    seconds = round(channel.undecodable_s)
    return (
        f"{channel.channel_id} records, but nothing of its last {seconds} s can be shown: "
        "no picture at which decoding may begin (IDR, CRA, BLA, recovery point)"
    )


def _wrong_clock(channel: ChannelFootage) -> str:
    """The times in a channel's recordings, and how far they are off."""
    off_us = channel.claimed_off_us
    side = "ahead" if off_us > 0 else "behind"
    words = f"{channel.channel_id}: the recordings' clock is {_long(abs(off_us))} {side}"
    if channel.video_until_us is None:
        return words
    claimed, arrived = (to_rfc3339(channel.video_until_us + each) for each in (off_us, 0))
    return f"{words}, they claim {claimed} for what arrived at {arrived}"


def _long(us: int) -> str:
    """A long time in its two largest units."""
    seconds = round(us / 1e6)
    for unit, small, name, small_name in (
        (86_400, 3600, "d", "h"),
        (3600, 60, "h", "min"),
        (60, 1, "min", "s"),
    ):
        if seconds >= unit:
            return f"{seconds // unit} {name} {seconds % unit // small} {small_name}"
    return f"{seconds} s"


def add_clocks(metrics: Metrics, recordings: RecordingsHandle) -> None:
    """The clocks of the cameras, on which published times depend."""

    def of(figure: Callable[[ChannelFootage], float | None]) -> Callable[[], dict[str, float]]:
        def ask() -> dict[str, float]:
            figures = {each: figure(recordings.footage(each)) for each in recordings.channel_ids()}
            return {name: value for name, value in figures.items() if value is not None}

        return ask

    skew = "The camera's clock against box time, parts per million; positive is fast"
    metrics.gauges("channel_clock_skew_ppm", skew, "channel", of(lambda each: each.skew_ppm))
    lag = "How far the recorder's own time lies behind the arrival of its footage, ms"
    metrics.gauges("channel_recorder_lag_ms", lag, "channel", of(lambda each: each.ntp_lag_ms))
    settling = "1 while a new recording's clock is still compared with its arrivals"
    metrics.gauges("channel_clock_settling", settling, "channel", of(lambda each: float(each.is_settling)))
