"""Disks that are full or fail: nothing acknowledged is lost, and the box continues or gives the reason."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from appliance.box.clips.housekeeping import actor as files
from appliance.box.clips.housekeeping.actor import run_clip_files
from appliance.box.clips.records.stored_plans import unwritten_plans
from appliance.box.settings import load_settings
from appliance.kernel.actor import running
from appliance.kernel.clock import wall_us
from appliance.kernel.errors import Unavailable
from appliance.kernel.store import Store, StoreFull, open_store
from appliance.kernel.tx import Tx
from appliance.ops.fsck import check_box
from tests.faults.clip_cut import DiskFootage, add_ready_clips, make_recording
from tests.faults.disk import FILLER, failing, fill, free, small_disk, traced
from tests.kit.box import sim_store
from tests.kit.camera import RecordingWriter, make_footage
from tests.kit.clock import HandClock
from tests.kit.running import Box, Http, running_box
from tests.kit.waiting import LIMIT_S, eventually
from tests.ops.box import settings_in

pytestmark = pytest.mark.slow
CHANNEL = [{"id": "cam1", "liveness": "heartbeat"}]


async def marks_until(http: Http, session_id: str, stop: Callable[[httpx.Response], bool]) -> list[str]:
    """Marks with long titles until an answer matches `stop`; returns the ids of those acknowledged."""
    acknowledged: list[str] = []
    for number in range(3000):
        body = {"session_id": session_id, "channel_id": "cam1", "duration": 1, "title": f"{number} " * 30}
        answer = await http.client.post("/clips", json=body)
        if stop(answer):
            return acknowledged
        assert answer.status_code == 201, answer.text
        acknowledged.append(answer.json()["id"])
    raise AssertionError("it never came")


async def new_session(http: Http) -> str:
    made = await http.post("/sessions", {"name": "Night", "type": "game"}, 201)
    return str((await http.post(f"/sessions/{made['id']}/start"))["id"])


async def clean(box: Box) -> None:
    assert await check_box(load_settings(box.folder / "appliance.toml"), repair=False) == []


async def all_there(http: Http, wanted: list[str]) -> None:
    for clip_id in wanted:
        await http.get(f"/clips/{clip_id}")


# -- full -------------------------------------------------------------------------------------------------


async def test_a_full_state_disk_refuses_marks_with_507_until_there_is_space(
    tmp_path: Path,
) -> None:
    with small_disk(tmp_path / "disk", 16) as disk:
        async with running_box(tmp_path / "box", storage=_state_on(disk), channels=CHANNEL) as box:
            pid = box.process.pid
            async with box.http() as http:
                session_id = await new_session(http)
                fill(disk)
                marked = await marks_until(http, session_id, lambda answer: answer.status_code == 507)
                refused = await http.client.post(f"/sessions/{session_id}/pause")
                assert refused.status_code == 507 and refused.json()["code"] == "storage_full"
                assert refused.json()["hint"]
                assert "full" in (await _part_is(http, "store", "bad"))["detail"], (
                    "/readyz says what marks say"
                )
                assert "full" in (await _part_is(http, "disk_state", "bad"))["detail"]
                await all_there(http, marked[-3:])
                await trio.sleep(1.2)  # by then every actor has tried to write: none of them ends the box
                free(disk)
                await eventually_posts(http, session_id)
                await all_there(http, marked)
            assert box.process.pid == pid and box.process.popen is not None
            assert box.process.popen.poll() is None, "it never ended"
            await box.stop()
            await _starts_on_a_full_disk(box, disk, marked[-3:])
            await clean(box)


async def _starts_on_a_full_disk(box: Box, disk: Path, acknowledged: list[str]) -> None:
    """The database can be opened; the file's new channels do not fit until there is space."""
    fill(disk)
    await box.start()
    async with box.http() as http:
        await all_there(http, acknowledged)
        refused = await http.client.post("/sessions", json={"name": "x", "type": "game"})
        assert refused.status_code == 507 and refused.json()["code"] == "storage_full"
        assert "full" in (await _part_is(http, "store", "bad"))["detail"]
    await box.stop()
    os.truncate(disk / FILLER, (disk / FILLER).stat().st_size - 96 * 1024)
    more = [{"id": f"cam{number}", "liveness": "heartbeat"} for number in range(1, 101)]
    box.settings = {**box.settings, "channels": more}
    box.write_settings()
    await box.start()
    async with box.http() as http:
        assert (await _parts(http))["settings"]["status"] == "bad"
        await all_there(http, acknowledged)
        await http.get("/channels/cam2", 404)
        free(disk)
        await _part_is(http, "settings", "ok")
        await http.get("/channels/cam100")
    await box.stop()


def _state_on(disk: Path) -> dict[str, Any]:
    return {"state_dir": str(disk / "state"), "reserve_gb": 0}


async def eventually_posts(http: Http, session_id: str) -> None:
    with trio.fail_after(LIMIT_S):
        # another process
        while (await http.client.post(f"/sessions/{session_id}/pause")).status_code != 200:  # noqa: ASYNC110
            await trio.sleep(0.05)


@pytest.mark.parametrize("kilobytes", [0, 64, 400])
async def test_full_on_the_sixth_closure_of_a_batch_leaves_what_was_acknowledged(
    tmp_path: Path, kilobytes: int
) -> None:
    """On a real disk: the sixth of twelve needs more than the free space."""
    output: dict[str, object] = {}
    with small_disk(tmp_path / "disk", 4) as disk:
        async with open_store(disk / "box.db", HandClock()) as store:
            await store.write(lambda tx: tx.append("first", "x:first", {}))
            fill(disk)
            with (disk / "filler").open("rb+") as filler:
                filler.truncate((disk / "filler").stat().st_size - kilobytes * 1024)

            async def caller(name: str, size: int) -> None:
                def closure(tx: Tx) -> None:
                    tx.append("mark", f"x:{name}", {"text": "t" * size})

                try:
                    output[name] = await store.write(closure)
                except (StoreFull, Unavailable) as error:
                    output[name] = error

            async with trio.open_nursery() as nursery:
                for number in range(12):
                    nursery.start_soon(caller, f"k{number:02}", 2_000_000 if number == 5 else 300)
            assert isinstance(output["k05"], StoreFull)
            acknowledged = {f"x:{name}" for name, answer in output.items() if answer is None}
            assert set(await _subjects(store)) == acknowledged | {"x:first"}
            free(disk)
            await store.write(lambda tx: tx.append("after", "x:after", {}))


async def _subjects(store: Store) -> list[str]:
    return [entry.subject for entry in await store.journal.read(0)]


async def test_a_full_clips_disk_delays_files_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "RETRY_S", 0.02)
    settings = settings_in(tmp_path / "box")
    make_recording(settings)
    with small_disk(tmp_path / "clips", 1) as disk:
        fill(disk)
        async with sim_store(tmp_path, HandClock()) as store:
            await store.write(add_ready_clips)
            footage = DiskFootage(settings.storage.recordings_dir)
            async with running("files", run_clip_files, store=store, footage=footage, clips_dir=disk):
                await trio.sleep(0.1)
                assert len(await store.read(lambda tx: unwritten_plans(tx, 10))) == 3
                assert not list(disk.rglob("*.partial")), "a try leaves nothing"
                free(disk)
                with trio.fail_after(LIMIT_S):
                    while await store.read(unwritten_plans):  # noqa: ASYNC110  # a file raises no event
                        await trio.sleep(0.01)
        assert len(list(disk.rglob("*.mp4"))) == 3


async def test_a_full_recordings_disk_is_reported_and_recording_goes_on_afterwards(tmp_path: Path) -> None:
    channels = [{"id": "syn", "input_url": "synthetic:?size=320x180"}]
    with small_disk(tmp_path / "disk", 6) as disk:
        places = {"recordings_dir": str(disk), "state_dir": str(tmp_path / "box" / "state")}
        async with (
            running_box(
                tmp_path / "box", storage=places, channels=channels, recorder={"mode": "embedded"}
            ) as box,
            box.http() as http,
        ):
            await _footage_is(http, "on")
            fill(disk)
            await _footage_is(http, "stalled")
            session_id = await new_session(http)
            clip = await http.post("/clips", _clip(session_id), 201)
            free(disk)
            await _footage_is(http, "on")
            await all_there(http, [clip["id"]])
            await box.stop()
            await clean(box)


def _clip(session_id: str) -> dict[str, Any]:
    return {"session_id": session_id, "channel_id": "syn", "duration": 1}


async def _footage_is(http: Http, state: str) -> None:
    with trio.fail_after(LIMIT_S):
        while (await http.get("/channels/syn"))["footage"] != state:  # noqa: ASYNC110  # another process
            await trio.sleep(0.1)


# -- failing ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("calls", "error"),
    [("fdatasync", "EIO"), ("pwrite64", "EROFS"), ("pwrite64", "ENOSPC")],
)
async def test_a_database_disk_that_fails_ends_or_refuses_and_loses_nothing(
    tmp_path: Path, calls: str, error: str
) -> None:
    """EIO and a read-only remount end the box (a failed sync is never retried); a full disk gives 507."""
    box = Box(tmp_path, {"channels": CHANNEL})
    try:
        await box.start()
        async with box.http() as http:
            session_id = await new_session(http)
            reports = [(await http.post("/clips", {**_clip(session_id), "channel_id": "cam1"}, 201))["id"]]
            with failing(box.process.pid, box.folder / "state/box.db-wal", calls, error, tmp_path / "trace"):
                await traced(box.process.pid)
                answer = await _post_or_none(http, session_id)
                if error == "ENOSPC":
                    assert answer is not None and answer.status_code == 507
                else:
                    assert answer is None or answer.status_code in (500, 503)
                    assert await box.process.ended() == 1
        if error == "ENOSPC":
            await box.stop()
        await box.start()
        async with box.http() as http:
            await all_there(http, reports)
            assert len((await http.get("/clips"))["items"]) <= len(reports) + 1
            await http.post("/clips", {**_clip(session_id), "channel_id": "cam1"}, 201)
        await box.stop()
        await clean(box)
    finally:
        box.process.kill_everything()


async def _post_or_none(http: Http, session_id: str) -> httpx.Response | None:
    try:
        return await http.client.post("/clips", json={**_clip(session_id), "channel_id": "cam1"})
    except httpx.TransportError:
        return None


async def test_a_file_size_limit_ends_the_box_and_loses_nothing(tmp_path: Path) -> None:
    box = Box(tmp_path, {"channels": CHANNEL})
    try:
        await box.start()
        async with box.http() as http:
            session_id = await new_session(http)
            size = (box.folder / "state/box.db-wal").stat().st_size
            resource.prlimit(box.process.pid, resource.RLIMIT_FSIZE, (size + 50_000, size + 50_000))
            acknowledged: list[str] = []
            for _ in range(100):
                answer = await _post_or_none(http, session_id)
                if answer is None or answer.status_code != 201:
                    break
                acknowledged.append(answer.json()["id"])
            assert await box.process.ended() == 1
        await box.start()
        async with box.http() as http:
            await all_there(http, acknowledged)
        await box.stop()
        await clean(box)
    finally:
        box.process.kill_everything()


async def test_a_recording_that_cannot_be_synced_is_reported_and_marks_go_on(tmp_path: Path) -> None:
    footage = make_footage(frames=60, fps=Fraction(30), gop=30, b_frames=0, sound=False)
    async with (
        running_box(tmp_path, channels=CHANNEL) as box,
        box.http() as http,
        trio.open_nursery() as nursery,
    ):
        writer = RecordingWriter(box.recordings / "cam1", footage, wall_us(), segment_s=60)
        nursery.start_soon(lambda: writer.run_live(wall_us, until_us=wall_us() + 3_600_000_000))
        session_id = await new_session(http)
        recording = (await eventually(lambda: list(box.recordings.rglob("*.mp4"))))[0]
        with failing(box.process.pid, recording, "fdatasync", "EIO", tmp_path / "trace"):
            await traced(box.process.pid)
            with trio.fail_after(LIMIT_S):
                while (await _parts(http))["recordings"]["status"] != "bad":  # noqa: ASYNC110
                    await trio.sleep(0.1)
            assert "sync" in (await _parts(http))["recordings"]["detail"]
            await http.post("/clips", {**_clip(session_id), "channel_id": "cam1"}, 201)
        with trio.fail_after(LIMIT_S):
            while (await _parts(http))["recordings"]["status"] == "bad":  # noqa: ASYNC110
                await trio.sleep(0.1)
        nursery.cancel_scope.cancel()


async def _part_is(http: Http, part: str, status: str, *, within_s: float = LIMIT_S) -> dict[str, Any]:
    """The part of /readyz, once it has this status."""
    with trio.move_on_after(within_s):
        while (result := (await _parts(http))[part])["status"] != status:  # noqa: ASYNC110  # another process
            await trio.sleep(0.05)
        return dict(result)
    raise AssertionError(f"{part} is {(await _parts(http))[part]}, not {status}")


async def _parts(http: Http) -> dict[str, Any]:
    parts: dict[str, Any] = (await http.client.get("/readyz")).json()["parts"]
    return parts
