"""Changes of actors whose first COMMIT is made and not answered: their closures are run once more."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import pytest

from appliance.kernel.store import Store
from appliance.kernel.tx import Tx

T = TypeVar("T")


def lose_first_answers(patch: pytest.MonkeyPatch) -> None:
    """Every change that is made by `write_retrying`, until `patch` is undone."""

    async def committed_twice(
        self: Store, closure: Callable[[Tx], T], again: Callable[[Tx], T] | None = None
    ) -> T:
        await self.write(closure)
        return await self.write(closure if again is None else again)

    patch.setattr(Store, "write_retrying", committed_twice)
