"""What `check-config` and `appliance doctor` say of cameras: who may send a picture, whose token reports.

Owns: the looking, and lines with what to type. Changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from appliance.box.recorder.input_url import is_open_to_all
from appliance.box.settings import Settings
from appliance.kernel.sqlite.connection import read_rows
from appliance.ops.checks.devices import one_token_each
from appliance.ops.health import HealthPart

_LIVE = "SELECT name, channel_id FROM devices WHERE role = 'capture' AND revoked_us IS NULL ORDER BY name"


def cautions(settings: Settings) -> list[str]:
    """Lines for `check-config`: settings that are allowed, and that most people do not want."""
    lines = [
        f"channels.{at}.input_url: {channel.id} takes video from everybody in the network;"
        f" append {'&' if '?' in (channel.input_url or '') else '?'}passphrase=... (10 characters or more),"
        " and set the same in the camera"
        for at, channel in enumerate(settings.channels)
        if channel.id in unlocked(settings)
    ]
    if settings.access.mode == "open" and not settings.server.is_loopback:
        lines.append("access.mode: everybody who reaches the box may read, change and stop everything")
    part = capture_part(settings)
    return [*lines, *([f"channels: {part.detail}; {part.hint}"] if part.hint else [])]


def unlocked(settings: Settings) -> list[str]:
    """Channels that record any caller. In external mode MediaMTX's users decide."""
    if settings.recorder.mode == "external":
        return []
    return [each.id for each in settings.channels if each.input_url and is_open_to_all(each.input_url)]


def inputs_part(settings: Settings) -> HealthPart:
    if not (names := unlocked(settings)):
        return HealthPart("ok", "no camera port is open to everybody")
    return HealthPart(
        "warn",
        f"{', '.join(names)}: everybody in the network may send a picture to it",
        "append ?passphrase=... to its input_url, and set the same in the camera",
    )


def capture_part(settings: Settings) -> HealthPart:
    """Channels that live by heartbeats, and the capture devices of the database that may report for them."""
    by_heartbeat = [channel.id for channel in settings.channels if channel.lives_by == "heartbeat"]
    try:
        rows = read_rows(_database(settings), _LIVE)
    except OSError:
        return HealthPart("ok", "no database yet")
    return tokens_part(by_heartbeat, [(str(name), None if own is None else str(own)) for name, own in rows])


def _database(settings: Settings) -> Path:
    return settings.storage.state_dir / "box.db"


def tokens_part(by_heartbeat: Sequence[str], devices: Sequence[tuple[str, str | None]]) -> HealthPart:
    """`devices`: (name, channel or None: that of its next report) of capture devices."""
    own: Mapping[str, str] = {channel: name for name, channel in devices if channel is not None}
    unbound = [name for name, channel in devices if channel is None]
    without = [channel for channel in by_heartbeat if channel not in own]
    if not devices or len(without) <= len(unbound):
        return HealthPart("ok", f"{len(devices)} capture devices")
    others = ", ".join(without[len(unbound) :])
    names = ", ".join(f"{name} ({channel or 'any'})" for name, channel in devices)
    return HealthPart(
        "warn", f"no capture device may report for {others}: there are {names}", one_token_each(without[-1])
    )
