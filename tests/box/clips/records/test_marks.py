"""Marks on one channel: IN, OUT, trims, stars, undo."""

from __future__ import annotations

from functools import partial

import pytest

from appliance.box.clips.model import ClipPatch
from appliance.box.clips.records import marks
from appliance.box.clips.records.marks import MarkRules
from appliance.kernel.clock import from_rfc3339
from appliance.kernel.errors import Refused
from appliance.kernel.ids import new_uuid
from appliance.kernel.operation import Caller
from appliance.kernel.tx import Tx
from tests.box.clips.conftest import Bench
from tests.kit.box import COACH, mark_rules, types
from tests.kit.clock import KICKOFF_US


async def test_in_makes_a_ghost_that_is_not_queued(bench: Bench) -> None:  # V06
    bench.clock.advance(90)
    clip = await bench.clip(start_time="19:01:15")
    assert clip["http"] == 201 and clip["status"] == "pending" and clip["waiting_for"] == "out"
    assert clip["clip_id"] == clip["id"] and clip["duration"] == 0
    assert clip["start_time"] == "2026-11-20T19:01:15.000000Z" and clip["start_time_given"] == "19:01:15"
    assert clip["stream_url"] is None and clip["thumbnail_url"] == f"/clips/{clip['id']}/thumbnail?m=1"
    assert clip["created_by"] == "coach-ipad"


async def test_without_a_start_in_is_now_minus_lead(bench: Bench) -> None:
    bench.rules = mark_rules(lead_s=2.5)
    clip = await bench.clip()
    assert from_rfc3339(clip["start_time"]) == KICKOFF_US - 2_500_000


async def test_the_latency_of_the_channel_is_kept_with_the_clip(bench: Bench) -> None:
    clip = await bench.clip()
    await bench.store.write(lambda tx: tx.run("UPDATE channels SET latency_ms = 900 WHERE id = 'cam1'"))
    assert (await bench.row("clips", clip["id"]))["latency_ms"] == 120


async def test_out_gives_the_length_and_later_outs_change_nothing(bench: Bench) -> None:  # V07
    clip = await bench.clip()
    bench.clock.advance(12)
    ended = await bench.end(clip["id"])
    assert ended["duration"] == pytest.approx(12) and ended["waiting_for"] == "footage"
    assert "already_ended" not in ended
    bench.clock.advance(3)
    again = await bench.end(clip["id"])
    assert again["already_ended"] is True and again["duration"] == ended["duration"]
    assert types(bench.store)[-2:] == ["clip_created", "clip_updated"]


async def test_patching_the_length_of_a_ghost_is_out(bench: Bench) -> None:  # V07
    clip = await bench.clip()
    answer = await patch(bench, clip["id"], duration_seconds=12)
    assert answer["duration"] == 12 and answer["waiting_for"] == "footage" and answer["media_rev"] == 1


async def test_a_clip_with_a_duration_is_queued_at_once_under_both_names(bench: Bench) -> None:  # V16
    for field in ("duration", "duration_seconds"):
        clip = await bench.clip(start_time="2026-11-20T18:59:00Z", **{field: 8})
        assert clip["duration"] == 8 and clip["waiting_for"] == "footage"


async def test_two_durations_that_differ_are_refused(bench: Bench) -> None:
    with pytest.raises(ValueError, match="differ"):
        await bench.clip(duration=8, duration_seconds=9)


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf")])
async def test_impossible_lengths_are_refused(bench: Bench, seconds: float) -> None:  # V07
    with pytest.raises(ValueError, match="duration_seconds"):
        await bench.clip(duration_seconds=seconds)


async def test_an_over_long_clip_is_refused_naming_the_limit(bench: Bench) -> None:  # V07
    with pytest.raises(Refused, match="600 s") as refused:
        await bench.clip(start_time="2026-11-20T18:00:00Z", duration_seconds=601)
    assert refused.value.status == 422 and refused.value.errors[0].loc == "duration_seconds"


async def test_out_before_in_is_refused(bench: Bench) -> None:
    clip = await bench.clip()
    with pytest.raises(Refused, match="not after the start"):
        await bench.end(clip["id"], end_time="2026-11-20T18:59:59Z")


@pytest.mark.parametrize("status", ["scheduled", "active", "paused", "completed"])
async def test_marks_are_accepted_in_every_state_of_the_session(bench: Bench, status: str) -> None:
    await bench.store.write(lambda tx: tx.run("UPDATE sessions SET status = ?", (status,)))
    assert (await bench.clip())["http"] == 201


async def test_the_same_id_and_body_is_the_same_clip(bench: Bench) -> None:
    wanted = new_uuid()
    first = await bench.clip(id=wanted)
    await bench.end(wanted, end_time="2026-11-20T19:00:01Z")
    second = await bench.clip(id=wanted)
    assert (first["http"], second["http"]) == (201, 200)
    assert second["duration"] == 1, "the current resource, not the first answer"
    assert types(bench.store).count("clip_created") == 1


async def test_the_same_id_with_another_body_is_refused(bench: Bench) -> None:
    wanted = new_uuid()
    await bench.clip(id=wanted)
    with pytest.raises(Refused) as refused:
        await bench.clip(id=wanted, title="other")
    assert (refused.value.status, refused.value.code) == (422, "id_reused")


async def test_a_deleted_id_is_gone_for_ever(bench: Bench) -> None:
    clip = await bench.clip(id=new_uuid())
    await bench.store.write(lambda tx: marks.delete_clip(tx, COACH, bench.rules, clip["id"]))
    for attempt in (bench.clip(id=clip["id"]), bench.end(clip["id"])):
        with pytest.raises(Refused) as refused:
            await attempt
        assert refused.value.status == 410


async def test_unknown_sessions_and_channels_are_named(bench: Bench) -> None:
    with pytest.raises(Refused) as refused:
        await bench.clip(session_id=new_uuid())
    assert refused.value.status == 404
    with pytest.raises(Refused) as refused:
        await bench.clip(channel_id="cam9")
    assert (refused.value.status, refused.value.code) == (422, "unknown_channel")


async def test_a_trim_is_a_new_media_rev_and_the_old_one_plays_on(bench: Bench) -> None:  # V07
    clip = await bench.clip(start_time="2026-11-20T18:59:00Z", duration=8)
    await make_ready(bench, clip["id"])
    trimmed = await patch(bench, clip["id"], duration_seconds=6)
    assert (trimmed["status"], trimmed["media_rev"], trimmed["waiting_for"]) == ("pending", 2, "footage")
    assert trimmed["stream_url"] == f"/clips/{clip['id']}/m1/cam1.mp4"


async def test_a_new_title_is_no_trim(bench: Bench) -> None:
    clip = await bench.clip(start_time="2026-11-20T18:59:00Z", duration=8)
    await make_ready(bench, clip["id"])
    named = await patch(bench, clip["id"], title="Great catch")
    assert (named["title"], named["status"], named["media_rev"]) == ("Great catch", "ready", 1)


async def test_stars_are_idempotent(bench: Bench) -> None:  # V18
    clip = await bench.clip()
    for wanted in (True, True, False):
        await bench.store.write(
            partial(marks.star_clip, caller=COACH, clip_id=clip["id"], is_favorite=wanted)
        )
    assert types(bench.store).count("clip_updated") == 2


async def test_retry_is_for_failed_clips_only_and_is_counted(bench: Bench) -> None:  # V26
    clip = await bench.clip(start_time="2026-11-20T18:59:00Z", duration=8)
    with pytest.raises(Refused) as refused:
        await bench.store.write(lambda tx: marks.retry_clip(tx, COACH, clip["id"]))
    assert refused.value.status == 409 and refused.value.extra["state"] == "pending"
    await bench.store.write(lambda tx: tx.run("UPDATE clips SET status = 'failed', attempts = 3"))
    answer = await bench.store.write(lambda tx: marks.retry_clip(tx, COACH, clip["id"]))
    assert (answer.resource["status"], answer.resource["retries"], answer.resource["attempts"]) == (
        "pending",
        1,
        0,
    )


async def test_a_stale_if_match_changes_nothing(bench: Bench) -> None:
    clip = await bench.clip()
    await bench.store.write(lambda tx: marks.star_clip(tx, COACH, clip["id"], True))
    stale = Caller(device="x", if_match=1)
    with pytest.raises(Refused) as refused:
        await bench.store.write(lambda tx: marks.delete_clip(tx, stale, bench.rules, clip["id"]))
    assert refused.value.status == 412 and refused.value.extra["rev"] == 2


async def test_views_are_counted_and_not_journaled(bench: Bench) -> None:  # V11
    clip = await bench.clip()
    head = bench.store.journal.head
    answer = await bench.store.write(lambda tx: marks.view_clip(tx, clip["id"]))
    assert answer.resource["view_count"] == 1 and bench.store.journal.head == head


async def test_deleting_gives_files_a_day_and_takes_the_tags(bench: Bench) -> None:
    clip = await bench.clip(start_time="2026-11-20T18:59:00Z", duration=8)
    await make_ready(bench, clip["id"], file_path="s/c-m1.mp4")
    forgotten: list[str] = []
    rules = MarkRules(bench.rules.clips, "UTC", lambda tx, clip_id: forgotten.append(clip_id))
    await bench.store.write(lambda tx: marks.delete_clip(tx, COACH, rules, clip["id"]))
    garbage = await bench.store.read(lambda tx: tx.all("SELECT * FROM garbage"))
    assert garbage == [{"path": "s/c-m1.mp4", "due_us": KICKOFF_US + 24 * 3_600_000_000}]
    assert forgotten == [clip["id"]]
    assert types(bench.store)[-1] == "clip_deleted"


async def patch(bench: Bench, clip_id: str, **fields: object) -> dict[str, object]:
    body = ClipPatch.model_validate(fields)
    answer = await bench.store.write(lambda tx: marks.change_clip(tx, COACH, bench.rules, clip_id, body))
    return dict(answer.resource)


async def make_ready(bench: Bench, clip_id: str, file_path: str | None = None) -> None:
    def change(tx: Tx) -> None:
        tx.run(
            "UPDATE clips SET status = 'ready', ready_media_rev = 1, waiting_for = NULL WHERE id = ?",
            (clip_id,),
        )
        tx.insert(
            "plans",
            {
                "clip_id": clip_id,
                "media_rev": 1,
                "header": b"h",
                "ranges": "[]",
                "size": 1,
                "media_spans": "[]",
                "frames": 1,
                "width": 1,
                "height": 1,
                "codec": "avc1",
                "file_path": file_path,
                "created_us": tx.now_us,
            },
        )

    await bench.store.write(change)


async def test_one_patch_is_one_revision_and_one_that_changes_nothing_is_none(bench: Bench) -> None:
    clip = await bench.clip(duration_seconds=5)
    head = bench.store.journal.head
    both = await patch(bench, clip["id"], duration_seconds=4, title="Sack")
    assert (both["rev"], both["title"], both["duration"]) == (clip["rev"] + 1, "Sack", 4.0)
    same = await patch(bench, clip["id"], duration_seconds=4, title="Sack")
    assert same == both and bench.store.journal.head == head + 1
