"""These tests need the program: MEDIAMTX_BIN=/path/to/mediamtx. Without it they are reported as skipped."""

from __future__ import annotations

import pytest

from tests.box.live.mediamtx.rig import BINARY


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    missing = pytest.mark.skip(reason="MEDIAMTX_BIN names no MediaMTX to start")
    for item in items:
        if "tests/box/live/mediamtx/" in str(item.path):
            item.add_marker(pytest.mark.live)
            item.add_marker(pytest.mark.slow)
            if not BINARY:
                item.add_marker(missing)
