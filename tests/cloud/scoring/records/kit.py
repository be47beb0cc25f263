"""Tournaments in a store, from matches written as "A 2-1 B"."""

from __future__ import annotations

import re
from typing import Any

from appliance.cloud.scoring.imports.model import FileMatch, SeasonFile
from appliance.cloud.scoring.model import TournamentIn
from appliance.cloud.scoring.records.apply import ApplySummary, Source, apply_file
from appliance.cloud.scoring.records.manage import ensure_tournament
from appliance.cloud.scoring.records.tables import recalculate_standings
from appliance.kernel.operation import Caller
from appliance.kernel.store import Store
from appliance.kernel.tx import Tx

CALLER = Caller("import", role="internal")
FIRST = Source("first", 0)
SECOND = Source("second", 1)
_MATCH = re.compile(r"(\S+) (?:(\d+)-(\d+)|v) (\S+)")


def given(text: str, line: int = 1, **fields: Any) -> FileMatch:
    """`A 2-1 B` has ended, `A v B` is open."""
    match = _MATCH.fullmatch(text)
    assert match is not None, text
    home, home_goals, away_goals, away = match.groups()
    values: dict[str, Any] = {
        "stage": "League",
        "round": "Matchday 1",
        "slug": "matchday-1",
        "date": "2026-08-01",
        "score": (int(home_goals), int(away_goals)) if home_goals else None,
        "status": "ended" if home_goals else "open",
    }
    return FileMatch(line, home, away, **{**values, **fields})


def matchdays(*rounds: str) -> SeasonFile:
    """A round of matches, divided by commas, for each week from 2026-08-01 on."""
    matches = [
        given(
            text.strip(),
            line=100 * number + line,
            round=f"Matchday {number}",
            slug=f"matchday-{number}",
            date=f"2026-{8 + number // 4:02}-{1 + 7 * (number % 4):02}",
        )
        for number, texts in enumerate(rounds, start=1)
        for line, text in enumerate(texts.split(","), start=1)
    ]
    return SeasonFile(matches=matches, found=len(matches))


def load(
    tx: Tx,
    file: SeasonFile,
    source: Source = FIRST,
    *,
    tournament_id: str = "cup",
    may_create: bool = True,
    **fields: Any,
) -> ApplySummary:
    """Apply the file to a tournament of this id, made if it is not there; the tables are recalculated."""
    body = TournamentIn(
        id=tournament_id, name=fields.pop("name", "League of tests"), **fields.pop("tournament", {})
    )
    ensure_tournament(tx, CALLER, body)
    summary = apply_file(tx, tournament_id, file, source, may_create=may_create, caller=CALLER, **fields)
    recalculate_standings(tx, tournament_id)
    return summary


async def loaded(store: Store, file: SeasonFile, source: Source = FIRST, **fields: Any) -> ApplySummary:
    return await store.write(lambda tx: load(tx, file, source, **dict(fields)))
