"""The message to Slack about an execution, as its incoming webhooks take it. Pure.

Texts of others (names, errors) are escaped: they cannot make links or mention people.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

_ERROR_MAX: Final = 1500
_COUNTS: Final = ("operations", "successes", "failures", "matches", "created", "changed", "unchanged")


def message(execution: Mapping[str, Any], tournament: Mapping[str, Any]) -> dict[str, Any]:
    """`execution`: as the API shows it."""
    failed = execution["status"] == "failed"
    has_warning = bool(execution["failures"] or execution["warnings"])
    sign = ":x:" if failed else ":warning:" if has_warning else ":white_check_mark:"
    words = "failed" if failed else "completed, with failures" if has_warning else "completed"
    name = escaped(str(tournament.get("name") or execution["tournament_id"]))
    title = f"{sign} {name}: {execution['operation']} {words}"
    blocks = [_section(f"*{title}*"), _section(_facts(execution, tournament))]
    if execution["error"]:
        error = escaped(execution["error"])[:_ERROR_MAX]
        blocks.append(_section(f"*Error* in {execution['stage'] or 'the run'}: {error}"))
    if execution["warnings"]:
        blocks.append(_section("\n".join(f"• {escaped(each)[:300]}" for each in execution["warnings"][:5])))
    if execution["report"]:
        links = " · ".join(f"<{url}|{kind}>" for kind, url in execution["report"].items())
        blocks.append(_section(f"Report: {links}"))
    return {"text": title, "blocks": blocks}


def _facts(execution: Mapping[str, Any], tournament: Mapping[str, Any]) -> str:
    summary = execution["summary"] or {}
    lines = [f"Season {escaped(tournament['season'])}"] if tournament.get("season") else []
    lines.append(f"Round {escaped(execution['round'])}" if execution["round"] else "All rounds")
    counts = [f"{name} {summary[name]}" for name in _COUNTS if name in summary]
    for part, noun in (("table", "rows of the table"), ("bracket", "places in the bracket")):
        if part in summary:
            counts.append(f"{summary[part]['changed']} {noun} changed")
    if counts:
        lines.append(", ".join(counts))
    lines.append(f"{execution['duration_ms']} ms, execution `{execution['id']}`")
    return "\n".join(lines)


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text[:3000]}}


def escaped(text: str) -> str:
    """Slack's own three signs, and those of its markup."""
    plain = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return "".join(each if each not in "*_~`" else f"\u200b{each}" for each in plain)
