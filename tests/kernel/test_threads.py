"""A call in a thread: its value, its error, and no reference cycles from either."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trio

from appliance.kernel.errors import Refused
from appliance.kernel.store import open_store
from appliance.kernel.threads import in_thread
from tests.kit.clock import HandClock


class Kept:
    """An object in a caller's frame, for example a request."""


@contextmanager
def nothing_left() -> Iterator[None]:
    """The block's `Kept` objects are freed with their last reference."""
    gc.collect()
    gc.disable()
    try:
        yield
        assert not [each for each in gc.get_objects() if type(each) is Kept]
    finally:
        gc.enable()


def fail(*args: object) -> None:
    raise Refused(404, "not_found", "no")


async def test_the_value_and_the_error_come_back() -> None:
    assert await in_thread(divmod, 7, 2) == (3, 1)
    limiter = trio.CapacityLimiter(1)
    assert await in_thread(lambda: limiter.borrowed_tokens, limiter=limiter) == 1
    with pytest.raises(Refused, match="no"):
        await in_thread(fail, 1, limiter=limiter)
    assert limiter.borrowed_tokens == 0


async def test_an_abandoned_call_raises_cancelled() -> None:
    free = trio.Event()
    with trio.move_on_after(0) as scope:
        await in_thread(trio.from_thread.run, free.wait, abandon_on_cancel=True)
    assert scope.cancelled_caught
    free.set()


async def ask(call: object) -> int:
    value = Kept()
    try:
        await call()  # type: ignore[operator]
    except Refused as error:
        assert value
        return error.status
    return 0


async def test_an_error_leaves_no_reference_to_its_caller() -> None:
    await in_thread(int)
    with nothing_left():
        assert [await ask(lambda: in_thread(fail)) for _ in range(3)] == [404] * 3


async def test_a_refused_read_or_write_leaves_no_reference_to_its_caller(tmp_path: Path) -> None:
    async with open_store(tmp_path / "box.db", HandClock()) as store:
        await store.write(lambda tx: None)
        with nothing_left():
            assert [await ask(lambda: store.read(fail)) for _ in range(3)] == [404] * 3
            assert [await ask(lambda: store.write(fail)) for _ in range(3)] == [404] * 3
