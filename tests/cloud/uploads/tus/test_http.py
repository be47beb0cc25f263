"""tus 1.0 over HTTP: what is kept, what is refused, and for whom an upload is there."""

from __future__ import annotations

from functools import partial

import pytest

from appliance.cloud.competitions import store as competitions
from appliance.cloud.competitions.kinds import KINDS
from appliance.cloud.uploads.actor import join_due
from appliance.cloud.uploads.leftovers import sweep
from appliance.cloud.uploads.store import KEEP_US, KIND
from appliance.kernel.leases import take_lease
from appliance.kernel.operation import Caller
from tests.cloud.conftest import Cloud
from tests.cloud.uploads.kit import EDGE, PEOPLE, TUS, Sender, checksum, content, metadata, sha256
from tests.kit.clock import HandClock


async def box(cloud: Cloud, site: str = "s1") -> Sender:
    return Sender(await cloud.holder("box", f"site:{site}"))


async def an_event(cloud: Cloud, site: str | None = None) -> tuple[str, str]:
    """(league, event)."""
    admin = Caller("test", role="admin")

    async def make(kind: str, **fields: object) -> str:
        body = KINDS[kind].takes.model_validate(fields)
        made = await cloud.store.write(partial(_create, admin, kind, body))
        return str(made)

    def _create(caller: Caller, kind: str, body: object, tx: object) -> str:
        return str(competitions.create(tx, caller, KINDS[kind], body).resource["id"])  # type: ignore[arg-type]

    league = await make("league", name="North", sport="football")
    season = await make("season", league_id=league, name="2026-27")
    teams = [await make("team", league_id=league, name=name) for name in ("A", "B")]
    event = await make("event", season_id=season, home_team_id=teams[0], away_team_id=teams[1], site_id=site)
    return league, event


async def types(cloud: Cloud) -> list[str]:
    rows = await cloud.store.read(lambda tx: tx.all("SELECT type, body FROM journal ORDER BY seq"))
    return [row["type"] for row in rows if row["type"].startswith("upload_")]


async def test_a_file_becomes_an_object_by_its_content(cloud: Cloud) -> None:  # L12
    sender, data = await box(cloud), content(1000)
    _, event = await an_event(cloud, "s1")
    made = await sender.create(1000, filename="a.mp4", kind="local_copy", sha256=sha256(data), event_id=event)
    assert made.status == 201 and made.headers["tus-resumable"] == "1.0.0"
    assert made.headers["upload-offset"] == "0" and made.headers["upload-expires"].endswith("GMT")
    reply = await sender.patch(0, data[:600])
    assert (reply.status, reply.headers["upload-offset"], reply.body) == (204, "600", b"")
    assert await sender.offset() == 600
    assert (await sender.patch(600, data[600:], checksum(data[600:], "sha1"))).status == 204
    assert (await sender.resource())["state"] == "joining"
    assert await join_due(cloud.store, cloud.services.objects, "p")
    shown = await sender.resource()
    assert (shown["state"], shown["object"], shown["event_id"]) == (
        "complete",
        f"sha256/{sha256(data)}",
        event,
    )
    assert await cloud.services.objects.read(shown["object"]) == data
    assert await types(cloud) == ["upload_created", "upload_received", "upload_completed"]
    assert await cloud.store.read(lambda tx: tx.value("SELECT count(*) FROM upload_parts")) == 0
    again = await sender.patch(1000, b"")
    assert (again.status, again.json["code"]) == (409, "upload_ended")
    assert (await sender.delete()).json["code"] == "illegal_transition"


async def test_the_server_says_what_it_can_do(cloud: Cloud) -> None:
    reply = await cloud.client.request("OPTIONS", EDGE)
    assert reply.status == 204
    assert reply.headers["tus-extension"] == "creation,checksum,expiration,termination"
    assert reply.headers["tus-checksum-algorithm"] == "sha1,sha256"
    assert reply.headers["tus-max-size"] == str(500 * 10**9)


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"tus-resumable": "0.2"}, 412, "tus_version"),
        ({"upload-length": "x"}, 400, "bad_header"),
        ({"upload-length": "1", "upload-defer-length": "1"}, 400, "bad_header"),
        ({"upload-length": "1", "upload-metadata": "kind !"}, 400, "bad_header"),
        (
            {"upload-length": "1", "upload-metadata": f"{metadata(kind='a')},{metadata(kind='b')}"},
            400,
            "bad_header",
        ),
        ({"upload-length": "1", "upload-metadata": metadata(sha256="ab")}, 422, "invalid"),
        ({"upload-length": "1", "upload-metadata": metadata(filename="a\0")}, 422, "invalid"),
        ({"upload-length": str(10**12)}, 413, "too_large"),
        ({"upload-length": "1", "box-id": "7"}, 422, "invalid"),
    ],
)
async def test_a_creation_that_cannot_be_read_is_refused(
    cloud: Cloud, headers: dict[str, str], status: int, code: str
) -> None:
    sender = await box(cloud)
    reply = await sender.client.request("POST", EDGE, headers={**sender.headers, **headers})
    assert (reply.status, reply.json["code"]) == (status, code)
    assert reply.headers["tus-resumable"] == "1.0.0"
    assert (reply.headers.get("tus-version") == "1.0.0") == (status == 412)


async def test_a_patch_elsewhere_than_at_the_offset_keeps_nothing(cloud: Cloud) -> None:
    sender = await box(cloud)
    await sender.create(10)
    assert (await sender.patch(0, b"abc")).status == 204
    for offset in (0, 2, 4):
        reply = await sender.patch(offset, b"xyz")
        assert (reply.status, reply.json["code"], reply.json["offset"]) == (409, "wrong_offset", 3)
    assert await sender.offset() == 3


@pytest.mark.parametrize("algorithm", ["sha1", "sha256"])
async def test_a_body_of_another_checksum_leaves_nothing(cloud: Cloud, algorithm: str) -> None:
    sender = await box(cloud)
    await sender.create(10)
    reply = await sender.patch(0, b"abc", checksum(b"abd", algorithm))
    assert (reply.status, reply.json["code"]) == (460, "checksum_mismatch")
    assert await sender.offset() == 0
    assert await cloud.store.read(lambda tx: tx.value("SELECT count(*) FROM upload_parts")) == 0
    assert (await sender.patch(0, b"abc", checksum(b"abc", algorithm))).headers["upload-offset"] == "3"


async def test_a_checksum_that_cannot_be_read_is_refused(cloud: Cloud) -> None:
    sender = await box(cloud)
    await sender.create(10)
    for sent in ("md5 AAAA", "sha1 AAAA", "sha1", "sha1 !"):
        reply = await sender.patch(0, b"abc", {"upload-checksum": sent})
        assert (reply.status, reply.json["code"]) == (400, "bad_header"), sent
    assert await sender.offset() == 0


async def test_more_bytes_than_were_declared_are_not_kept(cloud: Cloud) -> None:
    sender = await box(cloud)
    await sender.create(4)
    reply = await sender.patch(0, [b"abc", b"defg"])
    assert (reply.status, reply.json["code"]) == (413, "too_large")
    assert await sender.offset() == 3  # what came before it is


async def test_a_body_of_another_type_is_refused(cloud: Cloud) -> None:
    sender = await box(cloud)
    await sender.create(4)
    reply = await sender.patch(0, b"ab", {"content-type": "application/json"})
    assert (reply.status, reply.json["code"]) == (415, "unsupported_media_type")


async def test_a_second_patch_at_once_is_refused(cloud: Cloud) -> None:
    sender = await box(cloud)
    await sender.create(4)
    upload_id = sender.path.rpartition("/")[2]
    lease = await cloud.store.write(partial(take_lease, kind=KIND, subject=upload_id, owner="another"))
    assert lease is not None
    for reply in (await sender.patch(0, b"ab"), await sender.delete()):
        assert (reply.status, reply.json["code"]) == (423, "upload_locked")
    assert await sender.offset() == 0


async def test_a_file_of_another_sha256_fails_and_leaves_no_parts(cloud: Cloud) -> None:
    sender, data = await box(cloud), b"what came"
    await sender.create(len(data), sha256=sha256(b"what was declared"))
    await sender.patch(0, data)
    assert await join_due(cloud.store, cloud.services.objects, "p")
    shown = await sender.resource()
    assert shown["state"] == "failed" and sha256(data) in shown["reason"]
    assert (await types(cloud))[-1] == "upload_failed"
    assert await cloud.store.read(lambda tx: tx.value("SELECT count(*) FROM upload_parts")) == 0
    assert (await sender.delete()).status == 204
    assert (await sender.patch(0, data)).status == 410


async def test_an_empty_file_is_complete_without_a_patch(cloud: Cloud) -> None:
    sender = await box(cloud)
    await sender.create(0)
    assert await join_due(cloud.store, cloud.services.objects, "p")
    shown = await sender.resource()
    assert (shown["state"], shown["sha256"]) == ("complete", sha256(b""))


async def test_a_creation_that_is_sent_again_is_the_same(cloud: Cloud) -> None:
    sender = await box(cloud)
    first = await sender.create(4, {"idempotency-key": "k"}, filename="a")
    again = await sender.create(4, {"idempotency-key": "k"}, filename="a")
    assert first.headers["location"] == again.headers["location"]
    other = await sender.create(5, {"idempotency-key": "k"}, filename="a")
    assert (other.status, other.json["code"]) == (422, "key_reused")


async def test_an_upload_that_is_given_up_frees_its_objects(cloud: Cloud) -> None:
    sender, objects = await box(cloud), cloud.services.objects
    await sender.create(10)
    await sender.patch(0, b"abc")
    upload_id = sender.path.rpartition("/")[2]
    assert await objects.size(f"uploads/{upload_id}/0") == 3
    assert (await sender.delete()).status == 204
    with pytest.raises(LookupError):
        await objects.size(f"uploads/{upload_id}/0")
    assert (await sender.client.request("HEAD", sender.path)).status == 410
    assert (await types(cloud))[-1] == "upload_deleted"


async def test_an_upload_without_a_byte_for_60_days_expires(cloud: Cloud) -> None:
    sender, objects, clock = await box(cloud), cloud.services.objects, cloud.clock
    assert isinstance(clock, HandClock)
    await sender.create(10)
    clock.advance(KEEP_US / 1e6 - 10)
    await sender.patch(0, b"abc")
    clock.advance(KEEP_US / 1e6 - 10)
    await sweep(cloud.store, objects, "p")
    assert await sender.offset() == 3
    clock.advance(11)
    await sweep(cloud.store, objects, "p")
    assert (await sender.client.request("HEAD", sender.path)).status == 410
    assert (await types(cloud))[-1] == "upload_expired"
    assert await cloud.store.read(lambda tx: tx.value("SELECT count(*) FROM upload_parts")) == 0
    clock.advance(31 * 86400)
    await sweep(cloud.store, objects, "p")
    assert await cloud.store.read(lambda tx: tx.value("SELECT count(*) FROM uploads")) == 0


async def test_a_site_has_room_for_so_much_that_is_not_complete(cloud: Cloud) -> None:
    sender = await box(cloud)
    assert (await sender.create(300 * 10**9)).status == 201
    full = await sender.create(300 * 10**9)
    assert (full.status, full.json["code"]) == (507, "uploads_full")
    assert (await (await box(cloud, "s2")).create(300 * 10**9)).status == 201


# -- whose it is -------------------------------------------------------------------------------------------


async def test_an_upload_is_there_for_its_site_alone(cloud: Cloud) -> None:
    sender, other = await box(cloud), await box(cloud, "s2")
    await sender.create(4)
    other.path = sender.path
    manager = Sender(await cloud.holder("manager", "league:x"), path=sender.path.replace(EDGE, PEOPLE))
    for stranger in (other, manager):
        for reply in (await stranger.patch(0, b"ab"), await stranger.delete()):
            assert (reply.status, reply.json["code"]) == (404, "not_found")
    assert (await sender.client.get(EDGE)).json["items"][0]["owner"] == "site:s1"
    assert (await other.client.get(EDGE)).json["items"] == []
    admin = await cloud.holder("admin")
    assert len((await admin.get(f"{PEOPLE}?state=receiving")).json["items"]) == 1
    assert (await admin.get(f"{PEOPLE}?state=failed")).json["items"] == []


async def test_people_send_for_an_event_of_their_leagues(cloud: Cloud) -> None:  # L28
    league, event = await an_event(cloud)
    own = Sender(await cloud.holder("manager", f"league:{league}"), PEOPLE, TUS)
    other = Sender(await cloud.holder("manager", "league:x"), PEOPLE, TUS)
    assert list((await own.create(4)).wrong) == ["event_id"]
    assert (await other.create(4, event_id=event)).json["code"] == "unknown_reference"
    made = await own.create(4, event_id=event)
    assert made.json["owner"] == f"league:{league}" and made.json["created_by"].startswith("manager")
    assert (await own.patch(0, b"abcd")).status == 204
    assert len((await own.client.get(f"{PEOPLE}?event_id={event}")).json["items"]) == 1
    assert (await other.client.get(PEOPLE)).json["items"] == []


async def test_a_box_names_events_of_its_own_site(cloud: Cloud) -> None:
    _, event = await an_event(cloud, "s2")
    refused = await (await box(cloud)).create(4, event_id=event)
    assert (refused.status, refused.json["code"]) == (422, "unknown_reference")
    assert (await (await box(cloud, "s2")).create(4, event_id=event)).status == 201


async def test_a_machine_that_was_replaced_sends_nothing(cloud: Cloud) -> None:
    sender = await box(cloud)
    await sender.create(4)
    row = {"id": "s1", "name": "s1", "box_id": "019307a0-0000-7000-8000-0000000000b9", "box_version": ""}
    rest = {"epoch_number": 0, "backlog": 0, "trouble": "", "created_us": 1, "updated_us": 1}
    await cloud.store.write(lambda tx: tx.create("sites", {**row, **rest}))
    for reply in (await sender.patch(0, b"ab"), await sender.create(4)):
        assert (reply.status, reply.json["code"]) == (409, "other_box")


# -- a browser ---------------------------------------------------------------------------------------------

PAGE = {"origin": "https://league.example"}


async def test_a_page_of_any_origin_sends_with_a_token(cloud: Cloud) -> None:
    league, event = await an_event(cloud)
    asked = {**PAGE, "access-control-request-method": "PATCH"}
    preflight = await cloud.client.request("OPTIONS", f"{PEOPLE}/x", headers=asked)
    assert preflight.status == 204 and "PATCH" in preflight.headers["access-control-allow-methods"]
    assert "upload-metadata" in preflight.headers["access-control-allow-headers"]
    sender = Sender(await cloud.holder("manager", f"league:{league}"), PEOPLE, {**TUS, **PAGE})
    made = await sender.create(4, event_id=event)
    assert made.status == 201 and made.headers["access-control-allow-origin"] == "*"
    assert "location" in made.headers["access-control-expose-headers"]
    assert (await sender.patch(0, b"abcd")).headers["access-control-allow-origin"] == "*"
    refused = await sender.patch(0, b"abcd")
    assert refused.status == 409 and refused.headers["access-control-allow-origin"] == "*"


async def test_no_page_sends_by_itself(cloud: Cloud) -> None:
    """Where access is open to this machine (the demo), another origin's page has no token to show."""
    client = type(cloud.client)(cloud.client.app, host="127.0.0.1:8090", headers={**TUS, **PAGE})
    for more in ({}, {"authorization": "Basic x"}, {"authorization": "Bearer "}):
        refused = await client.request("POST", PEOPLE, headers={"upload-length": "4", **more})
        assert (refused.status, refused.json["code"]) == (403, "cross_origin")
    assert "access-control-allow-origin" not in refused.headers
    assert "access-control-allow-origin" not in (await client.get(PEOPLE)).headers
    asked = {**PAGE, "access-control-request-method": "POST"}
    boxes = await cloud.client.request("OPTIONS", EDGE, headers=asked)
    assert "access-control-allow-origin" not in boxes.headers
