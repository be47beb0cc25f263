"""The notice of a video: signed, taken once, and what follows when the video is judged."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from appliance.cloud.breakdowns.domain import DOMAIN
from appliance.cloud.breakdowns.queue.rows import open_job_of
from appliance.cloud.breakdowns.settings import LoggingSettings
from appliance.cloud.breakdowns.sources import store as sources
from appliance.cloud.breakdowns.sources.http import source_routes
from appliance.cloud.breakdowns.sources.model import SourceQuery
from appliance.cloud.breakdowns.sources.rows import is_locked, usable_source
from appliance.cloud.breakdowns.sources.webhook import PATH, VodWebhook
from appliance.http.replies import problem_reply, send_reply
from appliance.kernel.clock import S_US
from appliance.kernel.errors import Refused
from appliance.kernel.operation import Caller
from appliance.kernel.store import Store
from appliance.kernel.tx import Tx
from appliance.network.signature import new_secret, sign
from tests.cloud.breakdowns.world import ADMIN, USABLE, World, actions, bare_world, logging_world, marking
from tests.kit.client import Client, Reply
from tests.kit.clock import KICKOFF_US, HandClock

OLD, NEW, WRONG = new_secret(), new_secret(), new_secret()
NOW_S = KICKOFF_US // S_US


@dataclass
class Sender:
    """The video service: signs notices and sends them."""

    client: Client
    held: tuple[str, ...] = (NEW,)

    async def send(self, body: Any, *, held: tuple[str, ...] | None = None, at_s: int = NOW_S) -> Reply:
        sent = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = sign(self.held if held is None else held, "msg_1", at_s, sent)
        return await self.client.post(PATH, sent, headers=headers)


@pytest.fixture
async def sender(store: Store, clock: HandClock) -> Sender:
    """The webhook alone, with a secret that is being replaced."""
    return Sender(Client(_app(VodWebhook(store, clock, (NEW, OLD)))))


def _app(webhook: VodWebhook) -> Any:
    """Its route as an ASGI application; refusals become problems, as in the dispatcher."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        try:
            await webhook.receive(scope, receive, send, {})
        except Refused as refused:
            await send_reply(send, problem_reply(refused))

    return app


async def event_of(store: Store) -> tuple[World, str]:
    def build(tx: Tx) -> tuple[World, str]:
        world = logging_world(tx)
        return world, world.event(tx)

    return await store.write(build)


def notice(event_id: str, **changes: Any) -> dict[str, Any]:
    url = "https://vod.example/game/index.m3u8"
    return {"id": "vod-1", "event_id": event_id, "url": url, **changes}


async def test_a_signed_notice_is_taken_once(store: Store, sender: Sender) -> None:  # L07
    _, event_id = await event_of(store)
    body = notice(event_id, available_at="2026-11-20T18:58:00Z")
    first = await sender.send(body)
    assert (first.status, first.json["state"], first.json["notice_id"]) == (201, "pending", "vod-1")
    assert first.json["notified_at"] == "2026-11-20T19:00:00.000000Z"  # L21: both times
    assert first.json["published_at"] == "2026-11-20T18:58:00.000000Z"
    again = await sender.send(body)
    assert (again.status, again.json) == (200, first.json)
    other = await sender.send(notice(event_id, url="https://vod.example/other.m3u8"))
    assert (other.status, other.json["code"]) == (422, "id_reused")
    count = await store.read(lambda tx: tx.value("SELECT count(*) FROM sources"))
    assert count == 1 and await actions(store, f"source:{first.json['id']}") == ["noticed"]


async def test_each_secret_admits_while_one_is_replaced(store: Store, sender: Sender) -> None:  # L07
    _, event_id = await event_of(store)
    for at, held in enumerate(((NEW,), (OLD,), (WRONG, OLD))):
        assert (await sender.send(notice(event_id, id=f"n{at}"), held=held)).status == 201


@pytest.mark.parametrize(
    ("held", "late_s", "words"),
    [
        ((WRONG,), 0, "signature"),
        ((NEW,), -301, "timestamp"),
        ((NEW,), 301, "timestamp"),
        ((), 0, "signature"),
    ],
)
async def test_what_is_not_signed_is_refused(
    store: Store, sender: Sender, held: tuple[str, ...], late_s: int, words: str
) -> None:  # L07
    _, event_id = await event_of(store)
    before = store.journal.head
    refused = await sender.send(notice(event_id), held=held, at_s=NOW_S + late_s)
    assert (refused.status, refused.json["code"]) == (400, "bad_signature")
    assert words in refused.json["detail"] and store.journal.head == before


async def test_a_changed_body_is_refused(store: Store, sender: Sender) -> None:
    _, event_id = await event_of(store)
    sent = json.dumps(notice(event_id)).encode()
    headers = sign((NEW,), "msg_1", NOW_S, sent)
    refused = await sender.client.post(PATH, sent.replace(b"vod-1", b"vod-2"), headers=headers)
    assert refused.json["code"] == "bad_signature"
    assert (await sender.client.post(PATH, sent)).json["code"] == "bad_signature"


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({"event_id": "019307a0-0000-7000-8000-00000000dead"}, "event_id"),
        ({"url": "file:///etc/passwd"}, "url"),
        ({"url": "https://user:word@vod.example/"}, "url"),
        ({"id": "a b"}, "id"),
        ({"available_at": "yesterday"}, "available_at"),
        ({"more": 1}, "more"),
    ],
)
async def test_a_wrong_field_is_named(
    store: Store, sender: Sender, change: dict[str, Any], wrong: str
) -> None:
    _, event_id = await event_of(store)
    refused = await sender.send({**notice(event_id), **change})
    assert refused.status == 422 and set(refused.wrong) == {wrong}


async def test_a_notice_for_an_event_that_is_logged_is_refused_and_audited(
    store: Store, sender: Sender
) -> None:  # L27
    world, event_id = await event_of(store)
    await sender.send(notice(event_id))

    def log(tx: Tx) -> None:
        source = tx.one("SELECT * FROM sources")
        assert source is not None
        world.accept(tx, source["id"])
        tx.run("UPDATE sources SET state = 'locked'")

    await store.write(log)
    assert (await sender.send(notice(event_id))).status == 200  # the same notice: nothing changes
    refused = await sender.send(notice(event_id, id="vod-2"))
    assert (refused.status, refused.json["code"]) == (409, "sources_locked")
    assert await actions(store, f"event:{event_id}") == ["marked", "source_refused"]
    assert await store.read(lambda tx: is_locked(tx, event_id))


async def test_an_accepted_video_makes_one_job(store: Store) -> None:  # L10 L12 L21
    world, event_id = await event_of(store)
    first, second = [await store.write(lambda tx: world.source(tx, event_id)) for _ in range(2)]
    assert await store.read(lambda tx: open_job_of(tx, event_id)) is None
    for source_id in (first, second):
        await store.write(partial(world.accept, source_id=source_id))
        job = await store.read(lambda tx: open_job_of(tx, event_id))
        assert job is not None and job["source_id"] == first
    assert (await marking(store, event_id))["state"] == "queued"
    usable = await store.read(lambda tx: usable_source(tx, event_id))
    assert usable is not None and usable["id"] == first
    with pytest.raises(Refused) as caught:
        await store.write(partial(world.accept, source_id=first))
    assert caught.value.code == "illegal_transition"


async def test_the_job_the_video_and_the_event_change_together(store: Store) -> None:  # L10
    """A transaction that fails after them leaves none of the three."""
    world, event_id = await event_of(store)
    source_id = await store.write(lambda tx: world.source(tx, event_id))

    class Killed(Exception):
        pass

    def accept(tx: Tx) -> None:
        world.accept(tx, source_id)
        raise Killed

    with pytest.raises(Killed):
        await store.write(accept)
    assert (await marking(store, event_id))["state"] == "awaiting_source"
    assert await store.read(lambda tx: usable_source(tx, event_id)) is None
    assert await store.read(lambda tx: tx.value("SELECT count(*) FROM jobs")) == 0


async def test_a_video_that_fails_makes_no_job(store: Store) -> None:  # L11
    world, event_id = await event_of(store)
    source_id = await store.write(lambda tx: world.source(tx, event_id))
    await store.write(partial(sources.fail, caller=ADMIN, source_id=source_id, body=USABLE))
    shown = await marking(store, event_id)
    assert shown["state"] == "awaiting_source" and shown["awaiting_since"] is not None
    assert await store.read(lambda tx: open_job_of(tx, event_id)) is None


async def test_a_video_of_an_unmarked_event_waits_for_a_rule(store: Store) -> None:  # L06
    def build(tx: Tx) -> tuple[World, str]:
        world = bare_world(tx)
        world.associate(tx)
        event_id = world.event(tx)
        world.accept(tx, world.source(tx, event_id))
        return world, event_id

    world, event_id = await store.write(build)
    assert await store.read(lambda tx: open_job_of(tx, event_id)) is None
    await store.write(world.rule)
    assert await store.read(lambda tx: open_job_of(tx, event_id)) is not None


async def test_lists_are_of_the_leagues_of_the_token(any_store: Store) -> None:
    def build(tx: Tx) -> World:
        world = logging_world(tx)
        world.source(tx, world.event(tx))
        return world

    worlds = [await any_store.write(build) for _ in range(2)]
    manager = Caller("test", role="manager", scopes=(f"league:{worlds[0].league}",))
    for caller, count in ((manager, 1), (ADMIN, 2)):
        page = await any_store.read(
            partial(sources.listing, caller=caller, query=SourceQuery.model_validate({"state": "pending"}))
        )
        assert len(page["items"]) == count


def test_a_secret_that_cannot_sign_is_refused() -> None:
    assert LoggingSettings(vod_secrets=(NEW, OLD)).held_secrets == (NEW, OLD)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="whsec_"):
        LoggingSettings(vod_secrets=("open sesame",))  # type: ignore[arg-type]
    assert NEW not in repr(LoggingSettings(vod_secrets=(NEW,)))  # type: ignore[arg-type]


def test_every_route_has_its_row() -> None:
    assert {route.rule for route in source_routes().routes} | {f"POST {PATH}"} <= set(DOMAIN.access)
