"""One command, one effect: the same key returns the stored answer, over HTTP and WebSocket."""

from __future__ import annotations

from dataclasses import replace

import pytest

from appliance.kernel.errors import Refused, not_found
from appliance.kernel.operation import Answer, Caller, check_rev, fingerprint, perform
from appliance.kernel.schema import KERNEL_SCHEMA
from appliance.kernel.tx import Tx
from tests.kit.databases import Database

CALLER = Caller(device="tablet-1", key="k1", fingerprint=fingerprint("POST", "/clips", b"{}"))


def count_up(tx: Tx) -> Answer:
    number = (tx.value("SELECT value FROM meta WHERE key = 'n'") or "0") + "+"
    tx.run(
        "INSERT INTO meta (key, value) VALUES ('n', ?)"
        " ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        (number,),
    )
    tx.append("clip_created", "clip:n", {"n": number})
    return Answer(201, {"n": number})


async def test_the_same_key_has_one_effect_and_the_same_answer(database: Database) -> None:
    async with database.open() as store:
        first = await perform(store, CALLER, count_up)
        again = await perform(store, CALLER, count_up)
        assert (again.status, again.resource) == (first.status, first.resource) == (201, {"n": "0+"})
        assert store.journal.head == 1


async def test_the_answer_survives_a_restart(database: Database) -> None:
    async with database.open() as store:
        await perform(store, CALLER, count_up)
    async with database.open() as store:
        assert (await perform(store, CALLER, count_up)).resource == {"n": "0+"}


async def test_the_same_key_for_another_request_is_refused(database: Database) -> None:
    async with database.open() as store:
        await perform(store, CALLER, count_up)
        with pytest.raises(Refused) as caught:
            await perform(store, replace(CALLER, fingerprint=fingerprint("other")), count_up)
        assert (caught.value.status, caught.value.code) == (422, "key_reused")


async def test_a_key_of_before_an_upgrade_is_answered_whatever_its_fingerprint_is_now(
    database: Database,
) -> None:
    async with database.open() as store:
        await perform(store, CALLER, count_up)
        blank = (KERNEL_SCHEMA / "0012_fingerprints.sql").read_text()
        await store.write(lambda tx: tx.run(blank))
        again = await perform(store, replace(CALLER, fingerprint=fingerprint("as made now")), count_up)
        assert (again.status, again.resource, store.journal.head) == (201, {"n": "0+"}, 1)


async def test_equal_keys_of_two_devices_are_independent(database: Database) -> None:
    async with database.open() as store:
        await perform(store, CALLER, count_up)
        other = await perform(store, replace(CALLER, device="tablet-2"), count_up)
        assert other.resource == {"n": "0++"}


async def test_without_a_key_every_request_is_its_own(database: Database) -> None:
    async with database.open() as store:
        await perform(store, Caller(), count_up)
        assert (await perform(store, Caller(), count_up)).resource == {"n": "0++"}


async def test_a_refusal_is_not_stored_so_that_a_repeat_may_succeed(database: Database) -> None:
    def refuse(tx: Tx) -> Answer:
        count_up(tx)
        raise not_found("clip", "x")

    async with database.open() as store:
        with pytest.raises(Refused):
            await perform(store, CALLER, refuse)
        assert (await perform(store, CALLER, count_up)).resource == {"n": "0+"}


def test_a_fingerprint_depends_on_where_its_parts_are_separated() -> None:
    assert fingerprint("ab", "c") != fingerprint("a", "bc")
    assert fingerprint("a", b"b") == fingerprint("a", "b")


@pytest.mark.parametrize(("seen", "refused"), [(None, False), (3, False), (2, True), (4, True)])
def test_a_change_with_if_match_for_another_rev_is_refused(seen: int | None, refused: bool) -> None:
    caller = Caller(if_match=seen)
    if not refused:
        check_rev(caller, "clip", 3)
        return
    with pytest.raises(Refused) as caught:
        check_rev(caller, "clip", 3)
    assert caught.value.status == 412 and '"r3"' in caught.value.detail
