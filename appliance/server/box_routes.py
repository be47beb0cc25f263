"""Routes of the box itself: time, version, health, metrics.

Owns: the models of their answers. The values come from callables passed by the composition root.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, Field

from appliance.http.api import Ctx, RawRoute, Receive, Routes, Scope, Send
from appliance.http.replies import Reply, send_reply
from appliance.kernel.clock import to_rfc3339
from appliance.kernel.operation import Answer
from appliance.kernel.version import appliance_version
from appliance.server.snapshots import ReadSnapshot

Parts = Mapping[str, Mapping[str, Any]]

METRICS_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
_WORSE = {"ok": 0, "warn": 1, "bad": 2}


@dataclass(frozen=True, slots=True)
class Hooks:
    """Functions of the composition root whose results the web server sends. All but `snapshot` are called on
    the event loop and must not block: they return what actors have measured before."""

    ready: Callable[[], Parts]  # {part: {status: ok|warn|bad, detail, hint}}
    metrics: Callable[[], bytes]  # Prometheus text
    # the initial state of a client, in one read transaction; None: no client follows this side's journal
    snapshot: ReadSnapshot | None


@dataclass(frozen=True, slots=True)
class Site:
    """The identity of this box, and its allowed host names."""

    id: str = "stadium"
    name: str = "Stadium"
    hosts: tuple[str, ...] = ()  # every name the box answers to, without ports
    timezone: str = "UTC"  # what times are shown in, an IANA name
    plain_port: int | None = None  # with TLS on: where the page is if it is switched off again


class Time(BaseModel):
    server_time: str = Field(description="box time, RFC 3339 UTC")


class Version(BaseModel):
    """A client without access gets the version alone."""

    version: str
    python: str | None = None
    site_id: str | None = None
    site_name: str | None = None
    timezone: str | None = Field(None, description="of the site, an IANA name: what times are shown in")


class ReadyPart(BaseModel):
    status: Literal["ok", "warn", "bad"]
    detail: str
    hint: str | None = Field(None, description="what to do now")
    figures: dict[str, float | None] | None = Field(
        None, description="what `detail` says, for programs: hours, bytes, seconds, counts by name"
    )


class Readiness(BaseModel):
    status: Literal["ok", "warn", "bad"] = Field(description="the worst of the parts")
    parts: dict[str, ReadyPart]


class Health(BaseModel):
    status: Literal["ok"]


def box_routes(site: Site) -> Routes:
    """/time and /version."""
    routes = Routes("box")
    about = {
        "version": appliance_version(),
        "python": platform.python_version(),
        "site_id": site.id,
        "site_name": site.name,
        "timezone": site.timezone,
    }

    @routes.get("/time", returns=Time, hot=True)
    async def time(ctx: Ctx) -> Answer:
        """Box time, for clients that estimate their offset."""
        return Answer(200, {"server_time": to_rfc3339(ctx.clock.now_us())})

    @routes.get("/version", returns=Version)
    async def about_box(ctx: Ctx) -> Answer:
        """The running version."""
        return Answer(200, {"version": about["version"]} if ctx.caller.is_stranger else about)

    return routes


def health_routes(hooks: Hooks) -> Routes:
    """/healthz, /readyz and /metrics, also on the local listener."""
    routes = Routes("health")

    @routes.get("/healthz", returns=Health, hot=True)
    async def alive(ctx: Ctx) -> Answer:
        """200 while the event loop turns."""
        return Answer(200, {"status": "ok"})

    @routes.get("/readyz", returns=Readiness, hot=True, also=(503,))
    async def ready(ctx: Ctx) -> Answer:
        """Every part's state; 503 only when one is bad. The body is always there."""
        parts = hooks.ready()
        worst = max((part["status"] for part in parts.values()), key=_WORSE.__getitem__, default="ok")
        return Answer(503 if worst == "bad" else 200, {"status": worst, "parts": dict(parts)})

    async def metrics(scope: Scope, receive: Receive, send: Send, parameters: dict[str, str]) -> None:
        await send_reply(send, Reply(200, hooks.metrics(), METRICS_TYPE, ((b"cache-control", b"no-store"),)))

    routes.raw.append(
        RawRoute("GET", "/metrics", metrics, "Figures for Prometheus.", media_type="text/plain")
    )
    return routes
