"""The permission matrix: which roles may use a route or a /ws command, as data.

Owns: the form of its rows, and the rows of the routes of appliance/access/ itself. Each side has its own
table (box/permissions.py, cloud/permissions.py). A route without a row is refused, and a process that serves
one does not start.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, get_args

from appliance.kernel.errors import Refused

if TYPE_CHECKING:
    from appliance.http.api import Routes

Role = Literal["operator", "coach", "analyst", "capture", "assistant", "integrator", "admin"]
ROLES: tuple[str, ...] = get_args(Role)
ADMIN = "admin"  # may do everything that has a row


@dataclass(frozen=True, slots=True)
class Permission:
    """Who may use a route or command.

    `public`: everybody, without a token. `always`: a token is needed even where access is open, so that no
    lasting access can be obtained while it is. `media`: a media key in `?k=` is enough. `own`: roles that may
    use the route only for their device's own channel (`{channel_id}` of the path).
    """

    roles: frozenset[str] = frozenset()
    public: bool = False
    always: bool = False
    media: bool = False
    own: frozenset[str] = frozenset()

    def allows(self, role: str) -> bool:
        return role == ADMIN or role in self.roles


def roles(*names: Role) -> Permission:
    """A row for these roles and admin."""
    return Permission(frozenset(names))


def role_refused(role: str, row: Permission, what: str, more: str = "") -> Refused:
    """The 403 of a `what` (device, token) whose role may not; `more` follows the hint's list of roles."""
    may = sorted({*row.roles, ADMIN})
    return Refused(
        403,
        "not_allowed",
        f"a {what} with the role {role} may not do this",
        f"roles that may: {', '.join(may)}{more}",
        extra={"role": role, "roles": may},
    )


EVERYBODY = Permission(public=True)
ADMIN_ALWAYS = Permission(always=True)

OWN_ROWS: Mapping[str, Permission] = {
    "POST /pair": EVERYBODY,
    "POST /devices/codes": ADMIN_ALWAYS,
    "GET /devices": ADMIN_ALWAYS,
    "GET /devices/{device_id}": ADMIN_ALWAYS,
    "PATCH /devices/{device_id}": ADMIN_ALWAYS,
    "DELETE /devices/{device_id}": ADMIN_ALWAYS,
    "POST /devices/self/token": Permission(frozenset(ROLES), always=True),
    "POST /devices/self/code": Permission(frozenset({"operator", "coach", "analyst"}), always=True),
    "POST /media-keys": Permission(
        frozenset({"operator", "coach", "analyst", "assistant", "integrator"}), always=True
    ),
}


class NoRow(Exception):
    """Routes or commands without a row: a mistake in the composition, found at start."""


@dataclass(frozen=True, slots=True)
class Matrix:
    """Rows by "METHOD /path", "WS /path" and "DO command"."""

    rows: Mapping[str, Permission] = field(default_factory=dict)

    def row(self, rule: str) -> Permission:
        """The row of a route or command. Raises NoRow."""
        try:
            return self.rows[rule]
        except KeyError:
            raise NoRow(rule) from None

    def require(self, groups: Iterable[Routes]) -> None:
        """Raises NoRow naming every route and command without a row."""
        missing = sorted(set(rules_of(groups)) - set(self.rows))
        if missing:
            raise NoRow(", ".join(missing))

    def shown(self, rule: str) -> list[str]:
        """The roles of a row for people: every role that may, or ["everybody"]."""
        row = self.row(rule)
        return ["everybody"] if row.public else [role for role in ROLES if row.allows(role)]


def matrix(*tables: Mapping[str, Permission]) -> Matrix:
    """One matrix of several tables and OWN_ROWS. Raises ValueError for a row given twice."""
    rows: dict[str, Permission] = dict(OWN_ROWS)
    for table in tables:
        if twice := rows.keys() & table.keys():
            raise ValueError(f"given twice: {', '.join(sorted(twice))}")
        rows.update(table)
    return Matrix(rows)


def rules_of(groups: Iterable[Routes]) -> list[str]:
    """The names under which the matrix knows these routes and commands."""
    rules: list[str] = []
    for group in groups:
        rules += [route.rule for route in group.routes]
        rules += [route.rule for route in group.raw]
        rules += [command.rule for command in group.commands]
    return rules
