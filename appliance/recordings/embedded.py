"""The embedded recorder: one chain of two children per channel, kept running.

Owns: which chains run, when one is started again, what is known about each (waiting, receiving, down). Must
not know: media, files (remux.py), addresses (srt.py). What is recorded is learnt from the disk like
MediaMTX's recordings: these facts are for health only.

A listener is opened again at once, always: the camera that calls back must find it. Backoff is for sources
the box calls. What fails before a camera could come (port taken, program missing) is tried again twice a
second, told as `down` with the reason.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import quote

import structlog
import trio

from appliance.kernel.backoff import Backoff
from appliance.kernel.clock import Clock, boottime_us
from appliance.kernel.signal import Signal
from appliance.recordings import children
from appliance.recordings.chain import Heard, run_chain
from appliance.recordings.srt import BadInputUrl, Source, SrtSource, parse_input

State = Literal["waiting", "receiving", "down"]
Runner = Callable[[list[str], list[str], Heard], Awaitable[None]]

_RETRY_S: Final = 0.5
_MISSING_RETRY_S: Final = 5.0
_CHATTER: Final = frozenset({"progress", "ready", "segment"})
_CLOCK_LOOK_S: Final = 5.0
_CLOCK_MOVED_US: Final = 5_000

log = structlog.get_logger("recorder")


@dataclass(frozen=True, slots=True)
class ChannelFacts:
    """What is known of a channel's source. `since_us` is box time of the last change of `state`."""

    channel_id: str
    state: State
    since_us: int
    source: str  # without secrets
    restarts: int = 0  # connections that ended and starts that failed
    detail: str = ""
    hint: str = ""


@dataclass(frozen=True, slots=True)
class RecorderHandle:
    """What others hold. `changed` rings when a fact changed."""

    changed: Signal = field(default_factory=Signal)
    _wanted: dict[str, str] = field(default_factory=dict)
    _facts: dict[str, ChannelFacts] = field(default_factory=dict)
    _wake: Signal = field(default_factory=Signal)

    def want(self, inputs: Mapping[str, str]) -> None:
        """Record exactly these channels (id -> input_url) from now on; unchanged ones are not disturbed."""
        self._wanted.clear()
        self._wanted.update(inputs)
        self._wake.ring()

    def facts(self) -> dict[str, ChannelFacts]:
        """A snapshot by channel id."""
        return dict(self._facts)


@dataclass(frozen=True, slots=True)
class _Shared:
    handle: RecorderHandle
    recordings_dir: Path
    part_s: float
    segment_s: float
    clock: Clock
    runner: Runner

    def offset_us(self) -> int:
        """Box time minus CLOCK_BOOTTIME: what children tell the time by."""
        return self.clock.now_us() - boottime_us()


@dataclass(slots=True)
class _Running:
    """A channel's task: the url it was started for, its scope, and when it has ended."""

    url: str
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    ended: trio.Event = field(default_factory=trio.Event)


async def run_embedded_recorder(
    *,
    channels: Mapping[str, str],
    recordings_dir: Path,
    part_s: float,
    segment_s: float,
    clock: Clock,
    runner: Runner = run_chain,
    task_status: trio.TaskStatus[RecorderHandle] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Record `channels` (id -> input_url) until cancelled.

    Start: the handle is given once every channel's first chain has been asked for. Stop: cancel; files are
    finished, at most 3 s. Raises nothing of its own: a channel that cannot record is a fact, not an error.
    """
    handle = RecorderHandle()
    shared = _Shared(handle, recordings_dir, part_s, segment_s, clock, runner)
    running: dict[str, _Running] = {}
    handle.want(channels)
    async with trio.open_nursery() as nursery:
        seen = handle._wake.count
        await _reconcile(running, shared, nursery)
        task_status.started(handle)
        while True:
            seen = await handle._wake.wait_past(seen)
            await _reconcile(running, shared, nursery)


async def _reconcile(running: dict[str, _Running], shared: _Shared, nursery: trio.Nursery) -> None:
    """End what is no longer wanted, start what is."""
    wanted = shared.handle._wanted
    await _part_with(running, shared.handle)
    for channel_id, url in wanted.items():
        if channel_id not in running:
            one = running[channel_id] = _Running(url)
            _Teller(shared, channel_id, "").tell("waiting", "starting")
            nursery.start_soon(_run_channel, shared, channel_id, one, name=f"record {channel_id}")


async def _part_with(running: dict[str, _Running], handle: RecorderHandle) -> None:
    """End the channels no longer wanted as they are; a port is free before somebody else may want it."""
    gone = [(id, one) for id, one in running.items() if handle._wanted.get(id) != one.url]
    for _, one in gone:
        one.scope.cancel()
    for channel_id, one in gone:
        await one.ended.wait()
        del running[channel_id]
        handle._facts.pop(channel_id, None)
        handle.changed.ring()


async def _run_channel(shared: _Shared, channel_id: str, one: _Running) -> None:
    try:
        with one.scope:
            try:
                source = parse_input(one.url)
            except BadInputUrl as error:
                _Teller(shared, channel_id, "").tell("down", str(error), "correct the channel's input_url")
                await trio.sleep_forever()
            else:
                await _keep_recording(shared, channel_id, source)
    finally:
        one.ended.set()


async def _keep_recording(shared: _Shared, channel_id: str, source: Source) -> None:
    """Chain after chain, until cancelled."""
    secret = source.passphrase if isinstance(source, SrtSource) else None
    teller = _Teller(shared, channel_id, source.shown(), secret)
    backoff = Backoff(base_s=0.5, cap_s=15.0)
    while True:
        teller.received = False
        try:
            await _record_once(shared, channel_id, source, teller)
            pause_s = _after(source, teller, backoff)
        except FileNotFoundError as error:
            teller.tell("down", f"{error} is not installed", "apt install srt-tools util-linux")
            pause_s = _MISSING_RETRY_S
        except OSError as error:
            teller.tell("down", f"cannot start: {error.strerror or error}")
            pause_s = _RETRY_S
        teller.restarts += 1
        await trio.sleep(pause_s)


def _after(source: Source, teller: _Teller, backoff: Backoff) -> float:
    """A chain has ended: say what that means and give the pause before the next (s)."""
    if teller.received:
        backoff.reset()
    if teller.clock_moved:
        return 0.0
    if isinstance(source, SrtSource) and source.mode == "listener":
        if teller.received:
            return 0.0  # the camera may be calling already
        hint = "is the port used by another program?"
        teller.tell("down", teller.last_words or "the listener ended", hint)
        return _RETRY_S
    if teller.received:
        teller.tell("down", "the stream ended")
        return _RETRY_S
    teller.tell("down", teller.last_words or f"{source.shown()} does not answer")
    return backoff.next_s()


async def _record_once(shared: _Shared, channel_id: str, source: Source, teller: _Teller) -> None:
    """One connection. Returns when it ended, or when box time was set anew and its children must be told."""
    offset_us = shared.offset_us()
    told = ["--offset-us", str(offset_us)]
    if isinstance(source, SrtSource):
        brings = children.foreign_command(source.command())
    else:
        brings = children.own_command(
            "appliance.recordings.synthetic", [*source.arguments(channel_id), *told]
        )
    files = ["--dir", str(shared.recordings_dir / channel_id)]
    lengths = ["--part-s", str(shared.part_s), "--segment-s", str(shared.segment_s)]
    silence = ["--silence-s", str(source.silence_s)]
    records = children.own_command("appliance.recordings.remux", [*files, *lengths, *silence, *told])
    teller.opened()
    failure: OSError | None = None
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_watch_clock, shared, offset_us, nursery.cancel_scope, teller)
        try:
            await shared.runner(brings, records, teller.heard)
        except OSError as error:  # out of the nursery plain, not in a group
            failure = error
        nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure


async def _watch_clock(shared: _Shared, told_us: int, scope: trio.CancelScope, teller: _Teller) -> None:
    # Box time is set anew only while no session is active; an offset has no event to wait for.
    while abs(shared.offset_us() - told_us) < _CLOCK_MOVED_US:  # noqa: ASYNC110
        await trio.sleep(_CLOCK_LOOK_S)
    teller.clock_moved = True
    scope.cancel()


class _Teller:
    """Turns one channel's status lines into facts."""

    def __init__(self, shared: _Shared, channel_id: str, source: str, secret: str | None = None) -> None:
        self.received = False
        self.clock_moved = False
        self.restarts = 0
        self.last_words = ""
        self._shared, self._id, self._source = shared, channel_id, source
        self._secrets = [secret, quote(secret, safe="")] if secret else []

    def opened(self) -> None:
        """A chain is being started."""
        self.last_words, self.clock_moved = "", False
        self.tell("waiting", f"waiting for {self._source}")

    def heard(self, fact: dict[str, Any]) -> None:
        """One status line of a child."""
        event = fact["event"]
        if event == "stderr":
            fact = {"event": event, "line": self._redacted(str(fact["line"]))}
            self.last_words = fact["line"]
        elif event == "receiving":
            self.received = True
            self.tell("receiving")
        elif event == "segment":
            self.tell("receiving")  # after a failed write: it works again
        elif event == "write_failed":
            self.tell("down", f"cannot write the recording: {fact.get('error')}", "free space on the disk")
        elif event in ("no_video", "no_picture"):
            self.tell("receiving", event.replace("_", " "), str(fact.get("hint", "")))
        say = log.debug if event in _CHATTER else log.info
        say(event, channel_id=self._id, **{name: value for name, value in fact.items() if name != "event"})

    def _redacted(self, line: str) -> str:
        """A foreign program may quote its command line back at us."""
        for secret in self._secrets:
            line = line.replace(secret, "***")
        return line

    def tell(self, state: State, detail: str = "", hint: str = "") -> None:
        """Publish; `since_us` moves only when the state does."""
        facts, now_us = self._shared.handle._facts, self._shared.clock.now_us()
        before = facts.get(self._id)
        since_us = before.since_us if before is not None and before.state == state else now_us
        new = ChannelFacts(self._id, state, since_us, self._source, self.restarts, detail, hint)
        if new != before:
            facts[self._id] = new
            self._shared.handle.changed.ring()
