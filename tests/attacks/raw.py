"""Scripts of raw bytes, played on many connections at once."""

from __future__ import annotations

import socket
import struct
from random import Random

import trio

from tests.attacks.packets import Script, script
from tests.attacks.target import Target

PATIENCE_S = 0.3  # how long a client reads before its next step
TOGETHER = 24


async def raw_bytes(target: Target, rnd: Random, seconds: float, *, together: int = TOGETHER) -> int:
    """Random scripts on `together` connections for this long; returns their number."""
    played = 0

    async def player(dice: Random) -> None:
        nonlocal played
        while True:
            await play(target, script(dice))
            played += 1

    with trio.move_on_after(seconds):
        async with trio.open_nursery() as nursery:
            for _ in range(together):
                nursery.start_soon(player, Random(rnd.random()))
    return played


async def play(target: Target, script: Script) -> None:
    """One connection from start to end, whatever the other side does."""
    try:
        stream = await target.connect()
    except OSError:
        await trio.sleep(0.01)  # refused: other checks decide whether the target is alive
        return
    try:
        with trio.move_on_after(PATIENCE_S):
            for piece in script.pieces:
                await stream.send_all(piece)
                await trio.sleep(script.pause_s)
            if script.ending == "half_close":
                await stream.send_eof()
            if script.ending in ("read", "half_close"):
                while await stream.receive_some(1 << 16):
                    pass
    except (trio.BrokenResourceError, OSError):
        pass  # it was ended, which is right
    finally:
        if script.ending == "reset":
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        stream.socket.close()
