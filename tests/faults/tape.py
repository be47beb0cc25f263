"""A lossy disk: an apsw VFS that records SQLite's writes, and the disk as a power cut leaves it.

Model: synced data survives. Every write, truncation and deletion since the file's last sync survives, is torn
in sectors of 512 bytes, or is lost, independently. SQLite syncs the directory with the first sync of a log it
has created (os_unix.c, UNIXFILE_DIRSYNC), which makes earlier deletions durable. The data is also written to
the real file, so the store under test runs normally.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Literal
from uuid import uuid4

import apsw

SECTOR = 512
Survive = Literal["dropped", "kept", "torn"]


@dataclass(frozen=True)
class Op:
    """One operation. `note`: something that became public, `at` is then its number."""

    kind: Literal["write", "truncate", "delete", "sync", "note"]
    file: str = ""
    at: int = 0
    data: bytes = b""


@dataclass
class Tape:
    """All operations in order. The store's threads append one at a time: no lock is needed."""

    ops: list[Op] = field(default_factory=list)

    def note(self, number: int) -> None:
        self.ops.append(Op("note", at=number))

    def notes_before(self, cut: int) -> list[int]:
        return [op.at for op in self.ops[:cut] if op.kind == "note"]

    def disk_at(self, cut: int, survive: Survive, rnd: Random) -> dict[str, bytearray]:
        """Every file as found after the power cut; the cut is before operation `cut`."""
        files: dict[str, bytearray] = {}
        unsynced: dict[str, list[Op]] = {}
        for op in self.ops[:cut]:
            if op.kind == "sync":
                if op.file not in files:
                    _sync_directory(files, unsynced)
                for each in unsynced.pop(op.file, []):
                    _apply(files, each)
                files.setdefault(op.file, bytearray())
            elif op.kind != "note":
                unsynced.setdefault(op.file, []).append(op)
        for name in sorted(unsynced):
            for op in unsynced[name]:
                _survive(files, op, survive, rnd)
        return files


def _sync_directory(files: dict[str, bytearray], unsynced: dict[str, list[Op]]) -> None:
    for name, ops in unsynced.items():
        deleted = max((at for at, op in enumerate(ops) if op.kind == "delete"), default=-1)
        if deleted >= 0:
            files.pop(name, None)
            del ops[: deleted + 1]


def _survive(files: dict[str, bytearray], op: Op, survive: Survive, rnd: Random) -> None:
    fate = survive if survive != "torn" else rnd.choice(("kept", "dropped", "sectors"))
    if fate == "kept" or (fate == "sectors" and op.kind != "write"):
        _apply(files, op)
    elif fate == "sectors":
        for at in range(0, len(op.data), SECTOR):
            if rnd.random() < 0.5:
                _apply(files, Op("write", op.file, op.at + at, op.data[at : at + SECTOR]))


def _apply(files: dict[str, bytearray], op: Op) -> None:
    if op.kind == "delete":
        files.pop(op.file, None)
        return
    data = files.setdefault(op.file, bytearray())
    if op.kind == "truncate":
        del data[op.at :]
        data.extend(bytes(op.at - len(data)))
        return
    data.extend(bytes(max(0, op.at + len(op.data) - len(data))))
    data[op.at : op.at + len(op.data)] = op.data


class TapeVfs(apsw.VFS):
    """SQLite's VFS with a recorder. Keep a reference while the store is open (`open_store(vfs=name)`)."""

    def __init__(self, tape: Tape) -> None:
        self.name = f"tape-{uuid4().hex}"
        self.tape = tape
        super().__init__(self.name, "")

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:
        return _TapeFile(self.tape, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:
        name = Path(filename).name
        self.tape.ops.append(Op("delete", name))
        if syncdir:
            self.tape.ops.append(Op("sync", name))
        super().xDelete(filename, syncdir)


class _TapeFile(apsw.VFSFile):
    def __init__(self, tape: Tape, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        super().__init__("", name, flags)
        path = name.filename() if isinstance(name, apsw.URIFilename) else name
        self._tape, self._name = tape, Path(path).name if path else f"temporary-{id(self)}"

    def xWrite(self, data: bytes, offset: int) -> None:
        self._tape.ops.append(Op("write", self._name, offset, bytes(data)))
        super().xWrite(data, offset)

    def xTruncate(self, newsize: int) -> None:
        self._tape.ops.append(Op("truncate", self._name, newsize))
        super().xTruncate(newsize)

    def xSync(self, flags: int) -> None:
        super().xSync(flags)
        self._tape.ops.append(Op("sync", self._name))
