"""The demo of the hosted side: generated settings on this machine alone.

Owns: what differs between `appliance cloud demo` and `appliance cloud serve`; both run the same program.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from datetime import date
from pathlib import Path
from typing import Final

from appliance.cloud.database import ServerClock
from appliance.cloud.domains import demo_sections
from appliance.cloud.sample import make_sample
from appliance.cloud.settings import CloudSettings, check_settings
from appliance.kernel.clock import to_rfc3339
from appliance.kernel.store import Store
from appliance.server.connections.server import Bound

HOST: Final = "127.0.0.1"


def demo_settings(state_dir: Path, port: int) -> CloudSettings:
    """Settings that need nothing else: SQLite, all files under `state_dir`. An internal token is generated
    unless INTERNAL_SERVICE_TOKEN is set. Raises SettingsError."""
    return check_settings(
        {
            "cloud": {"environment": "demo", "state_dir": state_dir},
            "server": {"host": HOST, "port": port, "local_port": 0},
            "internal": {"token_demo": secrets.token_urlsafe(32)},
            "net": {"allow_private": ["127.0.0.0/8"]},  # receivers and providers of this machine
            **demo_sections(),
        },
        is_demo=True,
    )


def begin_demo(
    say: Callable[[str], None], settings: CloudSettings, *, is_empty: bool
) -> Callable[[Bound, Store], Awaitable[None]]:
    """The function that `run_cloud` calls once the server listens: it makes sample data and prints the
    address."""

    async def ready(bound: Bound, store: Store) -> None:
        if not is_empty:
            await store.write(make_sample)
            trouble = await _make_seasons(f"http://{bound.host}:{bound.port}", settings.internal_token, store)
        say("")
        say(f"  The demo of the cloud runs. Open http://{bound.host}:{bound.port}")
        if not is_empty:
            say(f"  A league and a cup: {trouble or f'http://{bound.host}:{bound.port}/#league'}")
            say(f"  Sample data: http://{bound.host}:{bound.port}/logging/v1/events")
        say(f"  The API: http://{bound.host}:{bound.port}/docs")
        say(f"  Internal token: {settings.internal_token}")
        say(f"  Files are in {settings.cloud.state_dir}")
        say("  Ctrl-C stops it.")
        say("")

    return ready


async def _make_seasons(url: str, token: str, store: Store) -> str:
    """By the API, of the league that the sample data has. Returns why they were not made, "" when they
    were."""
    from appliance.cloud.client.calls import ServiceRefused  # here: httpx takes 25 ms of a start
    from appliance.cloud.client.sample_seasons import make_sample_seasons

    league_id = await store.read(
        lambda tx: tx.value("SELECT id FROM leagues WHERE deleted_us IS NULL ORDER BY created_us, id LIMIT 1")
    )
    today = date.fromisoformat(to_rfc3339(ServerClock().now_us())[:10])
    try:
        await make_sample_seasons(url, token, league_id, today)
    except ServiceRefused as error:
        return f"not made, {error}"
    return ""
