"""fsck and exports: their file is the only copy of them."""

from __future__ import annotations

from pathlib import Path

from appliance.ops.fsck import check_box
from tests.ops.box import Box, change, make_box


async def make_exported(tmp_path: Path) -> Box:
    """The stopped box, its clip an export."""
    box = await make_box(tmp_path)
    await change(box, "UPDATE plans SET header = x'', ranges = '[]'")
    await change(box, "UPDATE clips SET mode = 'exact' WHERE status = 'ready'")
    return box


async def findings(box: Box, repair: bool = False) -> list[tuple[str, bool]]:
    return [(each.code, each.repaired) for each in await check_box(box.settings, repair)]


async def test_an_export_with_its_file_is_sound_without_recordings(tmp_path: Path) -> None:
    box = await make_exported(tmp_path)
    for name in ("cam1/a.mp4", "cam1/b.mp4"):
        box.recording(name).unlink()
    assert await findings(box) == []


async def test_a_lost_file_is_reported_and_left_to_the_next_start(tmp_path: Path) -> None:
    box = await make_exported(tmp_path)
    box.clip_file.write_bytes(b"short")
    (finding,) = await check_box(box.settings, False)
    assert finding.code == "bytes_lost" and "has 5 bytes instead of" in finding.detail
    box.clip_file.unlink()
    assert await findings(box, repair=True) == [("bytes_lost", False)], (
        "a plan without bytes must not be written"
    )


async def test_the_plan_of_a_replaced_export_is_forgotten_with_its_file(tmp_path: Path) -> None:
    box = await make_exported(tmp_path)
    await change(
        box, "UPDATE clips SET ready_media_rev = NULL, file_path = NULL, media_rev = 2, status = 'failed'"
    )
    box.clip_file.unlink()
    assert await findings(box, repair=True) == [("file_wrong", True)]
    assert await findings(box) == []


async def test_the_draft_of_a_running_export_is_not_a_finding(tmp_path: Path) -> None:
    box = await make_box(tmp_path)
    draft = box.clip_file.with_name(f"{box.ghost_id}-m1.partial")
    draft.write_bytes(b"half")
    assert await findings(box) == []
    await change(box, "UPDATE clips SET status = 'failed' WHERE id = ?", box.ghost_id)
    assert await findings(box) == [("orphan_file", False)]
