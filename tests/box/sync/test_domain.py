"""What the record gives: without a cloud nothing runs, and nothing is kept for one."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from appliance.box.settings import check_settings
from appliance.box.sync.domain import DOMAIN
from appliance.box.sync.up.state import CURSOR, ensure_state
from appliance.kernel.follow import find_cursor
from appliance.ops.health import Board
from appliance.ops.metrics import Metrics
from tests.kit.box import sim_store
from tests.kit.ports import free_port


def services(store: Any, tmp_path: Path, cloud: dict[str, Any]) -> Any:
    settings = check_settings({"storage": {"state_dir": str(tmp_path)}, "cloud": cloud})
    return SimpleNamespace(
        settings=settings, store=store, clock=store.clock, board=Board(), metrics=Metrics()
    )


async def test_without_a_cloud_nothing_is_kept_for_one(tmp_path: Path) -> None:
    async with sim_store(tmp_path) as store:
        await store.write(partial(ensure_state, url="https://a", box_id="b"))
        assert DOMAIN.run is not None
        box = services(store, tmp_path, {})
        async with DOMAIN.run(box):
            assert box.board.parts() == {}
        assert await store.read(partial(find_cursor, name=CURSOR)) is None


async def test_without_a_token_that_can_be_sent_health_says_so(tmp_path: Path) -> None:
    async with sim_store(tmp_path) as store:
        assert DOMAIN.run is not None
        cloud = {"url": f"http://127.0.0.1:{free_port()}", "token_file": str(tmp_path / "none")}
        box = services(store, tmp_path, cloud)
        async with DOMAIN.run(box):
            part = box.board.parts()["cloud"]
        assert part["status"] == "bad" and "token_file cannot be read" in part["detail"]


async def test_a_cloud_that_is_not_there_is_shown(tmp_path: Path) -> None:
    async with sim_store(tmp_path) as store:
        assert DOMAIN.run is not None
        url = f"http://127.0.0.1:{free_port()}"
        box = services(store, tmp_path, {"url": url, "token": "t"})
        async with DOMAIN.run(box):
            assert url in box.board.parts()["cloud"]["detail"]
            assert b"sync_connected 0.0" in box.metrics.render()
