"""A daemon with TLS "auto": what a tablet does with it, from the plain port to a mark and its video."""

from __future__ import annotations

import json
import ssl
from pathlib import Path

import httpx
import pytest
import trio_websocket

from tests.kit.ports import free_port
from tests.kit.running import running_box

pytestmark = pytest.mark.slow


async def test_a_device_trusts_the_box_once_and_works_over_tls(tmp_path: Path) -> None:
    port, tls_port = free_port(), free_port()
    camera = {"id": "cam1", "input_url": "synthetic:"}
    server = {"host": "127.0.0.1", "port": port, "local_port": 0, "tls": "auto", "tls_port": tls_port}
    async with running_box(tmp_path, site={"id": "north"}, server=server, channels=[camera]):
        async with httpx.AsyncClient() as plain:
            away = await plain.get(f"http://127.0.0.1:{port}/clips?limit=1")
            assert away.status_code == 307
            assert away.headers["location"] == f"https://127.0.0.1:{tls_port}/clips?limit=1"
            der = (await plain.get(f"http://127.0.0.1:{port}/ca.crt")).content
        trusting = ssl.create_default_context(cadata=der)
        # the name is resolved by mDNS in a stadium; here the client is told the address
        sni = {"sni_hostname": "north.local"}
        async with httpx.AsyncClient(verify=trusting, base_url=f"https://127.0.0.1:{tls_port}") as box:
            ready = await box.get("/readyz", extensions=sni, headers={"Host": f"north.local:{tls_port}"})
            assert ready.json()["parts"]["certificate"]["status"] == "ok"
            page = await box.get("/", extensions=sni)
            assert f"wss://127.0.0.1:{tls_port}" in page.headers["content-security-policy"]
        trusting.check_hostname = False  # trio-websocket has no way to name another host
        async with trio_websocket.open_websocket_url(
            f"wss://127.0.0.1:{tls_port}/ws?client=tablet", ssl_context=trusting
        ) as socket:
            assert json.loads(await socket.get_message())["type"] == "connected"
