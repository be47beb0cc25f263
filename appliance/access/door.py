"""Decides whether a request may use its route.

Owns: where a token is looked for, when access is open, and the two refusals. A route without a row in the
matrix is refused. Must not know: HTTP routes, sockets, SQL.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from urllib.parse import parse_qsl

from appliance.access import core
from appliance.access.own.renewals import Renewals
from appliance.access.registry import Known, Registry
from appliance.access.roles import Matrix, Permission, role_refused
from appliance.http.access import (
    CLAIM_KEY,
    COOKIE_KEY,
    NO_PARAMETERS,
    RENEW_KEY,
    STRANGER,
    Close,
    Cookies,
    Grant,
)
from appliance.http.api import Routes, Scope
from appliance.kernel.clock import DAY_US, S_US, Clock
from appliance.kernel.errors import Refused, Unavailable
from appliance.kernel.fields import is_loopback

COOKIE = "appliance_device"  # without encryption
SECURE_COOKIE = f"__Host-{COOKIE}"  # browsers take and send it encrypted only; no plain page can replace it
COOKIE_S = 400 * 24 * 3600  # the longest that browsers keep one
_RENEWS = "GET /snapshot"  # every page begins with it; renewing with each mark would cost time
_COOKIE_START, _SECURE_START = f"{COOKIE}=".encode(), f"{SECURE_COOKIE}=".encode()
_HOST = re.compile(rb"(?:\[([^\]]+)\]|([^:]+))(?::\d+)?")
HOW = "on the box run `appliance pair --role ROLE`, or let an admin's device make a code, and open /pair"


@dataclass(frozen=True, slots=True)
class AccessDoor:
    """`is_open`: [access] mode = "open". `on_loopback`: the server is bound to loopback, where requests whose
    Host
    is a loopback name, and that did not come through a proxy, need no token."""

    registry: Registry
    matrix: Matrix
    clock: Clock
    is_open: bool
    on_loopback: bool
    renewals: Renewals | None = None  # None: tokens are not renewed

    def require(self, groups: Sequence[Routes]) -> None:
        """Raises NoRow."""
        self.matrix.require(groups)

    def roles_of(self, rule: str) -> list[str]:
        """See http/access.py."""
        return self.matrix.shown(rule)

    def admit(
        self,
        scope: Scope,
        headers: Mapping[bytes, bytes],
        rule: str,
        given: Mapping[str, str] = NO_PARAMETERS,
    ) -> Grant | None:
        """See http/access.py."""
        row = self.matrix.row(rule)
        known, has_token = self._known(scope, headers)
        if known is None and not has_token and row.media:
            known = self._by_media_key(scope)
        if known is not None:
            known.seen_us = self.clock.now_us()
            if rule == _RENEWS:
                self._renew_cookie(known, scope, headers)
        if not row.always and self._is_open_for(headers):
            return None if known is None else _opened(known)
        if known is None:
            if row.public:
                return STRANGER
            raise _not_paired(has_token)
        if row.public:
            return known.grant
        grant = _allowed(known, row)
        if grant.role in row.own:
            self._require_own(known, given["channel_id"], scope)
        return grant

    def identify(self, scope: Scope, headers: Mapping[bytes, bytes]) -> Grant | None:
        """See http/access.py."""
        known, _ = self._known(scope, headers)
        if known is not None:
            return known.grant
        return None if self._is_open_for(headers) else STRANGER

    def _known(self, scope: Scope, headers: Mapping[bytes, bytes]) -> tuple[Known | None, bool]:
        """(the device whose token a request shows, whether it shows one)."""
        header = header_of(scope, headers)
        known = None if header is None else self.registry.by_header(header)
        if known is not None:
            return known, True
        token = token_of(scope, headers)
        return (self.registry.by_token(token, header) if token else None), bool(token)

    def _renew_cookie(self, known: Known, scope: Scope, headers: Mapping[bytes, bytes]) -> None:
        """Let the answer set the cookie that the token came by again, once a day: its time begins anew. One
        that has crossed the network unencrypted is replaced, once it comes encrypted."""
        if b"authorization" in headers or b"cookie" not in headers:
            return
        if self.renewals is not None and scope.get("scheme") == "https" and self.renewals.wants(known):
            scope[RENEW_KEY] = partial(self._next_cookies, known, scope)
            return
        day = self.clock.now_us() // DAY_US
        if known.cookie_day == day:
            return
        token = token_of(scope, headers)
        if token:
            known.cookie_day = day
            scope[COOKIE_KEY] = device_cookies(scope, token)

    async def _next_cookies(self, known: Known, scope: Scope) -> Cookies:
        assert self.renewals is not None
        try:
            return device_cookies(scope, await self.renewals.give(known))
        except (Refused, Unavailable):  # the present one is still valid: the next page asks again
            return ()

    def expose(self, scope: Scope, headers: Mapping[bytes, bytes]) -> None:
        """See http/access.py."""
        if token := token_of(scope, headers):
            self.registry.expose(token)

    def _require_own(self, known: Known, channel_id: str, scope: Scope) -> None:
        """A device without a channel gets the channel of its first accepted report."""
        if known.channel_id is None:
            scope[CLAIM_KEY] = partial(self.registry.claim, known, channel_id)
        elif known.channel_id != channel_id:
            self.registry.misdirect(known, channel_id)
            raise Refused(
                403,
                "not_own_channel",
                f"this device reports for channel {known.channel_id}, not for {channel_id}",
                "an admin can give it another channel: Devices, Change",
                extra={"channel_id": known.channel_id},
            )

    def admit_token(self, token: str, rule: str) -> Grant:
        """See http/access.py."""
        known = self.registry.by_token(token)
        if known is None:
            raise _not_paired(True)
        known.seen_us = self.clock.now_us()
        return _allowed(known, self.matrix.row(rule))

    def allow(self, grant: Grant | None, rule: str) -> None:
        """See http/access.py. Where the request needed no token, the role is not checked, as in `admit`."""
        if grant is None:
            return
        known = self.registry.by_id(grant.device_id)
        if known is None:
            raise _not_paired(True)
        known.seen_us = self.clock.now_us()
        row = self.matrix.row(rule)
        if row.always or not grant.is_open:
            _allowed(known, row)

    def watching(
        self, grant: Grant | None, close: Close, *, shows_name: bool = True
    ) -> AbstractContextManager[None]:
        """See http/access.py."""
        return self.registry.watching(grant, close, shows_name=shows_name)

    def _is_open_for(self, headers: Mapping[bytes, bytes]) -> bool:
        if self.is_open or not self.on_loopback:
            return self.is_open
        return is_local(headers)

    def _by_media_key(self, scope: Scope) -> Known | None:
        query = scope["query_string"]
        if b"k=" not in query:
            return None
        key = dict(parse_qsl(query.decode("latin-1"))).get("k", "")
        parsed = core.parse_media_key(key)
        known = self.registry.by_id(parsed[0]) if parsed is not None else None
        if parsed is None or known is None or parsed[3] * S_US <= self.clock.now_us():
            return None
        return known if core.is_signed(known.token_hash, parsed[1], parsed[2]) else None


def is_local(headers: Mapping[bytes, bytes]) -> bool:
    """Whether a request at a loopback address has a loopback name as its Host, and came through no proxy."""
    if not _is_loopback_name(headers.get(b"host", b"")):
        return False
    return (
        b"forwarded" not in headers
        and b"via" not in headers
        and b"x-real-ip" not in headers
        and not [  # a generator would cost three times as much
            name for name in headers if name[:11] == b"x-forwarded"
        ]
    )


def device_cookies(scope: Scope, token: str) -> Cookies:
    """The values of Set-Cookie that keep a device's token in its browser; encrypted, another takes the place
    of one from the time before."""
    kept = f"Path=/; Max-Age={COOKIE_S}; HttpOnly; SameSite=Strict"
    if scope.get("scheme") != "https":
        return (f"{COOKIE}={token}; {kept}".encode("ascii"),)
    gone = f"{COOKIE}=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict"
    return f"{SECURE_COOKIE}={token}; {kept}; Secure".encode("ascii"), gone.encode("ascii")


def header_of(scope: Scope, headers: Mapping[bytes, bytes]) -> bytes | None:
    """The value of the header that `token_of` takes the token from; None: the token is not in a header."""
    sent = headers.get(b"authorization")
    return headers.get(b"cookie") if sent is None and not scope.get("subprotocols") else sent


def token_of(scope: Scope, headers: Mapping[bytes, bytes]) -> str:
    """The token of a request, from the first place that has one; "" without."""
    sent = headers.get(b"authorization")
    if sent is not None:
        kind, _, token = sent.partition(b" ")
        return token.strip().decode("latin-1") if kind.lower() == b"bearer" else ""
    protocols = scope.get("subprotocols")
    if protocols and protocols[0] == "bearer" and len(protocols) > 1:
        return str(protocols[1])
    cookies = headers.get(b"cookie")
    if cookies is not None and _COOKIE_START in cookies:
        fields = [each.strip() for each in cookies.split(b";")]
        for start in (_SECURE_START, _COOKIE_START):
            for field in fields:
                if field.startswith(start):
                    return field[len(start) :].decode("latin-1")
    return ""


def _opened(known: Known) -> Grant:
    """The device's grant where access is open; making it anew would cost a heartbeat 1 %."""
    if known.open_grant is None:
        known.open_grant = replace(known.grant, is_open=True)
    return known.open_grant


@lru_cache(maxsize=64)
def _is_loopback_name(host: bytes) -> bool:
    """Whether a Host header, with or without a port, names loopback."""
    match = _HOST.fullmatch(host)
    return match is not None and is_loopback((match[1] or match[2]).decode("latin-1"))


def _allowed(known: Known, row: Permission) -> Grant:
    grant = known.grant
    if row.allows(grant.role):
        return grant
    raise role_refused(grant.role, row, "device", "; an admin can change the role of this device")


def _not_paired(has_token: bool) -> Refused:
    why = "this device's access has ended or its token is wrong" if has_token else "this device is not paired"
    return Refused(401, "not_paired", why, HOW)
