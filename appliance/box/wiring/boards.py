"""The state of the actors' handles as parts of /readyz and gauges of /metrics, with messages for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from appliance.box.channels.configured import Applied
from appliance.box.clips.cutting.cutter import CutterHandle
from appliance.box.clips.housekeeping.strays import StrayCounts
from appliance.box.live.broadcaster import LiveHandle
from appliance.box.live.pictures.audience import Audience
from appliance.box.recorder.embedded import RecorderHandle
from appliance.box.recorder.source_facts import ChannelFacts
from appliance.box.recordings.actor import RecordingsHandle
from appliance.box.recordings.model import ChannelFootage
from appliance.kernel.clock import to_rfc3339
from appliance.kernel.retry import DiskErrors
from appliance.ops.health import Board, HealthPart
from appliance.ops.metrics import Metrics
from appliance.workers.pool import WorkerPoolHandle

_UNDECODABLE_S = 5.0  # an encoder may take a few seconds to its first key frame
BUSY_JOBS = 50  # clips waiting for footage: more than a game's worth of plays at once


def settings_part(applied: Applied | None) -> HealthPart:
    """None: not yet, because the database cannot be written."""
    if applied is None:
        return HealthPart("bad", "the file's channels are not applied yet", "free space on the state disk")
    if not applied.refused:
        return HealthPart("ok", "applied")
    return HealthPart(
        "warn", f"channels {', '.join(applied.refused)} were deleted before", "give them new ids in the file"
    )


def recorder_part(recorder: RecorderHandle) -> HealthPart:
    """The embedded recorder: which cameras are recorded, which are not and why, which were refused.

    Red: a stream arrives that is not recorded, or nothing could be. Amber: no camera sends, or one was
    refused.
    """
    facts = list(recorder.facts().values())
    troubled = [each for each in facts if each.state != "receiving"]
    lines = [_source_line(each) for each in troubled]
    lines += [
        f"{each.channel_id} refused {refusal.address}: {refusal.reason}"
        + (f" ({refusal.count} times)" * (refusal.count > 1))
        for each in facts
        for refusal in each.refused
    ]
    if not lines:
        return HealthPart("ok", f"{len(facts)} cameras send")
    failed = [each for each in troubled if each.state != "waiting"]
    hint = "look at who calls: address, passphrase, what it sends"
    if troubled:
        first = (failed or troubled)[0]
        hint = first.hint or f"start the camera of {first.channel_id}"
    return HealthPart("bad" if failed else "warn", "; ".join(lines), hint)


def _source_line(facts: ChannelFacts) -> str:
    """One channel that is not recorded."""
    if facts.state == "waiting":
        return f"{facts.channel_id} waiting for {facts.source}" + (f" ({facts.detail})" * bool(facts.detail))
    state = "not recorded" if facts.state == "unrecorded" else facts.state
    return f"{facts.channel_id} {state}: {facts.detail}"


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


def workers_part(workers: WorkerPoolHandle) -> HealthPart:
    figures = workers.statistics()
    up = [slot for slot in figures.slots if slot.up]
    jobs = figures.waiting_live + figures.waiting_bulk
    line = f"{len(up)} of {len(figures.slots)} media workers, {jobs} jobs wait"
    if not up:
        return HealthPart("warn", line, "pictures are missing: see `appliance doctor`")
    return HealthPart("ok", line)


def cutter_part(cutter: CutterHandle) -> HealthPart:
    figures = cutter.statistics()
    detail = f"{figures['waiting']} clips wait, {figures['running']} are cut, {figures['ghosts']} are open"
    if figures["exports"]:
        detail += f", {figures['exports']} exports stand in line"
    if often := cutter.cut_too_often():
        names = ", ".join(f"{clip_id} {count} times" for clip_id, count in sorted(often.items())[:3])
        hint = "delete the clip, and send us `appliance support-bundle`: the box should not do this"
        return HealthPart("bad", f"clips are cut again and again, within a minute: {names}; {detail}", hint)
    if figures["waiting"] > BUSY_JOBS:
        return HealthPart("warn", detail, "do the cameras send?")
    return HealthPart("ok", detail)


def clip_disks_part(disk_errors: Sequence[DiskErrors]) -> HealthPart:
    """Disk errors of the actors that cut clips and write their files; all of it is retried."""
    errors = [str(each) for each in disk_errors if each]
    if not errors:
        return HealthPart("ok", "clips are written and deleted")
    return HealthPart("bad", "; ".join(errors), "marks are taken; check the disks of clips and recordings")


def clip_files_part(counts: StrayCounts) -> HealthPart:
    """Files that the database does not know: kept, and reported as long as they exist. A new disk: reported
    until the next start."""
    details, hint = [], "the database is older than they are: copy what is wanted elsewhere"
    if counts.is_new_disk and not counts.aside and not counts.unknown:
        hint = "copy the files of the disk before into clips_dir, or leave it"
    if counts.is_new_disk:
        details.append("clips_dir lies on another disk than before: what is not on it is made again")
    if counts.aside:
        until = f" until {to_rfc3339(counts.until_us)[:10]}" if counts.until_us is not None else ""
        details.append(f"{counts.aside} finished files that no clip names are kept in clips_dir/aside{until}")
    if counts.unknown:
        details.append(f"{counts.unknown} files are of clips the database does not know")
    if not details:
        return HealthPart("ok", "every file belongs to a clip")
    return HealthPart("warn", "; ".join(details), hint)


def add_parts(
    board: Board,
    metrics: Metrics,
    recordings: RecordingsHandle,
    recorder: RecorderHandle | None,
    workers: WorkerPoolHandle | None,
    cutter: CutterHandle,
) -> None:
    """Add the parts of every running layer to the board."""
    if recorder is not None:
        board.add("recorder", lambda: recorder_part(recorder))
    board.add("recordings", lambda: recordings_part(recordings))
    add_clocks(metrics, recordings)
    if workers is not None:
        board.add("workers", lambda: workers_part(workers))
        metrics.gauges("worker_jobs", "Media jobs and what became of workers", "what", _jobs_of(workers))
    board.add("clips", lambda: cutter_part(cutter))
    metrics.gauge("clips_waiting", "Ended clips that wait for footage", _figure(cutter, "waiting"))
    metrics.gauge("exports_waiting", "Clips that wait to be encoded anew", _figure(cutter, "exports"))


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


def _jobs_of(workers: WorkerPoolHandle) -> Callable[[], dict[str, float]]:
    def jobs() -> dict[str, float]:
        figures = workers.statistics()
        return {
            "running": sum(bool(slot.job) for slot in figures.slots),
            "waiting": figures.waiting_live + figures.waiting_bulk,
            "done": figures.done,
            "failed": figures.failed,
            "interrupted": figures.interrupted,
            "workers_lost": figures.lost,
        }

    return jobs


def _figure(cutter: CutterHandle, name: str) -> Callable[[], float]:
    return lambda: float(cutter.statistics()[name])


def add_live_pictures(metrics: Metrics, audience: Audience) -> None:
    """Viewers of live video."""
    metrics.gauge("live_viewers", "Open live pictures", lambda: float(audience.count))
    metrics.gauge("live_viewers_refused", "Not let in since the start", lambda: float(audience.refused))
    metrics.gauge("live_viewers_dropped", "Dropped because unread", lambda: float(audience.dropped))


def add_live(board: Board, metrics: Metrics, live: LiveHandle) -> None:
    """The WebSocket's clients."""

    def part() -> HealthPart:
        clients = live.stats().clients
        names = Counter(client.device for client in clients)
        shown = ", ".join(name if count == 1 else f"{name} x{count}" for name, count in names.items())
        return HealthPart("ok", f"{len(clients)} clients" + (f": {shown}" if shown else ""))

    board.add("clients", part)
    metrics.gauge("ws_clients", "Connected WebSocket clients", lambda: float(len(live.stats().clients)))

    def deepest() -> float:
        return float(max((client.lag for client in live.stats().clients), default=0))

    def closed() -> dict[str, float]:
        return {str(code): float(count) for code, count in live.stats().closed.items()}

    metrics.gauge("ws_queue_depth", "Events the slowest client is behind", deepest)
    metrics.gauges("ws_closed", "Connections ended since the start, by close code", "code", closed)
