"""The team's tag template: which buttons an analyst gets, with the team's own words.

Owns: the defaults of each sport where the team set nothing, the model of GET
/tagging. Must not know: screens. A template offers words but forbids none: a tag accepts everything that V24
allows.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from appliance.box.tags.settings import Sport, TaggingSettings, Words


class TagOption(BaseModel):
    """One button."""

    value: int | str
    label: str


class TagGroup(BaseModel):
    """The buttons of one field of a tag."""

    field: str = Field(description="the field of V24")
    label: str
    kind: Literal["choice", "number", "word", "words", "text"] = Field(
        description="choice: one of the options; number: any whole number from low to high; word: one word,"
        " words: several, of the options or others; text: free"
    )
    key: str = Field(description="the key that chooses the group; a digit then chooses its button")
    options: list[TagOption]
    low: int | None = None
    high: int | None = None
    carry: Literal["keep", "downs"] | None = Field(
        default=None,
        description="what the next play begins with: the same value, or what the play made of it",
    )


class TagTemplate(BaseModel):
    """GET /tagging."""

    sport: Sport
    groups: list[TagGroup]


_PLAY_TYPES: dict[Sport, Words] = {
    "football": (
        "Run", "Pass", "Screen", "Play action", "Kickoff", "Kick return", "Punt", "Punt return", "Field goal",
        "Extra point",
    ),
    "basketball": (
        "Half court", "Fast break", "Pick and roll", "Isolation", "Post up", "Off screen", "Cut", "Inbounds",
        "Press",
    ),
    "soccer": (
        "Build-up", "Attack", "Counter", "Press", "Defence", "Corner", "Free kick", "Throw-in", "Goal kick",
        "Penalty",
    ),
}  # fmt: skip
_FORMATIONS: dict[Sport, Words] = {
    "football": ("Shotgun", "Pistol", "Under centre", "I", "Singleback", "Trips", "Empty", "Goal line"),
    "basketball": ("Man", "Zone 2-3", "Zone 3-2", "Zone 1-3-1", "Box and one"),
    "soccer": ("4-3-3", "4-4-2", "4-2-3-1", "3-5-2", "3-4-3", "5-3-2"),
}
_RESULTS: dict[Sport, Words] = {
    "football": (
        "First down", "Touchdown", "Complete", "Incomplete", "Gain", "No gain", "Sack", "Interception",
        "Fumble", "Penalty",
    ),
    "basketball": (
        "2 points", "3 points", "Free throws", "Miss", "Rebound", "Turnover", "Steal", "Block", "Foul",
    ),
    "soccer": (
        "Goal", "Shot on goal", "Shot wide", "Blocked", "Cross", "Won ball", "Lost ball", "Offside", "Foul",
    ),
}  # fmt: skip
_LABELS: dict[Sport, Words] = {
    "football": ("Offence", "Defence", "Special teams", "Blitz", "Motion", "Red zone", "Teach"),
    "basketball": ("Offence", "Defence", "Transition", "Timeout play", "Teach"),
    "soccer": ("Ours", "Theirs", "Set piece", "Transition", "Teach"),
}


def template_of(tagging: TaggingSettings) -> TagTemplate:
    """The template of these settings."""
    sport = tagging.sport
    downs = _downs() if sport == "football" else []
    play_types = TagGroup(
        field="play_type",
        label="Play",
        kind="word",
        key="p",
        options=_buttons(tagging.play_types or _PLAY_TYPES[sport]),
    )
    formations = TagGroup(
        field="formation",
        label="Defence" if sport == "basketball" else "Formation",
        kind="word",
        key="o",
        options=_buttons(tagging.formations or _FORMATIONS[sport]),
        carry="keep" if sport == "soccer" else None,  # a soccer team keeps its formation from play to play
    )
    results = TagGroup(
        field="result",
        label="Result",
        kind="word",
        key="r",
        options=_buttons(tagging.results or _RESULTS[sport]),
    )
    gained = [_gained()] if sport == "football" else []
    return TagTemplate(
        sport=sport,
        groups=[_period(sport), *downs, play_types, formations, results, *gained, *_always(tagging)],
    )


def _buttons(words: Words) -> list[TagOption]:
    return [TagOption(value=word, label=word) for word in dict.fromkeys(words)]


def _numbers(*values: int) -> list[TagOption]:
    return [TagOption(value=value, label=str(value)) for value in values]


def _period(sport: Sport) -> TagGroup:
    """The field is called quarter (V24) in every sport; 5 is any overtime."""
    played = _numbers(1, 2) if sport == "soccer" else _numbers(1, 2, 3, 4)
    return TagGroup(
        field="quarter",
        label="Half" if sport == "soccer" else "Quarter",
        kind="choice",
        key="q",
        options=[*played, TagOption(value=5, label="OT")],
        carry="keep",
    )


def _downs() -> list[TagGroup]:
    return [
        TagGroup(
            field="down", label="Down", kind="choice", key="d", options=_numbers(1, 2, 3, 4), carry="downs"
        ),
        TagGroup(
            field="distance",
            label="Distance",
            kind="number",
            key="i",
            options=_numbers(1, 2, 3, 5, 7, 10),
            low=1,
            high=99,
            carry="downs",
        ),
        TagGroup(
            field="yard_line",
            label="Yard line",
            kind="number",
            key="y",
            options=[
                *(TagOption(value=-line, label=f"Own {line}") for line in (20, 35)),
                TagOption(value=50, label="50"),
                *(TagOption(value=line, label=f"Opp {line}") for line in (35, 20)),
            ],
            low=-50,
            high=50,
            carry="downs",
        ),
    ]


def _gained() -> TagGroup:
    return TagGroup(
        field="yards_gained",
        label="Yards gained",
        kind="number",
        key="g",
        options=_numbers(0, 1, 3, 5, 10, 20),
        low=-99,
        high=109,
    )


def _always(tagging: TaggingSettings) -> list[TagGroup]:
    """The groups that every sport has."""
    return [
        TagGroup(field="players", label="Players", kind="words", key="w", options=_buttons(tagging.players)),
        TagGroup(
            field="labels",
            label="Labels",
            kind="words",
            key="a",
            options=_buttons(tagging.labels or _LABELS[tagging.sport]),
        ),
        TagGroup(field="notes", label="Notes", kind="text", key="h", options=[]),
    ]
