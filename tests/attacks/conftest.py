"""The target: ATTACK_ADDRESS=HOST:PORT, otherwise a box of this module, with a camera that records."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.access.console import leave_token
from appliance.access.roles import ROLES
from tests.attacks.faults import CAMERA
from tests.attacks.target import Target, allow_many_sockets
from tests.kit.running import Box, serving_box


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    allow_many_sockets()
    address = os.environ.get("ATTACK_ADDRESS")
    if address:
        yield Target.at(address)
        return
    folder: Path = tmp_path_factory.mktemp("attacked")
    # a box on loopback is open to its own machine, whatever access.mode is
    with serving_box(folder, {**CAMERA, "access": {"mode": "paired"}}, _begin) as box:
        yield box


async def _begin(box: Box) -> Target:
    tokens = {role: leave_token(box.folder / "state", role, role) for role in ROLES}
    await box.start()
    return Target.at(box.url, box.process.pid, tokens)
