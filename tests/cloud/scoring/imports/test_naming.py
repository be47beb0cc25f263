"""What names of rounds say: each is one that season files have."""

from __future__ import annotations

import pytest

from appliance.cloud.scoring.imports.naming import group_name, is_round, kebab, round_name


@pytest.mark.parametrize(
    ("text", "stage", "kind", "name", "slug"),
    [
        ("Matchday 1", "League", "league", "Matchday 1", "matchday-1"),
        ("League, Matchday 1", "League", "league", "Matchday 1", "league-matchday-1"),
        ("League phase, Matchday 8", "League phase", "league", "Matchday 8", "league-phase-matchday-8"),
        ("Apertura, Matchday 3", "Apertura", "league", "Matchday 3", "apertura-matchday-3"),
        ("Apertura, Semi-finals", "Apertura", "knockout", "Semi-finals", "apertura-semi-finals"),
        ("Playoffs, Final", "Playoffs", "knockout", "Final", "playoffs-final"),
        ("Playoffs, Matchday 1", "Playoffs", "knockout", "Matchday 1", "playoffs-matchday-1"),
        ("Round of 16", "Knockout", "knockout", "Round of 16", "round-of-16"),
        ("Quarterfinals", "Knockout", "knockout", "Quarterfinals", "quarterfinals"),
        ("Third-place play-off", "Knockout", "knockout", "Third-place play-off", "third-place-play-off"),
        ("Viertelfinale", "Knockout", "knockout", "Viertelfinale", "viertelfinale"),
        ("3rd Round", "Knockout", "knockout", "3rd Round", "3rd-round"),
        ("Round 12", "League", "league", "Round 12", "round-12"),
        ("12. Spieltag", "League", "league", "12. Spieltag", "12-spieltag"),
        ("Jornada 7", "League", "league", "Jornada 7", "jornada-7"),
        (
            "Championship round, Matchday 2",
            "Championship round",
            "league",
            "Matchday 2",
            "championship-round-matchday-2",
        ),
        ("Relegation", "Knockout", "knockout", "Relegation", "relegation"),
        (
            "Relegation group, Matchday 2",
            "Relegation group",
            "league",
            "Matchday 2",
            "relegation-group-matchday-2",
        ),
        ("Group 2 Play-off", "Knockout", "knockout", "Group 2 Play-off", "group-2-play-off"),
    ],
)
def test_stage_and_kind(text: str, stage: str, kind: str, name: str, slug: str) -> None:
    named = round_name(text)
    assert (named.stage, named.kind, named.round, named.slug) == (stage, kind, name, slug)


@pytest.mark.parametrize(
    ("text", "group"),
    [
        ("Group A", "Group A"),
        ("Gruppe G", "Group G"),
        ("Group c", "Group C"),
        ("group 1:", "Group 1"),
        ("GRUPPE h", "Group H"),
        ("Grouped", None),
        ("Group stage", None),
    ],
)
def test_groups_are_one_whatever_the_language_and_case(text: str, group: str | None) -> None:
    """Gruppe G beside Group A, and Group c for Group C: both were seen, and each dropped matches."""
    assert group_name(text) == group
    if group:
        named = round_name(text)
        assert (named.stage, named.kind, named.group, named.round) == ("Group stage", "group", group, "")


def test_a_matchday_of_a_group() -> None:
    for text in ("Matchday 1 / Group B", "Group B, Matchday 1"):
        named = round_name(text)
        assert (named.kind, named.group, named.round, named.slug) == (
            "group",
            "Group B",
            "Matchday 1",
            "matchday-1",
        )
    assert round_name("Matchday 1", group="Gruppe b").group == "Group B"
    assert round_name("Final", group="Group B").kind == "knockout"


@pytest.mark.parametrize(
    ("text", "round_", "leg"),
    [
        ("Semi-finals, 1st leg", "Semi-finals", 1),
        ("Round of 16 - 2nd Leg", "Round of 16", 2),
        ("Quarter-final, Leg 1 of 2", "Quarter-final", 1),
        ("Final - First Leg", "Final", 1),
        ("Semi-finals", "Semi-finals", None),
    ],
)
def test_legs_belong_to_one_round(text: str, round_: str, leg: int | None) -> None:
    named = round_name(text)
    assert (named.round, named.leg, named.kind, named.stage) == (round_, leg, "knockout", "Knockout")


def test_replays_belong_to_their_round() -> None:
    for text in ("Semi-finals, Replay", "Semi-finals replays", "Semi-finals, 2nd Replay"):
        named = round_name(text)
        assert (named.round, named.is_replay, named.leg) == ("Semi-finals", True, None)


def test_a_stage_without_a_round_is_what_the_slug_names() -> None:
    """Play-off rows with a stage and no round were seen."""
    named = round_name("", stage="Playoffs")
    assert (named.stage, named.kind, named.round, named.slug) == ("Playoffs", "knockout", "", "playoffs")
    assert round_name("").kind == "league" and round_name("").slug == "league"
    assert round_name("", group="Group A").slug == "group-stage"


def test_is_round() -> None:
    rounds = ("Group A", "Matchday 3", "Round of 16 - 1st Leg", "Final", "Semi-finals, Replay", "League")
    assert all(is_round(text) for text in rounds)
    assert not any(is_round(text) for text in ("Real Madrid", "Brazil - Croatia", "Referee", "Roundhay"))


def test_kebab() -> None:
    assert kebab("Série A, Rodada 1º!") == "serie-a-rodada-1o"
