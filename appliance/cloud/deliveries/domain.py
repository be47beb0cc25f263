"""The record of the domain deliveries, for the hosted side's domains.py."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from appliance.cloud.deliveries.figures import status_part
from appliance.cloud.deliveries.settings import WebhookSettings
from appliance.cloud.permissions import roles
from appliance.domain import Domain
from appliance.http.api import Routes

if TYPE_CHECKING:
    from appliance.cloud.deliveries.model import MessageType
    from appliance.cloud.domains import Services
    from appliance.kernel.tx import Tx

_CLIENT: Final = roles("client")  # of its own, see owners.py


def _routes(settings: Any) -> Sequence[Routes]:
    from appliance.cloud.deliveries.http import delivery_routes  # here, so that the commands do not load it

    return [delivery_routes()]


@asynccontextmanager
async def _run(cloud: Services) -> AsyncIterator[None]:
    """Send what is due, and measure it."""
    from appliance.cloud.deliveries.actor import run_deliveries
    from appliance.cloud.deliveries.health import counting_attempts, run_figures
    from appliance.kernel.actor import running

    async with (
        running("delivery figures", run_figures, store=cloud.store, board=cloud.board, metrics=cloud.metrics),
        running(
            "deliveries",
            run_deliveries,
            store=cloud.store,
            outbound=cloud.outbound,
            retry_s=cloud.settings.section(WebhookSettings).retry_s,
            owner=cloud.process,
            count=counting_attempts(cloud.metrics),
        ),
    ):
        yield


def _announce(tx: Tx, type_: str, data: Mapping[str, Any], scope: Collection[str]) -> None:
    from appliance.cloud.deliveries.store import announce

    announce(tx, cast("MessageType", type_), data, scope)


DOMAIN: Domain[Services] = Domain(
    name="deliveries",
    schema=Path(__file__).parent / "schema",
    sections={"webhooks": WebhookSettings},
    routes=_routes,
    access={
        "POST /logging/v1/subscriptions": _CLIENT,
        "GET /logging/v1/subscriptions": _CLIENT,
        "GET /logging/v1/subscriptions/{subscription_id}": _CLIENT,
        "POST /logging/v1/subscriptions/{subscription_id}/rotate": _CLIENT,
        "DELETE /logging/v1/subscriptions/{subscription_id}": _CLIENT,
        "GET /logging/v1/deliveries": _CLIENT,
        "GET /logging/v1/deliveries/{delivery_id}": _CLIENT,
        "POST /logging/v1/deliveries/{delivery_id}/redeliver": _CLIENT,
    },
    status=status_part,
    on_announce=_announce,
    run=_run,
)
