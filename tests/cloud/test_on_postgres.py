"""The same program on PostgreSQL: the schema of every domain, two stores at a time, the whole program."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import trio

from appliance.access.core import secret_hash
from appliance.access.tokens.store import grant_of_hash
from appliance.cloud.competitions import store as competitions
from appliance.cloud.competitions.kinds import KINDS
from appliance.cloud.competitions.model import ListQuery
from appliance.cloud.console import make_token
from appliance.cloud.database import open_database
from appliance.cloud.service import run_cloud
from appliance.cloud.settings import CloudSettings, check_settings
from appliance.kernel.operation import Caller
from appliance.kernel.store import Store
from appliance.ops.loopwatch import LoopWatch
from appliance.server.connections.server import Bound
from tests.kit import postgres
from tests.kit.waiting import LIMIT_S
from tests.server.sockets import read_answer, request

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.skipif(bool(postgres.missing()), reason=postgres.missing() or "-"),
]


@pytest.fixture
def settings(tmp_path: Path) -> CloudSettings:
    server = postgres.server()
    return check_settings(
        {
            "cloud": {"environment": "demo", "state_dir": tmp_path},
            "server": {"port": 0, "local_port": 0},
            "database": {"url": server.empty_database(), "connections": 4},
        }
    )


async def test_a_domain_does_not_know_the_engine(settings: CloudSettings) -> None:
    url, folder = settings.database.url, settings.cloud.state_dir
    admin = Caller("test", role="admin")
    async with open_database(url, folder) as first, open_database(url, folder) as second:
        kind = KINDS["league"]
        body = kind.takes.model_validate({"name": "North", "sport": "football"})
        made = await first.write(lambda tx: competitions.create(tx, admin, kind, body))
        league = made.resource["id"]
        for role, scopes, count in (("league", (f"league:{league}",), 1), ("client", ("client:x",), 0)):
            caller = Caller("test", role=role, scopes=scopes)
            for each in KINDS.values():
                query = partial(competitions.listing, caller=caller, kind=each, query=ListQuery())
                assert len((await second.read(query))["items"]) == (count if each is kind else 0)


async def test_a_token_is_made_and_the_program_serves(settings: CloudSettings) -> None:
    token = await make_token(settings, "admin", "Ana", ())
    stop = trio.Event()

    async def ready(bound: Bound, store: Store) -> None:
        assert await store.read(partial(grant_of_hash, token_hash=secret_hash(token))) is not None
        async with await trio.open_tcp_stream("127.0.0.1", bound.port) as stream:
            for path in ("/readyz", "/logging/v1/events"):
                await stream.send_all(request(path, authorization=f"Bearer {token}"))
                assert (await read_answer(stream)).startswith(b"HTTP/1.1 200"), path
        stop.set()

    with trio.fail_after(LIMIT_S):
        await run_cloud(settings, stop=stop, loop=LoopWatch(), ready=ready)
