"""Whose uploads a token sees, and for whom it sends. SQL, read only.

A box sends for its site, people for the league of the event they name. What is another's does not exist: 404.
"""

from __future__ import annotations

from typing import Final

from appliance.cloud.uploads.model import UploadMetadata
from appliance.kernel.errors import Refused, invalid
from appliance.kernel.ids import canonical_uuid
from appliance.kernel.operation import Caller
from appliance.kernel.tx import ReadTx, Row

BOX: Final = "box"
_OF_LEAGUES: Final = ("league", "manager")  # roles that see the leagues of their scopes alone
_SITE, _LEAGUE = "site:", "league:"


def site_of(caller: Caller) -> str:
    """The scope of a box's token. Raises Refused 422: it is not the token of a box."""
    scope = next((scope for scope in caller.scopes if scope.startswith(_SITE)), "")
    if not scope:
        hint = "`appliance cloud token --role box --scope site:ID` makes one; people use /logging/v1/uploads"
        raise Refused(422, "not_a_box", "this needs the token of a box", hint)
    return scope


def check_machine(tx: ReadTx, caller: Caller, box_id: str) -> None:
    """Raises Refused 409: a box sends that another machine has replaced."""
    if caller.role != BOX:
        return
    try:
        box_id = canonical_uuid(box_id)
    except ValueError:
        raise invalid("Box-Id", "must be the UUID of the machine that sends") from None
    site_id = site_of(caller).removeprefix(_SITE)
    current = tx.value("SELECT box_id FROM sites WHERE id = ? AND deleted_us IS NULL", (site_id,))
    if current is not None and current != box_id:
        detail = f"another machine is the box of site {site_id}"
        raise Refused(409, "other_box", detail, "an admin of the cloud names the site's box")


def owner_for(tx: ReadTx, caller: Caller, metadata: UploadMetadata) -> str:
    """For whom an upload is made. Raises Refused 422 for an event that the sender does not see."""
    event = None
    if metadata.event_id is not None:
        sql = "SELECT league_id, site_id FROM events WHERE id = ? AND deleted_us IS NULL"
        event = tx.one(sql, (metadata.event_id,))
        if event is None or not _sees_event(caller, event):
            raise invalid("event_id", "no such event", "unknown_reference")
    if caller.role == BOX:
        return site_of(caller)
    if event is None:
        raise invalid("event_id", "is required: whose game the file shows")
    return f"{_LEAGUE}{event['league_id']}"


def _sees_event(caller: Caller, event: Row) -> bool:
    if caller.role == BOX:
        return f"{_SITE}{event['site_id']}" == site_of(caller)
    return caller.role not in _OF_LEAGUES or f"{_LEAGUE}{event['league_id']}" in caller.scopes


def owners_of(caller: Caller) -> list[str] | None:
    """Whose uploads a caller sees; None: everybody's."""
    if caller.role == BOX:
        return [site_of(caller)]
    return list(caller.scopes) if caller.role in _OF_LEAGUES else None
