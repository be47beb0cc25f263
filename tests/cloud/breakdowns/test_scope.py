"""What a token sees, and the audit as it sees it."""

from __future__ import annotations

from functools import partial

import pytest

from appliance.cloud.breakdowns.audit import AuditQuery, list_audit, record
from appliance.cloud.breakdowns.http import audit_routes
from appliance.cloud.breakdowns.scope import leagues_of, logger_of, seen_leagues
from appliance.kernel.operation import Caller
from appliance.kernel.store import Store
from appliance.kernel.tx import Tx


@pytest.mark.parametrize(
    ("role", "scopes", "leagues", "logger"),
    [
        ("admin", (), None, None),
        ("internal", (), None, None),
        ("manager", ("league:a", "league:b"), ("a", "b"), None),
        ("client", ("client:press", "league:a"), ("a",), None),
        ("manager", (), (), None),
        ("logger", ("logger:x",), None, "x"),
        ("logger", (), None, ""),
    ],
)
def test_the_scope_of_a_token(
    role: str, scopes: tuple[str, ...], leagues: tuple[str, ...] | None, logger: str | None
) -> None:
    caller = Caller(role=role, scopes=scopes)
    assert (leagues_of(caller), logger_of(caller)) == (leagues, logger)


def test_a_token_without_leagues_sees_none() -> None:
    assert seen_leagues(Caller(role="manager")) == [("league_id IN (NULL)", ())]


async def test_the_audit_is_of_the_leagues_of_the_token(any_store: Store) -> None:
    def write(tx: Tx) -> None:
        for league in ("a", "b", None):
            record(tx, "rule:1", "updated", "Ana", "late", league_id=league, details={"rank": 2})

    await any_store.write(write)
    manager = Caller(role="manager", scopes=("league:a",))
    for caller, count in ((manager, 1), (Caller(role="admin"), 3)):
        page = await any_store.read(partial(list_audit, caller=caller, query=AuditQuery(subject="rule:1")))
        assert len(page["items"]) == count
    entry = page["items"][0]
    shown = {name: entry[name] for name in ("subject", "action", "by", "reason", "details")}
    assert shown == {
        "subject": "rule:1",
        "action": "updated",
        "by": "Ana",
        "reason": "late",
        "details": {"rank": 2},
    }


def test_the_audit_is_read_only() -> None:
    assert [route.rule for route in audit_routes().routes] == ["GET /logging/v1/audit"]
