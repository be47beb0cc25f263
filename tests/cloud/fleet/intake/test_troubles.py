"""Which refusals a person is told of."""

from __future__ import annotations

import pytest

from appliance.cloud.fleet.intake.troubles import trouble_of
from appliance.kernel.errors import Refused


@pytest.mark.parametrize(
    ("code", "extra", "words"),
    [
        ("other_box", {}, "another machine"),
        ("other_box", {"is_replaced": True}, ""),  # an admin knows
        ("epoch_superseded", {"is_known": True, "may_begin": False}, "a copy of"),
        ("epoch_superseded", {"is_known": True, "may_begin": True}, ""),  # it goes on by itself
        ("epoch_superseded", {"is_known": False, "may_begin": False}, ""),
        ("hole", {"expected": 3}, ""),
    ],
)
def test_what_a_refusal_tells(code: str, extra: dict[str, bool], words: str) -> None:
    trouble = trouble_of(Refused(409, code, "x", extra=extra), "b1")
    assert words in trouble and bool(trouble) is bool(words) is ("b1" in trouble)
