"""/ws with misbehaving clients: silent, slow, stopped, flooding, too early."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from appliance.box.live import hypercorn_transport, protocol, transport
from tests.box.live.kit import Running, wait_until
from tests.box.live.raw import RawClient, seqs_of
from tests.kit.waiting import LIMIT_S


async def test_bytes_before_the_end_of_the_handshake_affect_no_other_client(running: Running) -> None:
    """Plain hypercorn 0.18 crashes on this, with all its connections."""
    async with running() as box, box.connect() as other:
        for _ in range(20):
            early = await trio.open_tcp_stream("127.0.0.1", box.port)
            await early.send_all(RawClient.handshake("") + b"\x81\x80\0\0\0\0")
            await early.receive_some(10)
            await early.aclose()
        assert (await other.command("o1", "note", text="b"))["ok"] is True


async def test_a_client_that_sends_all_its_stored_marks_waits_and_is_never_closed(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tablet that was offline for a quarter of the game: more at once than a person can press."""
    monkeypatch.setattr(protocol, "RATE_PER_S", 100.0)
    async with running() as box, box.connect() as tablet, box.connect() as other:
        count = int(protocol.BURST) + 20
        for number in range(count):
            await tablet.say(type="ping", id=number)
        assert (await other.command("o1", "note", text="b"))["ok"] is True
        answered = [(await tablet.next_of("pong"))["id"] for _ in range(count)]
        assert answered == list(range(count))
        assert (await tablet.command("t1", "note", text="b"))["ok"] is True


async def test_pings_of_the_protocol_beyond_the_rate_are_not_answered(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "RATE_PER_S", 0.0)
    async with running() as box:
        client = await RawClient.connect(box.port)
        await wait_until(lambda: len(box.live.stats().clients) == 1)
        is_direct = box.live.stats().clients[0].is_direct
        for _ in range(int(protocol.BURST) + 20):
            await client.say(b"", opcode=9)
        await client.say((1000).to_bytes(2, "big"), opcode=8)
        code, data = await client.read_to_close()
        # on the plain transport the server answers them itself
        answered = protocol.BURST if is_direct else protocol.BURST + 20
        assert code == 1000 and data.count(b"\x8a\x00") == answered
        await client.stream.aclose()


async def test_a_silent_client_is_cut_off_and_one_that_answers_pings_stays(running: Running) -> None:
    async with running(heartbeat_s=0.5) as box, box.connect() as quiet, trio.open_nursery() as nursery:
        beats: list[Any] = []

        async def listen() -> None:  # sends nothing itself; its library answers pings
            while True:
                beats.append(await quiet.next_of("heartbeat"))

        nursery.start_soon(listen)
        silent = await RawClient.connect(box.port)
        await silent.say(b'{"type":"ping"}')  # only the plain transport guarantees that it continues
        code, _ = await silent.read_to_close()
        await silent.stream.aclose()
        assert code == protocol.CloseCode.SILENT
        received = len(beats)
        await wait_until(lambda: len(beats) > received + 3)
        nursery.cancel_scope.cancel()


@pytest.mark.slow
async def test_a_slow_client_reads_4010_behind_whole_frames_and_resumes_without_loss(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    # this client does read, and ends the wait itself
    monkeypatch.setattr(hypercorn_transport, "CLOSE_GRACE_S", 8.0)
    monkeypatch.setattr(transport, "CLOSE_GRACE_S", 8.0)
    async with running(user_timeout_ms=30_000) as box:
        slow = await RawClient.connect(box.port, receive_buffer=4096)
        await wait_until(lambda: len(box.live.stats().clients) == 1)
        while box.live.stats().clients[0].lag < 200:
            await box.write_events(20, size=2000)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(slow.read_until, 300_000)  # it continues reading, too late
            for _ in range(30):
                await box.write_events(20, size=2000)
        code, data = await slow.read_to_close()
        await slow.stream.aclose()
        assert code == protocol.CloseCode.TOO_SLOW
        seqs = seqs_of(data)
        assert seqs == list(range(1, len(seqs) + 1))
        missed = box.store.journal.head - len(seqs)
        assert 0 < missed < protocol.REPLAY_MAX
        async with box.connect(f"?since={len(seqs)}&epoch={box.store.journal.epoch}") as again:
            assert (await again.greet())["recovered"] is True
            await again.read_to(box.store.journal.head)
        assert again.seqs == list(range(len(seqs) + 1, box.store.journal.head + 1))


@pytest.mark.slow
async def test_a_client_that_stops_reading_is_closed_can_resume_and_affects_no_other(
    running: Running,
) -> None:
    async with running(user_timeout_ms=200) as box, box.connect() as healthy:
        await healthy.greet()
        stopped = await RawClient.connect(box.port, receive_buffer=4096)
        await wait_until(lambda: len(box.live.stats().clients) == 2)
        while len(box.live.stats().clients) == 2:  # the reading client gets each while the other is blocked
            await healthy.read_to(await box.write_events(20, size=2000))
        assert healthy.seqs == list(range(1, box.store.journal.head + 1))
        await wait_until(lambda: box.handlers_now == 1)
        await stopped.stream.aclose()
        async with box.connect(f"?since=0&epoch={box.store.journal.epoch}") as again:
            recovered = (await again.greet())["recovered"]
            assert recovered is (box.store.journal.head <= protocol.REPLAY_MAX)


async def test_a_ping_frame_is_answered_with_its_payload(running: Running) -> None:
    async with running() as box:
        client = await RawClient.connect(box.port)
        await client.say(b"are you there", opcode=9)
        with trio.fail_after(LIMIT_S):
            while b"\x8a\x0dare you there" not in client.data:  # FIN and pong, 13 bytes
                client.data += bytes(await client.stream.receive_some(65536))
        await client.stream.aclose()


async def test_a_close_frame_is_answered_and_the_connection_ends(running: Running) -> None:
    async with running() as box:
        client = await RawClient.connect(box.port)
        await client.say((1000).to_bytes(2, "big"), opcode=8)
        code, _ = await client.read_to_close()
        assert code == 1000
        with trio.fail_after(LIMIT_S):
            assert await client.stream.receive_some(1) == b""
        await client.stream.aclose()
        await wait_until(lambda: box.handlers_now == 0)


async def test_a_flood_of_ping_frames_in_one_segment_is_ended(running: Running) -> None:
    async with running() as box, box.connect() as other:
        flooding = await RawClient.connect(box.port)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(flooding.stream.send_all, RawClient.frame(b"", opcode=9) * 2000)
            assert (await other.command("o1", "note", text="b"))["ok"] is True
            is_direct = all(each.is_direct for each in box.live.stats().clients)
            if is_direct:  # on the plain transport the server answers them itself
                assert (await flooding.read_to_close())[0] == protocol.CloseCode.PROTOCOL
        await flooding.stream.aclose()
        assert (await other.command("o2", "note", text="c"))["ok"] is True
