"""One read of an open file while its recorder continues to write."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from appliance.box.recordings.following.disk import look
from appliance.media.index.index import ScanCursor
from tests.kit.segments import Camera, init


@pytest.mark.parametrize("parts_since", [0, 1, 3])
def test_a_file_is_closed_when_all_of_it_was_read(tmp_path: Path, parts_since: int) -> None:
    """Its last parts may be written, and its length be set, after its size was read."""
    camera, path = Camera(), tmp_path / "a.mp4"
    mtxi = (camera.stream_id, 0, camera.dts_ns, camera.ntp_ns)
    parts = [camera.next_part() for _ in range(2 + parts_since)]
    path.write_bytes(init(mtxi, duration_ms=200 * len(parts)) + b"".join(parts))
    fd = os.open(path, os.O_RDONLY)
    try:
        size = path.stat().st_size - sum(map(len, parts[2:]))
        first = look(fd, ScanCursor(), size, ask_closed=True)
        assert len(first.growth.parts) == 2 and first.is_closed == (parts_since == 0)
        rest = look(fd, first.growth.cursor, path.stat().st_size, ask_closed=True)
        assert len(rest.growth.parts) == parts_since and rest.is_closed
    finally:
        os.close(fd)
