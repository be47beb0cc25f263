"""The messages of /ws, built and parsed.

Owns: frames in both directions, close codes, limits, the resume rule, the flood bucket. Must not know:
sockets, tasks, the store. Times are the caller's: box time in messages, monotonic seconds for the bucket.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any
from urllib.parse import parse_qsl

from appliance.kernel import json
from appliance.kernel.clock import to_rfc3339

MAX_MESSAGE_BYTES = 64 * 1024  # the same as an HTTP body
TOO_LARGE = f"a message may have {MAX_MESSAGE_BYTES} bytes"
FLOOD = "a flood of messages: send the next one when the last one is answered"
REPLAY_MAX = 2000  # missed events that are replayed at most; for more, /snapshot is cheaper for both sides
BACKLOG_MAX = 256  # events a connected client may be behind: 5 s of the busiest game
REPLIES_MAX = 64  # results and pongs waiting for one client that sends faster than it reads
ID_CHARS_MAX = 255
WORD_CHARS_MAX = 32
RTT_MS_MAX = 3_600_000
RATE_PER_S = 20.0  # a person with two thumbs makes 5 messages a second
BURST = 60.0  # a tablet that was offline sends its queue at once
SILENT_HEARTBEATS = 2.4  # 12 s of silence at a heartbeat of 5 s
REASON_BYTES_MAX = 123  # RFC 6455 section 5.5: a control frame has 125 bytes, 2 are the code


class CloseCode(IntEnum):
    """4000-4499: reconnect with your cursor. 4500-4999: do not reconnect until something has changed."""

    INTERNAL = 1011
    RESTART = 4001
    TOO_SLOW = 4010
    SILENT = 4408
    BAD_TOKEN = 4501
    REVOKED = 4503
    PROTOCOL = 4510


RESTART = "the box restarts"
AUTH_S = 5.0  # a client without access has this long to send its token
AUTH_MAX = 50  # clients that have not sent it yet


class ProtocolError(Exception):
    """The client broke the protocol: its connection is closed with 4510 and this reason."""


@dataclass(frozen=True, slots=True)
class Hello:
    """The query of the connection's URL."""

    since: int | None = None
    epoch: str | None = None


@dataclass(frozen=True, slots=True)
class About:
    """What a device reports about itself with a ping: shown to operators, not verified.

    `rtt_ms`: its last round trip. `edit_lists`: result of its self-test (ok, ignored, unknown).
    """

    rtt_ms: float | None = None
    role: str | None = None
    edit_lists: str | None = None


@dataclass(frozen=True, slots=True)
class Ping:
    id: Any
    about: About | None = None


@dataclass(frozen=True, slots=True)
class Auth:
    """The token, as the first message of a client that cannot send headers; ignored later, and where access
    is open."""

    token: str = ""


@dataclass(frozen=True, slots=True)
class CommandFrame:
    id: str
    do: str
    body: Mapping[str, Any]


def parse_hello(query_string: bytes) -> Hello:
    """`since` and `epoch` of the query. Raises ProtocolError; other names are ignored."""
    try:
        query = dict(parse_qsl(query_string.decode("latin-1"), keep_blank_values=True, max_num_fields=64))
    except ValueError as error:
        raise ProtocolError(f"the query cannot be read: {error}") from None
    since = query.get("since")
    if since is None:
        return Hello()
    if not (since.isascii() and since.isdigit() and len(since) <= 18):
        raise ProtocolError("since must be a seq")
    return Hello(int(since), query.get("epoch"))


def resume(hello: Hello, *, epoch: str, oldest: int, head: int) -> tuple[int, bool | None]:
    """(cursor, recovered): where the client continues, and the `recovered` of `connected`.

    True: every missed event follows, in order. False: too far behind or another epoch, load /snapshot. None:
    the client requested only live events.
    """
    if hello.since is None:
        return head, None
    is_known = hello.epoch == epoch and oldest - 1 <= hello.since <= head
    if is_known and head - hello.since <= REPLAY_MAX:
        return hello.since, True
    return head, False


def parse_message(text: str) -> Ping | Auth | CommandFrame:
    """One message of the client. Raises ProtocolError."""
    data = text.encode("utf-8", "surrogatepass")
    if len(data) > MAX_MESSAGE_BYTES:
        raise ProtocolError(TOO_LARGE)
    try:
        value = json.decode(data)
    except json.BadJson as error:
        raise ProtocolError(f"not JSON: {error}") from None
    kind = value.get("type") if isinstance(value, dict) else None
    if kind == "ping":
        return Ping(value.get("id"), _about(value.get("about")))
    if kind == "auth":
        token = value.get("token")
        return Auth(token if isinstance(token, str) else "")
    if kind == "command":
        return _command(value)
    raise ProtocolError("type must be ping, command or auth")


def _about(value: Any) -> About | None:
    """The fields that can be parsed; an invalid one is left out, and the ping still counts."""
    if not isinstance(value, dict):
        return None

    def word(name: str) -> str | None:
        text = value.get(name)
        return text if isinstance(text, str) and len(text) <= WORD_CHARS_MAX and text.isprintable() else None

    said_ms = value.get("rtt_ms")
    rtt_ms = None
    if isinstance(said_ms, int | float) and not isinstance(said_ms, bool) and 0 <= said_ms < RTT_MS_MAX:
        rtt_ms = float(said_ms)
    return About(rtt_ms, word("role"), word("edit_lists"))


def _command(value: Mapping[str, Any]) -> CommandFrame:
    """Only a message that cannot be answered with a result is a protocol error: one without an id."""
    id_, do, body = value.get("id"), value.get("do"), value.get("body", {})
    if not isinstance(id_, str) or not 1 <= len(id_) <= ID_CHARS_MAX or not id_.isprintable():
        raise ProtocolError(f"a command needs an id of 1 to {ID_CHARS_MAX} printable characters")
    if not isinstance(do, str) or not isinstance(body, dict):
        raise ProtocolError("a command needs do (a string) and body (an object)")
    return CommandFrame(id_, do, body)


# -- messages of the server --------------------------------------------------------------------------


def connected(
    *,
    site_id: str,
    epoch: str,
    head: int,
    oldest: int,
    heartbeat_s: float,
    now_us: int,
    recovered: bool | None,
    device: Mapping[str, str] | None,
) -> bytes:
    """`device`: id, name and role of the paired device; None where access is open."""
    return json.encode(
        {
            "type": "connected",
            "site_id": site_id,
            "epoch": epoch,
            "head": head,
            "oldest": oldest,
            "heartbeat_s": heartbeat_s,
            "server_time": to_rfc3339(now_us),
            "recovered": recovered,
            "device": device,
        }
    )


def heartbeat(*, head: int, now_us: int) -> bytes:
    return json.encode({"type": "heartbeat", "server_time": to_rfc3339(now_us), "head": head})


def pong(ping: Ping, *, now_us: int) -> bytes:
    return json.encode({"type": "pong", "id": ping.id, "server_time": to_rfc3339(now_us)})


def result(id_: str, resource: Mapping[str, Any]) -> bytes:
    return json.encode({"type": "result", "id": id_, "ok": True, "resource": resource})


def failure(id_: str, problem: Mapping[str, Any]) -> bytes:
    """`problem` is the same document as HTTP's."""
    return json.encode({"type": "result", "id": id_, "ok": False, "error": problem})


# -- the wire (RFC 6455) -----------------------------------------------------------------------------

PING_FRAME = b"\x89\x00"


def text_frame(payload: bytes) -> bytes:
    """A finished, unmasked text frame: a server's frames are the same bytes for every client."""
    return _frame_head(0x81, len(payload)) + payload


def binary_frame(payload: bytes) -> bytes:
    """The same of a binary message."""
    return _frame_head(0x82, len(payload)) + payload


def payload_of(frame: bytes) -> bytes:
    """The payload that was passed to `text_frame` or `binary_frame`."""
    return frame[{126: 4, 127: 10}.get(frame[1], 2) :]


def _frame_head(first: int, size: int) -> bytes:
    if size < 126:
        return bytes((first, size))
    if size < 1 << 16:
        return bytes((first, 126)) + size.to_bytes(2, "big")
    return bytes((first, 127)) + size.to_bytes(8, "big")


def short_reason(reason: str) -> str:
    """Truncated to fit a close frame, at a character boundary."""
    return reason.encode()[:REASON_BYTES_MAX].decode("utf-8", "ignore")


@dataclass(slots=True, weakref_slot=True)
class Bucket:
    """Tokens of a device, refilled at RATE_PER_S up to BURST. `now_s` never decreases."""

    now_s: float
    tokens: float = BURST

    def take(self, now_s: float) -> bool:
        """Take one token; False when there is none."""
        self._refill(now_s)
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True

    def spend(self, now_s: float) -> float:
        """Take one token now or in advance; how long to wait for it."""
        self._refill(now_s)
        self.tokens -= 1
        return max(0.0, -self.tokens / RATE_PER_S)

    def _refill(self, now_s: float) -> None:
        self.tokens = min(BURST, self.tokens + (now_s - self.now_s) * RATE_PER_S)
        self.now_s = now_s
