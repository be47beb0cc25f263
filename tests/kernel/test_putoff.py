"""When what a disk refused is tried again."""

from __future__ import annotations

import trio
from trio.testing import MockClock

from appliance.kernel.putoff import GIVE_UP_S, PutOff


async def test_each_thing_has_pauses_of_its_own(autojump_clock: MockClock) -> None:
    put_off = PutOff()
    assert put_off.until_s("a") < trio.current_time() and not put_off
    assert put_off.refuse("a") and put_off.until_s("a") >= trio.current_time()
    assert put_off.until_s("b") < trio.current_time()
    await trio.sleep(GIVE_UP_S + 1)
    assert put_off.refuse("b") and not put_off.refuse("a")
    put_off.keep({"b"})
    assert put_off.until_s("a") < 0 and put_off
    put_off.settle("b")
    assert not put_off
