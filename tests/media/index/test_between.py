"""Files of other recorders: unknown boxes, fragments without times, times that do not begin at 0."""

from __future__ import annotations

import random
import struct
from pathlib import Path

import numpy as np
import pytest

from appliance.media.cut.plan import make_plan
from appliance.media.index.between import MAX_SKIPPED, MAX_SKIPPED_BYTES
from appliance.media.mp4 import boxes
from appliance.media.mp4.fmp4 import MAX_INIT_BYTES, parse_init
from tests.kit.barcode import encode, play
from tests.kit.fmp4_file import START_US, Recordings, StraightClock
from tests.kit.segments import Sample, init, part
from tests.media.index.test_index import Growing

INIT = init((b"r" * 16, 0, 0, 0))
PARTS = [
    part([Sample(3000, number % 5 == 0)] + [Sample(3000)] * 5, number * 18_000, audio=(number * 9600, 9))
    for number in range(10)
]


@pytest.fixture
def growing(tmp_path: Path) -> Growing:
    return Growing(tmp_path / "s.mp4")


def wide_box(fourcc: bytes, payload: bytes) -> bytes:
    return struct.pack(">I4sQ", 1, fourcc, len(payload) + 16) + payload


UNKNOWN = [
    pytest.param(boxes.box(b"ssix", bytes(40)), id="ssix"),
    pytest.param(boxes.box(b"ab!9", random.Random(1).randbytes(70_000)), id="vendor"),
    pytest.param(boxes.box(b"\xa9xyz", b"+45.1"), id="quicktime"),
    pytest.param(boxes.box(b"zero"), id="empty"),
    pytest.param(wide_box(b"wide", bytes(99)), id="64 bit size"),
    pytest.param(boxes.box(b"onel", boxes.box(b"moof", bytes(8))), id="holds a moof"),
    pytest.param(boxes.box(b"aaaa") * 20, id="twenty"),
]


@pytest.mark.parametrize("box", UNKNOWN)
def test_an_unknown_box_between_parts_is_passed_over(growing: Growing, box: bytes) -> None:
    index = growing.add(INIT + PARTS[0] + box + PARTS[1] + box + box + b"".join(PARTS[2:]) + box)
    assert (index.damage, index.frames, len(index.parts)) == (None, 60, 10)


@pytest.mark.parametrize("box", UNKNOWN)
def test_an_unknown_box_that_comes_in_pieces_is_waited_for(growing: Growing, box: bytes) -> None:
    data = INIT + PARTS[0] + box + PARTS[1]
    for at in range(0, len(data), max(1, len(data) // 50)):
        index = growing.add(data[at : at + max(1, len(data) // 50)])
        assert index.damage is None
    assert index.frames == 12


@pytest.mark.parametrize("box", UNKNOWN)
def test_unknown_boxes_inside_a_part_are_passed_over(growing: Growing, box: bytes) -> None:
    def with_box(data: bytes, where: bytes) -> bytes:
        """The part with `box` at the start of its moof or traf, or before mdat; offsets corrected."""
        moof = int.from_bytes(data[:4], "big")
        head, rest = data[:moof], data[moof:]
        if where == b"mdat":
            return _moved(head, len(box)) + box + rest
        at = head.index(where) + 4
        longer = head[:at] + box + head[at:]
        sizes = [0] if where == b"moof" else [0, at - 8]
        for place in sizes:
            size = int.from_bytes(longer[place : place + 4], "big") + len(box)
            longer = longer[:place] + size.to_bytes(4, "big") + longer[place + 4 :]
        return _moved(longer, len(box)) + rest

    made = [
        with_box(data, where) for data, where in zip(PARTS, [b"moof", b"traf", b"mdat"] * 4, strict=False)
    ]
    index = growing.add(INIT + b"".join(made))
    assert (index.damage, index.frames) == (None, 60)
    assert len(index.keys) == 2


def _moved(moof: bytes, by: int) -> bytes:
    """The moof with its truns' data offsets increased by `by`."""
    at = moof.find(b"trun")
    while at >= 0:
        offset = int.from_bytes(moof[at + 12 : at + 16], "big") + by
        moof = moof[: at + 12] + offset.to_bytes(4, "big") + moof[at + 16 :]
        at = moof.find(b"trun", at + 4)
    return moof


@pytest.mark.parametrize("where", [b"ftyp", b"moov", b"trak", b"mdia", b"minf", b"stbl", b"udta", b"mvex"])
def test_unknown_boxes_inside_the_init_are_passed_over(where: bytes) -> None:
    box = boxes.box(b"ab!9", bytes(33))
    made = box + INIT if where == b"ftyp" else _inside(INIT, where, box)
    report, known = parse_init(made), parse_init(INIT)
    assert (report.mtxi, report.stsd_id) == (known.mtxi, known.stsd_id)


def _inside(data: bytes, where: bytes, box: bytes) -> bytes:
    """`box` as the first child of the first `where`, all enclosing sizes corrected."""
    path = {b"trak": [b"moov"], b"mdia": [b"moov", b"trak"], b"udta": [b"moov"], b"mvex": [b"moov"]}
    path |= {b"moov": [], b"minf": [*path[b"mdia"], b"mdia"]}
    path[b"stbl"] = [*path[b"minf"], b"minf"]
    at = data.index(where) + 4
    for name in [*path[where], where]:
        place = data.index(name) - 4
        size = int.from_bytes(data[place : place + 4], "big") + len(box)
        data = data[:place] + size.to_bytes(4, "big") + data[place + 4 :]
    return data[:at] + box + data[at:]


def test_user_data_may_end_with_four_zeros() -> None:
    ended = INIT[:-52] + INIT[-52:] + bytes(4)
    for name in (b"moov", b"udta"):
        place = ended.index(name) - 4
        size = int.from_bytes(ended[place : place + 4], "big") + 4
        ended = ended[:place] + size.to_bytes(4, "big") + ended[place + 4 :]
    assert parse_init(ended + bytes(8)).mtxi == parse_init(INIT).mtxi
    without = ended.replace(b"mtxi", b"none")
    assert parse_init(without + bytes(8)).mtxi is None


@pytest.mark.parametrize(
    "garbage",
    [
        pytest.param(struct.pack(">I4s", 32, b"ju\x00k") + bytes(24), id="no type"),
        pytest.param(struct.pack(">I4s", 32, b"junk") + bytes(999), id="nothing follows"),
        pytest.param(
            struct.pack(">I4s", 40, b"text") + b"and so it goes on for a long long time" * 9, id="text"
        ),
        pytest.param(struct.pack(">I4s", MAX_SKIPPED_BYTES + 1, b"huge") + bytes(99), id="too large"),
        pytest.param(struct.pack(">I4sQ", 1, b"huge", 1 << 62) + bytes(99), id="endless"),
        pytest.param(struct.pack(">I4s", 5, b"tiny") + bytes(99), id="too small"),
        pytest.param(boxes.box(b"aaaa") * (MAX_SKIPPED + 1), id="too many"),
    ],
)
def test_garbage_is_still_damage(growing: Growing, garbage: bytes) -> None:
    index = growing.add(INIT + PARTS[0] + garbage + PARTS[1])
    assert index.frames == 6
    assert index.damage is not None


def test_random_bytes_never_pass_for_footage(tmp_path: Path) -> None:
    for seed in range(200):
        rng = random.Random(seed)
        growing = Growing(tmp_path / f"{seed}.mp4")
        index = growing.add(INIT + PARTS[0] + rng.randbytes(rng.randrange(16, 3000)))
        assert index.frames == 6


def test_an_init_that_never_comes_is_damage_not_a_wait(growing: Growing) -> None:
    index = growing.add(boxes.box(b"aaaa", bytes(MAX_INIT_BYTES)) + INIT)
    assert index.damage is not None and "moov" in index.damage


# -- times ----------------------------------------------------------------------------------------------


def without_tfdt(data: bytes) -> bytes:
    """The part as recorders without tfdt write it: each fragment in an unknown box."""
    return data.replace(b"tfdt", b"none")


def test_fragments_without_tfdt_go_on_where_the_last_one_ended(growing: Growing) -> None:
    for data in PARTS:
        index = growing.add((INIT if data is PARTS[0] else b"") + without_tfdt(data))
    assert (index.damage, index.frames, index.holes) == (None, 60, [])
    assert [each.video_tfdt for each in index.parts] == [number * 18_000 for number in range(10)]
    assert [key.pts for key in index.keys] == [0, 90_000]


def test_some_fragments_without_tfdt_go_on_too(growing: Growing) -> None:
    made = [without_tfdt(data) if number % 3 else data for number, data in enumerate(PARTS)]
    index = growing.add(INIT + b"".join(made))
    assert [item.video_tfdt for item in index.parts] == [number * 18_000 for number in range(10)]


def test_a_clip_of_fragments_without_tfdt_is_the_same(tmp_path: Path) -> None:
    """Tables are read from the file, starting at a part in the middle; sound continues with its own sum."""
    made, sounds = [], []
    for number, change in enumerate((lambda data: data, without_tfdt)):
        folder = tmp_path / str(number)
        folder.mkdir()
        recordings = Recordings(folder)
        recordings.record(encode(150), part_s=0.4)
        path = folder / "run1_0.mp4"
        data = change(path.read_bytes())
        recordings.views.clear()
        view = recordings.add(path.name, data, StraightClock(START_US))
        plan = make_plan(
            [view],
            recordings.open_fd,
            start_us=START_US + 2_020_000,
            end_us=START_US + 4_020_000,
            latency_us=0,
        )
        played = play(recordings.bytes_of(plan))
        made.append((plan.frames, plan.missing, played.numbers))
        sounds.append(played.pcm())
        recordings.close()
    assert made == [(60, (), list(range(61, 121)))] * 2
    # a part's tfdt is truncated to whole ticks, the sum is not
    first, second = (sound[:, 100:90_000] for sound in sounds)
    assert (
        min(
            np.abs(first[:, 5:-5] - second[:, 5 + slip : second.shape[1] - 5 + slip]).max()
            for slip in range(-5, 5)
        )
        == 0
    )
