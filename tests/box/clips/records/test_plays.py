"""Plays: one mark for all angles."""

from __future__ import annotations

from functools import partial

from appliance.box.clips.model import CueIn, PlayPatch
from appliance.box.clips.records import marks, plays, undo
from appliance.kernel import json
from appliance.kernel.ids import new_uuid
from appliance.kernel.tx import Tx
from tests.box.clips.conftest import Bench
from tests.kit.box import COACH, types


async def test_a_play_opens_a_ghost_on_every_channel_that_is_not_inactive(bench: Bench) -> None:
    play = await bench.play()
    assert (play["http"], play["number"], play["duration"]) == (201, 1, 0)
    clips = await bench.clips_of(play["id"])
    assert [clip["channel_id"] for clip in clips] == ["cam1", "cam2"], "error too: footage decides"
    assert types(bench.store)[-3:] == ["play_created", "clip_created", "clip_created"], "parents first"
    assert play["clip_ids"] == [clip["id"] for clip in clips]


async def test_a_mark_is_never_refused_when_every_camera_is_off(bench: Bench) -> None:
    await bench.store.write(lambda tx: tx.run("UPDATE channels SET status = 'inactive', error_cause = NULL"))
    play = await bench.play()
    assert len(play["clip_ids"]) == 3


async def test_a_session_of_some_channels_is_cut_on_those(bench: Bench) -> None:
    def limit(tx: Tx) -> None:
        tx.run("UPDATE sessions SET all_channels = 0")
        tx.run("INSERT INTO session_channels VALUES (?, 'cam2')", (bench.session_id,))

    await bench.store.write(limit)
    play = await bench.play()
    assert [clip["channel_id"] for clip in await bench.clips_of(play["id"])] == ["cam2"]


async def test_numbers_rise_and_are_not_given_again(bench: Bench) -> None:
    first, second = await bench.play(), await bench.play()
    await bench.store.write(lambda tx: plays.delete_play(tx, COACH, bench.rules, second["id"]))
    third = await bench.play()
    assert [first["number"], second["number"], third["number"]] == [1, 2, 3]


async def test_end_play_ends_every_angle_at_the_same_instant(bench: Bench) -> None:
    play = await bench.play()
    bench.clock.advance(7.5)
    ended = await bench.end_play(play["id"])
    assert ended["duration"] == 7.5
    assert {clip["duration_us"] for clip in await bench.clips_of(play["id"])} == {7_500_000}
    again = await bench.end_play(play["id"])
    assert again["already_ended"] is True


async def test_an_angle_ended_on_its_own_keeps_its_end(bench: Bench) -> None:
    play = await bench.play()
    bench.clock.advance(3)
    await bench.end(play["clip_ids"][0])
    bench.clock.advance(3)
    await bench.end_play(play["id"])
    assert [clip["duration_us"] for clip in await bench.clips_of(play["id"])] == [3_000_000, 6_000_000]


async def test_the_last_cue_counts(bench: Bench) -> None:
    play = await bench.play()
    bench.clock.advance(1)
    await bench.store.write(lambda tx: plays.cue_play(tx, COACH, play["id"], CueIn()))
    bench.clock.advance(1)
    answer = await bench.store.write(lambda tx: plays.cue_play(tx, COACH, play["id"], CueIn()))
    assert answer.resource["cue_time"] == "2026-11-20T19:00:02.000000Z"


async def test_a_trim_moves_every_angle(bench: Bench) -> None:
    play = await bench.play(start_time="2026-11-20T18:59:00Z", duration_seconds=8)
    body = PlayPatch(start_time="2026-11-20T18:59:01Z", duration_seconds=5)
    await bench.store.write(lambda tx: plays.change_play(tx, COACH, bench.rules, play["id"], body))
    for clip in await bench.clips_of(play["id"]):
        assert (clip["duration_us"], clip["media_rev"], clip["status"]) == (5_000_000, 2, "pending")


async def test_undo_takes_the_play_and_its_clips(bench: Bench) -> None:
    play = await bench.play()
    await bench.store.write(lambda tx: plays.delete_play(tx, COACH, bench.rules, play["id"]))
    assert await bench.clips_of(play["id"]) == []
    assert types(bench.store)[-3:] == ["play_deleted", "clip_deleted", "clip_deleted"]


async def test_completing_a_session_closes_its_ghosts_as_auto_closed(bench: Bench) -> None:
    play, lone = await bench.play(), await bench.clip()
    bench.clock.advance(4)
    await bench.store.write(lambda tx: plays.close_session_ghosts(tx, bench.rules, bench.session_id))
    row = await bench.row("plays", play["id"])
    assert (row["duration_us"], row["auto_closed"]) == (4_000_000, 1)
    row = await bench.row("clips", lone["id"])
    assert (row["duration_us"], row["auto_closed"], row["waiting_for"]) == (4_000_000, 1, "footage")


async def test_the_same_play_sent_twice_is_one_play(bench: Bench) -> None:
    wanted = new_uuid()
    first, second = await bench.play(id=wanted), await bench.play(id=wanted)
    assert (first["http"], second["http"]) == (201, 200)
    assert len(second["clip_ids"]) == 2 and types(bench.store).count("play_created") == 1


async def test_deleting_the_session_deletes_its_plays_and_clips_without_a_play(bench: Bench) -> None:
    await bench.play()
    await bench.clip()
    await bench.store.write(lambda tx: plays.delete_session_clips(tx, bench.rules, bench.session_id))
    left = await bench.store.read(lambda tx: tx.value("SELECT count(*) FROM clips WHERE deleted_us IS NULL"))
    assert left == 0 and types(bench.store).count("clip_deleted") == 3


async def test_undoing_a_session_delete_brings_back_what_went_with_it(bench: Bench) -> None:
    early, late = await bench.play(), await bench.play()
    await bench.store.write(lambda tx: plays.delete_play(tx, COACH, bench.rules, early["id"]))
    bench.clock.advance(10)

    def remove(tx: Tx) -> int:
        tx.run("INSERT INTO garbage VALUES ('x', 0)")
        plays.delete_session_clips(tx, bench.rules, bench.session_id)
        return tx.now_us

    deleted_us = await bench.store.write(remove)
    await bench.store.write(lambda tx: undo.restore_session_clips(tx, bench.session_id, deleted_us))
    assert len(await bench.clips_of(late["id"])) == 2
    assert await bench.clips_of(early["id"]) == [], "deleted before, stays deleted"
    assert types(bench.store)[-3:] == ["play_updated", "clip_updated", "clip_updated"]


async def test_the_delete_and_restore_of_a_play_without_clips_carry_the_sessions_counters(
    bench: Bench,
) -> None:
    """No event of a clip follows that would carry them to clients."""
    play = await bench.play()
    for clip in await bench.clips_of(play["id"]):
        await bench.store.write(lambda tx, id=clip["id"]: marks.delete_clip(tx, COACH, bench.rules, id))  # type: ignore[misc]
    bench.clock.advance(10)
    await bench.store.write(lambda tx: plays.delete_play(tx, COACH, bench.rules, play["id"]))
    await bench.store.write(lambda tx: undo.restore_play(tx, COACH, bench.rules, play["id"]))
    gone, back = (json.decode(entry.event) for entry in (bench.store.journal.recent(0, 1000) or [])[-2:])
    assert [event["type"] for event in (gone, back)] == ["play_deleted", "play_updated"]
    assert [event["session"]["play_count"] for event in (gone, back)] == [0, 1]


async def test_a_play_of_a_venue_without_channels_has_the_sessions_counters(bench: Bench) -> None:
    await bench.store.write(lambda tx: tx.run("UPDATE channels SET archived_us = 1"))
    play = await bench.play()
    (event,) = (json.decode(entry.event) for entry in (bench.store.journal.recent(0, 1000) or [])[-1:])
    assert play["clip_ids"] == [] and event["session"]["play_count"] == 1


async def test_a_play_that_lost_its_clips_is_reported_when_its_session_comes_back(bench: Bench) -> None:
    play = await bench.play()
    for clip_id in play["clip_ids"]:
        await bench.store.write(partial(marks.delete_clip, caller=COACH, rules=bench.rules, clip_id=clip_id))
    bench.clock.advance(10)

    def remove(tx: Tx) -> int:
        plays.delete_session_clips(tx, bench.rules, bench.session_id)
        return tx.now_us

    deleted_us = await bench.store.write(remove)
    await bench.store.write(lambda tx: undo.restore_session_clips(tx, bench.session_id, deleted_us))
    assert types(bench.store)[-1] == "play_updated"
