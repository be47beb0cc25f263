"""Camera files as other programs write them: MP4 by FFmpeg's muxer, frames numbered.

Unlike hand-laid footage (fmp4_file.py) the boxes are not ours: edit lists for B-frames and AAC priming, moov
at either end, chunks of any size.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any

import av
import numpy as np

from tests.kit.barcode import AUDIO_HZ, SIZE, VIDEO_HZ, draw, number_of

CAMERAS = ("FAR_LEFT", "NEAR_LEFT", "FAR_RIGHT", "NEAR_RIGHT")
CAMERA_STEP = 1000
"""Frame n of camera number c shows the number c * CAMERA_STEP + n: a clip of the wrong camera is seen."""


@dataclass(frozen=True)
class Film:
    """How a file is made. `at`: time of each frame in ticks of 90 kHz (None: evenly by `rate`)."""

    frames: int = 300
    gop: int = 30
    bframes: int = 2
    rate: Fraction = Fraction(30)
    sound: bool = True
    codec: str = "libx264"
    first: int = 0
    at: tuple[int, ...] | None = None
    size: tuple[int, int] = SIZE
    options: tuple[tuple[str, str], ...] = ()
    still: bool = False  # every frame is the same
    black: bool = False

    def tick(self, frame: int) -> int:
        return round(frame * VIDEO_HZ / self.rate) if self.at is None else self.at[frame]


FRAGMENTED = (("movflags", "frag_keyframe+empty_moov+default_base_moof"),)


@lru_cache(maxsize=32)
def film_bytes(film: Film) -> bytes:
    """The file, made once a test run. About 0.3 s for 300 frames."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4", options=dict(film.options)) as container:
        video: Any = container.add_stream(film.codec, rate=film.rate, options=_options(film))
        video.width, video.height, video.pix_fmt = *film.size, "yuv420p"
        video.codec_context.time_base = Fraction(1, VIDEO_HZ)
        video.codec_context.thread_count = 1
        sound: Any = container.add_stream("aac", rate=AUDIO_HZ, layout="stereo") if film.sound else None
        heard = 0
        for number in range(film.frames):
            frame = av.VideoFrame.from_ndarray(_picture(film, number), format="yuv420p")
            frame.pts, frame.time_base = film.tick(number), Fraction(1, VIDEO_HZ)
            container.mux(video.encode(frame))
            while film.sound and heard * VIDEO_HZ < film.tick(number) * AUDIO_HZ + VIDEO_HZ * 1024:
                container.mux(sound.encode(_sound(heard)))
                heard += 1024
        for stream in (video, sound) if film.sound else (video,):
            container.mux(stream.encode(None))
    return file.getvalue()


def write_film(path: Path, film: Film = Film()) -> Path:
    """The film as a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(film_bytes(film))
    return path


def write_game(root: Path, game_id: str, frames: int = 300) -> dict[str, Path]:
    """Games/{game_id}/{camera}.mp4 for the four cameras."""
    folder = root / "Games" / game_id
    return {
        camera: write_film(folder / f"{camera}.mp4", Film(frames=frames, first=number * CAMERA_STEP))
        for number, camera in enumerate(CAMERAS)
    }


@dataclass
class Shown:
    """What a player shows of a clip: numbers and times (s) of its frames, its sound."""

    numbers: list[int] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    pcm: Any = None
    size: tuple[int, int] = (0, 0)


def shown_in(path: str | Path) -> Shown:
    """Decode a whole clip."""
    shown = Shown()
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            shown.numbers.append(number_of(frame))
            shown.times.append(float(frame.time or 0))
            shown.size = frame.width, frame.height
    with av.open(str(path)) as container:
        if container.streams.audio:
            chunks = [frame.to_ndarray() for frame in container.decode(audio=0)]
            shown.pcm = np.hstack(chunks) if chunks else None
    return shown


def numbers_between(film: Film, start_s: float, end_s: float) -> list[int]:
    """The frames that begin in [start_s, end_s), as they were drawn."""
    low, high = (Fraction(str(each)) * VIDEO_HZ for each in (start_s, end_s))
    return [film.first + number for number in range(film.frames) if low <= film.tick(number) < high]


def _options(film: Film) -> dict[str, str]:
    params = f"keyint={film.gop}:min-keyint={film.gop}:scenecut=0:bframes={film.bframes}"
    if film.codec == "libx265":
        return {"preset": "ultrafast", "x265-params": f"{params}:pools=none:frame-threads=1:log-level=none"}
    return {"preset": "veryfast", "x264-params": f"{params}:b-adapt=0"}


def _picture(film: Film, number: int) -> Any:
    shown = film.first if film.still else film.first + number
    luma = np.full((film.size[1], film.size[0]), 16, np.uint8) if film.black else draw(shown, film.size)
    return np.vstack([luma, np.full((film.size[1] // 2, film.size[0]), 128, np.uint8)])


def _sound(at: int) -> av.AudioFrame:
    """1,024 samples of a rising tone: no two stretches sound alike."""
    place = np.arange(at, at + 1024, dtype=np.float64) / AUDIO_HZ
    wave = (0.4 * np.sin(2 * np.pi * (300 * place + 40 * place**2))).astype(np.float32)
    frame = av.AudioFrame.from_ndarray(np.stack([wave, wave]), format="fltp", layout="stereo")
    frame.sample_rate, frame.pts, frame.time_base = AUDIO_HZ, at, Fraction(1, AUDIO_HZ)
    return frame


def tone(first: int, count: int) -> Any:
    """The same tone as it was played: `count` samples from `first` on."""
    place = np.arange(first, first + count, dtype=np.float64) / AUDIO_HZ
    return 0.4 * np.sin(2 * np.pi * (300 * place + 40 * place**2))
