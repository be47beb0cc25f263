"""Run one command: HTTP and /ws run the same operations.

Owns: the idempotency rule. The answer is stored with its key in the same transaction as its effect, so a
client that got no answer may send the same request again and gets the stored one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from appliance.kernel import json
from appliance.kernel.errors import FieldError, Refused, stale
from appliance.kernel.store import Store
from appliance.kernel.tx import Tx

KEEP_KEYS_S = 7 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Answer:
    """`resource` is the JSON object sent back. Its `rev`, if it has one, becomes the ETag."""

    status: int
    resource: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sent the request. `device` is shown and stored as created_by: the name of a paired device, else
    what the client calls itself."""

    device: str = "local"
    key: str | None = None  # Idempotency-Key, or the id of a /ws command
    fingerprint: str = ""  # of the request the key belongs to
    if_match: int | None = None  # the rev that the caller has loaded
    identity: str = ""  # id of the paired device, which stays when it is renamed; "": not paired
    is_stranger: bool = False  # without access, at a route that is open to everybody
    role: str = ""  # "" where access is open
    scopes: tuple[str, ...] = ()  # what the caller's token is limited to, each "kind:ID"

    @property
    def key_owner(self) -> str:
        """The device that the key belongs to: keys of two devices are independent."""
        return self.identity or self.device


def fingerprint(*parts: str | bytes) -> str:
    """A hash of the request's parts: equal for equal requests."""
    made = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        made.update(b"%d:" % len(data) + data)
    return made.hexdigest()


def command_fingerprint(do: str, body: Mapping[str, Any]) -> str:
    """Identity of a command: the same over /ws and by its HTTP route, whatever the order of its fields.

    A tablet that gets no answer over one of them sends it again over the other with the same key; both may
    arrive.
    """
    return fingerprint(do, json.encode(dict(sorted(body.items()))))


def check_rev(caller: Caller, kind: str, rev: int) -> None:
    """412 when the caller sent If-Match for another revision."""
    if caller.if_match is not None and caller.if_match != rev:
        raise stale(kind, rev)


async def perform(store: Store, caller: Caller, closure: Callable[[Tx], Answer]) -> Answer:
    """Run `closure` in the store, once per idempotency key."""
    if caller.key is None:
        return await store.write(closure)
    key = caller.key

    def once(tx: Tx) -> Answer:
        known = tx.one("SELECT * FROM idempotency WHERE device = ? AND key = ?", (caller.key_owner, key))
        if known is not None:
            # "": written before the upgrade of schema 0012
            if known["fingerprint"] not in ("", caller.fingerprint):
                raise Refused(
                    422,
                    "key_reused",
                    "this Idempotency-Key was used for another request",
                    "make a new key for each request",
                    (FieldError("Idempotency-Key", "already used"),),
                )
            return Answer(known["status"], json.decode_stored(known["answer"]))
        answer = closure(tx)
        tx.run(
            "INSERT INTO idempotency (device, key, fingerprint, status, answer, created_us)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (
                caller.key_owner,
                key,
                caller.fingerprint,
                answer.status,
                json.encode(answer.resource).decode(),
                tx.now_us,
            ),
        )
        return answer

    return await store.write(once)
