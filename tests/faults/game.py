"""A game on a real box that may be killed at any moment: cameras, coaches, devices, and tablets that resume.

A coach without an answer repeats the request with the same key once the box is back, so every request is
finally answered. The answers are stored like those of work.py.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from random import Random
from typing import Any

import httpx
import trio

from appliance.kernel.clock import wall_us
from appliance.kernel.safemode import MARKER
from appliance.kernel.store import open_store
from tests.faults.tally import Tally
from tests.faults.work import Acknowledged, missing
from tests.kit.camera import RecordingWriter, make_footage
from tests.kit.clock import HandClock
from tests.kit.running import Box, tablet
from tests.kit.running import Tablet as Link
from tests.kit.waiting import LIMIT_S, PLAIN

CHANNELS = ("cam1", "cam2")
HOUR_US = 3_600_000_000
Resource = dict[str, Any]


@dataclass
class Tablet:
    """A client of /ws over all its connections. `seqs`: every received event, in order."""

    seqs: list[int] = field(default_factory=list)
    epoch: str = ""
    unrecovered: int = 0
    link: Link | None = None  # while it is connected

    @property
    def latest(self) -> int:
        """Seq of the newest received event; 0: none."""
        received = (self.link.seqs if self.link is not None else []) or self.seqs
        return received[-1] if received else 0

    def faults(self) -> list[str]:
        """Events received twice, out of order, or not at all."""
        wanted = list(range(self.seqs[0], self.seqs[-1] + 1)) if self.seqs else []
        problems = [] if self.seqs == wanted else [f"a tablet heard {len(self.seqs)} of {len(wanted)} events"]
        return problems + ([f"{self.unrecovered} resumes were refused"] if self.unrecovered else [])


@dataclass
class Game:
    """The clients working on `box`. `up`: set while the box serves."""

    box: Box
    rnd: Random
    acknowledged: list[Acknowledged] = field(default_factory=list)
    clips: dict[str, Resource] = field(default_factory=dict)
    tablets: list[Tablet] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    session_id: str = ""
    up: trio.Event = field(default_factory=trio.Event)
    is_over: bool = False

    @property
    def state(self) -> Path:
        return self.box.folder / "state"

    # -- the box ------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Start the box; the last kill is not counted, because safe mode is another test."""
        (self.state / MARKER).unlink(missing_ok=True)
        await self.box.start()
        self.up.set()

    async def kill(self) -> None:
        self.up = trio.Event()
        await self.box.kill()

    async def stop(self) -> int:
        """SIGTERM; returns the exit code."""
        self.up = trio.Event()
        return await self.box.stop()

    async def missing(self) -> list[str]:
        """While the box is down: answers that are missing in its database."""
        async with open_store(self.state / "box.db", HandClock(), in_thread=False) as store:
            return await store.read(lambda tx: missing(tx, list(self.acknowledged)))

    # -- clients ------------------------------------------------------------------------------------

    async def say(self, method: str, path: str, body: object = None) -> Resource:
        """One request, sent until it is answered."""
        key = uuid.uuid4().hex
        while True:
            await self.up.wait()
            try:
                async with httpx.AsyncClient(base_url=self.box.url, **PLAIN) as client:
                    headers = {"Idempotency-Key": key, "X-Client": "coach"}
                    answer = await client.request(method, path, json=body, headers=headers)
            except httpx.TransportError:
                await trio.sleep(0.02)
                continue
            if answer.status_code < 500:
                if answer.status_code >= 400:
                    self.violations.append(f"{method} {path}: {answer.status_code} {answer.text[:200]}")
                result: Resource = answer.json()
                return result
            if answer.status_code not in (503, 507):
                self.violations.append(f"{method} {path}: {answer.status_code} {answer.text[:200]}")
            await trio.sleep(0.05)

    def keep(self, kind: str, resource: Resource) -> None:
        self.acknowledged.append(Acknowledged(kind, resource["id"], resource["rev"]))

    async def begin(self) -> None:
        for channel in CHANNELS:
            await self.say("POST", f"/channels/{channel}/activate")
        session = await self.say("POST", "/sessions", {"name": "Night", "type": "game"})
        self.session_id = session["id"]
        self.keep("session", await self.say("POST", f"/sessions/{self.session_id}/start"))

    async def coach(self) -> None:
        """Plays from IN to OUT, their title and star."""
        while not self.is_over:
            mark = {"id": str(uuid.uuid4()), "session_id": self.session_id}
            play = await self.say("POST", "/plays", mark)
            self.keep("play", play)
            await trio.sleep(self.rnd.uniform(0, 0.2))
            play = await self.say("POST", f"/plays/{play['id']}/end")
            self.keep("play", play)
            for clip in play.get("clips", ()):
                self.keep("clip", clip)
                self.clips[clip["id"]] = clip
            title = {"title": f"Down {self.rnd.randint(1, 4)}"}
            self.keep("play", await self.say("PATCH", f"/plays/{play['id']}", title))
            self.keep("play", await self.say("POST", f"/plays/{play['id']}/favorite"))
            await trio.sleep(self.rnd.uniform(0, 0.1))

    async def device(self, channel: str) -> None:
        """Heartbeats; a lost one does not matter."""
        while not self.is_over:
            await self.up.wait()
            try:
                async with httpx.AsyncClient(base_url=self.box.url, **PLAIN) as client:
                    while True:
                        await client.post(f"/channels/{channel}/heartbeat", json={"framerate": 30})
                        await trio.sleep(0.05)
            except httpx.TransportError:
                await trio.sleep(0.02)

    async def follow(self) -> None:
        """A tablet that reconnects after every loss and resumes."""
        device = Tablet()
        self.tablets.append(device)
        while True:
            await self.up.wait()
            query = {"since": device.seqs[-1], "epoch": device.epoch} if device.seqs else {}
            try:
                async with tablet(self.box, **query) as link:
                    device.epoch, device.link = link.connected["epoch"], link
                    device.unrecovered += bool(query) and link.connected["recovered"] is not True
                    try:
                        await link.until_over()
                    finally:
                        device.link = None
                        device.seqs += link.seqs
            except (OSError, AssertionError, trio.BrokenResourceError, BaseExceptionGroup):
                await trio.sleep(0.02)  # the box went down during the call

    # -- checks at the end --------------------------------------------------------------------------

    async def clips_end(self, *, within_s: float = LIMIT_S) -> None:
        """Every clip of an ended play is cut or has a reason."""
        with trio.move_on_after(within_s):
            while await self._unfinished():  # noqa: ASYNC110  # polled from another process
                await trio.sleep(0.05)
            return
        self.violations.append(f"{await self._unfinished()} clips were not finished within {within_s} s")

    async def tablets_hear(self, *, within_s: float = LIMIT_S) -> None:
        """Every tablet has received every event by now, otherwise a violation."""
        head = (await self.say("GET", "/snapshot"))["as_of_seq"]
        with trio.move_on_after(within_s):
            # received by another task
            while any(each.latest < head for each in self.tablets):  # noqa: ASYNC110
                await trio.sleep(0.01)
            return
        self.violations.append(f"tablets are at {[each.latest for each in self.tablets]} of {head}")

    async def _unfinished(self) -> int:
        count = 0
        for status in ("pending", "processing"):
            actual = await self.say("GET", f"/clips?status={status}&limit=1000")
            count += sum(clip["duration"] > 0 for clip in actual["items"])
        return count


@asynccontextmanager
async def playing(folder: Path, rnd: Random, *, coaches: int = 3) -> AsyncIterator[Game]:
    """A box that serves a game with all clients at work. Everything is removed at the end."""
    box = Box(folder, {"channels": [{"id": channel, "liveness": "heartbeat"} for channel in CHANNELS]})
    game = Game(box, rnd)
    footage = make_footage(frames=60, fps=Fraction(30), gop=30, b_frames=0, sound=False)
    try:
        async with trio.open_nursery() as nursery:
            for channel in CHANNELS:
                writer = RecordingWriter(box.recordings / channel, footage, wall_us())
                nursery.start_soon(_film, writer)
            await game.start()
            await game.begin()
            for _ in range(2):
                nursery.start_soon(game.follow)
            for _ in range(coaches):
                nursery.start_soon(game.coach)
            for channel in CHANNELS:
                nursery.start_soon(game.device, channel)
            yield game
            game.is_over = True
            nursery.cancel_scope.cancel()
    finally:
        box.process.kill_everything()


async def _film(writer: RecordingWriter) -> None:
    await writer.run_live(wall_us, until_us=wall_us() + HOUR_US)


def add_up(game: Game, tally: Tally) -> None:
    """Take over the game's findings."""
    tally.violations += game.violations
    game.violations = []
    for item in game.tablets:
        tally.violations += item.faults()
