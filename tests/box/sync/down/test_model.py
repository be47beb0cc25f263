"""Answers of a cloud that lies, is newer, or speaks for another site."""

from __future__ import annotations

from typing import Any

import pytest

from appliance.box.sync.down.model import RESOURCE_MAX, BadAnswer, read_answer
from appliance.kernel import json
from tests.box.sync.down.cloud import SITE, TEAMS, answer, change, event, team

ROSTER = {"id": TEAMS[0], "team_id": TEAMS[0], "athletes": []}


def test_a_good_answer_is_stored_as_it_was_sent() -> None:
    sent = event(1, a_field_of_a_newer_cloud=[1])
    page = read_answer(answer("7", change(5, "event", sent), change(6, "roster", ROSTER), more=True), SITE)
    assert json.decode((page.changes[0].resource or "").encode()) == sent
    assert (page.cursor, page.more, page.next, page.changes[1].refused) == ("7", True, None, "")


def test_kinds_and_states_of_a_newer_cloud_are_no_fault() -> None:
    newer = answer(
        "7", change(5, "halo", {"id": "x"}), change(6, "event", event(1, status="suspended")), new=1
    )
    page = read_answer(newer, SITE)
    assert [(each.kind, each.refused) for each in page.changes] == [("event", "")]


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"site_id": SITE},
        answer(""),
        answer("7", {"seq": 1}),
        answer("7", change(-1, "team", team())),
        answer("7", change(2**63, "team", team())),
        answer("7", change(1, "Team; DROP", team())),
        {**answer("7"), "changes": {}},
        {**answer("7"), "changes": [change(1, "event", event(1))] * 2001},
    ],
)
def test_what_is_no_answer_is_refused_whole(value: dict[str, Any]) -> None:
    with pytest.raises(BadAnswer, match="cannot be read: "):
        read_answer(value, SITE)


def test_what_is_of_another_site_is_refused_whole() -> None:
    with pytest.raises(BadAnswer, match="for site 'south'"):
        read_answer({**answer("7"), "site_id": "south"}, SITE)
    with pytest.raises(BadAnswer, match="of site 'south'"):
        read_answer(
            answer("7", change(1, "team", team()), change(2, "event", event(1, site_id="south"))), SITE
        )


@pytest.mark.parametrize(
    ("kind", "resource", "why"),
    [
        ("event", event(1, home=None), "home"),
        ("event", event(1, kickoff="tomorrow"), "kickoff"),
        ("event", {**event(1), "id": "1"}, "id"),
        ("team", {**team(), "name": 7}, "name"),
        ("team", {**team(1), "id": TEAMS[0].upper()}, "id: is another"),
        ("team", {**team(), "name": "x" * 5000}, "name"),
        ("roster", {**ROSTER, "athletes": [{}]}, "athletes.0.id"),
        ("team", {**team(), "more": ["x" * 3000] * (RESOURCE_MAX // 3000 + 1)}, "longer than"),
    ],
)
def test_a_resource_that_cannot_be_read_is_refused_alone(kind: str, resource: Any, why: str) -> None:
    row_id = str(resource["id"]).lower()
    page = read_answer(answer("7", change(1, kind, resource, row_id), change(2, "team", team())), SITE)
    assert page.changes[0].resource is None and page.changes[0].refused.startswith(why)
    assert page.changes[1].refused == ""
