"""What the other domains do when a session is completed, deleted or restored comes from their records."""

from __future__ import annotations

from pathlib import Path

from appliance.box.clips.model import PlayIn
from appliance.box.clips.records import plays
from appliance.box.sessions.domain import DOMAIN
from appliance.box.sessions.machine import SessionEvent
from appliance.box.sessions.store import move_session
from appliance.box.settings import check_settings
from appliance.box.snapshot import snapshot
from appliance.server.app import make_app
from appliance.server.box_routes import Hooks, Site
from tests.kit.box import COACH, add_channel, add_session, mark_rules, sim_store
from tests.kit.client import Client
from tests.kit.clock import HandClock


async def test_plays_and_clips_follow_their_session(tmp_path: Path) -> None:
    clock, hooks = HandClock(), Hooks(dict, lambda: b"", lambda tx, give_way: {})
    async with sim_store(tmp_path, clock) as store:
        routes = DOMAIN.routes(check_settings({}))
        app = make_app(routes, store=store, clock=clock, site=Site(), hooks=hooks, static_dir=None)
        client = Client(app, device="coach")
        await store.write(lambda tx: add_channel(tx, "cam1"))
        session = f"/sessions/{(session_id := await store.write(add_session))}"
        start = SessionEvent.START
        await store.write(lambda tx: move_session(tx, COACH, session_id, start, lambda tx, session_id: None))
        body = PlayIn(session_id=session_id)
        await store.write(lambda tx: plays.create_play(tx, COACH, mark_rules(), body))
        clock.advance(10)
        completed = await client.post(f"{session}/complete")
        assert (completed.status, completed.json["status"]) == (200, "completed")
        after = await store.read(snapshot)
        assert [each["duration"] for each in (*after["plays"], *after["clips"])] == [10.0, 10.0]
        assert (await client.delete(session)).status == 200
        after = await store.read(snapshot)
        assert [after[table] for table in ("sessions", "plays", "clips")] == [[], [], []]
        restored = (await client.post(f"{session}/restore")).json
        counters = ("play_count", "clip_count", "total_duration_seconds")
        assert [restored[name] for name in counters] == [1, 1, 10.0]
