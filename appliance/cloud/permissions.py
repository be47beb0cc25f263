"""The hosted side's roles, their scopes, and the permission rows of routes that belong to no domain.

Each domain's rows are in its record (`access` in domain.py). The role admin may use every route that has
a row. With a route that has no row the program does not start.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, Literal, get_args

from appliance.access.roles import EVERYBODY, Matrix, Permission
from appliance.access.tokens.core import ScopeRule

Role = Literal["admin", "league", "manager", "logger", "client", "box", "internal"]
ROLES: Final[tuple[str, ...]] = get_args(Role)

SCOPES: Final[Mapping[str, ScopeRule]] = {
    "admin": ScopeRule(),
    "league": ScopeRule(("league",), many=True),
    "manager": ScopeRule(("league",), many=True),
    "logger": ScopeRule(("logger",)),
    "client": ScopeRule(("league", "client"), many=True),
    "box": ScopeRule(("site",)),
    "internal": ScopeRule(),  # for people the token of [internal] is the usual way
}


def roles(*names: Role) -> Permission:
    """A row for these roles and admin."""
    return Permission(frozenset(names))


READ: Final = roles("league", "manager", "logger", "client", "internal")  # reference data
WRITE: Final = roles("league")  # of the leagues in its scope
ADMIN_ONLY: Final = roles()
EVERY_ROLE: Final = Permission(frozenset(ROLES))

ROWS: Final[Mapping[str, Permission]] = {  # routes of the program itself
    "GET /healthz": EVERYBODY,
    "GET /version": EVERYBODY,
    "GET /time": EVERYBODY,
    "GET /readyz": roles("internal"),
    "GET /metrics": roles("internal"),
    "GET /status": roles("internal"),
    "GET /openapi.json": EVERY_ROLE,
    "GET /me": EVERY_ROLE,
    "GET /tokens": ADMIN_ONLY,
    "DELETE /tokens/{token_id}": ADMIN_ONLY,
}


def cloud_matrix(domains: Iterable[Mapping[str, Permission]]) -> Matrix:
    """The whole permission matrix. Raises ValueError for a row given twice."""
    rows = dict(ROWS)
    for table in domains:
        if twice := rows.keys() & table.keys():
            raise ValueError(f"given twice: {', '.join(sorted(twice))}")
        rows.update(table)
    return Matrix(rows)
