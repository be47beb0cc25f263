"""/snapshot's bytes, made once for all clients at the same position.

Owns: when a snapshot may be shared, and that only one is being made. Must not know: its content.

Two hundred tablets that reconnect after a restart request it at once; one snapshot for each took 16 s of
processor time, and marks were delayed. A client gets bytes that are at least as new as the journal was at its
request, so its own changes are always included. Figures that are not journaled (`last_seen_at`, `view_count`)
may be FRESH_S old.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import trio

from appliance.kernel import json
from appliance.kernel.store import Store
from appliance.kernel.tx import ReadTx

FRESH_S = 1.0
# the pause between two snapshots, in durations of the last one: making one takes processor time from requests
REST = 4.0

GiveWay = Callable[[], None]
"""Blocks the calling thread while marks are running, within limits."""


class ReadSnapshot(Protocol):
    """Reads the content of a snapshot."""

    def __call__(self, tx: ReadTx, give_way: GiveWay) -> Mapping[str, Any]:
        """`give_way` is called between two rows."""
        ...


def never() -> None:
    """There are no marks to give way to."""


class SharedSnapshot:
    """`get` returns the encoded JSON. `giving_way` makes the GiveWay of one snapshot."""

    def __init__(
        self,
        store: Store,
        read: ReadSnapshot,
        site: Mapping[str, Any],
        giving_way: Callable[[], GiveWay] = lambda: never,
    ) -> None:
        self._store, self._read, self._site = store, read, site
        self._giving_way = giving_way
        self._making = trio.Lock()
        self._body = b""
        self._seq = -1
        self._read_s = 0.0
        self._rest_until_s = 0.0
        self.made = 0

    async def get(self) -> bytes:
        """The snapshot at the present position, or a later one."""
        wanted, asked_s = self._store.journal.head, trio.current_time()
        if not self._serves(wanted, asked_s):
            async with self._making:
                if not self._serves(wanted, asked_s):  # a client that waited meanwhile shares it
                    await trio.sleep_until(self._rest_until_s)
                    await self._make()
        return self._body

    def _serves(self, wanted: int, asked_s: float) -> bool:
        return self._seq >= wanted and self._read_s > asked_s - FRESH_S

    async def _make(self) -> None:
        began_s = trio.current_time()
        self._seq, self._body = await self._store.read(self._encode)
        self._read_s = began_s
        self._rest_until_s = trio.current_time() + (trio.current_time() - began_s) * REST
        self.made += 1

    def _encode(self, tx: ReadTx) -> tuple[int, bytes]:
        """Read and encode the snapshot, in the thread of the read."""
        head = tx.head()
        content = {
            **self._read(tx, self._giving_way()),
            "site": self._site,
            "as_of_seq": head,
            "epoch": self._store.journal.epoch,
        }
        return head, json.encode(content)
