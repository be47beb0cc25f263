"""Whose a subscription is, and what a client may subscribe to. Pure.

A client sees its own subscriptions and their deliveries alone: those made by tokens of the same client:NAME,
or, with a token that names leagues only, by the same token. It is sent messages of its token's scopes.
"""

from __future__ import annotations

from typing import Final

from appliance.cloud.deliveries.model import MessageType, SubscriptionIn
from appliance.kernel.errors import invalid
from appliance.kernel.operation import Caller

CLIENT: Final = "client"
CLIENT_TYPES: Final[frozenset[MessageType]] = frozenset({"breakdown.available", "breakdown.updated"})


def owner_of(caller: Caller) -> str:
    """The owner whose subscriptions this caller sees; "": it sees all of them."""
    if caller.role != CLIENT:
        return ""
    named = next((scope for scope in caller.scopes if scope.startswith(f"{CLIENT}:")), None)
    return named or f"token:{caller.identity}"


def granted_scope(caller: Caller, body: SubscriptionIn) -> list[str]:
    """The scope of the new subscription: of a client within that of its token, all of it when none is sent.
    Raises Refused 422 naming the field."""
    if caller.role != CLIENT:
        return list(dict.fromkeys(body.scope))
    for at, type_ in enumerate(body.types):
        if type_ not in CLIENT_TYPES:
            raise invalid(f"types.{at}", f"clients may subscribe to {', '.join(sorted(CLIENT_TYPES))}")
    for at, scope in enumerate(body.scope):
        if scope not in caller.scopes:
            raise invalid(f"scope.{at}", "is not a scope of this token")
    return list(dict.fromkeys(body.scope or caller.scopes))
