"""Each recording is opened once, and closed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from appliance.media.files import open_once


def test_each_is_opened_once_and_all_are_closed(tmp_path: Path) -> None:
    opened: list[str] = []

    def open_fd(name: str) -> int:
        opened.append(name)
        return os.open(tmp_path / name, os.O_RDONLY)

    for name in ("a", "b"):
        (tmp_path / name).write_text(name)
    with pytest.raises(FileNotFoundError), open_once(open_fd) as once:
        descriptors = {once(name) for name in ("a", "b", "a", "b")}
        assert opened == ["a", "b"] and len(descriptors) == 2
        once("missing")
    for descriptor in descriptors:
        with pytest.raises(OSError):
            os.fstat(descriptor)
