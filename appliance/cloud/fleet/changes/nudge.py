"""The WebSocket that tells a box that something is new; what is new it asks for itself.

Owns: one socket from its handshake to its end. It says nothing that must not be missed: a box asks whenever
it connects. A socket ends after some minutes, so that a token that was revoked keeps none open for long.
"""

from __future__ import annotations

from typing import Final

import trio

from appliance.cloud.fleet.box_request import box_of
from appliance.cloud.fleet.changes.scope import subject_of
from appliance.cloud.fleet.sites import check_box, find_site
from appliance.http.api import RawRoute, Receive, Scope, Send
from appliance.kernel import json
from appliance.kernel.journal import Journal
from appliance.kernel.signal import Signal
from appliance.kernel.store import Store

PATH: Final = "/edge/v1/nudge"
BEAT_S: Final = 20.0  # something is sent at least this often: a box that hears nothing for longer dials again
LIFE_S: Final = 15 * 60.0
RESTART, AGAIN = 4001, 4002
_NEW, _BEAT = json.encode({"type": "new"}).decode(), json.encode({"type": "beat"}).decode()


def nudge_route(store: Store) -> RawRoute:
    """WS /edge/v1/nudge: JSON texts {"type": "new"} and {"type": "beat"}."""

    async def serve(scope: Scope, receive: Receive, send: Send, parameters: dict[str, str]) -> None:
        box, journal = box_of(scope), store.journal
        await store.read(lambda tx: check_box(tx, find_site(tx, box.site_id), box.box_id))
        with journal.watching(subject_of(box.site_id)) as signal:
            if (await receive())["type"] != "websocket.connect":
                return
            protocol = "bearer" if "bearer" in scope.get("subprotocols", ()) else None
            await send({"type": "websocket.accept", "subprotocol": protocol})
            await _until_it_leaves(receive, send, journal, signal)

    return RawRoute("WS", PATH, serve, "Says when something is new for the token's site.")


async def _until_it_leaves(receive: Receive, send: Send, journal: Journal, signal: Signal) -> None:
    async with trio.open_nursery() as nursery:

        async def listen() -> None:
            while (await receive())["type"] != "websocket.disconnect":
                pass
            nursery.cancel_scope.cancel()

        nursery.start_soon(listen)
        with trio.move_on_after(LIFE_S):
            await _tell(send, journal, signal)
        code, reason = (RESTART, "restart") if journal.is_ending else (AGAIN, "dial again")
        await send({"type": "websocket.close", "code": code, "reason": reason})
        nursery.cancel_scope.cancel()


async def _tell(send: Send, journal: Journal, signal: Signal) -> None:
    """Until the program ends. Changes that come while one is sent are one message."""
    seen, text = signal.count, _BEAT
    while not journal.is_ending:
        await send({"type": "websocket.send", "text": text})
        text = _BEAT
        with trio.move_on_after(BEAT_S):
            seen = await signal.wait_past(seen)
            text = _NEW
