"""Journal entries about matches."""

from __future__ import annotations

from appliance.cloud.scoring.records.news import tell_matches
from appliance.kernel import json
from appliance.kernel.store import Store


async def test_many_matches_are_counted_and_the_first_hundred_named(store: Store) -> None:
    ids = [f"m{number}" for number in range(150)]
    await store.write(lambda tx: tell_matches(tx, "cup", created=ids[:20], changed=ids[20:]))
    await store.write(lambda tx: tell_matches(tx, "cup"))
    rows = await store.read(
        lambda tx: tx.all("SELECT subject, body FROM journal WHERE type = 'matches_changed'")
    )
    ((subject, body),) = [(row["subject"], json.decode_stored(row["body"])) for row in rows]
    assert (subject, body["created"], body["changed"], body["match_ids"]) == (
        "tournament:cup",
        20,
        130,
        ids[:100],
    )
