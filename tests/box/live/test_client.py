"""One client without sockets, in simulated time: order, coalescing, and every reason for disconnection."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import trio

from appliance.box.live import client as client_module
from appliance.box.live.client import Client
from appliance.box.live.hub import Hub
from appliance.box.live.protocol import CommandFrame, Ping
from appliance.box.live.transport import TransportCallbacks
from appliance.http.access import Grant
from appliance.kernel.clock import BoxClock
from appliance.kernel.store import Store, open_store
from appliance.kernel.tx import Tx


@dataclass
class FakeTransport:
    """Accepts writes; `stopped` makes every write wait, like a full socket."""

    takes_offers: bool = False
    hears_pongs: bool = True
    written: list[dict[str, Any]] = field(default_factory=list)
    offered: list[bytes] = field(default_factory=list)
    open: trio.Event = field(default_factory=trio.Event)
    probes: int = 0

    async def accept(self, subprotocol: str | None, upcalls: TransportCallbacks) -> None: ...

    def offer(self, frames: bytes) -> bool:
        if self.takes_offers:
            self.offered.append(frames)
        return self.takes_offers

    def probe(self) -> None:
        self.probes += 1

    async def flush(self) -> None: ...

    async def write(self, payloads: Sequence[bytes]) -> None:
        await self.open.wait()
        self.written += [json.loads(payload) for payload in payloads]

    async def write_binary(self, frame: bytes) -> None: ...

    def release(self) -> None: ...

    async def close(self, receive: Any, code: int, reason: str) -> None: ...


class FakeDesk:
    def __init__(self) -> None:
        self.finish = trio.Event()

    def pong(self, ping: Ping) -> bytes:
        return b'{"type":"pong"}'

    async def perform(self, device: str, asked: CommandFrame, grant: Grant | None) -> bytes:
        await self.finish.wait()
        return b'{"type":"result"}'


@dataclass
class Scene:
    store: Store
    hub: Hub
    client: Client
    transport: FakeTransport
    desk: FakeDesk
    say: trio.MemorySendChannel[dict[str, Any]]

    async def write_events(self, count: int) -> None:
        def closure(tx: Tx) -> None:
            for _ in range(count):
                tx.append("note", "note:x", {})

        await self.store.write(closure)
        await trio.testing.wait_all_tasks_blocked()

    @property
    def seqs(self) -> list[int]:
        return [message["seq"] for message in self.transport.written if "seq" in message]


@asynccontextmanager
async def scene(path: Path) -> AsyncIterator[Scene]:
    """A store in the event loop (simulated time), a hub with heartbeats of 5 s, and a client not reading
    yet."""
    clock = BoxClock.start(None, None)
    async with open_store(path / "box.db", clock, in_thread=False) as store, trio.open_nursery() as nursery:
        transport, desk = FakeTransport(), FakeDesk()
        hub = Hub(store.journal, clock, 5.0)
        client = Client("ipad", "peer", transport, store.journal)
        say, receive = trio.open_memory_channel[dict[str, Any]](100)
        nursery.start_soon(hub.fan_out)
        nursery.start_soon(hub.heartbeats)

        async def serve() -> None:
            with hub.joined(client):
                await client.serve(receive.receive, desk)

        nursery.start_soon(serve)
        await trio.testing.wait_all_tasks_blocked()
        yield Scene(store, hub, client, transport, desk, say)
        nursery.cancel_scope.cancel()


async def test_a_client_that_reads_nothing_is_cut_off_when_it_is_256_behind(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async with scene(tmp_path) as here:
        await here.write_events(200)
        await here.write_events(57)
        assert here.client.ending == (4010, "too slow: come back with your last seq")
        assert here.hub.closed == {4010: 1}


async def test_events_from_before_the_connection_do_not_count_as_lag(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async with scene(tmp_path) as here:
        await here.write_events(100)
        here.client.joined_head = 100  # as after a resume of 100 missed events
        await here.write_events(256)
        assert here.client.ending is None
        here.transport.open.set()
        await trio.testing.wait_all_tasks_blocked()
        assert here.seqs == list(range(1, 357))
        assert here.client.lag == 0


async def test_a_client_that_keeps_up_is_handed_finished_frames(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async with scene(tmp_path) as here:
        here.transport.takes_offers = True
        here.transport.open.set()
        await trio.testing.wait_all_tasks_blocked()
        await here.write_events(3)
        assert len(here.transport.offered) == 1  # three events, one write
        assert here.seqs == []
        assert (here.client.cursor, here.client.sent_events) == (3, 3)


async def test_of_latest_values_only_the_newest_waits(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async with scene(tmp_path) as here:
        await here.write_events(1)  # the writer is blocked by it
        for number in range(200):
            here.hub.show_latest("export", json.dumps({"type": "progress", "n": number}).encode())
            here.hub.show_latest(f"other-{number}", b'{"type":"other"}')
        here.transport.open.set()
        await trio.testing.wait_all_tasks_blocked()
        frames = here.transport.written
        assert [message["n"] for message in frames if message["type"] == "progress"] == [199]
        assert len(frames) <= client_module.LATEST_MAX + 2


async def test_twelve_seconds_of_silence_end_a_client(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async with scene(tmp_path) as here:
        await trio.sleep(11.9)
        assert here.client.ending is None
        await trio.sleep(1.2)
        assert here.client.ending == (4408, "nothing heard for 12 s")


async def test_after_a_stall_of_the_box_no_client_is_closed_as_silent(
    tmp_path: Path, mock_clock: trio.testing.MockClock
) -> None:
    """Messages the client sent meanwhile have not been read yet."""
    async with scene(tmp_path) as here:
        await trio.testing.wait_all_tasks_blocked()
        mock_clock.jump(20)
        await trio.testing.wait_all_tasks_blocked()
        assert here.client.ending is None
        here.client.upcalls().heard()
        for _ in range(11):
            mock_clock.jump(1)
            await trio.testing.wait_all_tasks_blocked()
        assert here.client.ending is None
        for _ in range(3):
            mock_clock.jump(1)
            await trio.testing.wait_all_tasks_blocked()
        assert here.client.ending == (4408, "nothing heard for 12 s")


async def test_any_sign_of_life_counts(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    async with scene(tmp_path) as here:
        for _ in range(5):
            await trio.sleep(10)
            here.client.upcalls().heard()
        assert here.client.ending is None


async def test_a_client_that_waits_for_an_answer_is_not_silent(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async with scene(tmp_path) as here:
        await here.say.send(
            {"type": "websocket.receive", "text": '{"type":"command","id":"1","do":"x","body":{}}'}
        )
        await trio.sleep(60)
        assert here.client.ending is None
        here.desk.finish.set()
        await trio.sleep(14)
        assert here.client.ending is not None


async def test_without_pongs_only_a_client_that_pinged_is_expected_to_continue(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async with scene(tmp_path) as here:
        here.transport.hears_pongs = False
        await trio.sleep(60)
        assert here.client.ending is None
        await here.say.send({"type": "websocket.receive", "text": '{"type":"ping"}'})
        await trio.sleep(14)
        assert here.client.ending is not None


async def test_answers_that_are_not_read_end_the_client(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async with scene(tmp_path) as here:
        for _ in range(100):
            await trio.sleep(0.1)  # within the rate
            if here.client.ending is None:
                await here.say.send({"type": "websocket.receive", "text": '{"type":"ping"}'})
        assert here.client.ending == (4010, "answers are not read")


async def test_a_cursor_that_is_pruned_away_is_never_skipped_over(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async with scene(tmp_path) as here:
        await here.write_events(100)
        here.store.journal.oldest = 200
        here.transport.open.set()
        await trio.testing.wait_all_tasks_blocked()
        assert here.client.ending is not None
        assert here.client.ending[0] == 4010


async def test_a_busy_client_is_probed_with_its_next_bytes(
    tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    async with scene(tmp_path) as here:
        await here.write_events(1)
        before = here.transport.probes
        await trio.sleep(5.1)
        assert here.transport.probes == before + 1


@pytest.mark.parametrize("text", [None, "{"])
async def test_a_broken_message_ends_it(
    tmp_path: Path, autojump_clock: trio.testing.MockClock, text: str | None
) -> None:
    async with scene(tmp_path) as here:
        await here.say.send({"type": "websocket.receive", "text": text, "bytes": b"x"})
        await trio.testing.wait_all_tasks_blocked()
        assert here.client.ending is not None
        assert here.client.ending[0] == 4510


async def test_events_that_come_while_the_fan_out_rests_share_one_write(
    tmp_path: Path, mock_clock: trio.testing.MockClock
) -> None:
    async with scene(tmp_path) as here:
        here.transport.open.set()
        here.transport.takes_offers = True
        await trio.testing.wait_all_tasks_blocked()  # its first message is written
        await here.write_events(1)
        offered = here.transport.offered
        assert [frames.count(b'"seq"') for frames in offered] == [1]  # at once after a quiet moment

        class Slow(FakeTransport):
            def offer(self, frames: bytes) -> bool:
                mock_clock.jump(0.002)  # the time 200 clients need
                return here.transport.offer(frames)

        here.client.transport = Slow()
        await here.write_events(1)
        for _ in range(5):
            await here.write_events(1)
        assert [frames.count(b'"seq"') for frames in offered] == [1, 1]
        mock_clock.jump(0.0041)
        await trio.testing.wait_all_tasks_blocked()
        assert [frames.count(b'"seq"') for frames in offered] == [1, 1, 5]
