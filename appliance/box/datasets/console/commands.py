"""The commands `appliance dataset ...`: options and exit codes. Their work is in work.py.

Exit codes: 0 every game is complete (some clips may have failed), 1 a game failed or is pending, 2 wrong
options.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

import cyclopts
from cyclopts import Parameter

OK, FAILED, USAGE = 0, 1, 2
BOX_URL = "http://127.0.0.1:8080"

dataset_commands = cyclopts.App(
    name="dataset", help="Training clips: plays are cut out of the videos of games."
)
Games = Annotated[Path, Parameter(help='{"game_ids": [...]}')]
Plays = Annotated[str, Parameter(help="FILE (.csv, .json, .jsonl), postgrest:URL or box")]
Sources = Annotated[str, Parameter(help="root of Games/ID/CAMERA.mp4: DIR, s3://.., gs://.. or box")]
Out = Annotated[str, Parameter(help="root of games/ID/..: DIR, s3://.. or gs://..")]
Url = Annotated[str, Parameter(help="of the box, for its own plays and recordings")]


@dataset_commands.command(name="check")
def dataset_check(*, games: Games, plays: Plays, sources: Sources = "") -> int:
    """Show what is there of each game: plays, videos, and what is missing."""
    from appliance.box.datasets.console import work  # here, as in the others: no other command loads it

    return _guarded(lambda: work.check(games, plays, sources, os.environ, say))


@dataset_commands.command(name="run")
def dataset_run(
    *,
    games: Games,
    plays: Plays,
    sources: Sources = "",
    out: Out = "",
    mode: Annotated[Literal["transcode", "copy"], Parameter(help="copy: without encoding")] = "transcode",
    format: Annotated[str, Parameter(help="seed, gemini, webdataset, hf; several with commas")] = "seed",
    engine: Literal["local", "ray"] = "local",
    address: Annotated[str, Parameter(help="of the Ray cluster")] = "auto",
    split_seed: str = "0",
    split_unit: Annotated[Literal["play", "game"], Parameter(help="game: whole games on one side")] = "play",
    annotate: Annotated[str | None, Parameter(help="template of the text of each play")] = None,
    game_limit: Annotated[float, Parameter(help="seconds for one game")] = 3600,
    total_limit: Annotated[float, Parameter(help="seconds for all")] = 7200,
    delete_game: Annotated[
        tuple[str, ...], Parameter(help="delete it, also in later runs", negative="")
    ] = (),
    delete_player: Annotated[
        tuple[str, ...], Parameter(help="delete the plays, also in later runs", negative="")
    ] = (),
    url: Url = BOX_URL,
) -> int:
    """Cut the plays of games into clips, and list them for training. Run again, it cuts only what is
    missing."""
    from appliance.box.datasets.console import work

    options = work.Options(
        games=games,
        plays=plays,
        sources=sources,
        out=out,
        mode=mode,
        formats=format,
        engine=engine,
        address=address,
        split_seed=split_seed,
        split_unit=split_unit,
        template=annotate,
        game_limit_s=game_limit,
        total_limit_s=total_limit,
        delete_games=delete_game,
        delete_players=delete_player,
        url=url,
    )
    return _guarded(lambda: work.run(options, os.environ, say))


@dataset_commands.command(name="status")
def dataset_status(*, out: Out = "", games: Games | None = None, url: Url = BOX_URL) -> int:
    """Show what became of each game of an output root, or the runs of the box (--out box)."""
    from appliance.box.datasets.console import work

    return _guarded(lambda: work.status(out, games, url, os.environ, say))


def _guarded(call: Callable[[], bool]) -> int:
    """The exit code; reasons that are not errors of ours, in one line each."""
    from pydantic import ValidationError

    from appliance.box.datasets.plays.rows import BadInput
    from appliance.box.datasets.storage.model import ChangedMeanwhile
    from appliance.box.datasets.storage.opened import BadRoot

    try:
        return OK if call() else FAILED
    except (BadInput, BadRoot) as error:
        _complain(str(error))
        return USAGE
    except ValidationError as error:
        for each in error.errors(include_url=False, include_input=False, include_context=False):
            _complain(f"{'.'.join(map(str, each['loc']))}: {each['msg'].removeprefix('Value error, ')}")
        return USAGE
    except (OSError, ChangedMeanwhile) as error:
        _complain(str(error))
        return FAILED


def say(text: str) -> None:
    print(text, end="", flush=True)


def _complain(text: str) -> None:
    print(f"error: {text}", file=sys.stderr, flush=True)
