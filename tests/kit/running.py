"""The real daemon as a separate process, and its clients over real sockets.

- `Box` writes a settings file, starts `python -m appliance serve` on a free port, kills or stops it, starts
it again on the same state, and knows its processes.
- `Box.http()` is an HTTP client; `get`, `post` ... check the status they expect.
- `tablet(box)` is a WebSocket client that stores every event.

Only the clients belong to an event loop: a module's fixture may start a box that its tests use.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import trio
import trio_websocket
from wsproto.utilities import LocalProtocolError

from appliance.kernel.signal import Signal
from tests.kit.waiting import LIMIT_S, PLAIN, eventually, is_alive

HANDSHAKE_S = 20.0  # limit for a handshake that broke before its request was sent
Event = dict[str, Any]


# -- the process --------------------------------------------------------------------------------------------


@dataclass
class Process:
    """A command whose output goes to a file, and all processes it started."""

    words: Sequence[str]
    log: Path
    marker: str = field(default_factory=lambda: uuid.uuid4().hex)
    popen: subprocess.Popen[bytes] | None = None
    before: Sequence[str] = ()  # words in front of the command, as of nsenter, which becomes it

    def launch(self) -> None:
        """Start it. Earlier output stays in the log."""
        environment = os.environ | {"E2E_MARKER": self.marker, "PYTHONUNBUFFERED": "1"}
        with self.log.open("ab") as out:
            self.popen = subprocess.Popen(
                [*self.before, sys.executable, "-m", "appliance", *self.words],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        assert self.popen is not None
        return self.popen.pid

    def send(self, number: signal.Signals) -> None:
        assert self.popen is not None
        self.popen.send_signal(number)

    async def ended(self, *, within_s: float = LIMIT_S) -> int:
        """Its exit code, once it has ended."""
        popen = self.popen
        assert popen is not None
        await eventually(lambda: popen.poll() is not None, within_s=within_s, what=f"end of {self.words}")
        return int(popen.returncode)

    def family(self) -> set[int]:
        """Every living process it started, and itself: found by environment, or by the `--parent`
        argument."""
        assert self.popen is not None
        argument = f"--parent\0{self.popen.pid}\0".encode()
        mark = f"E2E_MARKER={self.marker}\0".encode()
        return {
            pid for pid in _processes() if mark in _proc(pid, "environ") or argument in _proc(pid, "cmdline")
        }

    async def leaves_nobody(self, *, within_s: float = LIMIT_S) -> None:
        """After its end: fails if a process it started is still running."""
        await eventually(lambda: not self.family(), within_s=within_s, what="no process left behind")

    def kill_everything(self) -> None:
        """In any case: no process outlives the test."""
        if self.popen is not None:
            for pid in self.family():
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            self.popen.wait()

    def output(self) -> str:
        """Its whole output."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""


def _processes() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit() and is_alive(int(name))]


def _proc(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""


# -- the box ------------------------------------------------------------------------------------------------


def as_toml(settings: Mapping[str, Any]) -> str:
    """Settings of two levels as TOML: JSON's notation of strings, numbers and lists is valid TOML."""
    lines: list[str] = []
    for section, value in settings.items():
        for table in value if isinstance(value, list) else [value]:
            lines.append(f"[[{section}]]" if isinstance(value, list) else f"[{section}]")
            lines += [f"{key} = {json.dumps(each)}" for key, each in table.items()]
    return "\n".join(lines) + "\n"


@dataclass
class Box:
    """A box in `folder`. `settings` are merged, section by section, into the tests' defaults."""

    folder: Path
    settings: Mapping[str, Any]
    url: str = ""
    process: Process = field(init=False)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.write_settings()
        config = self.folder / "appliance.toml"
        self.process = Process(["serve", "--config", str(config)], self.folder / "box.log")

    def write_settings(self) -> None:
        """For the next start."""
        (self.folder / "appliance.toml").write_text(as_toml(_with_defaults(self.folder, self.settings)))

    @property
    def recordings(self) -> Path:
        return self.folder / "recordings"

    @property
    def clips(self) -> Path:
        return self.folder / "state" / "clips"

    async def start(self) -> None:
        """Start, or start again; returns when it serves."""
        known = self._readies()
        self.process.launch()
        actual = await eventually(lambda: self._new_ready(known), what="ready in the log")
        self.url = actual

    def _new_ready(self, known: int) -> str:
        popen = self.process.popen
        if popen is not None and popen.poll() is not None:
            raise AssertionError(f"the box ended with {popen.returncode}:\n{self.process.output()[-4000:]}")
        lines = self._ready_lines()
        return lines[-1]["url"] if len(lines) > known else ""

    def _readies(self) -> int:
        return len(self._ready_lines())

    def _ready_lines(self) -> list[Any]:
        output = self.process.output().splitlines()
        lines = [line for line in output if '"ready"' in line and line.endswith("}")]
        return [entry for line in lines if (entry := json.loads(line)).get("event") == "ready"]

    async def stop(self) -> int:
        """SIGTERM; returns the exit code. Fails if a process is left."""
        self.process.send(signal.SIGTERM)
        code = await self.process.ended()
        await self.process.leaves_nobody()
        return code

    async def kill(self) -> None:
        """kill -9. Fails if a process is left."""
        self.process.send(signal.SIGKILL)
        await self.process.ended()
        await self.process.leaves_nobody()

    @asynccontextmanager
    async def http(self, device: str = "test") -> AsyncIterator[Http]:
        """A client of this box, on its current port."""
        async with httpx.AsyncClient(base_url=self.url, headers={"X-Client": device}, **PLAIN) as client:
            yield Http(client)


@contextmanager
def serving_box(folder: Path, settings: Mapping[str, Any], begin: Callable[[Box], Any]) -> Iterator[Any]:
    """For fixtures that outlive a test: yields what the async `begin` returns, and stops the box at the end.

    `begin` must call `box.start()`.
    """
    box = Box(folder, settings)
    try:
        yield trio.run(begin, box)
        code = trio.run(box.stop)
        assert code == 0, f"exit code {code}:\n{box.process.output()[-6000:]}"
    except BaseException:
        sys.stderr.write(f"--- the box said:\n{box.process.output()[-6000:]}\n")
        raise
    finally:
        box.process.kill_everything()


def _with_defaults(folder: Path, given: Mapping[str, Any]) -> dict[str, Any]:
    """Free ports, everything under `folder`, no requirements on the disk; recordings come from outside."""
    defaults: dict[str, Any] = {
        "server": {"port": 0, "local_port": 0},
        "storage": {
            "state_dir": str(folder / "state"),
            "recordings_dir": str(folder / "recordings"),
            "reserve_gb": 0,
        },
        "recorder": {"mode": "external"},
        "retention": {"min_free_gb": 0},
        "access": {"mode": "open"},
        "clips": {"workers": 1},
    }
    for section, values in given.items():
        defaults[section] = values if isinstance(values, list) else {**defaults.get(section, {}), **values}
    return defaults


@asynccontextmanager
async def running_box(folder: Path, **settings: Any) -> AsyncIterator[Box]:
    """A box that serves; at the end it must stop cleanly, unless the test has ended it."""
    box = Box(folder, settings)
    try:
        await box.start()
        yield box
        if box.process.popen is not None and box.process.popen.poll() is None:
            code = await box.stop()
            assert code == 0, f"exit code {code}"
    except BaseException:
        sys.stderr.write(f"--- the box said:\n{box.process.output()[-6000:]}\n")
        raise
    finally:
        box.process.kill_everything()


# -- clients ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Http:
    """HTTP client where a wrong status fails the test and shows the body."""

    client: httpx.AsyncClient

    async def get(self, path: str, status: int = 200, **query: Any) -> Any:
        return (await self.send("GET", path, None, status, **query)).json()

    async def post(self, path: str, body: Any = None, status: int = 200, **headers: str) -> Any:
        return (await self.send("POST", path, body, status, headers=headers)).json()

    async def patch(self, path: str, body: Any, status: int = 200) -> Any:
        return (await self.send("PATCH", path, body, status)).json()

    async def delete(self, path: str, status: int = 200) -> Any:
        return (await self.send("DELETE", path, None, status)).json()

    async def media(self, path: str, status: int = 200, **headers: str) -> httpx.Response:
        """Bytes; header names with _ for -."""
        return await self.send("GET", path, None, status, headers=headers)

    async def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        status: int = 200,
        *,
        headers: Mapping[str, str] | None = None,
        **query: Any,
    ) -> httpx.Response:
        given = {name.replace("_", "-"): value for name, value in (headers or {}).items()}
        target = path + (("&" if "?" in path else "?") + urlencode(query) if query else "")
        answer = await self.client.request(method, target, json=body, headers=given)
        assert answer.status_code == status, f"{method} {path}: {answer.status_code} {answer.text[:2000]}"
        return answer


@dataclass
class Tablet:
    """A WebSocket client. `events` are those with a seq, in order of arrival; they are not checked."""

    socket: trio_websocket.WebSocketConnection
    connected: Event = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    results: dict[str, Event] = field(default_factory=dict)
    closed: trio_websocket.CloseReason | None = None
    is_over: bool = False
    _heard: Signal = field(default_factory=Signal)

    @property
    def seqs(self) -> list[int]:
        return [event["seq"] for event in self.events]

    async def next(self, find: Callable[[], Any], *, within_s: float = LIMIT_S, what: str = "") -> Any:
        """The first true value of `find`, called after each frame."""
        with trio.move_on_after(within_s):
            while not (outcome := find()):
                if self.is_over:
                    break
                await self._heard.wait_past(self._heard.count)
            else:
                return outcome
        received = [event["type"] for event in self.events[-20:]]
        raise AssertionError(f"{what or 'it'} was not heard; last: {received}")

    async def event(self, kind: str, *, within_s: float = LIMIT_S, **fields: Any) -> Event:
        """The first event of this type with these fields, received already or later."""

        def find() -> Event | None:
            wanted = {"type": kind, **fields}.items()
            return next((event for event in self.events if wanted <= _plain(event).items()), None)

        event: Event = await self.next(find, within_s=within_s, what=f"{kind} {fields}")
        return event

    async def until_over(self) -> None:
        """Until the connection has ended, from either side."""
        while not self.is_over:
            await self._heard.wait_past(self._heard.count)

    async def command(self, do: str, body: Mapping[str, Any], *, id: str = "") -> Event:
        """The `result` of a command."""
        key = id or str(uuid.uuid4())
        await self.socket.send_message(
            json.dumps({"type": "command", "id": key, "do": do, "body": dict(body)})
        )
        result: Event = await self.next(lambda: self.results.get(key), what=f"result of {do}")
        return result

    async def listen(self) -> None:
        """Until the connection ends."""
        try:
            while True:
                self._take(json.loads(await self.socket.get_message()))
        except (trio_websocket.ConnectionClosed, trio.BrokenResourceError) as error:
            self.closed = getattr(error, "reason", None)
        self.is_over = True
        self._heard.notify()

    def _take(self, message: Event) -> None:
        if "seq" in message:
            self.events.append(message)
        elif message["type"] == "connected":
            self.connected = message
        elif message["type"] == "result":
            self.results[message["id"]] = message
        self._heard.notify()


def _plain(event: Event) -> dict[str, Any]:
    return {key: value for key, value in event.items() if isinstance(value, str | int | float | bool | None)}


@asynccontextmanager
async def tablet(box: Box, **query: Any) -> AsyncIterator[Tablet]:
    """A connected client; with since= and epoch= it resumes."""
    port = int(box.url.rpartition(":")[2])
    path = "/ws" + (f"?{urlencode(query)}" if query else "")
    stream = await trio.open_tcp_stream("127.0.0.1", port)
    closing = False
    try:
        # The library leaves a stream open that the server has ended.
        async with stream, trio.open_nursery() as nursery:
            socket = None
            # When a connection breaks before its request was sent, the library waits forever.
            with trio.move_on_after(HANDSHAKE_S):
                socket = await trio_websocket.wrap_client_stream(nursery, stream, f"127.0.0.1:{port}", path)
            assert socket is not None, "no handshake"
            device = Tablet(socket)
            nursery.start_soon(device.listen)
            await device.next(lambda: device.connected, what="connected")
            yield device
            closing = True
            with trio.move_on_after(1):
                await socket.aclose()
            nursery.cancel_scope.cancel()
    # the library answers a ping that arrives during its close, which is not allowed
    except* LocalProtocolError:
        if not closing:
            raise
