"""The embedded recorder: two child processes per channel, kept running.

Owns: which of them run, when they are restarted, the state of each. Must not know: media, files (remux.py),
addresses (input_url.py), which of several callers is recorded (srt/callers.py). The index finds its
recordings on the disk like MediaMTX's: these facts are for health only.

A listener stays open while cameras come and go; if its process ends it is reopened at once. Backoff applies
to sources that the box calls. A failure before a camera can connect (port taken, library missing) is retried
twice a second, and reported as `down` with the reason.
"""

from __future__ import annotations

import errno
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import structlog
import trio

from appliance.box.recorder import children
from appliance.box.recorder.input_url import BadInputUrl, Source, SrtSource, parse_input
from appliance.box.recorder.process_pair import Heard, run_chain
from appliance.box.recorder.source_facts import ChannelFacts, LastEnd, Line, Refusal, State
from appliance.box.recorder.srt.callers import LOST_S
from appliance.kernel.clock import Clock, apart_us, boottime_us
from appliance.kernel.retry import Backoff
from appliance.kernel.signal import Signal
from appliance.network.addresses import BadDestination, Network
from appliance.network.destinations import resolve

Runner = Callable[[list[str], list[str], Heard, bytes], Awaitable[None]]

_RETRY_S: Final = 0.5
_REFUSAL_SHOWN_S: Final = 60.0
_REFUSALS: Final = 8
_CHATTER: Final = frozenset({"progress", "ready", "segment", "link"})
_CLOCK_LOOK_S: Final = 5.0
_CLOCK_MOVED_US: Final = 5_000

log = structlog.get_logger("recorder")


@dataclass(frozen=True, slots=True)
class RecorderHandle:
    """What other modules may call. `changed` is notified when a fact changed."""

    changed: Signal = field(default_factory=Signal)
    _wanted: dict[str, str] = field(default_factory=dict)
    _facts: dict[str, ChannelFacts] = field(default_factory=dict)
    _wake: Signal = field(default_factory=Signal)

    def want(self, inputs: Mapping[str, str]) -> None:
        """Record exactly these channels (id -> input_url) from now on; unchanged ones are not disturbed."""
        self._wanted.clear()
        self._wanted.update(inputs)
        self._wake.notify()

    def wanted(self) -> Mapping[str, str]:
        """id -> input_url of the channels that are recorded now."""
        return self._wanted

    def facts(self) -> dict[str, ChannelFacts]:
        """A snapshot by channel id. A refusal is included for a minute after it last happened."""
        since_s = trio.current_time() - _REFUSAL_SHOWN_S
        return {
            id: replace(fact, refused=tuple(each for each in fact.refused if each.at_s > since_s))
            for id, fact in self._facts.items()
        }


@dataclass(frozen=True, slots=True)
class _Shared:
    handle: RecorderHandle
    recordings_dir: Path
    part_s: float
    segment_s: float
    clock: Clock
    runner: Runner
    networks: Sequence[Network]

    def offset_us(self) -> int:
        """Box time minus CLOCK_BOOTTIME: what children compute box time with."""
        return apart_us(self.clock.now_us, boottime_us)


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
    networks: Sequence[Network] = (),
    task_status: trio.TaskStatus[RecorderHandle] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Record `channels` (id -> input_url) until cancelled; call none at an address that is refused, unless
    `networks` contain it (network/addresses.py).

    Start: the handle is returned once every channel's child processes were started. Stop: cancel; files are
    finished, at most 3 s. Raises nothing of its own: a channel that cannot record is a fact, not an error.
    """
    handle = RecorderHandle()
    shared = _Shared(handle, recordings_dir, part_s, segment_s, clock, runner, networks)
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
    """End channels that are no longer wanted, start new ones."""
    wanted = shared.handle._wanted
    await _end_unwanted(running, shared.handle)
    for channel_id, url in wanted.items():
        if channel_id not in running:
            task = running[channel_id] = _Running(url)
            _StatusReader(shared, channel_id, "", calls=False).publish("waiting", "starting")
            nursery.start_soon(_run_channel, shared, channel_id, task, name=f"record {channel_id}")


async def _end_unwanted(running: dict[str, _Running], handle: RecorderHandle) -> None:
    """End the channels that are no longer wanted, before others start, so that their ports are free."""
    gone = [(id, task) for id, task in running.items() if handle._wanted.get(id) != task.url]
    for _, task in gone:
        task.scope.cancel()
    for channel_id, task in gone:
        await task.ended.wait()
        del running[channel_id]
        handle._facts.pop(channel_id, None)
        handle.changed.notify()


async def _run_channel(shared: _Shared, channel_id: str, task: _Running) -> None:
    try:
        with task.scope:
            try:
                source = parse_input(task.url)
            except BadInputUrl as error:
                reader = _StatusReader(shared, channel_id, "", calls=False)
                reader.publish("down", str(error), "correct the channel's input_url")
                await trio.sleep_forever()
            else:
                await _keep_recording(shared, channel_id, source)
    finally:
        task.ended.set()


async def _keep_recording(shared: _Shared, channel_id: str, source: Source) -> None:
    """One pair of child processes after another, until cancelled."""
    reader = _StatusReader(shared, channel_id, source.shown(), calls=isinstance(source, SrtSource))
    backoff = Backoff(base_s=0.5, cap_s=15.0)
    while True:
        began_s = trio.current_time()
        try:
            await _record_once(shared, channel_id, await _resolved(source, shared.networks), reader)
            pause_s = _after(source, reader, backoff, lasted_s=trio.current_time() - began_s)
        except BadDestination as error:
            reader.publish(
                "down", str(error), "list its network in recorder.input_networks if it is a camera"
            )
            pause_s = backoff.next_s()
        except OSError as error:
            reader.publish("down", f"cannot start: {error.strerror or error}")
            pause_s = _RETRY_S
        await trio.sleep(pause_s)


async def _resolved(source: Source, networks: Sequence[Network]) -> Source:
    """The source with its name resolved and checked: the child calls this address, and resolves nothing.

    Raises BadDestination; an unknown name is one too: it is tried again later, as it may become known.
    """
    if not isinstance(source, SrtSource) or source.mode == "listener":
        return source
    try:
        return replace(source, host=await resolve(source.host, source.port, networks))
    except OSError as error:
        raise BadDestination(f"{source.host}: {error.strerror or error}") from error


def _after(source: Source, reader: _StatusReader, backoff: Backoff, *, lasted_s: float) -> float:
    """The child processes have ended: report the reason and return the pause before the next (s)."""
    if reader.served:
        backoff.reset()
    if reader.clock_moved:
        return 0.0
    if isinstance(source, SrtSource) and source.mode == "listener":
        if reader.listened and lasted_s > _RETRY_S:
            return 0.0  # a camera may be calling already
        hint = reader.hint or "is the port used by another program?"
        reader.publish("down", reader.last_words or "the listener ended", hint)
        return _RETRY_S
    if reader.served:
        reader.publish("down", "the stream ended")
        return _RETRY_S
    reader.publish("down", reader.last_words or f"{source.shown()} does not answer", reader.hint)
    return backoff.next_s()


async def _record_once(shared: _Shared, channel_id: str, source: Source, reader: _StatusReader) -> None:
    """One connection. Returns when it ended, or when box time was set and the children need the new
    offset."""
    offset_us = shared.offset_us()
    clock_arguments = ["--offset-us", str(offset_us)]
    if isinstance(source, SrtSource):
        brings = children.own_command("appliance.box.recorder.srt.receiver", [])
        settings, reads = source.settings_json(), ["--framed"]
    else:
        arguments = [*source.arguments(channel_id), *clock_arguments]
        brings = children.own_command("appliance.box.recorder.synthetic.camera", arguments)
        settings, reads = b"", ["--silence-s", str(source.silence_s)]
    files = ["--dir", str(shared.recordings_dir / channel_id)]
    lengths = ["--part-s", str(shared.part_s), "--segment-s", str(shared.segment_s)]
    records = children.own_command(
        "appliance.box.recorder.remux", [*files, *lengths, *reads, *clock_arguments]
    )
    reader.opened()
    failure: OSError | None = None
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_watch_clock, shared, offset_us, nursery.cancel_scope, reader)
        try:
            await shared.runner(brings, records, reader.heard, settings)
        except OSError as error:  # raised outside the nursery, not in an exception group
            failure = error
        nursery.cancel_scope.cancel()
    reader.closed()
    if failure is not None:
        try:
            raise failure
        finally:
            del failure  # breaks the reference cycle frame - error


async def _watch_clock(
    shared: _Shared, reported_us: int, scope: trio.CancelScope, reader: _StatusReader
) -> None:
    # Box time is set only while no session is active; an offset has no event to wait for.
    while abs(shared.offset_us() - reported_us) < _CLOCK_MOVED_US:  # noqa: ASYNC110
        await trio.sleep(_CLOCK_LOOK_S)
    reader.clock_moved = True
    scope.cancel()


class _StatusReader:
    """Converts one channel's status lines to facts."""

    def __init__(self, shared: _Shared, channel_id: str, source: str, *, calls: bool) -> None:
        self.listened = self.served = self.clock_moved = False
        self._receives = False  # now; `served`: once since `opened`
        self.last_words = self.hint = ""
        self._connected = self._missed = ""
        self._line: Line | None = None
        self._restarts = 0
        self._last_end: LastEnd = ""
        self._refused: dict[tuple[str, str], Refusal] = {}
        self._shared, self._id, self._source, self._calls = shared, channel_id, source, calls
        self._state: tuple[State, str, str] = ("waiting", "", "")

    def opened(self) -> None:
        """The channel's two child processes are being started."""
        self.last_words, self.hint, self._connected = "", "", ""
        self.listened = self.served = self.clock_moved = self._receives = False
        self._line = None
        self.publish("waiting", "starting")

    def closed(self) -> None:
        """The channel's child processes have ended."""
        self._restarts += 1
        if self._receives:
            self._last_end = "recorder"

    def heard(self, fact: dict[str, Any]) -> None:
        """Process one status line of a child."""
        event = fact["event"]
        if event in ("stderr", "failed"):
            self.last_words = str(fact.get("line") or fact.get("reason"))
            self.hint = str(fact.get("hint", ""))
        elif event == "listening":
            self.listened = True
            self.publish("waiting", self._missed)
        elif event == "refused":
            self._refuse(str(fact["address"]), str(fact["reason"]), int(fact["count"]))
        elif event == "link":
            names = ("bitrate_bps", "loss_ratio", "packets_dropped", "rtt_ms")
            self._line = Line(self._connected, *[fact[name] for name in names])
            self.publish(*self._state)
        else:
            self._heard_of_stream(event, fact)
        say = log.debug if event in _CHATTER else log.info
        say(event, channel_id=self._id, **{name: value for name, value in fact.items() if name != "event"})

    def _heard_of_stream(self, event: str, fact: dict[str, Any]) -> None:
        who = str(fact.get("address", self._connected))
        if event == "connected" or (event == "receiving" and not self._calls):
            self._connected, self._receives, self.served, self._line = who, True, True, None
            self.publish("receiving")
        elif not self._receives:
            pass  # status lines of the remuxer about a connection that has already ended
        elif event in ("recorded", "run_started", "segment"):
            self.publish("receiving")
        elif event == "quiet":
            self._quiet(who, float(fact["since_s"]))
        elif event == "not_recorded":
            reason = f"{fact['reason']} ({who})" if who else str(fact["reason"])
            self.publish("unrecorded", reason, str(fact.get("hint", "")))
        elif event == "write_failed":
            self._last_end = "recorder"
            is_full = fact.get("errno") in (None, errno.ENOSPC, errno.EDQUOT)
            hint = "free space on the disk" if is_full else "check the recordings disk: `appliance doctor`"
            self.publish("down", f"cannot write the recording: {fact.get('error')}", hint)
        elif event == "disconnected":
            self._receives, self._last_end, self._line = False, "source", None
            self._restarts += 1
            self._missed = f"{who}: {fact['reason']}"
            self.publish("waiting", self._missed)

    def _quiet(self, who: str, since_s: float) -> None:
        if not since_s:
            self.publish("receiving")
            return
        self._last_end = "source"
        state: State = "lost" if since_s >= LOST_S else "silent"
        self.publish(state, f"{who} is connected and sends nothing", "look at the camera")

    def _refuse(self, address: str, reason: str, count: int) -> None:
        before = self._refused.pop((address, reason), None)
        total = count + (before.count if before is not None else 0)
        self._refused[address, reason] = Refusal(address, reason, total, trio.current_time())
        for key in list(self._refused)[:-_REFUSALS]:
            del self._refused[key]
        self.publish(*self._state)

    def publish(self, state: State, detail: str = "", hint: str = "") -> None:
        """Replace the channel's facts; `since_us` changes only with the state."""
        self._state = (state, detail, hint)
        facts, now_us = self._shared.handle._facts, self._shared.clock.now_us()
        before = facts.get(self._id)
        since_us = before.since_us if before is not None and before.state == state else now_us
        refused = tuple(self._refused.values())
        new = ChannelFacts(
            self._id,
            state,
            since_us,
            self._source,
            self._restarts,
            detail,
            hint,
            refused,
            self._last_end,
            self._line,
        )
        if new != before:
            facts[self._id] = new
            self._shared.handle.changed.notify()
