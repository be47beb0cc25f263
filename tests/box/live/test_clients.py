"""GET /clients: connected clients and their lag."""

from __future__ import annotations

from appliance.kernel.clock import from_rfc3339
from appliance.server.app import make_app
from appliance.server.box_routes import Hooks, Site
from tests.box.live.kit import Running, wait_until
from tests.kit.client import Client


async def test_connected_devices_and_how_far_behind_they_are(running: Running) -> None:
    async with running() as box, box.connect("?client=ipad-4") as tablet:
        hooks = Hooks(dict, lambda: b"", lambda tx, give_way: {})
        clock = box.store.clock
        app = make_app(
            [box.live.routes()], store=box.store, clock=clock, site=Site(), hooks=hooks, static_dir=None
        )
        await tablet.greet()
        [silent] = (await Client(app).get("/clients")).json["items"]
        assert (silent["device"], silent["peer"], silent["lag_events"]) == ("ipad-4", "127.0.0.1", 0)
        assert (silent["rtt_ms"], silent["role"], silent["edit_lists"]) == (None, None, None)
        assert 0 <= clock.now_us() - from_rfc3339(silent["connected_at"]) < 60_000_000

        await tablet.say(type="ping", id=1, about={"rtt_ms": 31.5, "role": "coach", "edit_lists": "ok"})
        await tablet.next_of("pong")
        await tablet.say(type="ping", id=2)  # without new information
        await tablet.next_of("pong")
        [known] = (await Client(app).get("/clients")).json["items"]
        assert (known["rtt_ms"], known["role"], known["edit_lists"]) == (31.5, "coach", "ok")
        assert 0 <= known["heard_age_s"] < 60

        document = (await Client(app).get("/openapi.json")).json
        assert document["paths"]["/clients"]["get"]["responses"]["200"]["content"]["application/json"][
            "schema"
        ] == {"$ref": "#/components/schemas/Clients"}
    await wait_until(lambda: box.live.stats().clients == ())
