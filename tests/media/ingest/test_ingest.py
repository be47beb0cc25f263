"""From a live stream to write commands: runs, sound, changes during the stream."""

from __future__ import annotations

import io
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.media.ingest.ingest import Ingest, Notice, Output
from appliance.media.ingest.mpegts import PACKET
from appliance.media.ingest.tsmux import Muxer, adts
from appliance.media.mp4.fmp4 import Init, parse_init
from appliance.media.mp4.fragment import CloseSegment, OpenSegment, WritePart
from tests.kit.camera import Footage, burned, make_footage
from tests.kit.transport import transport_stream
from tests.media.ingest.test_tsmux import annexb

T0 = 1_795_000_000_000_000
LIVE = make_footage(frames=100, fps=Fraction(25), gop=25, b_frames=0)


@dataclass
class Recording:
    """Executes commands in memory; `files` holds finished and open files in order."""

    ingest: Ingest
    files: list[bytearray] = field(default_factory=list)
    names_ntp_ns: list[int] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)

    def feed(self, data: bytes, at_us: int) -> None:
        self._take(self.ingest.feed(data, at_us))

    def close(self) -> None:
        self._take(self.ingest.close())

    def _take(self, outputs: list[Output]) -> None:
        for output in outputs:
            if isinstance(output, Notice):
                self.notices.append(output)
            elif isinstance(output, OpenSegment):
                self.files.append(bytearray(output.header))
                self.names_ntp_ns.append(output.ntp_ns)
            elif isinstance(output, WritePart):
                self.files[-1] += output.data
            else:
                assert isinstance(output, CloseSegment)

    def events(self) -> list[str]:
        return [notice.event for notice in self.notices]

    def inits(self) -> list[Init]:
        return [parse_init(bytes(file)) for file in self.files]

    def frames(self) -> list[int | None]:
        return [number for file in self.files for number in decoded(bytes(file))]


def new_ingest(**settings: float) -> Ingest:
    number = iter(range(256))
    merged = {"part_s": 0.2, "segment_s": 2.0} | settings
    return Ingest(**merged, new_stream_id=lambda: bytes([next(number)]) * 16)


def decoded(data: bytes) -> list[int | None]:
    with av.open(io.BytesIO(data), mode="r") as container:
        results = [burned(frame) for frame in container.decode(video=0)]
    return [each.frame if each else None for each in results]


def transport(
    footage: Footage, *, sound: bool = False, first: int = 0, mux: Muxer | None = None, shift: int = 90_000
) -> Iterator[tuple[int, bytes]]:
    """(arrival since the start in us, bytes): one picture at a time with the sound before it."""
    mux = mux or Muxer(footage.codec, sound=sound)
    sounds = list(footage.audio) if sound else []
    for n, sample in enumerate(footage.video[first:]):
        data = b""
        while sounds and sounds[0].dts / 48_000 < sample.dts / 90_000:
            packet = sounds.pop(0)
            data += mux.audio(adts(packet.data, 3, 1), packet.dts * 15 // 8 + shift)
        picture = mux.video(annexb(sample.data), sample.pts + shift, sample.dts + shift, key=sample.sync)
        yield n * 1_000_000 * footage.fps.denominator // footage.fps.numerator, data + picture


def record(footage: Footage, *, sound: bool = False, first: int = 0) -> Recording:
    recording = Recording(new_ingest())
    for at_us, data in transport(footage, sound=sound, first=first):
        recording.feed(data, T0 + at_us)
    recording.close()
    return recording


def test_every_frame_is_recorded_the_last_one_too() -> None:
    recording = record(LIVE, sound=True)
    assert recording.frames() == list(range(100))
    mtxi = [i.mtxi for i in recording.inits() if i.mtxi]
    assert [(m.number, m.dts_ns) for m in mtxi] == [(0, 0), (1, 2_000_000_000)]
    assert len({m.stream_id for m in mtxi}) == 1
    assert [t.codec for t in recording.inits()[0].tracks] == ["avc1", "mp4a"]
    assert recording.events() == ["streams", "run_started", "run_ended"]
    # the file's name is the arrival time of its first picture
    assert abs(recording.names_ntp_ns[0] // 1000 - T0) < 40_000


def test_b_frames_and_fractional_rates_keep_their_order_and_times() -> None:
    footage = make_footage(frames=120, gop=60)
    recording = record(footage, sound=True)
    assert recording.frames() == list(range(120))


def test_hevc_is_recorded_as_hvc1() -> None:
    footage = make_footage(frames=50, fps=Fraction(25), gop=25, codec="hevc")
    recording = record(footage)
    assert recording.frames() == list(range(50))
    video = recording.inits()[0].video
    assert video is not None and (video.codec, video.width, video.height) == ("hvc1", 320, 180)


def test_a_run_begins_with_the_first_key_picture_and_is_on_disk_one_part_later() -> None:
    recording = Recording(new_ingest())
    fed = 0
    for at_us, data in transport(LIVE, first=10):
        recording.feed(data, T0 + at_us)
        if recording.files:
            break
        fed += 1
    # key picture is frame 25 = the 15th sent; five frames fill a part; a frame is complete when the next
    # begins
    assert fed == 15 + 5
    recording.close()
    assert recording.frames()[0] == 25


def test_leading_pictures_of_an_open_gop_are_left_out_only_where_a_run_begins() -> None:
    footage = make_footage(frames=120, fps=Fraction(25), gop=30, codec="hevc", open_gop=True)
    keys = [n for n, sample in enumerate(footage.video) if sample.sync]
    recording = Recording(new_ingest(segment_s=60))
    for at_us, data in transport(footage, first=keys[1] - 3):
        recording.feed(data, T0 + at_us)
    recording.close()
    shown = recording.frames()
    assert shown == list(range(30, 120))
    stored = sum(count_video(bytes(file)) for file in recording.files)
    assert stored == len(shown)  # a decoder would skip nothing on disk


def count_video(data: bytes) -> int:
    with av.open(io.BytesIO(data), mode="r") as container:
        return sum(packet.dts is not None for packet in container.demux(video=0))


def test_announced_sound_is_waited_for_up_to_a_limit() -> None:
    recording, mux = Recording(new_ingest()), Muxer("h264", sound=True)
    for at_us, data in transport(LIVE, mux=mux):
        recording.feed(data, T0 + at_us)
        if recording.files:
            break
    assert 900_000 <= at_us <= 1_200_000
    recording = Recording(new_ingest())
    for at_us, data in transport(LIVE, mux=Muxer("h264", sound=True)):
        recording.feed(data, T0 + at_us)
    recording.close()
    assert [t.codec for t in recording.inits()[0].tracks] == ["avc1"]
    assert recording.frames() == list(range(100))


def test_sound_that_comes_late_begins_a_new_run_at_the_next_key_picture() -> None:
    recording, mux = Recording(new_ingest()), Muxer("h264", sound=True)
    for n, (at_us, data) in enumerate(transport(LIVE, mux=mux)):
        recording.feed(data, T0 + at_us)
        if n >= 55:
            packet = LIVE.audio[n]
            recording.feed(mux.audio(adts(packet.data, 3, 1), 90_000 + n * 3600), T0 + at_us)
    recording.close()
    runs = {i.mtxi.stream_id: [t.codec for t in i.tracks] for i in recording.inits() if i.mtxi}
    assert list(runs.values()) == [["avc1"], ["avc1", "mp4a"]]
    assert recording.frames() == list(range(100))


def test_changed_parameter_sets_begin_a_new_file_of_the_same_run_with_a_true_description() -> None:
    wide = make_footage(frames=50, fps=Fraction(25), gop=25, b_frames=0, width=480, height=270)
    recording, mux = Recording(new_ingest(segment_s=60)), Muxer("h264", sound=False)
    for footage, start in ((LIVE, 0), (wide, 100)):
        for n, (_, data) in enumerate(transport(footage, mux=mux, shift=90_000 + start * 3600)):
            recording.feed(data, T0 + (start + n) * 40_000)
    recording.close()
    inits = recording.inits()
    assert [(i.video.width, i.mtxi.number, i.mtxi.dts_ns) for i in inits if i.video and i.mtxi] == [
        (320, 0, 0),
        (480, 1, 4_000_000_000),
    ]
    assert len({i.mtxi.stream_id for i in inits if i.mtxi}) == 1
    assert recording.frames() == [*range(100), *range(50)]
    assert "picture_changed" in recording.events()


def test_another_codec_begins_another_run() -> None:
    hevc = make_footage(frames=50, fps=Fraction(25), gop=25, codec="hevc")
    recording = Recording(new_ingest())
    for at_us, data in transport(LIVE):
        recording.feed(data, T0 + at_us)
    for at_us, data in transport(hevc, shift=90_000 + 100 * 3600):
        recording.feed(data, T0 + 4_000_000 + at_us)
    recording.close()
    assert [i.video.codec for i in recording.inits() if i.video] == ["avc1", "avc1", "hvc1"]
    assert len({i.mtxi.stream_id for i in recording.inits() if i.mtxi}) == 2


def test_a_jump_of_the_sources_clock_loses_no_picture_and_stretches_no_time() -> None:
    recording, mux = Recording(new_ingest(segment_s=60)), Muxer("h264", sound=False)
    for n, sample in enumerate(LIVE.video):
        stamp = n * 3600 + (3 * 90_000 if n >= 40 else 0) - (60 * 90_000 if n >= 70 else 0) + 10**7
        recording.feed(mux.video(annexb(sample.data), stamp, stamp, key=sample.sync), T0 + n * 40_000)
    recording.close()
    assert recording.frames() == list(range(100)) and len(recording.files) == 1
    assert recording.events().count("clock_jump") == 2
    with av.open(io.BytesIO(bytes(recording.files[0])), mode="r") as container:
        stamps = [packet.pts for packet in container.demux(video=0) if packet.pts is not None]
    assert stamps == [n * 3600 for n in range(100)]


@pytest.mark.parametrize("b_frames", [0, 2])
@pytest.mark.parametrize("which", ["both", "pictures", "sound"])
@pytest.mark.parametrize("step_s", [-0.1, -0.3, -0.4, -2, 0.3, 3])
def test_a_step_of_the_clock_loses_no_picture_and_no_sound(step_s: float, which: str, b_frames: int) -> None:
    """E4: all of it over the 33-bit wrap, with the arrival times of a real network."""
    footage = make_footage(frames=150, fps=Fraction(25), gop=25, b_frames=b_frames)
    recording, mux = Recording(new_ingest(segment_s=60)), Muxer("h264", sound=True)
    sounds = list(footage.audio)
    base = 2**33 - 4 * 90_000
    for n, sample in enumerate(footage.video):
        step = round(step_s * 90_000) if n >= 70 else 0
        moved = base + (step if which != "sound" else 0)
        data = mux.video(annexb(sample.data), sample.pts + moved, sample.dts + moved, key=sample.sync)
        moved = base + (step if which != "pictures" else 0)
        while sounds and sounds[0].dts / 48_000 < n / 25:
            packet = sounds.pop(0)
            data += mux.audio(adts(packet.data, 3, 1), packet.dts * 15 // 8 + moved)
        recording.feed(data, T0 + n * 40_000 + n * 7919 % 15_000)
    recording.close()
    assert recording.frames() == list(range(150)) and len(recording.files) == 1
    with av.open(io.BytesIO(bytes(recording.files[0])), mode="r") as container:
        pictures = sorted(p.pts for p in container.demux(video=0) if p.pts is not None)
    with av.open(io.BytesIO(bytes(recording.files[0])), mode="r") as container:
        sound = [p.pts for p in container.demux(audio=0) if p.pts is not None]
    assert {b - a for a, b in pairwise(pictures)} == {3600}
    assert {b - a for a, b in pairwise(sound)} == {1024}
    [jump] = [notice for notice in recording.notices if notice.event == "clock_jump"]
    assert abs(jump.facts["by_s"] - step_s) < 0.03


def test_slices_in_packets_of_their_own_are_one_picture() -> None:
    recording, mux = Recording(new_ingest(segment_s=60)), Muxer("h264", sound=False)
    for n, sample in enumerate(LIVE.video):
        unit, stamp = annexb(sample.data), 90_000 + n * 3600
        cut = unit.rindex(b"\0\0\0\1")
        data = b"".join(
            mux.video(part, stamp, stamp, key=sample.sync) for part in (unit[:cut], unit[cut:]) if part
        )
        recording.feed(data, T0 + n * 40_000)
    recording.close()
    assert recording.frames() == list(range(100)) and "clock_jump" not in recording.events()


def test_a_camera_over_the_33_bit_wrap_is_one_run() -> None:
    recording = Recording(new_ingest(segment_s=60))
    for at_us, data in transport(LIVE, sound=True, shift=2**33 - 180_000):
        recording.feed(data, T0 + at_us)
    recording.close()
    assert recording.frames() == list(range(100)) and len(recording.files) == 1
    assert "clock_jump" not in recording.events()


def test_sound_that_cannot_be_recorded_is_reported_and_the_picture_is_recorded() -> None:
    recording = Recording(new_ingest())
    recording.feed(transport_stream(30, "mp2"), T0)
    recording.close()
    assert [n.facts["codec"] for n in recording.notices if n.event == "skipped"] == ["mp2"]
    assert sum(count_video(bytes(file)) for file in recording.files) == 30


def test_a_stream_without_picture_is_reported() -> None:
    sink = io.BytesIO()
    with av.open(sink, "w", format="mpegts") as out:
        sound = out.add_stream("mp2", rate=48_000, layout="stereo")
        tone = av.AudioFrame("s16", "stereo", 1152)
        tone.planes[0].update(bytes(1152 * 4))
        tone.sample_rate, tone.pts, tone.time_base = 48_000, 0, Fraction(1, 48_000)
        out.mux(sound.encode(tone))
        out.mux(sound.encode(None))
    recording = Recording(new_ingest())
    recording.feed(sink.getvalue(), T0)
    recording.close()
    assert recording.events() == ["streams", "skipped"] and not recording.files
    assert recording.ingest.lacks() == ("no video, only mp2", "set the encoder to H.264 or HEVC")


def test_after_a_failed_write_another_run_begins_at_the_next_key_picture() -> None:
    recording = Recording(new_ingest())
    for n, (at_us, data) in enumerate(transport(LIVE)):
        if n == 30:
            recording.ingest.abandon_run()
            recording.files.clear()
        recording.feed(data, T0 + at_us)
    recording.close()
    assert recording.frames() == list(range(50, 100))
    assert recording.events().count("run_started") == 2


def test_opus_sound_is_recorded_and_plays() -> None:
    recording = Recording(new_ingest(segment_s=60))
    recording.feed(transport_stream(50, "libopus", sounds=2), T0)
    recording.close()
    [file] = recording.files
    with av.open(io.BytesIO(bytes(file)), mode="r") as container:
        assert [s.codec_context.name for s in container.streams] == ["h264", "opus"]
        samples = sum(frame.samples for frame in container.decode(audio=0))
    assert 90 * 960 <= samples <= 100 * 960  # FFmpeg's muxer keeps the last packets back


def test_one_damaged_sound_header_ends_no_run() -> None:
    recording, mux = Recording(new_ingest(segment_s=60)), Muxer("h264", sound=True)
    for n, (at_us, data) in enumerate(transport(LIVE, mux=mux)):
        recording.feed(data, T0 + at_us)
        rate_index = 5 if n == 40 else 3
        recording.feed(mux.audio(adts(LIVE.audio[n].data, rate_index, 1), 90_000 + n * 3600), T0 + at_us)
    recording.close()
    assert recording.events().count("run_started") == 1 and recording.frames() == list(range(100))


def test_parameter_sets_of_a_key_picture_with_lost_packets_are_not_used() -> None:
    recording = Recording(new_ingest(segment_s=60))
    for n, (at_us, data) in enumerate(transport(LIVE)):
        if n == 50:  # a key picture without its second packet and with another SPS
            at = data.index(b"\x67")
            data = data[:at] + b"\x67\x42\x00\x1e\xff" + data[at + 5 :]
            first = data.index(b"\x47\x41\x00")
            data = data[: first + PACKET] + data[first + 2 * PACKET :]
        recording.feed(data, T0 + at_us)
    recording.close()
    assert len(recording.files) == 1 and "picture_changed" not in recording.events()


HEVC = make_footage(frames=30, fps=Fraction(25), gop=10, codec="hevc")
WHOLE = [b"".join(data for _, data in transport(footage, sound=True)) for footage in (LIVE, HEVC)]


@given(which=st.integers(0, 1), seed=st.integers(0, 2**32), flips=st.sampled_from([3, 30, 300, 3000]))
@settings(max_examples=40, deadline=None)
def test_damage_anywhere_neither_raises_nor_writes_a_broken_header(which: int, seed: int, flips: int) -> None:
    rng, data = random.Random(seed), bytearray(WHOLE[which])
    for _ in range(flips):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    recording, at_us = Recording(new_ingest()), T0
    for start in range(0, len(data), 4096):
        at_us += rng.choice([0, 1_000, 40_000, 5_000_000])
        recording.feed(bytes(data[start : start + 4096]), at_us)
    recording.close()
    assert len(recording.inits()) == len(recording.files)
