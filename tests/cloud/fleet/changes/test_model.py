"""Cursors as text."""

from __future__ import annotations

import pytest

from appliance.cloud.fleet.changes.model import Cursor, entry_mark, parse_cursor
from appliance.kernel.errors import Refused


def test_a_cursor_is_read_as_it_was_written() -> None:
    cursor = Cursor("0a" * 8, 1842, entry_mark(1, "event_updated", "event:x", "{}"))
    assert parse_cursor(str(cursor)) == cursor


@pytest.mark.parametrize(
    "text", ["", "a.1", "a.01.b", "a.-1.b", "a.1.b.c", "a.1.B", "a.1000000000000000000.b"]
)
def test_what_is_no_cursor_is_expired(text: str) -> None:
    with pytest.raises(Refused) as refused:
        parse_cursor(text)
    assert (refused.value.status, refused.value.code) == (410, "cursor_expired")


def test_entries_that_differ_in_anything_have_other_marks() -> None:
    marks = {
        entry_mark(*each)
        for each in [
            (1, "a", "b", "c"),
            (2, "a", "b", "c"),
            (1, "x", "b", "c"),
            (1, "a", "x", "c"),
            (1, "a", "b", "x"),
        ]
    }
    assert len(marks) == 5
