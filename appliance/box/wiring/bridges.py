"""Adapters between the domains, and between them and what the box runs on: a few lines each, no state."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from appliance.box.mediamtx.publishers import PublishersHandle
from appliance.box.recorder.embedded import RecorderHandle
from appliance.box.recordings.following.channel_state import WhyEnded
from appliance.box.settings import DEMO_ID, Settings
from appliance.kernel.actor import running
from appliance.media.index.spans import Reason
from appliance.network.announce import Announcement, Announcer
from appliance.ops.health import HealthPart


def host_names(settings: Settings) -> tuple[str, ...]:
    """Every name the box answers to. Two of them are announced by mDNS: its own, and the machine's, which the
    system may announce. A name ending in .local is resolved inside the network, so no page outside can take
    it over."""
    machine = socket.gethostname().partition(".")[0]
    return (
        settings.server.host,
        settings.site.local_name,
        f"{machine}.local",
        *settings.server.allowed_hosts,
    )


def is_announced(settings: Settings) -> bool:
    """Whether the box is announced on the network. A demo is not: all demos have the same name."""
    return not settings.server.is_loopback and settings.site.id != DEMO_ID


def announcement(settings: Settings, port: int) -> Announcement:
    return Announcement(settings.site.name, settings.site.local_name, settings.server.host, port)


def announcement_part(announcer: Announcer) -> HealthPart:
    """For /readyz."""
    name = announcer.announcement.name
    if announcer.trouble:
        hint = "open the box by its address; two boxes in one network need different site.id"
        return HealthPart("warn", f"{name} is not announced: {announcer.trouble}", hint)
    addresses = ", ".join(announcer.addresses)
    return HealthPart("ok", f"{name} leads to {addresses}" if addresses else f"{name} is being announced")


def make_folder(folder: Path) -> None:
    """Create the recordings' folder if possible; a disk that is not mounted is reported by /readyz."""
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)


@asynccontextmanager
async def unless(
    off: bool, name: str, run: Callable[..., Awaitable[Any]], **wiring: Any
) -> AsyncIterator[Any]:
    """`running(...)`, or None when this actor is off."""
    if off:
        yield None
        return
    async with running(name, run, **wiring) as handle:
        yield handle


def source_down(recorder: RecorderHandle | None) -> Callable[[str], bool]:
    """Whether a channel's source is known to be down. False when unknown (MediaMTX without API)."""

    def known_down(channel_id: str) -> bool:
        facts = None if recorder is None else recorder.facts().get(channel_id)
        return facts is not None and facts.is_down

    return known_down


def why_ended(recorder: RecorderHandle | None, publishers: PublishersHandle | None) -> WhyEnded:
    """Why a channel's footage stopped: from the embedded recorder, or from MediaMTX's API."""

    def why(channel_id: str, since_s: float) -> Reason | None:
        if publishers is not None:
            return publishers.why_ended(channel_id, since_s)
        facts = None if recorder is None else recorder.facts().get(channel_id)
        if facts is None:
            return None
        return "recorder_restart" if facts.last_end == "recorder" else "source_lost"

    return why
