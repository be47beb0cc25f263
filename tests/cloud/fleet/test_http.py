"""Over HTTP: a box's token sends and reads its own site only; admins see all, and act."""

from __future__ import annotations

import json
from typing import Any

from tests.cloud.conftest import Cloud
from tests.cloud.fleet.sending import BOX, OTHER_BOX, Event, body_of, changed, event, sha256_of
from tests.kit.client import Client, Reply


async def post_events(client: Client, events: list[Event], box: str = BOX, **headers: str) -> Reply:
    sent = {"box-id": box, "content-type": "application/cloudevents-batch+json", **headers}
    return await client.request("POST", "/edge/v1/events", body_of(events), headers=sent)


async def test_a_box_sends_and_sees_its_site(cloud: Cloud) -> None:
    box = await cloud.holder("box", "site:north")
    south = await cloud.holder("box", "site:south")
    reply = await post_events(
        box, [changed(1, "session", "s1"), event(2, "clip_ready", "clip:c1", {})],
        **{"sync-backlog": "7", "box-version": "9.9"},
    )  # fmt: skip
    assert (reply.status, reply.json["acked_through"]) == (200, 2)
    assert [each["id"] for each in reply.json["rejected"]] == ["e1:2"]
    site = (await box.get("/fleet/v1/sites/north")).json
    assert (site["backlog"], site["box_version"], site["box_id"], site["epoch_number"]) == (7, "9.9", BOX, 1)
    assert [each["id"] for each in (await box.get("/fleet/v1/sites")).json["items"]] == ["north"]
    assert (await south.get("/fleet/v1/sites")).json["items"] == []
    journal = (await box.get("/fleet/v1/sites/north/events?limit=1")).json["items"]
    assert [(each["seq"], each["type"]) for each in journal] == [(1, "session_created")]
    more = (await box.get("/fleet/v1/sites/north/events?epoch_number=1&since=1")).json["items"]
    assert [each["seq"] for each in more] == [2]
    sessions = (await box.get("/fleet/v1/sites/north/resources")).json
    assert sessions["items"][0]["resource"]["id"] == "s1" and sessions["next_cursor"] is None
    parked = (await box.get("/fleet/v1/sites/north/parked?status=parked")).json["items"]
    assert parked[0]["event"]["id"] == "e1:2"
    for path in ("", "/events", "/resources", "/parked"):
        assert (await south.get(f"/fleet/v1/sites/north{path}")).status == 404
    replay = await cloud.client.post(f"/fleet/v1/sites/north/parked/{parked[0]['id']}/replay")
    assert replay.status == 401
    admin = await cloud.holder("admin")
    replay = await admin.post(f"/fleet/v1/sites/north/parked/{parked[0]['id']}/replay")
    assert (replay.status, replay.json["code"]) == (409, "still_bad")
    assert (await admin.post(f"/fleet/v1/sites/south/parked/{parked[0]['id']}/replay")).status == 404


async def test_resources_come_in_pages(cloud: Cloud) -> None:
    box = await cloud.holder("box", "site:north")
    await post_events(box, [changed(seq, "clip", f"c{seq}") for seq in range(1, 6)])
    ids, path = list[str](), "/fleet/v1/sites/north/resources?kind=clip&session_id=s1&limit=2"
    cursor: Any = ""
    while cursor is not None:
        page = (await box.get(path + (f"&cursor={cursor}" if cursor else ""))).json
        ids += [each["id"] for each in page["items"]]
        cursor = page["next_cursor"]
    assert ids == ["c1", "c2", "c3", "c4", "c5"]
    first = (await box.get(path)).json["next_cursor"]
    assert (await box.get(f"/fleet/v1/sites/north/resources?kind=tag&cursor={first}")).status == 422


async def test_what_a_box_must_show(cloud: Cloud) -> None:
    box, admin = await cloud.holder("box", "site:north"), await cloud.holder("admin")
    reply = await post_events(box, [changed(1, "clip", "c1")], box="")
    assert (reply.status, reply.json["code"]) == (422, "invalid")
    reply = await post_events(admin, [changed(1, "clip", "c1")])
    assert (reply.status, reply.json["code"]) == (422, "not_a_box")
    reply = await post_events(box, [changed(1, "clip", "c1", site="south")])
    assert (reply.status, reply.json["code"]) == (404, "other_site")
    headers = {"box-id": BOX, "site-id": "south"}  # its settings name another site than its token
    snapshot = {"epoch": "e1", "as_of_seq": 3}
    begun = await box.post("/edge/v1/snapshots", snapshot, headers=headers)
    assert (begun.status, begun.json["code"]) == (404, "other_site")
    reply = await post_events(box, [], **{"sync-epoch": "e 1"})
    assert reply.status == 422
    reply = await post_events(box, [], **{"sync-after": "x"})
    assert reply.status == 400
    assert (await admin.get("/fleet/v1/sites/north")).status == 404  # nothing was taken


async def test_another_machine_needs_an_admin(cloud: Cloud) -> None:
    box, admin = await cloud.holder("box", "site:north"), await cloud.holder("admin")
    await post_events(box, [changed(1, "clip", "c1")])
    reply = await post_events(box, [changed(2, "clip", "c1")], box=OTHER_BOX)
    assert (reply.status, reply.json["code"]) == (409, "other_box")
    site = (await admin.get("/fleet/v1/sites/north")).json
    assert "another machine" in site["trouble"]
    head = cloud.store.journal.head
    await post_events(box, [changed(2, "clip", "c1")], box=OTHER_BOX)
    assert cloud.store.journal.head == head  # told once, not at each request
    assert (await box.post("/fleet/v1/sites/north/replace-box")).status == 403
    assert (await admin.post("/fleet/v1/sites/north/replace-box")).json["box_id"] is None
    old = await post_events(box, [changed(2, "clip", "c1")])
    assert (old.status, old.json["code"], old.json["is_replaced"]) == (409, "other_box", True)
    assert (await box.get("/edge/v1/snapshot", headers={"box-id": BOX})).status == 409
    assert (await post_events(box, [changed(2, "clip", "c1")], box=OTHER_BOX)).status == 200


async def test_an_admin_names_the_next_box(cloud: Cloud) -> None:
    box, admin = await cloud.holder("box", "site:north"), await cloud.holder("admin")
    await post_events(box, [changed(1, "clip", "c1")])
    path, third = "/fleet/v1/sites/north/replace-box", "5f0c3a52-0000-4000-8000-000000000003"
    assert (await admin.post(path, {"box_id": "x"})).json["errors"][0]["loc"] == "box_id"
    assert (await admin.post(path, {"box_id": OTHER_BOX.upper()})).json["next_box_id"] == OTHER_BOX
    reply = await post_events(box, [changed(2, "clip", "c1")], box=third)
    assert (reply.status, reply.json["code"]) == (409, "other_box") and OTHER_BOX in reply.json["detail"]
    assert third in (await admin.get("/fleet/v1/sites/north")).json["trouble"]
    assert (await post_events(box, [changed(2, "clip", "c1")], box=OTHER_BOX)).status == 200
    site = (await admin.get("/fleet/v1/sites/north")).json
    assert (site["box_id"], site["next_box_id"]) == (OTHER_BOX, None)


async def test_a_divergence_stays_until_an_admin_has_seen_it(cloud: Cloud) -> None:
    box, admin = await cloud.holder("box", "site:north"), await cloud.holder("admin")
    await post_events(box, [changed(1, "clip", "c1")])
    reply = await post_events(box, [], **{"sync-epoch": "e1", "sync-after": f"1:{sha256_of('other')}"})
    assert (reply.status, reply.json["code"], reply.json["at"]) == (409, "diverged", 1)
    assert "entry 1" in (await box.get("/fleet/v1/sites/north")).json["trouble"]
    assert (await admin.post("/fleet/v1/sites/north/resolve")).json["trouble"] == ""
    metrics = cloud.services.metrics.render().decode()
    assert 'fleet_batches_total{outcome="diverged"} 1.0' in metrics
    assert 'fleet_events_total{outcome="taken"} 1.0' in metrics


async def test_a_snapshot_over_http(cloud: Cloud) -> None:
    box = await cloud.holder("box", "site:north")
    headers = {"box-id": BOX}
    begun = await box.post("/edge/v1/snapshots", {"epoch": "e1", "as_of_seq": 3}, headers=headers)
    assert begun.status == 201
    path = f"/edge/v1/snapshots/{begun.json['id']}"
    part = json.dumps({"kind": "clip", "id": "c1", "resource": {"id": "c1"}}).encode() + b"\n"
    for _ in range(2):
        put = await box.request("PUT", f"{path}/parts/1", part, headers=headers)
        assert (put.status, put.json["sha256"]) == (200, sha256_of(part.decode()))
    assert (await box.request("PUT", f"{path}/parts/x", part, headers=headers)).status == 422
    commit = {"parts": 1, "sha256": sha256_of(part.decode())}
    reply = await box.post(f"{path}/commit", commit, headers=headers)
    assert (reply.status, reply.json) == (200, {"acked_through": 3, "epoch": "e1"})
    assert (await box.post("/edge/v1/snapshots/none/commit", commit, headers=headers)).status == 404
    assert (await post_events(box, [changed(4, "clip", "c1")])).json["acked_through"] == 4
