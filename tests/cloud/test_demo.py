"""The demo's settings, and the whole program in this process."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from appliance.cloud.demo import begin_demo, demo_settings
from appliance.cloud.service import run_cloud
from appliance.cloud.settings import missing
from appliance.kernel.store import Store
from appliance.ops.lock import StateBusy
from appliance.ops.loopwatch import LoopWatch
from appliance.server.connections.server import Bound
from tests.kit.waiting import LIMIT_S
from tests.server.sockets import read_answer, request


def test_a_demo_is_one_whatever_the_shell_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # B10
    monkeypatch.setenv("NODE_ENV", "production")
    monkeypatch.setenv("API_DOMAIN", "api.example")
    settings = demo_settings(tmp_path, 0)
    assert (settings.cloud.environment, settings.cloud.api_domain) == ("demo", "")
    assert settings.server.is_loopback and missing(settings) == []
    assert settings.internal_token != demo_settings(tmp_path, 0).internal_token
    monkeypatch.setenv("INTERNAL_SERVICE_TOKEN", "given")
    assert demo_settings(tmp_path, 0).internal_token == "given"


async def test_it_serves_what_it_prints_and_ends_cleanly(tmp_path: Path) -> None:
    stop, lines = trio.Event(), list[str]()
    settings = demo_settings(tmp_path, 0)
    say = begin_demo(lines.append, settings, is_empty=True)

    async def ready(bound: Bound, store: Store) -> None:
        await say(bound, store)
        async with await trio.open_tcp_stream("127.0.0.1", bound.port) as stream:
            await stream.send_all(request("/readyz"))
            assert (await read_answer(stream)).startswith(b"HTTP/1.1 200")
        with pytest.raises(StateBusy):
            await run_cloud(settings, stop=stop, loop=LoopWatch())
        assert any(f":{bound.port}/docs" in line for line in lines)
        assert any(settings.internal_token in line for line in lines)
        stop.set()

    with trio.fail_after(LIMIT_S):
        await run_cloud(settings, stop=stop, loop=LoopWatch(), ready=ready, is_open=True)


async def test_serve_is_not_open_on_loopback(tmp_path: Path) -> None:
    stop = trio.Event()

    async def ready(bound: Bound, store: Store) -> None:
        async with await trio.open_tcp_stream("127.0.0.1", bound.port) as stream:
            await stream.send_all(request("/readyz"))
            assert (await read_answer(stream)).startswith(b"HTTP/1.1 401")
        stop.set()

    with trio.fail_after(LIMIT_S):
        await run_cloud(demo_settings(tmp_path, 0), stop=stop, loop=LoopWatch(), ready=ready)
