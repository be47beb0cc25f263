"""fsck finds damage injected into clips, plans and files, reports it once, and repairs what is safe."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from appliance.box.clips.housekeeping import consistency
from appliance.box.clips.housekeeping.fsck import CONSISTENCY
from appliance.ops.fsck import check_box
from tests.ops.box import Box, change, make_box


async def codes(box: Box, repair: bool = False) -> list[str]:
    return [finding.code for finding in await check_box(box.settings, repair)]


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("DELETE FROM plans", "no_plan"),
        ("UPDATE clips SET ready_media_rev = NULL WHERE status = 'ready'", "no_plan"),
        ("UPDATE clips SET ready_media_rev = 2 WHERE status = 'ready'", "no_plan"),
        ("UPDATE plans SET header = x'00'", "plan_size"),
        ("UPDATE clips SET file_path = NULL", "file_mismatch"),
    ],
)
async def test_a_row_that_contradicts_its_plan_is_found(tmp_path: Path, sql: str, code: str) -> None:
    box = await make_box(tmp_path)
    await change(box, sql)
    assert code in await codes(box)
    assert code in await codes(box, repair=True), "nothing of this is repaired by guessing"


def cut_recording(box: Box) -> None:
    box.recording("cam1/a.mp4").write_bytes(b"short")


def lose_recording(box: Box) -> None:
    box.recording("cam1/b.mp4").unlink()


def lose_file(box: Box) -> None:
    box.clip_file.unlink()


def cut_file(box: Box) -> None:
    box.clip_file.write_bytes(b"x")


def lose_picture(box: Box) -> None:
    box.picture.unlink()


def leave_draft(box: Box) -> None:
    box.clip_file.with_suffix(".partial").write_bytes(b"half")


@pytest.mark.parametrize(
    ("damage", "code"),
    [
        (lose_file, "file_wrong"),
        (cut_file, "file_wrong"),
        (lose_picture, "picture_missing"),
        (leave_draft, "orphan_file"),
    ],
)
async def test_files_that_can_be_made_again_are_repaired(
    tmp_path: Path, damage: Callable[[Box], None], code: str
) -> None:
    box = await make_box(tmp_path)
    damage(box)
    assert await codes(box) == [code]
    mended = await check_box(box.settings, True)
    assert [(each.code, each.repaired) for each in mended] == [(code, True)]
    assert await codes(box) == [], "a second look finds nothing"


@pytest.mark.parametrize("damage", [cut_recording, lose_recording])
async def test_recordings_deleted_after_the_file_was_written_are_not_a_finding(
    tmp_path: Path, damage: Callable[[Box], None]
) -> None:
    box = await make_box(tmp_path)
    damage(box)
    assert await codes(box) == []


@pytest.mark.parametrize("damage", [cut_recording, lose_recording])
async def test_a_virtual_clip_whose_bytes_went_is_found(
    tmp_path: Path, damage: Callable[[Box], None]
) -> None:
    box = await make_box(tmp_path)
    await change(box, "UPDATE plans SET file_path = NULL")
    await change(box, "UPDATE clips SET file_path = NULL")
    box.clip_file.unlink()
    damage(box)
    (finding,) = await check_box(box.settings, True)
    assert (finding.code, finding.repaired) == ("bytes_lost", False)
    assert "recording cam1/" in str(finding)


async def test_a_lost_file_is_not_forgotten_while_nothing_else_holds_its_bytes(tmp_path: Path) -> None:
    box = await make_box(tmp_path)
    lose_file(box)
    lose_recording(box)
    (finding,) = await check_box(box.settings, True)
    assert (finding.code, finding.repaired) == ("file_wrong", False)


async def test_a_file_written_but_not_yet_committed_is_not_a_stray(tmp_path: Path) -> None:
    box = await make_box(tmp_path)
    await change(box, "UPDATE plans SET file_path = NULL")
    await change(box, "UPDATE clips SET file_path = NULL")
    assert await codes(box) == []


async def test_a_foreign_file_is_reported_and_kept(tmp_path: Path) -> None:
    box = await make_box(tmp_path)
    stranger = box.settings.storage.clips / "holiday.mp4"
    stranger.write_bytes(b"x")
    (finding,) = await check_box(box.settings, True)
    assert (finding.code, finding.subject, finding.repaired) == ("orphan_file", "holiday.mp4", False)
    assert stranger.exists()


async def test_a_file_that_waits_to_be_deleted_is_not_a_stray(tmp_path: Path) -> None:
    box = await make_box(tmp_path)
    await change(box, "UPDATE clips SET deleted_us = 1 WHERE status = 'ready'")
    await change(box, "INSERT INTO garbage VALUES (?, 1)", f"thumbs/{box.picture.name}")
    assert await codes(box) == []


async def test_a_finished_file_without_a_row_is_kept_aside(tmp_path: Path) -> None:
    box = await make_box(tmp_path)
    orphan = box.clip_file.with_name(f"{box.ghost_id}-m9.mp4")
    for number in range(2):  # at the second repair the name in the folder is used already
        orphan.write_bytes(b"%d" % number)
        mended = await check_box(box.settings, True)
        assert [(each.code, each.repaired) for each in mended] == [("orphan_file", True)]
        assert await codes(box) == [], "what is kept aside is not reported again"
    aside = (box.settings.storage.clips / "aside").rglob(f"{box.ghost_id}*")
    assert sorted(path.read_bytes() for path in aside) == [b"0", b"1"]


def test_every_repair_that_a_finding_names_exists() -> None:
    source = Path(consistency.__file__).read_text()
    named = set(re.findall(r'"((?:forget|delete|set)_[a-z]+)"', source))
    assert named == set(CONSISTENCY.row_repairs) | set(CONSISTENCY.file_repairs)
