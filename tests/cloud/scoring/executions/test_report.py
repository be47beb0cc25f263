"""Reports: texts of providers in Markdown, differences of tables."""

from __future__ import annotations

from appliance.cloud.scoring.executions.record import Record, RoundRecord
from appliance.cloud.scoring.executions.report import markdown, report_of
from appliance.cloud.scoring.imports.model import Defect
from appliance.cloud.scoring.knockouts.changes import Change
from appliance.cloud.scoring.records.apply import ApplySummary
from appliance.cloud.scoring.records.bracket import BracketSummary
from appliance.cloud.scoring.records.tables import RowChange, StandingsSummary

ABOUT = {
    "id": "e1",
    "operation": "import",
    "tournament_id": "league",
    "round": None,
    "status": "completed",
    "stage": None,
    "error": None,
    "started_at": "2026-11-30T00:01:00.000000Z",
    "duration_ms": 12,
}


def filled() -> Record:
    record = Record("e1", tournament={"id": "league", "name": "A | *B* <script>"})
    defect = Defect(7, "bad_score", "[x](http://evil) | 3", "two numbers")
    applied = ApplySummary(3, 1, 1, 1, (defect,), by_round={"matchday-1": 3})
    record.rounds = [
        RoundRecord("matchday-1", "openfootball", applied=applied, took_us=1000),
        RoundRecord("matchday-2", error="openfootball cannot\nbe reached", fallbacks=[("sofascore", "x")]),
    ]
    changes = (
        RowChange("League", "", "t1", {"points": 1}, {"points": 4}),
        RowChange("League", "", "t2", {}, {"points": 0, "zone": None}),
    )
    record.table = StandingsSummary(2, changes, ("t1",))
    record.bracket = BracketSummary(3, 1, (Change("f", "Final", "home", "t1", None),))
    record.names = {"t1": "Rovers", "t2": "United"}
    return record


def test_counts_rounds_and_the_difference_of_the_table() -> None:  # D23
    report = report_of(filled(), ABOUT)
    assert (report["operations"], report["successes"], report["failures"]) == (2, 1, 1)
    assert report["rounds"][0]["by_round"] == {"matchday-1": 3}
    assert [(each["team"], each["before"], each["after"]) for each in report["table"]["changes"]] == [
        ("Rovers", {"points": 1}, {"points": 4}),
        ("United", {}, {"points": 0, "zone": None}),
    ]
    assert report["table"]["unresolved"] == ["Rovers"]
    assert report["bracket"]["changes"] == ["Final: home was Rovers, is open"]


def test_texts_of_others_have_no_meaning_in_markdown() -> None:
    text = markdown(report_of(filled(), ABOUT))
    assert "# A \\| \\*B\\* \\<script\\>: import completed" in text
    assert "\\[x\\](http://evil) \\| 3 (two numbers)" in text
    assert "| matchday-2 |  | 0 | 0 | 0 | 0 | openfootball cannot be reached |" in text
    assert "- matchday-2: sofascore failed: x" in text
    assert "| Rovers | points | 1 | 4 |" in text and "1 of 3 ties are decided." in text


def test_the_hash_is_of_the_content_and_not_of_times() -> None:
    first, second, other = filled(), filled(), filled()
    second.rounds[0].took_us = 999_999
    other.rounds[1].error = None
    hashes = [report_of(each, ABOUT)["content_hash"] for each in (first, second, other)]
    assert hashes[0] == hashes[1] != hashes[2]


def test_the_summary_counts_what_was_applied() -> None:
    summary = filled().summary()
    assert {name: summary[name] for name in ("operations", "matches", "created", "changed", "unchanged")} == {
        "operations": 2,
        "matches": 3,
        "created": 1,
        "changed": 1,
        "unchanged": 1,
    }
    assert summary["defects"][0]["line"] == 7 and summary["table"] == {"rows": 2, "changed": 2}
