"""Sound that changes, begins or ends inside a run: played at the correct pitch and in sync, or omitted."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from appliance.media.bitstream.params import first_entry
from appliance.media.cut.plan import Plan
from appliance.media.mp4 import boxes
from appliance.media.mp4.fmp4 import Track, parse_init
from appliance.media.mp4.fragment import Sample, TrackSpec, Traf, init_segment, part
from tests.kit.barcode import Media, encode
from tests.kit.fmp4_file import START_US, Recordings, StraightClock
from tests.media.cut.test_plan import at_us, plan_us

SECONDS = 4.0


@pytest.fixture
def recordings(tmp_path: Path) -> Iterator[Recordings]:
    made = Recordings(tmp_path)
    yield made
    made.close()


def tone(
    hertz: float, *, rate: int = 48_000, codec: str = "aac", layout: str = "stereo", track_id: int = 2
) -> tuple[Track, list[Sample]]:
    """A sine of SECONDS; its first packet begins at 0."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream: Any = container.add_stream(codec, rate=rate, layout=layout)
        count = 2 if layout == "stereo" else 1
        wave = 0.25 * np.sin(2 * np.pi * hertz * np.arange(round(SECONDS * rate)) / rate)
        for at in range(0, len(wave) - 959, 960):
            # planar for AAC, one plane of pairs for Opus
            chunk = np.repeat(wave[None, at : at + 960].astype(np.float32), count, axis=0)
            if codec != "aac":
                chunk = np.ascontiguousarray(chunk.T.reshape(1, -1))
            layout_format = "fltp" if codec == "aac" else "flt"
            frame = av.AudioFrame.from_ndarray(
                np.ascontiguousarray(chunk), format=layout_format, layout=layout
            )
            frame.sample_rate, frame.pts = rate, at
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    data = file.getvalue()
    begin = data.index(b"moov") - 4
    moov = data[begin : begin + int.from_bytes(data[begin : begin + 4], "big")]
    [track] = parse_init(boxes.ftyp(b"isom", 0, b"") + moov).tracks
    with av.open(io.BytesIO(data), "r", options={"ignore_editlist": "1"}) as container:
        packets = [bytes(packet) for packet in container.demux() if packet.size]
    length = 1024 if codec == "aac" else rate // 50
    samples = [Sample(n * length, n * length, length, True, packet) for n, packet in enumerate(packets)]
    return replace(track, id=track_id), samples


def filmed(number: int, sound: tuple[Track, list[Sample]] | None) -> Media:
    """SECONDS of pictures showing `number`."""
    pictures = encode(round(SECONDS * 30), sound=False, first=number)
    return pictures if sound is None else replace(pictures, audio=sound[0], packets=sound[1])


@dataclass(frozen=True)
class Heard:
    """A clip's sound, decoded: (time s, samples per second, one channel)."""

    chunks: list[tuple[float, int, Any]]

    def at(self, begin_s: float, end_s: float) -> tuple[float, float]:
        """Strongest frequency (Hz) and peak between two clip times; (0, 0) without sound."""
        parts = [chunk for at, _, chunk in self.chunks if begin_s <= at < end_s]
        if not parts:
            return 0.0, 0.0
        wave, rate = np.concatenate(parts), self.chunks[0][1]
        strength = np.abs(np.fft.rfft(wave * np.hanning(len(wave))))
        return float(np.argmax(strength) * rate / len(wave)), float(np.abs(wave).max())


def listen(recordings: Recordings, begin_s: float, end_s: float) -> tuple[Plan, Heard]:
    plan = plan_us(recordings, at_us(begin_s * 30 - 0.5), at_us(end_s * 30 - 0.5))
    assert plan.missing == ()
    assert plan.frames == round((end_s - begin_s) * 30)
    chunks = []
    with av.open(io.BytesIO(recordings.bytes_of(plan)), "r") as container:
        for frame in container.decode(audio=0) if container.streams.audio else ():
            assert isinstance(frame, av.AudioFrame)
            step = len(frame.layout.channels) if not frame.format.is_planar else 1
            chunks.append(
                (float(frame.time or 0), frame.sample_rate, frame.to_ndarray()[0][::step].astype(float))
            )
    return plan, Heard(chunks)


OTHERS: dict[str, dict[str, Any]] = {
    "rate": {"rate": 44_100},
    "half the rate": {"rate": 24_000},
    "channels": {"layout": "mono"},
    "codec": {"codec": "libopus"},
}


@pytest.mark.parametrize("other", OTHERS)
@pytest.mark.parametrize("other_first", [False, True])
def test_sound_that_changes_inside_a_run_is_never_heard_at_a_wrong_pitch(
    recordings: Recordings, other: str, other_first: bool
) -> None:
    sounds = [tone(440), tone(660, **OTHERS[other])]
    pitches = [440, 660]
    if other_first:
        sounds, pitches = sounds[::-1], pitches[::-1]
    recordings.go_on(filmed(0, sounds[0]), filmed(120, sounds[1]), every_s=SECONDS)
    for begin_s, end_s, longer in ((1.0, 5.0, 0), (3.0, 7.0, 1), (3.5, 7.5, 1), (1.0, 3.0, 0), (5.0, 7.0, 1)):
        _, received = listen(recordings, begin_s, end_s)
        join_s = SECONDS - begin_s
        for half, (low, high) in enumerate(((0.1, join_s - 0.1), (join_s + 0.1, end_s - begin_s - 0.1))):
            if high - low < 0.2:
                continue
            pitch, peak = received.at(low, high)
            if half == longer:
                assert pitch == pytest.approx(pitches[half], abs=8) and peak > 0.1
            else:
                assert peak < 0.01, "silence rather than a wrong pitch"


def test_a_short_change_leaves_the_sound_on_both_sides(recordings: Recordings) -> None:
    plain = tone(440)
    sounds = (plain, tone(660, rate=44_100), plain)
    recordings.go_on(*(filmed(n * 120, sound) for n, sound in enumerate(sounds)), every_s=SECONDS)
    _, incoming = listen(recordings, 1.0, 11.0)
    for begin_s, end_s, pitch in ((0.1, 2.9, 440), (7.1, 9.9, 440)):
        result, peak = incoming.at(begin_s, end_s)
        assert result == pytest.approx(pitch, abs=4) and peak > 0.1
    assert incoming.at(3.1, 6.9)[1] < 0.01


@pytest.mark.parametrize("codec", ["aac", "libopus"])
def test_sound_that_begins_in_the_second_file_is_there_from_then_on_and_in_step(
    recordings: Recordings, codec: str
) -> None:
    track, packets = tone(440, codec=codec)
    second = [packet for packet in packets if packet.dts >= track.timescale]  # a second into the file
    recordings.go_on(filmed(0, None), filmed(120, (track, second)), every_s=SECONDS)
    for begin_s in (0.5, 3.0, 3.9, 4.5):
        _, heard = listen(recordings, begin_s, 7.5)
        starts_s = SECONDS + 1.0 - begin_s
        assert heard.at(0.0, starts_s - 0.1)[1] < 0.01
        pitch, peak = heard.at(starts_s + 0.1, 7.4 - begin_s)
        assert pitch == pytest.approx(440, abs=8) and peak > 0.1
        loud = next(
            at + int(np.argmax(np.abs(chunk) > 0.05)) / rate
            for at, rate, chunk in heard.chunks
            if np.abs(chunk).max() > 0.05
        )
        assert loud == pytest.approx(starts_s, abs=0.05)


def test_sound_that_ends_in_the_first_file_ends_there(recordings: Recordings) -> None:
    recordings.go_on(filmed(0, tone(440)), filmed(120, None), every_s=SECONDS)
    _, heard = listen(recordings, 2.0, 7.0)
    pitch, peak = heard.at(0.1, 1.9)
    assert pitch == pytest.approx(440, abs=8) and peak > 0.1
    assert heard.at(2.1, 5.0)[1] < 0.01


def test_a_track_that_has_another_number_in_the_next_file_goes_on(recordings: Recordings) -> None:
    recordings.go_on(filmed(0, tone(440)), filmed(120, tone(440, track_id=7)), every_s=SECONDS)
    _, heard = listen(recordings, 2.0, 7.0)
    for begin_s, end_s in ((0.1, 1.9), (2.1, 4.9)):
        pitch, peak = heard.at(begin_s, end_s)
        assert pitch == pytest.approx(440, abs=8) and peak > 0.1


@pytest.mark.parametrize("first_is_empty", [False, True])
def test_of_two_tracks_the_first_that_has_sound_is_heard(
    recordings: Recordings, first_is_empty: bool
) -> None:
    film = filmed(0, None)
    sounds = [tone(440, track_id=3), tone(660, track_id=2)]
    if first_is_empty:
        sounds[0] = sounds[0][0], []
    specs = [TrackSpec(1, False, 90_000, first_entry(film.video), 192, 96)]
    specs += [TrackSpec(track.id, True, track.timescale, first_entry(track)) for track, _ in sounds]
    samples = [(1, 90_000, film.frames)] + [(track.id, track.timescale, results) for track, results in sounds]
    parts = []
    for number in range(20):
        trafs = []
        for track_id, rate, results in samples:
            mine = [each for each in results if number * rate // 5 <= each.dts < (number + 1) * rate // 5]
            trafs += [Traf(track_id, mine[0].dts, mine)] if mine else []
        parts.append(part(number, trafs[::-1]))
    data = init_segment(specs, boxes.mtxi(b"\1" * 16, 0, 0, START_US * 1000)) + b"".join(parts)
    recordings.add("a.mp4", data, StraightClock(START_US))
    _, heard = listen(recordings, 1.0, 3.0)
    pitch, peak = heard.at(0.1, 1.9)
    assert pitch == pytest.approx(660 if first_is_empty else 440, abs=8) and peak > 0.1
