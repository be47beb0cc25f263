"""The real box and the real hosted program: a game with the cable unplugged is complete there afterwards."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from appliance.cloud.console import make_token
from appliance.cloud.settings import load_settings
from appliance.kernel.schema import schema_folders, use_schemas
from tests.kit.ports import free_port
from tests.kit.running import Box, Http, Process, as_toml
from tests.kit.waiting import PLAIN, eventually

pytestmark = pytest.mark.slow


class Hosted:
    """`appliance cloud serve` on SQLite, on a port that it gets again."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        folder.mkdir()
        config = folder / "cloud.toml"
        tree = {
            "cloud": {"environment": "demo", "state_dir": str(folder)},
            "server": {"port": self.port, "local_port": 0},
        }
        config.write_text(as_toml(tree))
        self.config, self.process = (
            config,
            Process(["cloud", "serve", "--config", str(config)], folder / "log"),
        )

    async def start(self) -> None:
        self.process.launch()
        await eventually(self._is_open, what="the hosted program")

    def _is_open(self) -> bool:
        import socket

        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    async def kill(self) -> None:
        self.process.send(signal.SIGKILL)
        await self.process.ended()

    async def token(self, role: str, *scopes: str) -> str:
        _, *before = schema_folders()
        try:
            return await make_token(load_settings(self.config), role, role, scopes)
        finally:
            use_schemas(*before)


@asynccontextmanager
async def a_pair(folder: Path) -> AsyncIterator[tuple[Hosted, Box]]:
    hosted = Hosted(folder / "cloud")
    token = await hosted.token("box", "site:north")
    cloud = {"url": f"http://127.0.0.1:{hosted.port}", "token": token}
    box = Box(folder / "box", {"site": {"id": "north"}, "cloud": cloud, "channels": [{"id": "cam1"}]})
    try:
        await hosted.start()
        await box.start()
        yield hosted, box
    finally:
        box.process.kill_everything()
        hosted.process.kill_everything()


async def a_game(http: Http) -> None:
    session = await http.post("/sessions", {"name": "Final", "type": "game"}, status=201)
    await http.post("/channels/cam1/activate")
    await http.post(f"/sessions/{session['id']}/start")
    for number in range(3):
        play = {"session_id": session["id"], "duration_seconds": 1 + number}
        made = await http.post("/plays", play, status=201)
        tag = {"clip_id": made["clip_ids"][0], "quarter": 1, "notes": "n", "coach_notes": "secret"}
        await http.post("/tags", tag, status=201)
    await http.delete(f"/plays/{made['id']}")
    await http.post(f"/sessions/{session['id']}/complete")


KINDS = ("session", "channel", "play", "clip", "tag")


async def of_box(http: Http) -> dict[str, Any]:
    """Every resource that is there, by id."""
    snapshot = await http.get("/snapshot")
    rows = {each["id"]: each for kind in KINDS for each in snapshot[f"{kind}s"]}
    return {row_id: _comparable(row) for row_id, row in rows.items()}


def _comparable(row: dict[str, Any]) -> dict[str, Any]:
    """Without what is private, not journaled, or derived from other resources."""
    left_out = ("coach_notes", "last_seen_at", "view_count", "clip_ids")
    return {name: value for name, value in row.items() if name not in left_out}


async def of_cloud(client: httpx.AsyncClient) -> dict[str, Any]:
    rows: dict[str, Any] = {}
    for kind in KINDS:
        answer = await client.get("/fleet/v1/sites/north/resources", params={"kind": kind, "limit": 1000})
        rows |= {each["id"]: _comparable(each["resource"]) for each in answer.json().get("items", [])}
    return rows


async def test_a_game_with_the_cable_unplugged_is_complete_in_the_cloud_afterwards(tmp_path: Path) -> None:
    async with a_pair(tmp_path) as (hosted, box), box.http() as http:
        admin = {"authorization": f"Bearer {await hosted.token('admin')}"}
        base = f"http://127.0.0.1:{hosted.port}"
        async with httpx.AsyncClient(base_url=base, headers=admin, **PLAIN) as client:
            await in_step(http, client)
            await hosted.kill()
            await a_game(http)
            part = await until_cloud_says(http, "not connected", "warn")
            assert part["figures"]["entries"] > 10 and part["hint"]
            await hosted.start()
        async with httpx.AsyncClient(base_url=base, headers=admin, **PLAIN) as client:
            await until_cloud_says(http, "everything is sent", "ok")
            await in_step(http, client)
            site = (await client.get("/fleet/v1/sites/north")).json()
            assert (site["trouble"], site["epoch_number"]) == ("", 1)
            events = (await client.get("/fleet/v1/sites/north/events?limit=1000")).json()["items"]
            seqs = [each["seq"] for each in events]
            assert seqs == list(range(seqs[0], seqs[0] + len(seqs))) and "secret" not in str(events)
            assert await box.stop() == 0


async def until_cloud_says(http: Http, words: str, status: str) -> Any:
    """Wait for the cloud's part of /readyz; the way down may connect again later than the way up."""
    while True:
        part = (await http.client.get("/readyz")).json()["parts"]["cloud"]  # 503 while any part is red
        if words in part["detail"] and part["status"] == status:
            return part
        await trio.sleep(0.1)


async def in_step(http: Http, client: httpx.AsyncClient) -> None:
    """Wait until the cloud has what the box has, and nothing else."""
    while (await of_cloud(client)) != (await of_box(http)):  # noqa: ASYNC110
        await trio.sleep(0.1)


async def test_a_box_that_is_killed_while_it_records_and_sends_loses_and_doubles_nothing(
    tmp_path: Path,
) -> None:
    """The whole daemon, kill -9; in one round the hosted program too."""
    acknowledged = set[str]()

    async def mark(http: Http, session_id: str) -> None:
        while True:
            play = {"session_id": session_id, "duration_seconds": 1}
            try:
                made = await http.post("/plays", play, status=201)
            except httpx.HTTPError:
                return  # killed: what was not answered may be there or not
            acknowledged.update((made["id"], *made["clip_ids"]))

    async with a_pair(tmp_path) as (hosted, box):
        async with box.http() as http:
            session = await http.post("/sessions", {"name": "Final", "type": "game"}, status=201)
            await http.post("/channels/cam1/activate")
            await http.post(f"/sessions/{session['id']}/start")
        for strike in range(4):
            async with box.http() as http, trio.open_nursery() as nursery:
                nursery.start_soon(mark, http, session["id"])
                enough = len(acknowledged) + 10 + 7 * strike
                await eventually(lambda n=enough: len(acknowledged) > n, what="marks")  # type: ignore[misc]
                if strike == 2:
                    await hosted.kill()
                await box.kill()
            if strike == 2:
                await hosted.start()
            await box.start()
        admin = {"authorization": f"Bearer {await hosted.token('admin')}"}
        base = f"http://127.0.0.1:{hosted.port}"
        async with box.http() as http, httpx.AsyncClient(base_url=base, headers=admin, **PLAIN) as client:
            await until_cloud_says(http, "everything is sent", "ok")
            await in_step(http, client)
            assert acknowledged <= set(await of_cloud(client)) and len(acknowledged) > 80
            site = (await client.get("/fleet/v1/sites/north")).json()
            assert (site["trouble"], site["epoch_number"]) == ("", 1)
            events = (await client.get("/fleet/v1/sites/north/events?limit=1000")).json()["items"]
            seqs = [each["seq"] for each in events]
            assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))
            assert await box.stop() == 0
