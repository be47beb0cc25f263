"""What is too old goes, and only that."""

from pathlib import Path

from appliance.kernel.operation import Answer, Caller, perform
from appliance.ops.pruning import BATCH, prune
from tests.kit.box import HandClock, sim_store

DAY_S = 24 * 3600


async def test_journal_entries_go_after_thirty_days_and_oldest_says_so(tmp_path: Path) -> None:
    clock = HandClock()
    async with sim_store(tmp_path, clock) as store:
        for _ in range(BATCH + 50):
            await store.write(lambda tx: tx.append("x", "x:1", {}))
        clock.advance(20 * DAY_S)
        await store.write(lambda tx: tx.append("x", "x:2", {}))
        clock.advance(11 * DAY_S)
        await prune(store)
        assert store.journal.oldest == BATCH + 51
        assert await store.read(lambda tx: tx.value("SELECT count(*) FROM journal")) == 1


async def test_the_newest_entry_stays_whatever_its_age(tmp_path: Path) -> None:
    clock = HandClock()
    async with sim_store(tmp_path, clock) as store:
        for _ in range(3):
            await store.write(lambda tx: tx.append("x", "x:1", {}))
        clock.advance(400 * DAY_S)
        await prune(store)
        assert (store.journal.oldest, store.journal.head) == (3, 3)
        assert await store.write(lambda tx: tx.append("x", "x:1", {})) == 4


async def test_idempotency_keys_go_after_seven_days(tmp_path: Path) -> None:
    clock, runs = HandClock(), []

    async with sim_store(tmp_path, clock) as store:

        async def once() -> None:
            caller = Caller(device="d", key="k", fingerprint="f")
            await perform(store, caller, lambda tx: Answer(200, {"run": runs.append(1)}))  # type: ignore[func-returns-value]

        await once()
        clock.advance(6.9 * DAY_S)
        await prune(store)
        await once()
        assert len(runs) == 1
        clock.advance(0.2 * DAY_S)
        await prune(store)
        await once()
        assert len(runs) == 2
