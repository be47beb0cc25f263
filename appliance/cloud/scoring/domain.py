"""The record of the domain scoring, for the hosted side's domains.py."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from appliance.access.roles import EVERYBODY
from appliance.cloud.permissions import roles
from appliance.cloud.scoring import wiring
from appliance.cloud.scoring.figures import status_part
from appliance.domain import Domain
from appliance.http.api import Routes

if TYPE_CHECKING:
    from appliance.cloud.domains import Services
    from appliance.kernel.tx import Row, Tx

_PIPELINE: Final = "/api/v2/data-provider"
_UPDATED: Final = f"{_PIPELINE}/tournaments/{{tournament_id}}"
_INTERNAL: Final = roles("internal")
_OFFICE: Final = roles("league", "internal")  # of the leagues in its scope, see public/owners.py
_ONE: Final = "/api/v2/tournaments/{tournament_id}"


def _routes(settings: Any) -> Sequence[Routes]:
    from appliance.cloud.scoring.public.http import public_routes  # here, so that commands do not load it

    return public_routes()


def _resource_changed(tx: Tx, kind: str, row: Row, before: Row | None, by: str) -> None:
    from appliance.cloud.scoring.records.observed import SCORE_OBSERVED, score_observed
    from appliance.cloud.scoring.references import check_delete

    if kind == "site_event" and row["type"] == SCORE_OBSERVED:
        score_observed(tx, row["site_id"], row["session_id"], row["data"])
    elif before is None:
        check_delete(tx, kind, row)


DOMAIN: Domain[Services] = Domain(
    name="scoring",
    schema=Path(__file__).parent / "schema",
    sections=wiring.SECTIONS,
    section_lists=wiring.LISTS,
    contradictions=wiring.contradictions,
    routes=_routes,
    status=status_part,
    on_resource=_resource_changed,
    access={
        "GET /api/v2/tournaments": EVERYBODY,
        "POST /api/v2/tournaments": _OFFICE,
        f"GET {_ONE}": EVERYBODY,
        f"PATCH {_ONE}": _OFFICE,
        f"GET {_ONE}/rounds": EVERYBODY,
        f"GET {_ONE}/matches": EVERYBODY,
        f"GET {_ONE}/standings": EVERYBODY,
        f"GET {_ONE}/bracket": EVERYBODY,
        f"GET {_ONE}/decisions": EVERYBODY,
        f"GET {_ONE}/discrepancies": _OFFICE,
        f"POST {_ONE}/adjustments": _OFFICE,
        f"POST {_ONE}/facts": _OFFICE,
        f"POST {_ONE}/ties": _OFFICE,
        "GET /api/v2/matches/{match_id}": EVERYBODY,
        "PATCH /api/v2/matches/{match_id}": _OFFICE,
        "POST /api/v2/matches/{match_id}/official": _OFFICE,
        "POST /api/v2/ties/{tie_id}/winner": _OFFICE,
        # these six take the token of [internal] alone, see executions/internal.py
        f"POST {_UPDATED}/matches": _INTERNAL,
        f"PATCH {_UPDATED}/matches": _INTERNAL,
        f"PATCH {_UPDATED}/matches/{{round}}": _INTERNAL,
        f"PATCH {_UPDATED}/standings": _INTERNAL,
        f"PATCH {_UPDATED}/knockouts": _INTERNAL,
        f"POST {_UPDATED}/import": _INTERNAL,
        f"POST {_PIPELINE}/scheduler": _INTERNAL,
        f"GET {_PIPELINE}/schedules": _OFFICE,
        f"GET {_PIPELINE}/runs": _OFFICE,
        f"GET {_PIPELINE}/executions": _OFFICE,
        f"GET {_PIPELINE}/executions/{{execution_id}}": _OFFICE,
        f"POST {_PIPELINE}/executions/{{execution_id}}/run": _OFFICE,
        f"GET {_PIPELINE}/reports/{{report}}": _OFFICE,
    },
    prepare=wiring.prepare,
    run=wiring.run,
)
