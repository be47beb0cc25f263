"""A real PostgreSQL server for tests: one per test process, started when the first test asks for it.

It lies in a temporary folder and listens on a Unix socket there. It refuses to run as root: then it runs as
another user of the system. Without fsync: these tests end processes, not the machine's power.
"""

from __future__ import annotations

import atexit
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import psycopg

from appliance.kernel.postgres.migrate import migrate
from appliance.kernel.schema import KERNEL_SCHEMA
from tests.kit.waiting import LIMIT_S, children_of, is_alive

SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "jit": "off",
    "shared_buffers": "16MB",
    "max_connections": "60",
    "max_wal_size": "256MB",
    "unix_socket_permissions": "0777",
}
TEMPLATE = "kernel"
_PLACES = ("/usr/lib/postgresql/*/bin", "/usr/local/pgsql/bin")
_numbers = itertools.count(1)


def missing() -> str:
    """Why there is no server here; "" when there is one."""
    if _binary("postgres") is None or _binary("initdb") is None:
        return "PostgreSQL's server is not installed (Debian: postgresql)"
    if os.geteuid() == 0 and _system_user() is None:
        return "PostgreSQL does not run as root, and there is no other user here"
    return ""


def _binary(name: str) -> str | None:
    folders = [str(path) for place in _PLACES for path in sorted(Path("/").glob(place[1:]), reverse=True)]
    return shutil.which(name, path=os.pathsep.join([*folders, os.environ.get("PATH", "")]))


def _system_user() -> pwd.struct_passwd | None:
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    return None


@dataclass
class Server:
    """The server and its folder. `url` is that of a database by name."""

    folder: Path
    process: subprocess.Popen[bytes] | None = None
    settings: dict[str, str] = field(default_factory=dict)
    wal_mb: int = 16  # of a file of its log

    def url(self, name: str) -> str:
        return f"postgresql://appliance@/{name}?host={self.folder}"

    def make(self) -> None:
        """An empty cluster in the folder."""
        self.folder.chmod(0o755)
        if os.geteuid() == 0 and (user := _system_user()) is not None:
            os.chown(self.folder, user.pw_uid, user.pw_gid)
        arguments = ("--username=appliance", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync")
        self._run(["initdb", *arguments, f"--wal-segsize={self.wal_mb}", str(self.folder / "data")])

    def start(self) -> None:
        """Start it, or start it again; returns when it accepts connections."""
        given = [word for item in (SETTINGS | self.settings).items() for word in ("-c", "=".join(item))]
        command = [str(_binary("postgres")), "-D", str(self.folder / "data"), "-k", str(self.folder), *given]
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", **_as_user()
            )
        deadline = time.monotonic() + LIMIT_S
        while True:
            try:
                psycopg.connect(self.url("postgres")).close()
                return
            except psycopg.OperationalError:
                if time.monotonic() > deadline or self.process.poll() is not None:
                    raise AssertionError((self.folder / "server.log").read_text()) from None
                time.sleep(0.02)

    @property
    def is_running(self) -> bool:
        """False: it was ended, or has ended itself because its disk is full."""
        return self.process is not None and self.process.poll() is None

    def kill(self) -> None:
        """kill -9 of the server and all its processes, as when the machine ends them."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)  # it starts no others meanwhile
        processes = children_of(self.process.pid)
        for pid in [self.process.pid, *processes]:
            os.kill(pid, signal.SIGKILL)
        self.process.wait()
        deadline = time.monotonic() + LIMIT_S
        while any(map(is_alive, processes)):  # one that is left would hold the shared memory
            assert time.monotonic() < deadline
            time.sleep(0.005)

    def remove(self) -> None:
        if self.process is not None and self.is_running:
            self.process.send_signal(signal.SIGQUIT)
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def run(self, sql: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            cursor = connection.execute(sql)
            return cursor.fetchall() if cursor.description else []

    def new_database(self) -> str:
        """The address of a new database with the kernel's tables."""
        name = f"test{next(_numbers)}"
        self.run(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE} STRATEGY FILE_COPY")
        return self.url(name)

    def empty_database(self) -> str:
        """The address of a new database without any table."""
        name = f"test{next(_numbers)}"
        self.run(f"CREATE DATABASE {name}")
        return self.url(name)

    def _run(self, words: list[str]) -> None:
        command = [str(_binary(words[0])), *words[1:]]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/", **_as_user())
        assert done.returncode == 0, done.stderr


def _as_user() -> dict[str, Any]:
    user = _system_user() if os.geteuid() == 0 else None
    return {} if user is None else {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


@cache
def server() -> Server:
    """This process's server, with a template of the kernel's tables; stopped at the end of the process."""
    started = _started()
    atexit.register(started.remove)
    started.run(f"CREATE DATABASE {TEMPLATE}")
    migrate(started.url(TEMPLATE), KERNEL_SCHEMA)
    return started


@contextmanager
def own_server(folder: Path | None = None, **settings: str) -> Iterator[Server]:
    """A server for one test that kills or limits it. `folder`: made for it, on a small disk."""
    if folder is not None:
        folder.mkdir()
    started = _started(folder, **settings)
    try:
        yield started
    finally:
        started.remove()


def _started(folder: Path | None = None, **settings: str) -> Server:
    if folder is None:
        made = Server(Path(tempfile.mkdtemp(prefix="postgres-")), settings=settings)
    else:
        made = Server(folder, settings=settings, wal_mb=1)
    try:
        made.make()
        made.start()
    except BaseException:
        made.remove()
        raise
    return made
