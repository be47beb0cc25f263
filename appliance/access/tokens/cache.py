"""Tokens of recent requests: the row of a token is read when the token is used, and cached for a second.

So a token that another process makes is valid at once, and one that is revoked ends within a second. Owns:
the time limit and the size of the cache. Must not know: requests, roles.
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
TOKENS_MAX = 4096  # cached tokens, unknown ones included; beyond this the oldest are dropped and read again


class TokenCache:
    """Call `look`, which may read the database, before `grant`, which never does."""

    def __init__(self, db: Store) -> None:
        self._db = db
        self._read: OrderedDict[str, tuple[float, Grant | None]] = OrderedDict()  # hash: (when read, grant)

    async def look(self, token: str) -> None:
        """Read the token's row, unless that was done in the last second. Raises Unavailable."""
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
        """What the token permits, as it was read last; None: the token is unknown."""
        return self._read.get(secret_hash(token), (0.0, None))[1]
