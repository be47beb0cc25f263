"""What boxes ask for and get: changes, snapshots, and the cursor between them.

Owns: the wire format. Pure. Must not know: SQL, who asks.
"""

from __future__ import annotations

import hashlib
import re
from typing import Annotated, Any, NamedTuple

from pydantic import BaseModel, Field

from appliance.kernel.errors import Refused
from appliance.kernel.fields import Input

WAIT_MAX_S = 30.0
_CURSOR = re.compile(r"([0-9a-f]{1,64})\.(0|[1-9][0-9]{0,17})\.([0-9a-f]{1,64})")


class ChangesQuery(Input):
    """Query of GET /edge/v1/changes."""

    cursor: Annotated[str, Field(max_length=200, description="of the answer before, or of the snapshot")]
    wait: Annotated[float, Field(ge=0, le=WAIT_MAX_S)] = 0.0


class SnapshotQuery(Input):
    """Query of GET /edge/v1/snapshot."""

    page: Annotated[str | None, Field(max_length=300, description="`next` of the page before")] = None


class Change(BaseModel):
    """`resource`: the whole resource as it is now; null: it no longer concerns the site. `seq` rises with
    each change of this resource."""

    seq: int
    kind: str
    id: str
    resource: dict[str, Any] | None


class Changes(BaseModel):
    """`more`: ask again at once. `cursor` moves also when there is nothing for the site."""

    site_id: str
    changes: list[Change]
    cursor: str
    more: bool


class Snapshot(BaseModel):
    """Everything that concerns the site, in pages: changes go on from the `cursor` of the first one."""

    site_id: str
    changes: list[Change]
    cursor: str
    next: str | None


class Cursor(NamedTuple):
    """A place in the journal. `mark`: identifies the entry at `seq`, because a database that was restored
    from a copy gives the same numbers to other entries."""

    epoch: str
    seq: int
    mark: str

    def __str__(self) -> str:
        return f"{self.epoch}.{self.seq}.{self.mark}"


def parse_cursor(text: str) -> Cursor:
    """Raises Refused 410: it is none of ours."""
    match = _CURSOR.fullmatch(text)
    if match is None:
        raise expired("this is no cursor of this service")
    return Cursor(match[1], int(match[2]), match[3])


def expired(why: str) -> Refused:
    """The answer to a cursor from which changes cannot go on."""
    return Refused(410, "cursor_expired", why, "GET /edge/v1/snapshot, and go on with its cursor")


def entry_mark(ts_us: int, type_: str, subject: str, body: str) -> str:
    """Of a journal entry: the same on both databases."""
    return hashlib.sha256(f"{ts_us} {type_} {subject} {body}".encode()).hexdigest()[:16]
