"""Decides by token whether a request may use its route, on the hosted side (http/access.py).

Owns: where a token is looked for, when none is needed, the two refusals. A route without a row in the matrix
is refused. Which rows a scope makes visible is decided by the domains.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from appliance.access.door import is_local
from appliance.access.roles import Matrix, Permission, role_refused
from appliance.access.tokens.cache import TokenCache
from appliance.access.tokens.core import is_shared_token
from appliance.http.access import NO_PARAMETERS, STRANGER, Close, Grant
from appliance.http.api import Routes, Scope
from appliance.kernel.clock import S_US, Clock
from appliance.kernel.errors import Refused

INTERNAL = "internal"  # the role of a service that holds the shared token
_INTERNAL_HEADER = b"x-internal-token"
HOW = "send Authorization: Bearer TOKEN; `appliance cloud token` makes one"


@dataclass(frozen=True, slots=True)
class TokenDoor:
    """`roles`: in the order in which they are shown. `internal_token`: that of this environment; "": none.
    `is_open`: requests from this machine with a loopback Host, and not through a proxy, need no token."""

    tokens: TokenCache
    matrix: Matrix
    roles: Sequence[str]
    clock: Clock
    internal_token: str
    is_open: bool

    async def look(self, scope: Scope, headers: Mapping[bytes, bytes]) -> None:
        """Read the row of a request's token; called before `admit`. Raises Unavailable."""
        token = bearer_of(scope, headers)
        if token:
            await self.tokens.look(token)

    def require(self, groups: Sequence[Routes]) -> None:
        """Raises NoRow."""
        self.matrix.require(groups)

    def roles_of(self, rule: str) -> list[str]:
        """See http/access.py."""
        row = self.matrix.row(rule)
        return ["everybody"] if row.public else [role for role in self.roles if row.allows(role)]

    def admit(
        self,
        scope: Scope,
        headers: Mapping[bytes, bytes],
        rule: str,
        given: Mapping[str, str] = NO_PARAMETERS,
    ) -> Grant | None:
        """See http/access.py."""
        row, token = self.matrix.row(rule), bearer_of(scope, headers)
        shared = headers.get(_INTERNAL_HEADER, b"").decode("latin-1") or token
        grant = self.tokens.grant(token) if token else None
        if grant is None and shared and self._is_internal(shared):
            grant = Grant(INTERNAL, INTERNAL, INTERNAL)
        if grant is None and self.is_open and not shared and is_local(headers):
            return None
        if row.public:
            return grant or STRANGER
        if grant is None:
            raise _not_admitted(bool(shared))
        return _allowed(grant, row)

    def identify(self, scope: Scope, headers: Mapping[bytes, bytes]) -> Grant | None:
        """See http/access.py. Pages are loaded without a token."""
        return STRANGER

    def admit_token(self, token: str, rule: str) -> Grant:
        """See http/access.py."""
        grant = self.tokens.grant(token)
        if grant is None:
            raise _not_admitted(True)
        return _allowed(grant, self.matrix.row(rule))

    def allow(self, grant: Grant | None, rule: str) -> None:
        """See http/access.py."""
        if grant is not None:
            _allowed(grant, self.matrix.row(rule))

    def expose(self, scope: Scope, headers: Mapping[bytes, bytes]) -> None:
        """The hosted side has no unencrypted port of its own."""

    def watching(
        self, grant: Grant | None, close: Close, *, shows_name: bool = True
    ) -> AbstractContextManager[None]:
        """Ends nothing: a request that has begun is finished, because answers here are short."""
        return nullcontext()

    def _is_internal(self, token: str) -> bool:
        return is_shared_token(token, self.internal_token, self.clock.now_us() // S_US)


def bearer_of(scope: Scope, headers: Mapping[bytes, bytes]) -> str:
    """The token of a request; "": it has none. Cookies are ignored: a box at another port of the same address
    sets one, and a browser sends it here too."""
    kind, _, token = headers.get(b"authorization", b"").partition(b" ")
    if kind.lower() == b"bearer":
        return token.strip().decode("latin-1")
    protocols = scope.get("subprotocols")
    return str(protocols[1]) if protocols and protocols[0] == "bearer" and len(protocols) > 1 else ""


def _allowed(grant: Grant, row: Permission) -> Grant:
    if row.allows(grant.role):
        return grant
    raise role_refused(grant.role, row, "token")


def _not_admitted(has_token: bool) -> Refused:
    why = "this token is wrong or was revoked" if has_token else "this needs a token"
    return Refused(401, "not_paired", why, HOW)
