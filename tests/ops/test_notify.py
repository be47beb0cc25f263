"""Notifications to systemd."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest
import structlog
import trio

from appliance.ops.notify import Notifier
from tests.kit.waiting import LIMIT_S


async def heard(listener: trio.socket.SocketType) -> str:
    with trio.fail_after(LIMIT_S):
        return (await listener.recv(4096)).decode()


@pytest.mark.parametrize("kind", ["path", "abstract"])
async def test_each_message_is_one_datagram(tmp_path: Path, kind: str) -> None:
    name = f"box-test-{secrets.token_hex(8)}"
    address = str(tmp_path / "notify") if kind == "path" else "@" + name
    with trio.socket.socket(trio.socket.AF_UNIX, trio.socket.SOCK_DGRAM) as listener:
        await listener.bind(address if kind == "path" else "\0" + name)
        notifier = Notifier(address)
        await notifier.ready("8 cameras")
        assert await heard(listener) == "READY=1\nSTATUS=8 cameras"
        await notifier.stopping()
        assert (await heard(listener)).startswith("STOPPING=1\n")


async def test_without_systemd_nothing_is_sent() -> None:
    await Notifier("").ready("x")


async def test_a_listener_that_is_gone_stops_nothing(tmp_path: Path) -> None:
    with structlog.testing.capture_logs() as logs:
        await Notifier(str(tmp_path / "nobody")).ready("x")
    assert [line["event"] for line in logs] == ["notify_failed"]
