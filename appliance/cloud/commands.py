"""The commands `appliance cloud ...`: arguments and output. The work of each is elsewhere."""

from __future__ import annotations

import os
import sys
import tempfile
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Annotated

import cyclopts
import trio
from cyclopts import Parameter

from appliance.cloud.permissions import Role
from appliance.running import FAILED, OK, USAGE, Daemon, run_until_signal

CLOUD_PATH = Path("/etc/appliance/cloud.toml")
Config = Annotated[Path, Parameter(help="settings file")]

cloud_commands = cyclopts.App(name="cloud", help="The hosted side: for leagues, rather than for one stadium.")


@cloud_commands.command(name="serve")
def cloud_serve(*, config: Config = CLOUD_PATH) -> int:
    """Run the hosted side until SIGTERM or SIGINT; every request needs a token."""
    from appliance.cloud.settings import load_to_serve

    return run_until_signal(load_to_serve(config), None, _service)


@cloud_commands.command(name="demo")
def cloud_demo(
    *,
    port: int = 8090,
    state: Annotated[Path | None, Parameter(help="folder to keep; default a temporary one")] = None,
    empty: Annotated[bool, Parameter(negative="", help="no sample data")] = False,
) -> int:
    """Run the hosted side on this machine alone, with sample data; requests of this machine need no token."""
    from appliance.cloud.demo import begin_demo, demo_settings

    with ExitStack() as stack:
        if state is None:
            state = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="appliance-cloud-")))
        settings = demo_settings(state.absolute(), port)
        ready = begin_demo(say, settings, is_empty=empty)
        return run_until_signal(settings, ready, lambda: partial(_service(), is_open=True))


@cloud_commands.command(name="import")
def cloud_import(
    file: Annotated[Path, Parameter(help="season file of openfootball: JSON or Football.TXT")],
    *,
    tournament: Annotated[str, Parameter(help="its id; made if there is none")],
    rules: Annotated[str, Parameter(help="rule-set, such as england:2")],
    url: Annotated[str, Parameter(help="of the running service")] = "http://127.0.0.1:8090",
    provider: Annotated[str, Parameter(help="whose names the file uses")] = "openfootball",
    name: Annotated[str, Parameter(help="of a new tournament; default: that in the file")] = "",
    season: Annotated[str, Parameter(help="such as 2026-27; default: that in the file")] = "",
    timezone: Annotated[str, Parameter(help="of kick-offs without a zone, such as Europe/Madrid")] = "",
) -> int:
    """Send a season file to the running service and print the table; needs INTERNAL_SERVICE_TOKEN."""
    from appliance.cloud.client.calls import ServiceRefused
    from appliance.cloud.client.season_import import (
        NoSeasonFile,
        SeasonImport,
        import_season,
        read_season_file,
    )

    query = {"provider": provider, "rules": rules, "name": name, "season": season, "timezone": timezone}
    token = os.environ.get("INTERNAL_SERVICE_TOKEN", "")
    if not token:
        return _wrong(
            "INTERNAL_SERVICE_TOKEN is not set; it is that of the service (the demo prints its own)", USAGE
        )
    try:
        body = read_season_file(file)
        sent = SeasonImport(file, tournament, query)
        is_applied = trio.run(import_season, sent, body, url, token, say, _warn)
    except NoSeasonFile as error:
        return _wrong(str(error), USAGE)
    except ServiceRefused as error:
        return _wrong(str(error), FAILED)
    return OK if is_applied else FAILED


@cloud_commands.command(name="token")
def cloud_token(
    *,
    role: Annotated[Role, Parameter(help="what its owner may do")],
    name: Annotated[str, Parameter(help="of its owner")],
    scope: Annotated[
        tuple[str, ...], Parameter(help="league:ID, logger:ID, client:NAME or site:ID", negative="")
    ] = (),
    config: Config = CLOUD_PATH,
) -> int:
    """Print a new token, once; also while the service runs."""
    from appliance.cloud.console import BadToken, make_token
    from appliance.cloud.settings import load_settings

    try:
        token = trio.run(make_token, load_settings(config), role, name, scope)
    except BadToken as error:
        return _wrong(str(error), USAGE)
    say(token)
    return OK


@cloud_commands.command(name="tokens")
def cloud_tokens(
    *,
    revoke: Annotated[str, Parameter(help="id of a token that is to end")] = "",
    config: Config = CLOUD_PATH,
) -> int:
    """List the tokens, or revoke one; a running service refuses it within a second."""
    from appliance.cloud.console import BadToken, list_tokens, revoke_token
    from appliance.cloud.settings import load_settings

    settings = load_settings(config)
    try:
        lines = trio.run(revoke_token, settings, revoke) if revoke else trio.run(list_tokens, settings)
    except BadToken as error:
        return _wrong(str(error), USAGE)
    for line in lines:
        say(line)
    return OK


def say(text: str) -> None:
    print(text, flush=True)


def _warn(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _wrong(text: str, code: int) -> int:
    _warn(f"error: {text}")
    return code


def _service() -> Daemon:
    from appliance.cloud.service import run_cloud  # imported here, so that small commands do not load it

    return run_cloud
