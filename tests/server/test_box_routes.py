"""Time, version, health and metrics."""

from __future__ import annotations

from tests.kit.client import Client
from tests.server.conftest import Box


async def test_time_is_box_time(box: Box) -> None:
    client = box.client()
    assert (await client.get("/time")).json == {"server_time": "2026-11-20T19:00:00.000000Z"}
    box.clock.advance(1.5)
    assert (await client.get("/time")).json == {"server_time": "2026-11-20T19:00:01.500000Z"}


async def test_version_names_the_box(box: Box) -> None:
    about = (await box.client().get("/version")).json
    assert about["site_id"] == "box-1" and about["site_name"] == "North Field" and about["version"]
    assert about["timezone"] == "Europe/Madrid"


async def test_readyz_is_the_worst_of_its_parts_and_503_only_when_bad(box: Box) -> None:
    client = box.client()
    part = {"detail": "31 h left", "hint": None}
    for statuses, worst, http in (
        ((), "ok", 200),
        (("ok", "ok"), "ok", 200),
        (("ok", "warn"), "warn", 200),
        (("bad", "warn", "ok"), "bad", 503),
    ):
        box.parts = {f"part{at}": {"status": status, **part} for at, status in enumerate(statuses)}
        reply = await client.get("/readyz")
        assert (reply.status, reply.json) == (http, {"status": worst, "parts": box.parts})


async def test_health_and_metrics_are_on_both_listeners(box: Box) -> None:
    for client in (box.client(), Client(box.local_app())):
        assert (await client.get("/healthz")).json == {"status": "ok"}
        metrics = await client.get("/metrics")
        assert metrics.body == b"up 1\n" and metrics.headers["content-type"].startswith(
            "text/plain; version=0.0.4"
        )
    assert (await Client(box.local_app()).get("/time")).status == 404
