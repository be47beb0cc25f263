"""/events and /snapshot: positions in the journal."""

from __future__ import annotations

from appliance.kernel.tx import Tx
from tests.server.conftest import Box


async def append(box: Box, count: int) -> None:
    def closure(tx: Tx) -> None:
        for number in range(count):
            tx.append("session_updated", f"session:{number}", {"n": number})

    await box.store.write(closure)


async def test_the_journal_is_paged_in_order_without_losing_or_repeating(box: Box) -> None:
    await append(box, 25)
    client = box.client()
    since, seen = 0, []
    while True:
        page = (await client.get(f"/events?since={since}&limit=10")).json
        assert page["as_of_seq"] == 25 and page["epoch"] == box.store.journal.epoch
        if not page["items"]:
            break
        seen += page["items"]
        since = page["next"]
    assert [each["seq"] for each in seen] == list(range(1, 26))
    assert [each["n"] for each in seen] == list(range(25))
    assert since == 25


async def test_a_page_links_to_the_next_until_the_head(box: Box) -> None:
    await append(box, 3)
    client = box.client()
    assert (await client.get("/events?limit=2")).headers["link"] == '</events?since=2>; rel="next"'
    assert "link" not in (await client.get("/events?since=2")).headers


async def test_a_pruned_position_is_410_with_the_snapshots_link(box: Box) -> None:
    await append(box, 9)
    box.store.journal.oldest = 5
    client = box.client()
    gone = await client.get("/events?since=3")
    assert (gone.status, gone.json["code"]) == (410, "position_gone")
    assert gone.json["snapshot"] == "/snapshot" and gone.json["oldest"] == 5
    answer = await client.get("/events?since=4")
    assert [each["seq"] for each in answer.json["items"]] == [5, 6, 7, 8, 9]


async def test_a_position_of_another_journal_is_410(box: Box) -> None:
    await append(box, 2)
    client = box.client()
    assert (await client.get("/events?since=3")).status == 410
    assert (await client.get("/events?since=1&epoch=other")).status == 410
    assert (await client.get(f"/events?since=1&epoch={box.store.journal.epoch}")).status == 200


async def test_the_query_is_checked(box: Box) -> None:
    client = box.client()
    assert (await client.get("/events?since=-1")).wrong.keys() == {"since"}
    assert (await client.get("/events?limit=1001")).wrong.keys() == {"limit"}
    assert (await client.get("/events?from=1")).wrong == {"from": "no such parameter"}


async def test_a_snapshot_carries_the_position_to_go_on_from(box: Box) -> None:
    await append(box, 4)
    client = box.client()
    start = (await client.get("/snapshot")).json
    assert (start["as_of_seq"], start["epoch"], start["sessions"]) == (4, box.store.journal.epoch, [])
    assert start["site"] == {"id": "box-1", "name": "North Field", "timezone": "Europe/Madrid"}
    await append(box, 1)
    assert [each["seq"] for each in (await client.get("/events?since=4")).json["items"]] == [5]
