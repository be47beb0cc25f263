"""Scopes of tokens, and the check of a token that two services share. Pure.

Owns: the form of scopes. Must not know: which roles there are, where tokens are stored, requests.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from appliance.access.core import is_same
from appliance.kernel import json

_SCOPE = re.compile(r"([a-z]+):([A-Za-z0-9._-]{1,64})")


@dataclass(frozen=True, slots=True)
class ScopeRule:
    """The scopes of a role: the permitted `kinds`, whether one is required, whether several are permitted."""

    kinds: tuple[str, ...] = ()
    many: bool = False


def checked_scopes(role: str, scopes: Iterable[str], rules: Mapping[str, ScopeRule]) -> tuple[str, ...]:
    """The scopes without duplicates. Raises ValueError: not permitted to the role, missing, too many,
    malformed."""
    rule, unique = rules[role], tuple(dict.fromkeys(scopes))
    for scope in unique:
        match = _SCOPE.fullmatch(scope)
        if match is None:
            raise ValueError(f"{scope!r} is not a scope; write it as kind:ID")
        if match[1] not in rule.kinds:
            kinds = " or ".join(f"{kind}:ID" for kind in rule.kinds) or "no scope"
            raise ValueError(f"a token with the role {role} takes {kinds}, not {scope!r}")
    if rule.kinds and not unique:
        raise ValueError(f"a token with the role {role} needs a scope, such as {rule.kinds[0]}:ID")
    if len(unique) > 1 and not rule.many:
        raise ValueError(f"a token with the role {role} has one scope")
    return unique


def is_shared_token(sent: str, own: str, now_s: int) -> bool:
    """Whether `sent` is `own`, the token that both services hold ("": there is none). Compared in constant
    time. A token that is a JWT with `exp` is refused after that time; nothing else of the JWT is read."""
    if not own or not is_same(sent, own):
        return False
    ends_s = jwt_end_s(own)
    return ends_s is None or now_s < ends_s


def jwt_end_s(token: str) -> float | None:
    """`exp` of a JWT, seconds UTC; None: it is not a JWT, or has no `exp`."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = json.decode(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, binascii.Error):
        return None
    ends_s = claims.get("exp") if isinstance(claims, dict) else None
    return float(ends_s) if isinstance(ends_s, int | float) and not isinstance(ends_s, bool) else None
