"""The synthetic camera's picture."""

from __future__ import annotations

from itertools import pairwise

import pytest

from appliance.box.recorder.synthetic import barcode
from appliance.box.recorder.synthetic.scene import Scene

INSTANT = 1_795_230_767_720_000


@pytest.mark.parametrize(("width", "height", "stride"), [(640, 360, 640), (320, 180, 384), (160, 90, 160)])
def test_every_size_carries_its_code_and_stays_inside_its_plane(width: int, height: int, stride: int) -> None:
    scene = Scene("cam1", width, height, stride)
    for n in range(100):
        luma = scene.luma(n, INSTANT + n * 40_000)
        assert len(luma) == stride * height
        assert barcode.read(bytes(luma), stride, width) == (n, INSTANT + n * 40_000)


def test_every_frame_differs_from_the_one_before() -> None:
    scene = Scene("cam1", 320, 180, 320)
    below_code = [bytes(scene.luma(0, INSTANT + n * 40_000)[40 * 320 : 140 * 320]) for n in range(101)]
    assert all(before != after for before, after in pairwise(below_code))


def test_the_name_is_written_and_a_character_without_glyph_is_a_blank() -> None:
    first, two = (Scene(name, 320, 180, 320).luma(0, INSTANT) for name in ("cam1", "cam2"))
    assert first != two
    assert bytes(Scene("é", 320, 180, 320).luma(0, INSTANT)) == bytes(
        Scene(" ", 320, 180, 320).luma(0, INSTANT)
    )
