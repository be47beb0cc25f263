"""Transactions on tokens. Only this file writes `tokens`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from appliance.access.core import new_token, secret_hash
from appliance.http.access import Grant
from appliance.kernel.clock import optional_rfc3339, to_rfc3339
from appliance.kernel.errors import not_found
from appliance.kernel.ids import new_uuid
from appliance.kernel.paging import Page, list_page
from appliance.kernel.tx import ReadTx, Row, Tx

_READ = "SELECT id, name, role, scopes FROM tokens WHERE token_hash = ? AND revoked_us IS NULL"


def make_token() -> tuple[str, str]:
    """(the token, its hash): made before the transaction, which may run twice."""
    token = new_token()
    return token, secret_hash(token)


def add_token(
    tx: Tx, *, token_hash: str, role: str, scopes: Sequence[str], name: str, created_by: str
) -> str:
    """A new token; its id."""
    token_id = new_uuid()
    tx.insert(
        "tokens",
        {
            "id": token_id,
            "name": name,
            "role": role,
            "scopes": " ".join(scopes),
            "token_hash": token_hash,
            "created_us": tx.now_us,
            "created_by": created_by,
        },
    )
    return token_id


def revoke_token(tx: Tx, token_id: str) -> dict[str, Any]:
    """Revoke a token; one that is revoked already stays as it is. Raises Refused 404."""
    if (row := tx.one("SELECT * FROM tokens WHERE id = ?", (token_id,))) is None:
        raise not_found("token", token_id)
    if row["revoked_us"] is None:
        tx.run("UPDATE tokens SET revoked_us = ? WHERE id = ?", (tx.now_us, token_id))
        row = {**row, "revoked_us": tx.now_us}
    return _resource(row)


def list_tokens(tx: ReadTx, query: Page) -> dict[str, Any]:
    """A page of all tokens, oldest first."""
    return list_page(
        tx,
        query,
        table="tokens",
        key="created_us",
        where=[],
        resource=lambda _, row: _resource(row),
        gone="NULL",
    )


def all_tokens(tx: ReadTx) -> list[dict[str, Any]]:
    """Every token, oldest first."""
    return [_resource(row) for row in tx.all("SELECT * FROM tokens ORDER BY created_us, id")]


def _resource(row: Row) -> dict[str, Any]:
    return {
        **{name: row[name] for name in ("id", "name", "role", "created_by")},
        "scopes": row["scopes"].split(),
        "created_at": to_rfc3339(row["created_us"]),
        "revoked_at": optional_rfc3339(row["revoked_us"]),
    }


def grant_of_hash(tx: ReadTx, token_hash: str) -> Grant | None:
    """What the token with this hash permits; None: it is unknown or was revoked."""
    row = tx.one(_READ, (token_hash,))
    return None if row is None else Grant(row["id"], row["name"], row["role"], tuple(row["scopes"].split()))
