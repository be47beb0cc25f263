"""SQL that SQLite and PostgreSQL both take, but understand differently: found in the text of a statement."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_LITERAL: Final = re.compile(r"'(?:[^']|'')*'")
_VERB: Final = re.compile(r"\s*(SELECT|INSERT|UPDATE|DELETE|WITH)\b(?!\s+/)")  # "DELETE /path" is a route
_END: Final = r"(?=\s*(?:$|\)|AND\b|OR\b|ORDER\b|GROUP\b|LIMIT\b|THEN\b))"
_PATTERNS: Final = {
    "a bare boolean column": rf"\b(?:WHERE|AND|OR|NOT)\s+(?!NOT\b|NULL\b|EXISTS\b)[a-z_][\w.]*{_END}",
    "? IS NULL": r"\?\s+IS\s+(?:NOT\s+)?NULL\b",
    "LIMIT -1": r"\bLIMIT\s*-",
    "LIKE without lower()": r"(?<!\))\s+(?:NOT\s+)?LIKE\b",
    "sum or avg without CAST": r"(?<!CAST\()(?<!CAST\(coalesce\()\b(?:sum|avg)\s*\(",
    "a JSON function": r"\bjson\w*\s*\(|->",
    "rowid": r"\browid\b",
    "a date function": r"\b(?:date|time|datetime|julianday|strftime|unixepoch)\s*\(",
    "INSERT OR": r"\bINSERT\s+OR\b",
}


def faults_of(sql: str) -> list[str]:
    """What is forbidden in the statement; [] when it is common."""
    faults = ["? inside a literal"] if any("?" in literal for literal in _LITERAL.findall(sql)) else []
    bare = re.sub(r"\bBETWEEN\s+\S+\s+AND\s+\S+", "BETWEEN", _LITERAL.sub("''", sql), flags=re.IGNORECASE)
    faults += [name for name, pattern in _PATTERNS.items() if re.search(pattern, bare, re.IGNORECASE)]
    if any("," in _own(arguments) for arguments in _arguments(bare, ("max", "min"))):
        faults.append("max or min with two arguments")
    return faults


def _arguments(sql: str, functions: tuple[str, ...]) -> Iterator[str]:
    """What stands in the parentheses of each call."""
    for match in re.finditer(rf"\b(?:{'|'.join(functions)})\s*\(", sql, re.IGNORECASE):
        depth, at = 1, match.end()
        while depth and at < len(sql):
            depth += {"(": 1, ")": -1}.get(sql[at], 0)
            at += 1
        yield sql[match.end() : at - 1]


def _own(arguments: str) -> str:
    """Without what stands in parentheses inside."""
    while (shorter := re.sub(r"\([^()]*\)", "", arguments)) != arguments:
        arguments = shorter
    return arguments


def statements(path: Path) -> Iterator[tuple[int, str, bool]]:
    """(line, text, whether it is whole) of each SQL statement in a Python file; the parts that an f-string
    fills in are left out."""
    tree = ast.parse(path.read_text())
    inside = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        text, is_whole = "", True
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inside:
            text = node.value
        elif isinstance(node, ast.JoinedStr):
            parts = [part.value if isinstance(part, ast.Constant) else "(x)" for part in node.values]
            text, is_whole = "".join(map(str, parts)), False
        if _VERB.match(text) and " " in text.strip():
            yield getattr(node, "lineno", 0), text, is_whole
