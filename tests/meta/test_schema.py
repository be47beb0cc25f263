"""The schema is documented: every column has a comment where its name first appears."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import apsw

from appliance.box.domains import domains
from appliance.cloud.domains import schemas
from appliance.kernel.migrate import migrate
from appliance.kernel.schema import KERNEL_SCHEMA, schema_folders
from tests.kernel.test_migrate import not_strict

ROOT = Path(__file__).parents[2]
LAST_SHARED = 6
"""Up to it, files of several folders share a number: they were one file, before each domain had its own."""


def files() -> list[Path]:
    """Every schema file of box and cloud, in the order of their numbers."""
    domains()
    paths = [path for folder in (*schema_folders(), *schemas()) for path in folder.glob("*.sql")]
    return sorted(paths, key=lambda path: path.name)


COLUMN = re.compile(r"^    ([a-z_]+) +(TEXT|INTEGER|REAL|BLOB)\b(.*)$")


def columns() -> list[tuple[str, str, bool]]:
    """(file, column, has a comment) in order."""
    results = []
    for path in files():
        for line in path.read_text().splitlines():
            match = COLUMN.match(line)
            if match:
                results.append((path.name, match[1], "--" in match[3]))
    return results


def test_every_column_is_explained_where_its_name_first_appears() -> None:
    """A column name has one meaning: a later column of the same name has the same."""
    explained: set[str] = set()
    silent: list[str] = []
    for file, column, commented in columns():
        if commented:
            explained.add(column)
        elif column not in explained:
            silent.append(f"{file}: {column}")
    assert len(columns()) > 50
    assert silent == []


def test_instants_and_spans_carry_their_unit() -> None:
    times = [
        name for _, name, _ in columns() if re.search(r"(time|start|end|seen|duration|preroll|due)$", name)
    ]
    assert set(times) <= {"client_time"}, "the client's own clock, as text"


def test_every_file_opens_with_who_writes_it() -> None:
    for path in files():
        assert path.read_text().startswith("-- "), path.name


def test_rows_with_a_rev_are_created_above_the_floor_of_a_restore() -> None:
    """`Tx.create` begins their rev; `Tx.insert` would begin at 1 again, also after a restore."""
    tables = set()
    for path in files():
        for name, body in re.findall(r"CREATE TABLE (\w+) \((.*?)^\)", path.read_text(), re.S | re.M):
            tables |= {name} if re.search(r"^    rev ", body, re.M) else set()
    sources = "".join(path.read_text() for path in (ROOT / "appliance").rglob("*.py"))
    inserted = set(re.findall(r'\binsert\(\s*"(\w+)"|\bINSERT [A-Z ]*INTO (\w+)', sources))
    created = set(re.findall(r'\btx\.create\(\s*"(\w+)"', sources))
    assert created and created <= tables
    assert not {name for names in inserted for name in names} & tables


def test_every_file_lies_in_a_folder_that_a_root_names() -> None:
    assert set((ROOT / "appliance").rglob("*.sql")) == set(files())
    assert all(path.parent.name == "schema" for path in files())


def test_numbers_are_given_once_and_without_gaps() -> None:
    """Over both sides: a file of the kernel is applied on both, after what has a lower number."""
    numbers = Counter(int(path.name[:4]) for path in files())
    assert sorted(numbers) == list(range(1, max(numbers) + 1))
    assert [number for number, times in numbers.items() if times > 1 and number > LAST_SHARED] == []


def test_every_table_is_strict() -> None:
    domains()
    for folders in (schema_folders(), [KERNEL_SCHEMA, *schemas()]):
        db = apsw.Connection(":memory:")
        migrate(db, *folders)
        assert not_strict(db) == []
