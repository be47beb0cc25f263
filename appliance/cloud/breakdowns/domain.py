"""The record of the domain breakdowns, for the hosted side's domains.py."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from appliance.access.roles import EVERYBODY, Permission
from appliance.cloud.breakdowns.settings import LoggingSettings
from appliance.cloud.permissions import ADMIN_ONLY, READ, roles
from appliance.domain import Domain, ResourcePart, StatusPart
from appliance.http.api import Routes

if TYPE_CHECKING:
    from appliance.cloud.domains import Services
    from appliance.kernel.tx import ReadTx, Row, Tx

V1: Final = "/logging/v1"
_OFFICE: Final = roles("league", "manager")  # of the leagues in its scope
_MANAGER: Final = roles("manager")
_LOGGER: Final = roles("logger")  # its own jobs: others' are 404
_STAFF: Final = roles("league", "manager", "logger")


def _routes(settings: Any) -> Sequence[Routes]:
    from appliance.cloud.breakdowns.catalog.http import catalog_routes
    from appliance.cloud.breakdowns.http import audit_routes
    from appliance.cloud.breakdowns.queue.http import queue_routes
    from appliance.cloud.breakdowns.sources.http import source_routes

    lease_s = settings.section(LoggingSettings).lease_s
    return [*catalog_routes(), *queue_routes(lease_s), source_routes(), audit_routes()]


@asynccontextmanager
async def _prepare(cloud: Services) -> AsyncIterator[None]:
    """The webhook reads its request itself, so it needs the store."""
    from appliance.cloud.breakdowns.sources.webhook import VodWebhook

    secrets = cloud.settings.section(LoggingSettings).held_secrets
    cloud.routes.append(VodWebhook(cloud.store, cloud.clock, secrets).routes())
    yield


@asynccontextmanager
async def _run(cloud: Services) -> AsyncIterator[None]:
    """Assign jobs, end leases, send alarms, and measure it."""
    from appliance.cloud.breakdowns.health import run_logging_figures
    from appliance.cloud.breakdowns.queue.actor import run_queue
    from appliance.kernel.actor import running

    logging = cloud.settings.section(LoggingSettings)
    store, board, metrics = cloud.store, cloud.board, cloud.metrics
    async with (
        running("logging figures", run_logging_figures, store=store, board=board, metrics=metrics),
        running(
            "logging queue",
            run_queue,
            store=store,
            lease_s=logging.lease_s,
            awaiting_h=logging.awaiting_alert_h,
        ),
    ):
        yield


def _resource_changed(tx: Tx, kind: str, row: Row, before: Row | None, by: str) -> None:
    from appliance.cloud.breakdowns.evaluation import association_changed, event_changed

    if kind == "event":
        event_changed(tx, row["id"], by)
    elif kind == "association":
        association_changed(tx, row["season_id"], row["team_id"], by)


def _marking_model() -> Any:
    from appliance.cloud.breakdowns.marking.rows import EventLogging

    return EventLogging


def _marking(tx: ReadTx, event_id: str) -> Any:
    from appliance.cloud.breakdowns.marking.rows import marking_part

    return marking_part(tx, event_id)


def _status(tx: ReadTx) -> StatusPart:
    from appliance.cloud.breakdowns.status import status_part

    return status_part(tx)


def _access() -> dict[str, Permission]:
    rows = {
        f"POST {V1}/webhooks/vod-available": EVERYBODY,  # it is signed
        f"GET {V1}/queue": _STAFF,
        f"POST {V1}/queue/next": _LOGGER,
        f"GET {V1}/jobs": _STAFF,
        f"GET {V1}/jobs/{{job_id}}": _STAFF,
        f"GET {V1}/sources": _STAFF,
        f"GET {V1}/sources/{{source_id}}": _STAFF,
        f"GET {V1}/audit": _OFFICE,
        f"GET {V1}/reports/sla": _OFFICE,
        f"GET {V1}/reports/workload": _OFFICE,
    }
    for verb in ("accept", "review", "start", "heartbeat", "skip", "fail", "complete"):
        rows[f"POST {V1}/jobs/{{job_id}}/{verb}"] = _LOGGER
    for verb in ("reassign", "extend"):
        rows[f"POST {V1}/jobs/{{job_id}}/{verb}"] = _MANAGER
    for verb in ("accept", "fail", "corrupt"):
        rows[f"POST {V1}/sources/{{source_id}}/{verb}"] = _MANAGER
    # a break-down type holds for every league
    for path, reads, writes in (
        ("breakdown-types", READ, ADMIN_ONLY),
        ("rules", _OFFICE, _OFFICE),
        ("offices", _STAFF, _MANAGER),
        ("loggers", _STAFF, _MANAGER),
    ):
        one = f"{V1}/{path}/{{{path.replace('-', '_').removesuffix('s')}_id}}"
        rows[f"GET {V1}/{path}"] = rows[f"GET {one}"] = reads
        rows[f"POST {V1}/{path}"] = rows[f"PATCH {one}"] = writes
    return rows


DOMAIN: Domain[Services] = Domain(
    name="breakdowns",
    schema=Path(__file__).parent / "schema",
    sections={"logging": LoggingSettings},
    prepare=_prepare,
    routes=_routes,
    run=_run,
    status=_status,
    on_resource=_resource_changed,
    resource_parts={"event": ResourcePart("logging", _marking_model, _marking)},
    access=_access(),
)
