"""The report of an execution: JSON for programs, the same as Markdown for people. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from appliance.cloud.scoring.executions.record import Record, RoundRecord
from appliance.cloud.scoring.records.tables import RowChange
from appliance.kernel import json

_MARKS = str.maketrans({sign: f"\\{sign}" for sign in "\\`*_[]<>|#"})


def report_of(record: Record, about: Mapping[str, Any]) -> dict[str, Any]:
    """`about`: the execution: id, operation, round, status, times, error. `content_hash`: of what was found
    and changed, without times: equal for runs that did the same."""
    rounds = [_round(each) for each in record.rounds]
    table = record.table
    bracket = record.bracket
    found = {
        "rounds": rounds,
        "table": None
        if table is None
        else {
            "rows": table.rows,
            "unresolved": [_name(record, team) for team in table.unresolved],
            "changes": [_row_change(record, each) for each in table.changes],
        },
        "bracket": None
        if bracket is None
        else {
            "ties": bracket.ties,
            "decided": bracket.decided,
            "changes": [_named(record, str(each), (each.was, each.now)) for each in bracket.changes],
            "notes": [each.detail for each in bracket.notes],
        },
    }
    untimed = {**found, "rounds": [{k: v for k, v in each.items() if k != "took_ms"} for each in rounds]}
    return {
        "execution": dict(about),
        "tournament": record.tournament,
        "operations": len(record.rounds),
        "successes": len(record.rounds) - record.failures,
        "failures": record.failures,
        **found,
        "stages_ms": {stage: took_us // 1000 for stage, took_us in record.took_us.items()},
        "warnings": list(record.warnings),
        "content_hash": hashlib.sha256(json.encode(untimed)).hexdigest(),
    }


def _round(given: RoundRecord) -> dict[str, Any]:
    applied = given.applied
    counts = ("matches", "created", "changed", "unchanged")
    return {
        "round": given.round,
        "status": "success" if given.error is None else "failure",
        "error": given.error,
        "provider": given.provider or None,
        "address": given.address or None,
        "raw": given.raw_key,
        "fallbacks": [{"provider": name, "error": error} for name, error in given.fallbacks],
        **{name: getattr(applied, name) if applied is not None else 0 for name in counts},
        "moved": list(applied.moved_ids) if applied is not None else [],
        "by_round": dict(applied.by_round) if applied is not None else {},
        "defects": [
            {"line": each.line, "code": each.code, "detail": each.detail, "hint": each.hint}
            for each in (applied.defects if applied is not None else ())
        ],
        "took_ms": given.took_us // 1000,
    }


def _row_change(record: Record, change: RowChange) -> dict[str, Any]:
    return {
        "stage": change.stage,
        "group": change.group,
        "team_id": change.team_id,
        "team": _name(record, change.team_id),
        "before": dict(change.before),
        "after": dict(change.after),
    }


def _name(record: Record, team_id: str) -> str:
    return record.names.get(team_id, team_id)


def _named(record: Record, text: str, team_ids: tuple[str | None, ...]) -> str:
    for team_id in team_ids:
        if team_id is not None:
            text = text.replace(team_id, _name(record, team_id))
    return text


def markdown(report: Mapping[str, Any]) -> str:
    """The report for people."""
    about, tournament = report["execution"], report["tournament"]
    title = _text(tournament.get("name") or about["tournament_id"])
    lines = [
        f"# {title}: {about['operation']} {'failed' if about['status'] == 'failed' else 'completed'}",
        "",
        f"- Execution: `{about['id']}`",
        f"- Round: {_text(about['round'] or 'all')}",
        f"- Started: {about['started_at']}, {about['duration_ms']} ms",
        f"- Operations: {report['operations']}, successes: {report['successes']},"
        f" failures: {report['failures']}",
    ]
    if about.get("error"):
        lines.append(f"- Error in {about['stage']}: {_text(about['error'])}")
    lines += [f"- Warning: {_text(each)}" for each in report["warnings"]]
    for part in (_rounds_text(report), _table_text(report["table"]), _bracket_text(report["bracket"])):
        lines += part
    return "\n".join([*lines, "", f"Content: `{report['content_hash']}`", ""])


def _rounds_text(report: Mapping[str, Any]) -> list[str]:
    rounds = report["rounds"]
    if not rounds:
        return []
    head = ["", "## Rounds", "", "| round | provider | matches | created | changed | unchanged | result |"]
    lines = [*head, "|---|---|---:|---:|---:|---:|---|"]
    for each in rounds:
        result = _text(each["error"]) if each["error"] else "success"
        counts = " | ".join(str(each[name]) for name in ("matches", "created", "changed", "unchanged"))
        lines.append(f"| {_text(each['round'] or 'all')} | {each['provider'] or ''} | {counts} | {result} |")
    for each in rounds:
        for skipped in each["fallbacks"]:
            lines.append(f"- {_text(each['round'])}: {skipped['provider']} failed: {_text(skipped['error'])}")
        if each["moved"]:
            lines.append(f"- {_text(each['round'] or 'all')}: matches moved: {len(each['moved'])}")
    defects = [(each["round"], defect) for each in rounds for defect in each["defects"]]
    if defects:
        lines += ["", "## Defects", ""]
    for name, defect in defects:
        hint = f" ({_text(defect['hint'])})" if defect["hint"] else ""
        lines.append(f"- {_text(name or 'all')}, line {defect['line']}: {_text(defect['detail'])}{hint}")
    return lines


def _table_text(table: Mapping[str, Any] | None) -> list[str]:
    if table is None:
        return []
    lines = ["", "## Table", "", f"{table['rows']} rows, {len(table['changes'])} changed."]
    if table["changes"]:
        lines += ["", "| team | field | before | after |", "|---|---|---:|---:|"]
    for change in table["changes"]:
        for name in {**change["before"], **change["after"]}:
            before, after = (_cell(change[side].get(name)) for side in ("before", "after"))
            lines.append(f"| {_text(change['team'])} | {name} | {before} | {after} |")
    if table["unresolved"]:
        lines += ["", f"Level after every criterion: {_text(', '.join(table['unresolved']))}."]
    return lines


def _bracket_text(bracket: Mapping[str, Any] | None) -> list[str]:
    if bracket is None:
        return []
    lines = ["", "## Bracket", "", f"{bracket['decided']} of {bracket['ties']} ties are decided."]
    changes = [f"- {_text(each)}" for each in [*bracket["changes"], *bracket["notes"]]]
    return [*lines, "", *changes] if changes else lines


def _cell(value: Any) -> str:
    return "" if value is None else _text(str(value))


def _text(text: str) -> str:
    """A text of a provider in Markdown: on one line, without a meaning of its own."""
    return " ".join(str(text).split()).translate(_MARKS)
