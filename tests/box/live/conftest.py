"""Every /ws test runs on the direct and on the plain transport."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from appliance.box.live import hypercorn_transport, transport
from tests.box.live.kit import Box, Running, running_box


@pytest.fixture(params=[True, False], ids=["direct", "plain"])
def running(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Running:
    monkeypatch.setattr(hypercorn_transport, "CLOSE_GRACE_S", 0.2)
    monkeypatch.setattr(transport, "CLOSE_GRACE_S", 0.2)

    def run(**options: Any) -> AbstractAsyncContextManager[Box]:
        return running_box(tmp_path, use_direct=request.param, **options)

    return run
