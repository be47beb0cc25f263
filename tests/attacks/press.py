"""One attack with marks beside it: their latency, and what is left of the attack."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import trio

from tests.attacks.target import ANSWER_S, Broken, Ended, Target, exchange

EVERY_S = 0.1
MARK_S = ANSWER_S
ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Pressed:
    """Seconds: `marks_s` of a tablet with a persistent connection, `newcomers_s` including the connect."""

    marks_s: list[float] = field(default_factory=list)
    newcomers_s: list[float] = field(default_factory=list)
    memory_before_mb: float | None = None
    memory_most_mb: float | None = None
    memory_after_mb: float | None = None


async def begin(target: Target) -> str:
    """A session for the marks; returns its id."""
    made = json.loads(await target.ask("/sessions", "POST", b'{"name":"Attacked","type":"game"}'))
    await target.ask(f"/sessions/{made['id']}/start", "POST")
    return str(made["id"])


class Marker:
    """A tablet with a persistent connection, like browsers, that reconnects when it was closed."""

    def __init__(self, target: Target, session_id: str, channel: str = "cam1") -> None:
        self._target = target
        body = json.dumps({"session_id": session_id, "channel_id": channel, "duration": 1}).encode()
        self._request = target.request("/clips", "POST", body, keep=True)
        self._stream: trio.SocketStream | None = None
        self._made: list[str] = []

    async def mark(self) -> float:
        """One mark; returns seconds from the request to the complete answer. Raises Broken."""
        began_s = trio.current_time()
        with trio.move_on_after(MARK_S):
            while True:
                try:
                    if self._stream is None:
                        self._stream = await self._target.connect()
                    status, answer = await exchange(self._stream, self._request)
                except (OSError, trio.BrokenResourceError, Ended):
                    self.close()
                    continue
                if status != 201:
                    raise Broken(f"a mark was answered {status}: {answer[:300]!r}")
                self._made.append(json.loads(answer)["id"])
                return trio.current_time() - began_s
        raise Broken(f"a mark was not answered within {MARK_S} s")

    async def delete(self) -> None:
        """Deletes the marks, so that the data stay as many as those of a game. Raises Broken."""
        for clip_id in self._made:
            await self._target.ask(f"/clips/{clip_id}", "DELETE")
        self._made.clear()

    def close(self) -> None:
        if self._stream is not None:
            self._stream.socket.close()
            self._stream = None


async def press(target: Target, name: str, session_id: str, seed: int, seconds: float) -> Pressed:
    """The attack for this long, in a separate process, beside marks and new clients. Raises Broken."""
    report = Pressed(memory_before_mb=target.memory_mb())
    before = target.descriptors()
    marker = Marker(target, session_id)
    await marker.mark()
    try:
        async with attacking(target, name, seed, seconds) as attack, trio.open_nursery() as nursery:
            nursery.start_soon(_newcomers, target, report)
            while attack.poll() is None or not report.newcomers_s:  # a slow machine's first one takes longer
                await trio.sleep(EVERY_S)
                report.marks_s.append(await marker.mark())
                report.memory_most_mb = max(report.memory_most_mb or 0, target.memory_mb() or 0) or None
            nursery.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        raise Broken("; ".join(map(str, group.exceptions))) from group
    finally:
        marker.close()
    await target.must_live()
    await marker.delete()
    await target.must_free(before)
    report.memory_after_mb = target.memory_mb()
    return report


async def _newcomers(target: Target, report: Pressed) -> None:
    while True:
        began_s = trio.current_time()
        await target.ask("/time")
        report.newcomers_s.append(trio.current_time() - began_s)
        await trio.sleep(EVERY_S)


@asynccontextmanager
async def attacking(target: Target, name: str, seed: int, seconds: float) -> AsyncIterator[trio.Process]:
    """The attack's process, after its start; it is ended with the block."""
    words = ["-m", "tests.attacks.run", name, target.authority, str(seconds), str(seed)]
    attack = await trio.lowlevel.open_process([sys.executable, *words], stdout=subprocess.PIPE, cwd=ROOT)
    try:
        assert attack.stdout is not None
        while not (await attack.stdout.receive_some(100)).endswith(b"\n"):
            pass
        yield attack
    finally:
        attack.kill()
        with trio.CancelScope(shield=True):
            await attack.wait()
