"""The written matrix against the real application: every route, with a token of each role."""

from __future__ import annotations

import re

from appliance.cloud.domains import access_rows
from appliance.cloud.permissions import ROLES, SCOPES, cloud_matrix
from tests.cloud.conftest import Cloud

UNKNOWN = "019307a0-0000-7000-8000-00000000dead"
_ONE = "/api/v2/data-provider/tournaments/{tournament_id}"
SCHEDULER = "POST /api/v2/data-provider/scheduler"  # without a token it answers as those below
INTERNAL_ONLY = [  # the shared token in its own header: a bearer's role is of no use
    f"POST {_ONE}/matches",
    f"PATCH {_ONE}/matches",
    f"PATCH {_ONE}/matches/{{round}}",
    f"PATCH {_ONE}/standings",
    f"PATCH {_ONE}/knockouts",
    f"POST {_ONE}/import",
]


async def test_every_route_keeps_to_the_matrix(cloud: Cloud) -> None:
    """The body is invalid for every route, and every id unknown: an allowed request gets the route's own
    error and changes nothing. A route without a row keeps the program from starting; here every row has its
    route."""
    matrix = cloud_matrix(access_rows())
    clients = {"": cloud.client}
    for role in ROLES:
        kinds = SCOPES[role].kinds[:1]
        clients[role] = await cloud.holder(role, *(f"{kind}:{UNKNOWN}" for kind in kinds))
    before = cloud.store.journal.head
    for rule, row in sorted(matrix.rows.items()):
        method, path = rule.split()
        url = re.sub(r"\{\w+\}", UNKNOWN, path)
        body = None if method in ("GET", "DELETE") else {"no such field": 1}
        for role, client in clients.items():
            reply = await client.request(method, url, body)
            if rule in INTERNAL_ONLY or (rule == SCHEDULER and not role):
                assert (reply.status, reply.json) == (403, {"error": "Invalid internal service token"}), rule
                continue
            code = reply.json.get("code") if reply.headers["content-type"].endswith("problem+json") else ""
            if row.public or (role and row.allows(role)):
                assert reply.status not in (401, 403, 405) and code != "no_such_path", (rule, role, code)
                assert "{" not in path or reply.status in (404, 422), (rule, role, reply.status)
            else:
                expected = (403, "not_allowed") if role else (401, "not_paired")
                assert (reply.status, code) == expected, (rule, role)
    for rule in INTERNAL_ONLY:
        method, path = rule.split()
        url = re.sub(r"\{\w+\}", UNKNOWN, path)
        reply = await cloud.client.request(
            method, f"{url}?unknown=1", {"no such field": 1}, headers={"x-internal-token": "shared-demo"}
        )
        assert reply.status in (404, 422), rule
    assert cloud.store.journal.head == before


def changing(role: str) -> set[str]:
    rows = cloud_matrix(access_rows()).rows
    return {rule for rule, row in rows.items() if role in row.roles and not rule.startswith("GET ")}


def test_managers_and_loggers_change_what_logging_needs_and_nothing_else() -> None:
    managed = ("rules", "offices", "loggers", "jobs/{job_id}/", "sources/{source_id}/", "uploads")
    for role, tables in (("manager", managed), ("logger", ("jobs/{job_id}/", "queue/next"))):
        starts = tuple(f"/logging/v1/{table}" for table in tables)
        assert [rule for rule in changing(role) if not rule.split()[1].startswith(starts)] == []
    assert changing("manager") & changing("logger") == set()  # who decides on a job does not do it


def test_a_box_changes_what_it_sends_and_nothing_else() -> None:
    assert [rule for rule in changing("box") if not rule.split()[1].startswith("/edge/v1/")] == []


def test_a_client_changes_its_webhooks_and_nothing_else() -> None:
    hooks = ("/logging/v1/subscriptions", "/logging/v1/deliveries")
    assert [rule for rule in changing("client") if not rule.split()[1].startswith(hooks)] == []
