"""Log events have one style: a snake_case event as a constant, its facts as named fields."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LEVELS = {"debug", "info", "warning", "error", "critical", "exception"}
EVENT = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")


def log_calls(tree: ast.Module) -> Iterator[ast.Call]:
    """Calls of a level of `log`, `_log` or `self.log`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in LEVELS:
            logger = node.func.value
            name = logger.attr if isinstance(logger, ast.Attribute) else getattr(logger, "id", "")
            if name.strip("_") in {"log", "logger"}:
                yield node


def faults_of(source: str) -> list[str]:
    faults = []
    for call in log_calls(ast.parse(source)):
        event = call.args[0].value if call.args and isinstance(call.args[0], ast.Constant) else None
        if len(call.args) != 1 or not isinstance(event, str) or not EVENT.fullmatch(event):
            faults.append(f"line {call.lineno}: {ast.unparse(call)}")
    return faults


def test_every_log_event_is_snake_case_with_fields() -> None:
    faults = {
        str(path.relative_to(ROOT)): lines
        for path in sorted((ROOT / "appliance").rglob("*.py"))
        if (lines := faults_of(path.read_text()))
    }
    assert faults == {}


@pytest.mark.parametrize(
    ("line", "is_fault"),
    [
        ("log.info('clip_cut', seconds=1)", False),
        ("self.log.warning('disk_full')", False),
        ("log.info('Clip cut')", True),
        ("log.info(f'clip {name} cut')", True),
        ("_log.error('clip_cut', name)", True),
        ("log.info(event='clip_cut')", True),
        ("math.log(2)", False),
    ],
)
def test_a_sentence_or_a_value_without_a_name_is_a_fault(line: str, is_fault: bool) -> None:
    assert bool(faults_of(line)) == is_fault
