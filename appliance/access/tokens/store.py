"""Transactions on tokens. Only this file writes `tokens`."""

from __future__ import annotations

from collections.abc import Sequence

from appliance.access.core import new_token, secret_hash
from appliance.http.access import Grant
from appliance.kernel.ids import new_uuid
from appliance.kernel.tx import ReadTx, Tx

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


def revoke_token(tx: Tx, token_id: str) -> bool:
    """Revoke a token; False when it was revoked already or is unknown."""
    sql = "UPDATE tokens SET revoked_us = ? WHERE id = ? AND revoked_us IS NULL"
    return tx.run(sql, (tx.now_us, token_id)) > 0


def grant_of_hash(tx: ReadTx, token_hash: str) -> Grant | None:
    """What the token with this hash permits; None: it is unknown or was revoked."""
    row = tx.one(_READ, (token_hash,))
    return None if row is None else Grant(row["id"], row["name"], row["role"], tuple(row["scopes"].split()))
