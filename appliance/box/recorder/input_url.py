"""Parsing `input_url`: the source of a channel's video.

Owns: the grammar of `input_url` with errors a person can act on. Must not know: processes, channels.

    srt://:8891                      the box listens, the camera calls (the usual case)
    srt://192.168.1.20:9000          the box calls and pulls; retried with backoff
    synthetic:                       the built-in camera; ?fps=25&size=640x360&sound=1

Options of srt: latency (ms, both ends agree on the larger), passphrase (10-79 characters), pbkeylen (16, 24,
32), streamid (calling only), mode (listener, caller; follows from the host), silence (s).

SRT ends a connection when the peer ended it, or sent nothing at all for 10 s. `silence=N` ends one without a
stream for N seconds although it is alive. Neither is needed for a camera that lost its power and calls again:
a new caller with pictures replaces one that has become silent (callers.py).

The passphrase is passed to the receiver by a pipe (`settings_json`), never on a command line. `shown()` never
includes it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Final, Literal
from urllib.parse import parse_qsl, urlsplit

from appliance.kernel.fields import is_loopback

_HOST: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,252}[A-Za-z0-9])?|[0-9a-fA-F:.]*:[0-9a-fA-F:.]*")
_RATES: Final = (Fraction(1), Fraction(60))


class BadInputUrl(ValueError):
    """An input_url that cannot be used; the text says what to write instead."""


@dataclass(frozen=True, slots=True)
class SrtSource:
    """SRT, listening (`host` "" or a local address) or calling."""

    mode: Literal["listener", "caller"]
    host: str
    port: int
    latency_ms: int | None = None
    passphrase: str | None = field(default=None, repr=False)
    pbkeylen: int | None = None
    streamid: str | None = None
    silence_s: float = 0.0  # 0: only SRT ends a connection

    def settings_json(self) -> bytes:
        """Settings for the receiver's stdin, including the passphrase."""
        names = ("mode", "host", "port", "latency_ms", "passphrase", "pbkeylen", "streamid", "silence_s")
        return json.dumps({name: getattr(self, name) for name in names}).encode()

    def shown(self) -> str:
        """For logs and health: without the passphrase."""
        return f"srt://{self._authority()}"

    def _authority(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class SyntheticSource:
    """The built-in camera."""

    fps: Fraction = Fraction(25)
    width: int = 640
    height: int = 360
    sound: bool = True
    silence_s: float = 10.0  # only a hung child is silent for this long

    def arguments(self, channel_id: str) -> list[str]:
        """Arguments of appliance.box.recorder.synthetic.camera except the clock."""
        size = ["--width", str(self.width), "--height", str(self.height), "--fps", str(self.fps)]
        return ["--channel", channel_id, *size, *([] if self.sound else ["--no-sound"])]

    def shown(self) -> str:
        return "synthetic:"


Source = SrtSource | SyntheticSource


def parse_input(text: str) -> Source:
    """Parse an input_url. Raises BadInputUrl."""
    url = urlsplit(text.strip())
    if url.fragment:
        raise BadInputUrl("input_url: '#' must be written %23")
    if url.scheme == "synthetic":
        return _synthetic(url.netloc + url.path, _options(url.query, _SYNTHETIC_OPTIONS))
    if url.scheme == "srt":
        if url.username is not None or url.path not in ("", "/"):
            raise BadInputUrl(
                "input_url: only host, port and options are possible, such as srt://:8891?latency=200"
            )
        return _srt(url.hostname or "", _port(text, url.netloc), _options(url.query, _SRT_OPTIONS))
    raise BadInputUrl(f"input_url: {url.scheme or 'nothing'}: is not known; use srt://:8891 or synthetic:")


def is_open_to_all(text: str) -> bool:
    """Whether the box listens there and records any caller: no passphrase is asked. An address that cannot
    be used is not."""
    try:
        source = parse_input(text)
    except BadInputUrl:
        return False
    if not isinstance(source, SrtSource) or source.mode != "listener":
        return False
    return source.passphrase is None and not is_loopback(source.host)


def _port(text: str, netloc: str) -> int:
    try:
        port = urlsplit(text.strip()).port
    except ValueError:
        port = None
    if not port:
        raise BadInputUrl(
            f"input_url: {netloc or 'the address'} needs a port from 1 to 65535, such as srt://:8891"
        )
    return port


def _srt(host: str, port: int, options: dict[str, object]) -> SrtSource:
    if host and not _HOST.fullmatch(host):
        raise BadInputUrl(f"input_url: {host!r} is not a host name or address")
    mode = options.pop("mode", "caller" if host else "listener")
    if mode == "caller" and not host:
        raise BadInputUrl("input_url: mode=caller needs the host to call, such as srt://192.168.1.20:9000")
    if mode == "listener" and "streamid" in options:
        raise BadInputUrl("input_url: streamid is the caller's to send; leave it out of a listener")
    return SrtSource(mode, host, port, **options)  # type: ignore[arg-type]  # checked by _options


def _synthetic(rest: str, options: dict[str, object]) -> SyntheticSource:
    if rest:
        raise BadInputUrl("input_url: synthetic: takes options only, such as synthetic:?fps=30")
    size = options.pop("size", None)
    source = SyntheticSource(**options)  # type: ignore[arg-type]  # checked by _options
    return replace(source, width=size[0], height=size[1]) if isinstance(size, tuple) else source


def _options(query: str, known: dict[str, tuple[str, Callable[[str], object]]]) -> dict[str, object]:
    options: dict[str, object] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name not in known:
            raise BadInputUrl(f"input_url: option {name!r} is not known; there are {', '.join(known)}")
        target, read = known[name]
        if target in options:
            raise BadInputUrl(f"input_url: option {name!r} is given twice")
        try:
            options[target] = read(value)
        except ValueError as error:  # the value may be a secret: the message has only what was expected
            raise BadInputUrl(f"input_url: option {name} must be {error}") from None
    return options


def _whole(low: int, high: int) -> Callable[[str], int]:
    def read(value: str) -> int:
        if not value.isascii() or not value.isdigit() or not low <= int(value) <= high:
            raise ValueError(f"a whole number from {low} to {high}")
        return int(value)

    return read


def _one_of(*allowed: str) -> Callable[[str], str]:
    def read(value: str) -> str:
        if value not in allowed:
            raise ValueError(" or ".join(allowed))
        return value

    return read


def _seconds(value: str) -> float:
    if not re.fullmatch(r"\d{1,3}(\.\d{1,3})?", value) or float(value) < 0.2:
        raise ValueError("seconds, 0.2 or more")
    return float(value)


def _text(low: int, high: int) -> Callable[[str], str]:
    def read(value: str) -> str:
        if not low <= len(value.encode()) <= high or not value.isprintable():
            raise ValueError(f"{low} to {high} printable characters")
        return value

    return read


def _fps(value: str) -> Fraction:
    if not re.fullmatch(r"\d{1,5}(/[1-9]\d{0,3})?", value) or not _RATES[0] <= Fraction(value) <= _RATES[1]:
        raise ValueError("frames per second from 1 to 60, such as 25 or 30000/1001")
    return Fraction(value)


def _size(value: str) -> tuple[int, int]:
    width, x, height = value.partition("x")
    if not (x and width.isdigit() and height.isdigit()):
        raise ValueError("width x height, such as 640x360")
    size = int(width), int(height)
    if not (160 <= size[0] <= 1920 and 90 <= size[1] <= 1080) or size[0] % 2 or size[1] % 2:
        raise ValueError("even numbers from 160x90 to 1920x1080")
    return size


_SRT_OPTIONS: Final[dict[str, tuple[str, Callable[[str], object]]]] = {
    "latency": ("latency_ms", _whole(0, 60_000)),
    "passphrase": ("passphrase", _text(10, 79)),
    "pbkeylen": ("pbkeylen", lambda value: int(_one_of("16", "24", "32")(value))),
    "streamid": ("streamid", _text(1, 512)),
    "mode": ("mode", _one_of("listener", "caller")),
    "silence": ("silence_s", _seconds),
}
_SYNTHETIC_OPTIONS: Final[dict[str, tuple[str, Callable[[str], object]]]] = {
    "fps": ("fps", _fps),
    "size": ("size", _size),
    "sound": ("sound", lambda value: _one_of("0", "1")(value) == "1"),
}
