"""Transactions on subscriptions and their messages. Only this file and queue.py write these tables.

A domain calls `announce` in the transaction of the change itself: a message is queued exactly when the change
that it reports is committed.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from appliance.cloud.deliveries.model import (
    DeliveryQuery,
    MessageType,
    SubscriptionIn,
    attempt_resource,
    delivery_resource,
    subscription_resource,
)
from appliance.cloud.deliveries.owners import granted_scope, owner_of
from appliance.kernel import json
from appliance.kernel.clock import DAY_US, to_rfc3339
from appliance.kernel.errors import Refused, not_found
from appliance.kernel.ids import new_uuid
from appliance.kernel.operation import Answer, Caller
from appliance.kernel.paging import Page, list_page
from appliance.kernel.rows import load_row
from appliance.kernel.tx import ReadTx, Row, Tx
from appliance.network.signature import new_secret

ROTATION_US = DAY_US  # how long a replaced secret still signs


def create_subscription(tx: Tx, caller: Caller, body: SubscriptionIn) -> Answer:
    """Create a subscription. The caller has checked the URL. Raises Refused 422: a client may not subscribe
    to this."""
    scope = granted_scope(caller, body)
    secret = new_secret()
    row: dict[str, Any] = {
        "id": new_uuid(),
        "url": body.url,
        "types": json.encode(list(dict.fromkeys(body.types))).decode(),
        "scope": json.encode(scope).decode(),
        "owner": owner_of(caller),
        "secret": secret,
        "created_by": caller.device,
        "created_us": tx.now_us,
        "updated_us": tx.now_us,
    }
    tx.create("subscriptions", row)
    return Answer(201, {**_changed(tx, row["id"]), "secret": secret})


def list_subscriptions(tx: ReadTx, query: Page, *, owner: str = "") -> dict[str, Any]:
    """Oldest first. `owner`, here and below: whose alone exist; "": all of them (owners.py)."""
    return list_page(
        tx,
        query,
        table="subscriptions",
        key="created_us",
        where=[("owner = ?", (owner,))] if owner else [],
        resource=lambda tx, row: subscription_resource(row),
    )


def get_subscription(tx: ReadTx, subscription_id: str, *, owner: str = "") -> dict[str, Any]:
    """Raises Refused 404 or 410."""
    return subscription_resource(_subscription(tx, subscription_id, owner))


def rotate(tx: Tx, subscription_id: str, *, owner: str = "") -> Answer:
    """Replace the secret. The old one signs too for a day; one that was replaced before ends at once."""
    row = _subscription(tx, subscription_id, owner)
    secret = new_secret()
    changes = {
        "secret": secret,
        "previous_secret": row["secret"],
        "previous_until_us": tx.now_us + ROTATION_US,
    }
    tx.update("subscriptions", subscription_id, changes)
    return Answer(200, {**_changed(tx, subscription_id), "secret": secret})


def delete_subscription(tx: Tx, subscription_id: str, *, owner: str = "") -> Answer:
    """End a subscription: nothing more is sent, and its deliveries are no longer listed."""
    _subscription(tx, subscription_id, owner)
    cancel_pending(tx, subscription_id, "the subscription was deleted")
    tx.run(
        "UPDATE deliveries SET deleted_us = ? WHERE subscription_id = ? AND deleted_us IS NULL",
        (tx.now_us, subscription_id),
    )
    tx.update("subscriptions", subscription_id, {"deleted_us": tx.now_us})
    tx.append("subscription_deleted", f"subscription:{subscription_id}", {"id": subscription_id})
    return Answer(200, {"id": subscription_id})


def disable(tx: Tx, subscription_id: str) -> None:
    """Send no more to this subscription: its receiver has answered 410."""
    cancel_pending(tx, subscription_id, "the receiver answered 410: the subscription is disabled")
    tx.update("subscriptions", subscription_id, {"disabled_us": tx.now_us})
    _changed(tx, subscription_id)


def end_without_token(tx: Tx) -> None:
    """Disable the subscriptions of clients that have no token any more: nothing more is sent to them."""
    live = "owner <> '' AND deleted_us IS NULL AND disabled_us IS NULL"
    owned = tx.all(f"SELECT id, owner FROM subscriptions WHERE {live} ORDER BY id")
    tokens = tx.all("SELECT id, scopes FROM tokens WHERE revoked_us IS NULL ORDER BY id") if owned else []
    owners = {owner for token in tokens for owner in (f"token:{token['id']}", *token["scopes"].split())}
    for row in owned:
        if row["owner"] not in owners:
            cancel_pending(tx, row["id"], "the client's last token was revoked: the subscription is disabled")
            tx.update("subscriptions", row["id"], {"disabled_us": tx.now_us})
            _changed(tx, row["id"])


def cancel_pending(tx: Tx, subscription_id: str, reason: str) -> None:
    sql = "SELECT id FROM deliveries WHERE subscription_id = ? AND status = 'pending' ORDER BY id"
    for row in tx.all(sql, (subscription_id,)):
        end_delivery(tx, row["id"], {"status": "cancelled", "error": reason})


def announce(tx: Tx, type_: MessageType, data: Mapping[str, Any], scope: Collection[str] = ()) -> str:
    """Queue the message for every subscription of its type and scope; returns its webhook-id. `scope`: the
    owners of its subject, as in league:ID; a subscription with scopes gets it when one of them is among
    these."""
    end_without_token(tx)
    message_id = f"msg_{new_uuid()}"
    body = json.encode({"type": type_, "timestamp": to_rfc3339(tx.now_us), "data": data}).decode()
    tx.insert("messages", {"id": message_id, "type": type_, "body": body, "created_us": tx.now_us})
    sql = "SELECT * FROM subscriptions WHERE deleted_us IS NULL AND disabled_us IS NULL ORDER BY id"
    for row in tx.all(sql):
        subscription = subscription_resource(row)
        wanted = subscription["scope"]
        if type_ in subscription["types"] and (not wanted or set(wanted) & set(scope)):
            _queue(tx, message_id, type_, row["id"])
    return message_id


def redeliver(tx: Tx, delivery_id: str, *, owner: str = "") -> Answer:
    """Send the message once more, as a delivery of its own with the same webhook-id."""
    row = _delivery(tx, delivery_id, owner)
    subscription = load_row(tx, "subscription", row["subscription_id"])
    if subscription["disabled_us"] is not None:
        raise Refused(
            409,
            "subscription_disabled",
            f"the receiver of subscription {subscription['id']} answered 410",
            "make a new subscription",
        )
    return Answer(201, _queue(tx, row["message_id"], row["type"], subscription["id"]))


def list_deliveries(tx: ReadTx, query: DeliveryQuery, *, owner: str = "") -> dict[str, Any]:
    """A page of deliveries, oldest first."""
    chosen = {
        "status = ?": query.status,
        "subscription_id = ?": query.subscription_id,
        "subscription_id IN (SELECT id FROM subscriptions WHERE owner = ?)": owner or None,
    }
    return list_page(
        tx,
        query,
        table="deliveries",
        key="created_us",
        where=[(condition, (value,)) for condition, value in chosen.items() if value is not None],
        resource=lambda tx, row: delivery_resource(row),
    )


def get_delivery(tx: ReadTx, delivery_id: str, *, owner: str = "") -> dict[str, Any]:
    """A delivery with its attempts. Raises Refused 404."""
    row = _delivery(tx, delivery_id, owner)
    attempts = tx.all("SELECT * FROM delivery_attempts WHERE delivery_id = ? ORDER BY number", (delivery_id,))
    return {**delivery_resource(row), "log": [attempt_resource(attempt) for attempt in attempts]}


def end_delivery(tx: Tx, delivery_id: str, changes: Mapping[str, Any]) -> None:
    """Set the state of a delivery that is no longer pending."""
    tx.update("deliveries", delivery_id, changes)
    _tell(tx, delivery_id)


def _subscription(tx: ReadTx, subscription_id: str, owner: str) -> Row:
    """Of another owner it does not exist, deleted or not."""
    if owner and tx.value("SELECT owner FROM subscriptions WHERE id = ?", (subscription_id,)) != owner:
        raise not_found("subscription", subscription_id)
    return load_row(tx, "subscription", subscription_id)


def _delivery(tx: ReadTx, delivery_id: str, owner: str = "") -> Row:
    row = tx.one("SELECT * FROM deliveries WHERE id = ? AND deleted_us IS NULL", (delivery_id,))
    if row is None:
        raise not_found("delivery", delivery_id)
    sql = "SELECT owner FROM subscriptions WHERE id = ?"
    if owner and tx.value(sql, (row["subscription_id"],)) != owner:
        raise not_found("delivery", delivery_id)
    return row


def _queue(tx: Tx, message_id: str, type_: str, subscription_id: str) -> dict[str, Any]:
    row: dict[str, Any] = {
        "id": new_uuid(),
        "message_id": message_id,
        "subscription_id": subscription_id,
        "type": type_,
        "status": "pending",
        "due_us": tx.now_us,
        "created_us": tx.now_us,
        "updated_us": tx.now_us,
    }
    tx.create("deliveries", row)
    return _tell(tx, row["id"])


def _tell(tx: Tx, delivery_id: str) -> dict[str, Any]:
    """Append the delivery to the journal, which wakes the senders of every process."""
    resource = delivery_resource(_delivery(tx, delivery_id))
    tx.append("delivery_changed", f"delivery:{delivery_id}", {"delivery": resource})
    return resource


def _changed(tx: Tx, subscription_id: str) -> dict[str, Any]:
    resource = get_subscription(tx, subscription_id)
    tx.append("subscription_changed", f"subscription:{subscription_id}", {"subscription": resource})
    return resource
