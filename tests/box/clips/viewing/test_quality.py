"""POST /clips/{id}/probe: the real content of a clip, decoded by a real worker."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trio

from appliance.box.clips.files.delivery import ClipDelivery
from appliance.box.clips.model import ClipIn
from appliance.box.clips.records import cut_states as cuts
from appliance.box.clips.records import marks
from appliance.box.clips.viewing.quality import quality_routes
from appliance.box.wiring.media import PoolJobs
from appliance.kernel.store import open_store
from appliance.kernel.tx import Tx
from appliance.media.cut.plan import Plan, make_plan
from appliance.server.app import make_app
from appliance.server.box_routes import Hooks, Site
from tests.box.clips.test_exports_real import first_key_us, pool_of
from tests.kit.box import COACH, add_channel, add_session, mark_rules
from tests.kit.client import Client, Reply
from tests.kit.clock import HandClock
from tests.kit.hand_footage import HandFootage
from tests.media.test_plan_real import recordings_of

pytestmark = pytest.mark.slow  # each starts a worker process


class Copied(HandFootage):
    """Recordings that a test may modify."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    def open_fd(self, name: str) -> int:
        return os.open(self.folder / name, os.O_RDONLY)


@dataclass
class Desk:
    client: Client
    clip_id: str
    ghost_id: str
    plan: Plan
    folder: Path

    async def probe(self) -> Reply:
        return await self.client.post(f"/clips/{self.clip_id}/probe")

    def damage(self) -> None:
        """Overwrites the middle of the clip's bytes with zeros."""
        piece = max(self.plan.ranges, key=lambda each: each.length)
        with (self.folder / piece.name).open("r+b") as file:
            file.seek(piece.offset + piece.length // 2)
            file.write(bytes(piece.length // 3))


def fill(tx: Tx, plan: Plan) -> tuple[str, str]:
    """A ready clip of the plan, and a ghost."""
    add_channel(tx, "cam1")
    session_id = add_session(tx)
    body: dict[str, Any] = {"session_id": session_id, "channel_id": "cam1"}
    clip = marks.create_clip(
        tx, COACH, mark_rules(), ClipIn.model_validate({**body, "duration_seconds": 1.2})
    ).resource
    job = cuts.claim(tx, cuts.waiting_jobs(tx)[0])
    assert job is not None and cuts.finish(tx, job, plan)
    ghost = marks.create_clip(tx, COACH, mark_rules(), ClipIn.model_validate(body)).resource
    return clip["id"], ghost["id"]


@asynccontextmanager
async def probing(tmp_path: Path) -> AsyncIterator[Desk]:
    recordings = recordings_of("normal_5seg_bframes_aac")
    start_us = first_key_us(recordings) + 130_000
    plan = make_plan(
        recordings.views, recordings.open_fd, start_us=start_us, end_us=start_us + 1_200_000, latency_us=0
    )
    folder = tmp_path / "recordings"
    shutil.copytree(recordings.folder, folder)
    recordings.close()
    async with pool_of(1) as pool, open_store(tmp_path / "box.db", HandClock()) as store:
        clip_id, ghost_id = await store.write(lambda tx: fill(tx, plan))
        delivery = ClipDelivery(Copied(folder), tmp_path / "clips", trio.CapacityLimiter(1))
        app = make_app(
            [quality_routes(PoolJobs(pool), delivery)],
            store=store,
            clock=store.clock,
            site=Site(),
            hooks=Hooks(ready=dict, metrics=bytes, snapshot=lambda tx, give_way: {}),
        )
        yield Desk(Client(app), clip_id, ghost_id, plan, folder)


async def test_a_whole_clip_holds_what_was_planned(tmp_path: Path) -> None:
    async with probing(tmp_path) as desk:
        reply = await desk.probe()
        assert reply.status == 200, reply.body
        result = reply.json
        assert (result["ok"], result["decode_errors"], result["read_error"]) == (True, 0, None)
        assert result["frames"] == result["frames_expected"] == desk.plan.frames > 20
        assert result["hidden_frames"] > 0, "an instant clip begins at its key"
        assert result["duration_s"] == pytest.approx(desk.plan.duration_s, abs=0.001)
        assert (result["width"], result["height"], result["codec"]) == (
            desk.plan.width,
            desk.plan.height,
            "h264",
        )
        assert (result["sounds"], result["black_share"], result["media_rev"]) == (1, 0, 1)
        assert len(result["gaps"]) == len(desk.plan.missing)


async def test_damage_shows(tmp_path: Path) -> None:
    async with probing(tmp_path) as desk:
        desk.damage()
        actual = (await desk.probe()).json
        assert actual["ok"] is False
        assert actual["decode_errors"] > 0 or actual["frames"] < actual["frames_expected"]


async def test_only_what_plays_can_be_probed(tmp_path: Path) -> None:
    async with probing(tmp_path) as desk:
        ghost = await desk.client.post(f"/clips/{desk.ghost_id}/probe")
        assert (ghost.status, ghost.json["code"]) == (409, "not_ready")
        for name in {each.name for each in desk.plan.ranges}:
            (desk.folder / name).unlink()
        gone = await desk.probe()
        assert (gone.status, gone.json["code"]) == (409, "footage_gone")
