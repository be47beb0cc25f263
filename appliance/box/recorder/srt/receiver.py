"""Child process: an SRT port, or an SRT source that is called; frames (framing.py) on stdout.

    python -m appliance.box.recorder.srt.receiver --parent PID     settings as one JSON object on stdin

Owns: the sockets of one channel, how often they are checked. Must not know: files, recordings. Which caller
is recorded is decided in callers.py. The passphrase comes by stdin: every local account can read a command
line.

No packet is dropped because it is late (TLPKTDROP off): a camera then keeps what was not received and sends
it again. A sender that drops a packet nevertheless would be waited for without end; its connection is ended,
and the port reopened with TLPKTDROP on.

Status lines on stderr (children.say): listening, connected {address}, disconnected {address, reason}, quiet
{address, since_s: 0 when it sends again}, refused {address, reason, count}, failed {reason, hint}, link
{bitrate_bps, loss_ratio, packets_dropped, rtt_ms}.

Ends when stdout has no reader, on SIGTERM (the peers are notified) and, when calling, with the connection.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Final

from appliance.box.recorder import children
from appliance.box.recorder.framing import FrameKind, pack
from appliance.box.recorder.srt.callers import (
    FIRST_MEDIA_S,
    Action,
    Begin,
    Callers,
    CloseRecorded,
    Drop,
    End,
    Forward,
)
from appliance.box.recorder.srt.libsrt import LinkTotals, Options, Srt, SrtError
from appliance.kernel.clock import boottime_us

_MEMORY_BYTES: Final = 1 << 30  # reserved, most of it unused: 8 MB of stack and an arena for each thread
_WAIT_MS: Final = 50
_BATCH_BYTES: Final = 1 << 16
_CONNECT_MS: Final = 3_000
_CALLED_FIRST_MEDIA_S: Final = 10.0  # a source that the box calls blocks no other caller
_REPORT_AGAIN_S: Final = 1.0
_PLAIN_S: Final = 1.0  # callers before SRT 1.3 send their key after they connected
_LOOK_S: Final = 1.0
_FIGURES_S: Final = 5.0
_STUCK_LOOKS: Final = 4  # checks, after the latency, at which packets had arrived and none was delivered
_ENCRYPTION: Final = {
    "wrong secret": "uses another passphrase",
    "no secret": "is encrypted, the channel has no passphrase",
    "plain": "is not encrypted, the channel has a passphrase",
}


@dataclass(frozen=True, slots=True)
class ReceiverSettings:
    """The settings on stdin; see input_url.SrtSource."""

    mode: str
    host: str
    port: int
    options: Options
    silence_s: float


def read_settings(text: str) -> ReceiverSettings:
    """Settings as `SrtSource.settings_json` writes them."""
    fields: dict[str, Any] = json.loads(text)
    options = Options(fields["latency_ms"], fields["passphrase"], fields["pbkeylen"], fields["streamid"])
    return ReceiverSettings(fields["mode"], fields["host"], fields["port"], options, fields["silence_s"])


class Refusals:
    """Reports refused callers with the reason: each address and reason at most once a second, with a
    count."""

    def __init__(self) -> None:
        self._waiting: dict[tuple[str, str], int] = {}
        self._reported_s: dict[tuple[str, str], float] = {}

    def add(self, address: str, reason: str) -> None:
        self._waiting[address, reason] = self._waiting.get((address, reason), 0) + 1

    def report(self, now_s: float) -> None:
        """Report what is due."""
        for key, count in list(self._waiting.items()):
            if now_s - self._reported_s.get(key, -_REPORT_AGAIN_S) >= _REPORT_AGAIN_S:
                children.report("refused", address=key[0], reason=key[1], count=count)
                del self._waiting[key]
                self._reported_s[key] = now_s
        self._reported_s = {
            key: at for key, at in self._reported_s.items() if now_s - at < 2 * _REPORT_AGAIN_S
        }


class Deliveries:
    """Detects connections that receive packets and deliver none: SRT waits for a lost packet that the sender
    no longer has."""

    def __init__(self, srt: Srt) -> None:
        self._srt = srt
        self._delivers: set[int] = set()  # connections that delivered data since the last check
        self._packets: dict[int, int] = {}
        self._stuck: dict[int, int] = {}
        self._looked_s = 0.0

    def delivered(self, connection: int) -> None:
        """Bytes could be read."""
        self._delivers.add(connection)

    def stuck(self, connections: Iterable[int], now_s: float) -> list[int]:
        """Those given up. Call often; it checks once a second."""
        if now_s - self._looked_s < _LOOK_S:
            return []
        self._looked_s = now_s
        stuck_ones: list[int] = []
        packets = {each: self._srt.link(each).packets for each in connections}
        for each, count in packets.items():
            waits = each not in self._delivers and count > self._packets.get(each, 0)
            self._stuck[each] = self._stuck.get(each, 0) + 1 if waits else 0
            if self._stuck[each] > _STUCK_LOOKS + self._srt.latency_ms(each) // 1000:
                stuck_ones.append(each)
        self._packets = packets
        self._stuck = {each: looks for each, looks in self._stuck.items() if each in packets}
        self._delivers.clear()
        return stuck_ones


class LinkFigures:
    """Reports the figures of the recorded connection's line every five seconds."""

    def __init__(self, srt: Srt) -> None:
        self._srt = srt
        self._before: tuple[int, float, LinkTotals] | None = None  # connection, when, what

    def report(self, connection: int | None, now_s: float) -> None:
        before = self._before
        if connection is None or (before is not None and before[0] != connection):
            self._before = before = None
        if connection is None or (before is not None and now_s - before[1] < _FIGURES_S):
            return
        link = self._srt.link(connection)
        self._before = (connection, now_s, link)
        if before is not None:
            packets, lost = link.packets - before[2].packets, link.packets_lost - before[2].packets_lost
            children.report(
                "link",
                bitrate_bps=round((link.bytes - before[2].bytes) * 8 / (now_s - before[1])),
                loss_ratio=round(lost / max(1, packets + lost), 4),
                packets_dropped=link.packets_dropped,
                rtt_ms=round(link.rtt_ms, 1),
            )


class Receiver:
    """One channel's sockets."""

    def __init__(self, srt: Srt, settings: ReceiverSettings) -> None:
        self._srt, self._settings = srt, settings
        waits_s = FIRST_MEDIA_S if settings.mode == "listener" else _CALLED_FIRST_MEDIA_S
        self._callers = Callers(settings.silence_s, waits_s)
        self._refusals = Refusals()
        self._open: dict[int, str] = {}  # connection -> address
        self._unagreed: dict[int, float] = {}  # connection -> since when its encryption may be wrong
        self._deliveries, self._figures = Deliveries(srt), LinkFigures(srt)
        self._listener: int | None = None

    def open(self) -> None:
        """Listen, or call. Raises SrtError."""
        settings = self._settings
        if settings.mode == "listener":
            self._listener = self._srt.listen(settings.host, settings.port, settings.options)
            children.report("listening")
            return
        called = self._srt.connect(settings.host, settings.port, settings.options, timeout_ms=_CONNECT_MS)
        self._accepted(called, settings.host)

    def step(self) -> bool:
        """Wait for an event, at most 50 ms, and process it. False: there is nothing left to wait for."""
        for ready in self._srt.wait(_WAIT_MS):
            if ready == self._listener:
                if (new := self._srt.accept(ready)) is not None:
                    self._accepted(*new)
            elif ready in self._open:
                self._read(ready)
        now_s = time.monotonic()
        for connection, since_s in list(self._unagreed.items()):
            if now_s - since_s >= _PLAIN_S and not self._is_agreed(connection):
                self._refuse_key(connection)
        for connection in self._deliveries.stuck(self._open, now_s):
            self._give_up(connection, now_s)
        self._carry_out(self._callers.look(now_s))
        self._refusals.report(now_s)
        self._figures.report(self._callers.recorded, now_s)
        return self._listener is not None or bool(self._open)

    def close(self) -> None:
        """End every connection; the peers are notified."""
        for connection in [*self._open, *([self._listener] if self._listener is not None else [])]:
            self._srt.close(connection)

    def _accepted(self, connection: int, address: str) -> None:
        self._open[connection] = address
        self._unagreed[connection] = time.monotonic()
        wrong = self._srt.key_state(connection) in ("wrong secret", "no secret")
        if wrong or (self._srt.key_is_final(connection) and not self._is_agreed(connection)):
            self._refuse_key(connection)
        else:
            self._carry_out(self._callers.accepted(connection, address, time.monotonic()))

    def _refuse_key(self, connection: int) -> None:
        """The two ends do not agree on encryption: refuse the caller."""
        reason = _ENCRYPTION.get(self._srt.key_state(connection), "encryption failed")
        self._refusals.add(self._open[connection], reason)
        self._carry_out(self._callers.ended(connection, reason, time.monotonic()))
        self._close(connection)

    def _give_up(self, connection: int, now_s: float) -> None:
        """A lost packet is not sent again: from now on callers may drop packets."""
        self._carry_out(self._callers.ended(connection, "a lost packet was not sent again", now_s))
        self._close(connection)
        settings = self._settings
        if self._listener is not None and not settings.options.give_up_late:
            self._settings = replace(settings, options=replace(settings.options, give_up_late=True))
            self._srt.close(self._listener)
            self.open()

    def _close(self, connection: int) -> None:
        self._open.pop(connection, None)
        self._unagreed.pop(connection, None)
        self._srt.close(connection)

    def _read(self, connection: int) -> None:
        """Everything that can be read now, as one batch or several."""
        while True:
            batch: list[bytes] = []
            size = 0
            while size < _BATCH_BYTES and (message := self._srt.read(connection)):
                batch.append(message)
                size += len(message)
            if batch and connection in self._unagreed and not self._is_agreed(connection):
                self._refuse_key(connection)
                return
            now_s = time.monotonic()
            if batch:
                self._deliveries.delivered(connection)
                data = b"".join(batch)
                self._carry_out(self._callers.received(connection, data, boottime_us(), now_s))
            if size >= _BATCH_BYTES:
                continue
            if message is None:
                self._carry_out(self._callers.ended(connection, "the connection ended", now_s))
                self._close(connection)
            return

    def _is_agreed(self, connection: int) -> bool:
        """Whether the connection is encrypted as the channel requires."""
        wanted = "plain" if self._settings.options.passphrase is None else "agreed"
        if self._srt.key_state(connection) != wanted:
            return False
        self._unagreed.pop(connection, None)
        return True

    def _carry_out(self, actions: list[Action]) -> None:
        for action in actions:
            if isinstance(action, Forward):
                _write(pack(FrameKind.DATA, action.arrival_us, action.data))
            elif isinstance(action, Begin):
                children.report("connected", address=action.address)
                _write(pack(FrameKind.BEGIN, boottime_us(), action.address.encode()))
            elif isinstance(action, End):
                _write(pack(FrameKind.END, boottime_us(), action.reason.encode()))
                children.report("disconnected", address=action.address, reason=action.reason)
            elif isinstance(action, Drop):
                self._refusals.add(action.address, action.reason)
                self._close(action.id)
            elif isinstance(action, CloseRecorded):
                self._close(action.id)
            else:
                children.report("quiet", address=action.address, since_s=action.since_s)


def _write(data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(1, view) :]


def main() -> int:
    parser = argparse.ArgumentParser(prog="appliance.box.recorder.srt.receiver")
    parser.add_argument("--parent", type=int, required=True)
    children.die_with(parser.parse_args().parent)
    children.limit(memory_bytes=_MEMORY_BYTES)
    settings = read_settings(sys.stdin.read())
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # no reader: end without a message
    try:
        receiver = Receiver(Srt(), settings)
    except FileNotFoundError:
        children.report("failed", reason="libsrt is not installed", hint="apt install srt-tools")
        return 1
    stopped: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: stopped.append(number))
    try:
        receiver.open()
        while not stopped and receiver.step():
            pass
    except SrtError as error:
        children.report("failed", reason=str(error))
        return 1
    receiver.close()
    return 0


if __name__ == "__main__":
    code = main()
    # Not sys.exit: it would wait for the library's threads, a second and more.
    os._exit(code)
