"""WebKit for tests, not async: Debian's WebKitGTK, the closest relative of Safari on Linux.

Owns: a virtual screen (Xvfb), WebKitWebDriver, and the parts of the W3C protocol the tests need: JSON over
HTTP. Media is decoded by GStreamer: H.264 and AAC need gstreamer1.0-libav.
"""

from __future__ import annotations

import base64
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from glob import glob
from pathlib import Path
from typing import Any

import httpx

from tests.kit.waiting import PLAIN

WAIT_S = 60.0
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # W3C WebDriver, section 12.1
KEYS = {"Space": " ", "Escape": "\ue00c", "ArrowLeft": "\ue012"}
PLAYERS = "[...document.querySelectorAll('video')]"
# Each player has no clip, has failed, or knows what its clip is. (2: NETWORK_LOADING)
KNOWN = f"{PLAYERS}.every((each) => each.networkState !== 2 || each.readyState > 0)"
NOT_YET = ("no such element", "stale element reference", "element not interactable")
_BROWSERS = ("/usr/lib/*/webkit2gtk-4.*/MiniBrowser", "/usr/lib/*/webkitgtk-6.*/MiniBrowser")


def missing() -> str:
    """What is not installed, "" if nothing is missing."""
    tools = [name for name in ("WebKitWebDriver", "Xvfb") if shutil.which(name) is None]
    files = {
        "MiniBrowser": minibrowser(),
        "gstreamer1.0-libav": glob("/usr/lib/*/gstreamer-1.0/libgstlibav.so"),
    }
    return " ".join(tools + [name for name, result in files.items() if not result])


def minibrowser() -> str | None:
    """The browser of the driver's package, None if there is none."""
    results = [path for pattern in _BROWSERS for path in sorted(glob(pattern))]
    return results[0] if results else None


class NotYet(AssertionError):
    """The element does not exist yet, or is not visible."""


class WebKit:
    """One browser window. Elements are named by CSS selectors; waits have a deadline."""

    def __init__(self, driver: httpx.Client, pid: int) -> None:
        self._driver, self._pid = driver, pid
        options = {"binary": minibrowser(), "args": ["--automation"]}
        wanted = {"alwaysMatch": {"webkitgtk:browserOptions": options}}
        self._session = f"/session/{self._ask('POST', '/session', {'capabilities': wanted})['sessionId']}"
        self._do("POST", "/timeouts", {"script": int(WAIT_S * 1000), "pageLoad": int(WAIT_S * 1000)})

    def open(self, url: str, size: tuple[int, int] = (1180, 820)) -> None:
        """Load a page in a window of that size, including its scripts."""
        self._close_players()
        self._do("POST", "/window/rect", {"width": size[0], "height": size[1]})
        self._do("POST", "/url", {"url": url})
        self._loaded()

    def reload(self) -> None:
        self._close_players()
        self._do("POST", "/refresh", {})
        self._loaded()

    def _close_players(self) -> None:
        """GStreamer 1.22 hangs, and the driver with it, when a player is closed that does not know yet what
        its clip is, and sometimes when a page with a player is left."""
        self.until(KNOWN)
        self.run(
            f"for (const each of {PLAYERS}) {{ each.pause(); each.removeAttribute('src'); each.load(); }}"
        )
        self.until(f"{PLAYERS}.every((each) => each.readyState === 0)")

    def _loaded(self) -> None:
        """The driver's answer may arrive before the page's modules have run."""
        self.until("document.readyState === 'complete'")

    def run(self, script: str) -> Any:
        """The value of `return ...` in a page."""
        return self._do("POST", "/execute/sync", {"script": script, "args": []})

    def run_async(self, script: str) -> Any:
        """The result of an async function body (W3C uses callbacks for that: section 13.2.2)."""
        body = f"(async () => {{{script}}})().then(arguments[0], (error) => arguments[0](String(error)))"
        return self._do("POST", "/execute/async", {"script": body, "args": []})

    def until(self, condition: str, *, within_s: float = WAIT_S) -> Any:
        """Wait for a true value of an expression and return it."""
        deadline = time.monotonic() + within_s
        while True:
            value = self.run(f"return {condition}")
            if value:
                return value
            assert time.monotonic() < deadline, f"never true: {condition}"
            time.sleep(0.02)

    def click(self, selector: str) -> None:
        """A real click (with pointer events) in the middle of an element, once it can be clicked."""
        deadline = time.monotonic() + WAIT_S
        while True:
            try:
                actual = self._do("POST", "/element", {"using": "css selector", "value": selector})
                self._do("POST", f"/element/{actual[ELEMENT]}/click", {})
                return
            except NotYet:
                assert time.monotonic() < deadline, f"never to be clicked: {selector}"
                time.sleep(0.02)

    def press(self, key: str) -> None:
        """A key press and release at the current focus. Names as in KEYS."""
        value = KEYS.get(key, key)
        strokes = [{"type": "keyDown", "value": value}, {"type": "keyUp", "value": value}]
        self._do("POST", "/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": strokes}]})

    def page_processes(self) -> list[int]:
        """The processes that run pages, among all the driver started."""
        return [pid for pid, name in _processes(self._pid) if name.startswith("WebKitWebProc")]

    def photograph(self, path: str) -> None:
        """The window as a PNG."""
        Path(path).write_bytes(base64.b64decode(self._do("GET", "/screenshot")))

    def _do(self, method: str, path: str, body: Any = None) -> Any:
        return self._ask(method, self._session + path, body)

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        value = self._driver.request(method, path, json=body).json()["value"]
        if isinstance(value, dict) and "error" in value:
            kind = NotYet if value["error"] in NOT_YET else AssertionError
            raise kind(f"{method} {path}: {value['error']}: {value['message']}")
        return value


@contextmanager
def webkit() -> Iterator[WebKit]:
    """A separate browser with an empty profile; killed with everything it started.

    It is not asked to leave its page, which may hang (`_close_players`).
    """
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home,
        _screen() as display,
        _driver(Path(home), display) as (client, pid),
    ):
        yield WebKit(client, pid)


@contextmanager
def _screen() -> Iterator[str]:
    """A display without a monitor; it chooses its own number."""
    reads, writes = os.pipe()
    words = ["Xvfb", "-displayfd", str(writes), "-screen", "0", "1400x1200x24", "-nolisten", "tcp"]
    process = subprocess.Popen(words, pass_fds=[writes], stderr=subprocess.DEVNULL, start_new_session=True)
    os.close(writes)
    try:
        with os.fdopen(reads) as pipe:
            number = pipe.readline().strip()
        assert number, "Xvfb did not start"
        yield f":{number}"
    finally:
        process.terminate()
        process.wait()


@contextmanager
def _driver(home: Path, display: str) -> Iterator[tuple[httpx.Client, int]]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    own = {f"XDG_{name}": str(home) for name in ("DATA_HOME", "CACHE_HOME", "CONFIG_HOME", "RUNTIME_DIR")}
    # Without a session bus and a sound card: the browser looks for both and needs neither.
    quiet = {"GIO_USE_VFS": "local", "GTK_A11Y": "none", "NO_AT_BRIDGE": "1", "GSETTINGS_BACKEND": "memory"}
    environment = os.environ | own | quiet | {"DISPLAY": display, "HOME": str(home), "GDK_BACKEND": "x11"}
    with (home / "driver.log").open("wb") as log:
        process = subprocess.Popen(
            ["WebKitWebDriver", f"--port={port}"],
            env=environment, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", **PLAIN) as client:
            _wait_for(client)
            yield client, process.pid
    finally:
        for pid, _ in _processes(process.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()


def _processes(session: int) -> list[tuple[int, str]]:
    """[(process id, name)] of a session's processes: what the driver starts stays in its session."""
    outcome = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, rest = stat.read_text().partition(" (")[2].rpartition(") ")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(rest.split()[3]) == session:
            outcome.append((int(stat.parent.name), name))
    return outcome


def _wait_for(client: httpx.Client) -> None:
    deadline = time.monotonic() + WAIT_S
    while True:
        try:
            client.get("/status")
            return
        except httpx.TransportError:
            assert time.monotonic() < deadline, "WebKitWebDriver does not answer"
            time.sleep(0.02)
