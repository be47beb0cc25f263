"""The record of the domain competitions, for the hosted side's domains.py."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from appliance.access.roles import Permission
from appliance.cloud.permissions import ADMIN_ONLY, READ, WRITE, roles
from appliance.domain import Domain
from appliance.http.api import Routes


def _routes(settings: Any) -> Sequence[Routes]:
    from appliance.cloud.competitions.http import competition_routes  # here, so that commands do not load it

    return competition_routes()


_PARAMETERS: Final = {
    "leagues": "league_id",
    "seasons": "season_id",
    "teams": "team_id",
    "athletes": "athlete_id",
    "associations": "association_id",
    "events": "event_id",
}


def _access() -> dict[str, Permission]:
    rows: dict[str, Permission] = {}
    for table, parameter in _PARAMETERS.items():
        path = f"/logging/v1/{table}"
        rows[f"GET {path}"] = rows[f"GET {path}/{{{parameter}}}"] = READ
        # only an admin makes and deletes a league; tokens with the role league name an existing one
        rows[f"POST {path}"] = makes = ADMIN_ONLY if table == "leagues" else WRITE
        rows[f"PATCH {path}/{{{parameter}}}"] = WRITE
        if table != "associations":  # one that ends stays, see KEPT of kinds.py
            rows[f"DELETE {path}/{{{parameter}}}"] = makes
    rows["GET /api/v2/teams/{team_id}/aliases"] = READ
    changes = roles("league", "internal")
    rows["POST /api/v2/teams/{team_id}/aliases"] = changes
    rows["DELETE /api/v2/teams/{team_id}/aliases/{alias_id}"] = changes
    return rows


DOMAIN: Domain[Any] = Domain(
    name="competitions", schema=Path(__file__).parent / "schema", routes=_routes, access=_access()
)
