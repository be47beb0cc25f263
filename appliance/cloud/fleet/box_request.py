"""What a box's request shows, before its body is read: its site by the token, its machine by `Box-Id`.

Owns: these two headers' meaning and the body limit of /edge/v1. The binding of a machine to a site is checked
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
from appliance.kernel.errors import invalid
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
    """Raises Refused 422: not the token of a box, or no Box-Id."""
    grant = grant_of(scope)
    site_id = own_site(() if grant is None else grant.scopes)
    headers = header_map(scope)
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
