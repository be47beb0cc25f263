"""The journal over HTTP: /events pages through it, /snapshot is a client's initial state.

Owns: positions and the answer when one no longer exists. The entries' JSON is sent as it was encoded at
commit; nothing is parsed again.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, Field

from appliance.http.api import RawRoute, Receive, Routes, Scope, Send
from appliance.http.replies import JSON, Reply, send_reply
from appliance.http.requests import Empty, parse_query
from appliance.kernel import json
from appliance.kernel.errors import Refused
from appliance.kernel.fields import Input
from appliance.kernel.journal import PAGE_MAX, Entry, Journal
from appliance.kernel.store import Store
from appliance.server.box_routes import Site
from appliance.server.connections.priority import MarkPriority
from appliance.server.snapshots import ReadSnapshot, SharedSnapshot

SNAPSHOT = "/snapshot"


class EventsQuery(Input):
    """GET /events."""

    since: Annotated[
        int, Field(ge=0, le=2**53, description="seq of the last event already seen; 0: from the beginning")
    ] = 0
    limit: Annotated[int, Field(ge=1, le=PAGE_MAX)] = 100
    epoch: str | None = Field(None, description="of the journal `since` belongs to; another one is 410")


class SiteFacts(BaseModel):
    id: str
    name: str
    timezone: str = Field(description="what times are shown in, an IANA name")


class Snapshot(BaseModel):
    as_of_seq: int = Field(description="follow /events or /ws from here")
    epoch: str
    site: SiteFacts
    model_config = {"extra": "allow"}


class EventsPage(BaseModel):
    items: list[dict[str, Any]] = Field(description="events as /ws sends them, in order")
    next: int = Field(description="`since` of the page after this one")
    as_of_seq: int
    epoch: str


def journal_routes(
    store: Store, snapshot: ReadSnapshot, site: Site, priority: MarkPriority | None = None
) -> Routes:
    routes = Routes("events")
    here: dict[str, object] = {"id": site.id, "name": site.name, "timezone": site.timezone}
    if site.plain_port is not None:
        here["plain_port"] = site.plain_port

    shared = SharedSnapshot(store, snapshot, here, *([priority.for_thread] if priority else []))

    async def everything(scope: Scope, receive: Receive, send: Send, parameters: dict[str, str]) -> None:
        parse_query(scope["query_string"], Empty)
        await send_reply(send, Reply(200, await shared.get(), JSON, ((b"cache-control", b"no-store"),)))

    routes.raw.append(
        RawRoute(
            "GET",
            SNAPSHOT,
            everything,
            "Where a client starts: the resources, and the position they were read at.",
            returns=Snapshot,
        )
    )

    async def events(scope: Scope, receive: Receive, send: Send, parameters: dict[str, str]) -> None:
        query = parse_query(scope["query_string"], EventsQuery)
        journal = store.journal
        require_position(journal, query.since, query.epoch)
        entries = await journal.read(query.since, query.limit)
        require_position(journal, query.since, query.epoch)  # another process may have pruned meanwhile
        await send_reply(send, _page(journal, query.since, entries))

    routes.raw.append(
        RawRoute(
            "GET",
            "/events",
            events,
            "The journal, a page at a time.",
            query=EventsQuery,
            returns=EventsPage,
        )
    )
    return routes


def require_position(journal: Journal, since: int, epoch: str | None) -> None:
    """Raises Refused 410, with the snapshot's link, for a position from which this journal cannot
    continue."""
    if epoch is not None and epoch != journal.epoch:
        raise _lost(journal, "the position belongs to another journal (the box was restored)")
    if since < journal.oldest - 1:
        raise _lost(journal, f"events up to {journal.oldest - 1} are pruned")
    if since > journal.head:
        raise _lost(journal, f"the newest event is {journal.head}")


def _lost(journal: Journal, detail: str) -> Refused:
    extra = {"snapshot": SNAPSHOT, "oldest": journal.oldest, "head": journal.head, "epoch": journal.epoch}
    return Refused(410, "position_gone", detail, f"load {SNAPSHOT} and go on from its as_of_seq", extra=extra)


def _page(journal: Journal, since: int, entries: list[Entry]) -> Reply:
    """`{items, next, as_of_seq, epoch}`: `next` is the `since` of the page after this one."""
    following = entries[-1].seq if entries else since
    body = b'{"items":[%b],"next":%d,"as_of_seq":%d,"epoch":%b}' % (
        b",".join(entry.event for entry in entries),
        following,
        journal.head,
        json.encode(journal.epoch),
    )
    headers = [(b"cache-control", b"no-store")]
    if following < journal.head:
        headers.append((b"link", b'</events?since=%d>; rel="next"' % following))
    return Reply(200, body, JSON, tuple(headers))
