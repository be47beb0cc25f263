"""`appliance support-bundle`: one archive with what a remote helper needs, and no secret.

Owns: what is collected. Every text goes through the scrubber; files are never copied as they are. Not
included: the database, recordings, clips, keys. Blocks. Where a part cannot be collected, its file says why.
"""

from __future__ import annotations

import io
import json
import os
import platform
import subprocess
import tarfile
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from appliance.box.mediamtx.login import login_of
from appliance.box.settings import Settings
from appliance.kernel.clock import wall_us
from appliance.kernel.sqlite.connection import read_rows
from appliance.kernel.version import appliance_version
from appliance.ops.bundle.scrub import Scrubber, secrets_in_tree
from appliance.ops.health import HealthPart
from appliance.ops.measurements import disk_space

LOG_LINES: Final = 20_000
LOG_BYTES: Final = 32 << 20
FILES_MAX: Final = 5_000
WAIT_S: Final = 20.0
CREDENTIALS: Final = Path("/etc/appliance/credentials")


def write_bundle(
    settings: Settings, parts: Mapping[str, HealthPart], file: Path, credentials: Path = CREDENTIALS
) -> int:
    """Write the archive (tar.gz, mode 0600) to `file`; returns its size in bytes. `parts`: the doctor's.

    Raises FileExistsError, OSError.
    """
    tree = settings.model_dump(mode="json")
    inputs = _channel_inputs(settings)
    login = {login_of(settings.mediamtx, settings.storage.state_dir)[1]}
    scrubber = Scrubber(secrets_in_tree(tree) | secrets_in_tree(inputs) | _contents(credentials) | login)
    collected: dict[str, Callable[[], str]] = {
        "doctor.json": lambda: _json({name: part.shown() for name, part in parts.items()}),
        "settings.json": lambda: _json(scrubber.tree(tree)),
        "machine.json": lambda: _json(_machine(settings)),
        "database.json": lambda: _json(_database(settings)),
        "files.txt": lambda: _listing(settings),
        "readyz.json": lambda: _ask(settings, "/readyz"),
        "metrics.txt": lambda: _ask(settings, "/metrics"),
        "log.txt": lambda: _run(
            "journalctl", "-u", "appliance", "-n", str(LOG_LINES), "--no-pager", "-o", "short-iso"
        ),
        "log-mediamtx.txt": lambda: _run(
            "journalctl", "-u", "mediamtx", "-n", "2000", "--no-pager", "-o", "short-iso"
        ),
    }
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as raw, tarfile.open(fileobj=raw, mode="w:gz") as archive:
        for name, collect in collected.items():
            _add(archive, f"support/{name}", scrubber.text(_collected(collect)))
    return file.stat().st_size


def _collected(collect: Callable[[], str]) -> str:
    try:
        return collect()
    except (OSError, subprocess.SubprocessError) as error:
        return f"not collected: {type(error).__name__}: {error}\n"


def _add(archive: tarfile.TarFile, name: str, text: str) -> None:
    data = text.encode(errors="replace")
    info = tarfile.TarInfo(name)
    info.size, info.mtime, info.mode = len(data), wall_us() // 1_000_000, 0o600
    archive.addfile(info, io.BytesIO(data))


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n"


def _contents(folder: Path) -> set[str]:
    """Contents of the credential files, as far as they can be read; whole, and line by line."""
    contents: set[str] = set()
    try:
        texts = [path.read_text(errors="replace") for path in folder.iterdir() if path.is_file()]
    except OSError:
        return contents
    for text in texts:
        contents |= {text.strip(), *(line.strip() for line in text.splitlines())}
    return contents


def _channel_inputs(settings: Settings) -> list[str]:
    """Addresses of channels that were added by the API: their passphrases may be in a log."""
    try:
        rows = read_rows(_path(settings), "SELECT input_url FROM channels WHERE input_url IS NOT NULL")
    except OSError:
        return []
    return [str(row[0]) for row in rows]


def _database(settings: Settings) -> dict[str, Any]:
    path = _path(settings)
    names = read_rows(path, "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'")
    counts = {str(name): read_rows(path, f'SELECT count(*) FROM "{name}"')[0][0] for (name,) in names}
    (version,) = read_rows(path, "PRAGMA user_version")[0]
    (epoch,) = read_rows(path, "SELECT value FROM meta WHERE key = 'epoch'")[0]
    return {"schema": version, "epoch": epoch, "rows": counts, "bytes": path.stat().st_size}


def _path(settings: Settings) -> Path:
    return settings.storage.state_dir / "box.db"


def _machine(settings: Settings) -> dict[str, Any]:
    folders = (settings.storage.state_dir, settings.storage.recordings_dir, settings.storage.clips)
    return {
        "version": appliance_version(),
        "python": platform.python_version(),
        "system": " ".join(platform.uname()),
        "processors": os.cpu_count(),
        "load": os.getloadavg(),
        "memory": Path("/proc/meminfo").read_text().splitlines()[:5],
        "disks": {str(folder): str(disk_space(folder)) for folder in folders},
    }


def _listing(settings: Settings) -> str:
    """Names and sizes of the newest recordings and of the state folder."""
    lines: list[tuple[float, str]] = []
    for folder in (settings.storage.state_dir, settings.storage.recordings_dir):
        for place, _, names in os.walk(folder):
            for name in names:
                try:
                    stats = Path(place, name).lstat()
                except OSError:
                    continue
                lines.append(
                    (stats.st_mtime, f"{stats.st_mtime:.3f} {stats.st_size:>12} {Path(place, name)}")
                )
    newest = sorted(lines, reverse=True)[:FILES_MAX]
    return "".join(f"{line}\n" for _, line in newest) + f"{len(lines)} files\n"


def _ask(settings: Settings, path: str) -> str:
    """A page of the running box, by the local listener or the main one."""
    server = settings.server
    host = server.host if server.host not in ("0.0.0.0", "::", "localhost") else "127.0.0.1"
    url = f"http://127.0.0.1:{server.local_port}" if server.local_port else f"http://{host}:{server.port}"
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url + path, timeout=WAIT_S) as answer:
            return str(answer.read().decode(errors="replace"))
    except urllib.error.HTTPError as error:  # /readyz is 503 when a part is red
        return error.read().decode(errors="replace")


def _run(*command: str) -> str:
    """The output of a program of the system, its last LOG_BYTES."""
    done = subprocess.run(command, capture_output=True, timeout=WAIT_S, check=False, stdin=subprocess.DEVNULL)
    return (done.stdout + done.stderr)[-LOG_BYTES:].decode(errors="replace")
