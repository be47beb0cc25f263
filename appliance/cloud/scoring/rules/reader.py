"""Rule-sets from their files: NAME.toml in this folder, for one season.

A file has its settings, then spans of seasons that change some of them, then tiers that change some more:
`england:2` is tier 2 of england.toml. Later spans win. An error names the field and what to write.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import AfterValidator, Field, ValidationError, model_validator

from appliance.cloud.scoring.rules import model
from appliance.cloud.scoring.rules.model import CRITERIA, Again, Criterion, RuleSet, ZoneKind
from appliance.kernel.fields import Section, setting_problem

FOLDER: Final = Path(__file__).parent
_SEASON: Final = re.compile(r"(\d{4})(?:\s*[-/–]\s*(\d{4}|\d{2}))?")


class RulesError(Exception):
    """No such rule-set, or a file that cannot be used: one line each, with the field and its repair."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


def season_year(season: str) -> int:
    """The year in which a season begins: 2014 of 2014-15, 2014/15 and 2014. Raises RulesError."""
    match = _SEASON.fullmatch(season.strip())
    if match is None:
        raise RulesError([f"season: {season!r} is not understood; write 2014-15 or 2014"])
    return int(match[1])


def rule_names() -> list[str]:
    """Every name that `load_rules` takes, with tiers."""
    names: list[str] = []
    for path in sorted(FOLDER.glob("*.toml")):
        names += [path.stem, *(f"{path.stem}:{tier}" for tier in _file(path).tiers)]
    return names


def load_rules(name: str, season: str | None = None) -> RuleSet:
    """The rules of that season; without one, those in force. Raises RulesError."""
    return _rules(name, None if season is None else season_year(season))


@lru_cache(maxsize=512)
def _rules(name: str, year: int | None) -> RuleSet:
    base, _, tier = name.partition(":")
    path = FOLDER / f"{base}.toml"
    if not re.fullmatch(r"[a-z][a-z0-9-]*", base) or not path.is_file():
        raise RulesError([f"rules: no rule-set {name!r}; known: {', '.join(rule_names())}"])
    file = _file(path)
    if tier and tier not in file.tiers:
        raise RulesError([f"rules: {base} has no tier {tier!r}; known: {', '.join(file.tiers) or 'none'}"])
    layers: list[_Layer] = [file, *_of_year(file.seasons, year)]
    if tier:
        layers += [file.tiers[tier], *_of_year(file.tiers[tier].seasons, year)]
    return _merged(name, year, layers)


@lru_cache(maxsize=64)
def _file(path: Path) -> _File:
    return parse_rules(path.read_text(encoding="utf-8"), path.name)


def parse_rules(text: str, name: str) -> _File:
    """A file's settings, checked. `name` begins each line of an error. Raises RulesError."""
    try:
        return _File.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise RulesError([f"{name}: {error}"]) from None
    except ValidationError as error:
        raise RulesError([f"{name}: {setting_problem(each)}" for each in error.errors()]) from None


def _of_year(spans: Iterable[_Span], year: int | None) -> list[_Span]:
    """Spans without an end are those in force."""
    return [span for span in spans if span.holds_in(year)]


def _merged(name: str, year: int | None, layers: list[_Layer]) -> RuleSet:
    values: dict[str, Any] = {}
    for layer in layers:
        for field in _Layer.model_fields:
            if (value := getattr(layer, field)) is not None:
                values[field] = value
    missing = [field for field in ("points", "criteria") if field not in values]
    if missing:
        raise RulesError([f"{name}: {field}: missing for the season {year}" for field in missing])
    best, knockout = values.pop("best_placed", None), values.pop("knockout", None)
    return RuleSet(
        name=name,
        season=year,
        points=model.Points(**values.pop("points").model_dump()),
        criteria=tuple(_criterion(each) for each in values.pop("criteria")),
        zones=tuple(model.Zone(zone.name, zone.kind, *zone.places) for zone in values.pop("zones", ())),
        playoff_at=tuple(values.pop("playoff_at", ())),
        best_placed=best and model.BestPlaced(best.place, best.count, tuple(best.criteria)),
        knockout=model.Knockout(**knockout.model_dump()) if knockout else model.Knockout(),
        **values,
    )


def _criterion(given: str | _HeadToHead) -> Criterion:
    if isinstance(given, str):
        return given
    return model.HeadToHead(
        tuple(given.head_to_head), given.again, given.clubs, given.complete, given.at_zones
    )


# -- the shape of a file ------------------------------------------------------------------------------------


def _known(name: str) -> str:
    if name not in CRITERIA:
        raise ValueError(f"unknown criterion {name!r}; use one of {', '.join(sorted(CRITERIA))}")
    return name


def _span(places: tuple[int, int]) -> tuple[int, int]:
    first, last = places
    if 0 in places or (first > 0) != (last > 0) or first > last:
        raise ValueError("write the first and the last place, [3, 6], or from the bottom, [-3, -1]")
    return places


CriterionName = Annotated[str, AfterValidator(_known)]
Count = Annotated[int, Field(ge=0, le=100)]
Place = Annotated[int, Field(ge=-100, le=100)]
Year = Annotated[int, Field(ge=1850, le=2200)]


class _Points(Section):
    win: Count
    draw: Count
    loss: Count = 0


class _HeadToHead(Section):
    head_to_head: list[CriterionName] = Field(min_length=1)
    again: Again = "never"
    clubs: Count | None = None
    complete: bool = False
    at_zones: bool = False


class _Zone(Section):
    name: str = Field(min_length=1, max_length=60)
    kind: ZoneKind
    places: Annotated[tuple[Place, Place], AfterValidator(_span)]


class _Best(Section):
    place: Count
    count: Count
    criteria: list[CriterionName] = Field(min_length=1)


class _Knockout(Section):
    away_goals: bool


class _Layer(Section):
    points: _Points | None = None
    criteria: list[CriterionName | _HeadToHead] | None = Field(default=None, min_length=1)
    zones: list[_Zone] | None = None
    meetings: Count | None = None
    games: Count | None = None
    playoff_at: list[Count] | None = None
    share: bool | None = None
    across_groups: bool | None = None
    restart: bool | None = None
    best_placed: _Best | None = None
    knockout: _Knockout | None = None


class _Span(_Layer):
    first: Year | None = Field(default=None, alias="from")
    to: Year | None = None

    @model_validator(mode="after")
    def _in_order(self) -> _Span:
        if self.first is None and self.to is None:
            raise ValueError("needs from or to, years in which seasons begin")
        if self.first is not None and self.to is not None and self.first > self.to:
            raise ValueError(f"from {self.first} is after to {self.to}")
        return self

    def holds_in(self, year: int | None) -> bool:
        if year is None:
            return self.to is None
        return (self.first or year) <= year <= (self.to or year)


class _Tier(_Layer):
    seasons: tuple[_Span, ...] = ()


class _File(_Layer):
    title: str
    sport: str
    seasons: tuple[_Span, ...] = ()
    tiers: dict[str, _Tier] = Field(default_factory=dict)
