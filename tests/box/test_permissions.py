"""The written matrix against the real box: every route and every /ws command, with a token of each role."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import trio

from appliance.access.console import leave_token
from appliance.access.roles import ROLES
from appliance.box.daemon import run_daemon
from appliance.box.domains import access_rows
from appliance.box.permissions import box_matrix
from appliance.box.settings import check_settings
from appliance.kernel.store import Store
from appliance.ops.loopwatch import LoopWatch
from appliance.server.connections.server import Bound
from tests.kit.waiting import LIMIT_S
from tests.server.sockets import handshake, read_answer, request

PROXIED = {"x-forwarded-for": "192.0.2.1"}  # so that loopback is not open


def test_roles_that_read_change_nothing() -> None:
    """Programs change nothing but their own token; a capture device reports on its camera too."""
    rows = box_matrix(access_rows()).rows
    for role in ("assistant", "integrator", "capture"):
        changing = {
            rule for rule, row in rows.items() if role in row.roles and not rule.startswith(("GET", "WS"))
        }
        assert changing <= {
            "POST /media-keys",
            "POST /devices/self/token",
            "POST /channels/{channel_id}/heartbeat",
            "POST /channels/{channel_id}/error",
            "POST /channels/{channel_id}/whep",
            "PATCH /channels/{channel_id}/whep/{secret}",
            "DELETE /channels/{channel_id}/whep/{secret}",
        }


async def test_every_route_keeps_to_the_matrix(tmp_path: Path) -> None:
    """The body is invalid for every route: an allowed request gets the route's error and changes nothing. The
    box does not start when a route has no row (tests/access/test_door.py); here every row has its route."""
    stop = trio.Event()
    tokens = {role: leave_token(tmp_path, role, None) for role in ROLES}
    settings = check_settings(
        {
            "server": {"port": 0, "local_port": 0},
            "storage": {"state_dir": tmp_path, "recordings_dir": tmp_path / "recordings", "reserve_gb": 0},
            "recorder": {"mode": "external"},
            "retention": {"min_free_gb": 0},
            "channels": [{"id": "cam1"}],
        }
    )

    async def ready(bound: Bound, store: Store) -> None:
        async with await trio.open_tcp_stream("127.0.0.1", bound.port) as stream:
            await walk(stream, bound.port, tokens)
        stop.set()

    with trio.fail_after(LIMIT_S):
        await run_daemon(settings, stop=stop, loop=LoopWatch(), ready=ready)


async def walk(stream: trio.SocketStream, port: int, tokens: Mapping[str, str]) -> None:
    matrix = box_matrix(access_rows())
    for rule in sorted(set(matrix.rows) - {"POST /pair", "WS /ws"}):
        method, path = rule.split()
        if method == "DO":
            continue  # tests/box/live/test_access.py, like WS /ws
        row, url = matrix.row(rule), re.sub(r"\{channel_id\}" if method == "WS" else r"\{\w+\}", "cam1", path)
        for role, token in {"": "", **tokens}.items():
            fields = {**PROXIED, **({"authorization": f"Bearer {token}"} if token else {})}
            if method == "WS":
                status, code = await upgraded(port, url, fields), ""
            else:
                body = b"" if method == "GET" else b'{"no such field": 1}'
                await stream.send_all(request(url, method, body, content_type="application/json", **fields))
                status, code = status_and_code(await read_answer(stream))
            if row.public or (role and row.allows(role)):
                assert status not in (401, 403, 405) and code != "no_such_path", (rule, role, status, code)
            else:
                expected = (403, "not_allowed") if role else (401, "not_paired")
                assert (status, code or expected[1]) == expected, (rule, role, status, code)


def status_and_code(answer: bytes) -> tuple[int, str]:
    head, _, body = answer.partition(b"\r\n\r\n")
    match = re.search(rb'"code":"(\w+)"', body)
    return int(head.split()[1]), match[1].decode() if match else ""


async def upgraded(port: int, path: str, fields: Mapping[str, str]) -> int:
    """The status of a WebSocket handshake."""
    async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
        await stream.send_all(handshake(path, *(f"{name}: {value}" for name, value in fields.items())))
        return int((await stream.receive_some(4096)).split()[1])
