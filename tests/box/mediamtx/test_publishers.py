"""Monitoring of MediaMTX: publishers, line quality, reconnects; and that its absence stops nothing."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
import trio

from appliance.box.mediamtx import publishers
from appliance.box.mediamtx.client import PathState, SrtConnection
from appliance.box.mediamtx.publishers import Publisher, PublishersHandle, run_publisher_watch
from appliance.kernel.errors import Unavailable
from tests.kit.mediamtx import StandIn, stand_in
from tests.kit.waiting import LIMIT_S


@pytest.fixture
def mediamtx(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    monkeypatch.setattr(publishers, "LOOK_S", 0.02)
    monkeypatch.setattr(publishers, "RETRY_CAP_S", 0.05)
    with stand_in() as mediamtx:
        mediamtx.configured("cam1", "cam2")
        yield mediamtx


@asynccontextmanager
async def watching(url: str, user: str = "", password: str = "") -> AsyncIterator[PublishersHandle]:
    async with trio.open_nursery() as nursery:
        handle: PublishersHandle = await nursery.start(
            lambda task_status: run_publisher_watch(
                api_url=url, user=user, password=password, task_status=task_status
            )
        )
        yield handle
        nursery.cancel_scope.cancel()


async def looked(handle: PublishersHandle, until: Callable[[], Any]) -> Any:
    with trio.fail_after(LIMIT_S):
        while not (result := until()):
            await handle.looked.wait_past(handle.looked.count)
        return result


def only_publisher(handle: PublishersHandle) -> Publisher:
    return handle.publisher("cam1") or Publisher("cam1", False)


def is_connected(handle: PublishersHandle, caller: str) -> bool:
    return only_publisher(handle).connection == caller


async def test_a_publisher_is_shown_with_address_tracks_and_line(mediamtx: StandIn) -> None:
    async with watching(mediamtx.url) as handle:
        await looked(handle, lambda: handle.is_known)
        assert not only_publisher(handle).is_online and set(handle.paths) == {"cam1", "cam2"}
        mediamtx.connect("cam1", "a")
        await looked(handle, lambda: only_publisher(handle).is_online)
        mediamtx.send("cam1", 100_000, packets=95, lost=5, dropped=2)
        await looked(handle, lambda: only_publisher(handle).bitrate_bps)
        actual = only_publisher(handle)
        assert (actual.address, actual.tracks) == ("192.168.10.7:50123", ("H264", "MPEG-4 Audio"))
        assert actual.loss_ratio == pytest.approx(5 / 95) and actual.packets_dropped == 2
        assert actual.rtt_ms == 3.5 and actual.restarts == 0


async def test_an_encoder_that_connects_again_is_counted(mediamtx: StandIn) -> None:
    async with watching(mediamtx.url) as handle:
        for number, caller in enumerate("abc"):
            mediamtx.connect("cam1", caller)
            await looked(handle, partial(is_connected, handle, caller))
            assert only_publisher(handle).restarts == number
        mediamtx.disconnect("cam1")
        await looked(handle, lambda: not only_publisher(handle).is_online)
        assert only_publisher(handle).restarts == 2


async def test_a_connection_over_which_nothing_comes_is_silent(mediamtx: StandIn) -> None:
    async with watching(mediamtx.url) as handle:
        mediamtx.connect("cam1", "a")
        await looked(handle, lambda: (only_publisher(handle).silent_s or 0) > 0.1)
        mediamtx.send("cam1", 100)
        await looked(handle, lambda: only_publisher(handle).silent_s == 0.0)


async def test_an_api_that_is_away_is_asked_again_and_seen_when_it_is_back(
    mediamtx: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    with stand_in() as gone:
        url, port = gone.url, int(gone.url.rpartition(":")[2])
    async with watching(url) as handle:
        await looked(handle, lambda: handle.error)
        assert handle.error is not None and handle.error.code == "mediamtx_unreachable"
        assert handle.publisher("cam1") is None and not handle.is_known
        with stand_in(port) as back:
            back.connect("cam1", "a")
            await looked(handle, lambda: only_publisher(handle).is_online)
        await looked(handle, lambda: handle.error)
        assert handle.publisher("cam1") is None, "what was known once is not shown for what is"


async def test_an_api_that_does_not_answer_is_slow_and_not_down(
    mediamtx: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publishers, "PATIENCE_S", 0.2)
    mediamtx.hold = threading.Event()
    async with watching(mediamtx.url) as handle:
        await looked(handle, lambda: handle.error)
        assert handle.error is not None and handle.error.code == "mediamtx_slow"
        assert handle.why_ended("cam1", trio.current_time() - 60) is None, "nothing is known of the camera"
        mediamtx.hold.set()
        await looked(handle, lambda: handle.is_known)


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (500, b"", "mediamtx_error"),
        (200, b"<html>", "mediamtx_answer"),
        (200, b'{"items": 1, "pageCount": 1}', "mediamtx_answer"),
        (404, b"", "mediamtx_refused"),
    ],
)
async def test_strange_answers_are_errors_and_nothing_worse(
    mediamtx: StandIn, status: int, body: bytes, code: str
) -> None:
    mediamtx.status, mediamtx.body = status, body
    async with watching(mediamtx.url) as handle:
        await looked(handle, lambda: handle.error)
        assert handle.error is not None and handle.error.code == code and handle.error.hint
        mediamtx.status, mediamtx.body = 200, None
        await looked(handle, lambda: handle.is_known)


async def test_invalid_figures_of_mediamtx_do_not_end_the_polling(mediamtx: StandIn) -> None:
    mediamtx.connect("cam1", "a")
    mediamtx.paths["cam1"]["inboundBytes"] = float("nan")
    mediamtx.callers["a"] |= {"msRTT": float("inf"), "packetsReceived": "many", "packetsReceivedLoss": -5}
    async with watching(mediamtx.url) as handle:
        await looked(handle, lambda: only_publisher(handle).bitrate_bps is not None)
        assert (only_publisher(handle).bitrate_bps, only_publisher(handle).rtt_ms) == (0.0, 0.0)


async def test_a_wrong_login_is_reported(mediamtx: StandIn) -> None:
    mediamtx.login = ("appliance", "right")
    async with watching(mediamtx.url, "appliance", "wrong") as handle:
        await looked(handle, lambda: handle.error)
        assert handle.error is not None and "read_password" in (handle.error.hint or "")


# -- why footage stopped: the pure function


def state(connection: str | None, count: int = 0) -> list[PathState]:
    since = None if connection is None else f"since {connection}"
    kind = None if connection is None else "srtConn"
    return [PathState("cam1", connection is not None, since, kind, connection, ("H264",), count, 0)]


def after(*looks: tuple[float, str | None, int], started: str = "s") -> PublishersHandle:
    """Polls at these times: (s, connection, bytes so far)."""
    handle, no_callers = PublishersHandle(), list[SrtConnection]()
    for at_s, connection, count in looks:
        handle.take(state(connection, count), no_callers, started=started, now_s=at_s, took_s=0.01)
    return handle


@pytest.mark.parametrize(
    ("looks", "reason"),
    [
        # it continues to send
        ([(9, "a", 100), (10, "a", 200), (11, "a", 300), (12, "a", 400)], "recorder_restart"),
        (
            [(9, "a", 100), (10, "a", 200), (11, "a", 200)],
            "source_lost",
        ),  # unplugged: still connected, nothing arrives
        ([(9, "a", 100), (11, "a", 200)], None),  # the bytes may have arrived before
        ([(9, "a", 100), (11, "a", 200), (12, "a", 200)], "source_lost"),
        ([(9, "a", 100), (11, None, 0)], "source_lost"),
        # it was disconnected between two polls
        ([(9, "a", 100), (11, "b", 900), (12, "b", 1900)], "source_lost"),
        ([(9, "a", 100), (10, "a", 200)], None),  # not polled since
    ],
)
def test_the_polls_show_why_nothing_is_recorded(
    looks: list[tuple[float, str | None, int]], reason: str | None
) -> None:
    assert after(*looks).why_ended("cam1", 10.0) == reason


def test_a_mediamtx_that_was_down_or_started_anew_is_the_reason() -> None:
    handle = after((9, "a", 100), (10, "a", 200))
    handle.fail(Unavailable("mediamtx_unreachable", "MediaMTX does not answer"), 11.0)
    assert handle.why_ended("cam1", 10.5) == "recorder_restart"
    again = after((9, "a", 100))
    again.take(state("b", 50), [], started="later", now_s=12.0, took_s=0.01)
    assert again.why_ended("cam1", 10.5) == "recorder_restart", "back between two looks"
    assert again.why_ended("cam1", 12.5) is None
