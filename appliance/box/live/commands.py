"""Commands of /ws: the same operations, checks and problem documents as HTTP.

Owns: finding the operation, its caller and its idempotency key. Must not know: sockets, or what an
operation does.
"""

from __future__ import annotations

from collections.abc import Sequence

from appliance.box.live import protocol
from appliance.box.live.border import survive
from appliance.box.live.protocol import CommandFrame, Ping
from appliance.http.access import Door, Grant
from appliance.http.api import Command, Ctx
from appliance.http.problems import problem_document, unexpected
from appliance.http.requests import validate
from appliance.kernel.clock import Clock
from appliance.kernel.errors import FieldError, Refused, Unavailable
from appliance.kernel.operation import Answer, Caller, command_fingerprint
from appliance.kernel.store import Store


class CommandHandler:
    """Executes the messages of clients. `done` and `failed` count commands for the metrics."""

    def __init__(
        self, store: Store, clock: Clock, commands: Sequence[Command], door: Door | None = None
    ) -> None:
        self._door = door
        self._store = store
        self._clock = clock
        self._commands = {command.do: command for command in commands}
        self.done = 0
        self.failed = 0

    def pong(self, ping: Ping) -> bytes:
        return protocol.pong(ping, now_us=self._clock.now_us())

    async def perform(self, device: str, frame: CommandFrame, grant: Grant | None = None) -> bytes:
        """The result frame. The command's effect is durable before the frame is built."""
        made: list[bytes] = []

        async def run() -> None:
            made.append(await self._result(device, frame, grant))

        trace_id = await survive(f"command {frame.do[:40]}", device, run)
        if trace_id is not None:
            self.failed += 1
            return protocol.failure(frame.id, unexpected(trace_id))
        return made[0]

    async def _result(self, device: str, frame: CommandFrame, grant: Grant | None) -> bytes:
        try:
            answer = await self._run(device, frame, grant)
        except (Refused, Unavailable) as error:
            self.failed += 1
            return protocol.failure(frame.id, problem_document(error))
        self.done += 1
        return protocol.result(frame.id, answer.resource)

    async def _run(self, device: str, frame: CommandFrame, grant: Grant | None) -> Answer:
        command = self._commands.get(frame.do)
        if command is None:
            raise Refused(
                422,
                "unknown_command",
                f"do: no command {frame.do[:40]!r}",
                f"known: {', '.join(sorted(self._commands))}",
                (FieldError("do", "no such command"),),
            )
        if self._door is not None:
            self._door.allow(grant, command.rule)
        body = validate(command.body, frame.body)
        mark = command_fingerprint(frame.do, frame.body)
        caller = Caller(device, frame.id, mark, identity="" if grant is None else grant.device_id)
        return await command.run(Ctx(self._store, self._clock, caller), body=body)
