"""The invariants on constructed data: what is accepted, and the text of a finding."""

from __future__ import annotations

from appliance.ops.consistency import BoxFacts, Finding, JournalFacts, check, repaired

EMPTY = JournalFacts(head=0, first=0, last=0, count=0, newest={}, rows={})


def facts(**changed: object) -> BoxFacts:
    empty: dict[str, object] = {
        "clips": [],
        "plans": [],
        "garbage": frozenset(),
        "deleted_files": frozenset(),
        "clip_files": {},
        "recordings": {},
        "journal": EMPTY,
    }
    return BoxFacts(**{**empty, **changed})  # type: ignore[arg-type]


def test_a_new_box_is_sound() -> None:
    assert check(facts()) == []


def test_what_sqlite_says_comes_first() -> None:
    results = check(facts(database=["row 3 missing from index"], clip_files={"x.mp4": 1}))
    assert [each.code for each in results] == ["database", "orphan_file"]


def test_the_number_of_missing_entries_is_reported() -> None:
    journal = JournalFacts(head=9, first=2, last=9, count=5, newest={}, rows={})
    (finding,) = check(facts(journal=journal))
    assert finding.detail == "3 entries missing in 2..9"


def test_a_finding_says_whether_it_can_be_mended() -> None:
    finding = Finding("orphan_file", "a.mp4", "1 bytes nobody knows", mend="unlink")
    assert str(finding).endswith("[--repair can mend this]")
    assert str(repaired(finding)).endswith("[repaired]")
    assert str(Finding("no_plan", "clip:1", "x")) == "no_plan: clip:1: x"
