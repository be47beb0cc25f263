"""Scores of Football.TXT: 2-1 (1-0), 4-1 a.e.t. (3-1, 1-0), 4-3 pen. 1-0 a.e.t. (1-0, 1-0), 3-3 a.e.t.
(2-2, 2-0), 4-2 pen."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from appliance.cloud.scoring.match import Pair

_PAIR: Final = r"\d{1,2}\s?[-:]\s?\d{1,2}"
_AET: Final = r"a\.?e\.?t\.?|n\.?v\.?"
_PEN: Final = r"pen\.?|pens\.?|p\.|i\.?e\.?"
_PART: Final = (
    rf"\((?:\s*{_PAIR}\s*(?:{_AET})?\s*,?\s*)+\)|{_PAIR}(?!\d)|(?:{_AET}|{_PEN})(?![a-z])|,(?=\s*\d)"
)
SCORE: Final = re.compile(rf"(?<!\S)(?:{_PAIR})(?!\d)(?:\s*(?:{_PART}))*(?!\S)", re.IGNORECASE)
_TOKEN: Final = re.compile(
    rf"(?P<pair>{_PAIR})|(?P<aet>{_AET})|(?P<pen>{_PEN})|(?P<open>\()|(?P<close>\))", re.IGNORECASE
)


class Score(NamedTuple):
    regular: Pair | None = None
    half_time: Pair | None = None
    extra_time: Pair | None = None
    shoot_out: Pair | None = None


def plain(text: str) -> str:
    """With one kind of dash."""
    return re.sub(r"[–—−]", "-", text)


def read_score(text: str) -> Score:
    """A text that SCORE matches."""
    pairs: list[list[object]] = []  # [pair, mark, is in parentheses]
    inside = False
    for token in _TOKEN.finditer(text):
        if token["pair"]:
            pairs.append([_pair(token["pair"]), "", inside])
        elif token["open"] or token["close"]:
            inside = bool(token["open"])
        elif pairs:
            pairs[-1][1] = "aet" if token["aet"] else "pen"
    marked = {mark: pair for pair, mark, _ in pairs if mark}
    outside = [pair for pair, mark, within in pairs if not mark and not within]
    within = [pair for pair, mark, within in pairs if not mark and within]
    order = [*outside, *within]
    if outside or marked:
        regular, half = (order + [None, None])[:2]
    else:
        regular, half = None, None
    return Score(regular, half, marked.get("aet"), marked.get("pen"))  # type: ignore[arg-type]


def _pair(text: str) -> Pair:
    home, away = re.split(r"[-:]", text)
    return int(home), int(away)
