"""Opens a page in a browser, in a process of its own, and returns its text.

Owns: that process and its end. It is killed with the browser after 30 s, and when this process ends. The
host is resolved and checked here ([net]); the browser may connect to that one address and to no other, also
after a redirect. Needs the extra `scrape` (Playwright).
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import trio

from appliance.cloud.scoring.providers.model import ProviderFailed
from appliance.kernel import json
from appliance.network.outbound import MAX_BYTES, CallFailed, Outbound

LIMIT_S: Final = 30.0
_COMMAND: Final = (sys.executable, "-I", "-m", "appliance.cloud.scoring.providers.scrape.page_process")
_REASON_MAX: Final = 300
_KEPT: Final = ("PATH", "HOME", "LANG", "PLAYWRIGHT_BROWSERS_PATH", "XDG_CACHE_HOME")
"""Variables that the process gets: none of them is a secret of the service."""


@dataclass(frozen=True, slots=True)
class BrowserPage:
    """`command`: of the process; tests have others."""

    outbound: Outbound
    limit_s: float = LIMIT_S
    command: tuple[str, ...] = _COMMAND

    async def open(self, url: str) -> bytes:
        """The text of the page. Raises ProviderFailed."""
        try:
            address = await self.outbound.resolve(url)
        except CallFailed as failed:
            raise ProviderFailed(failed.code, failed.detail) from None
        order = json.encode({"url": url, "host": urlsplit(url).hostname or "", "address": address})
        process = await trio.lowlevel.open_process(
            list(self.command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            cwd="/",
            env={name: os.environ[name] for name in _KEPT if name in os.environ},
        )
        try:
            with trio.fail_after(self.limit_s):
                return await _talk(process, order)
        except trio.TooSlowError:
            detail = f"a browser did not show the page within {self.limit_s:g} s"
            raise ProviderFailed("timeout", detail) from None
        finally:
            await _end(process)


async def _talk(process: trio.Process, order: bytes) -> bytes:
    """Send the order, then read everything until the process ends. Its input stays open: it ends with it."""
    assert process.stdin is not None and process.stdout is not None and process.stderr is not None
    parts: dict[str, bytes] = {}

    async def read(name: str, stream: trio.abc.ReceiveStream) -> None:
        data = b""
        while part := await stream.receive_some(65536):
            data += part
            if len(data) > MAX_BYTES:
                raise ProviderFailed("too_large", f"the page has more than {MAX_BYTES} bytes")
        parts[name] = data

    with suppress(trio.BrokenResourceError):  # it has ended already: its errors say why
        await process.stdin.send_all(order + b"\n")
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(read, "text", process.stdout)
            nursery.start_soon(read, "errors", process.stderr)
    except* ProviderFailed as group:
        raise group.exceptions[0] from None
    if await process.wait() != 0:
        raise _failure(parts["errors"])
    return parts["text"]


def _failure(errors: bytes) -> ProviderFailed:
    """The last line of its errors, `code: reason` where it has stated one."""
    line = errors.decode("utf-8", "replace").strip().rpartition("\n")[2][:_REASON_MAX]
    code, colon, reason = line.partition(": ")
    is_own = bool(colon) and code.replace("_", "").isalpha() and code.islower()
    return ProviderFailed(code if is_own else "unreachable", reason if is_own else f"the browser: {line}")


async def _end(process: trio.Process) -> None:
    """Kill it and everything that it has started: the browser is in a process group of its own."""
    with trio.CancelScope(shield=True):
        for pid in [*_descendants(process.pid), process.pid]:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        await process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                await stream.aclose()


def _descendants(pid: int) -> list[int]:
    parents: dict[int, list[int]] = {}
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            with suppress(OSError, ValueError, IndexError):
                stat = Path(entry.path, "stat").read_text()
                parents.setdefault(int(stat.rpartition(")")[2].split()[1]), []).append(int(entry.name))
    found = list(parents.get(pid, ()))
    for each in found:
        found += parents.get(each, ())
    return found
