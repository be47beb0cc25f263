"""A file goes to a real `appliance cloud serve` by tus: its connection is cut in every round, and the process
is killed in some. A round is 40 MB of the file: 50 rounds are 2 GB.

Checked: the offset never goes back, and never past what was sent; the file that results is the one that was
sent; nothing but it is left among the objects; the process stays small.
"""

from __future__ import annotations

import base64
import hashlib
import re
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import trio

from appliance.cloud.console import make_token
from appliance.cloud.settings import load_settings
from appliance.kernel import json
from tests.faults.tally import Tally
from tests.kit.ports import free_port
from tests.kit.running import Process
from tests.kit.waiting import LIMIT_S
from tests.server.sockets import read_answer, request

ROUND = 40_000_000
BLOCK = 1_000_000
KILL_EVERY = 10  # rounds: after a kill the upload stays locked for half a minute
JOIN_S = 600.0
RSS_MAX = 400 * 2**20
BOX_ID = "019307a0-0000-7000-8000-0000000000b0"
PATH = "/edge/v1/uploads"
SETTINGS = """
[cloud]
environment = "demo"
state_dir = "{folder}/state"
[server]
port = {port}
local_port = 0
"""


@dataclass
class Service:
    """The process, and what it was asked."""

    folder: Path
    port: int = field(default_factory=free_port)
    token: str = ""
    rss: int = 0  # the largest that was seen

    def __post_init__(self) -> None:
        file = self.folder / "cloud.toml"
        file.write_text(SETTINGS.format(folder=self.folder, port=self.port))
        self.process = Process(["cloud", "serve", "--config", str(file)], self.folder / "cloud.log")

    async def start(self) -> None:
        self.process.launch()
        for _ in range(round(LIMIT_S / 0.1)):
            if await self.ask(request("/healthz")):
                return
            await trio.sleep(0.1)
        raise AssertionError("the service does not answer")

    async def kill(self) -> None:
        self.look()
        self.process.send(signal.SIGKILL)
        await self.process.ended()

    def look(self) -> None:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        if (peak := re.search(r"VmHWM:\s+(\d+) kB", status)) is not None:
            self.rss = max(self.rss, int(peak[1]) * 1024)

    def request(self, method: str, path: str, **headers: str) -> bytes:
        fields = {"tus_resumable": "1.0.0", "box_id": BOX_ID, "authorization": f"Bearer {self.token}"}
        return request(path, method, **fields, **headers)  # type: ignore[arg-type]

    async def ask(self, sent: bytes) -> bytes:
        """One request on a connection of its own; b"": no answer."""
        try:
            async with await trio.open_tcp_stream("127.0.0.1", self.port) as stream:
                await stream.send_all(sent)
                return await read_answer(stream)
        except (OSError, trio.BrokenResourceError):
            return b""

    async def resource(self, path: str) -> dict[str, Any]:
        answer = await self.ask(self.request("GET", path))
        head, _, body = answer.partition(b"\r\n\r\n")
        assert b" 200 " in head[:20], answer[:300]
        return dict(json.decode(body))


@dataclass(frozen=True)
class File:
    """Its bytes are made when they are needed."""

    seed: int
    size: int

    def block(self, number: int) -> bytes:
        return Random(self.seed * 1_000_003 + number).randbytes(min(BLOCK, self.size - number * BLOCK))

    def blocks(self, start: int) -> Iterator[bytes]:
        for number in range(start // BLOCK, -(-self.size // BLOCK)):
            skipped = max(0, start - number * BLOCK)
            yield self.block(number)[skipped:]

    def sha256(self) -> str:
        digest = hashlib.sha256()
        for block in self.blocks(0):
            digest.update(block)
        return digest.hexdigest()


async def upload_cuts(rounds: int, seed: int, folder: Path) -> Tally:
    """`rounds` cuts."""
    tally, rnd, service = Tally(), Random(seed), Service(folder)
    file = File(seed, rounds * ROUND)
    sha256 = await trio.to_thread.run_sync(file.sha256)
    await service.start()
    try:
        settings = load_settings(folder / "cloud.toml")
        service.token = await make_token(settings, "box", "box", ("site:s1",))
        path = await _begin(service, file, sha256)
        offset = 0
        while offset < file.size:
            is_last = tally.rounds >= rounds
            end = file.size if is_last else min(file.size, offset + rnd.randrange(1, ROUND))
            await _send(service, path, file, offset, end)
            if not is_last and tally.rounds % KILL_EVERY == KILL_EVERY - 1:
                await service.kill()
                await service.start()
                tally.struck += 1
            after = await _offset(service, path)
            tally.check(offset <= after <= end, f"the offset went from {offset} to {after}, sent until {end}")
            tally.rounds += not is_last
            tally.acknowledged += after > offset
            offset = after
        await _check_file(tally, service, path, file, sha256)
    finally:
        if service.process.popen is not None and service.process.popen.poll() is None:
            await service.kill()
    tally.check(service.rss < RSS_MAX, f"the process had {service.rss / 2**20:.0f} MiB")
    return tally


async def _begin(service: Service, file: File, sha256: str) -> str:
    metadata = f"sha256 {base64.b64encode(sha256.encode()).decode()}"
    headers = {"upload_length": str(file.size), "upload_metadata": metadata, "content_length": "0"}
    answer = await service.ask(service.request("POST", PATH, **headers))
    match = re.search(rb"location: (\S+)", answer)
    assert match is not None, answer[:300]
    return match[1].decode()


async def _send(service: Service, path: str, file: File, start: int, end: int) -> None:
    """A PATCH of everything from `start`, of which the bytes until `end` are sent before the line is cut."""
    headers = {
        "content_type": "application/offset+octet-stream",
        "upload_offset": str(start),
        "content_length": str(file.size - start),
    }
    stream = await trio.open_tcp_stream("127.0.0.1", service.port)
    try:
        await stream.send_all(service.request("PATCH", path, **headers))
        at = start
        for block in file.blocks(start):
            await stream.send_all(block[: end - at])
            at += len(block)
            if at >= end:
                break
        if end == file.size:
            await read_answer(stream)
    except trio.BrokenResourceError:
        pass  # it was refused: the offset is asked for
    finally:
        await trio.aclose_forcefully(stream)


async def _offset(service: Service, path: str) -> int:
    """Once no request holds the upload: an empty PATCH is taken, or refused for its offset."""
    with trio.fail_after(4 * LIMIT_S):
        while True:
            shown = await service.resource(path)
            if shown["state"] != "receiving":
                return int(shown["received"])
            headers = {"content_type": "application/offset+octet-stream", "content_length": "0"}
            sent = service.request("PATCH", path, upload_offset=str(shown["received"]), **headers)
            if b" 204 " in (await service.ask(sent))[:20]:
                return int(shown["received"])
            await trio.sleep(0.2)


async def _check_file(tally: Tally, service: Service, path: str, file: File, sha256: str) -> None:
    shown = await service.resource(path)
    with trio.move_on_after(JOIN_S):
        while shown["state"] == "joining":
            await trio.sleep(0.5)
            shown = await service.resource(path)
    if (shown["state"], shown["sha256"]) != ("complete", sha256):
        tally.lose([f"the file: it is {shown['state']}, {shown['reason']}"])
        return
    objects = service.folder / "state" / "objects"
    stored = objects / "sha256" / sha256
    tally.check(stored.stat().st_size == file.size, "the object has another size")
    with stored.open("rb") as data:
        digest = await trio.to_thread.run_sync(lambda: hashlib.file_digest(data, "sha256").hexdigest())
    tally.check(digest == sha256, "the object has other bytes")
    left: list[Path] = []
    for _ in range(round(LIMIT_S / 0.2)):
        if not (left := [each for each in objects.rglob("*") if each.is_file() and each != stored]):
            break
        await trio.sleep(0.2)
    tally.check(not left, f"{len(left)} objects are left over")
