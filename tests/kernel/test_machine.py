"""State tables: complete, with correct lists of allowed events."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import pytest

from appliance.kernel.errors import Refused
from appliance.kernel.machine import ILLEGAL, Cell, Machine


class Door(StrEnum):
    OPEN = "open"
    SHUT = "shut"
    WALLED = "walled"


class Act(StrEnum):
    PUSH = "push"
    PULL = "pull"


TABLE: dict[Door, dict[Act, Door | Cell]] = {
    Door.OPEN: {Act.PUSH: Door.SHUT, Act.PULL: ILLEGAL},
    Door.SHUT: {Act.PUSH: ILLEGAL, Act.PULL: Door.OPEN},
    Door.WALLED: {Act.PUSH: ILLEGAL, Act.PULL: ILLEGAL},
}
DOOR = Machine("door", Door, Act, TABLE)


def test_a_legal_event_leads_to_the_cells_state() -> None:
    assert DOOR.next(Door.OPEN, Act.PUSH) is Door.SHUT


def test_an_illegal_event_names_state_event_and_what_is_allowed() -> None:
    with pytest.raises(Refused) as caught:
        DOOR.next(Door.OPEN, Act.PULL)
    refused = caught.value
    assert (refused.status, refused.code) == (409, "illegal_transition")
    assert refused.extra == {"state": "open", "event": "pull", "allowed": ["push"]}
    assert "door" in refused.detail and "push" in (refused.hint or "")


def test_the_refusal_in_a_final_state_says_that_nothing_is_allowed() -> None:
    with pytest.raises(Refused, match="walled") as caught:
        DOOR.next(Door.WALLED, Act.PUSH)
    assert caught.value.extra["allowed"] == []


def test_a_missing_cell_fails_at_construction() -> None:
    with pytest.raises(ValueError, match=r"shut lacks .*pull"):
        Machine("door", Door, Act, {**TABLE, Door.SHUT: {Act.PUSH: ILLEGAL}})


def test_a_cell_of_no_event_fails_at_construction() -> None:
    row: dict[Any, Door | Cell] = {Act.PUSH: ILLEGAL, Act.PULL: ILLEGAL, "shove": Door.OPEN}
    with pytest.raises(ValueError, match=r"shut has cells of no event: \['shove'\]"):
        Machine("door", Door, Act, {**TABLE, Door.SHUT: row})


def test_the_diagram_draws_every_legal_cell_and_no_other() -> None:
    assert DOOR.diagram().splitlines() == [
        "stateDiagram-v2",
        "    open --> shut: push",
        "    shut --> open: pull",
    ]
