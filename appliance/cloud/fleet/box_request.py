"""What a box's request shows, before its body is read: its site by the token, its machine by `Box-Id`, and by
`Site-Id` the site that its settings name. A box with the token of another site is refused at its first
request, which may be a snapshot.

Owns: these headers' meaning and the body limit of /edge/v1. The binding of a machine to a site is checked
in the transaction (sites.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from appliance.cloud.fleet.sites import own_site
from appliance.http.access import grant_of
from appliance.http.api import Receive, Scope
from appliance.http.requests import header_map, read_body
from appliance.kernel.errors import Refused, invalid
from appliance.kernel.ids import canonical_uuid

BODY_MAX: Final = 2 * 2**20  # a batch of 1 MiB, or one larger event alone


@dataclass(frozen=True, slots=True)
class BoxRequest:
    """`body`: empty unless it was read."""

    site_id: str
    box_id: str
    headers: Mapping[bytes, bytes]
    body: bytes = b""


def box_of(scope: Scope) -> BoxRequest:
    """Raises Refused: 422 not the token of a box, or no Box-Id; 404 `other_site` the token of another one."""
    grant = grant_of(scope)
    site_id = own_site(() if grant is None else grant.scopes)
    headers = header_map(scope)
    named = headers.get(b"site-id", b"").decode("latin-1") or site_id
    if named != site_id:
        detail = f"this is the box of site {named[:80]!r}, and its token is of site {site_id}"
        raise Refused(404, "other_site", detail, "send with the token of its site")
    try:
        box_id = canonical_uuid(headers.get(b"box-id", b"").decode("ascii"))
    except ValueError:
        raise invalid("Box-Id", "must be the UUID of the machine that sends") from None
    return BoxRequest(site_id, box_id, headers)


async def read_box_request(scope: Scope, receive: Receive, limit: int = BODY_MAX) -> BoxRequest:
    """`box_of` with the body. Raises Refused 413 too, and ClientGone."""
    request = box_of(scope)
    body = await read_body(request.headers, receive, limit)
    return BoxRequest(request.site_id, request.box_id, request.headers, body)
