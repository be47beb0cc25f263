"""`appliance cloud token` and `tokens`: rows in the database, made and revoked beside the running service.

A user who may read the database's address could change its rows too, so this gives no additional rights.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from appliance.access.tokens import store as tokens
from appliance.access.tokens.core import checked_scopes
from appliance.cloud.database import open_database
from appliance.cloud.permissions import SCOPES
from appliance.cloud.settings import CloudSettings
from appliance.http.caller import sanitised
from appliance.kernel.errors import Refused
from appliance.kernel.store import Store


class BadToken(ValueError):
    """The token cannot be made: its name is empty, or the scopes are not permitted to its role. Or it cannot
    be revoked: there is none with this id."""


async def make_token(settings: CloudSettings, role: str, name: str, scopes: Sequence[str]) -> str:
    """A new token. Only its hash is stored. Raises BadToken, SettingsError; WrongDatabase, StoreBroken."""
    if not (shown := sanitised(name)):
        raise BadToken("the name needs a character that can be printed")
    try:
        checked = checked_scopes(role, scopes, SCOPES)
    except ValueError as error:
        raise BadToken(str(error)) from None
    token, token_hash = tokens.make_token()
    add = partial(
        tokens.add_token, token_hash=token_hash, role=role, scopes=checked, name=shown, created_by="console"
    )
    async with _database(settings) as store:
        await store.write(add)
    return token


async def list_tokens(settings: CloudSettings) -> list[str]:
    """A line for each token, oldest first. Raises SettingsError; WrongDatabase, StoreBroken."""
    async with _database(settings) as store:
        return [_line(token) for token in await store.read(tokens.all_tokens)] or ["there are no tokens"]


async def revoke_token(settings: CloudSettings, token_id: str) -> list[str]:
    """The line of the token that is revoked now. Raises BadToken: there is none with this id; SettingsError,
    WrongDatabase, StoreBroken."""
    token: Mapping[str, Any] | None = None
    async with _database(settings) as store:
        with suppress(Refused):
            token = await store.write(partial(tokens.revoke_token, token_id=token_id))
    if token is None:
        raise BadToken(f"no token with id {token_id}")
    return [_line(token)]


def _line(token: Mapping[str, Any]) -> str:
    state = f"revoked {token['revoked_at']}" if token["revoked_at"] else f"made {token['created_at']}"
    return "  ".join([token["id"], token["role"], token["name"], *token["scopes"], state])


@asynccontextmanager
async def _database(settings: CloudSettings) -> AsyncIterator[Store]:
    state_dir = settings.cloud.state_dir
    _become_owner(state_dir)
    async with open_database(settings.database.url, state_dir) as store:
        yield store


def _become_owner(state_dir: Path) -> None:
    """Root writes as the owner of the folder: else the service could not open the files made here."""
    if os.geteuid() == 0 and state_dir.is_dir():
        owner = state_dir.stat()
        os.setegid(owner.st_gid)
        os.seteuid(owner.st_uid)
