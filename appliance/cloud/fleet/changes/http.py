"""What boxes ask: changes since a cursor, held until there is one, and a snapshot.

Owns: whose changes a request gets: those of its token's site, for the machine that is the site's box. Must
not know: SQL of changes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import trio

from appliance.cloud.fleet.box_request import box_of
from appliance.cloud.fleet.changes.feed import read_changes, read_snapshot
from appliance.cloud.fleet.changes.model import Changes, ChangesQuery, Snapshot, SnapshotQuery
from appliance.cloud.fleet.changes.nudge import nudge_route
from appliance.cloud.fleet.changes.scope import subject_of
from appliance.cloud.fleet.sites import check_box, find_site
from appliance.http.api import RawRoute, Receive, Routes, Scope, Send
from appliance.http.replies import json_reply, send_reply
from appliance.http.requests import parse_query
from appliance.kernel.store import Store
from appliance.kernel.tx import ReadTx

CHANGES: Final = "/edge/v1/changes"
SNAPSHOT: Final = "/edge/v1/snapshot"


def change_routes(store: Store) -> Routes:
    """Routes for boxes, down."""

    async def changes(scope: Scope, receive: Receive, send: Send, parameters: dict[str, str]) -> None:
        query, box = parse_query(scope["query_string"], ChangesQuery), box_of(scope)
        read = _of_box(box.site_id, box.box_id, lambda tx: read_changes(tx, box.site_id, query.cursor))
        with store.journal.watching(subject_of(box.site_id)) as signal:
            page = await store.read(read)
            if not page["changes"] and query.wait and not store.journal.is_ending:
                with trio.move_on_after(query.wait):
                    await signal.wait_past(0)
                page = await store.read(read)
        await send_reply(send, json_reply(200, page))

    async def snapshot(scope: Scope, receive: Receive, send: Send, parameters: dict[str, str]) -> None:
        query, box = parse_query(scope["query_string"], SnapshotQuery), box_of(scope)
        read = _of_box(box.site_id, box.box_id, lambda tx: read_snapshot(tx, box.site_id, query.page))
        await send_reply(send, json_reply(200, await store.read(read)))

    held = "What has changed for the token's site since a cursor; waits up to `wait` s for something."
    whole = "All that concerns the token's site: the start, and after a cursor that is no longer valid."
    return Routes(
        "changes",
        raw=[
            RawRoute("GET", CHANGES, changes, held, query=ChangesQuery, returns=Changes),
            RawRoute("GET", SNAPSHOT, snapshot, whole, query=SnapshotQuery, returns=Snapshot),
            nudge_route(store),
        ],
    )


def _of_box(
    site_id: str, box_id: str, read: Callable[[ReadTx], dict[str, Any]]
) -> Callable[[ReadTx], dict[str, Any]]:
    """`read` for the machine that is the site's box, or while there is none. Raises Refused 409."""

    def checked(tx: ReadTx) -> dict[str, Any]:
        check_box(tx, find_site(tx, site_id), box_id)
        return read(tx)

    return checked
