"""Undoing actions on a play: END, CUE, delete."""

from __future__ import annotations

from functools import partial

import pytest

from appliance.box.clips.model import CueIn, PlayQuery
from appliance.box.clips.records import cut_states as cuts
from appliance.box.clips.records import marks, plays, undo
from appliance.box.clips.records.queries import list_plays
from appliance.kernel.errors import Refused
from appliance.kernel.tx import Tx
from tests.box.clips.conftest import Bench
from tests.kit.box import COACH
from tests.kit.hand_footage import plan_of


async def test_an_end_taken_back_opens_the_play_on_every_angle(bench: Bench) -> None:
    play = await bench.play()
    bench.clock.advance(4)
    await bench.end_play(play["id"])
    for _ in range(2):
        again = await bench.store.write(lambda tx: undo.reopen_play(tx, COACH, bench.rules, play["id"]))
        assert (again.status, again.resource["duration"]) == (200, 0)
    for clip in await bench.clips_of(play["id"]):
        assert (clip["status"], clip["waiting_for"], clip["duration_us"]) == ("pending", "out", 0)
        assert clip["media_rev"] == 2 and clip["out_received_us"] is None
    bench.clock.advance(3)
    ended = await bench.end_play(play["id"])
    assert ended["duration"] == 7


async def test_a_play_of_long_ago_is_trimmed_not_opened(bench: Bench) -> None:
    play = await bench.play()
    bench.clock.advance(4)
    await bench.end_play(play["id"])
    bench.clock.advance(bench.rules.clips.max_duration_s)
    with pytest.raises(Refused, match="too_long_ago"):
        await bench.store.write(lambda tx: undo.reopen_play(tx, COACH, bench.rules, play["id"]))


async def test_a_cue_taken_back_is_none(bench: Bench) -> None:
    play = await bench.play()
    await bench.store.write(lambda tx: plays.cue_play(tx, COACH, play["id"], CueIn()))
    for _ in range(2):
        answer = await bench.store.write(lambda tx: undo.uncue_play(tx, COACH, play["id"]))
        assert answer.resource["cue_time"] is None


async def test_a_deleted_play_is_listed_and_comes_back_with_its_clips(bench: Bench) -> None:
    play, other = await bench.play(), await bench.play()
    await bench.store.write(lambda tx: plays.delete_play(tx, COACH, bench.rules, play["id"]))
    listed = await bench.store.read(lambda tx: list_plays(tx, PlayQuery(deleted=1)))
    assert [each["id"] for each in listed["items"]] == [play["id"]]
    for _ in range(2):
        answer = await bench.store.write(lambda tx: undo.restore_play(tx, COACH, bench.rules, play["id"]))
        assert answer.status == 200 and answer.resource["number"] == 1
    assert answer.resource["clip_ids"] == play["clip_ids"]
    listed = await bench.store.read(lambda tx: list_plays(tx, PlayQuery(deleted=0)))
    assert [each["id"] for each in listed["items"]] == [play["id"], other["id"]]


async def test_a_delete_of_yesterday_stays(bench: Bench) -> None:
    play = await bench.play()
    await bench.store.write(lambda tx: plays.delete_play(tx, COACH, bench.rules, play["id"]))
    bench.clock.advance(24 * 3600 + 1)
    with pytest.raises(Refused) as refused:
        await bench.store.write(lambda tx: undo.restore_play(tx, COACH, bench.rules, play["id"]))
    assert refused.value.status == 410
    assert not (await bench.store.read(lambda tx: list_plays(tx, PlayQuery(deleted=1))))["items"]


async def test_a_deleted_clip_comes_back(bench: Bench) -> None:
    play = await bench.play()
    clip_id = play["clip_ids"][0]
    await bench.store.write(lambda tx: marks.delete_clip(tx, COACH, bench.rules, clip_id))
    for _ in range(2):
        answer = await bench.store.write(lambda tx: undo.restore_clip(tx, COACH, bench.rules, clip_id))
        assert (answer.status, answer.resource["id"]) == (200, clip_id)
    assert len(await bench.clips_of(play["id"])) == len(play["clip_ids"])


async def test_a_clip_that_retention_expired_stays_deleted(bench: Bench) -> None:
    clip = await bench.clip(duration_seconds=2.0)

    def cut(tx: Tx) -> None:
        job = cuts.claim(tx, cuts.waiting_jobs(tx)[0])
        assert job is not None and cuts.finish(tx, job, plan_of(job.start_us, job.end_us, job.end_us))

    await bench.store.write(cut)
    restore = partial(undo.restore_clip, caller=COACH, rules=bench.rules, clip_id=clip["id"])
    await bench.store.write(lambda tx: marks.delete_clip(tx, COACH, bench.rules, clip["id"]))
    assert (await bench.store.write(restore)).status == 200
    assert await bench.store.write(lambda tx: marks.expire_clip(tx, bench.rules, clip["id"], "space"))
    with pytest.raises(Refused) as refused:
        await bench.store.write(restore)
    assert refused.value.status == 410 and (await bench.row("clips", clip["id"]))["deleted_us"] is not None


async def test_a_clip_of_a_deleted_play_stays_deleted(bench: Bench) -> None:
    play = await bench.play()
    await bench.store.write(lambda tx: plays.delete_play(tx, COACH, bench.rules, play["id"]))
    for clip_id, status in ((play["clip_ids"][0], 410), ("nobody", 404)):
        restore = partial(undo.restore_clip, caller=COACH, rules=bench.rules, clip_id=clip_id)
        with pytest.raises(Refused) as refused:
            await bench.store.write(restore)
        assert refused.value.status == status
