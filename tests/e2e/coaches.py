"""Clients working on a box that is killed meanwhile: everything acknowledged is recorded here.

Every request has an id; one without an answer is repeated unchanged when the box is back. What was
acknowledged must still be true at the end.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

import httpx
import trio

from appliance.kernel.signal import Signal
from tests.kit.running import Box, Event, tablet
from tests.kit.waiting import PLAIN

Resource = dict[str, Any]


@dataclass
class World:
    """A box that is restarted, and the answers it gave."""

    box: Box
    session_id: str = ""
    acked: dict[str, Resource] = field(default_factory=dict)  # path -> the newest answer about it
    deleted: set[str] = field(default_factory=set)
    answers: int = 0
    repeats: int = 0  # requests whose first answer was lost
    changed: Signal = field(default_factory=Signal)
    is_up: trio.Event = field(default_factory=trio.Event)
    is_over: bool = False
    client: httpx.AsyncClient = field(default_factory=lambda: httpx.AsyncClient(**PLAIN))

    async def answered(self, count: int) -> None:
        """Until this many answers have arrived in total."""
        while self.answers < count:
            await self.changed.wait_past(self.changed.count)

    async def say(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Resource:
        """One request until it is answered; the same key each time."""
        key = uuid.uuid4().hex
        while True:
            await self.is_up.wait()
            try:
                headers = {"Idempotency-Key": key}
                answer = await self.client.request(method, self.box.url + path, json=body, headers=headers)
            except httpx.TransportError:
                self.repeats += 1
                await trio.sleep(0.02)  # the test may not know yet that the box is down
                continue
            assert answer.status_code in (200, 201), f"{method} {path}: {answer.text}"
            self.answers += 1
            self.changed.notify()
            resource: Resource = answer.json()
            return resource

    def keep(self, kind: str, resource: Resource) -> Resource:
        """Store the newest answer about a resource."""
        path = f"/{kind}/{resource['id']}"
        if resource["rev"] >= self.acked.get(path, {"rev": 0})["rev"]:
            self.acked[path] = resource
        return resource


async def mark_clips(world: World, dice: Random) -> None:
    """A coach on one camera: IN, tag, OUT, star."""
    while not world.is_over:
        of_ext = {"id": str(uuid.UUID(int=dice.getrandbits(128), version=4)), "channel_id": "ext"}
        clip = world.keep(
            "clips", await world.say("POST", "/clips", {**of_ext, "session_id": world.session_id})
        )
        tag = {"clip_id": clip["id"], "down": dice.randint(1, 4), "play_type": dice.choice(["Run", "Pass"])}
        world.keep("tags", await world.say("POST", "/tags", tag))
        await trio.sleep(dice.uniform(0.05, 0.25))
        world.keep("clips", await world.say("POST", f"/clips/{clip['id']}/end"))
        if dice.random() < 0.3:
            world.keep("clips", await world.say("POST", f"/clips/{clip['id']}/favorite"))


async def mark_plays(world: World, dice: Random) -> None:
    """An operator on all cameras: NEW PLAY, CUE, END PLAY, sometimes undo."""
    while not world.is_over:
        play = world.keep("plays", await world.say("POST", "/plays", {"session_id": world.session_id}))
        world.keep("plays", await world.say("POST", f"/plays/{play['id']}/cue"))
        await trio.sleep(dice.uniform(0.05, 0.2))
        world.keep("plays", await world.say("POST", f"/plays/{play['id']}/end"))
        if dice.random() < 0.25:
            await world.say("DELETE", f"/plays/{play['id']}")
            path = f"/plays/{play['id']}"
            world.deleted.add(path)
            del world.acked[path]


async def send_heartbeats(world: World) -> None:
    """The capture device of `ext`."""
    while not world.is_over:
        answer = await world.say("POST", "/channels/ext/heartbeat", {"ok": True})
        assert answer["status"] == "active"
        await trio.sleep(0.1)


@dataclass
class Follower:
    """A tablet that reconnects with its last seq whenever the box is up."""

    world: World
    events: list[Event] = field(default_factory=list)
    first_seq: int = 0
    epoch: str = ""
    comebacks: int = 0
    changed: Signal = field(default_factory=Signal)

    async def follow(self) -> None:
        while not self.world.is_over:
            await self.world.is_up.wait()
            since = {"since": self.seq, "epoch": self.epoch} if self.epoch else {}
            try:
                async with tablet(self.world.box, **since) as device:
                    self._greeted(device.connected)
                    await device.until_over()
                    self.events += device.events
                    self.changed.notify()
            except* (OSError, trio.BrokenResourceError):  # it was killed before it could answer
                pass
            await trio.sleep(0.02)

    @property
    def seq(self) -> int:
        return self.events[-1]["seq"] if self.events else self.first_seq - 1

    def _greeted(self, connected: Event) -> None:
        if self.epoch:
            assert connected["recovered"] is True and connected["epoch"] == self.epoch
            self.comebacks += 1
        else:
            self.epoch, self.first_seq = connected["epoch"], connected["head"] + 1
