"""/ws over real sockets: the same guarantees on the direct and on the plain transport."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
import trio

from appliance.box.live import client as client_module
from appliance.box.live import protocol
from appliance.http import passthrough
from appliance.kernel.clock import from_rfc3339
from tests.box.live.kit import Running, Tablet, running_box, wait_until


async def test_the_first_frame_has_the_position_of_the_journal(running: Running) -> None:
    async with running() as box:
        head = await box.write_events(3)
        async with box.connect() as tablet:
            greeting = await tablet.greet()
    server_time = greeting.pop("server_time")
    assert from_rfc3339(server_time) > 0
    assert greeting == {
        "type": "connected",
        "site_id": "north",
        "epoch": box.store.journal.epoch,
        "head": head,
        "oldest": 1,
        "heartbeat_s": 5.0,
        "recovered": None,
        "device": None,
    }


async def test_an_event_reaches_every_client_the_author_too(running: Running) -> None:  # V20
    async with running() as box, box.connect("?client=ipad-4") as author, box.connect() as other:
        await author.greet()
        await other.greet()
        result = await author.command("c1", "note", text="first and ten")
        assert result["ok"] is True
        for tablet in (author, other):
            await tablet.read_to(result["resource"]["seq"])
        event = box.store.journal.recent(0)
    assert event is not None
    events = json.loads(event[-1].event)
    assert (events["type"], events["text"], events["by"]) == ("note", "first and ten", "ipad-4")
    assert author.seqs == other.seqs == [events["seq"]]


@pytest.mark.parametrize("seed", range(4))
async def test_a_client_cut_anywhere_sees_every_event_once_and_in_order(running: Running, seed: int) -> None:
    """V20: connections cut at random points, while events are committed, also between two of its frames."""
    chance = random.Random(seed)
    async with running() as box:
        done = trio.Event()

        async def commit() -> None:
            for _ in range(60):
                await box.write_events(chance.randint(1, 9), size=chance.choice((10, 200, 70_000)))
            done.set()

        seen: list[int] = []
        async with trio.open_nursery() as nursery:
            nursery.start_soon(commit)
            while not done.is_set() or not seen or seen[-1] < box.store.journal.head:
                since = seen[-1] if seen else 0
                async with box.connect(f"?since={since}&epoch={box.store.journal.epoch}") as tablet:
                    assert (await tablet.greet())["recovered"] is True
                    for _ in range(chance.randint(0, 40)):
                        if since + len(tablet.seqs) >= box.store.journal.head and done.is_set():
                            break
                        await tablet.next()
                    seen += tablet.seqs
        assert seen == list(range(1, box.store.journal.head + 1))


async def test_many_clients_far_behind_are_brought_up_to_date_while_events_go_on(running: Running) -> None:
    async with running() as box:
        await box.write_events(1500, size=300)
        epoch = box.store.journal.epoch
        finished: list[list[int]] = []

        async def resume(since: int) -> None:
            async with box.connect(f"?since={since}&epoch={epoch}") as tablet:
                await tablet.greet()
                await tablet.read_to(1510)
                finished.append(tablet.seqs)
                assert tablet.seqs == list(range(since + 1, tablet.seqs[-1] + 1))

        async with trio.open_nursery() as nursery:
            for since in (0, 3, 700, 1499, 1500):
                nursery.start_soon(resume, since)
            for _ in range(10):
                await box.write_events(1)
        assert len(finished) == 5


async def test_events_older_than_the_ring_come_from_the_database(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running() as box:
        await box.write_events(50)
        box.store.journal._ring.clear()  # as if 4,096 later ones had displaced them
        await box.write_events(5)
        async with box.connect(f"?since=0&epoch={box.store.journal.epoch}") as tablet:
            assert (await tablet.greet())["recovered"] is True
            await tablet.read_to(55)
        assert tablet.seqs == list(range(1, 56))


@pytest.mark.parametrize(
    ("query", "recovered"),
    [
        ("?since=3&epoch={epoch}", True),
        ("?since=5&epoch={epoch}", True),
        ("?since=6&epoch={epoch}", False),  # a cursor from the future
        ("?since=3&epoch=other", False),
        ("?since=3", False),
        ("?epoch={epoch}", None),
    ],
)
async def test_resuming_is_all_or_nothing(running: Running, query: str, recovered: bool | None) -> None:
    async with running() as box:
        head = await box.write_events(5)
        async with box.connect(query.format(epoch=box.store.journal.epoch)) as tablet:
            assert (await tablet.greet())["recovered"] is recovered
            await box.write_events(1)
            await tablet.read_to(head + 1)
        assert tablet.seqs == ([4, 5, 6] if query.startswith("?since=3") and recovered else [6])


async def test_a_resume_from_a_pruned_position_is_refused_as_a_whole(running: Running) -> None:
    async with running() as box:
        await box.write_events(10)
        box.store.journal.oldest = 5
        for since, recovered in ((4, True), (3, False)):
            async with box.connect(f"?since={since}&epoch={box.store.journal.epoch}") as tablet:
                assert (await tablet.greet())["recovered"] is recovered


async def test_a_repeated_command_has_one_effect_and_one_answer(running: Running) -> None:
    async with running() as box:
        async with box.connect("?client=ipad-4") as tablet:
            first = await tablet.command("0193", "note", text="a")
        async with box.connect("?client=ipad-4") as tablet:  # the answer was lost with the connection
            again = await tablet.command("0193", "note", text="a")
            other = await tablet.command("0193", "note", text="b")
        assert first == again
        assert other["error"]["code"] == "key_reused"
        assert box.runs == ["a"]


async def test_commands_that_cannot_be_done_are_answered_with_the_problem_of_http(running: Running) -> None:
    async with running() as box, box.connect() as tablet:
        unknown = await tablet.command("1", "fly", text="a")
        assert (unknown["ok"], unknown["error"]["status"], unknown["error"]["code"]) == (
            False,
            422,
            "unknown_command",
        )
        wrong = await tablet.command("2", "note", txt="a")
        assert {each["loc"] for each in wrong["error"]["errors"]} == {"text", "txt"}
        refused = await tablet.command("3", "refuse", text="a")
        assert refused["error"]["state"] == "paused"
        assert refused["error"]["hint"] == "later"
        assert (await tablet.command("4", "note", text="still here"))["ok"] is True


async def test_an_error_of_ours_costs_one_command_only(running: Running) -> None:
    async with running() as box, box.connect() as tablet:
        broken = await tablet.command("1", "broken", text="a")
        assert (broken["error"]["status"], broken["error"]["code"]) == (500, "internal_error")
        assert "fault of ours" not in json.dumps(broken)
        assert (await tablet.command("2", "note", text="b"))["ok"] is True
    assert box.live.stats().commands_failed == 1


async def test_the_running_commands_of_one_client_are_limited(running: Running) -> None:
    async with running() as box, box.connect() as greedy, box.connect() as other:
        for number in range(12):
            await greedy.say(type="command", id=f"g{number}", do="held", body={"text": "x"})
        assert (await other.command("o1", "note", text="b"))["ok"] is True  # not blocked by the first
        assert box.held_now == client_module.COMMANDS_MAX
        box.hold.set()
        results = [(await greedy.next_of("result"))["id"] for _ in range(12)]
        assert sorted(results) == sorted(f"g{number}" for number in range(12))
        assert box.held_most == client_module.COMMANDS_MAX


async def test_ping_is_answered_and_auth_is_accepted(running: Running) -> None:
    async with running() as box, box.connect() as tablet:
        await tablet.say(type="auth", token="later")
        await tablet.say(type="ping", id=7)
        pong = await tablet.next_of("pong")
        assert pong["id"] == 7
        assert from_rfc3339(pong["server_time"]) > 0


async def test_a_bearer_subprotocol_is_answered_with_bearer(running: Running) -> None:
    async with running() as box, box.connect(subprotocols=["bearer", "tok"]) as tablet:
        assert tablet.ws.subprotocol == "bearer"
        assert (await tablet.greet())["type"] == "connected"


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("{", "not JSON"),
        ('{"type":"ping","type":"ping"}', "twice"),
        ("[" * 200, "nested deeper"),
        ("[]", "type must be"),
        ('{"type":"subscribe"}', "type must be"),
        ('{"type":"command","do":"note"}', "needs an id"),
        ('{"type":"command","id":"1","do":"note","body":[]}', "body (an object)"),
        (b"{}", "JSON text"),
        ('"' + "x" * protocol.MAX_MESSAGE_BYTES + '"', "65536 bytes"),
        ("x" * 300_000, "65536 bytes"),
    ],
    ids=lambda value: str(value)[:20],
)
async def test_a_broken_message_ends_the_connection_with_a_reason(
    running: Running, message: str | bytes, reason: str
) -> None:
    async with running() as box, box.connect() as tablet, box.connect() as other:
        await tablet.greet()
        await tablet.ws.send_message(message)
        code, text = await tablet.close_code()
        if (
            code != 1009 or len(message) < protocol.MAX_MESSAGE_BYTES
        ):  # on the plain transport the server may be first
            assert code == protocol.CloseCode.PROTOCOL
            assert reason in text
        assert (await other.command("o1", "note", text="b"))["ok"] is True


async def test_a_query_that_makes_no_sense_is_a_protocol_error(running: Running) -> None:
    async with running() as box, box.connect("?since=-1&epoch=x") as tablet:
        assert await tablet.close_code() == (4510, "since must be a seq")


async def test_an_outbox_of_a_minute_passes_at_once(running: Running) -> None:
    async with running() as box, box.connect() as tablet:
        for number in range(50):
            await tablet.say(type="command", id=f"m{number}", do="note", body={"text": str(number)})
        results = {(await tablet.next_of("result"))["id"] for _ in range(50)}
        assert len(results) == 50


async def test_heartbeats_and_latest_values_come_without_seq(running: Running) -> None:
    async with running(heartbeat_s=0.5) as box, box.connect() as tablet:
        await tablet.greet()
        beat = await tablet.next_of("heartbeat")
        assert (beat["head"], set(beat)) == (0, {"type", "server_time", "head"})
        box.live.show_latest("export:1", {"type": "progress", "done": 0.5})
        assert (await tablet.next_of("progress")) == {"type": "progress", "done": 0.5}
        assert tablet.seqs == []


async def test_at_a_restart_every_client_is_closed_with_a_code_to_reconnect(running: Running) -> None:
    async with running() as box, box.connect() as tablet, box.connect() as second:
        await tablet.greet()
        await second.greet()
        codes: list[tuple[int, str]] = []

        async def wait(which: Tablet) -> None:
            codes.append(await which.close_code())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(wait, tablet)
            nursery.start_soon(wait, second)
            await box.live.stop()
        assert codes == [(4001, "the box restarts")] * 2
        async with box.connect() as late:
            assert (await late.close_code())[0] == 4001


async def test_a_client_that_leaves_leaves_nothing_behind(running: Running) -> None:
    async with running() as box:
        for _ in range(5):
            async with box.connect() as tablet:
                await tablet.greet()
        await wait_until(lambda: box.handlers_now == 0)
        stats = box.live.stats()
        assert (stats.clients, stats.opened, stats.closed) == ((), 5, {1005: 5})


async def test_the_direct_transport_is_used_only_with_the_expected_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_box(tmp_path) as box:
        for is_known in (True, False):
            monkeypatch.setattr(passthrough, "is_known_hypercorn", lambda known=is_known: known)
            async with box.connect() as tablet:
                await tablet.greet()
                assert [each.is_direct for each in box.live.stats().clients] == [is_known]
                await tablet.read_to(await box.write_events(1))
            await wait_until(lambda: box.handlers_now == 0)
