"""The demo box: generated settings, synthetic cameras and a session to mark in.

Owns: what differs between `appliance demo` and `appliance serve`; both run the same daemon.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

from appliance.box.domains import demo_sections
from appliance.box.sessions.machine import SessionEvent
from appliance.box.sessions.model import SessionIn
from appliance.box.sessions.store import create_session, move_session
from appliance.box.settings import DEMO_ID, Settings, check_settings
from appliance.kernel.fields import known_zone
from appliance.kernel.operation import Caller
from appliance.kernel.store import Store
from appliance.kernel.tx import Tx
from appliance.server.connections.server import Bound

SESSION_NAME = "Demo"


def demo_settings(state_dir: Path, port: int, host: str, cameras: int) -> Settings:
    """Settings of a box without outside needs: `cam1` .. `camN` are synthetic, all files are under
    `state_dir`.

    Raises SettingsError. On another host than loopback everything is open, and the demo says so.
    """
    channels = [
        {"id": f"cam{n}", "name": f"Camera {n}", "input_url": "synthetic:"} for n in range(1, cameras + 1)
    ]
    return check_settings(
        {
            "site": {"id": DEMO_ID, "name": "Demo", "timezone": machine_zone()},
            "server": {"host": host, "port": port, "local_port": 0},
            "storage": {
                "state_dir": state_dir,
                "recordings_dir": state_dir / "recordings",
                "reserve_gb": 0.2,
            },
            **demo_sections(),
            "access": {"mode": "open"},
            "channels": channels,
        }
    )


def machine_zone(localtime: Path = Path("/etc/localtime")) -> str:
    """The time zone of this machine, so that a person reads local times; UTC when it is unknown."""
    name = os.path.realpath(localtime).rpartition("zoneinfo/")[2]
    try:
        return known_zone(name)
    except ValueError:
        return "UTC"


def begin_session(tx: Tx) -> str | None:
    """Create an active session and return its id, or None when one is running."""
    if tx.value("SELECT 1 FROM sessions WHERE status IN ('active', 'paused') AND deleted_us IS NULL LIMIT 1"):
        return None
    caller = Caller(device="demo")
    body = SessionIn.model_validate({"name": SESSION_NAME, "type": "practice"})
    session_id = str(create_session(tx, caller, body).resource["id"])
    move_session(tx, caller, session_id, SessionEvent.START, on_complete=lambda tx, session_id: None)
    return session_id


def addresses(bound: Bound) -> list[str]:
    """Addresses that a person can open: `0.0.0.0` and `::` are not addresses, they mean every address of the
    machine."""
    return page_addresses(bound.host, bound.port)


def page_addresses(host: str, port: int) -> list[str]:
    """Addresses of the page for these settings; if there are several, the last is for other machines."""
    hosts = [host]
    if host in ("0.0.0.0", "::"):
        hosts = ["127.0.0.1", *_on_the_network()]
    return [f"http://[{each}]:{port}" if ":" in each else f"http://{each}:{port}" for each in hosts]


def _on_the_network() -> list[str]:
    """The address at which others reach this machine; empty without a network. Sends nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("203.0.113.1", 9))  # any address beyond this machine (RFC 5737)
        except OSError:
            return []
        return [str(probe.getsockname()[0])]


def begin_demo(say: Callable[[str], None], settings: Settings) -> Callable[[Bound, Store], Awaitable[None]]:
    """The function that `run_daemon` calls when everything serves: create the session, print what to open."""

    async def ready(bound: Bound, store: Store) -> None:
        await store.write(begin_session)
        cameras = ", ".join(channel.id for channel in settings.channels)
        say("")
        say(f"  The demo box runs. Open {' or '.join(addresses(bound))}")
        say(f"  {cameras} record; the session {SESSION_NAME!r} is active.")
        say(f"  Files are in {settings.storage.state_dir}")
        if not settings.server.is_loopback:
            say("  Everybody who reaches this address may use it: there is no pairing in a demo.")
        say("  Ctrl-C stops it.")
        say("")

    return ready
