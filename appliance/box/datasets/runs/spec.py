"""What is asked of a run: games, formats, split, text and limits. Pure; JSON."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field

from appliance.box.datasets.model import Limits, Mode, Record
from appliance.box.datasets.outputs.entries import FORMATS
from appliance.box.datasets.plays.prompts import DEFAULT_TEMPLATE, Template
from appliance.box.datasets.plays.rows import is_id
from appliance.box.datasets.plays.split import SplitUnit

GAME_LIMIT_S: Final = 3600.0
TOTAL_LIMIT_S: Final = 7200.0
GAMES_AT_ONCE: Final = 6
Format = Literal["seed", "gemini", "webdataset", "hf"]


def _template(text: str) -> str:
    Template(text)
    return text


def _formats(names: tuple[Format, ...]) -> tuple[Format, ...]:
    return tuple(name for name in FORMATS if name in names)


def _ids(names: tuple[str, ...]) -> tuple[str, ...]:
    wrong = next((name for name in names if not is_id(name)), None)
    if wrong is not None:
        raise ValueError(f"{wrong[:80]!r} is no id of a game (letters, digits, - and _; 128 at most)")
    return tuple(dict.fromkeys(names))


class RunSpec(Record):
    """`split_seed`: of the order of plays. `limits`: of a clip. `game_limit_s` and `total_limit_s`: a game,
    and the run, fail after so long; what they have finished stays and is not made again."""

    game_ids: Annotated[tuple[str, ...], AfterValidator(_ids)]
    mode: Mode = "transcode"
    formats: Annotated[tuple[Format, ...], Field(min_length=1), AfterValidator(_formats)] = ("seed",)
    split_seed: Annotated[str, Field(max_length=200)] = "0"
    split_unit: SplitUnit = "play"
    template: Annotated[str, Field(max_length=4000), AfterValidator(_template)] = DEFAULT_TEMPLATE
    limits: Limits = Limits()
    check: bool = True
    retries: Annotated[int, Field(ge=0, le=3)] = 1
    game_limit_s: Annotated[float, Field(gt=0)] = GAME_LIMIT_S
    total_limit_s: Annotated[float, Field(gt=0)] = TOTAL_LIMIT_S
    games_at_once: Annotated[int, Field(ge=1, le=40)] = GAMES_AT_ONCE
