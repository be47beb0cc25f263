"""The schema's version: numbered SQL files, applied once each, in order of their numbers.

Each domain has its files in a folder of its own; the root of the process names the folders (`use_schemas`).
Numbers are given over all folders together. A domain that was removed leaves a gap. Files of one number, in
several folders, are one step: one transaction, in the order of the folders.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path


class WrongDatabase(Exception):
    """The file belongs to another program, or was written by a newer release."""


def numbered(*folders: Path) -> list[tuple[int, list[Path]]]:
    """(number, files) in order. Raises WrongDatabase: a folder uses a number twice, or has no first file."""
    steps: dict[int, list[Path]] = {}
    for folder in folders:
        files = [
            (int(match[1]), path)
            for path in sorted(folder.glob("*.sql"))
            if (match := re.match(r"(\d{4})_", path.name))
        ]
        if len(dict(files)) != len(files):
            raise WrongDatabase(f"two schema files in {folder} are numbered alike")
        for number, path in files:
            steps.setdefault(number, []).append(path)
    if 1 not in steps:
        raise WrongDatabase(f"no schema file in {', '.join(map(str, folders))} is numbered 0001")
    return sorted(steps.items())


KERNEL_SCHEMA = Path(__file__).parent
_folders = [KERNEL_SCHEMA]


def use_schemas(*folders: Path) -> None:
    """The domains' folders of schema files, after the kernel's own: called once, by the root of the
    process."""
    _folders[:] = [KERNEL_SCHEMA, *folders]
    newest_schema.cache_clear()


def schema_folders() -> list[Path]:
    """The kernel's folder of schema files, and the domains' in the order in which they depend on each
    other."""
    return list(_folders)


@cache
def newest_schema() -> int:
    """The schema version of an open database."""
    return numbered(*_folders)[-1][0]
