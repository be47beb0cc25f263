"""Scripts of raw bytes on many connections of one server: all are ended, nothing is left, nothing failed."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from functools import partial
from random import Random
from typing import Any

import pytest
import structlog
import trio

from appliance.box.live.broadcaster import run_live
from appliance.server.connections.connection import Connection
from appliance.server.connections.server import run_server
from tests.attacks.packets import script
from tests.attacks.raw import play
from tests.attacks.target import Target
from tests.kit.waiting import LIMIT_S
from tests.server.conftest import Box
from tests.server.sample import sample_routes
from tests.server.sockets import garbage

SCRIPTS = 200
TOGETHER = 32


@pytest.fixture
def lines() -> Iterator[list[Any]]:
    """The log lines."""
    with structlog.testing.capture_logs() as captured:
        yield captured


def connections() -> int:
    """Existing connections, ended or not."""
    return sum(type(each) is Connection for each in gc.get_objects())


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_nothing_fails_and_nothing_is_left(box: Box, lines: list[Any], seed: int) -> None:
    scripts = iter([script(Random(seed * SCRIPTS + number)) for number in range(SCRIPTS)])

    async def client(target: Target) -> None:
        for item in scripts:
            await play(target, item)

    async with trio.open_nursery() as nursery:
        live = await nursery.start(
            partial(run_live, store=box.store, site_id="box", clock=box.clock, commands=[], heartbeat_s=0.2)
        )
        app = box.app(sample_routes(), live.routes())
        bound = await nursery.start(partial(run_server, app, host="127.0.0.1", port=0, stop=trio.Event()))
        target = Target("127.0.0.1", bound.port)
        with garbage() as left:
            with trio.fail_after(60):
                async with trio.open_nursery() as clients:
                    for _ in range(TOGETHER):
                        clients.start_soon(client, target)
                await target.ask("/time")
            with trio.fail_after(LIMIT_S):
                while app.sockets_now or connections():  # noqa: ASYNC110  # the client ends of sockets
                    await trio.sleep(0.01)
        assert left == []
        nursery.cancel_scope.cancel()
    failed = [line for line in lines if line["log_level"] in ("error", "critical")]
    assert failed == []
