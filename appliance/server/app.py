"""The web application: routes of every domain, and the conventions that all of them share.

Owns: building the application, once, at start. dispatch.py shows how a request passes through it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import cast

from appliance.http.access import Door
from appliance.http.api import Routes
from appliance.kernel.clock import Clock
from appliance.kernel.store import Store
from appliance.kernel.version import appliance_version
from appliance.server.box_routes import Hooks, Site, box_routes, health_routes
from appliance.server.connections.priority import MarkPriority
from appliance.server.dispatch import Asgi, Dispatcher, Table
from appliance.server.endpoint import Backend
from appliance.server.events import journal_routes
from appliance.server.gate import Gate
from appliance.server.mount import OrdinaryRoutes
from appliance.server.openapi import Document, openapi_document
from appliance.server.pages import APP_DIR, BOX_SIDE, DOCS_DIR, Files, PagesSide


def make_app(
    routes: Sequence[Routes],
    *,
    store: Store,
    clock: Clock,
    site: Site,
    hooks: Hooks,
    static_dir: Path | None = APP_DIR,
    side: PagesSide = BOX_SIDE,
    door: Door | None = None,
    title: str | None = None,
    priority: MarkPriority | None = None,
) -> Dispatcher:
    """The ASGI application: the domains' `routes`, those of every side, the files, /openapi.json, /docs.

    `side`: whose pages of the app are served. `door` decides who may use the routes; without one everything
    is open. `title`: of the API's documentation. `priority`: that of the server which serves it; threads that
    compute long give way to its marks.
    """
    groups = [*routes, box_routes(site), health_routes(hooks)]
    if hooks.snapshot is not None:
        groups.append(journal_routes(store, hooks.snapshot, site, priority))
    files = Files(static_dir, DOCS_DIR, side)
    document = Document(
        partial(
            openapi_document,
            groups,
            title=f"{site.name}: the stadium box" if title is None else title,
            version=appliance_version(),
            door=door,
        )
    )
    groups = [*groups, Routes("documentation", raw=[document.route()])]
    return _assemble(groups, files, store=store, clock=clock, site=site, door=door)


def make_local_app(
    routes: Sequence[Routes], *, store: Store, clock: Clock, site: Site, hooks: Hooks
) -> Dispatcher:
    """The application of the local listener: health, metrics, and the given `routes` (/mediamtx/hook)."""
    groups = [*routes, health_routes(hooks)]
    return _assemble(groups, Files(None, None), store=store, clock=clock, site=site)


def _assemble(
    groups: Sequence[Routes],
    files: Files,
    *,
    store: Store,
    clock: Clock,
    site: Site,
    door: Door | None = None,
) -> Dispatcher:
    if door is not None:
        door.require(groups)
    backend = Backend(store, clock)
    ordinary = [route for group in groups for route in group.routes]
    raw = [each for group in groups for each in group.raw]
    return Dispatcher(
        raw=Table(raw),
        hot=Table([route for route in ordinary if route.hot]),
        ordinary=Table([route for route in ordinary if not route.hot]),
        files=files,
        gate=Gate(site.hosts),
        backend=backend,
        fallback=cast(Asgi, OrdinaryRoutes(backend)),
        door=door,
    )
