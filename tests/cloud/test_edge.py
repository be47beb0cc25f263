"""The edge follows its dispatcher where a connection asks it, and passes on what is no request."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from appliance.cloud.edge import CloudEdge
from tests.cloud.conftest import Cloud


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
