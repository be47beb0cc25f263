"""A root that is a folder. Owns: the order of a durable write (draft, fsync, rename, fsync of the folder),
and that two runs do not overwrite each other's files (a lock around compare and rename)."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from appliance.box.datasets.storage.model import ChangedMeanwhile, Expected, Stored
from appliance.kernel.ids import new_uuid

WORK: Final = ".work"
_LOCK: Final = ".lock"


class FolderStorage:
    """`root` is made when something is written."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()

    @property
    def uri(self) -> str:
        return self.root.as_uri()

    @property
    def work(self) -> Path | None:
        return self.root / WORK

    def find(self, key: str) -> Stored | None:
        try:
            facts = self._path(key).stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        return Stored(key, facts.st_size, _version(facts))

    def read(self, key: str) -> bytes:
        return self._path(key).read_bytes()

    def put(self, key: str, data: bytes, expected: Expected | str = Expected.ANY) -> Stored:
        path = self._path(key)
        draft = self._draft(path)
        try:
            with draft.open("xb") as file:
                file.write(data)
            return self._publish(key, draft, path, expected)
        finally:
            draft.unlink(missing_ok=True)

    def put_file(self, key: str, path: Path) -> Stored:
        target = self._path(key)
        draft = self._draft(target)
        try:
            try:
                path.rename(draft)
            except OSError:  # another disk
                shutil.copyfile(path, draft)
                path.unlink()
            return self._publish(key, draft, target, Expected.ANY)
        finally:
            draft.unlink(missing_ok=True)

    def place(self, key: str) -> Path | None:
        return self._path(key)

    def fetch(self, key: str, target: Path) -> int:
        shutil.copyfile(self._path(key), target)
        return target.stat().st_size

    def copy(self, key: str, target: str) -> None:
        path = self._path(target)
        draft = self._draft(path)
        try:
            try:
                os.link(self._path(key), draft)
            except PermissionError:  # a file system without hard links
                shutil.copyfile(self._path(key), draft)
            self._publish(target, draft, path, Expected.ANY)
        finally:
            draft.unlink(missing_ok=True)

    def keys(self, prefix: str) -> Iterator[Stored]:
        for folder, folders, names in os.walk(self.root / prefix):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for name in sorted(names):
                if not name.startswith("."):
                    key = (Path(folder) / name).relative_to(self.root).as_posix()
                    if (stored := self.find(key)) is not None:
                        yield stored

    def delete(self, key: str) -> None:
        path = self._path(key)
        try:
            path.unlink()
        except (FileNotFoundError, NotADirectoryError):
            return
        _sync_folder(path.parent)
        for folder in path.parents:  # an empty folder of a game that was deleted
            if folder == self.root or any(folder.iterdir()):
                return
            folder.rmdir()

    def _path(self, key: str) -> Path:
        if not key or any(part in ("", ".", "..") for part in key.split("/")):
            raise ValueError(f"no key of an object: {key[:100]!r}")
        return self.root / key

    def _draft(self, path: Path) -> Path:
        """The name under which a file is written before it has its own; hidden, so that no reader takes
        it."""
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.with_name(f".{path.name[:150]}.{new_uuid()}")

    def _publish(self, key: str, draft: Path, path: Path, expected: Expected | str) -> Stored:
        with draft.open("rb+") as file:
            os.fsync(file.fileno())
        with self._locked(expected):
            if expected is not Expected.ANY:
                stored = self.find(key)
                if (stored.version if stored else Expected.NOTHING) != expected:
                    raise ChangedMeanwhile(key)
            draft.replace(path)
            facts = path.stat()
        _sync_folder(path.parent)
        return Stored(key, facts.st_size, _version(facts))

    @contextmanager
    def _locked(self, expected: Expected | str) -> Iterator[None]:
        if expected is Expected.ANY:
            yield
            return
        with (self.root / _LOCK).open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _version(facts: os.stat_result) -> str:
    return f"{facts.st_mtime_ns}-{facts.st_size}-{facts.st_ino}"


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
