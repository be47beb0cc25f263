"""A real MediaMTX with the shipped configuration, a box beside it, and cameras that send by SRT.

Of config/mediamtx.yml only machine-specific values are replaced: ports, the recordings' folder, the hook's
path, and a receive buffer this kernel allows. Users and paths are written by the code of `appliance
mediamtx-config`, with known passwords.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import trio

from appliance.box.mediamtx.users import hashed, rewritten
from appliance.kernel.clock import from_rfc3339, wall_us
from tests.kit.camera import SrtSender
from tests.kit.ports import free_port, free_udp_port
from tests.kit.running import Box, Http, running_box
from tests.kit.waiting import eventually

CONFIG = Path(__file__).parents[4] / "config"
BINARY = os.environ.get("MEDIAMTX_BIN", "")
CAMERAS = ("cam1", "cam2")
S_US = 1_000_000
READY_S = 10.0


@dataclass
class MediaMTX:
    """The process. `changed`: lines of the configuration a test replaces."""

    folder: Path
    recordings: Path
    changed: dict[str, str] = field(default_factory=dict)
    srt_port: int = field(default_factory=free_udp_port)
    api_port: int = field(default_factory=free_port)
    webrtc_port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        return (self.folder / "mediamtx.log").read_text(errors="replace")

    def write_configuration(self) -> Path:
        text = (CONFIG / "mediamtx.yml").read_text()
        buffer = int(Path("/proc/sys/net/core/rmem_max").read_text())
        lines = {
            "srtAddress: :8890": f"srtAddress: 127.0.0.1:{self.srt_port}",
            "apiAddress: 127.0.0.1:9997": f"apiAddress: 127.0.0.1:{self.api_port}",
            "webrtcAddress: 127.0.0.1:8889": f"webrtcAddress: 127.0.0.1:{self.webrtc_port}",
            "webrtcLocalUDPAddress: :8189": f"webrtcLocalUDPAddress: 127.0.0.1:{free_udp_port()}",
            "/srv/recordings": str(self.recordings),
            "/etc/appliance/mediamtx-hook": str(self.folder / "mediamtx-hook"),
            "udpReadBufferSize: 8388608": f"udpReadBufferSize: {min(8388608, buffer)}",
            **self.changed,
        }
        for shipped, here in lines.items():
            assert shipped in text, f"the shipped configuration has no {shipped!r} any more"
            text = text.replace(shipped, here)
        cameras = {each: hashed(f"{each}secret") for each in CAMERAS}
        path = self.folder / "mediamtx.yml"
        path.write_text(rewritten(text, cameras, "appliance", hashed("daemonsecret")).text)
        shutil.copy2(CONFIG / "mediamtx-hook", self.folder)
        return path

    async def start(self) -> None:
        """Start, or start again on the same ports; returns when it accepts callers."""
        known = (
            self.log.count("[API] started with listener") if (self.folder / "mediamtx.log").exists() else 0
        )
        self._launch(self.write_configuration())
        await eventually(lambda: self._takes_callers(known), within_s=READY_S, what="MediaMTX takes callers")

    def _launch(self, configuration: Path) -> None:
        with (self.folder / "mediamtx.log").open("ab") as out:
            self.process = subprocess.Popen(
                [BINARY, configuration],
                cwd=self.folder,
                env=os.environ | {"TZ": "UTC"},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
            )

    def _takes_callers(self, known: int) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log[-3000:]
        return self.log.count("[API] started with listener") > known

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        if self.process is None or self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.kill()

    def camera(self, channel: str = "cam1", **more: Any) -> SrtSender:
        """A camera with its own clock that sends to the channel as the README describes."""
        streamid = f"publish:{channel}:{channel}:{channel}secret"
        return SrtSender(self.srt_port, **{"name": channel.upper(), "streamid": streamid, **more})


@dataclass
class Rig:
    """MediaMTX and a box."""

    mediamtx: MediaMTX
    box: Box
    http: Http

    async def part(self, name: str) -> Any:
        answer = await self.http.client.get("/readyz")
        return answer.json()["parts"][name]

    async def becomes(self, name: str, status: str, words: str = "", *, within_s: float = 15.0) -> Any:
        """The part of /readyz once the condition holds."""
        result: dict[str, Any] = {}
        with trio.move_on_after(within_s):
            while not (result.get("status") == status and words in result["detail"]):
                await trio.sleep(0.1)
                result = await self.part(name)
            return result
        raise AssertionError(f"{name} is {result}; MediaMTX said {self.mediamtx.log[-1500:]}")

    async def source(self, channel: str = "cam1") -> Any:
        items = (await self.http.get("/sources"))["items"]
        return next(each for each in items if each["channel_id"] == channel)

    async def newest(self, channel: str = "cam1") -> int:
        """Everything captured before is indexed; 0: nothing is indexed."""
        until = (await self.http.get(f"/channels/{channel}/timeline"))["video_until"]
        return from_rfc3339(until) if until else 0

    async def recorded(self, seconds: float, channel: str = "cam1") -> None:
        """Wait until the channel's footage reaches this far beyond now."""
        with trio.fail_after(seconds + 20):
            await self.reaches(wall_us() + round(seconds * S_US), channel)

    async def reaches(self, at_us: int, channel: str = "cam1") -> None:
        while await self.newest(channel) < at_us:  # noqa: ASYNC110  # parts cause no event
            await trio.sleep(0.1)

    async def connected(self, channel: str = "cam1") -> None:
        """Wait until MediaMTX reports the channel's encoder as connected."""
        with trio.fail_after(10):
            while not (await self.source(channel))["is_connected"]:  # noqa: ASYNC110  # it is polled
                await trio.sleep(0.1)

    async def metric(self, line: str) -> float | None:
        """The value of a metric, by its name with labels; None: it does not exist."""
        text = (await self.http.media("/metrics")).text
        results = [each.rpartition(" ")[2] for each in text.splitlines() if each.rpartition(" ")[0] == line]
        return float(results[0]) if results else None


@asynccontextmanager
async def rig(
    folder: Path, *, cameras: Sequence[str] = CAMERAS, changed: dict[str, str] | None = None
) -> AsyncIterator[Rig]:
    """The README's setup with MediaMTX: its configuration, [mediamtx] keys, each camera in [[channels]]."""
    recordings, local_port = folder / "recordings", free_port()
    recordings.mkdir()
    mediamtx = MediaMTX(folder, recordings, changed or {})
    settings: dict[str, Any] = {
        "server": {"port": 0, "local_port": local_port},
        "channels": [{"id": each} for each in cameras],
        "mediamtx": {
            "api_url": f"http://127.0.0.1:{mediamtx.api_port}",
            "read_user": "appliance",
            "read_password": "daemonsecret",
            "webrtc_url": f"http://127.0.0.1:{mediamtx.webrtc_port}",
        },
    }
    try:
        await mediamtx.start()
        async with running_box(folder, **settings) as box, box.http() as http:
            yield Rig(mediamtx, box, http)
    except BaseException:
        print(f"--- MediaMTX said:\n{mediamtx.log[-4000:]}")
        raise
    finally:
        mediamtx.stop()
