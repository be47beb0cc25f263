"""Who may use the commands of plays and clips."""

from __future__ import annotations

from appliance.box.clips.access import ACCESS

COMMANDS_BY_ROUTE = {
    "DO play_new": "POST /plays",
    "DO play_end": "POST /plays/{play_id}/end",
    "DO play_cue": "POST /plays/{play_id}/cue",
    "DO clip_new": "POST /clips",
    "DO clip_end": "POST /clips/{clip_id}/end",
}


def test_a_command_has_the_roles_of_its_route() -> None:
    assert {rule for rule in ACCESS if rule.startswith("DO ")} == set(COMMANDS_BY_ROUTE)
    for command, route in COMMANDS_BY_ROUTE.items():
        assert ACCESS[command] == ACCESS[route]
