"""Two hosted processes on one database: a change that one writes wakes what waits at the other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trio

from appliance.cloud.database import open_database
from appliance.kernel.schema import schema_folders, use_schemas
from tests.cloud.fleet.changes.test_http import box_of
from tests.cloud.fleet.changes.world import OTHER, SITE, add_event, add_league, change
from tests.kit import postgres
from tests.kit.clock import WallClock
from tests.kit.cloud import cloud_over
from tests.kit.waiting import LIMIT_S

pytestmark = pytest.mark.postgres

WAIT_S = 25.0
AT_ONCE_S = 10.0  # less than a wait; where notifications were lost, entries are read each second


async def test_a_change_of_one_process_wakes_the_requests_that_wait_at_the_other(tmp_path: Path) -> None:
    if reason := postgres.missing():
        pytest.skip(reason)
    url, (_, *before) = postgres.server().empty_database(), schema_folders()
    try:
        async with (
            open_database(url, tmp_path, connections=4) as first,
            open_database(url, tmp_path, connections=4) as second,
            cloud_over(first, WallClock(), tmp_path) as writing,
            cloud_over(second, WallClock(), tmp_path) as held,
        ):
            league = await writing.store.write(add_league)
            here, there = await box_of(held, SITE), await box_of(held, OTHER)
            cursor, answers = await here.cursor(), dict[str, Any]()

            async def ask(name: str, box: Any, since: str) -> None:
                answers[name] = await box.changes(since, wait=WAIT_S)

            with trio.fail_after(LIMIT_S):
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(ask, "there", there, cursor)
                    for write in (
                        lambda tx: add_event(tx, league),
                        lambda tx: change(tx, "team", league.home, name="City"),
                    ):
                        nursery.start_soon(ask, "here", here, cursor)
                        await _until_held(held, SITE)
                        began_s = trio.current_time()
                        await writing.store.write(write)
                        while "here" not in answers:  # noqa: ASYNC110
                            await trio.sleep(0.01)
                        assert trio.current_time() - began_s < AT_ONCE_S
                        answer = answers.pop("here")
                        assert answer["changes"] and answer["site_id"] == SITE
                        cursor = answer["cursor"]
                    assert "there" not in answers  # a change for one site wakes no request of another
                    nursery.cancel_scope.cancel()
            assert (await here.changes(cursor))["changes"] == []
    finally:
        use_schemas(*before)


async def _until_held(cloud: Any, site_id: str) -> None:
    """A request for this site waits there."""
    while f"site_scope:{site_id}" not in cloud.store.journal._watched:  # noqa: ASYNC110
        await trio.sleep(0.01)
