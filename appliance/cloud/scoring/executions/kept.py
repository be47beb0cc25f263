"""Answers of providers that an earlier execution has kept: they are read again, and no provider is asked."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from appliance.cloud.objects.model import NoObject, Objects
from appliance.cloud.scoring.executions.model import StageFailed
from appliance.cloud.scoring.executions.store import rounds_of
from appliance.cloud.scoring.providers.answers import NoAnswer, ProviderAnswer
from appliance.cloud.scoring.providers.model import ProviderFailed, Wanted
from appliance.cloud.scoring.providers.readers import read_answer
from appliance.kernel.store import Store
from appliance.kernel.threads import in_thread


@dataclass
class KeptAnswers:
    """The answers that another execution has kept, instead of asking a provider."""

    store: Store
    objects: Objects
    execution_id: str

    async def ask(self, wanted: Wanted) -> ProviderAnswer:
        """Raises NoAnswer."""
        rows = await self.store.read(partial(rounds_of, execution_id=self.execution_id))
        row = next((each for each in rows if each["round"] == wanted.round and each["raw_key"]), None)
        if row is None:
            reason = ProviderFailed("not_kept", f"no answer was kept for the round {wanted.round or 'all'}")
            raise NoAnswer([("kept", reason)])
        try:
            raw = await read_object(self.objects, row["raw_key"])
            file = await in_thread(read_answer, row["provider"], raw, wanted)
        except (ProviderFailed, StageFailed) as error:
            failed = error if isinstance(error, ProviderFailed) else ProviderFailed("not_kept", str(error))
            raise NoAnswer([(row["provider"], failed)]) from None
        return ProviderAnswer(
            file, row["provider"], row["priority"], row["address"], row["raw_key"], bool(row["is_first"])
        )


async def read_object(objects: Objects, key: str) -> bytes:
    """Raises StageFailed: it is not there any more; Unavailable."""
    try:
        return await objects.read(key)
    except NoObject:
        raise StageFailed("fetch", f"the kept answer {key} is not in the object store any more") from None
