"""The limit of WebSocket frames of a client, counted before they are parsed.

Owns: the beginning of a frame (RFC 6455 section 5.2) and the flood limit. Must not know: messages, sockets. A
frame of six bytes costs the server's WebSocket library 10 us (as much again in the layers behind it), so 64
KiB of pings, or of one-byte pieces of a message, block the event loop for 0.1 to 0.2 s (measured).
"""

from __future__ import annotations

# /ws allows 20 messages a second; a browser sends each in one frame, and pongs in addition
FRAMES_PER_S = 40.0
BURST = 240.0
_EXTENDED = {126: 2, 127: 8}
_MASK_BYTES = 4


class FrameMeter:
    """The frames of one connection."""

    __slots__ = ("_head", "_left", "_now_s", "_tokens")

    def __init__(self) -> None:
        self._head = b""  # of the frame that has begun
        self._left = 0  # payload bytes of the present frame still to come
        self._tokens, self._now_s = BURST, 0.0

    def take(self, data: bytes, now_s: float) -> int:
        """How many bytes of `data` may be parsed; fewer than all: the client floods, from there on. `now_s`
        never decreases."""
        self._tokens = min(BURST, self._tokens + (now_s - self._now_s) * FRAMES_PER_S)
        self._now_s = now_s
        at, end = 0, len(data)
        while at < end:
            if self._left:
                step = min(self._left, end - at)
                self._left -= step
                at += step
                continue
            if not self._head:
                if self._tokens < 1:
                    return at
                self._tokens -= 1
            step = min(_head_bytes(self._head) - len(self._head), end - at)
            self._head += data[at : at + step]
            at += step
            if len(self._head) == _head_bytes(self._head):
                self._left, self._head = _payload_bytes(self._head), b""
        return end


def _head_bytes(head: bytes) -> int:
    """Length of the frame's head, as far as `head` determines it."""
    if len(head) < 2:
        return 2
    return 2 + _EXTENDED.get(head[1] & 0x7F, 0) + (_MASK_BYTES if head[1] & 0x80 else 0)


def _payload_bytes(head: bytes) -> int:
    extended = _EXTENDED.get(head[1] & 0x7F)
    return head[1] & 0x7F if extended is None else int.from_bytes(head[2 : 2 + extended], "big")
