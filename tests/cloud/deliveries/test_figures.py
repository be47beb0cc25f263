"""How the deliveries are: for GET /status, /readyz and /metrics."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from appliance.cloud.database import open_database
from appliance.cloud.deliveries.figures import FAILED_US, DeliveryFigures, read_figures, status_part
from appliance.cloud.deliveries.health import LOOK_S, counting_attempts, delivery_part, run_figures
from appliance.cloud.deliveries.queue import Outcome, claim_due, record
from appliance.kernel.clock import S_US
from appliance.kernel.errors import Unavailable
from appliance.kernel.store import Store
from appliance.ops.health import Board
from appliance.ops.metrics import Metrics
from tests.cloud.deliveries.test_deliveries import announce, subscribe
from tests.kit import postgres
from tests.kit.box import sim_store
from tests.ops.test_metrics import figure


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest) -> str:
    if request.param == "sqlite":
        return "sqlite:cloud.db"
    if reason := postgres.missing():
        pytest.skip(reason)
    return postgres.server().empty_database()


async def answer(store: Store, status: int, retry_s: tuple[float, ...] = (60.0,)) -> None:
    """Every delivery that is due is attempted once, and gets this status."""
    for claim in await store.write(partial(claim_due, owner="one", limit=8)):
        outcome = Outcome(status, None, 1)
        await store.write(partial(record, claim=claim, outcome=outcome, retry_s=retry_s))


async def test_they_are_counted_and_what_fails_is_named(url: str, tmp_path: Path) -> None:
    async with open_database(url, tmp_path, connections=4) as store:
        assert await store.read(read_figures) == DeliveryFigures()
        assert (await store.read(status_part)).lines == []
        await subscribe(store, "http://user.example:81/secret?token=1", "league:a")
        await announce(store, "league:a")
        await answer(store, 500)
        await subscribe(store, "https://gone.example/", "league:b")
        await announce(store, "league:b")
        await answer(store, 410)
        figures = await store.read(read_figures)
        part = await store.read(status_part)
    assert (figures.pending, figures.retrying, figures.failed, figures.disabled) == (1, 1, 1, 1)
    assert part.figures == {
        "subscriptions": 2,
        "pending": 1,
        "of them failing": 1,
        "failed in 24 h": 1,
        "disabled": 1,
    }
    assert [(line.status, line.name, line.detail.split(":")[0]) for line in part.lines] == [
        ("warn", "http://user.example:81", "1 to be tried again"),
        ("warn", "https://gone.example", "the receiver answered 410"),
    ]
    assert all(line.since_us for line in part.lines)


@pytest.mark.parametrize(
    ("figures", "status", "words"),
    [
        (DeliveryFigures(pending=3), "ok", "3 pending"),
        (DeliveryFigures(pending=3, retrying=3), "ok", "3 of them failing"),
        (DeliveryFigures(failed=1), "warn", "1 failed in 24 h"),
        (DeliveryFigures(pending=1, late_us=121 * S_US), "warn", "121 s late"),
    ],
)
def test_the_part_of_readyz(figures: DeliveryFigures, status: str, words: str) -> None:
    part = delivery_part(figures)
    assert part.status == status and words in part.detail and (part.hint is None) == (status == "ok")


async def test_figures_follow_the_database_and_stay_while_it_is_away(
    tmp_path: Path, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    board, metrics = Board(), Metrics()
    async with sim_store(tmp_path) as store, trio.open_nursery() as nursery:
        await nursery.start(partial(run_figures, store, board, metrics))
        await subscribe(store)
        await announce(store)
        await trio.sleep(LOOK_S + 1)
        assert figure(metrics, "deliveries_pending") == 1
        assert figure(metrics, "deliveries_late_seconds") == LOOK_S
        await answer(store, 500, ())
        real = store.read

        async def away(query: Any) -> None:
            raise Unavailable("storage_unavailable", "the database is away")

        monkeypatch.setattr(store, "read", away)
        await trio.sleep(LOOK_S + 1)  # beside its looks, not at the same instant
        assert figure(metrics, "deliveries_pending") == 1
        monkeypatch.setattr(store, "read", real)
        await trio.sleep(LOOK_S)
        assert (figure(metrics, "deliveries_pending"), figure(metrics, "deliveries_failed")) == (0, 1)
        assert board.parts()["deliveries"]["status"] == "warn"
        await trio.sleep(FAILED_US / S_US)
        assert board.parts()["deliveries"]["status"] == "ok"
        nursery.cancel_scope.cancel()


def test_attempts_are_counted_by_how_they_ended() -> None:
    metrics = Metrics()
    count = counting_attempts(metrics)
    for status in (204, 200, 500, None):
        count(Outcome(status, None, 1))
    for result, times in (("delivered", 2), ("refused", 1), ("no_answer", 1)):
        assert figure(metrics, f'delivery_attempts_total{{result="{result}"}}') == times
