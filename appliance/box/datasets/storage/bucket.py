"""A root in a bucket of S3 or Google's storage, by obstore, which of the box only this file imports.

Owns: explicit credentials (obstore would otherwise request some from a cloud's metadata address), time
limits, and the meaning of obstore's errors. Loaded only where a bucket is named.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError
from obstore.store import GCSStore, S3Store

from appliance.box.datasets.storage.model import READ_MAX, ChangedMeanwhile, Expected, Stored

_LIMITS: Final = {"timeout": "600s", "connect_timeout": "10s"}
_RETRIES: Final = {"max_retries": 5, "retry_timeout": timedelta(seconds=180)}
_CHUNK: Final = 8 * 2**20


class BucketStorage:
    """`options`: the store's own (credentials, region, endpoint)."""

    def __init__(self, uri: str, options: Mapping[str, str], retries: Mapping[str, Any] = _RETRIES) -> None:
        scheme, _, rest = uri.partition("://")
        bucket, _, prefix = rest.strip("/").partition("/")
        self.uri = f"{scheme}://{rest.strip('/')}"
        self.work: Path | None = None
        is_plain = options.get("endpoint", "").startswith("http://")
        more: dict[str, Any] = {  # Any: obstore's types of them exist for type checkers only
            **options,
            "client_options": {**_LIMITS, "allow_http": is_plain},
            "retry_config": dict(retries),
        }
        kind: Any = S3Store if scheme == "s3" else GCSStore
        self._store: Any = kind(bucket, prefix=prefix or None, **more)

    def find(self, key: str) -> Stored | None:
        try:
            with _errors(key):
                return _stored(key, obstore.head(self._store, key))
        except FileNotFoundError:
            return None

    def read(self, key: str) -> bytes:
        with _errors(key):
            result = obstore.get(self._store, key)
            if result.meta["size"] > READ_MAX:
                raise OSError(errno.EFBIG, "too large to be read at once", key)
            return bytes(result.bytes())

    def put(self, key: str, data: bytes, expected: Expected | str = Expected.ANY) -> Stored:
        mode: Any = "overwrite"
        if expected is Expected.NOTHING:
            mode = "create"
        elif isinstance(expected, str):
            e_tag, _, version = expected.partition("\n")
            mode = {name: text for name, text in (("e_tag", e_tag), ("version", version)) if text}
        with _errors(key):
            done = obstore.put(self._store, key, data, mode=mode, use_multipart=False)
        return Stored(key, len(data), _version(done))

    def put_file(self, key: str, path: Path) -> Stored:
        size = path.stat().st_size
        with _errors(key):
            done = obstore.put(self._store, key, path, chunk_size=_CHUNK, max_concurrency=4)
        path.unlink()
        return Stored(key, size, _version(done))

    def place(self, key: str) -> Path | None:
        return None

    def fetch(self, key: str, target: Path) -> int:
        with _errors(key), target.open("wb") as file:
            for part in obstore.get(self._store, key).stream(min_chunk_size=_CHUNK):
                file.write(part)
        return target.stat().st_size

    def copy(self, key: str, target: str) -> None:
        with _errors(key):
            obstore.copy(self._store, key, target)

    def keys(self, prefix: str) -> Iterator[Stored]:
        with _errors(prefix):
            for page in obstore.list(self._store, prefix=prefix):
                for meta in page:
                    yield _stored(str(meta["path"]), meta)

    def delete(self, key: str) -> None:
        try:
            with _errors(key):
                obstore.delete(self._store, key)
        except FileNotFoundError:
            pass


def _stored(key: str, meta: Any) -> Stored:
    return Stored(key, int(meta["size"]), _version(meta))


def _version(meta: Any) -> str:
    return f"{meta.get('e_tag') or ''}\n{meta.get('version') or ''}"


@contextmanager
def _errors(key: str) -> Iterator[None]:
    """The errors of the interface in place of obstore's."""
    try:
        yield
    except (AlreadyExistsError, PreconditionError):
        raise ChangedMeanwhile(key) from None
    except FileNotFoundError:
        raise FileNotFoundError(errno.ENOENT, "there is no such object", key) from None
    except BaseError as error:
        # the rest is the library's own debug text, over many lines
        reason = str(error).partition("\n")[0][:300]
        raise OSError(errno.EIO, f"the bucket cannot be used: {reason}", key) from error
