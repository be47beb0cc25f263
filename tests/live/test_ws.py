"""/ws over real sockets: the same promises by the direct and by the plain way."""

from __future__ import annotations

import json
import random
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
import trio
import trio_websocket

from appliance.kernel.clock import from_rfc3339
from appliance.live import client as client_module
from appliance.live import direct, protocol, transport
from appliance.web import passthrough
from tests.live.kit import Box, Tablet, running_box

Running = Callable[..., AbstractAsyncContextManager[Box]]


@pytest.fixture(params=[True, False], ids=["direct", "plain"])
def running(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Running:
    monkeypatch.setattr(direct, "CLOSE_GRACE_S", 0.2)
    monkeypatch.setattr(transport, "CLOSE_GRACE_S", 0.2)

    def run(**options: Any) -> AbstractAsyncContextManager[Box]:
        return running_box(tmp_path, use_direct=request.param, **options)

    return run


async def test_the_first_frame_says_where_the_box_stands(running: Running) -> None:
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
    told = json.loads(event[-1].event)
    assert (told["type"], told["text"], told["by"]) == ("note", "first and ten", "ipad-4")
    assert author.seqs == other.seqs == [told["seq"]]


@pytest.mark.parametrize("seed", range(4))
async def test_a_client_cut_anywhere_sees_every_event_once_and_in_order(running: Running, seed: int) -> None:
    """V20: cut at random points, events committing all the while, also between two of its frames."""
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
        box.store.journal._ring.clear()  # as if 4,096 later ones had pushed them out
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


async def test_what_is_no_longer_kept_is_not_resumed_by_halves(running: Running) -> None:
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


async def test_one_client_has_a_bounded_number_of_commands_at_work(running: Running) -> None:
    async with running() as box, box.connect() as greedy, box.connect() as other:
        for number in range(12):
            await greedy.say(type="command", id=f"g{number}", do="held", body={"text": "x"})
        assert (await other.command("o1", "note", text="b"))["ok"] is True  # not starved
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
async def test_a_broken_message_ends_the_connection_and_says_why(
    running: Running, message: str | bytes, reason: str
) -> None:
    async with running() as box, box.connect() as tablet, box.connect() as other:
        await tablet.greet()
        await tablet.ws.send_message(message)
        code, said = await tablet.close_code()
        if (
            code != 1009 or len(message) < protocol.MAX_MESSAGE_BYTES
        ):  # the plain way, the server may be first
            assert code == protocol.Close.PROTOCOL
            assert reason in said
        assert (await other.command("o1", "note", text="b"))["ok"] is True


async def test_a_query_that_makes_no_sense_is_a_protocol_error(running: Running) -> None:
    async with running() as box, box.connect("?since=-1&epoch=x") as tablet:
        assert await tablet.close_code() == (4510, "since must be a seq")


async def test_a_flood_is_ended_with_its_reason(running: Running) -> None:
    async with running() as box, box.connect() as tablet, box.connect() as other:
        try:
            for number in range(200):
                await tablet.say(type="ping", id=number)
        except trio_websocket.ConnectionClosed:
            pass  # cut off while it was still sending
        code, reason = await tablet.close_code()
        assert (code, "20/s" in reason) == (protocol.Close.PROTOCOL, True)
        assert (await other.command("o1", "note", text="b"))["ok"] is True


async def test_an_outbox_of_a_minute_passes_at_once(running: Running) -> None:
    async with running() as box, box.connect() as tablet:
        for number in range(50):
            await tablet.say(type="command", id=f"m{number}", do="note", body={"text": str(number)})
        results = {(await tablet.next_of("result"))["id"] for _ in range(50)}
        assert len(results) == 50


async def test_heartbeats_and_latest_values_come_without_seq(running: Running) -> None:
    async with running(heartbeat_s=0.05) as box, box.connect() as tablet:
        await tablet.greet()
        beat = await tablet.next_of("heartbeat")
        assert (beat["head"], set(beat)) == (0, {"type", "server_time", "head"})
        box.live.show_latest("export:1", {"type": "progress", "done": 0.5})
        assert (await tablet.next_of("progress")) == {"type": "progress", "done": 0.5}
        assert tablet.seqs == []


async def test_at_a_restart_everybody_is_told_to_come_back(running: Running) -> None:
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


async def test_the_direct_way_is_taken_only_with_the_server_we_know(
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


async def test_who_speaks_before_the_handshake_is_over_harms_nobody(running: Running) -> None:
    """Bare hypercorn 0.18 dies of this, with everything it serves."""
    async with running() as box, box.connect() as other:
        for _ in range(20):
            early = await trio.open_tcp_stream("127.0.0.1", box.port)
            await early.send_all(RawClient.handshake("") + b"\x81\x80\0\0\0\0")
            await early.receive_some(10)
            await early.aclose()
        assert (await other.command("o1", "note", text="b"))["ok"] is True


# -- clients that do not behave ----------------------------------------------------------------------


async def wait_until(is_true: Callable[[], bool], limit_s: float = 10.0) -> None:
    """Poll a condition of the server that has no event of its own."""
    with trio.fail_after(limit_s):
        while not is_true():  # noqa: ASYNC110
            await trio.sleep(0.005)


class RawClient:
    """A socket that has shaken hands and does only what the test says: no pongs, no reading."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self.data = b""

    @classmethod
    async def connect(cls, port: int, query: str = "", receive_buffer: int | None = None) -> RawClient:
        sock = trio.socket.socket()
        if receive_buffer is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        await sock.connect(("127.0.0.1", port))
        stream = trio.SocketStream(sock)
        await stream.send_all(cls.handshake(query))
        answer = b""
        while not answer.endswith(b"\r\n\r\n"):
            answer += await stream.receive_some(1)
        return cls(stream)

    @staticmethod
    def handshake(query: str) -> bytes:
        return (
            f"GET /ws{query} HTTP/1.1\r\nHost: box\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )

    async def say(self, text: bytes) -> None:
        """One masked text frame (with the mask 0000)."""
        await self.stream.send_all(bytes((0x81, 0x80 | len(text))) + bytes(4) + text)

    async def read_until(self, size: int) -> None:
        """Keep reading until `size` bytes have come, or the end."""
        while len(self.data) < size and (part := await self.stream.receive_some(65536)):
            self.data += bytes(part)

    async def read_to_close(self) -> tuple[int, bytes]:
        """The code of the close frame and all bytes before it."""
        with trio.fail_after(10):
            while (found := close_frame(self.data)) is None:
                part = await self.stream.receive_some(65536)
                assert part, "the connection ended without a close frame"
                self.data += bytes(part)
        return found


def frames_of(data: bytes) -> Iterator[tuple[int, bytes, int]]:
    """(opcode, payload, where it starts) of every whole server frame."""
    at = 0
    while at + 2 <= len(data):
        size, head = data[at + 1], 2
        if size >= 126:
            head = 4 if size == 126 else 10
            size = int.from_bytes(data[at + 2 : at + head], "big")
        if at + head + size > len(data):
            return
        yield data[at] & 15, data[at + head : at + head + size], at
        at += head + size


def close_frame(data: bytes) -> tuple[int, bytes] | None:
    for opcode, payload, at in frames_of(data):
        if opcode == 8:
            return int.from_bytes(payload[:2], "big"), data[:at]
    return None


def seqs_of(data: bytes) -> list[int]:
    told = [json.loads(payload) for opcode, payload, _ in frames_of(data) if opcode == 1]
    return [message["seq"] for message in told if "seq" in message]


async def test_a_silent_client_is_cut_off_and_one_that_answers_pings_stays(running: Running) -> None:
    async with running(heartbeat_s=0.05) as box, box.connect() as quiet, trio.open_nursery() as nursery:
        beats: list[Any] = []

        async def listen() -> None:  # says nothing itself; its library answers pings
            while True:
                beats.append(await quiet.next_of("heartbeat"))

        nursery.start_soon(listen)
        silent = await RawClient.connect(box.port)
        await silent.say(b'{"type":"ping"}')  # by the plain way only this promises to go on
        code, _ = await silent.read_to_close()
        await silent.stream.aclose()
        assert code == protocol.Close.SILENT
        heard = len(beats)
        await wait_until(lambda: len(beats) > heard + 3)
        nursery.cancel_scope.cancel()


async def test_a_slow_client_reads_4010_behind_whole_frames_and_resumes_without_loss(
    running: Running,
) -> None:
    async with running(user_timeout_ms=30_000) as box:
        slow = await RawClient.connect(box.port, receive_buffer=4096)
        await wait_until(lambda: len(box.live.stats().clients) == 1)
        while box.live.stats().clients[0].lag < 200:
            await box.write_events(20, size=2000)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(slow.read_until, 300_000)  # it reads on, too late
            for _ in range(30):
                await box.write_events(20, size=2000)
        code, data = await slow.read_to_close()
        await slow.stream.aclose()
        assert code == protocol.Close.TOO_SLOW
        seqs = seqs_of(data)
        assert seqs == list(range(1, len(seqs) + 1))
        missed = box.store.journal.head - len(seqs)
        assert 0 < missed < protocol.REPLAY_MAX
        async with box.connect(f"?since={len(seqs)}&epoch={box.store.journal.epoch}") as again:
            assert (await again.greet())["recovered"] is True
            await again.read_to(box.store.journal.head)
        assert again.seqs == list(range(len(seqs) + 1, box.store.journal.head + 1))


async def test_a_client_that_stops_reading_is_cut_off_resumably_and_harms_nobody(running: Running) -> None:
    async with running(user_timeout_ms=200) as box, box.connect() as healthy:
        await healthy.greet()
        stopped = await RawClient.connect(box.port, receive_buffer=4096)
        await wait_until(lambda: len(box.live.stats().clients) == 2)
        slowest = 0.0
        while len(box.live.stats().clients) == 2:
            began = trio.current_time()
            await healthy.read_to(await box.write_events(20, size=2000))
            slowest = max(slowest, trio.current_time() - began)
        assert slowest < 1.0
        assert healthy.seqs == list(range(1, box.store.journal.head + 1))
        await wait_until(lambda: box.handlers_now == 1)
        await stopped.stream.aclose()
        async with box.connect(f"?since=0&epoch={box.store.journal.epoch}") as again:
            recovered = (await again.greet())["recovered"]
            assert recovered is (box.store.journal.head <= protocol.REPLAY_MAX)
