"""The root that an address names: a folder, s3://bucket/prefix or gs://bucket/prefix.

Credentials are those of the environment that is given, and no others: without them an address of a bucket is
refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from appliance.box.datasets.storage.folder import FolderStorage
from appliance.box.datasets.storage.model import Storage

S3_KEYS: Final = {"AWS_ACCESS_KEY_ID": "access_key_id", "AWS_SECRET_ACCESS_KEY": "secret_access_key"}
S3_MORE: Final = {
    "AWS_SESSION_TOKEN": "session_token",
    "AWS_REGION": "region",
    "AWS_ENDPOINT_URL": "endpoint",
}
GS_KEYS: Final = {
    "GOOGLE_SERVICE_ACCOUNT_KEY": "service_account_key",  # the JSON itself
    "GOOGLE_SERVICE_ACCOUNT": "service_account_path",
}


class BadRoot(OSError):
    """An address that names no root, or whose credentials are missing."""


def open_storage(address: str, environment: Mapping[str, str]) -> Storage:
    """Connects to nothing. Raises BadRoot."""
    scheme, separator, rest = address.partition("://")
    if not separator:
        if not address:
            raise BadRoot("the address of the root is empty")
        return FolderStorage(Path(address))
    if scheme == "file":
        return FolderStorage(Path("/" + rest.lstrip("/")))
    if scheme not in ("s3", "gs"):
        raise BadRoot(f"{address}: a root is a folder, s3://bucket/prefix or gs://bucket/prefix")
    if not rest.strip("/"):
        raise BadRoot(f"{address}: the bucket is missing")
    options = _s3(address, environment) if scheme == "s3" else _gs(address, environment)
    from appliance.box.datasets.storage.bucket import BucketStorage  # here: only a bucket needs obstore

    return BucketStorage(address, options)


def _s3(address: str, environment: Mapping[str, str]) -> dict[str, str]:
    missing = [name for name in S3_KEYS if not environment.get(name)]
    if missing:
        raise BadRoot(f"{address} needs {' and '.join(missing)} in the environment")
    options = {
        option: environment[name] for name, option in {**S3_KEYS, **S3_MORE}.items() if environment.get(name)
    }
    return {"region": "us-east-1", **options}


def _gs(address: str, environment: Mapping[str, str]) -> dict[str, str]:
    options = {option: environment[name] for name, option in GS_KEYS.items() if environment.get(name)}
    if not options:
        raise BadRoot(f"{address} needs {' or '.join(GS_KEYS)} in the environment")
    return options
