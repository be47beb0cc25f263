"""The invariants of the database on constructed data, and the text of a finding."""

from __future__ import annotations

from dataclasses import replace

from appliance.domain import Finding
from appliance.ops.consistency import DatabaseFacts, JournalFacts, check

EMPTY = JournalFacts(head=0, first=0, last=0, count=0, newest={}, rows={})


def test_a_new_database_is_sound() -> None:
    assert check(DatabaseFacts(EMPTY)) == []


def test_what_sqlite_reports_comes_first() -> None:
    journal = JournalFacts(head=1, first=2, last=2, count=1, newest={}, rows={})
    results = check(DatabaseFacts(journal, ["row 3 missing from index"]))
    assert [each.code for each in results] == ["database", "journal_head"]


def test_the_number_of_missing_entries_is_reported() -> None:
    journal = JournalFacts(head=9, first=2, last=9, count=5, newest={}, rows={})
    (finding,) = check(DatabaseFacts(journal))
    assert finding.detail == "3 entries missing in 2..9"


def test_a_finding_says_whether_it_can_be_mended() -> None:
    finding = Finding("orphan_file", "a.mp4", "1 bytes, named by no row", mend="delete_file")
    assert str(finding).endswith("[--repair can mend this]")
    assert str(replace(finding, repaired=True)).endswith("[repaired]")
    assert str(Finding("no_plan", "clip:1", "x")) == "no_plan: clip:1: x"
