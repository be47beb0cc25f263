"""Converting a source's timestamps into one run's media time."""

from __future__ import annotations

from itertools import pairwise

import pytest

from appliance.media.ingest.streamtime import HZ, ArrivalEnvelope, StreamTime

FRAME = 3600
WRAP = 1 << 33


def play(stamps: list[int], *, start_us: int = 10**15, step_us: int = 40_000) -> tuple[StreamTime, list[int]]:
    """Convert each raw stamp, one every 40 ms."""
    time = StreamTime()
    return time, [time.place(1, raw % WRAP, start_us + n * step_us) for n, raw in enumerate(stamps)]


def steps(media: list[int]) -> set[int]:
    return {b - a for a, b in pairwise(media)}


def test_media_time_begins_at_zero_whatever_the_source_counts_from() -> None:
    _, media = play([123_456_789 + n * FRAME for n in range(5)])
    assert media == [n * FRAME for n in range(5)]


def test_the_33_bit_wrap_is_not_seen() -> None:
    time, media = play([WRAP - 5 * FRAME + n * FRAME for n in range(20)])
    assert media == [n * FRAME for n in range(20)] and time.jumps == 0


@pytest.mark.parametrize("jump_s", [3, 10, 3600, -1, -5, -3600])
def test_a_jump_the_wall_clock_did_not_make_is_taken_out(jump_s: int) -> None:
    stamps = [10**9 + n * FRAME + (jump_s * HZ if n >= 50 else 0) for n in range(100)]
    time, media = play(stamps)
    assert steps(media) == {FRAME} and time.jumps == 1


def test_footage_really_lost_leaves_its_hole() -> None:
    time = StreamTime()
    for n in range(50):
        time.place(1, n * FRAME, n * 40_000)
    assert time.place(1, 50 * FRAME + 5 * HZ, 50 * 40_000 + 5_000_000) == 50 * FRAME + 5 * HZ
    assert time.jumps == 0


def test_what_comes_in_a_burst_after_a_stall_keeps_its_times() -> None:
    time = StreamTime()
    media = [time.place(1, n * FRAME, n * 40_000) for n in range(50)]
    media += [time.place(1, n * FRAME, 50 * 40_000 + 4_000_000 + n) for n in range(50, 150)]
    assert steps(media) == {FRAME} and time.jumps == 0


def test_a_burst_out_of_a_buffer_at_the_start_is_no_jump() -> None:
    time, media = play([n * FRAME for n in range(100)], step_us=1_000)
    assert steps(media) == {FRAME} and time.jumps == 0


def test_sound_and_picture_change_over_to_a_jumped_clock_one_after_the_other() -> None:
    time = StreamTime()
    pictures: list[int] = []
    sounds: list[int] = []
    for n in range(200):
        at = 10**12 + n * 40_000
        pictures.append(time.place(1, (10**9 + n * FRAME + (7 * HZ if n >= 100 else 0)) % WRAP, at))
        sounds.append(time.place(2, (10**9 + n * FRAME - 900 + (7 * HZ if n >= 105 else 0)) % WRAP, at))
    assert steps(pictures) == {FRAME} and steps(sounds) == {FRAME}
    assert sounds[150] - pictures[150] == -900 and time.jumps == 1


def test_sound_on_a_clock_of_its_own_is_put_beside_the_picture() -> None:
    time = StreamTime()
    picture = [time.place(1, 10**9 + n * FRAME, n * 40_000) for n in range(10)][-1]
    assert abs(time.place(2, 5, 9 * 40_000) - picture) < FRAME


@pytest.mark.parametrize("ppm", [-200, 200])
def test_the_wall_instant_follows_a_skewed_source(ppm: int) -> None:
    time, media, at = StreamTime(), 0, 0
    for n in range(30 * 60 * 5):  # thirty minutes, five frames a second
        at = round(n * 200_000 / (1 + ppm * 1e-6)) + (n * 7919 % 30_000)  # and up to 30 ms of jitter
        media = time.place(1, n * HZ // 5, at)
    truth = 30 * 60 * 5 * 200_000 / (1 + ppm * 1e-6)
    assert abs(time.wall_us(1, media + HZ // 5) - truth) < 20_000


def test_the_envelope_forgets_after_a_minute() -> None:
    envelope = ArrivalEnvelope()
    envelope.see(0, 0)
    for second in range(1, 60):
        envelope.see(second * HZ, second * 1_000_000 + 50_000)
    assert envelope.lag_us == 0
    envelope.see(60 * HZ, 60 * 1_000_000 + 50_000)
    assert envelope.lag_us == 50_000


STEPS_S = [-0.1, -0.3, -0.4, -0.45, -0.5, -2, 0.3, 0.5, 3]


def jitter_us(n: int) -> int:
    """Up to 20 ms late, never early, like a network."""
    return n * 7919 % 20_000


@pytest.mark.parametrize("fps", [25, 30, 50, 60])
@pytest.mark.parametrize("step_s", STEPS_S)
def test_a_step_of_any_size_moves_no_picture(step_s: float, fps: int) -> None:  # E4
    time, frame = StreamTime(), HZ // fps
    media = []
    for n in range(8 * fps):
        raw = 10**9 + n * frame + (round(step_s * HZ) if n >= 4 * fps else 0)
        media.append(time.place(1, raw, 10**12 + n * 1_000_000 // fps + jitter_us(n)))
    assert steps(media) == {frame} and time.jumps == 1
    assert abs(time.stepped - step_s * HZ) <= 1


@pytest.mark.parametrize("sound_lag", [-5, 0, 5, 30], ids=lambda n: f"sound {n} pictures later")
@pytest.mark.parametrize("step_s", STEPS_S)
def test_sound_stays_beside_the_picture_over_a_step(step_s: float, sound_lag: int) -> None:  # E4
    """Sound is sent in packets of 0.2 s; whichever of the two jumps first, the other follows."""
    time = StreamTime()
    pictures: list[int] = []
    sounds: list[int] = []
    for n in range(300):
        at_us = 10**12 + n * 40_000 + jitter_us(n)
        step = round(step_s * HZ)
        pictures.append(time.place(1, 10**9 + n * FRAME + (step if n >= 100 else 0), at_us))
        if n % 5 == 0:
            raw = 10**9 + n * FRAME - 900 + (step if n >= 100 + sound_lag else 0)
            expected = sounds[-1] + 5 * FRAME if sounds else None
            sounds.append(time.place(2, raw, at_us, expected, 1920))
    assert steps(pictures) == {FRAME} and steps(sounds) == {5 * FRAME} and time.jumps == 1
    assert {sound - picture for sound, picture in zip(sounds, pictures[::5], strict=True)} == {-900}


@pytest.mark.parametrize("step_s", [-0.1, -0.3, -2, 0.3, 3])
def test_sound_alone_may_step(step_s: float) -> None:  # E4
    time = StreamTime()
    sounds: list[int] = []
    for n in range(200):
        at_us = 10**12 + n * 40_000
        time.place(1, n * FRAME, at_us)
        raw = n * FRAME + (round(step_s * HZ) if n >= 100 else 0)
        expected = sounds[-1] + FRAME if sounds else None
        sounds.append(time.place(2, raw, at_us, expected, 1920))
    assert steps(sounds) == {FRAME} and time.jumps == 1


def test_steps_again_and_again_over_the_wrap_move_nothing() -> None:  # E4
    total, stamps = 0, []
    for n in range(500):
        if n and n % 20 == 0:
            total += round((-0.3, 0.4, -0.37, 3, -0.11)[n // 20 % 5] * HZ)
        stamps.append(WRAP - 100 * FRAME + n * FRAME + total)
    time, media = play(stamps)
    assert steps(media) == {FRAME} and time.jumps == 24


def test_a_rate_that_falls_to_a_fifth_is_no_step() -> None:
    """Low light: 30 pictures a second become 6."""
    time, media, raw, at_us = StreamTime(), [], 0, 10**12
    for n in range(200):
        raw, at_us = raw + (3000 if n < 100 else 15_000), at_us + (33_333 if n < 100 else 166_667)
        media.append(time.place(1, raw, at_us + jitter_us(n)))
    assert steps(media) == {3000, 15_000} and time.jumps == 0


@pytest.mark.parametrize("lost", [3, 8, 50])
def test_pictures_really_lost_leave_their_hole_in_a_burst_too(lost: int) -> None:
    time = StreamTime()
    for n in range(100):
        time.place(1, n * FRAME, 10**12 + n * 40_000 + jitter_us(n))
    back_us = 10**12 + 200 * 40_000  # a stall of four seconds, then everything at once except `lost` pictures
    media = [time.place(1, n * FRAME, back_us + n) for n in range(100, 140)]
    media += [time.place(1, n * FRAME, back_us + n) for n in range(140 + lost, 200)]
    assert media[-1] == 199 * FRAME and time.jumps == 0


def test_a_step_during_a_pause_keeps_the_pause() -> None:
    time = StreamTime()
    for n in range(50):
        time.place(1, n * FRAME, n * 40_000)
    back_us = 49 * 40_000 + 1_000_000
    assert time.place(1, 50 * FRAME - 9 * HZ, back_us) == 49 * FRAME + HZ and time.jumps == 1
