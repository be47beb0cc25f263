"""An export consists of its file: served from it, made again when it is missing, but not without the disk."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import trio

from appliance.box.clips.files.clips_disk import ClipsDisk
from appliance.box.clips.files.delivery import ClipDelivery, media_routes
from appliance.box.clips.housekeeping.actor import run_clip_files
from appliance.box.clips.model import ClipIn
from appliance.box.clips.records import cut_states as cuts
from appliance.box.clips.records import marks
from appliance.http.api import Routes
from appliance.kernel.store import Store, open_store
from appliance.kernel.tx import Row, Tx
from appliance.server.app import make_app
from appliance.server.box_routes import Hooks, Site
from tests.kit.box import COACH, add_channel, add_session, mark_rules, sim_store
from tests.kit.client import Client
from tests.kit.clock import HandClock
from tests.kit.hand_footage import HandFootage, plan_of

FILM = b"encoded anew"


async def make_export(store: Store, clips_dir: Path) -> Row:
    """A ready export with its file; returns its row."""

    def change(tx: Tx) -> str:
        add_channel(tx, "cam1")
        body = ClipIn(session_id=add_session(tx), channel_id="cam1", duration_seconds=5.0, mode="exact")
        clip = marks.create_clip(tx, COACH, mark_rules(), body).resource
        job = cuts.claim(tx, cuts.waiting_jobs(tx)[0])
        assert job is not None
        made = replace(plan_of(job.start_us, job.end_us, job.end_us), header=b"", ranges=(), size=len(FILM))
        assert cuts.finish(tx, job, made, f"{clip['session_id']}/{clip['id']}-m1.mp4")
        return str(clip["id"])

    clip_id = await store.write(change)
    row = await read(store, clip_id)
    path = clips_dir / row["file_path"]
    path.parent.mkdir(parents=True)
    path.write_bytes(FILM)
    return row


async def read(store: Store, clip_id: str) -> Row:
    row = await store.read(lambda tx: tx.one("SELECT * FROM clips WHERE id = ?", (clip_id,)))
    assert row is not None
    return row


async def start_files(store: Store, clips_dir: Path) -> None:
    """The part of a start that concerns clips."""
    async with trio.open_nursery() as nursery:
        await nursery.start(
            lambda task_status: run_clip_files(
                store=store, footage=HandFootage(), clips_dir=clips_dir, task_status=task_status
            )
        )
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("damage", ["none", "gone", "short"])
async def test_a_start_makes_again_what_has_lost_its_file_and_nothing_else(
    tmp_path: Path, damage: str
) -> None:
    clips = tmp_path / "clips"
    async with sim_store(tmp_path, HandClock()) as store:
        row = await make_export(store, clips)
        path = clips / row["file_path"]
        if damage == "gone":
            path.unlink()
        elif damage == "short":
            path.write_bytes(FILM[:3])
        await start_files(store, clips)
        after = await read(store, row["id"])
        wanted = ("ready", 1, 1) if damage == "none" else ("pending", 2, None)
        assert (after["status"], after["media_rev"], after["ready_media_rev"]) == wanted


async def test_a_disk_that_is_away_has_lost_nothing(tmp_path: Path) -> None:
    clips = tmp_path / "clips"
    async with sim_store(tmp_path, HandClock()) as store:
        row = await make_export(store, clips)
        shutil.rmtree(clips)
        await start_files(store, clips)
        assert (await read(store, row["id"]))["status"] == "ready"
        shutil.rmtree(clips)


@asynccontextmanager
async def serving(tmp_path: Path) -> AsyncIterator[tuple[Client, Store, Row]]:
    clips = tmp_path / "clips"
    async with open_store(tmp_path / "box.db", HandClock()) as store:
        row = await make_export(store, clips)
        delivery = ClipDelivery(HandFootage(), clips, trio.CapacityLimiter(1), disk=ClipsDisk(is_known=True))
        raw = media_routes(store=store, delivery=delivery)
        hooks = Hooks(ready=dict, metrics=bytes, snapshot=lambda tx, give_way: {})
        app = make_app([Routes("media", raw=raw)], store=store, clock=store.clock, site=Site(), hooks=hooks)
        yield Client(app), store, row


async def test_the_file_is_served_and_ranges_of_it(tmp_path: Path) -> None:
    async with serving(tmp_path) as (client, _, row):
        url = f"/clips/{row['id']}/m1/cam1.mp4"
        assert (await client.get(url)).body == FILM
        part = await client.get(url, headers={"range": "bytes=2-4"})
        assert (part.status, part.body) == (206, FILM[2:5])


async def test_asking_for_a_file_that_is_gone_has_it_made_again(tmp_path: Path) -> None:
    async with serving(tmp_path) as (client, store, row):
        (tmp_path / "clips" / row["file_path"]).unlink()
        reply = await client.get(f"/clips/{row['id']}/m1/cam1.mp4")
        assert (reply.status, reply.json["code"]) == (409, "footage_gone")
        after = await read(store, row["id"])
        assert (after["status"], after["media_rev"], after["ready_media_rev"]) == ("pending", 2, None)


async def test_while_the_disk_is_away_the_answer_is_to_come_back(tmp_path: Path) -> None:
    async with serving(tmp_path) as (client, store, row):
        shutil.rmtree(tmp_path / "clips")
        reply = await client.get(f"/clips/{row['id']}/stream")
        assert (reply.status, reply.json["code"]) == (503, "clips_disk")
        assert (await read(store, row["id"]))["status"] == "ready"
