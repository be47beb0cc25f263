"""A busy game against a store: the product's own closures, in a seeded order, and the acknowledgements.

Every answer is stored with its revision. After a fault, `missing` compares the acknowledged set with the
rows: a row may be newer than the newest answer (committed, not yet answered), never older.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from appliance.box.clips.model import ClipIn, ClipPatch, CueIn, EndIn, PlayIn, PlayPatch
from appliance.box.clips.records import marks, plays
from appliance.box.clips.records.marks import MarkRules, mark_rules
from appliance.box.sessions.machine import SessionEvent
from appliance.box.sessions.model import SessionIn
from appliance.box.sessions.store import create_session, move_session
from appliance.box.settings import check_settings
from appliance.kernel.errors import Refused
from appliance.kernel.ids import new_uuid
from appliance.kernel.operation import Answer, Caller, fingerprint, perform
from appliance.kernel.store import Store
from appliance.kernel.tx import ReadTx, Tx
from tests.kit.box import add_channel

TABLES = {"session": "sessions", "play": "plays", "clip": "clips"}


def product_rules() -> MarkRules:
    """The rules as the daemon creates them."""
    return mark_rules(check_settings({}))


@dataclass(frozen=True)
class Acknowledged:
    """One answer: the resource had this revision; 0: it was deleted."""

    kind: str
    id: str
    rev: int


@dataclass
class Work:
    """One group of clients: `step` is one press of a button.

    `on_acknowledged` gets the number of each answer.
    """

    store: Store
    rnd: Random
    on_acknowledged: Callable[[int], None] = lambda number: None
    rules: MarkRules = field(default_factory=product_rules)
    acknowledged: list[Acknowledged] = field(default_factory=list)
    refused: int = 0
    live: dict[str, list[str]] = field(default_factory=lambda: {kind: [] for kind in TABLES})
    names: int = 0

    async def open(self, cameras: int = 2) -> None:
        """Channels and a running session."""

        def channels(tx: Tx) -> None:
            for number in range(cameras):
                add_channel(tx, f"cam{number + 1}")

        await self.store.write(channels)
        await self.session()
        await self.do("session", self._mover(self.live["session"][0], SessionEvent.START))

    async def do(self, kind: str, closure: Callable[[Tx], Answer], *, body: object = None) -> Answer | None:
        """One command with a key of its own; a refusal is an answer that changes nothing."""
        self.names += 1
        caller = Caller("coach", f"key-{id(self)}-{self.names}", fingerprint(repr(body)))
        try:
            answer = await perform(self.store, caller, closure)
        except Refused:
            self.refused += 1
            return None
        self._keep(kind, answer.resource)
        return answer

    def _keep(self, kind: str, resource: Any) -> None:
        deleted = bool(resource.get("deleted"))
        self.acknowledged.append(Acknowledged(kind, resource["id"], 0 if deleted else resource["rev"]))
        if resource["id"] not in self.live[kind] and not deleted:
            self.live[kind].append(resource["id"])
        if deleted:
            self.live[kind].remove(resource["id"])
        for clip_id in resource.get("clip_ids", ()):
            if clip_id not in self.live["clip"]:
                self.live["clip"].append(clip_id)
        self.on_acknowledged(len(self.acknowledged) - 1)

    async def step(self) -> None:
        """One random action."""
        doing = self.rnd.choices(_DOING, _WEIGHTS)[0]
        await doing(self)

    # -- actions of clients ---------------------------------------------------------------------------------

    async def session(self) -> None:
        body = SessionIn(name=f"Game {self.names}", type="game", id=new_uuid(), channel_ids=None)
        await self.do("session", lambda tx: create_session(tx, _COACH, body))

    async def move(self) -> None:
        chosen = self.rnd.choice(self.live["session"])
        await self.do("session", self._mover(chosen, self.rnd.choice(list(SessionEvent))))

    def _mover(self, session_id: str, event: SessionEvent) -> Callable[[Tx], Answer]:
        def ended(tx: Tx, completed: str) -> None:
            plays.close_session_ghosts(tx, self.rules, completed)

        return lambda tx: move_session(tx, _COACH, session_id, event, ended)

    async def play(self) -> None:
        length = self.rnd.choice((0.0, 8.0))
        body = PlayIn(
            session_id=self.rnd.choice(self.live["session"]), duration_seconds=length, id=new_uuid()
        )
        await self.do("play", lambda tx: plays.create_play(tx, _COACH, self.rules, body))

    async def end_play(self) -> None:
        if self.live["play"]:
            chosen = self.rnd.choice(self.live["play"][-5:])
            await self.do("play", lambda tx: plays.end_play(tx, _COACH, self.rules, chosen, EndIn()))

    async def cue(self) -> None:
        if self.live["play"]:
            chosen = self.rnd.choice(self.live["play"])
            await self.do("play", lambda tx: plays.cue_play(tx, _COACH, chosen, CueIn()))

    async def clip(self) -> None:
        session_id = self.rnd.choice(self.live["session"])
        body = ClipIn(session_id=session_id, channel_id="cam1", duration_seconds=5.0, id=new_uuid())
        await self.do("clip", lambda tx: marks.create_clip(tx, _COACH, self.rules, body))

    async def star(self) -> None:
        if self.live["clip"]:
            chosen, on = self.rnd.choice(self.live["clip"]), self.rnd.random() < 0.7
            await self.do("clip", lambda tx: marks.star_clip(tx, _COACH, chosen, on))

    async def name_clip(self) -> None:
        if self.live["clip"]:
            chosen, body = self.rnd.choice(self.live["clip"]), ClipPatch(title=self._title())
            await self.do("clip", lambda tx: marks.change_clip(tx, _COACH, self.rules, chosen, body))

    async def name_play(self) -> None:
        if self.live["play"]:
            chosen, body = self.rnd.choice(self.live["play"]), PlayPatch(title=self._title())
            await self.do("play", lambda tx: plays.change_play(tx, _COACH, self.rules, chosen, body))

    def _title(self) -> str:
        return "n" * self.rnd.randint(1, 200)

    async def undo_play(self) -> None:
        if self.live["play"]:
            chosen = self.rnd.choice(self.live["play"])
            await self.do("play", lambda tx: plays.delete_play(tx, _COACH, self.rules, chosen))


_COACH = Caller("coach")
_DOING = (
    Work.play,
    Work.end_play,
    Work.cue,
    Work.clip,
    Work.star,
    Work.name_clip,
    Work.name_play,
    Work.undo_play,
    Work.move,
    Work.session,
)
_WEIGHTS = (8, 8, 4, 6, 6, 10, 8, 1, 3, 1)


def missing(tx: ReadTx, acknowledged: list[Acknowledged]) -> list[str]:
    """Answers that are missing in the rows."""
    gone: list[str] = []
    for answer in acknowledged:
        sql = f"SELECT rev, deleted_us FROM {TABLES[answer.kind]} WHERE id = ?"
        row = tx.one(sql, (answer.id,))
        if row is None:
            gone.append(f"{answer.kind} {answer.id} is not there")
        elif answer.rev == 0 and row["deleted_us"] is None:
            gone.append(f"{answer.kind} {answer.id} is not deleted")
        elif row["rev"] < answer.rev:
            gone.append(f"{answer.kind} {answer.id} has rev {row['rev']}, acknowledged {answer.rev}")
    return gone
