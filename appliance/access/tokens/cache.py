"""Tokens of recent requests: each row is read when its token is used, and believed for a second.

So a token that another process makes counts at once, and one that is revoked ends within a second. Owns: the
time limit, and the bound of the memory. Must not know: requests, roles.
"""

from __future__ import annotations

from collections import OrderedDict
from functools import partial

import trio

from appliance.access.core import secret_hash
from appliance.access.tokens.store import grant_of_hash
from appliance.http.access import Grant
from appliance.kernel.store import Store

CACHE_S = 1.0
TOKENS_MAX = 4096  # wrong ones too: a flood of them pushes out the oldest, which is then read again


class TokenCache:
    """`look` before `grant`: the first may read the database, the second never does."""

    def __init__(self, db: Store) -> None:
        self._db = db
        self._read: OrderedDict[str, tuple[float, Grant | None]] = OrderedDict()  # by hash: (when, whose)

    async def look(self, token: str) -> None:
        """Read whose token this is, unless that was done in the last second. Raises Unavailable."""
        token_hash, now_s = secret_hash(token), trio.current_time()
        known = self._read.get(token_hash)
        if known is not None and now_s - known[0] < CACHE_S:
            return
        grant = await self._db.read(partial(grant_of_hash, token_hash=token_hash))
        self._read[token_hash] = (now_s, grant)
        self._read.move_to_end(token_hash)
        while len(self._read) > TOKENS_MAX:
            self._read.popitem(last=False)

    def grant(self, token: str) -> Grant | None:
        """What the token's holder may do, as it was read last; None: the token is unknown."""
        return self._read.get(secret_hash(token), (0.0, None))[1]
