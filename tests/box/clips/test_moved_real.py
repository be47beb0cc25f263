"""Complete clips whose footage moves or is replaced, with the real index: cut again when the frames they show
have changed, and not otherwise."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import trio

from appliance.box.clips.cutting import late_footage
from appliance.box.clips.model import ClipIn
from appliance.box.clips.records import marks
from appliance.box.recordings.following import folder, follow_channel
from appliance.kernel import json
from appliance.kernel.clock import to_rfc3339
from appliance.kernel.tx import ReadTx
from tests.box.clips.test_late_real import Counted, Desk, desk_over
from tests.box.recordings.clocks.test_file_times import BEGUN_US, ONE, OTHER, S, following, leaping
from tests.kit import segments
from tests.kit.box import COACH, mark_rules, types
from tests.kit.segments import Sample
from tests.kit.waiting import LIMIT_S


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(late_footage, "CHECK_S", 0.02)
    monkeypatch.setattr(folder, "RESCAN_S", 0.05)
    monkeypatch.setattr(folder, "RESTAT_S", 0.05)
    monkeypatch.setattr(follow_channel, "_WHOLE_S", 0.1)


def recording(stream: bytes, number: int, begun_us: int, *, seconds: int = 10, dts_s: int = 0) -> bytes:
    """A finished file of 30 fps, a key each second; the pictures of another stream have other sizes."""
    mtxi = (stream, number, dts_s * 1_000_000_000, begun_us * 1000)
    data = segments.init(mtxi, duration_ms=seconds * 1000)
    for at in range(5 * seconds):
        samples = [Sample(3000, (6 * at + each) % 30 == 0, size=40 + stream[0]) for each in range(6)]
        data += segments.part(samples, 3000 * 6 * at, sequence=at)
    return data


def put(path: Path, data: bytes) -> None:
    """Copied in completely, also replacing another file."""
    path.parent.mkdir(exist_ok=True)
    new = path.with_name(".new")
    new.write_bytes(data)
    os.utime(new, ns=((BEGUN_US + 3600 * S) * 1000,) * 2)
    new.rename(path)


class Cut(NamedTuple):
    """A clip, and the footage of its cut: (run, begin in the run, end), s."""

    media_rev: int
    status: str
    spans: list[tuple[str, float, float]]


async def cut_of(desk: Desk, clip_id: str) -> Cut:
    def read(tx: ReadTx) -> Cut:
        row = tx.one("SELECT * FROM clips WHERE id = ?", (clip_id,))
        assert row is not None
        cut = clip_id, row["ready_media_rev"]
        if row["ready_media_rev"] is None:
            return Cut(row["media_rev"], row["status"], [])
        spans_text: Any = str(
            tx.value("SELECT media_spans FROM plans WHERE clip_id = ? AND media_rev = ?", cut)
        )
        spans = [
            (run, round(start / 1e9, 1), round(end / 1e9, 1))
            for run, start, end in json.decode(spans_text.encode())
        ]
        return Cut(row["media_rev"], row["status"], spans)

    return await desk.store.read(read)


async def mark(desk: Desk, begin_s: float, end_s: float) -> str:
    """A clip of the existing footage; returns its id once it is ready and complete."""
    await covered(desk, begin_s, end_s)
    body = ClipIn.model_validate(
        {
            "session_id": desk.session_id,
            "channel_id": "cam1",
            "start_time": to_rfc3339(BEGUN_US + round(begin_s * S)),
            "duration_seconds": end_s - begin_s,
        }
    )
    answer = await desk.store.write(lambda tx: marks.create_clip(tx, COACH, mark_rules(), body))
    clip_id = str(answer.resource["id"])
    await until(desk, clip_id, lambda cut: True)
    # its file is written
    await desk.store.write(
        lambda tx: tx.run("UPDATE plans SET file_path = 'f' WHERE clip_id = ?", (clip_id,))
    )
    return clip_id


async def covered(desk: Desk, begin_s: float, end_s: float) -> None:
    start_us, end_us = BEGUN_US + round(begin_s * S), BEGUN_US + round(end_s * S)
    with trio.fail_after(LIMIT_S):
        while desk.handle.covered_us("cam1", start_us, end_us) < end_us - start_us:  # noqa: ASYNC110  # a walk signals it
            await trio.sleep(0.01)


async def until(desk: Desk, clip_id: str, condition: Callable[[Cut], bool]) -> Cut:
    """The clip, once it is ready and the condition holds."""
    with trio.fail_after(LIMIT_S):
        while True:
            seen = desk.store.journal.changed.count
            cut = await cut_of(desk, clip_id)
            if cut.status == "ready" and condition(cut):
                return cut
            await desk.store.journal.changed.wait_past(seen)


@pytest.mark.parametrize("is_off", [False, True], ids=["running", "off"])
async def test_a_clip_over_footage_that_a_later_file_moves_is_cut_again(tmp_path: Path, is_off: bool) -> None:
    """Media time jumps by three seconds; only the next file shows that no picture is missing, and that
    everything after the jump was three seconds earlier."""
    leaping(tmp_path / "a.mp4", 3.0)
    following(tmp_path / "b.mp4", 12.0, 2.005)
    put(tmp_path / "cam1/a.mp4", (tmp_path / "a.mp4").read_bytes())
    async with desk_over(tmp_path, mark_rules()) as desk:
        clip_id, untouched = await mark(desk, 9.2, 9.8), await mark(desk, 2, 4)
        assert await cut_of(desk, clip_id) == Cut(1, "ready", [(ONE.hex(), 9.2, 9.8)])
        if not is_off:
            put(tmp_path / "cam1/b.mp4", (tmp_path / "b.mp4").read_bytes())
            await until(desk, clip_id, lambda cut: cut.media_rev == 2)
    if is_off:
        put(tmp_path / "cam1/b.mp4", (tmp_path / "b.mp4").read_bytes())
    async with desk_over(tmp_path, mark_rules()) as desk:
        cut = await until(desk, clip_id, lambda cut: cut.media_rev == 2)
        assert cut.spans == [(ONE.hex(), 12.2, 12.8)]
        assert (await cut_of(desk, untouched)).media_rev == 1


@pytest.mark.parametrize("is_off", [False, True], ids=["running", "off"])
async def test_a_clip_over_a_file_that_another_replaces_is_cut_again(tmp_path: Path, is_off: bool) -> None:
    """And a clip whose file was put there again, or was deleted, is not cut again."""
    a, b, c = (tmp_path / f"cam1/{name}.mp4" for name in "abc")
    put(a, recording(ONE, 0, BEGUN_US))
    put(b, recording(ONE, 1, BEGUN_US + 10 * S, dts_s=10))
    put(c, recording(ONE, 2, BEGUN_US + 20 * S, dts_s=20))

    def change() -> None:
        put(a, a.read_bytes())
        b.unlink()
        put(c, recording(OTHER, 0, BEGUN_US + 20 * S))

    async with desk_over(tmp_path, mark_rules()) as desk:
        same, gone, replaced = [await mark(desk, at, at + 3) for at in (4, 14, 24)]
        if not is_off:
            change()
            await until(desk, replaced, lambda cut: cut.media_rev == 2)
    if is_off:
        change()
    async with desk_over(tmp_path, mark_rules()) as desk:
        assert (await until(desk, replaced, lambda cut: cut.media_rev == 2)).spans == [
            (OTHER.hex(), 4.0, 7.0)
        ]
        assert (await cut_of(desk, same)).media_rev == 1
        assert await cut_of(desk, gone) == Cut(1, "ready", [(ONE.hex(), 14.0, 17.0)]), "its own cut plays on"
        assert types(desk.store).count("clip_ready") == 4


async def test_a_clip_is_cut_again_when_a_run_that_is_shown_instead_is_copied(tmp_path: Path) -> None:
    """Of two runs over the same time the one that begins first is shown: the clip follows the timeline."""
    put(tmp_path / "cam1/b.mp4", recording(ONE, 0, BEGUN_US))
    async with desk_over(tmp_path, mark_rules()) as desk:
        clip_id = await mark(desk, 4, 7)
        put(tmp_path / "cam1/a.mp4", recording(OTHER, 0, BEGUN_US - 5 * S, seconds=20))
        cut = await until(desk, clip_id, lambda cut: cut.media_rev == 2)
        assert cut.spans == [(OTHER.hex(), 9.0, 12.0)]


async def test_after_a_start_clips_with_unmoved_footage_are_not_planned_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Counted, "asked", 0)
    put(tmp_path / "cam1/a.mp4", recording(ONE, 0, BEGUN_US))
    put(tmp_path / "cam1/b.mp4", recording(ONE, 1, BEGUN_US + 10 * S, dts_s=10))
    async with desk_over(tmp_path, mark_rules()) as desk:
        for at in (2, 5, 8, 14):
            await mark(desk, at, at + 3)
    count = Counted.asked
    async with desk_over(tmp_path, mark_rules()) as desk:
        put(tmp_path / "cam1/b.mp4", recording(OTHER, 0, BEGUN_US + 10 * S))
        while types(desk.store).count("clip_ready") < 6:  # those of the second file
            await desk.store.journal.changed.wait_past(desk.store.journal.changed.count)
    assert Counted.asked == count + 2
