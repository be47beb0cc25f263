"""A job's way over HTTP: asked for, reviewed, logged, given back, failed, reassigned."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from appliance.cloud.breakdowns.domain import DOMAIN
from appliance.cloud.breakdowns.queue import verbs
from appliance.cloud.breakdowns.queue.assign import distribute
from appliance.cloud.breakdowns.queue.http import queue_routes
from appliance.cloud.breakdowns.queue.rows import find_job
from appliance.cloud.breakdowns.sources.rows import find_source
from appliance.kernel.operation import Caller
from appliance.kernel.store import Store
from appliance.kernel.tx import Row, Tx
from tests.cloud.breakdowns.world import LEASE_S, World, actions, bare_world, logging_world, marking
from tests.cloud.conftest import Cloud
from tests.kit.client import Client, Reply

V1 = "/logging/v1"


@dataclass
class Floor:
    """A league with two loggers and a manager."""

    cloud: Cloud
    world: World
    ids: list[str]
    loggers: list[Client]
    manager: Client

    @property
    def store(self) -> Store:
        return self.cloud.store

    async def job(self) -> Row:
        """A waiting job, of a new event."""
        return await self.store.write(self.world.job)

    async def read(self, job_id: str) -> Row:
        row = await self.store.read(lambda tx: find_job(tx, job_id))
        assert row is not None
        return row


@pytest.fixture
async def floor(cloud: Cloud) -> AsyncIterator[Floor]:
    world = await cloud.store.write(logging_world)
    ids = sorted([await cloud.store.write(world.logger) for _ in range(2)])
    loggers = [await cloud.holder("logger", f"logger:{logger_id}") for logger_id in ids]
    yield Floor(cloud, world, ids, loggers, await cloud.holder("manager", f"league:{world.league}"))


async def do(client: Client, job_id: str, verb: str, body: Any = None) -> Reply:
    return await client.post(f"{V1}/jobs/{job_id}/{verb}", body)


def status(reply: Reply) -> str:
    assert reply.status == 200, reply.body
    return str(reply.json["status"])


async def test_a_logger_asks_reviews_logs_and_completes(floor: Floor) -> None:  # L16 L17 L22
    job, ana = await floor.job(), floor.loggers[0]
    subscription = {"url": "https://office.example/", "types": ["job.logged"], "scope": []}
    await (await floor.cloud.holder("admin")).post(f"{V1}/subscriptions", subscription)
    asked = await ana.post(f"{V1}/queue/next")
    assert (asked.json["job"]["id"], asked.json["job"]["status"]) == (job["id"], "assigned")
    assert (await ana.post(f"{V1}/queue/next")).json["job"]["id"] == job["id"]
    steps = [status(await do(ana, job["id"], verb)) for verb in ("accept", "review", "start", "complete")]
    assert steps == ["assigned", "reviewing", "logging", "logged"]
    assert (await marking(floor.store, job["event_id"]))["state"] == "logged"
    assert await actions(floor.store, f"job:{job['id']}") == [
        "queued",
        "accept",
        "review",
        "start",
        "complete",
    ]
    (message,) = await floor.store.read(lambda tx: tx.all("SELECT type, body FROM messages"))
    assert message["type"] == "job.logged" and '"status":"Logged"' in message["body"]
    assert (await ana.post(f"{V1}/queue/next")).json == {"job": None}


async def test_a_video_is_locked_once_logging_begins(floor: Floor) -> None:  # L27 L28a
    job, ana = await floor.job(), floor.loggers[0]
    await ana.post(f"{V1}/queue/next")
    await do(ana, job["id"], "review")
    source = f"{V1}/sources/{job['source_id']}"
    assert (await floor.manager.get(source)).json["state"] == "accepted"
    await do(ana, job["id"], "start")
    assert (await floor.manager.get(source)).json["state"] == "locked"
    for verb in ("accept", "fail"):
        refused = await floor.manager.post(f"{source}/{verb}", {"reason": "better one"})
        assert (refused.status, refused.json["code"]) == (409, "sources_locked")
    assert await actions(floor.store, f"event:{job['event_id']}") == ["marked", *["source_refused"] * 2]
    corrupt = await floor.manager.post(f"{source}/corrupt", {"reason": "no sound"})
    assert (corrupt.status, corrupt.json["state"]) == (200, "corrupt")


async def test_a_failed_job_waits_for_another_video(floor: Floor) -> None:  # L16 L18 L28
    job, ana = await floor.job(), floor.loggers[0]
    await ana.post(f"{V1}/queue/next")
    early = await do(ana, job["id"], "fail", {"reason": "low_quality"})
    assert (early.status, early.json["code"]) == (409, "illegal_transition")
    await do(ana, job["id"], "review")
    body = {"reason": "missing_footage", "note": "no second half", "missing": [{"start_s": 60, "end_s": 90}]}
    wrong = await do(ana, job["id"], "fail", {**body, "missing": [{"start_s": 60, "end_s": 60}]})
    assert set(wrong.wrong) == {"missing.0.end_s"}
    assert set((await do(ana, job["id"], "fail", {})).wrong) == {"reason"}
    failed = await do(ana, job["id"], "fail", body)
    assert status(failed) == "failed"
    assert failed.json["missing"] == [{"start_s": 60.0, "end_s": 90.0}]
    shown = await marking(floor.store, job["event_id"])
    assert shown["state"] == "awaiting_reupload" and shown["awaiting_since"] is not None
    source = await floor.store.read(lambda tx: find_source(tx, job["source_id"]))
    assert source is not None and (source["state"], source["reason"]) == ("corrupt", "no second half")

    def upload(tx: Tx) -> None:
        floor.world.accept(tx, floor.world.source(tx, job["event_id"]))

    await floor.store.write(upload)
    new = (await ana.post(f"{V1}/queue/next")).json["job"]
    assert (new["previous_job_id"], new["event_id"]) == (job["id"], job["event_id"])
    assert (await marking(floor.store, job["event_id"]))["awaiting_since"] is None


async def test_after_a_failed_job_the_alternative_is_logged(floor: Floor) -> None:  # L12 L18
    job, ana = await floor.job(), floor.loggers[0]

    def second(tx: Tx) -> str:
        source = floor.world.source(tx, job["event_id"])
        floor.world.accept(tx, source)
        return source

    other = await floor.store.write(second)
    assert len((await floor.manager.get(f"{V1}/jobs")).json["items"]) == 1
    await ana.post(f"{V1}/queue/next")
    await do(ana, job["id"], "review")
    await do(ana, job["id"], "fail", {"reason": "corrupt_file"})
    (waiting,) = (await floor.manager.get(f"{V1}/queue")).json["items"]
    assert (waiting["source_id"], waiting["previous_job_id"]) == (other, job["id"])


async def test_a_job_that_was_given_back_goes_to_another(floor: Floor) -> None:
    job, (ana, ben) = await floor.job(), floor.loggers
    await ana.post(f"{V1}/queue/next")
    for verb in ("review", "start"):
        await do(ana, job["id"], verb)
    skipped = await do(ana, job["id"], "skip", {"reason": "end of my shift"})
    assert (status(skipped), skipped.json["logger_id"]) == ("queued", None)
    assert (await ana.post(f"{V1}/queue/next")).json == {"job": None}
    assert (await ben.post(f"{V1}/queue/next")).json["job"]["id"] == job["id"]
    assert (await floor.read(job["id"]))["started_us"] is not None  # it was begun
    assert (await do(ana, job["id"], "heartbeat")).status == 404


async def test_a_logger_who_asks_takes_one_it_gave_back_by_its_id(floor: Floor) -> None:
    job, ana = await floor.job(), floor.loggers[0]
    await ana.post(f"{V1}/queue/next")
    await do(ana, job["id"], "skip", {"reason": "by mistake"})
    assert status(await do(ana, job["id"], "accept")) == "assigned"


async def test_a_manager_reassigns_with_a_reason(floor: Floor) -> None:
    job, (ana, ben) = await floor.job(), floor.loggers
    await ana.post(f"{V1}/queue/next")
    to_ben = {"logger_id": floor.ids[1], "reason": "knows the teams"}
    assert set((await do(floor.manager, job["id"], "reassign", {"logger_id": floor.ids[1]})).wrong) == {
        "reason"
    }
    moved = await do(floor.manager, job["id"], "reassign", to_ben)
    assert (status(moved), moved.json["logger_id"]) == ("assigned", floor.ids[1])
    assert (await do(ana, job["id"], "review")).status == 404
    assert (await ana.post(f"{V1}/queue/next")).json == {"job": None}
    assert status(await do(ben, job["id"], "review")) == "reviewing"
    again = await do(floor.manager, job["id"], "reassign", to_ben)
    assert set(again.wrong) == {"logger_id"}
    sql = "SELECT reason, details FROM logging_audit WHERE action = 'reassign'"
    (entry,) = await floor.store.read(lambda tx: tx.all(sql))
    assert entry["reason"] == "knows the teams" and floor.ids[0] in entry["details"]


async def test_a_logged_job_is_never_reassigned(floor: Floor) -> None:
    job, ana = await floor.job(), floor.loggers[0]
    await ana.post(f"{V1}/queue/next")
    for verb in ("review", "start", "complete"):
        await do(ana, job["id"], verb)
    refused = await do(floor.manager, job["id"], "reassign", {"logger_id": floor.ids[1], "reason": "again"})
    assert (refused.status, refused.json["code"]) == (409, "illegal_transition")
    corrupt = await floor.manager.post(f"{V1}/sources/{job['source_id']}/corrupt", {"reason": "cut"})
    assert corrupt.status == 200 and (await floor.read(job["id"]))["status"] == "logged"  # L28a


@pytest.mark.parametrize(
    ("change", "status_code", "code"),
    [
        ({"sports": ["basketball"]}, 422, "invalid"),  # L13
        ({"breakdown_type_ids": []}, 422, "invalid"),  # L14
    ],
)
async def test_not_even_a_manager_gives_a_job_to_a_logger_who_cannot_do_it(
    floor: Floor, change: dict[str, Any], status_code: int, code: str
) -> None:
    job = await floor.job()
    admin = await floor.cloud.holder("admin")
    await admin.patch(f"{V1}/loggers/{floor.ids[0]}", change)
    body = {"logger_id": floor.ids[0], "reason": "in a hurry"}
    refused = await do(floor.manager, job["id"], "reassign", body)
    assert (refused.status, refused.json["code"], set(refused.wrong)) == (status_code, code, {"logger_id"})
    assert (await floor.loggers[0].post(f"{V1}/queue/next")).json == {"job": None}
    assert (await do(floor.loggers[0], job["id"], "accept")).status == 404
    assert (await floor.loggers[0].get(f"{V1}/queue")).json["items"] == []


async def test_one_open_job_a_logger_and_no_more_than_the_office_may_have(floor: Floor) -> None:  # L15
    first, second = await floor.job(), await floor.job()
    ana, ben = floor.loggers
    await ana.post(f"{V1}/queue/next")
    busy = await do(ana, second["id"], "accept")
    assert (busy.status, busy.json["code"], busy.json["job_id"]) == (409, "logger_busy", first["id"])
    admin = await floor.cloud.holder("admin")
    await admin.patch(f"{V1}/offices/{floor.world.office}", {"capacity": 1})
    assert (await ben.post(f"{V1}/queue/next")).json == {"job": None}
    assert (await do(ben, second["id"], "accept")).json["code"] == "office_full"
    body = {"logger_id": floor.ids[1], "reason": "x"}
    assert (await do(floor.manager, second["id"], "reassign", body)).json["code"] == "office_full"
    assert (
        status(await do(floor.manager, first["id"], "reassign", body)) == "assigned"
    )  # it stays in the office
    busy = await do(floor.manager, second["id"], "reassign", body)
    assert busy.json["code"] == "logger_busy"


async def test_the_queue_gives_each_logger_one_the_most_urgent_first(floor: Floor) -> None:  # L15
    jobs = [await floor.job() for _ in range(3)]
    assert await floor.store.write(lambda tx: distribute(tx, LEASE_S)) == 2
    held = [await floor.read(job["id"]) for job in jobs]
    assert [row["logger_id"] for row in held] == [*floor.ids, None]
    for logger, row in zip(floor.loggers, held, strict=False):
        for verb in ("review", "start", "complete"):
            assert (await do(logger, row["id"], verb)).status == 200
    # both have one job today: the one who waited longer gets the next
    assert await floor.store.write(lambda tx: distribute(tx, LEASE_S)) == 1
    assert (await floor.read(jobs[2]["id"]))["logger_id"] == floor.ids[0]


async def test_more_time_moves_the_limit(floor: Floor) -> None:  # L20
    job = await floor.job()
    body = {"extra_s": 3600, "reason": "three games at once"}
    longer = await do(floor.manager, job["id"], "extend", body)
    assert longer.json["sla"]["extension_s"] == 3600
    row = await floor.read(job["id"])
    assert row["due_us"] - job["due_us"] == 3600 * 1_000_000
    assert set((await do(floor.manager, job["id"], "extend", {"extra_s": 3600})).wrong) == {"reason"}
    ana = floor.loggers[0]
    await ana.post(f"{V1}/queue/next")
    for verb in ("review", "start", "complete"):
        await do(ana, job["id"], verb)
    assert (await do(floor.manager, job["id"], "extend", body)).json["code"] == "illegal_transition"


async def test_what_a_token_does_not_see_is_not_there(floor: Floor) -> None:
    job, (ana, ben) = await floor.job(), floor.loggers
    other = await floor.store.write(bare_world)
    stranger = await floor.cloud.holder("manager", f"league:{other.league}")
    await ana.post(f"{V1}/queue/next")
    for client in (stranger, ben):
        assert (await client.get(f"{V1}/jobs/{job['id']}")).status == 404
        assert (await client.get(f"{V1}/jobs")).json["items"] == []
    extra = {"extra_s": 60, "reason": "x"}
    assert (await do(stranger, job["id"], "extend", extra)).status == 404
    for verb in ("accept", "review", "start", "heartbeat", "complete"):
        assert (await do(ben, job["id"], verb)).status == 404, verb
    for verb in ("corrupt", "accept", "fail"):
        path = f"{V1}/sources/{job['source_id']}/{verb}"
        assert (await stranger.post(path, {"reason": "x"})).status == 404
    assert (await stranger.get(f"{V1}/sources/{job['source_id']}")).status == 404
    (own,) = (await ana.get(f"{V1}/jobs?status=assigned&logger={floor.ids[0]}")).json["items"]
    assert own["id"] == job["id"] and own["lease_until"] is not None


async def test_a_logger_sees_the_videos_of_its_events_alone(floor: Floor) -> None:
    job, (ana, ben) = await floor.job(), floor.loggers
    path = f"{V1}/sources/{job['source_id']}"
    assert (await ana.get(path)).status == 404 and (await ana.get(f"{V1}/sources")).json["items"] == []
    await ana.post(f"{V1}/queue/next")
    assert (await ana.get(path)).json["url"].startswith("https://vod.example/")
    (seen,) = (await ana.get(f"{V1}/sources?event_id={job['event_id']}")).json["items"]
    assert seen["id"] == job["source_id"] and (await ben.get(path)).status == 404


async def test_a_token_that_is_no_loggers_takes_no_job(floor: Floor) -> None:
    job, admin = await floor.job(), await floor.cloud.holder("admin")
    for reply in (await admin.post(f"{V1}/queue/next"), await do(admin, job["id"], "accept")):
        assert (reply.status, reply.json["code"]) == (422, "not_a_logger")
    nowhere = await floor.cloud.holder("logger", "logger:019307a0-0000-7000-8000-00000000dead")
    assert (await nowhere.post(f"{V1}/queue/next")).status == 404


async def test_the_queue_is_a_page_the_most_urgent_first(floor: Floor) -> None:
    jobs = [await floor.job() for _ in range(3)]
    await do(floor.manager, jobs[0]["id"], "extend", {"extra_s": 60, "reason": "x"})
    page = (await floor.manager.get(f"{V1}/queue?limit=2")).json
    rest = (await floor.manager.get(f"{V1}/queue?limit=2&cursor={page['next_cursor']}")).json
    listed = [each["id"] for each in (*page["items"], *rest["items"])]
    assert listed[2] == jobs[0]["id"] and set(listed) == {job["id"] for job in jobs}
    seen = (await floor.loggers[0].get(f"{V1}/queue")).json["items"]
    assert [each["id"] for each in seen] == listed


async def test_a_corrupt_video_takes_its_job_along(floor: Floor) -> None:  # L28
    job = await floor.job()
    corrupt = partial(floor.manager.post, f"{V1}/sources/{job['source_id']}/corrupt", {"reason": "black"})
    assert (await corrupt()).status == 200
    row = await floor.read(job["id"])
    assert (row["status"], row["reason"]) == ("failed", "corrupt_file")
    assert (await marking(floor.store, job["event_id"]))["state"] == "awaiting_source"
    assert (await corrupt()).json["code"] == "illegal_transition"


async def test_a_waiting_job_moves_to_the_other_video(floor: Floor) -> None:  # L12
    job = await floor.job()

    def second(tx: Tx) -> str:
        source = floor.world.source(tx, job["event_id"])
        floor.world.accept(tx, source)
        return source

    other = await floor.store.write(second)
    await floor.manager.post(f"{V1}/sources/{job['source_id']}/corrupt", {"reason": "black"})
    row = await floor.read(job["id"])
    assert (row["status"], row["source_id"]) == ("queued", other)


async def test_the_verbs_change_nothing_for_a_stale_copy(floor: Floor) -> None:
    job, ana = await floor.job(), floor.loggers[0]
    await ana.post(f"{V1}/queue/next")
    stale = await ana.post(f"{V1}/jobs/{job['id']}/review", if_match='"r1"')
    assert stale.status == 412
    twice = [await ana.post(f"{V1}/jobs/{job['id']}/review", key="k") for _ in range(2)]
    assert [status(reply) for reply in twice] == ["reviewing"] * 2


async def test_a_closure_can_run_twice(floor: Floor) -> None:
    await floor.job()
    caller = Caller("x", role="logger", scopes=(f"logger:{floor.ids[0]}",))

    class Undo(Exception):
        pass

    def undone(tx: Tx) -> None:
        verbs.ask(tx, caller, LEASE_S)
        raise Undo

    with pytest.raises(Undo):
        await floor.store.write(undone)
    answer = await floor.store.write(lambda tx: verbs.ask(tx, caller, LEASE_S))
    assert answer.resource["job"]["status"] == "assigned"


def test_every_route_has_its_row() -> None:
    rules = {route.rule for group in queue_routes(60.0) for route in group.routes}
    assert rules <= set(DOMAIN.access)
