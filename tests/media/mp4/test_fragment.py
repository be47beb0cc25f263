"""The output of FragmentWriter: MediaMTX's structure, compared byte by byte where needed."""

from __future__ import annotations

import io
from fractions import Fraction
from itertools import pairwise

import av
import pytest

from appliance.media.ingest.ingest import describe_video
from appliance.media.mp4 import boxes
from appliance.media.mp4.fmp4 import Init, parse_init, read_box_header
from appliance.media.mp4.fragment import (
    MAX_PART_BYTES,
    MVHD_DURATION_AT,
    NS,
    CloseSegment,
    Command,
    FragmentWriter,
    OpenSegment,
    Sample,
    TrackSpec,
    WritePart,
)
from appliance.media.mp4.moof import TrackRun, parse_moof
from tests.kit.camera import burned, make_footage

HZ = 90_000
RUN = bytes(range(16))
VIDEO = TrackSpec(1, False, HZ, boxes.visual_entry(b"avc1", 320, 180, boxes.box(b"avcC", b"")), 320, 180)
AUDIO = TrackSpec(2, True, 48_000, boxes.mp4a_entry(1, 48_000, b"\x11\x88"))


def writer(*tracks: TrackSpec, part_s: float = 0.2, segment_s: float = 2.0, ntp: int = 0) -> FragmentWriter:
    return FragmentWriter(
        tracks or (VIDEO,),
        stream_id=RUN,
        part_s=part_s,
        segment_s=segment_s,
        ntp_ns=lambda media_ns: ntp + media_ns,
    )


def picture(n: int, *, gop: int = 25, fps: int = 25, size: int = 10, shift: int = 0) -> Sample:
    step = HZ // fps
    return Sample(n * step + shift, n * step + shift, step, n % gop == 0, bytes([n % 256]) * size)


def parts_of(commands: list[Command]) -> list[bytes]:
    return [command.data for command in commands if isinstance(command, WritePart)]


def runs_of(part: bytes) -> tuple[TrackRun, ...]:
    header = read_box_header(part, 0)
    assert header is not None and header.fourcc == b"moof"
    return parse_moof(part[: header.size], 0)


def init_of(command: Command) -> Init:
    assert isinstance(command, OpenSegment)
    return parse_init(command.header)


def test_the_header_is_laid_out_as_mediamtx_lays_it_out() -> None:
    muxer = writer(VIDEO, AUDIO, ntp=1_700_000_000 * NS)
    muxer.add(1, picture(0))
    opened, _, closed = muxer.close()
    assert isinstance(opened, OpenSegment) and isinstance(closed, CloseSegment)
    header = opened.header
    assert header[:32] == bytes.fromhex("00000020667479706d703432000000016d7034316d70343269736f6d686c7366")
    # mvhd: version 0, timescale 1000, duration 0, to be patched later
    assert header[MVHD_DURATION_AT - 4 : MVHD_DURATION_AT + 4] == (1000).to_bytes(4, "big") + bytes(4)
    assert header.endswith(boxes.box(b"udta", boxes.mtxi(RUN, 0, 0, 1_700_000_000 * NS)))
    assert b"btrt" + (0).to_bytes(4, "big") + (1_000_000).to_bytes(4, "big") * 2 in header
    assert not any(kind in header for kind in (b"edts", b"mehd", b"sidx", b"free"))
    init = parse_init(header)
    assert [(t.codec, t.timescale, t.width, t.height) for t in init.tracks] == [
        ("avc1", HZ, 320, 180),
        ("mp4a", 48_000, 0, 0),
    ]


def test_a_part_is_complete_with_the_sample_that_fills_it() -> None:
    muxer = writer(part_s=0.2)
    filled = [n for n in range(20) if parts_of(muxer.add(1, picture(n)))]
    assert filled == [4, 9, 14, 19]  # five frames of 40 ms: no part waits for a sixth


@pytest.mark.parametrize("fps", [24, 25, 30, 50, 60])
def test_rounding_of_timestamps_never_makes_a_part_a_frame_longer(fps: int) -> None:
    muxer = writer(part_s=5 / fps)
    counts = [
        len(runs_of(part)[0].sizes) for n in range(40) for part in parts_of(muxer.add(1, picture(n, fps=fps)))
    ]
    assert counts == [5] * 8


def test_a_new_file_begins_at_the_first_key_picture_after_segment_s_and_the_run_goes_on() -> None:
    muxer = writer(segment_s=2.5)
    commands = [(n, c) for n in range(101) for c in muxer.add(1, picture(n))] + [
        (101, c) for c in muxer.close()
    ]
    opened = [(n, init_of(c).mtxi) for n, c in commands if isinstance(c, OpenSegment)]
    mtxi = [m for _, m in opened if m is not None]
    assert [(m.stream_id, m.number, m.dts_ns) for m in mtxi] == [(RUN, 0, 0), (RUN, 1, 3 * NS)]  # not at 2.5
    assert [c.duration_ms for _, c in commands if isinstance(c, CloseSegment)] == [3000, 1040]
    sequences = [int.from_bytes(part[20:24], "big") for part in parts_of([c for _, c in commands])]
    assert sequences == [*range(15), *range(6)]  # mfhd counts from 0 in each file


def test_sync_flags_and_signed_composition_offsets_survive() -> None:
    samples = [
        Sample(-7200, 0, 3600, True, b"I"),
        Sample(-3600, 7200, 3600, False, b"PP"),
        Sample(0, 3600, 3600, False, b"BBB"),
        Sample(3600, 0, 3600, False, b"x"),
    ]
    muxer = writer()
    for sample in samples:
        muxer.add(1, sample)
    opened, part, _ = muxer.close()
    assert isinstance(part, WritePart)
    [run] = runs_of(part.data)
    mtxi = init_of(opened).mtxi
    assert mtxi is not None and mtxi.dts_ns == -80_000_000  # the media time of tfdt 0 may be negative
    assert run.tfdt == 0 and list(run.sizes) == [1, 2, 3, 1] and run.sync == bytes([1, 0, 0, 0])
    assert run.ctos is not None and list(run.ctos) == [7200, 10_800, 3600, -3600]
    assert part.data[run.data_offset :] == b"IPPBBBx"


def test_all_sync_samples_without_reordering_need_no_flags_and_no_offsets() -> None:
    muxer = writer(AUDIO)
    muxer.add(2, Sample(0, 0, 1024, True, b"a"))
    [run] = runs_of(parts_of(muxer.close())[0])
    assert run.sync is None and run.ctos is None


def test_a_segment_starts_at_the_oldest_sample_so_sound_before_the_key_picture_is_kept() -> None:
    first = writer(VIDEO, AUDIO, segment_s=1.0)
    commands: list[Command] = []
    sound = 0
    for n in range(51):
        while sound * 1024 / 48_000 < (n - 5) / 25:  # sound is 0.2 s behind the picture in the stream
            commands += first.add(2, Sample(sound * 1024, sound * 1024, 1024, True, b"s"))
            sound += 1
        commands += first.add(1, picture(n))
    commands += first.close()
    assert first.dropped == 0
    second = [init_of(c).mtxi for c in commands if isinstance(c, OpenSegment)][1]
    assert second is not None and NS * 3 // 4 < second.dts_ns < NS  # as in MediaMTX: audio first
    received = sum(
        len(run.sizes) for part in parts_of(commands) for run in runs_of(part) if run.track_id == 2
    )
    assert received == sound


def test_times_inside_a_file_follow_on_to_the_tick_whatever_the_start() -> None:
    muxer = writer(VIDEO, AUDIO, segment_s=1.0)
    commands: list[Command] = muxer.add(
        2, Sample(7, 7, 1024, True, b"s")
    )  # an odd start: not on the video grid
    for n in range(60):
        commands += muxer.add(1, picture(n, fps=30, gop=30, shift=100))
    ends: int | None = None
    for command in commands + muxer.close():
        if isinstance(command, OpenSegment):
            ends = None
        elif isinstance(command, WritePart):
            for run in runs_of(command.data):
                if run.track_id == 1:
                    assert ends is None or run.tfdt == ends  # MediaMTX is sometimes one tick behind
                    ends = run.tfdt + sum(run.durations)


def test_a_hole_in_the_stream_stretches_the_sample_before_it() -> None:
    muxer = writer(part_s=10)
    for n in (0, 1, 10):
        muxer.add(1, picture(n))
    [run] = runs_of(parts_of(muxer.close())[0])
    assert list(run.durations) == [3600, 9 * 3600, 3600]


def test_late_samples_are_left_out_and_counted() -> None:
    muxer = writer(VIDEO, AUDIO)
    for n in range(5):
        muxer.add(1, picture(n))
    muxer.add(1, picture(3))
    muxer.add(2, Sample(-48_000, -48_000, 1024, True, b"s"))
    assert muxer.dropped == 2


def test_sound_alone_still_becomes_parts_when_the_picture_stops() -> None:
    muxer = writer(VIDEO, AUDIO)
    muxer.add(1, picture(0))
    for n in range(100):
        if parts_of(muxer.add(2, Sample(n * 1024, n * 1024, 1024, True, b"s"))):
            break
    assert 1.1 < n * 1024 / 48_000 < 1.3


def test_a_part_is_written_early_rather_than_held_in_memory_without_bound() -> None:
    muxer = writer(part_s=60)
    assert parts_of(muxer.add(1, picture(0, size=MAX_PART_BYTES)))


def test_a_changed_description_begins_a_new_file_in_the_same_run() -> None:
    muxer = writer()
    commands: list[Command] = []
    for n in range(50):
        if n == 25:
            wider = boxes.visual_entry(b"avc1", 640, 360, boxes.box(b"avcC", b""))
            commands += muxer.describe(TrackSpec(1, False, HZ, wider, 640, 360))
        commands += muxer.add(1, picture(n))
    inits = [init_of(c) for c in commands if isinstance(c, OpenSegment)]
    assert [(i.video.width, i.mtxi.number) for i in inits if i.video and i.mtxi] == [(320, 0), (640, 1)]
    with pytest.raises(ValueError, match="timescale"):
        muxer.describe(TrackSpec(1, False, 1000, VIDEO.entry))


def test_names_of_files_rise_even_when_a_burst_makes_a_later_instant_look_earlier() -> None:
    wall = iter([50 * NS, 49 * NS, 51 * NS])
    muxer = FragmentWriter([VIDEO], stream_id=RUN, part_s=0.2, segment_s=1, ntp_ns=lambda _: next(wall))
    commands = [c for n in range(75) for c in muxer.add(1, picture(n))]
    instants = [c.ntp_ns for c in commands if isinstance(c, OpenSegment)]
    assert len(instants) == 3 and all(a < b for a, b in pairwise(instants))


def test_a_decoder_plays_every_frame_of_real_footage_with_b_frames() -> None:
    footage = make_footage(frames=60, gop=30, fps=Fraction(30_000, 1001))
    description = describe_video("h264", footage.sets)
    muxer = writer(TrackSpec(1, False, HZ, description.entry, 320, 180), segment_s=60)
    commands = [c for sample in footage.video for c in muxer.add(1, sample)] + muxer.close()
    data = b"".join(c.header if isinstance(c, OpenSegment) else c.data for c in commands[:-1])  # type: ignore[union-attr]
    with av.open(io.BytesIO(data), mode="r") as container:
        frames = list(container.decode(video=0))
    assert [b.frame if (b := burned(frame)) else None for frame in frames] == list(range(60))
    stamps = [frame.pts for frame in frames if frame.pts is not None]
    assert [b - a for a, b in pairwise(stamps)] == [3003] * 59
