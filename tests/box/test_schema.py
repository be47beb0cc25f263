"""A box's database of every earlier release becomes what a new one is."""

from __future__ import annotations

import re
from pathlib import Path

import apsw
import pytest

from appliance.kernel.migrate import migrate
from appliance.kernel.schema import newest_schema, schema_folders

RELEASES = sorted((Path(__file__).parents[1] / "data/schema").glob("*.sql"))
BOOKKEEPING = ("user_version", "application_id")


def schema_of(db: apsw.Connection) -> set[tuple[str, str, str]]:
    """(type, name, statement without comments) of everything in it: the words of comments have changed."""
    rows = db.execute("SELECT type, name, coalesce(sql, '') FROM sqlite_schema")
    return {(kind, name, "".join(re.sub("--.*", "", sql).split())) for kind, name, sql in rows}


def migrated(text: str = "") -> apsw.Connection:
    db = apsw.Connection(":memory:")
    db.execute(text)
    migrate(db, *schema_folders())
    return db


@pytest.mark.parametrize("release", RELEASES, ids=lambda path: path.stem)
def test_a_database_of_an_earlier_release_becomes_as_a_new_one(release: Path) -> None:
    old, new = migrated(release.read_text()), migrated()
    assert schema_of(old) == schema_of(new)
    assert [old.pragma(name) for name in BOOKKEEPING] == [new.pragma(name) for name in BOOKKEEPING]
    assert old.pragma("user_version") == newest_schema()


def test_rows_of_an_earlier_release_stay_and_get_the_new_columns() -> None:
    (release,) = [path for path in RELEASES if path.stem == "first_release"]
    text = (
        release.read_text()
        + """
        INSERT INTO meta VALUES ('epoch', 'first');
        INSERT INTO journal (ts_us, type, subject, body) VALUES (5, 'channel_status', 'channel:cam1', '{}');
        INSERT INTO channels (id, name, in_config, status, latency_ms, liveness, last_seen_us, created_us,
            updated_us) VALUES ('cam1', 'Cam', 0, 'active', 0, 'heartbeat', 7, 1, 9);
        INSERT INTO idempotency VALUES ('tablet', 'key', 'made then', 200, '{}', 1);
    """
    )
    db = migrated(text)
    assert db.execute("SELECT heartbeat_us, switched_us FROM channels").get == (7, 9)
    assert db.execute("SELECT value FROM meta").get == "first"
    assert db.execute("SELECT fingerprint FROM idempotency").get == ""


@pytest.mark.parametrize("gone", ["tags", "retention"])
def test_without_a_domain_a_new_database_has_none_of_its_tables(gone: str) -> None:
    folders = [folder for folder in schema_folders() if folder.parent.name != gone]
    db = apsw.Connection(":memory:")
    migrate(db, *folders)
    whole = {name for _, name, _ in schema_of(migrated())}
    absent = whole - {name for _, name, _ in schema_of(db)}
    own = {"tags": {"tags"}, "retention": {"pins", "condemned", "plan_pins"}}
    assert own[gone] <= absent and not own["retention" if gone == "tags" else "tags"] & absent
    for name, sql in db.execute("SELECT name, sql FROM sqlite_schema WHERE type IN ('view', 'trigger')"):
        assert gone not in str(sql), name
    list(db.execute("SELECT * FROM forgotten_clips"))
