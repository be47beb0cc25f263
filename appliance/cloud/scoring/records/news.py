"""Journal entries about matches, for pages that are open."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from appliance.domain import resource_changed
from appliance.kernel.tx import Tx

_NAMED_IDS: Final = 100


def tell_matches(
    tx: Tx, tournament_id: str, *, created: Sequence[str] = (), changed: Sequence[str] = ()
) -> None:
    """Tell of matches that were made or changed: how many, and which: of more than 100 the first."""
    if created or changed:
        counts = {"created": len(created), "changed": len(changed)}
        told = {"tournament_id": tournament_id, **counts, "match_ids": [*created, *changed][:_NAMED_IDS]}
        tx.append("matches_changed", f"tournament:{tournament_id}", told)
        tell_domains(tx, tournament_id)


def tell_domains(tx: Tx, tournament_id: str) -> None:
    """Tables or results are others: what other domains do then, as sending them to boxes."""
    row = tx.one("SELECT * FROM tournaments WHERE id = ?", (tournament_id,))
    if row is not None:
        resource_changed(tx, "tournament", row, row, "scoring")
