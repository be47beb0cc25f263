"""Logs: one JSON object per line to stdout, with journald's priority in front when journald reads it.

Owns: the format, for our own messages (structlog) and for libraries' (logging). Must not know which module
logs what. On a terminal lines are formatted for people. Requests are not logged; context (session, clip,
client, trace) is in structlog's context variables.
"""

from __future__ import annotations

import logging
import os
import sys
import traceback
from collections.abc import MutableMapping
from typing import Any, Literal, TextIO

import structlog

from appliance.kernel.clock import to_rfc3339, wall_us

Style = Literal["json", "journal", "human"]

_PRIORITY = {"debug": 7, "info": 6, "warning": 4, "error": 3, "exception": 3, "critical": 2}
# At "info" they log every request's URL, and the URL of a WHEP session is its only secret.
_CHATTY = ("httpx", "httpcore")
_SECRET = ("password", "token", "authorization", "secret", "cookie")

GROUP_DEPTH = 100  # nested exception groups; a daemon has about 20
GROUP_WIDTH = 20  # exceptions shown of one group

Event = MutableMapping[str, Any]


def choose_style(stream: TextIO, journal_stream: str) -> Style:
    """How to write to `stream`; `journal_stream` is $JOURNAL_STREAM ("device:inode" of journald's socket)."""
    try:
        stats = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return "json"
    if journal_stream == f"{stats.st_dev}:{stats.st_ino}":
        return "journal"
    return "human" if stream.isatty() else "json"


def configure_logs(style: Style, stream: TextIO = sys.stdout, level: int = logging.INFO) -> None:
    """Route structlog and logging to `stream`. Call it once, first thing."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        _stamp,
        _hide_secrets,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_writers(style, stream.isatty()),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for library in _CHATTY:
        logging.getLogger(library).setLevel(max(level, logging.WARNING))
    logging.captureWarnings(True)


def toggle_debug() -> int:
    """Switch between the ordinary messages and all of them, in a running program; returns the new level."""
    root = logging.getLogger()
    level = logging.INFO if root.level == logging.DEBUG else logging.DEBUG
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(level))
    root.setLevel(level)
    return level  # libraries in _CHATTY stay as they are: at "debug" they would log secrets


def _writers(style: Style, colours: bool) -> list[Any]:
    if style == "human":
        return [structlog.dev.ConsoleRenderer(colors=colours, exception_formatter=_write_exception)]
    lines = [
        structlog.processors.ExceptionRenderer(_exception_text),
        structlog.processors.JSONRenderer(ensure_ascii=False),
    ]
    return [_take_priority, *lines[:1], _with_priority] if style == "journal" else lines


def _exception_text(exc_info: Any) -> str:
    """The traceback including all nested groups. Python's own stops at ten nested groups, and every layer of
    the daemon is one: the actual error was in the part it left out."""
    kind, error, trace = exc_info
    return "".join(
        traceback.TracebackException(
            kind, error, trace, max_group_width=GROUP_WIDTH, max_group_depth=GROUP_DEPTH
        ).format()
    ).rstrip("\n")


def _write_exception(stream: TextIO, exc_info: Any) -> None:
    stream.write("\n" + _exception_text(exc_info))


def _stamp(logger: Any, method: str, event: Event) -> Event:
    """The wall clock, for comparing with other machines' logs; the journal has box time."""
    event["time"] = to_rfc3339(wall_us())
    return event


def _hide_secrets(logger: Any, method: str, event: Event) -> Event:
    for key in event:
        if any(word in key.lower() for word in _SECRET):
            event[key] = "***"
    return event


def _take_priority(logger: Any, method: str, event: Event) -> Event:
    event["_priority"] = _PRIORITY.get(str(event.get("level")), 6)
    return event


def _with_priority(logger: Any, method: str, event: Event) -> str:
    """sd-daemon(3): "<4>" at a line's start is its priority; journald removes it."""
    priority = event.pop("_priority")
    line = structlog.processors.JSONRenderer(ensure_ascii=False)(logger, method, event)
    return f"<{priority}>{line if isinstance(line, str) else line.decode()}"
