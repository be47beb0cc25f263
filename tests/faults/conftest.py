"""Each fault test cleans up its garbage: resources of killed connections are collected at its end."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def own_garbage() -> Iterator[None]:
    yield
    gc.collect()
