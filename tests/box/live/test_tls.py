"""/ws over TLS takes the direct transport too: every event, in order, of any size."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from appliance.server.connections.priority import MarkPriority
from appliance.server.connections.tls_transport import TlsTransport
from tests.box.live.kit import Box, Tablet, running_box, wait_until
from tests.kit.encrypted import own_tls


@pytest.mark.parametrize("use_direct", [True, False], ids=["direct", "plain"])
async def test_events_of_every_size_arrive_in_order(tmp_path: Path, use_direct: bool) -> None:
    """More than a TLS record, and more than the socket takes at once."""
    async with (
        running_box(tmp_path, use_direct=use_direct, tls=own_tls(tmp_path)) as box,
        box.connect() as tablet,
        box.connect() as paused,
    ):
        await tablet.greet(), await paused.greet()
        await wait_until(lambda: len(box.live.stats().clients) == 2)
        assert {each.is_direct for each in box.live.stats().clients} == {use_direct}
        for size in (20, 16_000, 40_000):
            head = await box.write_events(40, size=size)
            await tablet.read_to(head)
        answer = await tablet.command("0193b2f0-7c1e-7a55-9d3e-1f2a3b4c5d6e", "note", text="x")
        assert answer["ok"]
        head = answer["resource"]["seq"]
        await paused.read_to(head)
        for each in (tablet, paused):
            await each.read_to(head)
            assert each.seqs == sorted(set(each.seqs)) and each.seqs[-1] == head
            assert len(each.seqs) == 121


async def test_a_restart_tells_the_reason_over_tls(tmp_path: Path) -> None:
    async with running_box(tmp_path, tls=own_tls(tmp_path)) as box, box.connect() as tablet:
        await tablet.greet()
        await _stop(box, tablet)


async def _stop(box: Box, tablet: Tablet) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(box.live.stop)
        assert (await tablet.close_code())[0] == 4001


async def test_what_tls_sends_itself_keeps_its_place() -> None:
    """A change of keys must not overtake frames that the socket has not taken yet."""
    transport = TlsTransport(None, MarkPriority())  # type: ignore[arg-type]  # the socket is not reached
    written: list[bytes] = []
    transport.instead = written.append
    await transport.send_all(b"keys")
    assert written == [b"keys"]
