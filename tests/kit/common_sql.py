"""SQL that SQLite and PostgreSQL both take, but understand differently: found in the text of a statement."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
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


_TABLE: Final = re.compile(
    r"\b(?:FROM|JOIN|UPDATE)\s+([a-z_]\w*)"
    r"(?:\s+(?:AS\s+)?(?!(?:JOIN|LEFT|INNER|CROSS|ON|WHERE|ORDER|GROUP|LIMIT|SET|UNION)\b)([a-z_]\w*))?",
    re.IGNORECASE,
)
_NULLS: Final = re.compile(r"\s*coalesce\b|.*\bNULLS\s+(?:FIRST|LAST)\b", re.IGNORECASE | re.DOTALL)
_ORDER: Final = re.compile(r"\bORDER\s+BY\b", re.IGNORECASE)
_ORDER_ENDS: Final = re.compile(r"\b(?:LIMIT|OFFSET|UNION|ROWS|RANGE|GROUPS|FOR)\b", re.IGNORECASE)
_COLUMN: Final = re.compile(r"(?:\b([a-z_]\w*)\.)?\b([a-z_]\w*)\b(?!\s*[.(])", re.IGNORECASE)
Nullable = Mapping[str, frozenset[str]]
"""Of each table the columns that may be NULL."""


def faults_of(sql: str, nullable: Nullable | None = None) -> list[str]:
    """What is forbidden in the statement; [] when it is common. `nullable`: the schema that it runs on."""
    faults = ["? inside a literal"] if any("?" in literal for literal in _LITERAL.findall(sql)) else []
    bare = re.sub(r"\bBETWEEN\s+\S+\s+AND\s+\S+", "BETWEEN", _LITERAL.sub("''", sql), flags=re.IGNORECASE)
    faults += [name for name, pattern in _PATTERNS.items() if re.search(pattern, bare, re.IGNORECASE)]
    if any("," in _own(arguments) for arguments in _arguments(bare, ("max", "min"))):
        faults.append("max or min with two arguments")
    return faults + (
        ["an order that relies on where NULL comes"] if _relies_on_nulls(bare, nullable or {}) else []
    )


def _relies_on_nulls(sql: str, nullable: Nullable) -> bool:
    """Whether a term of an ORDER BY may be NULL and has neither NULLS FIRST nor NULLS LAST."""
    tables = {(alias or table).lower(): table.lower() for table, alias in _TABLE.findall(sql)}
    tables.update({table: table for table in tables.values()})
    for term in _order_terms(sql):
        if _NULLS.match(term):
            continue
        for alias, column in _COLUMN.findall(term):
            places = [tables[alias.lower()]] if alias.lower() in tables else tables.values()
            if any(column.lower() in nullable.get(place, ()) for place in places):
                return True
    return False


def _order_terms(sql: str) -> Iterator[str]:
    """What stands between the commas of each ORDER BY."""
    for match in _ORDER.finditer(sql):
        depth, terms = 0, [""]
        for character in sql[match.end() :]:
            depth += {"(": 1, ")": -1}.get(character, 0)
            if depth < 0:
                break
            if character == "," and not depth:
                terms.append("")
            else:
                terms[-1] += character
        for term in terms:
            end = _ORDER_ENDS.search(term)
            yield term[: end.start()] if end else term
            if end:
                break


def orders(path: Path) -> Iterator[tuple[int, str]]:
    """(line, the SELECT whose order it is) of each list that kernel/paging.py makes for a Python file."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "list_page":
            given = {word.arg: word.value for word in node.keywords}
            table, key = (getattr(given.get(name), "value", None) for name in ("table", "key"))
            if isinstance(table, str) and isinstance(key, str):
                yield node.lineno, f"SELECT * FROM {table} ORDER BY {key}, id"


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
