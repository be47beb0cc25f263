"""The written matrix against the real box: every route and every /ws command, with a token of each role."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import trio

from appliance.access.console import leave_code
from appliance.access.roles import ROLES
from appliance.box.daemon import run_daemon
from appliance.box.demo import demo_settings
from appliance.box.domains import access_rows
from appliance.box.permissions import box_matrix
from appliance.box.settings import Settings
from appliance.kernel.store import Store
from appliance.ops.loopwatch import LoopWatch
from appliance.server.connections.server import Bound

PROXIED = {"x-forwarded-for": "192.0.2.1"}  # so that loopback is not open
COMMANDS_BY_ROUTE = {
    "DO play_new": "POST /plays",
    "DO play_end": "POST /plays/{play_id}/end",
    "DO play_cue": "POST /plays/{play_id}/cue",
    "DO clip_new": "POST /clips",
    "DO clip_end": "POST /clips/{clip_id}/end",
}


def test_a_command_has_the_roles_of_its_route() -> None:
    matrix = box_matrix(access_rows())
    assert {rule for rule in matrix.rows if rule.startswith("DO ")} == set(COMMANDS_BY_ROUTE)
    for command, route in COMMANDS_BY_ROUTE.items():
        assert matrix.row(command) == matrix.row(route)


def test_who_reads_changes_nothing() -> None:
    """Programs change nothing, but what a capture device reports of its camera."""
    rows = box_matrix(access_rows()).rows
    for role in ("assistant", "integrator", "capture"):
        changing = {
            rule for rule, row in rows.items() if role in row.roles and not rule.startswith(("GET", "WS"))
        }
        assert changing <= {
            "POST /media-keys",
            "POST /channels/{channel_id}/heartbeat",
            "POST /channels/{channel_id}/error",
            "POST /channels/{channel_id}/whep",
            "PATCH /channels/{channel_id}/whep/{secret}",
            "DELETE /channels/{channel_id}/whep/{secret}",
        }


async def test_every_route_keeps_to_the_matrix(tmp_path: Path) -> None:
    """A body that no route takes is sent: who may gets an answer of the route, nothing is changed."""
    stop = trio.Event()
    base = demo_settings(tmp_path, 0, "127.0.0.1", 1)
    settings = base.model_copy(update={"access": base.access.model_copy(update={"mode": "paired"})})

    async def ready(bound: Bound, store: Store) -> None:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{bound.port}", headers=PROXIED) as http:
            await walk(http, bound.port, settings)
        stop.set()

    await run_daemon(settings, stop=stop, loop=LoopWatch(), ready=ready)


async def walk(http: httpx.AsyncClient, port: int, settings: Settings) -> None:
    matrix = box_matrix(access_rows())
    tokens: dict[str, str] = {}
    for role in ROLES:
        code = leave_code(settings.storage.state_dir, role, None, 10)
        tokens[role] = (await http.post("/pair", json={"code": code})).json()["token"]
    http.cookies.clear()
    served = rules_served((await http.get("/openapi.json", headers=bearer(tokens["admin"]))).json())
    described = {rule.replace("WS ", "GET ") for rule in matrix.rows if rule[:3] != "DO "}
    assert described - served == {"GET /openapi.json"} and served <= described
    for rule in sorted(set(matrix.rows) - {"POST /pair"}):
        method, path = rule.split()
        row, url = matrix.row(rule), re.sub(r"\{\w+\}", "none", path)
        if method == "DO" or rule in ("WS /ws",):
            continue  # tests/box/live/test_access.py
        if method == "WS":
            url = url.replace("none", "cam1")
        for role, token in {"": "", **tokens}.items():
            status = await status_of(http, port, method, url, token)
            if row.public or (role and row.allows(role)):
                assert status not in (401, 403), (rule, role, status)
            else:
                assert status == (403 if role else 401), (rule, role, status)


async def status_of(http: httpx.AsyncClient, port: int, method: str, url: str, token: str) -> int:
    if method == "WS":
        return await upgrade_status(port, url, {**PROXIED, **bearer(token)})
    body: Any = None if method == "GET" else {"no such field": 1}
    return (await http.request(method, url, json=body, headers=bearer(token))).status_code


async def upgrade_status(port: int, path: str, fields: Mapping[str, str]) -> int:
    """The status of a WebSocket handshake."""
    lines = [f"{name}: {value}\r\n" for name, value in fields.items()]
    async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
        head = (
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
        )
        await stream.send_all("".join([head, *lines, "\r\n"]).encode())
        return int((await stream.receive_some(4096)).split()[1])


def bearer(token: str) -> Mapping[str, str]:
    return {"authorization": f"Bearer {token}"} if token else {}


def rules_served(document: Any) -> set[str]:
    """What the box says it serves."""
    paths = document["paths"]
    return {
        f"{method.upper()} {path}"
        for path, methods in paths.items()
        for method in methods
        if method != "head"
    }
