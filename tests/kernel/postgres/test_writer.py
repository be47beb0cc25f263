"""A batch's transaction on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from appliance.kernel.batch import LostTransaction
from appliance.kernel.journal import Entry, Journal
from appliance.kernel.postgres.connection import PostgresConnection
from appliance.kernel.postgres.writer import EARLIER_MAX, PostgresWriter
from appliance.kernel.store import Store
from tests.kit.postgres import Server

pytestmark = pytest.mark.postgres


@pytest.fixture
def connection(postgres_server: Server) -> Iterator[PostgresConnection]:
    connection = PostgresConnection(postgres_server.new_database())
    yield connection
    connection.close()


@pytest.fixture
def journal() -> Journal:
    return Journal(Store.read)  # type: ignore[arg-type]  # never called


def value(connection: PostgresConnection, sql: str) -> object:
    row = connection.run(sql).fetchone()
    return None if row is None else row[0]


def commit(connection: PostgresConnection, journal: Journal, number: int, count: int) -> PostgresWriter:
    writer = PostgresWriter(connection, journal, "process", number)
    writer.begin()
    tx = writer.start()
    for _ in range(count):
        tx.append("a", "a:1", {})
    writer.keep()
    writer.commit()
    return writer


def test_a_batch_leaves_its_number_entries_and_head(connection: PostgresConnection, journal: Journal) -> None:
    commit(connection, journal, 7, 3)
    assert value(connection, "SELECT seq FROM journal_head") == 3
    assert value(connection, "SELECT batch FROM writers WHERE process = 'process'") == 7
    assert value(connection, "SELECT string_agg(seq::text, ',' ORDER BY seq) FROM journal") == "1,2,3"
    commit(connection, journal, 8, 0)
    assert value(connection, "SELECT seq FROM journal_head") == 3
    assert value(connection, "SELECT batch FROM writers") == 8


def test_text_arrives_as_it_was(connection: PostgresConnection, journal: Journal) -> None:
    """Entries are sent as text of a statement, with COMMIT in one exchange."""
    text = "o'clock \\' \\; DROP TABLE journal; -- %s ? :a $1 \u00e9 \U0001f3a5 \n\t"
    writer = PostgresWriter(connection, journal, "process", 1)
    writer.begin()
    tx = writer.start()
    tx.append("a", text, {"text": text}, session_id=text)
    tx.append("a", "a:1", {})
    writer.keep()
    writer.commit()
    rows = connection.run(
        "SELECT subject, session_id, body::json ->> 'text' FROM journal ORDER BY seq"
    ).fetchall()
    assert rows == [(text, text, text), ("a:1", None, None)]


def test_a_batch_reads_the_entries_committed_before_it(
    connection: PostgresConnection, journal: Journal
) -> None:
    commit(connection, journal, 1, 2)
    writer = commit(connection, journal, 2, 1)
    assert [entry.seq for entry in writer.earlier] == [1, 2]
    journal.publish([*writer.earlier, Entry(3, 1, "a", "a:1", None, b"{}")])
    assert commit(connection, journal, 3, 1).earlier == ()
    commit(connection, journal, 4, EARLIER_MAX)
    assert commit(connection, journal, 5, 1).earlier == (), "too many: left to the tailer"


def test_a_commit_that_is_answered_by_rollback_raises(
    connection: PostgresConnection, journal: Journal
) -> None:
    writer = PostgresWriter(connection, journal, "process", 1)
    writer.begin()
    writer.start()
    with pytest.raises(psycopg.Error):
        connection.run("SELECT 1 / 0")
    assert writer.can_undo() and not writer.is_sound()
    with pytest.raises(LostTransaction):
        writer.commit()
    writer.rollback()
    assert value(connection, "SELECT count(*) FROM writers") == 0


def test_the_head_is_locked_by_one_batch_at_a_time(
    connection: PostgresConnection, journal: Journal, postgres_server: Server
) -> None:
    connection.run("SET idle_in_transaction_session_timeout = 0")
    writer = PostgresWriter(connection, journal, "process", 1)
    writer.begin()
    database = str(value(connection, "SELECT current_database()"))
    other = PostgresConnection(postgres_server.url(database))
    try:
        other.run("SET lock_timeout = '10ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            PostgresWriter(other, journal, "other", 1).begin()
        other.rollback()
        writer.rollback()
        PostgresWriter(other, journal, "other", 1).begin()
    finally:
        other.close()


def test_text_is_compared_by_its_bytes_and_numbers_are_of_64_bits(connection: PostgresConnection) -> None:
    connection.run('CREATE TABLE t (name TEXT COLLATE "C", n BIGINT)')
    for name, number in (("b", 1), ("B", 2**62), ("ä", 3)):
        connection.execute("INSERT INTO t VALUES (?, ?)", (name, number))
    assert [name for (name,) in connection.execute("SELECT name FROM t ORDER BY name")] == ["B", "b", "ä"]
    assert list(connection.execute("SELECT n FROM t WHERE name = :name", {"name": "B"})) == [(2**62,)]
    assert connection.execute("UPDATE t SET n = 0").get_description() == [] and connection.changes() == 3
    assert list(connection.execute("UPDATE t SET n = 0")) == []
