"""Settings that are each valid but contradict each other, named by their dotted paths.

Owns: the rules between keys of different sections. Pure: it reads no disk and opens no port (limits that the
disk itself cannot meet are in ops/disk_limits.py).
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from appliance.box.channels.inputs import MAX_CHANNELS, Listener, check_called_host, listener_of
from appliance.network.addresses import BadDestination, check_literal

_LOOPBACK = (ipaddress.IPv4Network("127.0.0.0/8"), ipaddress.IPv6Network("::1/128"))

if TYPE_CHECKING:
    from appliance.box.settings import Settings


def contradictions(settings: Settings) -> list[str]:
    """One line per contradiction, each starting with the dotted path of the key to change."""
    return [
        *_channels(settings),
        *_listeners(settings),
        *_called(settings),
        *_server(settings),
        *_mediamtx(settings),
        *_heartbeat(settings),
        *_folders(settings),
    ]


def _channels(settings: Settings) -> Iterator[str]:
    if len(settings.channels) > MAX_CHANNELS:
        yield f"channels: {len(settings.channels)} channels; a box follows at most {MAX_CHANNELS}"
        return
    first: dict[str, int] = {}
    for place, channel in enumerate(settings.channels):
        if first.setdefault(channel.id, place) != place:
            yield f"channels.{place}.id: {channel.id!r} is channels.{first[channel.id]} already"


def _listeners(settings: Settings) -> Iterator[str]:
    known: list[tuple[int, Listener]] = []
    for place, channel in enumerate(settings.channels[:MAX_CHANNELS]):
        listener = listener_of(channel.input_url)
        if listener is None:
            continue
        other = next((at for at, earlier in known if earlier.clashes_with(listener)), None)
        if other is not None:
            yield (
                f"channels.{place}.input_url: port {listener.port} is listened on by channels.{other}"
                f" ({settings.channels[other].id}) already; give each camera a port of its own"
            )
        known.append((place, listener))


def _called(settings: Settings) -> Iterator[str]:
    for place, channel in enumerate(settings.channels[:MAX_CHANNELS]):
        try:
            check_called_host(channel.input_url, settings.recorder.input_networks)
        except ValueError as error:
            yield f"channels.{place}.input_url: {error}"


def _server(settings: Settings) -> Iterator[str]:
    server = settings.server
    if server.port and server.port == server.local_port:
        yield f"server.local_port: {server.local_port} is server.port as well; use another, or 0 for none"
    if server.host == "" or server.host.isspace():
        yield 'server.host: is empty; use "127.0.0.1", or "0.0.0.0" for every address of the machine'


def _mediamtx(settings: Settings) -> Iterator[str]:
    """MediaMTX's address is the box's own port (it would query itself forever), or none of a MediaMTX.

    MediaMTX usually runs on this machine: loopback is allowed here, unlike for a camera's address.
    """
    own = {settings.server.port: "server.port", settings.server.local_port: "server.local_port"}
    for name in ("api_url", "webrtc_url"):
        text = getattr(settings.mediamtx, name)
        if not text:
            continue
        try:
            url = urlsplit(text)
            host, port = url.hostname or "", url.port or 0
            check_literal(host, _LOOPBACK)
        except ValueError:
            yield f"mediamtx.{name}: {text!r} is no address; write it as http://127.0.0.1:9997"
            continue
        except BadDestination as error:
            yield f"mediamtx.{name}: {error}"
            continue
        if url.scheme not in ("http", "https") or not host or url.query or url.fragment:
            yield f"mediamtx.{name}: is not the address of a server; write it as http://127.0.0.1:9997"
        if "@" in url.netloc:  # it would be shown and logged with the address
            yield f"mediamtx.{name}: holds a login; use mediamtx.read_user and mediamtx.read_password"
        if port in own and port and (host == "localhost" or host == "::1" or host.startswith("127.")):
            yield f"mediamtx.{name}: port {port} is {own[port]} of this box; name the port of MediaMTX"


def _heartbeat(settings: Settings) -> Iterator[str]:
    beat = settings.heartbeat
    if beat.timeout_s <= beat.interval_s:
        yield (
            f"heartbeat.timeout_s: {beat.timeout_s:g} s is not longer than heartbeat.interval_s"
            f" ({beat.interval_s:g} s): every channel would be in error between two heartbeats"
        )


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
