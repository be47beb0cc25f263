"""All kinds of clients at once for as long as requested, and the daemon's memory meanwhile.

A round is a minute. Coaches delete their older plays, so that the data stay as many as those of a game:
further growth is the daemon's own. It first fills its bounded structures (the newest journal entries, part
lists of 15 minutes), so the rest is compared with the first quarter of an hour.
"""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import httpx
import trio
from trio_websocket import ConnectionClosed, HandshakeError, wrap_client_stream

from tests.faults.game import CHANNELS, Game, add_up, playing
from tests.faults.tally import Tally
from tests.kit.running import tablet

ROUND_S = 60.0
FILLS_ROUNDS = 15
FLAT = 1.10  # of the memory when they were full
KEEP_PLAYS = 20  # of each coach
LOST = (OSError, AssertionError, httpx.TransportError, ConnectionClosed, HandshakeError, BaseExceptionGroup)


@dataclass
class Mixed:
    """The loads on one box. `done` counts answers."""

    game: Game
    rnd: Random
    done: int = 0
    wrong: list[str] = field(default_factory=list)
    clips: list[dict[str, Any]] = field(default_factory=list)  # the newest playable ones

    async def for_ever(self, work: Callable[[httpx.AsyncClient, str], Awaitable[None]], name: str) -> None:
        async with httpx.AsyncClient(
            base_url=self.game.box.url, timeout=30, trust_env=False, headers={"X-Client": name}
        ) as client:
            while True:
                await work(client, name)
                self.done += 1

    async def ask(self, client: httpx.AsyncClient, method: str, path: str, **options: Any) -> httpx.Response:
        answer = await client.request(method, path, **options)
        if answer.status_code >= 400 and answer.status_code not in (404, 409, 410, 416, 503):
            self.wrong.append(f"{method} {path}: {answer.status_code} {answer.text[:200]}")
        return answer

    async def coach(self, client: httpx.AsyncClient, name: str) -> None:
        """Plays with tags and trims; all but the last are deleted again."""
        own: list[str] = []
        for _ in range(3 * KEEP_PLAYS):
            mark = {"id": str(uuid.uuid4()), "session_id": self.game.session_id}
            await self.ask(client, "POST", "/plays", json=mark)
            own.append(mark["id"])
            await trio.sleep(self.rnd.uniform(0.3, 1.5))
            await self.ask(client, "POST", f"/plays/{mark['id']}/end")
            await trio.sleep(0.3)
            play = (await self.ask(client, "GET", f"/plays/{mark['id']}?include=clips")).json()
            for clip in play["clips"]:
                await self.ask(client, "POST", "/tags", json={"clip_id": clip["id"], "down": 3})
            self.clips = [*self.clips, *(clip for clip in play["clips"] if clip["stream_url"])][-40:]
            if self.rnd.random() < 0.3:
                await self.ask(client, "PATCH", f"/plays/{mark['id']}", json={"duration_seconds": 0.3})
            if len(own) > KEEP_PLAYS:
                await self.ask(client, "DELETE", f"/plays/{own.pop(0)}")
            self.done += 1
        for play_id in own:
            await self.ask(client, "DELETE", f"/plays/{play_id}")

    async def viewer(self, client: httpx.AsyncClient, name: str) -> None:
        """Complete clips, parts of them, thumbnails, replays."""
        await trio.sleep(self.rnd.uniform(0, 0.4))
        channel = self.rnd.choice(CHANNELS)
        await self.ask(client, "GET", f"/channels/{channel}/replay.mp4", follow_redirects=True)
        await self.ask(client, "GET", f"/channels/{channel}/frame.jpg")
        for clip in self.rnd.sample(self.clips, min(3, len(self.clips))):
            await self.ask(client, "GET", clip["stream_url"])
            first = self.rnd.randint(0, 9000)
            part = {"Range": f"bytes={first}-{first + 5000}"}
            await self.ask(client, "GET", clip["stream_url"], headers=part)
            await self.ask(client, "GET", clip["thumbnail_url"])

    async def lists(self, client: httpx.AsyncClient, name: str) -> None:
        await trio.sleep(self.rnd.uniform(0, 0.5))
        session = f"/sessions/{self.game.session_id}"
        paths = (
            "/snapshot",
            f"{session}/plays?include=clips",
            f"{session}/stats",
            "/readyz",
            "/metrics",
            "/",
        )
        for path in (*paths, *(f"/channels/{channel}/timeline" for channel in CHANNELS)):
            await self.ask(client, "GET", path)

    async def comer(self, client: httpx.AsyncClient, name: str) -> None:
        """A tablet that connects and disconnects."""
        async with tablet(self.game.box, client=name) as link:
            with trio.move_on_after(self.rnd.uniform(0.2, 8)):
                await link.until_over()

    async def live(self, client: httpx.AsyncClient, name: str) -> None:
        box = self.game.box.url.removeprefix("http://")
        host, _, port = box.rpartition(":")
        path = f"/channels/{self.rnd.choice(CHANNELS)}/live"
        # The library leaves the socket open when it is cancelled during the handshake.
        async with await trio.open_tcp_stream(host, int(port)) as stream, trio.open_nursery() as nursery:
            link = await wrap_client_stream(nursery, stream, box, path)
            with trio.move_on_after(self.rnd.uniform(0.2, 8)):
                while True:
                    await link.get_message()
            nursery.cancel_scope.cancel()

    async def keeps(self, work: Callable[[httpx.AsyncClient, str], Awaitable[None]], name: str) -> None:
        """Reconnect after a loss: the load continues."""
        while True:
            try:
                await self.for_ever(work, name)
            except LOST:
                await trio.sleep(0.2)


def rss_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096


async def mixed_load(rounds: int, seed: int, folder: Path, round_s: float = ROUND_S) -> Tally:
    """`rounds` minutes; the same process all the time, and constant memory once it is filled."""
    tally, rnd = Tally(), Random(seed)
    async with playing(folder, rnd, coaches=0) as game, trio.open_nursery() as nursery:
        mixed, pid = Mixed(game, rnd), game.box.process.pid
        works = (mixed.coach, mixed.coach, mixed.viewer, mixed.viewer, mixed.lists, mixed.comer, mixed.live)
        for number, work in enumerate((*works, mixed.comer, mixed.comer, mixed.live)):
            nursery.start_soon(mixed.keeps, work, f"device-{number}")
        filled = 0
        for number in range(rounds):
            await trio.sleep(round_s)
            tally.rounds += 1
            used = rss_bytes(pid)
            print(f"minute {number + 1}: {used / 1e6:.0f} MB, {mixed.done} done", flush=True)
            if number < FILLS_ROUNDS:
                filled = max(filled, used)
            else:
                tally.check(used <= filled * FLAT, f"{used / 1e6:.0f} MB, {filled / 1e6:.0f} when filled")
        tally.acknowledged = mixed.done
        tally.violations += mixed.wrong[:20]
        tally.check(game.box.process.pid == pid, "the box was started again")
        nursery.cancel_scope.cancel()
        add_up(game, tally)
    return tally
