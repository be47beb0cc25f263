"""The hosted side in-process: its application over a real store, and a box's way to it without a socket."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import httpx
import trio

from appliance.access.tokens import store as tokens
from appliance.access.tokens.cache import TokenCache
from appliance.access.tokens.door import TokenDoor
from appliance.cloud import domains
from appliance.cloud.domains import Services
from appliance.cloud.objects.opened import open_objects
from appliance.cloud.permissions import ROLES, cloud_matrix
from appliance.cloud.service import applications
from appliance.cloud.settings import CloudSettings, check_settings
from appliance.kernel.clock import Clock
from appliance.kernel.schema import schema_folders, use_schemas
from appliance.kernel.store import Store
from appliance.network.outbound import Outbound
from appliance.ops.health import Board
from appliance.ops.metrics import Metrics
from tests.kit.client import Client

HOST = "api.example"


@contextmanager
def cloud_schemas() -> Iterator[None]:
    """Databases that are opened in the block are the cloud's; afterwards the box's again."""
    _, *before = schema_folders()
    use_schemas(*domains.schemas())
    yield
    use_schemas(*before)


@dataclass
class Cloud:
    """What a test changes and inspects. `client`: from the network, so that nothing is open."""

    settings: CloudSettings
    store: Store
    clock: Clock
    services: Services
    client: Client

    async def token(self, role: str, *scopes: str) -> str:
        """A new one."""
        token, token_hash = tokens.make_token()
        name = " ".join((role, *scopes))
        add = partial(tokens.add_token, token_hash=token_hash, role=role, scopes=scopes, name=name)
        await self.store.write(partial(add, created_by="console"))
        return token

    async def holder(self, role: str, *scopes: str) -> Client:
        """A client that shows a new token."""
        token = await self.token(role, *scopes)
        return Client(self.client.app, headers={"authorization": f"Bearer {token}"}, host=self.client.host)


@asynccontextmanager
async def cloud_over(store: Store, clock: Clock, state_dir: Path) -> AsyncIterator[Cloud]:
    """The application, over a store that is open."""
    settings = check_settings(
        {
            "cloud": {"environment": "demo", "api_domain": HOST, "state_dir": state_dir},
            "internal": {"token_demo": "shared-demo", "token_production": "shared-production"},
        }
    )
    services = Services(settings, store, clock, Board(), Metrics(), trio.Event(), "process-1")
    matrix = cloud_matrix(domains.access_rows())
    door = TokenDoor(TokenCache(store), matrix, ROLES, clock, settings.internal_token, is_open=True)
    services.door = door
    services.objects = open_objects(settings.objects, state_dir, {})
    services.outbound = Outbound(settings.net.allow_private)
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(services.outbound)
        for domain in domains.domains():
            if domain.prepare is not None:
                await stack.enter_async_context(domain.prepare(services))
        services.routes += domains.routes(settings)
        app, _ = applications(services, door)
        yield Cloud(settings, store, clock, services, Client(app, host=HOST))


@dataclass
class Line(httpx.AsyncBaseTransport):
    """The way from a box to the application. `before` may raise instead of sending; `after` may change the
    answer, or raise although the request was served."""

    client: Client
    before: Callable[[httpx.Request], None] = lambda request: None
    after: Callable[[httpx.Request, httpx.Response], httpx.Response] = lambda request, answer: answer
    requests: list[str] = field(default_factory=list)  # method and path

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        path = request.url.raw_path.decode()
        self.requests.append(f"{request.method} {path}")
        self.before(request)
        headers = {name: value for name, value in request.headers.items() if name != "host"}
        reply = await self.client.request(
            request.method, path, await request.aread() or None, headers=headers
        )
        return self.after(request, httpx.Response(reply.status, headers=reply.headers, content=reply.body))
