"""A worker unit controlled by the test, listening where appliance-worker@N would."""

from __future__ import annotations

import os
import socket as stdlib_socket
from array import array
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import trio

from appliance.workers import protocol
from appliance.workers.protocol import Json, Sandbox, WorkerHello, WorkerRequest

OPEN_FIELD = Sandbox(-1, "open", 0, False, False, False, False, False)


class Connection:
    """One worker's life."""

    def __init__(self, socket: trio.socket.SocketType, number: int) -> None:
        self.socket = socket
        self.number = number
        """1 for the first worker of this unit, and so on."""

    async def say(self, message: Json) -> None:
        await self.socket.send(protocol.encode(message))

    async def next_request(self) -> WorkerRequest | None:
        """None when the daemon closed the connection. Received descriptors are closed."""
        packet, ancillary, _, _ = await self.socket.recvmsg(
            protocol.MAX_MESSAGE_BYTES, stdlib_socket.CMSG_SPACE(4 * 64)
        )
        for _, _, data in ancillary:
            for descriptor in array("i", data):
                os.close(descriptor)
        return protocol.parse_request(protocol.decode(packet)) if packet else None

    async def gone(self) -> None:
        """The daemon closed the connection: its way to kill a worker."""
        assert await self.next_request() is None


Behaviour = Callable[[Connection], Awaitable[None]]


class FakeUnit:
    """Serves `<directory>/<number>.sock` until the nursery ends."""

    def __init__(self, directory: Path, number: int = 1) -> None:
        self.connections = 0
        self._path = directory / f"{number}.sock"

    @contextmanager
    def listening(self) -> Iterator[trio.socket.SocketType]:
        with stdlib_socket.socket(stdlib_socket.AF_UNIX, stdlib_socket.SOCK_SEQPACKET) as listener:
            listener.bind(str(self._path))
            listener.listen(4)
            yield trio.socket.from_stdlib_socket(listener)

    async def serve(self, listener: trio.socket.SocketType, behaviour: Behaviour) -> None:
        while True:
            socket, _ = await listener.accept()
            self.connections += 1
            with socket:
                connection = Connection(socket, self.connections)
                await connection.say(protocol.hello_message(WorkerHello(1, OPEN_FIELD, {}, ())))
                await behaviour(connection)


async def answer_everything(connection: Connection) -> None:
    """A working worker: every job is a selfcheck without an escape."""
    while (request := await connection.next_request()) is not None:
        await connection.say({"id": request.id, "result": {"connected": False, "opened": False}})
