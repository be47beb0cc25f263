"""Files with pieces cut out, repeated and put in: no error, and every match is there or named."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.cloud.scoring.imports.football_txt import read_txt
from appliance.cloud.scoring.imports.openfootball_json import read_json

TXT = (
    "= Cup 2011/12\nGroup A | Ajax  Lyon\n\n» Group A\n  Wed Sep/14 2011\n    20.45  Ajax v Lyon 1-1 (0-0)\n"
    "» Round of 16, 1st leg\n[Tue Feb/14]\n  20:45 Ajax 4-3 pen. 1-0 a.e.t. (1-0, 1-0) Lyon @ Paris (UTC+1)\n"
    "    [Messi 12'; Ronaldo 88' (pen.)]\n(64) 16 June  W61 - W62  [postponed]\n"
)
JSON = json.dumps(
    {
        "name": "L 2011/12",
        "matches": [
            {
                "round": "Matchday 1",
                "date": "2011-08-13",
                "team1": "A",
                "team2": "B",
                "score": {"ft": [1, 0]},
            },
            {"stage": "Playoffs", "date": "2012-05-01", "team1": "A", "team2": "B", "score": {"p": [4, 4]}},
        ],
    },
    indent=1,
)
PIECES = [
    "{",
    "]",
    '"',
    "null",
    "-1",
    "\n",
    " | ",
    "▪ ",
    "Final",
    "(1",
    "pen.",
    "[Tue Feb/30]",
    "99:99",
    "0-0",
    "\0",
]
LEFT_OUT = {"not_a_match", "no_team", "duplicate", "bad_name"}


@st.composite
def broken(draw: st.DrawFn, text: str) -> str:
    for _ in range(draw(st.integers(1, 8))):
        at, length = draw(st.integers(0, len(text))), draw(st.integers(0, 20))
        text = text[:at] + draw(st.sampled_from(["", *PIECES])) + text[at + length :]
    return text


@settings(max_examples=60, deadline=None)
@given(broken(TXT), broken(JSON))
def test_every_match_is_there_or_named(txt: str, data: str) -> None:
    for file in (read_txt(txt, None), read_json(data, None)):
        left_out = sum(defect.code in LEFT_OUT for defect in file.defects)
        assert file.found == len(file.matches) + left_out
        assert file.found or file.defects
