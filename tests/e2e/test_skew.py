"""Sources with fast and slow clocks."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from pathlib import Path

import pytest
import trio

from appliance.kernel.clock import to_rfc3339, wall_us
from tests.e2e.kit import FRAME_US, NTSC, Published, expected, frame_times, shown, write_past
from tests.kit.camera import RecordingWriter, make_footage
from tests.kit.running import Http, running_box
from tests.kit.waiting import LIMIT_S

pytestmark = pytest.mark.slow

S_US = 1_000_000
PAST_S = 300  # 200 ppm are 60 ms by then: almost two frames
LIVE_S = 3.0


@dataclass
class LiveCamera:
    """Writes its frames when they are due. `parts`: (frames written, how late, us)."""

    writer: RecordingWriter
    live_from_us: int
    parts: list[tuple[int, int]] = field(default_factory=list)

    async def run(self) -> None:
        while True:
            due_us = self.writer.next_due_us()
            await trio.sleep(max(0, due_us - wall_us()) / 1e6)
            self.writer.write_until(due_us)
            self.parts.append((len(self.writer.frames), wall_us() - due_us))

    def late_us(self, frame: int) -> int:
        """How late the most punctual part was up to that of a frame: nobody can know its time any better."""
        seen = accumulate((late_us for _, late_us in self.parts), min)
        parts = zip((frames for frames, _ in self.parts), seen, strict=True)
        return (
            next((late_us for frames, late_us in parts if frame < frames), 0) if self._is_live(frame) else 0
        )

    def _is_live(self, frame: int) -> bool:
        return self.writer.frames[frame].capture_us >= self.live_from_us


async def all_frames(http: Http, channel: str, writer: RecordingWriter) -> list[Published]:
    """Every frame of a long recording with its published time."""
    first_us, end_us = writer.frames[0].capture_us - S_US, writer.frames[-1].capture_us + S_US
    times: list[int] = []
    with trio.fail_after(LIMIT_S):
        while len(times) < len(writer.frames):  # old segments are walked in the background
            borders = [*range(first_us, end_us, 50 * S_US), end_us]
            times = [at for span in pairwise(borders) for at in await frame_times(http, channel, *span)]
    return [Published(at_us, frame) for at_us, frame in zip(times, writer.frames, strict=True)]


async def test_sources_200_ppm_fast_and_slow_stay_within_a_frame(tmp_path: Path) -> None:
    """One run, five minutes from before the box started and some seconds live; clips at both ends are
    exact."""
    footage = make_footage(frames=480, fps=NTSC, gop=60, b_frames=2)
    start_us = wall_us() - PAST_S * S_US
    writers = {
        name: RecordingWriter(tmp_path / "recordings" / name, footage, start_us, segment_s=60, skew_ppm=ppm)
        for name, ppm in (("fast", 200.0), ("slow", -200.0))
    }
    for writer in writers.values():
        write_past(writer, wall_us())
    cameras = {name: LiveCamera(writer, live_from_us=wall_us()) for name, writer in writers.items()}
    recording = trio.CancelScope()

    async def record() -> None:
        with recording:
            async with trio.open_nursery() as nursery:
                for camera in cameras.values():
                    nursery.start_soon(camera.run)

    channels = [{"id": name} for name in writers]
    async with trio.open_nursery() as recorders:
        recorders.start_soon(record)
        async with running_box(tmp_path, channels=channels) as box, box.http() as http:
            await trio.sleep(LIVE_S)  # of footage; the box is not waited for
            recording.cancel()
            for name, camera in cameras.items():
                await check(http, name, camera)


async def check(http: Http, channel: str, camera: LiveCamera) -> None:
    frames = await all_frames(http, channel, camera.writer)
    wrong = [
        (each, camera.late_us(number))
        for number, each in enumerate(frames)
        if abs(each.error_us) >= FRAME_US and abs(each.error_us) >= FRAME_US + camera.late_us(number)
    ]
    assert wrong == [], channel
    session = await http.post("/sessions", {"name": "Skew", "type": "other"}, 201)
    for first in (100, len(frames) // 2, len(frames) - 50):
        start_us, end_us = frames[first].at_us, frames[first + 40].at_us
        body = {
            "session_id": session["id"],
            "channel_id": channel,
            "start_time": to_rfc3339(start_us),
            "duration": (end_us - start_us) / 1e6,
        }
        clip = await http.post("/clips", body, 201)
        played = shown((await http.media(clip["stream_url"])).content)
        assert played.numbers == expected(frames, start_us, end_us) and len(played.numbers) == 40
