"""The daemon with a damaged, empty or truncated database: it starts, reports it, and has the recoverable
data."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.test_disk import CHANNEL, _part_is, all_there, clean, new_session
from tests.kit.running import Box

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("how", ["damaged", "empty", "gone"])
async def test_a_box_with_a_damaged_database_starts_and_reports_it(tmp_path: Path, how: str) -> None:
    box = Box(tmp_path, {"channels": CHANNEL})
    database = box.folder / "state" / "box.db"
    try:
        await box.start()
        async with box.http() as http:
            session_id = await new_session(http)
            body = {"session_id": session_id, "channel_id": "cam1", "duration": 1}
            ids = [(await http.post("/clips", body, 201))["id"] for _ in range(3)]
            epoch = (await http.get("/snapshot"))["epoch"]
        assert await box.stop() == 0
        if how == "damaged":
            with database.open("r+b") as file:
                file.seek(4096)
                file.write(b"\xa5" * 4096)
        elif how == "empty":
            database.write_bytes(b"")
        else:
            database.unlink()
        await box.start()
        async with box.http() as http:
            part = (await http.client.get("/readyz")).json()["parts"]["database"]
            assert part["status"] == "bad" and "made again" in part["detail"] and part["hint"]
            assert (await http.get("/snapshot"))["epoch"] != epoch
            if how == "damaged":
                await all_there(http, ids)
            session_id = await new_session(http)
            (put_away,) = database.parent.glob("box.db.damaged-*")
            put_away.unlink()
            await _part_is(http, "database", "ok")
        await box.stop()
        await clean(box)
    finally:
        box.process.kill_everything()


async def test_the_state_of_another_site_is_refused_with_78(tmp_path: Path) -> None:
    box = Box(tmp_path, {"channels": CHANNEL})
    try:
        await box.start()
        async with box.http() as http:
            await new_session(http)  # before the first one the site may be named anew
        await box.stop()
        box.settings = {**box.settings, "site": {"id": "another"}}
        box.write_settings()
        with pytest.raises(AssertionError, match="the box ended with 78"):
            await box.start()
        assert "site.id" in box.process.output()
    finally:
        box.process.kill_everything()
