"""How the uploads are: for GET /status, /readyz and /metrics; on both databases."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from appliance.cloud.database import open_database
from appliance.cloud.objects.opened import open_objects
from appliance.cloud.objects.settings import ObjectsSettings
from appliance.cloud.uploads.actor import run_joins
from appliance.cloud.uploads.figures import UploadFigures, read_figures, status_part
from appliance.cloud.uploads.health import LATE_S, LOOK_S, counting_bytes, run_figures, upload_part
from appliance.cloud.uploads.leftovers import sweep
from appliance.cloud.uploads.model import UploadsQuery
from appliance.cloud.uploads.store import list_uploads
from appliance.kernel.clock import S_US
from appliance.kernel.operation import Caller
from appliance.ops.health import Board
from appliance.ops.metrics import Metrics
from tests.cloud.objects.test_objects import KEYS
from tests.cloud.uploads.test_join import begin, body, send
from tests.kit import postgres
from tests.kit.box import sim_store
from tests.kit.waiting import LIMIT_S
from tests.ops.test_metrics import figure


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest) -> str:
    if request.param == "sqlite":
        return "sqlite:cloud.db"
    if reason := postgres.missing():
        pytest.skip(reason)
    return postgres.server().empty_database()


async def test_they_are_joined_counted_and_what_fails_is_named(url: str, tmp_path: Path) -> None:
    objects = open_objects(ObjectsSettings(), tmp_path, KEYS)
    async with open_database(url, tmp_path, connections=4) as store:
        assert await store.read(read_figures) == UploadFigures()
        await send(store, objects, await begin(store, b"x" * 10), body(b"xx"))
        await send(
            store, objects, await begin(store, b"abc", filename="a.mp4", sha256="ab" * 32), body(b"abc")
        )
        await send(store, objects, await begin(store, b"abcd"), body(b"abcd"))
        figures = await store.read(read_figures)
        assert (figures.receiving, figures.joining, figures.received) == (1, 2, 9)
        seen = store.journal.changed.count
        async with trio.open_nursery() as nursery:
            await nursery.start(run_joins, store, objects, "p")
            with trio.fail_after(LIMIT_S):
                while (await store.read(read_figures)).joining:
                    seen = await store.journal.changed.wait_past(seen)
            nursery.cancel_scope.cancel()
        figures, part = await store.read(read_figures), await store.read(status_part)
        assert (figures.receiving, figures.received, figures.failed) == (1, 2, 1)
        (line,) = part.lines
        assert line.name == "site:s1 a.mp4" and "declared" in line.detail
        await sweep(store, objects, "p")
        listing = partial(list_uploads, caller=Caller("t", role="admin"), query=UploadsQuery(state="failed"))
        assert len((await store.read(listing))["items"]) == 1


def test_a_join_that_waits_long_is_reported() -> None:
    assert upload_part(UploadFigures(receiving=3)).status == "ok"
    assert upload_part(UploadFigures(failed=1)).status == "warn"
    late = upload_part(UploadFigures(joining=1, late_us=round((LATE_S + 1) * S_US)))
    assert late.status == "warn" and "[objects]" in str(late.hint)


async def test_the_gauges_follow_the_rows(tmp_path: Path, autojump_clock: MockClock) -> None:
    board, metrics = Board(), Metrics()
    counting_bytes(metrics)(7)
    async with sim_store(tmp_path / "cloud.db") as store, trio.open_nursery() as nursery:
        await nursery.start(run_figures, store, board, metrics)
        await begin(store, b"x" * 10)
        await trio.sleep(LOOK_S + 1)  # its second look is over then
        assert figure(metrics, "uploads_receiving") == 1
        assert figure(metrics, "upload_bytes_total") == 7
        assert board.parts()["uploads"]["figures"]["receiving"] == 1
        nursery.cancel_scope.cancel()
