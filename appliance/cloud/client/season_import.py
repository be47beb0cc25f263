"""`appliance cloud import`: sends a season file to the running service, which treats it like an update.

Owns: which requests are sent, and the lines that are printed. What the file means is decided by the service.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlencode

import trio

from appliance.cloud.client.calls import ServiceCalls, ServiceRefused, open_calls
from appliance.cloud.client.table_text import table_lines

_POLL_S: Final = 1.0
_GIVE_UP_S: Final = 900.0
_MAX_BYTES: Final = 4 * 1024 * 1024  # what the service takes: a season of a league is 400 kB
_IN_ANSWERS: Final = 500  # defects that an answer has at the most
_RUNNING: Final = "in_progress"

Say = Callable[[str], None]


class NoSeasonFile(ValueError):
    """The file cannot be read, or is none of a season by its size."""


@dataclass(frozen=True, slots=True)
class SeasonImport:
    """`query`: name, season, timezone, provider, rules, as the import door takes them; empty ones are left
    out."""

    file: Path
    tournament: str
    query: Mapping[str, str]

    @property
    def path(self) -> str:
        given = urlencode({name: value for name, value in self.query.items() if value})
        return f"/api/v2/data-provider/tournaments/{quote(self.tournament, safe='')}/import?{given}"


def read_season_file(path: Path) -> bytes:
    """Its bytes. Raises NoSeasonFile."""
    try:
        size = path.stat().st_size
        if size > _MAX_BYTES:
            raise NoSeasonFile(f"{path} has {size} bytes; a season file has at most {_MAX_BYTES}")
        body = path.read_bytes()
    except OSError as error:
        raise NoSeasonFile(f"{path}: {error.strerror or error}") from None
    if not body.strip():
        raise NoSeasonFile(f"{path} is empty")
    return body


async def import_season(season: SeasonImport, body: bytes, url: str, token: str, say: Say, warn: Say) -> bool:
    """Send the file and wait until it is applied. `say` gets progress and the table, `warn` every defect.
    False: the execution has failed. Raises ServiceRefused."""
    async with open_calls() as outbound:
        calls = ServiceCalls(outbound, url, token)
        say(f"Sending {season.file.name} ({len(body):,} bytes) to {url}")
        answer = await calls.request("POST", season.path, body)
        execution = {**answer, **await _finished(calls, answer, say)}
        summary = execution.get("summary") or {}
        defects = await _defects(calls, execution)
        for defect in defects:
            warn(_defect(season.file.name, defect))
        if execution.get("status") != "completed":
            warn(f"error: {_failure(execution)}")
            return False
        say(_counts(summary, len(defects)))
        table = f"/api/v2/tournaments/{quote(season.tournament, safe='')}/standings"
        for line in table_lines((await calls.request("GET", table))["items"]):
            say(line)
    return True


async def _finished(calls: ServiceCalls, answer: Mapping[str, Any], say: Say) -> Mapping[str, Any]:
    """The execution, once it has ended. Raises ServiceRefused."""
    if answer["status"] != _RUNNING:
        return answer
    execution: Mapping[str, Any] = answer
    path = f"/api/v2/data-provider/executions/{quote(str(answer['executionId']), safe='')}"
    began = trio.current_time()
    while execution["status"] == _RUNNING:
        waited = trio.current_time() - began
        if waited > _GIVE_UP_S:
            hint = f"see GET {path}"
            raise ServiceRefused(f"the import has not ended within {_GIVE_UP_S:g} s", hint)
        say(f"Still being applied after {waited:.0f} s")
        await trio.sleep(_POLL_S)
        execution = await calls.request("GET", path)
    return execution


async def _defects(calls: ServiceCalls, execution: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """All of them: an answer has the first ones, the report every one. Raises ServiceRefused."""
    defects: Sequence[Mapping[str, Any]] = (execution.get("summary") or {}).get("defects") or []
    if len(defects) < _IN_ANSWERS:
        return defects
    report = await calls.request("GET", f"/api/v2/data-provider/reports/{execution['executionId']}.json")
    return [defect for each in report["rounds"] for defect in each["defects"]]


def _defect(name: str, defect: Mapping[str, Any]) -> str:
    hint = f" ({defect['hint']})" if defect.get("hint") else ""
    place = f"{name}:{defect['line']}" if defect.get("line") else name
    return f"{place}: {defect['detail']}{hint}"


def _failure(execution: Mapping[str, Any]) -> str:
    return str(execution.get("error") or "the execution has failed")


def _counts(summary: Mapping[str, Any], defects: int) -> str:
    counts: Sequence[str] = [
        f"{summary.get(name, 0)} {words}"
        for name, words in (
            ("matches", "matches"),
            ("created", "new"),
            ("changed", "changed"),
            ("unchanged", "as they were"),
        )
    ]
    return ", ".join([*counts, f"{defects} defect{'' if defects == 1 else 's'}"])
