"""`appliance cloud token`: a row in the database, made beside the running service.

A user who may read the database's address could change its rows too, so this gives no additional rights.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from appliance.access.tokens import store as tokens
from appliance.access.tokens.core import checked_scopes
from appliance.cloud.database import open_database
from appliance.cloud.permissions import SCOPES
from appliance.cloud.settings import CloudSettings
from appliance.http.caller import sanitised


class BadToken(ValueError):
    """The token cannot be made: its name is empty, or the scopes are not permitted to its role."""


async def make_token(settings: CloudSettings, role: str, name: str, scopes: Sequence[str]) -> str:
    """A new token. Only its hash is stored. Raises BadToken, SettingsError; WrongDatabase, StoreBroken."""
    if not (shown := sanitised(name)):
        raise BadToken("the name needs a character that can be printed")
    try:
        checked = checked_scopes(role, scopes, SCOPES)
    except ValueError as error:
        raise BadToken(str(error)) from None
    state_dir = settings.cloud.state_dir
    _become_owner(state_dir)
    token, token_hash = tokens.make_token()
    add = partial(
        tokens.add_token, token_hash=token_hash, role=role, scopes=checked, name=shown, created_by="console"
    )
    async with open_database(settings.database.url, state_dir) as store:
        await store.write(add)
    return token


def _become_owner(state_dir: Path) -> None:
    """Root writes as the owner of the folder: else the service could not open the files made here."""
    if os.geteuid() == 0 and state_dir.is_dir():
        owner = state_dir.stat()
        os.setegid(owner.st_gid)
        os.seteuid(owner.st_uid)
