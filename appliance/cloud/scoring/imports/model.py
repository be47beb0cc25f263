"""What a season file says, as matches with the names that it uses; and what is wrong with it, by line."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from appliance.cloud.scoring.match import Kind, Pair, Status


@dataclass(frozen=True, slots=True)
class Defect:
    """`line`: from 1, 0 for the whole file. `hint`: what to write instead."""

    line: int
    code: str
    detail: str
    hint: str = ""

    def __str__(self) -> str:
        return f"line {self.line}: {self.detail}" + (f" ({self.hint})" if self.hint else "")


@dataclass(frozen=True, slots=True)
class FileMatch:
    """`home`, `away`: as the file writes them, teams or placeholders. `kickoff`: RFC 3339 UTC, None without a
    time. `slug` names the round in addresses; `reference`: the provider's own id of the match, "" where it
    has none."""

    line: int
    home: str
    away: str
    kind: Kind = "league"
    stage: str = ""
    group: str = ""
    round: str = ""
    slug: str = ""
    number: int | None = None
    leg: int | None = None
    is_replay: bool = False
    date: str | None = None
    kickoff: str | None = None
    status: Status = "open"
    detail: str = ""
    score: Pair | None = None
    half_time: Pair | None = None
    extra_time: Pair | None = None
    shoot_out: Pair | None = None
    official: Pair | None = None
    is_neutral: bool = False
    reference: str = ""


@dataclass
class SeasonFile:
    """`groups`: teams of each group as the file lists them."""

    name: str = ""
    matches: list[FileMatch] = field(default_factory=list)
    defects: list[Defect] = field(default_factory=list)
    groups: dict[str, list[str]] = field(default_factory=dict)
    found: int = 0
    """Matches that the file has: `matches` and those that a defect leaves out."""

    def defect(self, line: int, code: str, detail: str, hint: str = "") -> None:
        self.defects.append(Defect(line, code, detail, hint))


def named_rounds(matches: list[FileMatch]) -> list[FileMatch]:
    """Matches without a round get {stage}-{n}: n counts the matches that its teams have had in the stage, by
    date."""
    counts: dict[tuple[str, str], int] = {}
    rounds: dict[int, str] = {}
    for match in sorted(matches, key=lambda each: (each.date or "9", each.kickoff or "", each.line)):
        keys = [(match.stage, match.home), (match.stage, match.away)]
        number = 1 + max(counts.get(key, 0) for key in keys)
        counts.update(dict.fromkeys(keys, number))
        if not match.round:
            rounds[match.line] = f"{match.slug}-{number}"
    return [
        replace(match, round=rounds[match.line], slug=rounds[match.line]) if match.line in rounds else match
        for match in matches
    ]
