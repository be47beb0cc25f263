"""The resources of this folder as data: their models, what they name, who sees and who changes which rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import BaseModel

from appliance.cloud.breakdowns.catalog import model
from appliance.cloud.breakdowns.scope import Where, leagues_of, logger_of
from appliance.kernel.operation import Caller


@dataclass(frozen=True, slots=True)
class Kind:
    """`league`: SQL of the league that a row belongs to; "": the rows are of no league. `is_shared`: a row
    without a league is seen by every league. `references`: fields that name rows, and the table of each.
    `own`: SQL condition of what a logger sees, with a `?` for its id; "": nothing."""

    name: str
    path: str
    table: str
    takes: type[BaseModel]
    patch: type[BaseModel]
    shows: type[model.Shown]
    league: str = "league_id"
    is_shared: bool = False
    filters: Sequence[str] = ()
    references: Mapping[str, str] = field(default_factory=dict)
    own: str = ""

    @property
    def parameter(self) -> str:
        return f"{self.name}_id"


BREAKDOWN_TYPE: Final = Kind(
    "breakdown_type",
    "breakdown-types",
    "breakdown_types",
    model.BreakdownTypeIn,
    model.BreakdownTypePatch,
    model.BreakdownType,
    league="",
    own="1 = 1",
)
RULE: Final = Kind(
    "rule",
    "rules",
    "logging_rules",
    model.RuleIn,
    model.RulePatch,
    model.RuleShown,
    filters=("league_id", "team_id"),
    references={
        "league_id": "leagues",
        "season_id": "seasons",
        "team_id": "teams",
        "breakdown_type_id": "breakdown_types",
    },
)
OFFICE: Final = Kind(
    "office",
    "offices",
    "offices",
    model.OfficeIn,
    model.OfficePatch,
    model.Office,
    is_shared=True,
    filters=("league_id",),
    references={"league_id": "leagues"},
    own="id IN (SELECT office_id FROM loggers WHERE id = ?)",
)
LOGGER: Final = Kind(
    "logger",
    "loggers",
    "loggers",
    model.LoggerIn,
    model.LoggerPatch,
    model.Logger,
    league="(SELECT league_id FROM offices WHERE offices.id = loggers.office_id)",
    is_shared=True,
    filters=("office_id",),
    references={"office_id": "offices", "breakdown_type_ids": "breakdown_types"},
    own="id = ?",
)
KINDS: Final[Mapping[str, Kind]] = {kind.name: kind for kind in (BREAKDOWN_TYPE, RULE, OFFICE, LOGGER)}


def seen(kind: Kind, caller: Caller) -> Where:
    """Conditions on the rows that the caller sees."""
    if (logger_id := logger_of(caller)) is not None:
        return [(kind.own, (logger_id,) * kind.own.count("?"))] if kind.own else [("1 = 0", ())]
    leagues = leagues_of(caller)
    if leagues is None or not kind.league:
        return []
    own = f"{kind.league} IN ({_marks(leagues)})"
    return [(f"({own} OR {kind.league} IS NULL)" if kind.is_shared else own, leagues)]


def owned(kind: Kind, caller: Caller) -> Where:
    """Conditions on the rows that the caller may change: of those that it sees."""
    leagues = leagues_of(caller)
    if leagues is None or not kind.league:
        return []
    return [(f"{kind.league} IN ({_marks(leagues)})", leagues)]


def _marks(values: Sequence[Any]) -> str:
    return ", ".join("?" * len(values)) or "NULL"  # IN (NULL) holds for nothing
