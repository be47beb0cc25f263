"""Subscriptions and deliveries as API resources, and what may be subscribed to."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from appliance.kernel import json
from appliance.kernel.clock import optional_rfc3339, to_rfc3339
from appliance.kernel.fields import Input, Uuid
from appliance.kernel.paging import Page
from appliance.kernel.tx import Row

MessageType = Literal["breakdown.available", "breakdown.updated", "job.logged", "sla.at_risk", "sla.breached"]
Status = Literal["pending", "delivered", "failed", "cancelled"]
ScopeName = Annotated[str, Field(pattern=r"^[a-z]+:[A-Za-z0-9._-]{1,64}$")]


class SubscriptionIn(Input):
    """POST /subscriptions. `scope`: as in league:ID; empty: everything, of a client all of its token's."""

    url: Annotated[str, Field(min_length=1, max_length=2048)]
    types: Annotated[list[MessageType], Field(min_length=1, max_length=20)]
    scope: Annotated[list[ScopeName], Field(max_length=100, default_factory=list)]


class Subscription(BaseModel):
    """`disabled_at`: since when nothing is sent, because the receiver answered 410."""

    id: str
    url: str
    types: list[str]
    scope: list[str]
    owner: str = Field(description="client:NAME or token:ID of a client; empty: the service's own")
    created_at: str
    created_by: str
    updated_at: str
    disabled_at: str | None
    rev: int


class NewSecret(Subscription):
    """A subscription with its secret, which only this answer contains."""

    secret: str


class DeliveryQuery(Page):
    """Query of GET /deliveries."""

    status: Status | None = None
    subscription_id: Uuid | None = None


class Attempt(BaseModel):
    number: int
    started_at: str
    took_s: float
    http_status: int | None
    error: str | None


class Delivery(BaseModel):
    """One message to one receiver. `message_id` is its webhook-id."""

    id: str
    message_id: str
    subscription_id: str
    type: str
    status: Status
    attempts: int
    due_at: str
    error: str | None
    created_at: str
    updated_at: str
    rev: int


class DeliveryLog(Delivery):
    """A delivery with every attempt, oldest first."""

    log: list[Attempt]


def subscription_resource(row: Row) -> dict[str, Any]:
    """The subscription as a resource, without its secrets."""
    return {
        "id": row["id"],
        "url": row["url"],
        "types": json.decode(row["types"].encode()),
        "scope": json.decode(row["scope"].encode()),
        "owner": row["owner"],
        "created_at": to_rfc3339(row["created_us"]),
        "created_by": row["created_by"],
        "updated_at": to_rfc3339(row["updated_us"]),
        "disabled_at": optional_rfc3339(row["disabled_us"]),
        "rev": row["rev"],
    }


def delivery_resource(row: Row) -> dict[str, Any]:
    kept = ("id", "message_id", "subscription_id", "type", "status", "attempts", "error", "rev")
    times = {"due_at": "due_us", "created_at": "created_us", "updated_at": "updated_us"}
    return {
        **{name: row[name] for name in kept},
        **{name: to_rfc3339(row[column]) for name, column in times.items()},
    }


def attempt_resource(row: Row) -> dict[str, Any]:
    return {
        "number": row["number"],
        "started_at": to_rfc3339(row["started_us"]),
        "took_s": row["took_us"] / 1e6,
        "http_status": row["http_status"],
        "error": row["error"],
    }
