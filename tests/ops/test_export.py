"""An exported session can be read without a box."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from appliance.ops.export import ExportError, export_session
from tests.ops.box import CLIP_BYTES, change, make_box, settings_in


async def test_manifest_and_files_hold_the_session(tmp_path: Path) -> None:
    box = await make_box(tmp_path)
    out = tmp_path / "out"
    report = await export_session(box.settings, box.session_id, out)
    assert (report.clips, report.size_bytes) == (1, len(CLIP_BYTES))
    assert report.left_out == ((box.ghost_id, "it is pending"),)
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["schema_version"] == 1
    assert (manifest["session"]["id"], manifest["session"]["name"]) == (box.session_id, "Game")
    assert [len(manifest[kind]) for kind in ("plays", "clips", "tags")] == [1, 2, 1]
    clip = next(each for each in manifest["clips"] if each["id"] == box.clip_id)
    assert (clip["start_time"], clip["duration"]) == ("2026-11-20T19:00:00.000000Z", 2.0)
    assert clip["coverage"] == {"start": "a", "end": "b", "missing": []}
    assert (out / clip["file"]).read_bytes() == CLIP_BYTES
    assert manifest["tags"][0]["labels"] == ["key"]
    assert not any("request_hash" in each or "deleted_us" in each for each in manifest["clips"])


async def test_a_virtual_clip_is_copied_from_its_ranges(tmp_path: Path) -> None:
    box = await make_box(tmp_path)
    await change(box, "UPDATE plans SET file_path = NULL")
    await export_session(box.settings, box.session_id, tmp_path / "out")
    assert (tmp_path / "out/clips" / f"{box.clip_id}.mp4").read_bytes() == CLIP_BYTES


async def test_a_clip_whose_bytes_are_gone_is_listed_without_a_file(tmp_path: Path) -> None:
    box = await make_box(tmp_path)
    box.clip_file.unlink()
    box.recording("cam1/a.mp4").write_bytes(b"short")
    report = await export_session(box.settings, box.session_id, tmp_path / "out")
    reasons = dict(report.left_out)
    assert report.clips == 0 and "bytes are there" in reasons[box.clip_id]
    assert list((tmp_path / "out/clips").iterdir()) == []


async def test_exporting_again_gives_the_same_files(tmp_path: Path) -> None:
    box = await make_box(tmp_path)
    for _ in range(2):
        await export_session(box.settings, box.session_id, tmp_path / "out")
    names = sorted(path.name for path in (tmp_path / "out").rglob("*") if path.is_file())
    assert names == sorted(["manifest.json", f"{box.clip_id}.mp4"])


async def test_an_unknown_session_or_no_box_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="no database"):
        await export_session(settings_in(tmp_path), "x", tmp_path / "out")
    box = await make_box(tmp_path)
    with pytest.raises(ExportError, match="no session x"):
        await export_session(box.settings, "x", tmp_path / "out")
    assert not (tmp_path / "out").exists()
