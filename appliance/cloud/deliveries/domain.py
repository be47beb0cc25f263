"""The record of the domain deliveries, for the hosted side's domains.py."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from appliance.access.roles import Permission
from appliance.cloud.deliveries.settings import WebhookSettings
from appliance.domain import Domain
from appliance.http.api import Routes

if TYPE_CHECKING:
    from appliance.cloud.domains import Services

_ADMIN: Final = Permission()  # admin only, until clients have scopes of their own here


def _routes(settings: Any) -> Sequence[Routes]:
    from appliance.cloud.deliveries.http import delivery_routes  # here, so that the commands do not load it

    return [delivery_routes()]


@asynccontextmanager
async def _run(cloud: Services) -> AsyncIterator[None]:
    """Send what is due."""
    from appliance.cloud.deliveries.actor import run_deliveries
    from appliance.kernel.actor import running

    async with running(
        "deliveries",
        run_deliveries,
        store=cloud.store,
        outbound=cloud.outbound,
        retry_s=cloud.settings.section(WebhookSettings).retry_s,
        owner=cloud.process,
    ):
        yield


DOMAIN: Domain[Services] = Domain(
    name="deliveries",
    schema=Path(__file__).parent / "schema",
    sections={"webhooks": WebhookSettings},
    routes=_routes,
    access={
        "POST /logging/v1/subscriptions": _ADMIN,
        "GET /logging/v1/subscriptions": _ADMIN,
        "GET /logging/v1/subscriptions/{subscription_id}": _ADMIN,
        "POST /logging/v1/subscriptions/{subscription_id}/rotate": _ADMIN,
        "DELETE /logging/v1/subscriptions/{subscription_id}": _ADMIN,
        "GET /logging/v1/deliveries": _ADMIN,
        "GET /logging/v1/deliveries/{delivery_id}": _ADMIN,
        "POST /logging/v1/deliveries/{delivery_id}/redeliver": _ADMIN,
    },
    run=_run,
)
