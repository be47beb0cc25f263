"""A link that can be cut: datagrams to a port of 127.0.0.1 and back, until it is `blocked`."""

from __future__ import annotations

import select
import socket
import threading
from dataclasses import dataclass, field
from types import TracebackType

_LOOK_S = 0.05


@dataclass
class UdpRelay:
    """Relays to 127.0.0.1:`target` from `port` (self-chosen). Blocked, it drops everything in both
    directions.

    `swallow()`: the next SRT data packet is never delivered, however often it is sent again.
    """

    target: int
    blocked: bool = False
    lost: int = 0
    port: int = 0
    _swallowed: bytes | None = None
    _stop: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> UdpRelay:
        self._near = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._near.bind(("127.0.0.1", 0))
        self.port = self._near.getsockname()[1]
        self._far: dict[socket.socket, tuple[str, int]] = {}
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        for each in [self._near, *self._far]:
            each.close()

    def swallow(self) -> None:
        self._swallowed = b""

    def _is_swallowed(self, data: bytes) -> bool:
        if self._swallowed == b"" and not data[0] & 0x80:  # a data packet: its sequence number comes first
            self._swallowed = data[:4]
        return data[:4] == self._swallowed

    def _run(self) -> None:
        while not self._stop.is_set():
            for ready in select.select([self._near, *self._far], [], [], _LOOK_S)[0]:
                try:
                    data, sender = ready.recvfrom(2048)
                except ConnectionRefusedError:
                    continue
                if self.blocked or self._is_swallowed(data):
                    self.lost += 1
                elif ready is self._near:
                    self._far_of(sender).send(data)
                else:
                    self._near.sendto(data, self._far[ready])

    def _far_of(self, sender: tuple[str, int]) -> socket.socket:
        for item, known in self._far.items():
            if known == sender:
                return item
        new = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        new.connect(("127.0.0.1", self.target))
        self._far[new] = sender
        return new
