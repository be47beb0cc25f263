"""The edge follows its dispatcher where a connection asks it, and passes on what is no request."""

from __future__ import annotations

import ipaddress
from collections.abc import MutableMapping
from typing import Any

from appliance.cloud.edge import CloudEdge
from tests.cloud.conftest import Cloud
from tests.kit.client import Client


async def test_behind_a_trusted_proxy_the_client_is_the_one_it_names(cloud: Cloud) -> None:
    seen: list[Any] = []

    class Inside:
        async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
            seen.append((scope["client"][0], scope["scheme"]))
            await cloud.client.app.app(scope, receive, send)  # type: ignore[attr-defined]

    edge = cloud.client.app
    assert isinstance(edge, CloudEdge)
    trusted = CloudEdge(Inside(), edge.door, (ipaddress.ip_network("127.0.0.0/8"),))  # type: ignore[arg-type]
    sent = {"x-forwarded-for": "198.51.100.7", "x-forwarded-proto": "https"}
    for app in (trusted, CloudEdge(Inside(), edge.door)):  # type: ignore[arg-type]
        client = Client(app, host="127.0.0.1:8090", headers=sent)
        assert (await client.get("/readyz")).status == 401  # it came through a proxy: not open
    assert seen == [("198.51.100.7", "https"), ("127.0.0.1", "http")]


async def test_a_lifespan_reaches_the_dispatcher(cloud: Cloud) -> None:
    sent: list[str] = []

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "lifespan.shutdown"}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message["type"])

    edge = cloud.client.app
    assert isinstance(edge, CloudEdge)
    await edge({"type": "lifespan"}, receive, send)
    assert sent == ["lifespan.shutdown.complete"]
    assert not edge.is_short("/healthz")
