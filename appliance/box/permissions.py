"""Who may do what on the box: the groups of roles, and the rows of the routes that belong to no domain.

Each domain's rows are in its record (`access` in domain.py), those of pairing in access/roles.py: one row for
every route and /ws command. Admin may do all of it. `/docs` shows the whole table. A route without a row
keeps the box from starting.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from appliance.access.roles import EVERYBODY, Matrix, Permission, matrix, roles

WATCH = roles("operator", "coach", "analyst", "assistant", "integrator")  # reads everything, changes nothing
MEDIA = Permission(WATCH.roles, media=True)  # the same, for players outside the page too
MARK = roles("operator", "coach", "analyst")
RUN = roles("operator")  # sessions and cameras
# what a capture device reports on its own camera
REPORT = Permission(frozenset({"operator", "capture"}), own=frozenset({"capture"}))
PAIRED = roles("operator", "coach", "analyst", "capture", "assistant", "integrator")
WATCH_HEALTH = roles("operator", "coach", "analyst", "integrator")

ROWS: Mapping[str, Permission] = {  # routes of the box itself
    "GET /healthz": EVERYBODY,
    "GET /version": EVERYBODY,
    "GET /time": PAIRED,
    "GET /readyz": WATCH_HEALTH,
    "GET /metrics": roles("operator", "integrator"),
    "GET /openapi.json": PAIRED,
    "GET /sources": WATCH_HEALTH,
    "GET /snapshot": WATCH,
    "GET /events": WATCH,
}

TRUST_ROWS: Mapping[str, Permission] = {  # with TLS on
    "GET /trust": EVERYBODY,
    "GET /trusted": EVERYBODY,
    "GET /ca.crt": EVERYBODY,
    "GET /ca.mobileconfig": EVERYBODY,
}


def box_matrix(domains: Iterable[Mapping[str, Permission]]) -> Matrix:
    """The whole table; `domains`: the rows of each of them."""
    return matrix(ROWS, *domains)
