"""Bodies from files: page cache first, threads for the rest, and the kernel's own copy where possible.

Owns: reading media without ever blocking the loop, and the zero-copy body under hypercorn (measured: 4-6
times a copying body's rate), limited by http/pacing.py where it would delay a mark. With TLS the bytes have
to be read and encrypted here, with the same limits and the same time for a player that pauses. Must not know:
ranges, headers, the meaning of the bytes.
"""

from __future__ import annotations

import errno
import math
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from weakref import WeakKeyDictionary, WeakValueDictionary

import h11
import trio

from appliance.http.pacing import INFO_BYTES, Flow, Peer, SendPace, parse_info, pause_s
from appliance.http.passthrough import Wire, wire_of
from appliance.kernel.threads import in_thread

STEP_BYTES = 1 << 18  # one sendfile call: 0.1 ms of the loop; with 1 MiB a mark waits three times as long
TLS_STEP_BYTES = 1 << 16  # reading, encrypting and writing these takes as long as one sendfile call
PROBE_BYTES = 128 * 1024  # distance of the page-cache probes within a step
STALL_S = 30.0  # a player that pauses stops reading; after this long without a byte it must request again
UNREAD_PAUSE_S = (
    0.2  # between checks of a client that accepts nothing: 300 of them cost 6 % of a core, not all of it
)
TURN = (
    trio.Lock()
)  # one step per pass of the loop, in turn: 20 of them would delay a mark by 30 ms (measured)
LOOK_S = 0.020  # how often an unlimited connection is checked; 4 us each
FRESH_S = 1.0  # after this long without a body the kernel's window starts again, and so does ours
MEDIA_READS = trio.CapacityLimiter(16)  # threads for media that is not in the page cache


UNUSABLE = (OSError, trio.ClosedResourceError, trio.BrokenResourceError, trio.BusyResourceError)
"""Errors of a connection that has ended, or that another task is closing."""


class Lost(Exception):
    """A file is shorter than promised, or cannot be read: the body cannot be finished."""


class Stalled(Exception):
    """The client accepted no byte for STALL_S."""


class ConnectionGone(Exception):
    """The client closed the connection."""


@dataclass(frozen=True, slots=True)
class FileRange:
    """`length` bytes of the open file `fd` from `offset` on."""

    fd: int
    offset: int
    length: int


Piece = bytes | FileRange


def is_cached(fd: int, offset: int, length: int) -> bool:
    """Whether the range seems to be in the page cache; never blocks."""
    last = offset + length - 1
    probe = bytearray(1)
    try:
        return all(
            os.preadv(fd, [probe], at, os.RWF_NOWAIT) == 1 for at in (*range(offset, last, PROBE_BYTES), last)
        )
    except OSError:
        return False  # BlockingIOError, or a file system without this information


async def read_range(wanted: FileRange) -> bytes:
    """Exactly these bytes: in the loop when cached, else in a thread. Raises Lost."""
    data = _read_cached(wanted.fd, wanted.offset, wanted.length)
    if data is None:
        data = await in_thread(_read_all, wanted.fd, wanted.offset, wanted.length, limiter=MEDIA_READS)
    return data


def _read_cached(fd: int, offset: int, length: int) -> bytes | None:
    buffer = bytearray(length)
    try:
        got = os.preadv(fd, [buffer], offset, os.RWF_NOWAIT)
    except OSError:
        return None  # not cached, or unknown: the thread reads it, and raises on errors
    return bytes(buffer) if got == length else None


def _read_all(fd: int, offset: int, length: int) -> bytes:
    parts: list[bytes] = []
    while length:
        try:
            part = os.pread(fd, length, offset)
        except OSError as error:
            raise Lost(f"reading at {offset}: {error}") from error
        if not part:
            raise Lost(f"the file ends at {offset}, {length} bytes short")
        parts.append(part)
        offset, length = offset + len(part), length - len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)


class _Gate:
    """The pacing of one connection, kept from one body to the next."""

    def __init__(self, peer: Peer) -> None:
        self.free_until = -math.inf  # trio time: until then the kernel alone decides, without checks
        self._peer = peer
        self._pace = SendPace(peer)
        self._asked_at = -math.inf

    def room(self, sock: trio.socket.SocketType, step: int) -> tuple[int, Flow | None]:
        """Bytes of `step` that may be written now; with 0, the flow to wait for."""
        now = trio.current_time()
        if now - self._asked_at > FRESH_S:
            self._pace = SendPace(self._peer)
        self._asked_at = now
        flow = _flow_of(sock)
        room = None if flow is None else self._pace.room(flow)
        if room is not None:
            return min(step, room), flow
        self.free_until = now + LOOK_S
        return step, flow


_GATES: WeakKeyDictionary[object, _Gate] = WeakKeyDictionary()  # of connections
_PEERS: WeakValueDictionary[str, Peer] = WeakValueDictionary()  # by address, while one of its gates lives


def _gate_of(wire: Wire) -> _Gate:
    gate = _GATES.get(wire.tcp)
    if gate is None:
        address = str((wire.protocol.client or ("",))[0])
        gate = _GATES[wire.tcp] = _Gate(_PEERS.setdefault(address, Peer()))
    return gate


def _flow_of(sock: trio.socket.SocketType) -> Flow | None:
    try:
        return parse_info(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, INFO_BYTES))
    except OSError:
        return None  # closed: the next write raises


class _Length:
    """An object with the body's length only, so that h11 counts the bytes although it never receives them."""

    def __init__(self, length: int) -> None:
        self.length = length

    def __len__(self) -> int:
        return self.length


class SendfileBody:
    """The body of one HTTP/1.1 response, written to the socket directly instead of through hypercorn."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._gate = _gate_of(wire)
        # reports whether the client reads, for a full server
        self._note = getattr(wire.tcp, "stall", _nothing)
        self.sent = 0

    @classmethod
    def behind(cls, send: object) -> SendfileBody | None:
        """A body writer when `send` is hypercorn's, the head was sent and h11 frames the body by its length;
        else None. Call after http.response.start (the server delays some heads)."""
        wire = wire_of(send, encrypted=True)
        if wire is None or not isinstance(wire.protocol.connection, h11.Connection):
            return None
        return cls(wire) if getattr(wire.protocol, "_head", None) is None else None

    @property
    def is_head(self) -> bool:
        """Whether the request is HEAD, whose answer has no body."""
        return bool(self._wire.stream.scope["method"] == "HEAD")

    async def write(self, pieces: Sequence[Piece], length: int) -> None:
        """All of `pieces`, `length` bytes. On Lost, Stalled or ConnectionGone the connection is closed."""
        wire = self._wire
        if wire.protocol.connection.our_state is not h11.SEND_BODY:
            raise ConnectionGone("the client left before the head")  # hypercorn then ignores further messages
        wire.protocol.connection.send_with_data_passthrough(h11.Data(data=_Length(length)))  # type: ignore[arg-type]
        async with wire.tcp.send_lock:
            finished = False
            try:
                _be_patient(wire.socket)
                for piece in pieces:
                    await (self._write_encrypted(piece) if wire.is_encrypted else self._write_piece(piece))
                finished = True
            except UNUSABLE as error:
                raise ConnectionGone(str(error)) from error
            finally:
                self._note(False)
                if not finished:
                    await wire.abort()

    async def _write_piece(self, piece: Piece) -> None:
        if isinstance(piece, FileRange):
            await self._write_file(piece)
            return
        view = memoryview(piece)
        while view:
            room = await self._wait_room(min(len(view), STEP_BYTES))
            try:
                async with TURN:
                    written = os.write(self._wire.socket.fileno(), view[:room])
            except BlockingIOError:
                await self._wait_writable()
                continue
            self.sent += written
            view = view[written:]

    async def _write_encrypted(self, piece: Piece) -> None:
        at, length = 0, piece.length if isinstance(piece, FileRange) else len(piece)
        while at < length:
            room = await self._wait_room(min(length - at, TLS_STEP_BYTES))
            if isinstance(piece, FileRange):
                step = await read_range(FileRange(piece.fd, piece.offset + at, room))
            else:
                step = piece[at : at + room]
            async with TURN:
                pass  # no wait between here and the encryption: one in each pass
            await self._wire.send_encrypted(step, self._wait_writable)
            self.sent += room
            at += room

    async def _write_file(self, piece: FileRange) -> None:
        offset, left = piece.offset, piece.length
        while left:
            ahead = min(left, STEP_BYTES)
            step = await self._wait_room(ahead)
            if not is_cached(piece.fd, offset, step):
                await in_thread(_read_all, piece.fd, offset, ahead, limiter=MEDIA_READS)
            async with TURN:
                written = self._send_step(piece.fd, offset, step)
            if written is None:
                await self._wait_writable()
                continue
            self.sent += written
            offset, left = offset + written, left - written

    def _send_step(self, fd: int, offset: int, step: int) -> int | None:
        """Bytes that the socket accepted now; None when it is full."""
        try:
            written = os.sendfile(self._wire.socket.fileno(), fd, offset, step)
        except BlockingIOError:
            return None
        except OSError as error:
            if error.errno == errno.EIO:
                raise Lost(f"reading at {offset}: {error}") from error
            raise
        if not written:
            raise Lost(f"the file ends at {offset}, {step} bytes short")
        return written

    async def _wait_room(self, step: int) -> int:
        """Bytes of `step` that may be in flight in addition. Raises Stalled when nothing is accepted."""
        if trio.current_time() < self._gate.free_until:
            return step
        room, flow = self._gate.room(self._wire.socket, step)
        acked, until, pause = -1, 0.0, 0.0
        while not room and flow is not None:
            if flow.acked_bytes != acked:
                acked, until = flow.acked_bytes, trio.current_time() + STALL_S
                pause = pause_s(flow)
                self._note(False)
            elif trio.current_time() > until:
                raise Stalled(f"no byte taken for {STALL_S} s")
            else:
                pause = min(2 * pause, UNREAD_PAUSE_S)
                self._note(True)
            await trio.sleep(pause)
            room, flow = self._gate.room(self._wire.socket, step)
        return room

    async def _wait_writable(self) -> None:
        self._note(True)
        with trio.move_on_after(STALL_S) as waiting:
            await trio.lowlevel.wait_writable(self._wire.socket)
        self._note(False)
        if waiting.cancelled_caught:
            raise Stalled(f"no byte taken for {STALL_S} s")


def _nothing(is_stalled: bool) -> None:
    """For other servers, which have no use for the report."""


def _be_patient(sock: trio.socket.SocketType) -> None:
    """Let a player pause for STALL_S instead of the listener's limit of a few seconds.

    Not reset afterwards: the end of a body may wait in the kernel long after the last write.
    """
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(STALL_S * 1000))
