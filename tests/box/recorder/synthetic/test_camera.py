"""The synthetic camera."""

from __future__ import annotations

import io
from fractions import Fraction
from itertools import pairwise

import av
import pytest

from appliance.box.recorder.synthetic.camera import Camera
from tests.kit.camera import burned

NOW_US = 1_795_230_767_713_000


def film(seconds: int, *, fps: Fraction = Fraction(25), sound: bool = True) -> tuple[Camera, int, bytes]:
    """(camera, its first frame since the epoch, transport stream)."""
    camera = Camera("cam1", 320, 180, fps, sound=sound)
    first = camera.frame_after(NOW_US)
    data = b"".join(camera.capture(first + n, n) for n in range(round(seconds * fps)))
    return camera, first, data


@pytest.mark.parametrize("fps", [Fraction(25), Fraction(30_000, 1001)])
def test_each_frame_shows_the_instant_its_timestamp_says(fps: Fraction) -> None:
    camera, first, data = film(2, fps=fps, sound=False)
    with av.open(io.BytesIO(data), mode="r", format="mpegts") as container:
        frames = [(burned(frame), frame.pts) for frame in container.decode(video=0)]
    assert [b.frame if b else None for b, _ in frames] == list(range(round(2 * fps)))
    for n, (code, pts) in enumerate(frames):
        assert code is not None and pts is not None
        assert code.instant_us == camera.instant_us(first + n)
        assert pts % 2**33 == code.instant_us * 9 // 100 % 2**33


def test_two_cameras_capture_the_same_instants() -> None:
    first, second = (Camera(name, 160, 90, Fraction(25), sound=False) for name in ("a", "b"))
    assert first.instant_us(first.frame_after(NOW_US)) == second.instant_us(
        second.frame_after(NOW_US - 12_000)
    )
    assert first.instant_us(first.frame_after(NOW_US)) == 1_795_230_767_720_000  # on the grid of 40 ms


@pytest.mark.parametrize(
    ("late_us", "following"),
    [(0, 1), (40_000, 1), (1_900_000, 1), (2_100_000, 53)],
    ids=["in time", "a frame late", "within its buffer", "beyond its buffer"],
)
def test_a_starved_camera_is_late_before_it_leaves_frames_out(late_us: int, following: int) -> None:
    camera = Camera("a", 160, 90, Fraction(25), sound=False)
    first = camera.frame_after(NOW_US)
    due_us = camera.instant_us(first + 1)
    assert camera.following(first, due_us + late_us) - first == following


def test_a_key_picture_a_second_and_no_b_frames() -> None:
    _, _, data = film(3, sound=False)
    with av.open(io.BytesIO(data), mode="r", format="mpegts") as container:
        packets = [(p.is_keyframe, p.pts, p.dts) for p in container.demux() if p.dts is not None]
    assert [n for n, (key, _, _) in enumerate(packets) if key] == [0, 25, 50]
    assert all(pts == dts for _, pts, dts in packets)


def test_the_sound_is_unbroken_beside_the_picture_and_pips_on_the_second() -> None:
    _, _, data = film(3)
    with av.open(io.BytesIO(data), mode="r", format="mpegts") as container:
        stamps = [p.pts for p in container.demux(audio=0) if p.pts is not None]
    assert {b - a for a, b in pairwise(stamps)} == {1920}
    with av.open(io.BytesIO(data), mode="r", format="mpegts") as container:
        loud: list[float] = []
        for frame in container.decode(audio=0):
            assert frame.pts is not None
            values = memoryview(bytes(frame.planes[0])).cast("f")[:1024]
            if max(values) > 0.25:
                loud.append(frame.pts / 90_000)
    # pts are box time in 90 kHz, mod 2^33: the pip is at full seconds of box time
    second = (NOW_US // 1_000_000 * 90_000) % 2**33 / 90_000
    assert loud and all(min((at - second) % 1, 1 - (at - second) % 1) < 0.08 for at in loud)
