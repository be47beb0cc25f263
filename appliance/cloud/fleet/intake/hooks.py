"""Events that change no resource of the box, for the other domains of the hosted side."""

from __future__ import annotations

from collections.abc import Iterable

from appliance.cloud.fleet.intake.events import SentEvent
from appliance.domain import resource_changed
from appliance.kernel import json
from appliance.kernel.tx import Tx

SITE_EVENT = "site_event"


def tell_domains(tx: Tx, site_id: str, events: Iterable[SentEvent]) -> None:
    """Each domain hears of them in the transaction that takes them, as of a new resource `site_event` with
    site_id, seq, type, session_id and data (an object)."""
    for event in events:
        if event.change is None and event.session_id is not None and not event.bad:
            data = json.decode_stored(event.data)
            row = {"site_id": site_id, "seq": event.seq, "type": event.type, "data": data}
            resource_changed(tx, SITE_EVENT, {**row, "session_id": event.session_id}, None, f"site:{site_id}")
