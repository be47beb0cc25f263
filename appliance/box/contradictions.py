"""Settings that are each valid but contradict each other, named by their dotted paths.

Owns: the rules between the sections of the root; those of a domain are in its record. Pure: it reads no disk
and opens no port (limits that the disk itself cannot meet are in ops/disk_limits.py).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from appliance.box.domains import domains

if TYPE_CHECKING:
    from appliance.box.settings import Settings


def contradictions(settings: Settings) -> list[str]:
    """One line per contradiction, each starting with the dotted path of the key to change."""
    of_domains = [problem for domain in domains() for problem in domain.contradictions(settings)]
    return [*of_domains, *_server(settings), *_folders(settings)]


def _server(settings: Settings) -> Iterator[str]:
    server = settings.server
    if server.port and server.port == server.local_port:
        yield f"server.local_port: {server.local_port} is server.port as well; use another, or 0 for none"
    if server.tls != "off" and server.tls_port and server.tls_port in (server.port, server.local_port):
        yield f"server.tls_port: {server.tls_port} is another port of [server] as well; use another"
    if server.tls == "files":
        for key in ("tls_cert", "tls_key"):
            if not getattr(server, key):
                yield f'server.{key}: is needed with server.tls = "files": the path of a file in PEM'
    elif server.tls_cert or server.tls_key:
        yield f'server.tls_cert: is used with server.tls = "files" only, and that is "{server.tls}"'
    if server.host == "" or server.host.isspace():
        yield 'server.host: is empty; use "127.0.0.1", or "0.0.0.0" for every address of the machine'


def _folders(settings: Settings) -> Iterator[str]:
    storage = settings.storage
    folders = {
        "storage.state_dir": _real(storage.state_dir),
        "storage.recordings_dir": _real(storage.recordings_dir),
        "storage.clips_dir": _real(storage.clips),
    }
    copies = storage.backup_dir or folders["storage.state_dir"] / "snapshots"
    folders["storage.backup_dir"] = _real(Path(copies))
    for name, folder in folders.items():
        for other, its_folder in folders.items():
            if name > other and folder == its_folder:
                yield f"{name}: {folder} is {other} as well; each needs a folder of its own"
    recordings = folders["storage.recordings_dir"]
    written = ["storage.state_dir", "storage.clips_dir"]
    if storage.backup_dir:
        written.append("storage.backup_dir")
    for name in written:
        if recordings in folders[name].parents:
            yield f"{name}: {folders[name]} lies inside storage.recordings_dir, whose folders are cameras"
    if folders["storage.clips_dir"] in recordings.parents:
        yield f"storage.recordings_dir: {recordings} lies inside storage.clips_dir; use another folder"
    index = folders["storage.state_dir"] / "index"
    for name, folder in folders.items():
        if index == folder or index in folder.parents:
            yield f"{name}: {folder} is where the index of the recordings is kept; use another folder"


def _real(folder: Path) -> Path:
    """The folder without links and `..`, as far as it exists."""
    return Path(os.path.realpath(folder))
