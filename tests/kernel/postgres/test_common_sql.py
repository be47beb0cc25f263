"""SQL is written once: every statement that may run on both databases is in what both understand."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import apsw
import psycopg
import pytest

from appliance.cloud.domains import schemas
from appliance.kernel.migrate import migrate
from appliance.kernel.postgres.migrate import migrate as migrate_postgres
from appliance.kernel.schema import KERNEL_SCHEMA
from tests.kit.common_sql import Nullable, faults_of, orders, statements
from tests.kit.postgres import Server

APPLIANCE = Path(__file__).parents[3] / "appliance"
SHARED = ("follow", "journal", "leases", "operation", "paging", "rows")
OPS = ("measurements", "pruning")


def files() -> list[Path]:
    """The files of kernel and ops whose SQL runs on both, and all of the hosted side."""
    kernel = [APPLIANCE / f"kernel/{name}.py" for name in SHARED]
    ops = [APPLIANCE / f"ops/{name}.py" for name in OPS]
    return [
        *kernel,
        *ops,
        *sorted((APPLIANCE / "access/tokens").glob("*.py")),
        *sorted((APPLIANCE / "cloud").rglob("*.py")),
    ]


def nullable() -> Nullable:
    """Of every table of the hosted side."""
    db = apsw.Connection(":memory:")
    migrate(db, KERNEL_SCHEMA, *schemas())
    columns = 'SELECT name FROM pragma_table_info(?) WHERE "notnull" = 0 AND pk = 0'
    tables = [name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
    return {table: frozenset(name for (name,) in db.execute(columns, (table,))) for table in tables}


def all_statements() -> Iterator[tuple[str, str, bool]]:
    for path in files():
        for line, sql, is_whole in statements(path):
            yield f"{path.relative_to(APPLIANCE)}:{line}", sql, is_whole


def test_no_statement_has_what_the_databases_understand_differently() -> None:
    columns = nullable()
    found = {where: faults for where, sql, _ in all_statements() if (faults := faults_of(sql, columns))}
    found |= {
        f"{path.relative_to(APPLIANCE)}:{line}": faults
        for path in files()
        for line, sql in orders(path)
        if (faults := faults_of(sql, columns))
    }
    assert found == {}
    assert len(list(all_statements())) > 15


@pytest.mark.parametrize(
    ("sql", "fault"),
    [
        ("SELECT a FROM t WHERE is_open AND b = 1", "a bare boolean column"),
        ("SELECT a FROM t WHERE b = 1 AND NOT t.is_open", "a bare boolean column"),
        ("SELECT a FROM t WHERE (b = 1 OR is_open) ORDER BY a", "a bare boolean column"),
        ("SELECT a FROM t WHERE ? IS NULL OR b = ?", "? IS NULL"),
        ("UPDATE t SET a = max(a, ?)", "max or min with two arguments"),
        ("SELECT min(coalesce(a, 0), (b)) FROM t", "max or min with two arguments"),
        ("SELECT a FROM t LIMIT -1", "LIMIT -1"),
        ("SELECT a FROM t WHERE a LIKE ?", "LIKE without lower()"),
        ("SELECT a FROM t WHERE a NOT LIKE 'x%'", "LIKE without lower()"),
        ("SELECT sum(a) FROM t", "sum or avg without CAST"),
        ("SELECT a FROM t WHERE b = '?'", "? inside a literal"),
        ("SELECT json_extract(a, '$.b') FROM t", "a JSON function"),
        ("SELECT a ->> 'b' FROM t", "a JSON function"),
        ("SELECT rowid FROM t", "rowid"),
        ("SELECT strftime('%s', a) FROM t", "a date function"),
        ("INSERT OR REPLACE INTO t VALUES (?)", "INSERT OR"),
        ("SELECT a FROM t WHERE b BETWEEN ? AND ? AND c IS NOT NULL AND NOT EXISTS (SELECT 1)", None),
        ("SELECT max(coalesce(a, 0)), CAST(sum(b) AS INTEGER) FROM t WHERE lower(a) LIKE ?", None),
        ("SELECT CAST(coalesce(sum(b), 0) AS INTEGER) FROM t WHERE is_open = 1 AND a = 'and b'", None),
        ("SELECT a FROM t WHERE (a, b) > (?, ?) ORDER BY a LIMIT ?", None),
        ("UPDATE t SET a = CASE WHEN a < ? THEN ? ELSE a END WHERE deleted_us IS NULL", None),
    ],
)
def test_forbidden_sql_is_found(sql: str, fault: str | None) -> None:
    assert faults_of(sql) == ([] if fault is None else [fault])


SCHEMA: Nullable = {"t": frozenset({"ended_us"}), "u": frozenset({"format"}), "v": frozenset()}


@pytest.mark.parametrize(
    ("sql", "is_found"),
    [
        ("SELECT a FROM t ORDER BY ended_us", True),
        ("SELECT a FROM t ORDER BY a, ended_us DESC LIMIT ?", True),
        ("SELECT x.a FROM v JOIN t AS x ON x.a = v.a ORDER BY x.ended_us, v.a", True),
        ("SELECT a FROM v WHERE a IN (SELECT a FROM t ORDER BY max(a, ended_us) LIMIT 1) ORDER BY a", True),
        ("SELECT a FROM u ORDER BY a, format", True),
        ("SELECT a FROM t ORDER BY ended_us NULLS LAST, a", False),
        ("SELECT a FROM t ORDER BY coalesce(ended_us, 0), a", False),
        ("SELECT a FROM t ORDER BY a LIMIT ?", False),
        ("SELECT v.ended_us FROM v JOIN t ON t.a = v.a ORDER BY v.ended_us", False),
        ("SELECT a FROM v ORDER BY ended_us, format", False),
        ("SELECT a, ended_us FROM t ORDER BY a UNION SELECT a, ended_us FROM t", False),
    ],
)
def test_an_order_that_relies_on_where_null_comes_is_found(sql: str, is_found: bool) -> None:
    faults = [] if not is_found else ["an order that relies on where NULL comes"]
    assert [fault for fault in faults_of(sql, SCHEMA) if "NULL comes" in fault] == faults


@pytest.mark.postgres
def test_every_whole_statement_is_understood_by_both(postgres_server: Server) -> None:
    """With the types of the columns: PostgreSQL also refuses bare columns beside GROUP BY."""
    db = apsw.Connection(":memory:")
    folders = [KERNEL_SCHEMA, *schemas()]
    migrate(db, *folders)
    url = postgres_server.empty_database()
    migrate_postgres(url, *folders)
    refused = []
    with psycopg.connect(url, autocommit=True) as connection:
        for where, sql, is_whole in all_statements():
            if not is_whole or sql.rstrip().endswith(("WHERE", "FROM", "journal")):
                continue
            sql = re.sub(r"(?<!:):[a-z_]+", "?", sql)  # parameters with names
            named = sql
            for number in range(1, sql.count("?") + 1):
                named = named.replace("?", f"${number}", 1)
            try:
                db.execute(f"EXPLAIN {sql}", [None] * sql.count("?"))
                connection.execute(f"PREPARE statement AS {named}")
                connection.execute("DEALLOCATE statement")
            except (apsw.Error, psycopg.Error) as error:
                refused.append(f"{where}: {error}")
    assert refused == []


@pytest.mark.postgres
def test_a_boolean_parameter_for_an_integer_is_refused(postgres_server: Server) -> None:
    """SQLite would store 1: tests on both databases find it."""
    with psycopg.connect(postgres_server.new_database()) as connection:
        connection.execute("CREATE TABLE t (n BIGINT)")
        with pytest.raises(psycopg.errors.DatatypeMismatch):
            connection.execute("INSERT INTO t VALUES (%s)", (True,))
