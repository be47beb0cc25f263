"""What a result says of itself: awarded, abandoned, there twice."""

from __future__ import annotations

from appliance.cloud.scoring.imports.checks import duplicates, settle
from appliance.cloud.scoring.imports.model import FileMatch, SeasonFile


def test_awarded_after_extra_time_and_abandoned() -> None:
    file = SeasonFile()
    awarded = settle(FileMatch(1, "A", "B", detail="awarded", score=(1, 1), extra_time=(2, 1)), file)
    assert (awarded.official, awarded.score, awarded.extra_time, awarded.status) == (
        (2, 1),
        None,
        None,
        "ended",
    )
    stopped = settle(FileMatch(2, "A", "B", detail="abandoned", status="ended", score=(1, 0)), file)
    assert (stopped.status, stopped.score) == ("not-defined", (1, 0)) and file.defects == []


def test_a_match_that_is_there_twice_is_taken_once() -> None:
    file = SeasonFile()
    first, same = FileMatch(1, "A", "B", date="2026-01-01"), FileMatch(2, "A", "B", date="2026-01-01")
    other = FileMatch(3, "A", "B", date="2026-01-01", score=(1, 0))
    second_leg = FileMatch(4, "A", "B", date="2026-02-01")
    assert duplicates([first, same, other, second_leg], file) == [first, second_leg]
    assert [str(defect) for defect in file.defects] == [
        "line 2: A - B: the same again (the one of line 1 is taken)",
        "line 3: A - B: again, with other values (the one of line 1 is taken)",
    ]
