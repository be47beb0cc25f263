"""The hosted side in-process: its schema while a test runs, and its application over a real store."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
import trio

from appliance.access.tokens import store as tokens
from appliance.access.tokens.cache import TokenCache
from appliance.access.tokens.door import TokenDoor
from appliance.cloud import domains
from appliance.cloud.domains import Services
from appliance.cloud.permissions import ROLES, cloud_matrix
from appliance.cloud.service import applications
from appliance.cloud.settings import CloudSettings, check_settings
from appliance.kernel.schema import schema_folders, use_schemas
from appliance.kernel.store import Store, open_store
from appliance.ops.health import Board
from appliance.ops.metrics import Metrics
from tests.kit.client import Client
from tests.kit.clock import HandClock


@pytest.fixture(autouse=True)
def cloud_schema(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Databases that a test opens are the cloud's; afterwards the box's again."""
    for name in ("NODE_ENV", "API_DOMAIN", "INTERNAL_SERVICE_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    _, *before = schema_folders()
    use_schemas(*domains.schemas())
    yield
    use_schemas(*before)


@dataclass
class Cloud:
    """What a test changes and inspects. `admin`, `client`: from the network, so that nothing is open."""

    settings: CloudSettings
    store: Store
    clock: HandClock
    services: Services
    client: Client

    async def holder(self, role: str, *scopes: str) -> Client:
        """A client that shows a new token."""
        token, token_hash = tokens.make_token()
        name = " ".join((role, *scopes))
        await self.store.write(
            partial(
                tokens.add_token,
                token_hash=token_hash,
                role=role,
                scopes=scopes,
                name=name,
                created_by="console",
            )
        )
        return Client(self.client.app, headers={"authorization": f"Bearer {token}"}, host=self.client.host)


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[Cloud]:
    settings = check_settings(
        {
            "cloud": {"environment": "demo", "api_domain": "api.example", "state_dir": tmp_path},
            "internal": {"token_demo": "shared-demo", "token_production": "shared-production"},
        }
    )
    clock = HandClock()
    async with open_store(tmp_path / "cloud.db", clock, in_thread=False) as store:
        services = Services(settings, store, clock, Board(), Metrics(), trio.Event(), "process-1")
        services.routes += domains.routes(settings)
        matrix = cloud_matrix(domains.access_rows())
        door = TokenDoor(TokenCache(store), matrix, ROLES, clock, settings.internal_token, is_open=True)
        app, _ = applications(services, door)
        yield Cloud(settings, store, clock, services, Client(app, host="api.example"))
