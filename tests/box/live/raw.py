"""A low-level WebSocket client for misbehaving clients, and a byte-by-byte parser of frames."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator

import trio

from tests.kit.waiting import LIMIT_S


class RawClient:
    """A socket after its handshake that does only what the test requests: no pongs, no reading."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self.data = b""

    @classmethod
    async def connect(cls, port: int, query: str = "", receive_buffer: int | None = None) -> RawClient:
        sock = trio.socket.socket()
        if receive_buffer is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        await sock.connect(("127.0.0.1", port))
        stream = trio.SocketStream(sock)
        await stream.send_all(cls.handshake(query))
        answer = b""
        while not answer.endswith(b"\r\n\r\n"):
            answer += await stream.receive_some(1)
        return cls(stream)

    @staticmethod
    def handshake(query: str) -> bytes:
        return (
            f"GET /ws{query} HTTP/1.1\r\nHost: box\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )

    async def say(self, payload: bytes, opcode: int = 1) -> None:
        """One whole frame, masked with 0000."""
        await self.stream.send_all(self.frame(payload, opcode))

    @staticmethod
    def frame(payload: bytes, opcode: int = 1) -> bytes:
        return bytes((0x80 | opcode, 0x80 | len(payload))) + bytes(4) + payload

    async def read_until(self, size: int) -> None:
        """Read until `size` bytes have arrived, or the end."""
        while len(self.data) < size and (part := await self.stream.receive_some(65536)):
            self.data += bytes(part)

    async def read_to_close(self) -> tuple[int, bytes]:
        """The code of the close frame and all bytes before it; nothing may follow it."""
        with trio.fail_after(LIMIT_S):
            while (result := close_frame(self.data)) is None:
                part = await self.stream.receive_some(65536)
                assert part, "the connection ended without a close frame"
                self.data += bytes(part)
        return result


def frames_of(data: bytes) -> Iterator[tuple[int, bytes, int]]:
    """(opcode, payload, where it starts) of every whole server frame."""
    at = 0
    while at + 2 <= len(data):
        size, head = data[at + 1], 2
        if size >= 126:
            head = 4 if size == 126 else 10
            size = int.from_bytes(data[at + 2 : at + head], "big")
        if at + head + size > len(data):
            return
        yield data[at] & 15, data[at + head : at + head + size], at
        at += head + size


def close_frame(data: bytes) -> tuple[int, bytes] | None:
    for opcode, payload, at in frames_of(data):
        if opcode == 8:
            return int.from_bytes(payload[:2], "big"), data[:at]
    return None


def seqs_of(data: bytes) -> list[int]:
    reports = [json.loads(payload) for opcode, payload, _ in frames_of(data) if opcode == 1]
    return [message["seq"] for message in reports if "seq" in message]
