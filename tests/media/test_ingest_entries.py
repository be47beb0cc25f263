"""Where a recording begins when the recorder joins a camera in the middle of its stream."""

from __future__ import annotations

import io

import av
import pytest

from appliance.media.bitstream.annexb import split
from appliance.media.ingest.tsmux import Muxer
from tests.kit.barcode import encode, number_of
from tests.media.ingest.test_ingest import T0, Recording, count_video, new_ingest
from tests.media.ingest.test_tsmux import annexb


def test_sets_that_alternate_without_a_change_of_picture_stay_in_one_file() -> None:
    """An encoder that writes VUI into every second group's sets only."""
    plain = encode(120, gop=30, sound=False)
    with_vui = encode(120, gop=30, extra="colorprim=bt709:transfer=bt709", sound=False)
    recording, mux = Recording(new_ingest(segment_s=60)), Muxer("h264", sound=False)
    for n in range(120):
        sample = (plain, with_vui)[n // 30 % 2].frames[n]
        unit = mux.video(annexb(sample.data), 90_000 + sample.pts, 90_000 + sample.dts, key=sample.sync)
        recording.feed(unit, T0 + n * 33_333)
    recording.close()
    assert numbers(recording) == list(range(120))
    assert len(recording.files) == 1 and "picture_changed" not in recording.events()
    sets = {nal for sample in (plain.frames[0], with_vui.frames[30]) for nal in split(annexb(sample.data))}
    assert len({nal for nal in sets if nal[0] & 31 == 7}) == 2, "the sets did differ"


@pytest.mark.parametrize(
    "extra", ["open-gop=1:bframes=2", "open-gop=1:bframes=0", "intra-refresh=1:bframes=0"]
)
def test_a_camera_without_idr_joined_midway_is_recorded_from_its_next_recovery_point(
    extra: str,
) -> None:  # E2
    """One IDR at its start, then open groups (or intra refresh): earlier versions never started the run."""
    media = encode(120, gop=30, extra=extra, sound=False)
    recording, rotating = Recording(new_ingest(segment_s=60)), Recording(new_ingest(segment_s=1))
    mux = Muxer("h264", sound=False)
    pictures = sorted(media.frames, key=lambda sample: sample.dts)
    for n, sample in enumerate(pictures[12:]):
        stamp = 90_000 + sample.pts
        unit = mux.video(annexb(sample.data), stamp, 90_000 + sample.dts, key=sample.sync)
        for each in (recording, rotating):
            each.feed(unit, T0 + n * 33_333)
    recording.close()
    rotating.close()
    shown = numbers(recording)
    refreshes = 12 if "refresh" in extra else 0  # pictures a decoder shows only partly: 12 columns
    assert 30 <= shown[0] <= 30 + refreshes
    assert shown == list(range(shown[0], 120))
    stored = sum(count_video(bytes(file)) for file in recording.files)
    assert stored == 90, "nothing on disk that a decoder would skip"
    assert len(rotating.files) == 3, "a new file begins at a recovery point too"


def test_intra_pictures_with_parameter_sets_begin_a_run_without_a_recovery_point() -> None:  # E2
    media = encode(90, gop=30, extra="open-gop=1:bframes=0", sound=False)
    recording, mux = Recording(new_ingest(segment_s=60)), Muxer("h264", sound=False)
    for n, sample in enumerate(media.frames[12:]):
        nals = [nal for nal in split(annexb(sample.data)) if nal[0] & 31 != 6]  # without SEI
        data = b"".join(b"\0\0\0\1" + nal for nal in nals)
        recording.feed(mux.video(data, 90_000 + sample.pts, 90_000 + sample.dts, key=False), T0 + n * 33_333)
    recording.close()
    assert numbers(recording) == list(range(30, 90))


def numbers(recording: Recording) -> list[int]:
    """The numbers in the pictures of tests.kit.barcode, in order."""
    shown = []
    for file in recording.files:
        with av.open(io.BytesIO(bytes(file)), mode="r") as container:
            shown += [number_of(frame) for frame in container.decode(video=0)]
    return shown
