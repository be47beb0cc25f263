"""Messages to systemd: READY, STATUS, WATCHDOG, STOPPING (sd_notify(3), one datagram each).

Owns: the datagram. Must not know when to send what: watchdog.py and the composition root do.
"""

from __future__ import annotations

from dataclasses import dataclass

import structlog
import trio

log = structlog.get_logger("notify")


@dataclass(frozen=True, slots=True)
class Notifier:
    """`address` is $NOTIFY_SOCKET; empty: every message is dropped."""

    address: str = ""

    async def send(self, *assignments: str) -> None:
        """Send `NAME=value` lines. Never raises when no process listens: the box runs without systemd too."""
        if not self.address:
            await trio.lowlevel.checkpoint()
            return
        address = "\0" + self.address[1:] if self.address.startswith("@") else self.address
        with trio.socket.socket(trio.socket.AF_UNIX, trio.socket.SOCK_DGRAM) as sock:
            try:
                await sock.connect(address)
                await sock.send("\n".join(assignments).encode())
            except OSError as error:
                log.warning("notify_failed", error=str(error))

    async def ready(self, status: str) -> None:
        await self.send("READY=1", f"STATUS={status}")

    async def stopping(self) -> None:
        await self.send("STOPPING=1", "STATUS=finishing what was begun")
