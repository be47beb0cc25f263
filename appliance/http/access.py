"""Who sends a request: the types that the server, routes and appliance/access/ share.

Owns: `Grant`, where the ASGI scope holds it, and the interface of a door. Must not know: tokens, roles,
devices (appliance/access/).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Protocol

from appliance.http.api import Routes, Scope

GRANT_KEY = "appliance.grant"  # in the ASGI scope: Grant or None
CLAIM_KEY = "appliance.claim"  # in the ASGI scope, where there is one: a Claim
COOKIE_KEY = "appliance.cookies"  # in the ASGI scope, where there are some: Cookies
RENEW_KEY = "appliance.renew"  # in the ASGI scope, where there is one: a Renew

Claim = Callable[[], None]
"""Called when the request was answered with success: its device belongs to the channel of the path now."""
Cookies = tuple[bytes, ...]
"""Values of Set-Cookie of the answer."""
Renew = Callable[[], Awaitable[Cookies]]
"""Called before the answer: makes the device's next token durable. Raises nothing of the store."""
NO_PARAMETERS: Mapping[str, str] = MappingProxyType({})

Close = Callable[[int, str], None]
"""Ends a WebSocket with this close code and reason."""


@dataclass(frozen=True, slots=True)
class Grant:
    """A paired device, or the owner of a token. `name` becomes created_by; `device_id` stays the same when it
    is renamed. `scopes` limit a token to some rows: each is "kind:ID". `is_open`: access was open for its
    request, so its role is not checked, neither now nor for commands on its WebSocket."""

    device_id: str
    name: str
    role: str
    scopes: tuple[str, ...] = ()
    is_open: bool = field(default=False, compare=False)


STRANGER = Grant("", "", "")
"""Somebody without access, at a route that is open to everybody."""


class Door(Protocol):
    """Decides what a request may do. `rule` names a row of the matrix: "GET /clips", "WS /ws", "DO play_new".

    Grants are None where access is open.
    """

    def require(self, groups: Sequence[Routes]) -> None:
        """Raises an error that names every route and command without a row: called at start."""
        ...

    def roles_of(self, rule: str) -> list[str]:
        """The roles that are permitted, for display; ["everybody"] where no token is needed."""
        ...

    def admit(
        self,
        scope: Scope,
        headers: Mapping[bytes, bytes],
        rule: str,
        given: Mapping[str, str] = NO_PARAMETERS,
    ) -> Grant | None:
        """`given`: parameters of the path. Raises Refused: 401 `not_paired`, 403 `not_allowed` or
        `not_own_channel`."""
        ...

    def identify(self, scope: Scope, headers: Mapping[bytes, bytes]) -> Grant | None:
        """Whose request it is, for a file that everybody may load; STRANGER without a valid token."""
        ...

    def admit_token(self, token: str, rule: str) -> Grant:
        """The device of a token that came in a message. Raises Refused as `admit`."""
        ...

    def allow(self, grant: Grant | None, rule: str) -> None:
        """Check a command of a device that was admitted before. Raises Refused as `admit`."""
        ...

    def expose(self, scope: Scope, headers: Mapping[bytes, bytes]) -> None:
        """A request came unencrypted to a port that serves none: the token it shows may have been read."""
        ...

    def watching(
        self, grant: Grant | None, close: Close, *, shows_name: bool = True
    ) -> AbstractContextManager[None]:
        """A block during which `close` is called, once at most, when the device is revoked or gets another
        role, and with `shows_name` also when it is renamed."""
        ...


def grant_of(scope: Scope) -> Grant | None:
    """The device that the door admitted; None where access is open."""
    grant: Grant | None = scope.get(GRANT_KEY)
    return grant
