"""A session with clips, inserted directly into the tables, and the tag routes on top."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from appliance.box.tags.http import tag_routes
from appliance.box.tags.settings import TaggingSettings
from appliance.http.api import Ctx
from appliance.kernel import json
from appliance.kernel.ids import new_uuid
from appliance.kernel.operation import Answer, Caller
from appliance.kernel.store import Store
from appliance.kernel.tx import Tx
from tests.kit.box import add_channel, add_session

ROUTES = tag_routes(TaggingSettings())


def add_play(tx: Tx, session_id: str, number: int, *, favorite: bool = False) -> str:
    play_id = new_uuid()
    common = {"request_hash": "", "created_by": "test", "created_us": tx.now_us, "updated_us": tx.now_us}
    tx.insert(
        "plays",
        {
            "id": play_id,
            "session_id": session_id,
            "number": number,
            "start_us": tx.now_us,
            "duration_us": 1_000_000,
            "is_favorite": int(favorite),
            **common,
        },
    )
    return play_id


def add_clip(tx: Tx, session_id: str, play_id: str | None = None) -> str:
    clip_id = new_uuid()
    tx.insert(
        "clips",
        {
            "id": clip_id,
            "session_id": session_id,
            "channel_id": "cam1",
            "play_id": play_id,
            "start_us": tx.now_us,
            "duration_us": 2_000_000,
            "latency_ms": 0,
            "mode": "instant",
            "status": "ready",
            "request_hash": "",
            "created_by": "test",
            "created_us": tx.now_us,
            "updated_us": tx.now_us,
        },
    )
    return clip_id


@dataclass
class Game:
    """A session, one play on two cameras, and one clip marked alone."""

    store: Store
    session_id: str
    play_id: str
    side: str
    end: str
    alone: str

    async def call(self, method: str, path: str, *, caller: Caller | None = None, **arguments: Any) -> Answer:
        [route] = [each for each in ROUTES.routes if (each.method, each.path) == (method, path)]
        for key, model in (("body", route.body), ("query", route.query)):
            if model is not None:
                arguments[key] = model.model_validate(arguments.get(key, {}))
        ctx = Ctx(self.store, self.store.clock, caller or Caller(device="analyst"))
        return await route.handler(ctx, **arguments)

    async def tag(self, clip_id: str, **fields: Any) -> dict[str, Any]:
        answer = await self.call("POST", "/tags", body={"clip_id": clip_id, **fields})
        assert answer.status == 201
        return dict(answer.resource)

    async def stats(self) -> dict[str, Any]:
        answer = await self.call("GET", "/sessions/{session_id}/stats", session_id=self.session_id)
        return dict(answer.resource)

    def events(self, since: int = 0) -> list[dict[str, Any]]:
        return [json.decode(entry.event) for entry in self.store.journal.recent(since, 10_000) or []]


async def new_game(store: Store) -> Game:
    def rows(tx: Tx) -> Game:
        add_channel(tx, "cam1")
        session_id = add_session(tx)
        play_id = add_play(tx, session_id, 1)
        side, end = add_clip(tx, session_id, play_id), add_clip(tx, session_id, play_id)
        return Game(store, session_id, play_id, side, end, add_clip(tx, session_id))

    return await store.write(rows)
