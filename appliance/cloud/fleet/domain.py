"""What the fleet gives the hosted side: sites, and what their boxes send and get."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from appliance.cloud.fleet.settings import FleetSettings
from appliance.cloud.permissions import ADMIN_ONLY, roles
from appliance.domain import Domain
from appliance.http.api import Routes

if TYPE_CHECKING:
    from appliance.cloud.domains import Services
    from appliance.kernel.tx import Row, Tx

_BOX: Final = roles("box")  # of its own site: another site's id is 404


def _routes(settings: Any) -> Sequence[Routes]:
    from appliance.cloud.fleet.http import site_routes  # here, so that the commands do not load it

    return [site_routes()]


@asynccontextmanager
async def _prepare(cloud: Services) -> AsyncIterator[None]:
    """Routes of boxes: they read their requests themselves, so they need the store."""
    from appliance.cloud.fleet.changes.http import change_routes
    from appliance.cloud.fleet.intake.counts import IntakeCounts
    from appliance.cloud.fleet.intake.http import Intake

    cloud.routes.append(Intake(cloud.store, IntakeCounts(cloud.metrics)).routes())
    cloud.routes.append(change_routes(cloud.store))
    yield


@asynccontextmanager
async def _run(cloud: Services) -> AsyncIterator[None]:
    """Health: sites with trouble, and parked events. What boxes keep follows the calendar, and what they sent
    is kept for a time."""
    from appliance.cloud.fleet.changes.sweep import run_sweep
    from appliance.cloud.fleet.health import run_fleet_watch
    from appliance.cloud.fleet.intake.pruning import run_pruning
    from appliance.kernel.actor import running

    watch = running("fleet watch", run_fleet_watch, store=cloud.store, board=cloud.board)
    days = cloud.settings.section(FleetSettings).events_days
    pruning = running("site event pruning", run_pruning, store=cloud.store, days=days)
    async with watch, running("scope sweep", run_sweep, store=cloud.store), pruning:
        yield


def _resource_changed(tx: Tx, kind: str, row: Row, before: Row | None, by: str) -> None:
    from appliance.cloud.fleet.changes.scope import resource_changed

    resource_changed(tx, kind, row, before)


DOMAIN: Domain[Services] = Domain(
    name="fleet",
    schema=Path(__file__).parent / "schema",
    sections={"fleet": FleetSettings},
    prepare=_prepare,
    routes=_routes,
    run=_run,
    on_resource=_resource_changed,
    access={
        "GET /edge/v1/changes": _BOX,
        "GET /edge/v1/snapshot": _BOX,
        "WS /edge/v1/nudge": _BOX,
        "POST /edge/v1/events": _BOX,
        "POST /edge/v1/snapshots": _BOX,
        "PUT /edge/v1/snapshots/{snapshot_id}/parts/{number}": _BOX,
        "POST /edge/v1/snapshots/{snapshot_id}/commit": _BOX,
        "GET /fleet/v1/sites": _BOX,
        "GET /fleet/v1/sites/{site_id}": _BOX,
        "GET /fleet/v1/sites/{site_id}/events": _BOX,
        "GET /fleet/v1/sites/{site_id}/resources": _BOX,
        "GET /fleet/v1/sites/{site_id}/parked": _BOX,
        "POST /fleet/v1/sites/{site_id}/parked/{event_id}/replay": ADMIN_ONLY,
        "POST /fleet/v1/sites/{site_id}/resolve": ADMIN_ONLY,
        "POST /fleet/v1/sites/{site_id}/replace-box": ADMIN_ONLY,
    },
)
