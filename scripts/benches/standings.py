"""Tables from results: a season, one more result; imports and updates of many tournaments in the store.

The parts `import` and `updates` are in scripts/benchseasons.py. Goals: a season of 20 clubs in 38 rounds from
the start <= 3 ms, after one result <= 0.5 ms; pure, in process. pandas is used where it is installed; it is
no dependency. Its part has neither form, bounds nor matches between level clubs, which ours has."""

from __future__ import annotations

import importlib.util
import sys
from itertools import permutations
from pathlib import Path
from random import Random
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import benchkit
import benchseasons
from benchkit import Options, Row

CLUBS = 20


def season() -> Any:
    """Every pair at home and away: 380 results, ten a day."""
    from appliance.cloud.scoring.match import Match
    from appliance.cloud.scoring.rules.reader import load_rules
    from appliance.cloud.scoring.tables.model import Season

    random = Random(7)
    pairs = list(permutations([f"club-{at:02}" for at in range(CLUBS)], 2))
    random.shuffle(pairs)
    matches = [
        Match(
            f"m{at:03}",
            home,
            away,
            status="ended",
            score=(random.choice((0, 0, 1, 1, 1, 2, 2, 3, 4)), random.choice((0, 0, 0, 1, 1, 2, 3))),
            date=f"2026-{1 + at // 40:02}-{1 + at // 10 % 4 * 7:02}",
        )
        for at, (home, away) in enumerate(pairs)
    ]
    return Season(load_rules("england:1", "2018-19"), matches)


def measure(options: Options) -> list[Row]:
    from appliance.cloud.scoring.tables.standings import phase_tables, standings

    whole = season()
    (table,) = phase_tables(whole)
    last = table.ledger.results["m379"]

    def one_more(_: int) -> object:
        table.ledger.remove(last.id)
        table.ledger.add(last)
        return table.rows()

    methods = {"a season from the start": lambda _: standings(whole), "after one result": one_more}
    if importlib.util.find_spec("pandas") is not None:
        methods["pandas: grouping and sort"] = _with_pandas(whole)
    goals = {"a season from the start": "<= 3 ms", "after one result": "<= 0.5 ms"}
    rows = benchkit.race(methods, 3 if options.quick else 300)
    return [{**row, "goal": goals.get(row["method"])} for row in rows]


def _with_pandas(whole: Any) -> Any:
    """The frame is made before; what is timed is both sides of each match, sums by club, and the sort."""
    import pandas

    results = pandas.DataFrame(
        [(match.home, match.away, *match.score) for match in whole.matches],
        columns=["home", "away", "home_goals", "away_goals"],
    )

    def table(_: int) -> object:
        names = {"home": "club", "home_goals": "scored", "away_goals": "against"}
        home = results.rename(columns=names)[["club", "scored", "against"]]
        names = {"away": "club", "away_goals": "scored", "home_goals": "against"}
        away = results.rename(columns=names)[["club", "scored", "against"]]
        sides = pandas.concat([home, away])
        sides["won"] = sides.scored > sides.against
        sides["drawn"] = sides.scored == sides.against
        sides["lost"] = sides.scored < sides.against
        sides["points"] = 3 * sides.won + sides.drawn
        sums = sides.groupby("club").sum()
        sums["difference"] = sums.scored - sums.against
        return sums.sort_values(["points", "difference", "scored"], ascending=False)

    return table


def main() -> None:
    parts = {"tables": measure, "import": benchseasons.imports, "updates": benchseasons.updates}
    benchkit.run("standings", __doc__, parts)


if __name__ == "__main__":
    main()
