"""Using a one-time code.

Owns: the delay after a wrong code, and storing codes and devices that were made on the console. A flood of
wrong codes does not reach the database, and reads the disk at most a few times a second: only a code whose
first five characters are known is looked up.
The answer to a wrong code is delayed, longer with each wrong code from the same address. A right code is
answered without delay, also from that address, so one device's wrong codes lock out no other device.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path

import structlog
import trio

from appliance.access import core, store
from appliance.access.console import (
    ConsoleCode,
    ConsoleToken,
    remove_files,
    waiting_codes,
    waiting_tokens,
)
from appliance.access.registry import Registry
from appliance.http.limits import network_of
from appliance.kernel.errors import Unavailable
from appliance.kernel.store import Store
from appliance.kernel.threads import in_thread
from appliance.kernel.tx import Row, Tx

log = structlog.get_logger("access")

LOOK_S = 0.2  # seconds between two reads of the console's folder
FORGIVEN_S = 60.0  # seconds without a wrong code after which an address's wrong codes no longer count
ADDRESSES_MAX = 1024
REFUSED_MAX = 256  # codes whose reason of refusal is remembered
WAITING_MAX = 200  # delayed answers; while there are as many, a wrong code is answered 503 at once


class Codes:
    """Live codes, and the recent wrong ones by address."""

    def __init__(self, db: Store, registry: Registry, state_dir: Path | None) -> None:
        """`state_dir`: where `appliance pair` leaves its files; None (hosted side): only admins make
        codes."""
        self._db = db
        self._registry = registry
        self._state_dir = state_dir
        self._wrong: OrderedDict[str, tuple[int, float]] = OrderedDict()  # address: (how many, when)
        self._refused: OrderedDict[str, store.Why] = OrderedDict()  # by the hash of the code
        self._waiting = 0
        self._lock = trio.Lock()
        self._looked_s = -LOOK_S
        self._limiter = trio.CapacityLimiter(1)

    def know(self, selector: str) -> None:
        """Record that a code that begins with this selector was made."""
        self._registry.selectors.add(selector)

    async def use(
        self, code: str, name: str | None, peer: str, plain_left: int | None = None
    ) -> tuple[Row, str] | store.Why:
        """(the new device's row, its token), or after a wait why the code is refused. `plain_left`: of the
        device, when its token is sent unencrypted (own/store.py).

        Raises Unavailable when too many wrong ones wait.
        """
        selector = code[: core.SELECTOR_CHARS]
        if selector not in self._registry.selectors:
            await self.take_over()
        if selector in self._registry.selectors:
            paired = await self._db.write(lambda tx: store.pair(tx, code, name, plain_left))
            if paired is not None:
                self._registry.put(paired[0])
                log.info("device_paired", device_id=paired[0]["id"], role=paired[0]["role"], peer=peer)
                return paired
            refused, live = await self._db.read(
                lambda tx: (store.refused_codes(tx, selector), store.live_selectors(tx))
            )
            self._remember(refused)
            if selector not in live:
                self._registry.selectors.discard(selector)
        await self._cost(peer)
        return self._refused.get(core.secret_hash(code), "wrong")

    def _remember(self, refused: Mapping[str, store.Why]) -> None:
        """Keep the reason for the complete code, to give the same reason after the code is deleted."""
        self._refused.update(refused)
        while len(self._refused) > REFUSED_MAX:
            self._refused.popitem(last=False)

    async def _cost(self, peer: str) -> None:
        if self._waiting >= WAITING_MAX:
            raise Unavailable(
                "too_many_codes", "many wrong codes are being tried", "try again in a moment", retry_after_s=5
            )
        self._waiting += 1
        try:
            await trio.sleep(core.wrong_delay_s(self._count(network_of(peer) or peer)))
        finally:
            self._waiting -= 1

    def _count(self, address: str) -> int:
        now_s = trio.current_time()
        count, last_s = self._wrong.pop(address, (0, now_s))
        count = 1 if now_s - last_s > FORGIVEN_S else count + 1
        self._wrong[address] = (count, now_s)
        if len(self._wrong) > ADDRESSES_MAX:
            self._wrong.popitem(last=False)
        return count

    async def take_over(self) -> None:
        """Move the console's codes and devices into the database; simultaneous callers share one read of the
        folder. Raises Unavailable when the disk is full."""
        if self._state_dir is None:
            return
        asked_s = trio.current_time()
        async with self._lock:
            if self._looked_s > asked_s:
                return
            await trio.sleep_until(self._looked_s + LOOK_S)
            self._looked_s = trio.current_time()
            found, tokens = await in_thread(_left_by_console, self._state_dir, limiter=self._limiter)
            if not found and not tokens:
                return
            devices = await self._db.write(lambda tx: _store(tx, found, tokens))
            self._registry.selectors.update(each.selector for each in found)
            for row in devices:
                self._registry.put(row)
                log.info("device_taken_over", device_id=row["id"], role=row["role"])
            ids = [code.id for code in found] + [token.id for token in tokens]
            await in_thread(remove_files, self._state_dir, ids, limiter=self._limiter)


def _left_by_console(state_dir: Path) -> tuple[list[ConsoleCode], list[ConsoleToken]]:
    return waiting_codes(state_dir), waiting_tokens(state_dir)


def _store(tx: Tx, found: Sequence[ConsoleCode], tokens: Sequence[ConsoleToken]) -> list[Row]:
    """Store codes that are still valid, and devices whose tokens are new; returns the devices' rows."""
    for code in found:
        if left_us := code.left_us():
            store.add_code(
                tx,
                code.id,
                code_hash=code.code_hash,
                selector=code.selector,
                role=code.role,
                name=code.name,
                channel_id=code.channel_id,
                created_by="console",
                expires_us=tx.now_us + left_us,
            )
    rows = [
        store.add_known_device(
            tx,
            each.id,
            role=each.role,
            name=each.name,
            token_hash=each.token_hash,
            channel_id=each.channel_id,
            created_by="console",
        )
        for each in tokens
    ]
    return [row for row in rows if row is not None]
