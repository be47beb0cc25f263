"""libsrt by ctypes: the part of its C API that a receiver needs.

Owns: option numbers, addresses, errors of the library (srt.h of SRT 1.5: Debian 12 and 13, Ubuntu 24.04).
Must not know: channels, transport streams.

Why not srt-live-transmit, which uses the same library: it accepts one caller at a time and reads a passphrase
only from its command line. srt-tools depends on the library, so it is still the package to install. No C
callback is used: libffi would need memory that is writable and executable, which the unit forbids.
"""

from __future__ import annotations

import ctypes
import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

NAMES: Final[tuple[str, ...]] = ("libsrt-gnutls.so.1.5", "libsrt.so.1.5", "libsrt-openssl.so.1.5")
_INVALID: Final = -1
_MESSAGE_BYTES: Final = 1500
_LOG_CRITICAL: Final = 2  # at a lower level it logs one line per lost packet or refused caller

_RCVSYN, _FC, _RCVBUF, _TLPKTDROP = 2, 4, 6, 31
_PASSPHRASE, _PBKEYLEN, _PEERVERSION, _CONNTIMEO, _RCVKMSTATE = 26, 27, 35, 36, 41
_RCVLATENCY, _STREAMID, _ENFORCEDENCRYPTION, _IPV6ONLY, _PEERIDLETIMEO = 43, 46, 53, 54, 55
_SOCKADDR_IN6_BYTES: Final = 28
_EPOLL_IN, _EPOLL_ERR = 0x1, 0x8
_KEYS_IN_HANDSHAKE: Final = 0x010300
_NOTHING_TO_READ: Final = 6002  # SRT_EASYNCRCV
_BUFFER_BYTES: Final = 12 << 20  # the library's default: 5 s at 20 Mbit/s
_BUFFER_BYTES_PER_MS: Final = 5_000  # and for the data that `latency` holds back, at 40 Mbit/s
_PAYLOAD_BYTES: Final = 1456

KeyState = Literal["plain", "exchanging", "agreed", "no secret", "wrong secret"]
_KEY_STATES: Final[tuple[KeyState, ...]] = ("plain", "exchanging", "agreed", "no secret", "wrong secret")


class SrtError(Exception):
    """The library's error of a failed call."""


@dataclass(frozen=True, slots=True)
class Options:
    """Options of a connection. Times in ms; None leaves the library's default."""

    latency_ms: int | None = None
    passphrase: str | None = None
    pbkeylen: int | None = None
    streamid: str | None = None
    idle_ms: int = 10_000  # a peer that sends nothing at all for this long is gone
    give_up_late: bool = False  # TLPKTDROP: packets later than `latency` are left out, at either end


class LinkTotals(NamedTuple):
    """Totals of a connection since it began; `rtt_ms` is the newest."""

    packets: int
    packets_lost: int
    packets_dropped: int  # lost permanently
    bytes: int
    rtt_ms: float


def _fields(kind: Any, *names: str) -> list[tuple[str, Any]]:
    return [(name, kind) for name in names]


class _Statistics(ctypes.Structure):
    """SRT_TRACEBSTATS (srt.h) up to the round trip; the rest is padding."""

    _fields_ = [
        *_fields(ctypes.c_int64, "ms", "packets_sent", "packets"),
        *_fields(ctypes.c_int, "_s0", "packets_lost", "_r0", "_a0", "_a1", "_n0", "_n1"),
        *_fields(ctypes.c_int64, "_d0"),
        *_fields(ctypes.c_int, "_s1", "packets_dropped", "_u0"),
        *_fields(ctypes.c_uint64, "_b0", "bytes", "_b1", "_b2", "_b3", "_b4", "_b5"),
        *_fields(ctypes.c_int64, "_p0", "_p1"),
        *_fields(ctypes.c_int, "_l0", "_l1", "_l2", "_l3", "_l4", "_l5", "_l6", "_l7"),
        *_fields(ctypes.c_double, "_m0", "_m1"),
        *_fields(ctypes.c_int64, "_d1"),
        *_fields(ctypes.c_int, "_o0"),
        *_fields(ctypes.c_double, "_o1"),
        *_fields(ctypes.c_int64, "_o2"),
        *_fields(ctypes.c_int, "_o3", "_o4", "_o5"),
        *_fields(ctypes.c_uint64, "_q0", "_q1", "_q2", "_q3", "_q4", "_q5", "_q6"),
        *_fields(ctypes.c_double, "_w0"),
        *_fields(ctypes.c_int, "_w1", "_w2", "_w3"),
        *_fields(ctypes.c_double, "rtt_ms"),
        ("_room", ctypes.c_char * 4096),
    ]


class _Event(ctypes.Structure):
    _fields_ = [("fd", ctypes.c_int), ("events", ctypes.c_int)]


class Srt:
    """The loaded library. Raises FileNotFoundError when it is not installed.

    Sockets are the library's own numbers. Only `connect` blocks, and `wait` up to its timeout.
    """

    def __init__(self) -> None:
        self._lib = _load()
        self._lib.srt_startup()
        self._lib.srt_setloglevel(_LOG_CRITICAL)
        self._poll = self._lib.srt_epoll_create()
        self._buffer = ctypes.create_string_buffer(_MESSAGE_BYTES)

    def listen(self, host: str, port: int, options: Options) -> int:
        """A socket on which callers are accepted. Raises SrtError, for example when the port is taken."""
        address = _resolve(host, port)
        listener = self._socket(options)
        # A caller with another passphrase, or none, is accepted, so that its address is known, and then
        # refused.
        self._set(listener, _ENFORCEDENCRYPTION, False)
        self._set(listener, _RCVSYN, False)
        if len(address) == _SOCKADDR_IN6_BYTES:
            self._set(listener, _IPV6ONLY, 0)  # [::] is refused unless this option is set
        self._check(self._lib.srt_bind(listener, address, len(address)), "bind")
        self._check(self._lib.srt_listen(listener, 8), "listen")
        self._watch(listener)
        return listener

    def accept(self, listener: int) -> tuple[int, str] | None:
        """The next caller and its address; None when there is none now."""
        name, size = ctypes.create_string_buffer(128), ctypes.c_int(128)
        caller = self._lib.srt_accept(listener, name, ctypes.byref(size))
        if caller == _INVALID:
            return None
        self._watch(caller)
        return caller, _shown(name.raw[: size.value])

    def connect(self, host: str, port: int, options: Options, *, timeout_ms: int) -> int:
        """Call a source. Raises SrtError with the reason."""
        address = _resolve(host, port)
        caller = self._socket(options)
        self._set(caller, _CONNTIMEO, timeout_ms)
        if self._lib.srt_connect(caller, address, len(address)) == _INVALID:
            reason = self._lib.srt_rejectreason_str(self._lib.srt_getrejectreason(caller))
            raise SrtError(f"connect: {reason.decode('utf-8', 'replace')}")
        self._set(caller, _RCVSYN, False)
        self._watch(caller)
        return caller

    def read(self, connection: int) -> bytes | None:
        """The next message; b"" when there is none now, None when the connection has ended."""
        size = self._lib.srt_recvmsg(connection, self._buffer, _MESSAGE_BYTES)
        if size > 0:
            return self._buffer.raw[:size]
        return b"" if self._lib.srt_getlasterror(None) == _NOTHING_TO_READ else None

    def key_state(self, connection: int) -> KeyState:
        """The encryption state that the two ends agreed on."""
        state = self._int(connection, _RCVKMSTATE)
        return _KEY_STATES[state] if 0 <= state < len(_KEY_STATES) else "wrong secret"

    def key_is_final(self, connection: int) -> bool:
        """Whether `key_state` was final when the connection began. Before SRT 1.3 keys came after it."""
        return self._int(connection, _PEERVERSION) >= _KEYS_IN_HANDSHAKE

    def link(self, connection: int) -> LinkTotals:
        """Figures of a connection, including packets that wait for earlier ones."""
        totals = _Statistics()
        self._lib.srt_bistats(connection, ctypes.byref(totals), 0, 1)
        return LinkTotals(
            totals.packets, totals.packets_lost, totals.packets_dropped, totals.bytes, totals.rtt_ms
        )

    def latency_ms(self, connection: int) -> int:
        """The latency that the two ends agreed on."""
        return self._int(connection, _RCVLATENCY)

    def _int(self, connection: int, number: int) -> int:
        value, size = ctypes.c_int(), ctypes.c_int(4)
        self._lib.srt_getsockflag(connection, number, ctypes.byref(value), ctypes.byref(size))
        return value.value

    def close(self, connection: int) -> None:
        """End it; the peer is notified."""
        self._lib.srt_close(connection)

    def wait(self, timeout_ms: int) -> Sequence[int]:
        """Sockets that have data to read, or have ended."""
        events = (_Event * 16)()
        count = self._lib.srt_epoll_uwait(self._poll, events, len(events), ctypes.c_int64(timeout_ms))
        return [events[n].fd for n in range(max(0, count))]

    def _socket(self, options: Options) -> int:
        new = self._lib.srt_create_socket()
        self._check(new, "socket")
        self._set(new, _TLPKTDROP, options.give_up_late)
        room = _BUFFER_BYTES + _BUFFER_BYTES_PER_MS * (options.latency_ms or 0)
        self._set(new, _FC, max(25_600, room // _PAYLOAD_BYTES + 1))
        self._set(new, _RCVBUF, room)
        self._set(new, _PEERIDLETIMEO, options.idle_ms)
        for number, value in (
            (_RCVLATENCY, options.latency_ms),
            (_PASSPHRASE, options.passphrase),
            (_PBKEYLEN, options.pbkeylen),
            (_STREAMID, options.streamid),
        ):
            if value is not None:
                self._set(new, number, value)
        return int(new)

    def _set(self, target: int, number: int, value: bool | int | str) -> None:
        if isinstance(value, bool):
            data = struct.pack("?", value)
        else:
            data = struct.pack("i", value) if isinstance(value, int) else value.encode()
        self._check(self._lib.srt_setsockflag(target, number, data, len(data)), f"option {number}")

    def _watch(self, target: int) -> None:
        events = ctypes.c_int(_EPOLL_IN | _EPOLL_ERR)
        self._check(self._lib.srt_epoll_add_usock(self._poll, target, ctypes.byref(events)), "epoll")

    def _check(self, result: int, what: str) -> None:
        if result == _INVALID:
            raise SrtError(f"{what}: {self._lib.srt_getlasterror_str().decode('utf-8', 'replace')}")


def installed() -> str | None:
    """The library's name, None when it is not installed."""
    try:
        return str(_load()._name)
    except FileNotFoundError:
        return None


def _load() -> Any:
    for name in NAMES:
        try:
            library = ctypes.CDLL(name)
        except OSError:
            continue
        library.srt_getlasterror_str.restype = ctypes.c_char_p
        library.srt_rejectreason_str.restype = ctypes.c_char_p
        return library
    raise FileNotFoundError("libsrt")


def _resolve(host: str, port: int) -> bytes:
    """sockaddr_in or sockaddr_in6 of the first address of `host`. Raises SrtError."""
    try:
        addresses = socket.getaddrinfo(host or "0.0.0.0", port, type=socket.SOCK_DGRAM)
    except OSError as error:
        raise SrtError(f"{host}: {error.strerror or error}") from None
    family, _, _, _, address = addresses[0]
    packed = socket.inet_pton(family, str(address[0]).partition("%")[0])
    if family == socket.AF_INET:
        return struct.pack("=H", family) + struct.pack(">H", port) + packed + bytes(8)
    scope = address[3] if len(address) > 3 else 0
    return struct.pack("=H", family) + struct.pack(">HI", port, 0) + packed + struct.pack("=I", int(scope))


def _shown(name: bytes) -> str:
    """The address in a sockaddr, without its port, which differs at every call."""
    family = struct.unpack_from("=H", name)[0]
    if family == socket.AF_INET6:
        return socket.inet_ntop(family, name[8:24])
    return socket.inet_ntop(socket.AF_INET, name[4:8])
