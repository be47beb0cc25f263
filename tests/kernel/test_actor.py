"""Layers of actors: an inner actor ends before those it depends on."""

from __future__ import annotations

import pytest
import trio
from trio.testing import MockClock

from appliance.kernel.actor import PATIENCE_S, running


async def test_layers_end_from_the_inside_out() -> None:
    ended: list[str] = []

    async def actor(*, called: str, task_status: trio.TaskStatus[str]) -> None:
        task_status.started(f"handle of {called}")
        try:
            await trio.sleep_forever()
        finally:
            ended.append(called)

    async with (
        running("outer", actor, called="outer") as outer,
        running("inner", actor, called="inner") as inner,
    ):
        assert (outer, inner) == ("handle of outer", "handle of inner")
    assert ended == ["inner", "outer"]


async def test_a_failing_actor_cancels_everything_nested_inside_it() -> None:
    async def dies(*, task_status: trio.TaskStatus[None]) -> None:
        task_status.started()
        raise ValueError("bug")

    with pytest.raises(BaseExceptionGroup) as caught:
        async with running("dies", dies):
            await trio.sleep_forever()
    assert caught.group_contains(ValueError)


async def test_an_actor_that_cannot_start_raises_its_reason() -> None:
    async def never(*, task_status: trio.TaskStatus[None]) -> None:
        raise OSError("port in use")

    with pytest.raises(BaseExceptionGroup) as caught:
        async with running("never", never):
            raise AssertionError("not reached")
    assert caught.group_contains(OSError)


async def test_after_finish_an_actor_may_end_by_itself() -> None:
    requested = trio.Event()
    drained = False

    async def drains(*, task_status: trio.TaskStatus[None]) -> None:
        nonlocal drained
        task_status.started()
        await requested.wait()
        drained = True

    async with running("drains", drains, finish=requested.set):
        pass
    assert drained


async def test_an_actor_that_does_not_finish_is_cancelled_after_a_time(autojump_clock: MockClock) -> None:
    async def stubborn(*, task_status: trio.TaskStatus[None]) -> None:
        task_status.started()
        await trio.sleep_forever()

    began_s = trio.current_time()
    async with running("stubborn", stubborn, finish=lambda: None):
        pass
    assert trio.current_time() - began_s == PATIENCE_S
