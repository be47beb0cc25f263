"""The next token of a device, and the end of tokens that crossed the network unencrypted.

Owns: when a device is given another token, and when the one before it ends. Must not know: requests, cookies,
sessions (`is_busy` is injected).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

import structlog
import trio

from appliance.access.core import new_token, secret_hash
from appliance.access.own import store
from appliance.access.registry import Known, Registry
from appliance.access.revocations import Revocations
from appliance.kernel.errors import Refused
from appliance.kernel.store import Store
from appliance.kernel.tx import Tx

log = structlog.get_logger("access")

SAME_S = 10.0  # two requests of one page within it get the same token


@dataclass(frozen=True, slots=True)
class PlainRule:
    """`days`: [access] plain_days. `is_encrypted`: TLS is on. `is_plain`: requests from the network come
    unencrypted: TLS is off, and others than this machine reach the box."""

    days: int = 14
    is_encrypted: bool = False
    is_plain: bool = False
    is_busy: store.IsBusy = field(default=lambda _: False)


@dataclass(slots=True)
class Renewals:
    """Until a next token was used it is kept in memory, for `SAME_S`."""

    db: Store
    registry: Registry
    revocations: Revocations
    rule: PlainRule
    _given: dict[str, tuple[str, float]] = field(default_factory=dict)  # device id: (next token, trio time)
    _lock: trio.Lock = field(default_factory=trio.Lock)

    async def begin(self) -> None:
        """At start."""

        def start(tx: Tx) -> dict[str, int]:
            store.begin(tx, self.rule.days, is_encrypted=self.rule.is_encrypted)
            return dict(store.exposed(tx))

        self.registry.set_plain(await self.db.write_retrying(start))

    def wants(self, known: Known) -> bool:
        """Should this device be given another token? It has shown one over https."""
        return known.plain_left is not None and known.next_used_s is None

    async def give(self, known: Known) -> str:
        """The next token of a device, durable; the present one is valid until the next one was used.

        Raises Refused 409 when the next one is in use already, Unavailable.
        """
        device_id = known.grant.device_id
        async with self._lock:
            if known.next_used_s is not None:
                hint = "use that token; if it is lost, pair the device again"
                raise Refused(409, "token_renewed", "the next token of this device is in use already", hint)
            token, given_s = self._given.get(device_id, ("", 0.0))
            if token and known.next_hash == secret_hash(token) and trio.current_time() < given_s + SAME_S:
                return token
            token = new_token()
            next_hash = secret_hash(token)
            give = partial(store.give_next, device_id=device_id, next_hash=next_hash)
            if not await self.db.write(give):
                raise Refused(401, "not_paired", "this device's access has ended", "pair it again")
            self.registry.give_next(known, next_hash)
            self._given[device_id] = (token, trio.current_time())
            log.info("token_renewed", device_id=device_id, role=known.grant.role)
            return token

    async def note_exposed(self) -> None:
        """Store which devices sent their token to the plain port while TLS is on."""
        if devices := self.registry.take_exposed():

            def note(tx: Tx) -> dict[str, int]:
                store.note_exposed(tx, devices, self.rule.days)
                return dict(store.exposed(tx))

            self.registry.set_plain(await self.db.write_retrying(note))
            log.warning("token_sent_unencrypted", devices=sorted(devices))

    def count(self, tx: Tx, seen: list[tuple[str, int]], *, is_new_day: bool) -> dict[str, int]:
        """In the transaction that stores when devices were seen: which tokens are exposed now."""
        if self.rule.is_plain:
            store.note_exposed(tx, [device_id for device_id, _ in seen], self.rule.days)
        elif self.rule.is_encrypted and is_new_day:
            store.count_day(tx)
        return dict(store.exposed(tx))

    async def sweep(self) -> None:
        """End what has been replaced, and what was not in time; nothing during a session."""
        used, is_busy = self.registry.in_next_use(), self.rule.is_busy
        if used:
            replace = partial(store.end_replaced, in_next_use=used, is_busy=is_busy)
            for row in await self.db.write_retrying(replace):
                self.registry.promote(row)
                self._given.pop(row["id"], None)
                log.info("token_replaced", device_id=row["id"], role=row["role"])
        if self.rule.is_encrypted and any(known.plain_left == 0 for known in self.registry.devices()):
            for row in await self.db.write_retrying(partial(store.end_exposed, is_busy=is_busy)):
                self.registry.revoke(row["id"])
                self.revocations.note(row["id"], None, row["revoked_us"])
                log.warning("exposed_device_ended", device_id=row["id"], role=row["role"], name=row["name"])
