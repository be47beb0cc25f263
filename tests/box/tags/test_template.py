"""The team's template: its own words where given, the sport's otherwise; every button is valid."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import ValidationError
from trio.testing import MockClock

from appliance.box.tags.http import tag_routes
from appliance.box.tags.model import FIELDS, TagIn
from appliance.box.tags.settings import Sport, TaggingSettings
from appliance.box.tags.template import TagGroup, template_of
from appliance.kernel.ids import new_uuid
from tests.box.tags.game import new_game
from tests.kit.box import sim_store

SPORTS = get_args(Sport)


def groups_of(**fields: Any) -> dict[str, TagGroup]:
    return {group.field: group for group in template_of(TaggingSettings.model_validate(fields)).groups}


@pytest.mark.parametrize("sport", SPORTS)
def test_every_button_of_every_sport_makes_a_valid_tag(sport: Sport) -> None:
    groups = groups_of(sport=sport, players=["7"])
    assert set(groups) <= set(FIELDS)
    for group in groups.values():
        for option in group.options:
            value = [option.value] if group.kind == "words" else option.value
            TagIn.model_validate({"clip_id": new_uuid(), group.field: value})
    keys = [group.key for group in groups.values()]
    # those keys are marks on every screen
    assert len(set(keys)) == len(keys) and not set(keys) & set("nceb?u")


def test_bounds_are_those_of_a_tag() -> None:
    for group in groups_of().values():
        for bound, inside in ((group.low, 1), (group.high, -1)):
            if bound is not None:
                TagIn.model_validate({"clip_id": new_uuid(), group.field: bound})
                with pytest.raises(ValidationError):
                    TagIn.model_validate({"clip_id": new_uuid(), group.field: bound - inside})


def test_the_teams_words_take_the_place_of_the_sports() -> None:
    groups = groups_of(play_types=["Jet", "Jet", "Boot"], players=["88"])
    assert [option.label for option in groups["play_type"].options] == ["Jet", "Boot"]
    assert [option.value for option in groups["players"].options] == ["88"]
    assert groups["result"].options == groups_of()["result"].options


def test_only_football_has_downs() -> None:
    assert "down" in groups_of()
    for sport in ("basketball", "soccer"):
        assert not {"down", "distance", "yard_line", "yards_gained"} & set(groups_of(sport=sport))
    assert [option.label for option in groups_of(sport="soccer")["quarter"].options] == ["1", "2", "OT"]


async def test_the_box_serves_it(tmp_path: Path, autojump_clock: MockClock) -> None:
    async with sim_store(tmp_path) as store:
        game = await new_game(store)
        answer = await game.call("GET", "/tagging")
    assert answer.resource == template_of(TaggingSettings()).model_dump()
    assert answer.resource["groups"][0]["field"] == "quarter"
    [route] = [each for each in tag_routes(TaggingSettings()).routes if each.path == "/tagging"]
    assert route.returns is not None
