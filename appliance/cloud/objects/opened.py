"""The object store that [objects] names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from appliance.cloud.objects.folder import FolderObjects
from appliance.cloud.objects.model import Objects
from appliance.cloud.objects.settings import ObjectsSettings

KEYS = {"AWS_ACCESS_KEY_ID": "access_key_id", "AWS_SECRET_ACCESS_KEY": "secret_access_key"}
TOKEN = "AWS_SESSION_TOKEN"


def contradictions(settings: ObjectsSettings, environment: Mapping[str, str]) -> list[str]:
    """The settings and variables that are missing to open the store: one line each, beginning with the
    name."""
    if not settings.url.startswith("s3:"):
        return []
    return [
        f"{name}: is not in the environment; objects.url needs it"
        for name in KEYS
        if not environment.get(name)
    ]


def open_objects(settings: ObjectsSettings, state_dir: Path, environment: Mapping[str, str]) -> Objects:
    """Blocks. Raises OSError for a folder that cannot be made, ValueError when a key is missing."""
    scheme, _, rest = settings.url.partition(":")
    if scheme == "file":
        folder = FolderObjects(state_dir / rest.removeprefix("//"))
        folder.open()
        return folder
    if missing := contradictions(settings, environment):
        raise ValueError("; ".join(missing))
    from appliance.cloud.objects.s3 import S3Objects  # here: only a service on S3 needs obstore

    credentials = {option: environment[name] for name, option in KEYS.items()}
    if environment.get(TOKEN):
        credentials["session_token"] = environment[TOKEN]
    bucket, _, prefix = rest.strip("/").partition("/")
    return S3Objects(bucket, prefix, credentials, endpoint=settings.endpoint, region=settings.region)
