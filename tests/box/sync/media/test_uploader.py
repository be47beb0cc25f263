"""A real recording goes to a real cloud, over a line that a test cuts: what arrives is the planned file."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from appliance.box.sync.media import store as rows
from appliance.box.sync.media.content import Content
from appliance.box.sync.media.health import add_media_figures, media_part
from appliance.box.sync.media.model import MediaUploadIn, MediaUploadsQuery
from appliance.box.sync.media.pins import KEY_US
from appliance.box.sync.media.store import Keeping
from appliance.box.sync.media.uploader import Sender, run_media
from appliance.cloud.uploads.actor import join_due
from appliance.domain import footage_wanted
from appliance.kernel.clock import DAY_US
from appliance.kernel.errors import Refused, Unavailable
from appliance.kernel.tx import Tx
from appliance.ops.metrics import Metrics
from tests.box.clips.cutting.test_planner import OneFile
from tests.box.datasets.on_box.test_footage import add_clip, add_plan
from tests.box.sync.up.linked import Linked, linked
from tests.kit.box import add_channel, add_session
from tests.kit.waiting import LIMIT_S
from tests.ops.test_metrics import figure

SESSION = "019307a0-0000-7000-8000-00000000dead"
KEEPING = Keeping("", 21 * DAY_US)
PIECE = 65_536


@dataclass
class Rig:
    line: Linked
    footage: OneFile
    folder: Path
    is_always: bool = False
    sender: Sender = field(init=False)

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """As the box's program is started again."""
        content = Content(self.footage, self.folder, trio.CapacityLimiter(1))
        self.sender = Sender(self.line.store, self.line.client, content, KEEPING, is_always=self.is_always)
        self.sender._piece = PIECE

    async def add(self, **fields: Any) -> str:
        """A completed session of two seconds of the recording; its id."""
        start_us = self.footage.first_us

        def add(tx: Tx) -> str:
            if tx.value("SELECT 1 FROM channels WHERE id = 'cam1'") is None:
                add_channel(tx, "cam1")
            session_id = add_session(tx, "Final")
            span = {"actual_start_us": start_us, "actual_end_us": start_us + 2_000_000}
            tx.update("sessions", session_id, {"status": "completed", **span, **fields})
            return session_id

        return await self.line.store.write(add)

    async def ask(self, **body: Any) -> dict[str, Any]:
        asking = partial(rows.ask, keeping=KEEPING, body=MediaUploadIn(**body))
        return dict((await self.line.store.write(asking)).resource)

    async def shown(self) -> dict[str, Any]:
        listing = partial(rows.list_media, query=MediaUploadsQuery())
        (resource,) = (await self.line.store.read(listing))["items"]
        return dict(resource)

    async def until(self, state: str, steps: int = 60) -> dict[str, Any]:
        """Step, whatever the line does, until the file has this state."""
        for _ in range(steps):
            try:
                await self.sender.step()
            except (Refused, Unavailable):
                pass
            await join_due(self.line.cloud.store, self.line.cloud.services.objects, "p")
            if (shown := await self.shown())["state"] == state:
                return shown
        raise AssertionError(f"not {state} but {await self.shown()}")

    async def in_cloud(self) -> bytes:
        cloud = self.line.cloud
        rows = await cloud.store.read(
            lambda tx: tx.all("SELECT sha256 FROM uploads WHERE state = 'complete'")
        )
        (row,) = rows
        return await cloud.services.objects.read(f"sha256/{row['sha256']}")

    async def planned(self) -> bytes:
        """The whole file, as it is planned."""
        shown = await self.shown()
        header, ranges = await self.line.store.read(partial(rows.planned_bytes, job_id=shown["id"]))
        parts = [header]
        for name, offset, length in ranges:
            fd = self.footage.open_fd(name)
            parts.append(os.pread(fd, length, offset))
            os.close(fd)
        return b"".join(parts)


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with linked(tmp_path) as line:
        yield Rig(line, OneFile(), tmp_path)


@asynccontextmanager
async def cutting(rig: Rig, every: int) -> AsyncIterator[None]:
    """Of the answers each `every`th is lost, and before each one after it the line is down."""
    count = 0

    def before(request: httpx.Request) -> None:
        nonlocal count
        count += 1
        if count % every == 1:
            raise httpx.ConnectError("the line is down")

    def after(request: httpx.Request, answer: httpx.Response) -> httpx.Response:
        if count % every == 0:
            raise httpx.ReadError("the answer was lost")
        return answer

    rig.line.line.before, rig.line.line.after = before, after
    yield
    rig.line.line.before, rig.line.line.after = lambda request: None, lambda request, answer: answer


async def test_a_local_copy_is_planned_sent_and_confirmed(rig: Rig) -> None:  # L12
    session_id = await rig.add()
    made = await rig.ask(session_id=session_id)
    assert (made["kind"], made["channel_id"], made["state"]) == ("local_copy", "cam1", "asked")
    assert (await rig.until("planned"))["size"] > 2 * PIECE
    whole = await rig.planned()
    assert whole[4:8] == b"ftyp"
    shown = await rig.until("up")
    assert shown["sent_bytes"] == shown["size"] == len(whole)
    assert await rig.in_cloud() == whole
    (upload,) = await rig.line.cloud.store.read(lambda tx: tx.all("SELECT * FROM uploads"))
    assert (upload["kind"], upload["session_id"], upload["owner"]) == ("local_copy", session_id, "site:north")
    assert not await rig.sender.step()


async def test_a_line_that_fails_all_the_time_and_restarts_change_nothing(rig: Rig) -> None:
    await rig.ask(session_id=await rig.add())
    await rig.until("planned")
    whole = await rig.planned()
    async with cutting(rig, 3):
        for _ in range(12):
            rig.restart()
            try:
                await rig.sender.step()
            except (Refused, Unavailable):
                pass
        await rig.until("up", steps=200)
    assert await rig.in_cloud() == whole
    assert await rig.line.cloud.store.read(lambda tx: tx.value("SELECT count(*) FROM uploads")) == 1


async def test_nothing_is_sent_while_a_session_runs(rig: Rig) -> None:
    await rig.ask(session_id=await rig.add())
    running = await rig.add(status="active", actual_end_us=None)
    assert await rig.sender.step()  # it is planned: the recordings may go
    assert not await rig.sender.step()
    assert not [each for each in rig.line.line.requests if "/uploads" in each]
    assert "a session runs" in media_part(rig.sender.shown).detail
    rig.is_always = True
    rig.restart()
    assert await rig.sender.step()
    rig.is_always = False
    rig.restart()
    assert not await rig.sender.step()
    await rig.line.store.write(lambda tx: tx.update("sessions", running, {"status": "completed"}))
    await rig.until("up")


async def test_a_recording_that_is_gone_is_a_loss(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    await rig.ask(session_id=await rig.add())
    await rig.until("planned")
    await rig.sender.step()

    def gone(name: str) -> int:
        raise FileNotFoundError(2, "No such file", name)

    monkeypatch.setattr(rig.footage, "open_fd", gone)
    shown = await rig.until("lost")
    assert "is gone" in shown["reason"]
    await rig.sender.step()
    assert media_part(rig.sender.shown).status == "warn"
    entries = await rig.line.store.journal.read(0)
    assert b'"state":"lost"' in entries[-1].event
    monkeypatch.undo()
    assert (await rig.ask(session_id=shown["session_id"]))["state"] == "asked"
    await rig.until("up")


async def test_a_disk_that_is_away_is_no_loss(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    await rig.ask(session_id=await rig.add())
    await rig.until("planned")

    def away(name: str) -> int:
        raise OSError(19, "No such device")

    with monkeypatch.context() as patched:
        patched.setattr(rig.footage, "open_fd", away)
        with pytest.raises(Unavailable, match="No such device"):
            await rig.sender.step()
    await rig.until("up")


async def test_a_session_without_footage_is_a_loss(rig: Rig) -> None:
    await rig.ask(session_id=await rig.add(actual_start_us=5, actual_end_us=6))
    assert "recorded nothing" in (await rig.until("lost"))["reason"]


async def test_an_upload_that_the_cloud_gave_up_is_begun_anew(rig: Rig) -> None:
    await rig.ask(session_id=await rig.add())
    await rig.until("planned")
    whole = await rig.planned()
    for _ in range(3):
        await rig.sender.step()
    cloud = rig.line.cloud.store
    await cloud.write(lambda tx: tx.run("UPDATE uploads SET state = 'expired', deleted_us = ?", (tx.now_us,)))
    await rig.until("up")
    assert await rig.in_cloud() == whole


async def test_a_file_that_the_cloud_cannot_use_has_failed(rig: Rig) -> None:
    await rig.ask(session_id=await rig.add())
    await rig.until("sent")
    cloud = rig.line.cloud.store
    await cloud.write(lambda tx: tx.run("UPDATE uploads SET state = 'failed', reason = 'another SHA-256'"))
    assert (await rig.until("failed"))["reason"] == "another SHA-256"
    assert (await rig.ask(session_id=(await rig.shown())["session_id"]))["state"] == "asked"


async def test_a_session_of_an_event_is_kept_when_it_is_complete(rig: Rig) -> None:
    event = "019307a0-0000-7000-8000-0000000000e1"
    session_id, other = await rig.add(event_id=event), await rig.add()
    for each in (session_id, other):
        await rig.line.store.write(partial(rows.keep_session, keeping=KEEPING, session_id=each))
    shown = await rig.until("planned")
    assert (shown["session_id"], shown["event_id"], shown["is_wanted"]) == (session_id, event, False)
    assert not await rig.sender.step()
    assert rig.sender.shown.backlog.kept == 1
    await rig.line.store.write(partial(rows.drop_session, session_id=session_id))
    assert (await rig.shown())["state"] == "lost"


async def test_the_recordings_of_a_local_copy_stay_until_it_is_up(rig: Rig) -> None:
    session_id = await rig.add()
    assert await rig.line.store.read(footage_wanted) == []
    await rig.ask(session_id=session_id)
    ((channel_id, start_us, end_us),) = await rig.line.store.read(footage_wanted)
    begin_us = rig.footage.first_us
    assert (channel_id, start_us) == ("cam1", begin_us - KEY_US) and end_us > begin_us + 2_000_000
    await rig.until("planned")
    assert len(await rig.line.store.read(footage_wanted)) == 1
    await rig.line.store.write(lambda tx: tx.run("UPDATE media_uploads SET pinned_until_us = 0"))
    assert await rig.line.store.read(footage_wanted) == []
    await rig.line.store.write(lambda tx: tx.run("UPDATE media_uploads SET pinned_until_us = ?", (2**62,)))
    await rig.until("up")
    assert await rig.line.store.read(footage_wanted) == []


async def test_what_the_cloud_wants_is_sent(rig: Rig) -> None:  # L11
    """Wanted before the session was complete, or after: the replica is looked at, not its arrival."""
    event = "019307a0-0000-7000-8000-0000000000e1"
    replica = {"kind": "local_copy_wanted", "id": event, "seq": 1, "changed_us": 1}
    await rig.line.store.write(lambda tx: tx.insert("replicas", {**replica, "resource": "{}"}))
    session_id = await rig.add(event_id=event, status="active")
    assert not await rig.sender.step()
    await rig.line.store.write(lambda tx: tx.update("sessions", session_id, {"status": "completed"}))
    await rig.line.store.write(partial(rows.keep_session, keeping=KEEPING, session_id=session_id))
    await rig.until("planned")
    assert (await rig.shown())["is_wanted"]
    await rig.line.store.write(lambda tx: tx.run("UPDATE media_uploads SET event_id = NULL"))  # unknown there
    await rig.until("up")
    assert not await rig.sender.step()


async def test_a_clip_is_sent_from_its_own_file(rig: Rig) -> None:
    session_id, data = await rig.add(), os.urandom(150_000)
    (rig.folder / "clip.mp4").write_bytes(data)
    clip_id = "019307a0-0000-7000-8000-0000000000c1"

    def add(tx: Tx) -> None:
        add_clip(tx, session_id, "cam1", None, id=clip_id, ready_media_rev=None, status="pending")

    await rig.line.store.write(add)
    with pytest.raises(Refused, match="not_ready"):
        await rig.ask(clip_id=clip_id)

    def cut(tx: Tx) -> None:
        tx.update("clips", clip_id, {"ready_media_rev": 1, "status": "ready"})
        add_plan(tx, clip_id, file_path="clip.mp4")
        tx.run("UPDATE plans SET size = ?", (len(data),))

    await rig.line.store.write(cut)
    made = await rig.ask(clip_id=clip_id)
    assert (made["kind"], made["state"], made["size"]) == ("clip", "planned", len(data))
    assert (await rig.ask(clip_id=clip_id))["id"] == made["id"]
    await rig.until("up")
    assert await rig.in_cloud() == data


async def test_what_cannot_be_sent_is_refused(rig: Rig) -> None:
    for body in ({}, {"session_id": SESSION, "clip_id": SESSION}):
        with pytest.raises(Refused, match="session_id"):
            await rig.ask(**body)
    with pytest.raises(Refused, match="not_found"):
        await rig.ask(session_id=SESSION)
    with pytest.raises(Refused, match="not_ready"):
        await rig.ask(session_id=await rig.add(status="active"))


async def test_the_actor_sends_until_nothing_is_left(rig: Rig) -> None:
    await rig.ask(session_id=await rig.add())
    content = rig.sender._content
    async with trio.open_nursery() as nursery:
        run = partial(run_media, rig.line.store, rig.line.client, content, KEEPING, when="always")
        link = await nursery.start(lambda task_status: run(task_status=task_status))
        seen = rig.line.store.journal.changed.count
        with trio.fail_after(LIMIT_S):
            while (await rig.shown())["state"] != "sent":
                seen = await rig.line.store.journal.changed.wait_past(seen)
        nursery.cancel_scope.cancel()
    assert link.sent_bytes == (await rig.shown())["size"]
    metrics = Metrics()
    add_media_figures(metrics, link)
    assert figure(metrics, "media_sent_bytes") == link.sent_bytes
