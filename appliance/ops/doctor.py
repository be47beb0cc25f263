"""`appliance doctor`: checks what the box needs, whether it runs or not. One line each, with a fix.

Owns: the measurements. Pure functions beside each check decide what a figure means. Changes nothing except a
scratch file that it removes.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import trio

from appliance.box.domains import kept_free_gb
from appliance.box.mediamtx.client import Mediamtx, RecordSettings, open_mediamtx
from appliance.box.mediamtx.login import login_of
from appliance.box.recorder.srt import libsrt
from appliance.box.settings import Settings
from appliance.kernel.errors import Refused, Unavailable
from appliance.kernel.threads import in_thread
from appliance.ops import ntp
from appliance.ops.checks.access import access_part, look_at_certificate, look_up_name, users_part
from appliance.ops.checks.cameras import capture_part, inputs_part
from appliance.ops.health import GB, HealthPart, disk_part
from appliance.ops.measurements import disk_space
from appliance.ops.ports import readyz, tcp_port, tls_port, udp_port
from appliance.workers.jobs import EscapeReport, SelfcheckJob
from appliance.workers.protocol import Done, WorkerHello, WorkerRequest
from appliance.workers.unit import SOCKET_DIR
from appliance.workers.worker import Worker, WorkerLost, open_worker

SYNCS = 20
SPEED_BYTES = 16 * 2**20
SYNC_WARN_S = 0.05  # seconds; a mark waits for one fsync, and a longer one is a noticeable delay
SPEED_WARN = 20e6  # bytes per second: eight cameras at 8 Mbit/s, twice over
NEEDED_CODECS = ("h264", "hevc", "mjpeg")
RMEM_MAX = Path("/proc/sys/net/core/rmem_max")
NEEDED_RMEM = 8_388_608  # udpReadBufferSize of config/mediamtx.yml
PATIENCE_S = 30.0  # seconds for one check: a dead disk or a stuck server must not block the whole report

Look = Callable[[Settings], Awaitable[dict[str, HealthPart]]]


async def examine(settings: Settings) -> dict[str, HealthPart]:
    """Every part by name, in display order. Never raises because of a finding."""
    parts: dict[str, HealthPart] = {}
    for name, look in _LOOKS.items():
        with trio.move_on_after(PATIENCE_S) as limit:
            parts.update(await look(settings))
        if limit.cancelled_caught:
            parts[name] = HealthPart("bad", f"no answer in {PATIENCE_S:g} s", "is a disk or a server stuck?")
    return parts


async def _clock(settings: Settings) -> dict[str, HealthPart]:
    return {"clock": clock_sync_part(ntp.is_synchronised(), ntp.max_error_s())}


def clock_sync_part(is_synchronised: bool | None, max_error_s: float) -> HealthPart:
    if is_synchronised is None:
        return HealthPart(
            "warn", "the kernel does not say whether its clock is synchronised", "check chrony or timesyncd"
        )
    if not is_synchronised:
        hint = "install chrony, or point timesyncd at the stadium's NTP server"
        return HealthPart("warn", "not synchronised by NTP", hint)
    return HealthPart("ok", f"synchronised by NTP, error at most {max_error_s * 1000:.0f} ms")


async def _disks(settings: Settings) -> dict[str, HealthPart]:
    parts: dict[str, HealthPart] = {}
    for name, folder in (
        ("state", settings.storage.state_dir),
        ("recordings", settings.storage.recordings_dir),
    ):
        parts[f"disk_{name}"] = await in_thread(_disk, folder, settings, abandon_on_cancel=True)
    return parts


def _disk(folder: Path, settings: Settings) -> HealthPart:
    place = folder
    while not place.exists():
        place = place.parent
    if not os.access(place, os.W_OK | os.X_OK):
        return HealthPart(
            "bad", f"{folder} cannot be written", f"chown it to the user the box runs as ({_user()})"
        )
    part = disk_part(
        disk_space(place),
        reserve_bytes=settings.storage.reserve_gb * GB,
        min_free_bytes=max(kept_free_gb(settings).values(), default=0.0) * GB,
    )
    if part.status != "ok":
        return part
    sync_s, speed = measure_disk(place)
    return write_speed_part(part.detail, sync_s, speed)


def measure_disk(folder: Path) -> tuple[float, float]:
    """(median seconds of one 4 KiB write + fdatasync, bytes per second of a long write). Blocks."""
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".doctor-") as file:
        descriptor = file.fileno()
        syncs: list[float] = []
        for _ in range(SYNCS):
            began_s = time.perf_counter()
            os.write(descriptor, bytes(4096))
            os.fdatasync(descriptor)
            syncs.append(time.perf_counter() - began_s)
        began_s = time.perf_counter()
        os.write(descriptor, bytes(SPEED_BYTES))
        os.fdatasync(descriptor)
        return sorted(syncs)[SYNCS // 2], SPEED_BYTES / (time.perf_counter() - began_s)


def write_speed_part(space: str, sync_s: float, bytes_per_s: float) -> HealthPart:
    detail = f"{space}; fsync {sync_s * 1000:.1f} ms, writes {bytes_per_s / 1e6:.0f} MB/s"
    if sync_s > SYNC_WARN_S or bytes_per_s < SPEED_WARN:
        return HealthPart("warn", detail, "use an SSD for state and recordings")
    return HealthPart("ok", detail)


def _user() -> str:
    return f"uid {os.getuid()} now"


async def _mediamtx(settings: Settings) -> dict[str, HealthPart]:
    if settings.recorder.mode == "embedded":
        return {
            "mediamtx": HealthPart("ok", "not used: the box records by itself (recorder.mode = embedded)")
        }
    if not settings.mediamtx.api_url:
        hint = "set mediamtx.api_url to see publishers and previews"
        return {
            "mediamtx": HealthPart("warn", "no api_url: recordings are indexed, publishers unknown", hint)
        }
    login = login_of(settings.mediamtx, settings.storage.state_dir)
    try:
        async with open_mediamtx(settings.mediamtx.api_url, *login) as client:
            paths = await client.paths()
            recordings = await client.recordings()
            access = await client.access()
        async with open_mediamtx(settings.mediamtx.api_url) as stranger:
            answers_strangers = await _answers(stranger)
    except (Unavailable, Refused) as error:
        return {"mediamtx": HealthPart("bad", error.detail, error.hint or "systemctl status mediamtx")}
    channels = [channel.id for channel in settings.channels]
    wrong = record_part(recordings, channels, settings.storage.recordings_dir)
    ready = sum(path.available for path in paths)
    return {
        "mediamtx": wrong or HealthPart("ok", f"{ready} of {len(paths)} paths have a publisher"),
        "mediamtx_users": users_part(access, channels, answers_strangers),
    }


async def _answers(client: Mediamtx) -> bool:
    try:
        await client.paths()
    except Refused:
        return False
    return True


async def _access(settings: Settings) -> dict[str, HealthPart]:
    return {"access": access_part(settings), "certificate": await look_at_certificate(settings)}


async def _name(settings: Settings) -> dict[str, HealthPart]:
    return {"announcement": await look_up_name(settings)}


def record_part(
    configured: Sequence[RecordSettings], channels: Sequence[str], recordings_dir: Path
) -> HealthPart | None:
    """A setting of MediaMTX that prevents a channel's footage from being indexed; None: none."""
    by_name = {path.name: path for path in configured}
    catch_all = next((path for path in configured if path.name.startswith(("all", "~"))), None)
    for channel_id in channels:
        path = by_name.get(channel_id, catch_all)
        if path is None:
            hint = "run `appliance mediamtx-config`: it adds the path and its user"
            return HealthPart("bad", f"MediaMTX has no path {channel_id}: its encoder is refused", hint)
        if not path.record:
            return HealthPart(
                "bad", f"MediaMTX does not record {channel_id}", "set record: true in mediamtx.yml"
            )
        if path.record_format not in ("", "fmp4"):
            detail = f"MediaMTX records {channel_id} as {path.record_format}"
            return HealthPart("bad", detail, "set recordFormat: fmp4 in mediamtx.yml")
        folder = Path(path.record_path.replace("%path", channel_id)).parent
        if path.record_path and folder != recordings_dir / channel_id:
            hint = f"set recordPath: {recordings_dir}/%path/%Y-%m-%d_%H-%M-%S-%f%z in mediamtx.yml"
            return HealthPart("bad", f"MediaMTX records {channel_id} into {folder}", hint)
    return None


async def _network(settings: Settings) -> dict[str, HealthPart]:
    bytes_max = _rmem_max()
    if bytes_max is None:
        return {"receive_buffer": HealthPart("warn", f"{RMEM_MAX} cannot be read", "is this Linux?")}
    external = settings.recorder.mode == "external"
    uses_srt = external or any((each.input_url or "").startswith("srt:") for each in settings.channels)
    parts = {"receive_buffer": receive_buffer_part(bytes_max, external=external, uses_srt=uses_srt)}
    if external and not settings.server.local_port:
        hint = (
            "set server.local_port, or take the runOn lines out of mediamtx.yml; the disk is looked at anyway"
        )
        parts["hook"] = HealthPart("warn", "server.local_port = 0: MediaMTX's hook cannot be received", hint)
    return parts


def _rmem_max() -> int | None:
    try:
        return int(RMEM_MAX.read_text())
    except (OSError, ValueError):
        return None


def receive_buffer_part(bytes_max: int, *, external: bool, uses_srt: bool) -> HealthPart:
    """net.core.rmem_max compared with config/mediamtx.yml (udpReadBufferSize)."""
    detail = f"net.core.rmem_max is {bytes_max}"
    if bytes_max >= NEEDED_RMEM or not uses_srt:
        return HealthPart("ok", detail)
    hint = f"sysctl -w net.core.rmem_max={NEEDED_RMEM}, for good in /etc/sysctl.d (scripts/install does it)"
    if external:
        why = f"with udpReadBufferSize: {NEEDED_RMEM} MediaMTX does not start"
        return HealthPart("bad", f"{detail}: {why}", hint)
    return HealthPart("warn", f"{detail}: bursts of SRT are lost on a busy machine", hint)


async def _ports(settings: Settings) -> dict[str, HealthPart]:
    server = settings.server
    parts = {"port": await tcp_port(server.host, server.port, "server.port")}
    if server.local_port:
        parts["local_port"] = await tcp_port("127.0.0.1", server.local_port, "server.local_port")
    if server.tls != "off":
        parts["tls_port"] = await tls_port(
            server.host, server.tls_port, is_ours=parts["port"].detail.endswith("ours")
        )
    for channel in settings.channels:
        url = urlsplit(channel.input_url or "")
        if settings.recorder.mode == "embedded" and url.scheme == "srt" and not url.hostname and url.port:
            parts[f"srt_{channel.id}"] = udp_port(url.port, is_ours=parts["port"].detail.endswith("ours"))
    return parts


async def _running(settings: Settings) -> dict[str, HealthPart]:
    """What the box itself reports, where it runs: its amber and red parts, as on the Health page."""
    server = settings.server
    parts = await readyz("127.0.0.1", server.local_port) if server.local_port else None
    if parts is None:
        return {"box": HealthPart("ok", "not running, or server.local_port = 0: its own report is not shown")}
    wrong = {
        f"box_{name}": HealthPart("bad" if part["status"] == "bad" else "warn", part["detail"], part["hint"])
        for name, part in parts.items()
        if part["status"] != "ok"
    }
    return {"box": HealthPart("ok", f"runs; {len(wrong)} of {len(parts)} parts need attention"), **wrong}


async def _cameras(settings: Settings) -> dict[str, HealthPart]:
    return {
        "inputs": inputs_part(settings),
        "capture_devices": await in_thread(capture_part, settings, abandon_on_cancel=True),
    }


async def _srt(settings: Settings) -> dict[str, HealthPart]:
    where = libsrt.installed()
    if where is not None:
        return {"srt_tools": HealthPart("ok", where)}
    needed = settings.recorder.mode == "embedded" and any(
        (channel.input_url or "").startswith("srt:") for channel in settings.channels
    )
    detail = "libsrt is not installed"
    return {"srt_tools": HealthPart("bad" if needed else "warn", detail, "apt-get install srt-tools")}


async def _workers(settings: Settings) -> dict[str, HealthPart]:
    sockets = sorted(SOCKET_DIR.glob("*")) if SOCKET_DIR.is_dir() else []
    in_use = await _workers_in_use(settings) if sockets else None
    try:
        async with open_worker(sockets[0] if sockets and in_use is None else None) as worker:
            hello, tried = worker.hello, await _try_out(worker)
    except (WorkerLost, OSError) as error:
        lost = HealthPart("bad", f"no media worker: {error}", "pictures and exact cuts need one: see the log")
        return {"codecs": lost, "workers": lost}
    return {"codecs": codecs_part(hello), "workers": in_use or sandbox_part(hello, tried)}


async def _workers_in_use(settings: Settings) -> HealthPart | None:
    """What a running box reports of its workers: a unit serves one client, so they cannot be tried out. None:
    no box answers."""
    port = settings.server.local_port
    parts = await readyz("127.0.0.1", port) if port else None
    if parts is None or "workers" not in parts:
        return None
    part = parts["workers"]
    detail = f"{part['detail']}; in use by the running box, so their fences were not tried"
    return HealthPart("ok" if part["status"] == "ok" else "bad", detail, part["hint"])


async def _try_out(worker: Worker) -> EscapeReport:
    """Let the worker try to leave its sandbox: connect to a port of this process, read a world-readable
    file."""
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with listener:
        job = SelfcheckJob(listener.socket.getsockname()[1], "/proc/self/status")
        request = WorkerRequest(1, job.kind, job.args(), job.cpu_s, job.output_bytes)
        with trio.move_on_after(job.wall_s):
            reply = await worker.run(request, [], lambda _: None)
            if isinstance(reply, Done):
                return job.result(reply.result, [])
            raise WorkerLost(f"its self-check failed: {reply.detail}")
    raise WorkerLost(f"its self-check took longer than {job.wall_s:g} s")


def codecs_part(hello: WorkerHello) -> HealthPart:
    versions = f"PyAV {hello.versions.get('pyav', '?')}, FFmpeg {hello.versions.get('ffmpeg', '?')}"
    missing = [codec for codec in NEEDED_CODECS if codec not in hello.codecs]
    if missing:
        return HealthPart("bad", f"{versions} lacks {', '.join(missing)}", "install PyAV from its wheels")
    return HealthPart("ok", f"{versions}: {', '.join(hello.codecs)}")


def sandbox_part(hello: WorkerHello, tried: EscapeReport) -> HealthPart:
    """The sandbox of a worker by its own report, and whether it could be left: `tried` is what the worker
    could do. A unit's sandbox is made by systemd, a child process makes its own."""
    box = hello.sandbox
    kind = "a systemd unit" if box.as_unit else "a child process (development)"
    open_doors = [
        name
        for name, is_open in (
            ("network", box.network == "open"),
            ("files", box.landlock_abi == 0 and not box.as_unit),
            ("memory", box.memory_bytes < 0),
            ("new rights", not box.no_new_privs),
        )
        if is_open
    ]
    detail = f"{kind}, network {box.network}, Landlock {box.landlock_abi or 'none'}"
    broken = [
        name
        for name, got_out in (
            ("network", tried.connected and box.network != "open"),
            ("files", tried.opened and box.landlock_abi > 0),
        )
        if got_out
    ]
    if broken:
        hint = "stop using this box for footage from others, and send this report"
        return HealthPart("bad", f"{detail}; the sandbox can be left by: {', '.join(broken)}", hint)
    if open_doors:
        hint = "run workers as appliance-worker@.service on a kernel with Landlock"
        return HealthPart("warn", f"{detail}; not sandboxed: {', '.join(open_doors)}", hint)
    return HealthPart("ok", detail)


async def _cloud(settings: Settings) -> dict[str, HealthPart]:
    from appliance.box.sync.client import open_client  # here: it loads an HTTP client
    from appliance.box.sync.health import NO_TOKEN, try_cloud
    from appliance.box.sync.identity import box_id
    from appliance.box.sync.settings import SyncSettings

    cloud = settings.section(SyncSettings)
    if not cloud.is_on:
        return {"cloud": HealthPart("ok", "not used: the box is connected to no cloud ([cloud] url)")}
    token, own_id = cloud.read_token(), box_id(settings.storage.state_dir)
    if not token:
        return {"cloud": NO_TOKEN}
    async with open_client(cloud.url, token, own_id, site_id=settings.site.id) as client:
        return {"cloud": await try_cloud(client, settings.site.id)}


_LOOKS: dict[str, Look] = {
    "clock": _clock,
    "disks": _disks,
    "access": _access,
    "announcement": _name,
    "mediamtx": _mediamtx,
    "ports": _ports,
    "receive_buffer": _network,
    "srt_tools": _srt,
    "inputs": _cameras,
    "workers": _workers,
    "cloud": _cloud,
    "box": _running,
}
