"""Rows of commits may arrive in any order: the registry keeps the newest state of a device."""

from __future__ import annotations

from typing import Any

from appliance.access.core import secret_hash
from appliance.access.registry import Registry
from appliance.access.revocations import Revocations


def row(role: str, rev: int) -> dict[str, Any]:
    return {
        "id": "d",
        "name": "iPad",
        "role": role,
        "token_hash": secret_hash("t"),
        "seen_us": None,
        "channel_id": None,
        "rev": rev,
    }


async def test_a_late_result_does_not_restore_a_revoked_device() -> None:
    registry = Registry()
    registry.put(row("admin", 1))
    registry.revoke("d")
    registry.put(row("admin", 2))
    assert registry.by_token("t") is None and registry.by_id("d") is None


async def test_an_older_row_does_not_undo_a_newer_one() -> None:
    registry = Registry()
    registry.put(row("admin", 1))
    registry.put(row("coach", 3))
    registry.put(row("admin", 2))
    known = registry.by_token("t")
    assert known is not None and known.grant.role == "coach"
    registry.put(row("analyst", 4))
    assert known.grant.role == "analyst"


async def test_a_revocation_and_a_newer_role_stay_in_the_file_of_changes() -> None:
    revocations = Revocations(None)
    before = {"id": "d", "role": "admin", "revoked_us": None, "updated_us": 0}
    revocations.note("d", "coach", 5)
    revocations.note("d", "admin", 4)
    assert revocations.corrected(before)["role"] == "coach"
    revocations.note("d", None, 6)
    revocations.note("d", "admin", 7)
    assert revocations.corrected(before)["revoked_us"] == 6
