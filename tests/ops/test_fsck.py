"""fsck finds injected damage, reports it once, and repairs what a domain offers to repair."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.domain import Consistency, Finding
from appliance.kernel.tx import ReadTx, Tx
from appliance.ops import fsck
from appliance.ops.fsck import NoDatabase, check_box
from appliance.ops.lock import StateBusy, hold_state
from tests.ops.box import Box, change, make_box, settings_in


async def codes(box: Box, repair: bool = False) -> list[str]:
    return [finding.code for finding in await check_box(box.settings, repair)]


async def test_a_sound_box_has_no_findings(tmp_path: Path) -> None:
    assert await check_box((await make_box(tmp_path)).settings, False) == []


async def test_a_box_without_a_database_is_reported(tmp_path: Path) -> None:
    with pytest.raises(NoDatabase, match="no database"):
        await check_box(settings_in(tmp_path), False)
    assert not (tmp_path / "state").exists(), "looking makes nothing"


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("DELETE FROM journal WHERE seq = 2", "journal_gap"),
        ("DELETE FROM journal", "journal_gap"),
        ("UPDATE sqlite_sequence SET seq = 3 WHERE name = 'journal'", "journal_head"),
        ("UPDATE clips SET rev = 2 WHERE status = 'ready'", "journal_differs"),
        ("UPDATE journal SET subject = 'tag:other' WHERE type = 'tag_created'", "not_journaled"),
        ("UPDATE tags SET rev = 7", "journal_differs"),
    ],
)
async def test_a_journal_that_differs_from_the_rows_is_found(tmp_path: Path, sql: str, code: str) -> None:
    box = await make_box(tmp_path)
    await change(box, sql)
    assert code in await codes(box)
    assert code in await codes(box, repair=True), "nothing of this is repaired by guessing"


async def test_a_domain_gives_its_own_findings_and_repairs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = await make_box(tmp_path)
    leftover = tmp_path / "leftover"
    leftover.touch()

    def check(tx: ReadTx, settings: object) -> list[Finding]:
        names = [row["name"] for row in tx.all("SELECT name FROM sessions WHERE name = 'Game'")]
        findings = [Finding("odd_name", name, "x", mend="rename") for name in names]
        return findings + [
            Finding("leftover", path.name, "x", mend="remove") for path in [leftover] if path.exists()
        ]

    def rename(tx: Tx, finding: Finding) -> None:
        tx.run("UPDATE sessions SET name = 'Final' WHERE name = ?", (finding.subject,))

    def remove(settings: object, finding: Finding) -> None:
        (tmp_path / finding.subject).unlink()

    domain = Consistency(check, {"rename": rename}, {"remove": remove})
    monkeypatch.setattr(fsck, "consistency", lambda: [domain])
    assert await codes(box) == ["odd_name", "leftover"]
    mended = await check_box(box.settings, True)
    assert [(each.code, each.repaired) for each in mended] == [("odd_name", True), ("leftover", True)]
    assert await codes(box) == []


async def test_a_pruned_journal_is_whole(tmp_path: Path) -> None:
    box = await make_box(tmp_path)
    await change(box, "DELETE FROM journal WHERE seq <= 2")
    assert await codes(box) == []


async def test_beside_a_running_box_it_looks_but_does_not_mend(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fsck, "SETTLE_S", 0)
    box = await make_box(tmp_path)
    box.picture.unlink()
    with hold_state(box.settings.storage.state_dir):
        assert await codes(box) == ["picture_missing"]
        with pytest.raises(StateBusy):
            await check_box(box.settings, True)
