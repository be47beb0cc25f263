"""The two translations between the common SQL and PostgreSQL's: placeholders, and the schema's types.

All SQL of a domain that may run here is written once, in the subset that both databases understand
(README.md says what is not in it). Must not know: connections.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

# A string, a comment, a cast, a named placeholder, or one character.
_STATEMENT: Final = re.compile(r"'(?:[^']|'')*'|--[^\n]*|::|:[a-z_][a-z0-9_]*|[?%]", re.IGNORECASE)
_DEFINITION: Final = re.compile(r"'(?:[^']|'')*'|--[^\n]*|\w+|\s+|[^\w\s]")
_TYPES: Final = {"INTEGER": "BIGINT", "REAL": "DOUBLE PRECISION", "BLOB": "BYTEA", "TEXT": 'TEXT COLLATE "C"'}
_TABLE_OPTION: Final = r"(?:STRICT|WITHOUT\s+ROWID)"
_OPTIONS: Final = re.compile(rf"\)\s*{_TABLE_OPTION}(?:\s*,\s*{_TABLE_OPTION})*\s*;", re.IGNORECASE)
_NOT_A_NAME: Final = {"AS", "AND", "OR", "IN", "IS", "NOT", "CASE", "WHEN", "THEN", "ELSE"}


@lru_cache(maxsize=2048)
def placeholders(sql: str) -> str:
    """`?` and `:name` as psycopg's %s and %(name)s."""

    def translated(match: re.Match[str]) -> str:
        text = match[0]
        if text == "?":
            return "%s"
        if text[0] == ":" and text != "::":
            return f"%({text[1:]})s"
        return text.replace("%", "%%")

    return _STATEMENT.sub(translated, sql)


def schema(sql: str) -> str:
    """A schema file's statements: STRICT, WITHOUT ROWID and AUTOINCREMENT dropped, column types replaced,
    text compared by its bytes as SQLite does."""
    words = [word for word in _DEFINITION.findall(sql) if not word.startswith("--")]
    translated: list[str] = []
    name = ""  # the word before, without spaces and comments
    for word in words:
        bare = word.upper()
        if bare in _TYPES and re.fullmatch(r"\w+", name) and name.upper() not in _NOT_A_NAME:
            translated.append(_TYPES[bare])
        elif bare != "AUTOINCREMENT":
            translated.append(word)
        name = word if word.strip() else name
    return _OPTIONS.sub(");", "".join(translated))
