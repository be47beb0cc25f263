"""Published capture times against the truth, with nothing simulated: cameras, SRT, a recorder, a daemon.

`watch` lets cameras send to a box, stops the box for a while, and at the end reads what a client would: clips
of all that was recorded, with the API's time of each frame. Published times never change, so a client would
have received the same ones at once. A camera's delay (SRT, encoder) is constant; it is measured once, in
steady state, and set as `latency_ms`, as the README describes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final, NamedTuple

import av
import trio

from appliance.kernel.clock import apart_us, boottime_us, from_rfc3339, to_rfc3339, wall_us
from tests.e2e.kit import frame_times
from tests.kit.barcoded import burned
from tests.kit.film_sender import FilmSender
from tests.kit.running import Box, Http
from tests.kit.waiting import LIMIT_S

S_US: Final = 1_000_000
_SETTLED_S: Final = 12.0  # after the start of a run: steady from here on
_FIRST_S: Final = 10.0


class Shown(NamedTuple):
    """A frame: its capture time in the API, and the true one (us)."""

    at_us: int
    captured_us: float

    @property
    def error_us(self) -> float:
        return self.at_us - self.captured_us


@dataclass(frozen=True)
class Figures:
    """One camera: the worst error of each time in ms, and the number of frames."""

    first_ms: float
    steady_ms: float
    after_ms: float
    frames: int


async def watch(
    box: Box,
    cameras: Mapping[str, FilmSender],
    folder: Path,
    *,
    before_s: float,
    down_s: float,
    after_s: float,
) -> tuple[dict[str, Figures], float]:
    """(figures by channel, worst difference between two angles of one play, ms).

    The box runs and the cameras are sending. Times count from when the last of them is recorded: the box
    stops after `before_s` for `down_s`; `after_s` of what follows is examined.
    """
    async with box.http() as http:
        began_us = max([await _reaches(http, each, 0) for each in cameras])
        down_us = began_us + round(before_s * S_US)
        for channel in cameras:
            await _reaches(http, channel, down_us)
    await box.stop()
    await trio.sleep(down_s)  # the outage itself
    up_us = wall_us()
    await box.start()
    async with box.http() as http:
        again_us = max([await _reaches(http, each, up_us) for each in cameras])
        until_us = again_us + round(after_s * S_US)
        for channel in cameras:
            await _reaches(http, channel, until_us)
        settled_us = began_us + round(min(_SETTLED_S, before_s / 2) * S_US)
        for channel, sender in cameras.items():
            steady = await seen(http, folder, channel, sender, settled_us, down_us)
            delay_us = median(each.error_us for each in steady)
            await http.patch(f"/channels/{channel}", {"latency_ms": round(delay_us / 1000)})
        shown = {
            channel: [
                *await seen(http, folder, channel, sender, began_us - 5 * S_US, down_us),
                *await seen(http, folder, channel, sender, down_us, until_us - S_US),
            ]
            for channel, sender in cameras.items()
        }
    figures = {channel: _figures(frames, settled_us, down_us) for channel, frames in shown.items()}
    return figures, _apart_ms(*shown.values())


def _figures(frames: Sequence[Shown], settled_us: int, down_us: int) -> Figures:
    first_us = frames[0].captured_us + _FIRST_S * S_US
    return Figures(
        _worst_ms(each for each in frames if each.captured_us < min(first_us, down_us)),
        _worst_ms(each for each in frames if settled_us <= each.captured_us < down_us),
        _worst_ms(each for each in frames if each.captured_us >= down_us),
        len(frames),
    )


def _worst_ms(frames: Iterable[Shown]) -> float:
    return round(max(abs(item.error_us) for item in frames) / 1000, 1)


def _apart_ms(left: Sequence[Shown], right: Sequence[Shown] = ()) -> float:
    """The worst difference between two angles' times of one instant."""
    worst, at = 0.0, 0
    for element in left if right else ():
        while at + 1 < len(right) and abs(right[at + 1].captured_us - element.captured_us) <= abs(
            right[at].captured_us - element.captured_us
        ):
            at += 1
        if abs(right[at].captured_us - element.captured_us) < 50_000:
            worst = max(worst, abs(right[at].error_us - element.error_us))
    return round(worst / 1000, 1)


async def seen(
    http: Http, folder: Path, channel: str, sender: FilmSender, start_us: int, end_us: int
) -> list[Shown]:
    """Every frame of [start, end): its published time and, from its picture in a clip, its true one."""
    session = await http.post("/sessions", {"name": "Truth", "type": "other"}, 201)
    body = {
        "session_id": session["id"],
        "channel_id": channel,
        "start_time": to_rfc3339(start_us),
        "duration": (end_us - start_us) / 1e6,
    }
    clip = await http.post("/clips", body, 201)
    with trio.fail_after(LIMIT_S):
        while (clip := await http.get(f"/clips/{clip['id']}"))["status"] != "ready":  # noqa: ASYNC110
            await trio.sleep(0.05)
    file = folder / f"{clip['id']}.mp4"
    file.write_bytes((await http.media(clip["stream_url"])).content)
    with av.open(str(file)) as container:
        pictures = [burned(frame) for frame in container.decode(video=0)]
    file.unlink()
    times = await frame_times(http, channel, start_us, end_us)
    offset_us = apart_us(wall_us, boottime_us)
    results = []
    for at_us, text in zip(times, pictures, strict=True):
        assert text is not None, "a picture without its number"
        results.append(Shown(at_us, sender.captured_us(text.frame, at_us - offset_us) + offset_us))
    return results


async def _reaches(http: Http, channel: str, at_us: int) -> int:
    """Wait until everything captured before this wall time is indexed; returns how far the index reaches."""
    with trio.fail_after(max(0, at_us - wall_us()) / 1e6 + 60):
        while True:
            until = (await http.get(f"/channels/{channel}/timeline"))["video_until"]
            if until is not None and from_rfc3339(until) > at_us:
                return from_rfc3339(until)
            await trio.sleep(0.1)
