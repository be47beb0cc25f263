"""A growing recordings tree under the real actor, for tests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC
from pathlib import Path
from typing import Any

import trio

from appliance.box.recordings.actor import RecordingsHandle, run_recordings
from appliance.box.recordings.model import Fact
from appliance.kernel.clock import wall_us
from appliance.kernel.errors import Unavailable
from tests.kit.segments import Camera
from tests.kit.waiting import LIMIT_S

PART_US = 200_000
PART_NS = PART_US * 1000
PATIENT_S = 30.0  # for STALLED_S: longer than a busy machine pauses


class RealClock:
    """Box time equal to the machine's clock: files get their times from it too."""

    def now_us(self) -> int:
        return wall_us()


@dataclass
class Box:
    """A recordings tree and the index's events."""

    root: Path
    facts: list[Fact] = field(default_factory=list)
    refuse: int = 0

    @property
    def recordings(self) -> Path:
        return self.root / "recordings"

    @property
    def index(self) -> Path:
        return self.root / "index"

    async def announce(self, fact: Fact) -> None:
        if self.refuse:
            self.refuse -= 1
            raise Unavailable("storage_busy", "not now")
        self.facts.append(fact)

    @asynccontextmanager
    async def running(
        self, *channels: str, latency_ms: int = 0, after_cut: bool = False, **wiring: Any
    ) -> AsyncIterator[RecordingsHandle]:
        async with trio.open_nursery() as nursery:
            handle: RecordingsHandle = await nursery.start(
                lambda task_status: run_recordings(
                    recordings_dir=self.recordings,
                    index_dir=self.index,
                    channels=dict.fromkeys(channels or ("cam1",), latency_ms),
                    clock=RealClock(),
                    name_timezone=UTC,
                    announce=self.announce,
                    after_cut=after_cut,
                    **wiring,
                    task_status=task_status,
                )
            )
            for each in list(handle._state.followed.values()):
                await each.loaded.wait()  # what is added from now on did not exist at the start
            yield handle
            nursery.cancel_scope.cancel()

    def add(self, name: str, data: bytes, channel: str = "cam1") -> Path:
        path = self.recordings / channel / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab", buffering=0) as file:
            file.write(data)
        return path


async def until(handle: RecordingsHandle, condition: Callable[[], object]) -> None:
    with trio.fail_after(LIMIT_S):
        seen = -1
        while not condition():
            seen = await handle.changed.wait_past(seen)


async def eventually(condition: Callable[[], object]) -> None:
    """Polls a condition that no signal announces; with a limit."""
    with trio.fail_after(LIMIT_S):
        while not condition():  # noqa: ASYNC110  # there is nothing to wait on
            await trio.sleep(0.01)


async def fallen_silent(handle: RecordingsHandle, channel: str = "cam1") -> None:
    """Wait until its footage no longer counts as arriving: its newest part is made PATIENT_S old.

    Half a minute is left until the state is `none`. A short limit would do the same to a test whose machine
    pauses for a moment.
    """
    followed = handle._state.followed[channel]

    def is_silent() -> bool:
        if followed.newest_part_s is not None:
            followed.newest_part_s = min(followed.newest_part_s, trio.current_time() - PATIENT_S)
        return handle.footage_state(channel) != "on"

    await eventually(is_silent)


async def until_frames(handle: RecordingsHandle, count: int, channel: str = "cam1") -> None:
    """Wait until this many frames of its newest file are indexed."""
    await until(handle, lambda: frames_seen(handle, channel) == count)


def live_camera(number: int = 0, *, behind_us: int = 0, stream: bytes = b"\x11" * 16) -> Camera:
    """A camera whose first part of 0.2 s is complete now."""
    return Camera(ntp_ns=(wall_us() - PART_US - behind_us) * 1000, number=number, stream_id=stream)


def frames_seen(handle: RecordingsHandle, channel: str = "cam1") -> int:
    view = handle.newest_view(channel)
    return 6 * len(view.parts) if view is not None else 0
