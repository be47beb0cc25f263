"""What the name of a round says: its stage, its kind, its group, its leg.

The text before a comma is the stage ("Playoffs, Semi-finals"). Tables count leagues and groups; a name
with a word of cups is a knockout round; anything else is the league."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, replace
from typing import Final

from appliance.cloud.scoring.match import Kind

_GROUP: Final = re.compile(
    r"(?:group|gruppe|grupo|gruppo|groupe|poule)\s+([a-z]{1,3}\d?|\d{1,2}|hex)", re.IGNORECASE
)
_LEG: Final = re.compile(
    r"[\s,–-]*\(?\b(?:(?P<nth>1st|2nd|first|second|1\.|2\.)[\s-]*leg|leg\s*(?P<number>[12])(?:\s*of\s*\d)?"
    r"|(?P<hin>hinspiel|ida)|(?P<back>rückspiel|vuelta))\b\)?",
    re.IGNORECASE,
)
_REPLAY: Final = re.compile(r"[\s,–-]*\b(?:(?:2nd|second|3rd|third)\s+)?replays?\b", re.IGNORECASE)
_CUP: Final = re.compile(
    r"final|semi|quarter|viertel|achtel|sechzehntel|round of \d|last \d|play-? ?offs?\b|play-? ?in|knock-?out"
    r"|third[- ]place|3rd[- ]place|platz 3|bronze|preliminary|qualif|\b1/\d|octavos|cuartos|dieciseisavos"
    r"|ottavi|quarti"
    r"|huitièmes|quarts|barrage|replay|eliminat|wild ?card|\b(?:first|second|third|fourth|fifth|sixth) round"
    r"|\b\d+(?:st|nd|rd|th) round|super ?cup|\brelegation$"
)
_MATCHDAY: Final = re.compile(
    r"(?:matchday|spieltag|jornada|giornata|journée|rodada|week|round|runde)\s*\d+|\d+\.\s*(?:spieltag|runde|round|giornata|kolo)"
)
_ROUND: Final = re.compile(r"(?:round|runde)\s*(\d{1,3})|(\d{1,3})\.\s*(?:round|runde)")
_FINAL_ROUND: Final = re.compile(r"final (?:round|group|pool)")  # of several teams that all meet: a table
_CUP_STAGE: Final = re.compile(r"play-? ?off|play-? ?in|knock-?out|qualif|preliminary|finals?\b")
_GROUP_STAGE: Final = re.compile(r"groups?\b|gruppen|fase de grupos|phase de groupes|fase a gironi")

LEAGUE: Final = "League"
GROUP_STAGE: Final = "Group stage"
KNOCKOUT: Final = "Knockout"


@dataclass(frozen=True, slots=True)
class RoundName:
    """`round` is "" where the file names none: then `slug` is that of the stage."""

    stage: str
    kind: Kind
    group: str
    round: str
    slug: str
    leg: int | None = None
    is_replay: bool = False


def group_name(text: str) -> str | None:
    """Group A for "Group A", "Gruppe a", "group A:"; None for the name of no group."""
    match = _GROUP.fullmatch(text.strip().rstrip(":"))
    return f"Group {match[1].upper()}" if match is not None else None


def nth_group(number: int) -> str:
    """Group A for 0, Group Z for 25, Group AA for 26."""
    letters = ""
    while number >= 0:
        letters = chr(ord("A") + number % 26) + letters
        number = number // 26 - 1
    return f"Group {letters}"


def kebab(text: str) -> str:
    """Letters and digits in lower case without accents, joined by hyphens."""
    plain = unicodedata.normalize("NFKD", text.casefold()).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")


def round_name(text: str, *, stage: str = "", group: str = "") -> RoundName:
    """`text`: of the round, "" for none; `stage`, `group`: where the file gives them apart."""
    leg, rest = _leg(text)
    is_replay = _REPLAY.search(rest) is not None
    rest = _REPLAY.sub("", rest) if is_replay else rest
    parts = [part.strip(" :\t–-") for part in re.split(r",|\s/\s", rest)]
    parts = [part for part in parts if part]
    named = group_name(group) or group
    for part in list(parts):
        if (own := group_name(part)) is not None:
            named = own
            parts.remove(part)
    if len(parts) > 1 and not stage:
        stage, *parts = parts
    name = ", ".join(parts)
    if not stage and _FINAL_ROUND.fullmatch(name.casefold()):
        stage, name = name, ""
    kind = _kind(stage.casefold(), name.casefold(), named)
    shown = stage or {"league": LEAGUE, "group": GROUP_STAGE, "knockout": KNOCKOUT}[kind]
    slug = kebab(f"{stage} {name}" if name else shown)
    return RoundName(shown, kind, named if kind == "group" else "", name, slug or "round", leg, is_replay)


def as_knockout(named: RoundName) -> RoundName:
    """The same round where the file says that its matches are of a knockout, whatever the name tells."""
    if named.kind == "knockout":
        return named
    is_own = named.stage not in (LEAGUE, GROUP_STAGE)
    stage = named.stage if is_own else KNOCKOUT
    slug = named.slug if is_own or named.round else kebab(KNOCKOUT)
    return replace(named, kind="knockout", stage=stage, group="", slug=slug)


def is_matchday(name: str) -> bool:
    return _MATCHDAY.fullmatch(name.casefold()) is not None


def cup_round(name: str) -> int | None:
    """2 of "Round 2" or "2. Runde", which leagues and cups have; None for other rounds."""
    match = _ROUND.fullmatch(name.casefold())
    return int(match[1] or match[2]) if match is not None else None


def is_round(text: str) -> bool:
    """Is this line the name of a round or of a group, rather than of teams?"""
    parts = [part.strip(" :") for part in re.split(r",|\s/\s", _REPLAY.sub("", _leg(text)[1]))]
    return any(
        part and (group_name(part) or _MATCHDAY.fullmatch(part.casefold()) or _CUP.search(part.casefold()))
        for part in parts
    ) or bool(re.fullmatch(r"league(?: phase)?|group(?: stage)?", text.casefold()))


def _leg(text: str) -> tuple[int | None, str]:
    match = _LEG.search(text)
    if match is None:
        return None, text
    first = (
        (match["nth"] or "").casefold() in ("1st", "first", "1.") or match["number"] == "1" or match["hin"]
    )
    return 1 if first else 2, text[: match.start()] + text[match.end() :]


def _kind(stage: str, name: str, group: str) -> Kind:
    if group and not _CUP.search(name):
        return "group"
    if _FINAL_ROUND.fullmatch(stage):
        return "league"
    if _MATCHDAY.fullmatch(name):
        return "knockout" if _CUP_STAGE.search(stage) else "group" if _GROUP_STAGE.match(stage) else "league"
    if _CUP.search(name) or _CUP_STAGE.search(stage) or (not name and _CUP.search(stage)):
        return "knockout"
    return "group" if _GROUP_STAGE.match(stage) else "league"
