"""Where a channel's footage comes from: the addresses we take, and what keeps such a channel alive.

Pure, without the database: the settings tree is checked with it before anything starts. How SRT is
spoken is the recorder's business.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal
from urllib.parse import parse_qsl, urlsplit

from pydantic import AfterValidator, Field

Liveness = Literal["heartbeat", "footage"]

SRT_OPTIONS = ("mode", "latency", "streamid", "passphrase", "pbkeylen")
_EXPECTED = 'use "srt://:8891" (the camera calls the box), "srt://host:port" (the box calls) or "synthetic:"'


def check_input_url(text: str) -> str:
    """The address itself. Raises ValueError saying what is wrong: srt:// and synthetic: are all we take."""
    if text == "synthetic:":
        return text
    if not text.startswith("srt://"):
        raise ValueError(f"{_short(text)} is no input; {_EXPECTED}")
    if re.search(r"[\x00-\x20\x7f]", text):
        raise ValueError(f"holds a space or a control character; {_EXPECTED}")
    parts = urlsplit(text)
    try:
        port = parts.port
    except ValueError:
        port = None
    if not port or parts.path not in ("", "/") or parts.username is not None or parts.fragment:
        raise ValueError(f"needs a port from 1 to 65535 and nothing else before the '?'; {_EXPECTED}")
    _check_srt_options(dict(parse_qsl(parts.query, keep_blank_values=True)), listens=not parts.hostname)
    return text


def _check_srt_options(options: dict[str, str], *, listens: bool) -> None:
    unknown = sorted(set(options) - set(SRT_OPTIONS))
    if unknown:
        raise ValueError(f"unknown SRT option {_short(unknown[0])}; known are {', '.join(SRT_OPTIONS)}")
    mode = options.get("mode")
    if mode not in (None, "listener", "caller") or (mode == "caller" and listens):
        raise ValueError("mode must be listener, or caller with a host")
    if not re.fullmatch(r"\d{1,5}", options.get("latency", "0")):
        raise ValueError("latency must be milliseconds")
    if options.get("pbkeylen", "16") not in ("16", "24", "32"):
        raise ValueError("pbkeylen must be 16, 24 or 32")
    if not 10 <= len(options.get("passphrase", "x" * 10)) <= 79:
        raise ValueError("passphrase must have 10 to 79 characters (the SRT protocol's limits)")


def shown_input_url(text: str | None) -> str | None:
    """The address without its passphrase: resources go to every client and into the journal."""
    return None if text is None else re.sub(r"(?<=[?&]passphrase=)[^&]*", "***", text)


def _short(text: str) -> str:
    return repr(text[:60])


InputUrl = Annotated[str, Field(max_length=500), AfterValidator(check_input_url)]


def default_liveness(input_url: str | None) -> Liveness:
    """Where the box itself brings the footage in, footage says whether the camera lives."""
    return "footage" if input_url else "heartbeat"
