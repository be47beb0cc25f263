"""What a client starts from."""

from pathlib import Path

from appliance.box.clips.model import PlayIn
from appliance.box.clips.records import plays
from appliance.box.snapshot import snapshot
from tests.kit.box import COACH, add_channel, add_session, mark_rules, sim_store
from tests.kit.clock import HandClock


async def test_the_snapshot_holds_all_channels_and_sessions_and_what_is_current(tmp_path: Path) -> None:
    clock = HandClock()
    async with sim_store(tmp_path, clock) as store:

        async def game() -> str:
            session_id = await store.write(add_session)
            body = PlayIn(session_id=session_id)
            await store.write(lambda tx: plays.create_play(tx, COACH, mark_rules(), body))
            return session_id

        await store.write(lambda tx: add_channel(tx, "cam1"))
        old = await game()
        clock.advance(25 * 3600)
        new = await game()
        result = await store.read(snapshot)
        assert [each["id"] for each in result["channels"]] == ["cam1"]
        assert [each["id"] for each in result["sessions"]] == [old, new]
        assert [each["session_id"] for each in result["plays"]] == [new]
        assert [each["session_id"] for each in result["clips"]] == [new]
        await store.write(lambda tx: tx.run("UPDATE sessions SET status = 'paused' WHERE id = ?", (old,)))
        result = await store.read(snapshot)
        assert [each["session_id"] for each in result["clips"]] == [old, new]


async def test_it_gives_way_to_marks_between_two_rows(tmp_path: Path) -> None:
    times = []
    async with sim_store(tmp_path, HandClock()) as store:
        for number in range(3):
            await store.write(lambda tx, name=f"cam{number}": add_channel(tx, name))  # type: ignore[misc]
        await store.write(add_session)
        result = await store.read(lambda tx: snapshot(tx, lambda: times.append(1)))
    rows = sum(len(shown) for shown in result.values() if isinstance(shown, list))
    assert rows >= 4 and len(times) == rows
