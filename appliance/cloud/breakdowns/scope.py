"""What a token sees of this domain: the leagues of its scope, a logger's own rows, or everything."""

from __future__ import annotations

from typing import Any, Final

from appliance.kernel.operation import Caller

Where = list[tuple[str, tuple[Any, ...]]]
"""SQL conditions with their parameters."""

_LIMITED: Final = frozenset({"league", "manager", "client"})


def leagues_of(caller: Caller) -> tuple[str, ...] | None:
    """The leagues that the caller is limited to; None: no limit."""
    if caller.role not in _LIMITED:
        return None
    return tuple(scope.removeprefix("league:") for scope in caller.scopes if scope.startswith("league:"))


def logger_of(caller: Caller) -> str | None:
    """The logger that the caller is; None: the caller is no logger. "": the token names none."""
    if caller.role != "logger":
        return None
    named = (scope.removeprefix("logger:") for scope in caller.scopes if scope.startswith("logger:"))
    return next(named, "")


def seen_leagues(caller: Caller, column: str = "league_id") -> Where:
    """The condition on a column with a league's id."""
    leagues = leagues_of(caller)
    if leagues is None:
        return []
    return [(f"{column} IN ({', '.join('?' * len(leagues)) or 'NULL'})", leagues)]
