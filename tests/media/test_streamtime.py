"""A source's timestamps made into one run's media time."""

from __future__ import annotations

from itertools import pairwise

import pytest

from appliance.media.streamtime import HZ, ArrivalEnvelope, StreamTime

FRAME = 3600
WRAP = 1 << 33


def play(stamps: list[int], *, start_us: int = 10**15, step_us: int = 40_000) -> tuple[StreamTime, list[int]]:
    """Place each raw stamp, one every 40 ms."""
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
