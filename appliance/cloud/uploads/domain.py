"""The record of the domain uploads, for the hosted side's domains.py."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from appliance.access.roles import EVERYBODY, Permission
from appliance.cloud.permissions import roles
from appliance.cloud.uploads.figures import status_part
from appliance.cloud.uploads.settings import UploadSettings
from appliance.domain import Domain

if TYPE_CHECKING:
    from appliance.cloud.domains import Services

_BOX: Final = roles("box")  # of its own site: another site's id is 404
_MANAGER: Final = roles("league", "manager")  # of the leagues in its scope


@asynccontextmanager
async def _prepare(cloud: Services) -> AsyncIterator[None]:
    """The routes read their requests themselves, so they need the store."""
    from appliance.cloud.uploads.health import counting_bytes
    from appliance.cloud.uploads.tus.http import Uploads

    max_bytes = cloud.settings.section(UploadSettings).max_bytes
    count = counting_bytes(cloud.metrics)
    uploads = Uploads(cloud.store, lambda: cloud.objects, cloud.process, max_bytes, count=count)
    cloud.routes.append(uploads.routes())
    yield


@asynccontextmanager
async def _run(cloud: Services) -> AsyncIterator[None]:
    """Join what is whole, clear what was given up, and measure it."""
    from appliance.cloud.uploads.actor import run_joins
    from appliance.cloud.uploads.health import run_figures
    from appliance.kernel.actor import running

    figures = running(
        "upload figures", run_figures, store=cloud.store, board=cloud.board, metrics=cloud.metrics
    )
    joins = running("upload joins", run_joins, store=cloud.store, objects=cloud.objects, owner=cloud.process)
    async with figures, joins:
        yield


def _access() -> dict[str, Permission]:
    rows: dict[str, Permission] = {}
    for base, row in (("/edge/v1/uploads", _BOX), ("/logging/v1/uploads", _MANAGER)):
        rows[f"OPTIONS {base}"] = EVERYBODY
        rows[f"GET {base}"] = rows[f"POST {base}"] = row
        for method in ("GET", "PATCH", "DELETE"):
            rows[f"{method} {base}/{{upload_id}}"] = row
    return rows


DOMAIN: Domain[Services] = Domain(
    name="uploads",
    schema=Path(__file__).parent / "schema",
    sections={"logging": UploadSettings},
    access=_access(),
    status=status_part,
    prepare=_prepare,
    run=_run,
)
