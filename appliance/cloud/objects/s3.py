"""Objects in a bucket of S3, by obstore, which only this file imports.

Owns: explicit credentials (obstore would otherwise request some from a cloud's metadata address), time
limits, and the meaning of obstore's errors. obstore's asynchronous calls need asyncio, so its blocking
calls are used, in threads. The endpoint is set by the operator, not by a client: it does not go through
[net].
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from datetime import timedelta
from functools import partial
from typing import Any, Final, TypeVar

import obstore
import trio
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import S3Store

from appliance.cloud.objects.model import (
    PART_MAX,
    NoObject,
    checked_data,
    checked_key,
    checked_range,
    unavailable,
)
from appliance.kernel.threads import in_thread

T = TypeVar("T")
_LIMITS: Final = {"timeout": "30s", "connect_timeout": "5s"}
_PIECES_MAX: Final = 9000  # of one object in the bucket: S3 takes 10,000
_RETRIES: Final = {"max_retries": 3, "retry_timeout": timedelta(seconds=30)}


class _Stream:
    """An asynchronous iterator as obstore reads it: from a thread of trio's, while it sends. An error of the
    iterator ends the upload: obstore deletes what it has sent, and raises it."""

    def __init__(self, parts: AsyncIterator[bytes]) -> None:
        self._parts = parts

    def __iter__(self) -> _Stream:
        return self

    def __next__(self) -> bytes:
        data = trio.from_thread.run(self._next)
        if data is None:
            raise StopIteration
        return checked_data(data)

    async def _next(self) -> bytes | None:
        return await anext(self._parts, None)


class S3Objects:
    """`credentials`: access_key_id, secret_access_key, and session_token if there is one. `endpoint`: the
    address of a store that is not Amazon's, as "https://minio.example"."""

    def __init__(
        self,
        bucket: str,
        prefix: str,
        credentials: Mapping[str, str],
        *,
        endpoint: str = "",
        region: str = "",
        retries: Mapping[str, Any] = _RETRIES,
    ) -> None:
        options: dict[str, Any] = {  # Any: obstore's types of them exist for type checkers only
            **credentials,
            "region": region or "us-east-1",
            "client_options": {**_LIMITS, "allow_http": endpoint.startswith("http://")},
            "retry_config": dict(retries),
        }
        if endpoint:
            options["endpoint"] = endpoint
        self._store: Any = S3Store(
            bucket,
            prefix=prefix or None,
            **options,
        )
        self._threads = trio.CapacityLimiter(16)

    async def create(self, key: str, data: bytes) -> bool:
        checked_key(key), checked_data(data)

        def put() -> bool:
            try:
                obstore.put(self._store, key, data, mode="create", use_multipart=False)
            except AlreadyExistsError:
                return False
            return True

        return await self._blocking(put)

    async def create_long(self, key: str, parts: AsyncIterator[bytes], length: int) -> bool:
        checked_key(key)
        try:
            await self.size(key)
        except NoObject:
            pass
        else:
            return False
        size = max(PART_MAX, length // _PIECES_MAX + 1)
        put = partial(obstore.put, self._store, key, _Stream(parts), use_multipart=True, max_concurrency=2)
        await self._blocking(partial(put, chunk_size=size))
        return True

    async def size(self, key: str) -> int:
        checked_key(key)
        return await self._blocking(lambda: int(obstore.head(self._store, key)["size"]))

    async def read(self, key: str, start: int = 0, end: int | None = None) -> bytes:
        checked_key(key)
        start, length = checked_range(start, end)

        def get() -> bytes:
            # a range past the end is an error of S3
            last = min(start + length, int(obstore.head(self._store, key)["size"]))
            if last <= start:
                return b""
            return bytes(obstore.get_range(self._store, key, start=start, end=last))

        return await self._blocking(get)

    async def delete(self, key: str) -> None:
        checked_key(key)
        try:
            await self._blocking(lambda: obstore.delete(self._store, key))
        except NoObject:
            pass

    async def _blocking(self, call: Callable[[], T]) -> T:
        try:
            return await in_thread(call, limiter=self._threads)
        except FileNotFoundError as error:
            raise NoObject(str(error).partition(":")[0]) from None
        except (BaseError, OSError) as error:
            # the rest is the library's own debug text, over many lines
            raise unavailable(str(error).partition("\n")[0][:300]) from error
