"""Brings a PostgreSQL database to the newest schema, whatever number of processes start at once.

Owns: the advisory lock under which it is done, and the tables that only this engine needs. A step expands the
schema; what a release no longer uses is removed one release later, so that processes of two releases may run
beside each other: a schema one newer than ours is accepted.
"""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any, Final

import psycopg

from appliance.kernel.batch import StoreBroken
from appliance.kernel.postgres import dialect
from appliance.kernel.postgres.connection import PostgresConnection
from appliance.kernel.schema import WrongDatabase, numbered

OLDEST_SERVER: Final = 150000
LOCK_S: Final = 60  # seconds; systemd gives a start 90 and then tries again
_LOCK: Final = 0x53424F58  # "SBOX"
_HOLDER: Final = """
SELECT activity.application_name, activity.pid, coalesce(host(activity.client_addr), 'this machine')
FROM pg_locks AS held JOIN pg_stat_activity AS activity ON activity.pid = held.pid
WHERE held.locktype = 'advisory' AND held.granted
AND held.classid = 0 AND held.objid = %s AND held.objsubid = 1
AND held.database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""
# schema_version: as in SQLite's user_version. journal_head: the newest seq; each batch locks it. writers:
# the newest batch of each process, to find out whether it was committed; used_us: microseconds.
_OWN: Final = """
CREATE TABLE schema_version (one BIGINT PRIMARY KEY CHECK (one = 1), version BIGINT NOT NULL);
INSERT INTO schema_version VALUES (1, 0);
CREATE TABLE journal_head (one BIGINT PRIMARY KEY CHECK (one = 1), seq BIGINT NOT NULL);
INSERT INTO journal_head VALUES (1, 0);
CREATE TABLE writers (process TEXT COLLATE "C" PRIMARY KEY, batch BIGINT NOT NULL, used_us BIGINT NOT NULL);
"""


def migrate(url: str, *folders: Path) -> None:
    """Forward only. Raises WrongDatabase; StoreBroken while another process migrates, after LOCK_S;
    psycopg.Error when a step fails, which then changes nothing."""
    connection = PostgresConnection(url, is_patient=True)
    try:
        _check_server(connection)
        _lock(connection)
        version = _version(connection)
        steps = numbered(*folders)
        newest = steps[-1][0]
        if version > newest + 1:
            raise WrongDatabase(f"schema version {version} is newer than this release knows ({newest})")
        for number, files in steps:
            if number > version:
                _apply(connection, number, files)
    finally:
        connection.close()


def _lock(connection: PostgresConnection) -> None:
    """Take the lock; it is held until the connection is closed."""
    connection.run(f"SET lock_timeout = '{LOCK_S}s'")
    try:
        connection.run("SELECT pg_advisory_lock(%s)", (_LOCK,))
    except psycopg.errors.LockNotAvailable as error:
        holder = connection.run(_HOLDER, (_LOCK,)).fetchone()
        who = "another process" if holder is None else "{} (server process {}, from {})".format(*holder)
        raise StoreBroken(
            f"the schema is being changed by {who} for over {LOCK_S} s; if that hangs, end it there:"
            f" SELECT pg_terminate_backend({'PID' if holder is None else holder[1]})"
        ) from error
    connection.run("SET lock_timeout = 0")


def _check_server(connection: PostgresConnection) -> None:
    server = connection.raw.info.server_version
    if server < OLDEST_SERVER:
        raise WrongDatabase(f"PostgreSQL {server // 10000} is too old; {OLDEST_SERVER // 10000} is needed")
    encoding = _value(connection, "SHOW server_encoding")
    if encoding != "UTF8":
        raise WrongDatabase(f"the database's encoding is {encoding}; UTF8 is needed")


def _version(connection: PostgresConnection) -> int:
    """The schema's version; 0: nothing was made yet. Raises WrongDatabase for another program's tables."""
    if _value(connection, "SELECT to_regclass('schema_version')::text") is None:
        tables = "SELECT count(*) FROM information_schema.tables WHERE table_schema = current_schema()"
        if _value(connection, tables):
            raise WrongDatabase("this PostgreSQL database belongs to another program")
        return 0
    return int(_value(connection, "SELECT version FROM schema_version"))


def _apply(connection: PostgresConnection, number: int, files: list[Path]) -> None:
    connection.run("BEGIN")
    try:
        if number == 1:
            connection.run(_OWN)
        for path in files:
            connection.run(dialect.schema(path.read_text()))
        if number == 1:
            connection.run("INSERT INTO meta VALUES ('epoch', %s)", (secrets.token_hex(8),))
        connection.run("UPDATE schema_version SET version = %s", (number,))
        connection.run("COMMIT")
    finally:
        connection.rollback()


def _value(connection: PostgresConnection, sql: str) -> Any:
    row = connection.run(sql).fetchone()
    return None if row is None else row[0]
