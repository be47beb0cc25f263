"""Placeholders and types: written once for SQLite, run on PostgreSQL."""

from __future__ import annotations

import pytest

from appliance.kernel.postgres import dialect
from appliance.kernel.schema import KERNEL_SCHEMA

LITERALS = "SELECT '?', ':x', 'it''s ?', a % 2 FROM t WHERE b = ?"


@pytest.mark.parametrize(
    ("sql", "translated"),
    [
        ("SELECT a FROM t WHERE b = ? AND c < ?", "SELECT a FROM t WHERE b = %s AND c < %s"),
        ("SELECT :id, :other_id", "SELECT %(id)s, %(other_id)s"),
        (LITERALS, "SELECT '?', ':x', 'it''s ?', a %% 2 FROM t WHERE b = %s"),
        ("SELECT '100 %' WHERE lower(a) LIKE ?", "SELECT '100 %%' WHERE lower(a) LIKE %s"),
        ("SELECT a -- what?\nFROM t WHERE b = ?", "SELECT a -- what?\nFROM t WHERE b = %s"),
        ("SELECT CAST(? AS INTEGER)", "SELECT CAST(%s AS INTEGER)"),
        ("SELECT ?::bigint", "SELECT %s::bigint"),
    ],
)
def test_placeholders(sql: str, translated: str) -> None:
    assert dialect.placeholders(sql) == translated


@pytest.mark.parametrize(
    ("sql", "translated"),
    [
        ("t (id TEXT PRIMARY KEY, n INTEGER) STRICT;", 't (id TEXT COLLATE "C" PRIMARY KEY, n BIGINT);'),
        ("t (a REAL NOT NULL,\n b BLOB\n) STRICT;", "t (a DOUBLE PRECISION NOT NULL,\n b BYTEA\n);"),
        ("t (a BLOB) STRICT, WITHOUT ROWID;", "t (a BYTEA);"),
        ("t (a integer) WITHOUT  ROWID , strict ;", "t (a BIGINT);"),
        ("t (seq INTEGER PRIMARY KEY AUTOINCREMENT);", "t (seq BIGINT PRIMARY KEY );"),
        ("-- STRICT; TEXT\nALTER TABLE t ADD a TEXT;", '\nALTER TABLE t ADD a TEXT COLLATE "C";'),
        ("INDEX i ON t (a) WHERE a <> 'n INTEGER';", "INDEX i ON t (a) WHERE a <> 'n INTEGER';"),
        ("UPDATE t SET a = CAST(b AS TEXT);", "UPDATE t SET a = CAST(b AS TEXT);"),
    ],
)
def test_schema(sql: str, translated: str) -> None:
    assert dialect.schema(sql) == translated


def test_nothing_of_sqlite_is_left_in_the_kernels_schema() -> None:
    for path in KERNEL_SCHEMA.glob("*.sql"):
        translated = dialect.schema(path.read_text())
        words = set(translated.replace(",", " ").split())
        assert not {"STRICT", "ROWID", "AUTOINCREMENT", "INTEGER"} & words, path.name
        assert "--" not in translated
