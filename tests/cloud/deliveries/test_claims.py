"""What a process claims: also by a COMMIT that was not answered, and never for a client without a token."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from appliance.access.tokens import store as tokens
from appliance.cloud.deliveries import store as subscriptions
from appliance.cloud.deliveries.model import SubscriptionIn
from appliance.kernel.leases import LEAST_S
from appliance.kernel.operation import Caller
from tests.cloud.deliveries.test_deliveries import Receivers, announce, deliveries, sending, subscribe
from tests.kit.box import sim_store
from tests.kit.unanswered import lose_first_answers


async def test_a_claim_whose_commit_is_not_answered_is_sent_at_once_and_once(
    tmp_path: Path, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    receivers = Receivers()
    receivers.answers[81] = [1.0]
    async with sim_store(tmp_path) as store:
        for port in (81, 82):
            await subscribe(store, f"http://127.0.0.1:{port}/hook")
        await announce(store)
        began_s = trio.current_time()
        lose_first_answers(monkeypatch)
        async with sending(store, receivers, processes=2):
            await trio.sleep(LEAST_S + 5)
        assert sorted((at - began_s, port) for at, port, _, _ in receivers.arrived) == [(0.0, 81), (0.0, 82)]
        assert all(each["status"] == "delivered" for each in await deliveries(store))


async def test_nothing_is_sent_to_a_client_whose_last_token_was_revoked(
    tmp_path: Path, autojump_clock: MockClock
) -> None:
    receivers = Receivers()
    async with sim_store(tmp_path) as store:

        async def token(*scopes: str) -> Caller:
            add = partial(tokens.add_token, token_hash="#" + "".join(scopes), role="client", scopes=scopes)
            token_id = await store.write(partial(add, name="n", created_by="test"))
            return Caller("n", identity=token_id, role="client", scopes=scopes)

        callers = [await token("client:a"), await token("league:x"), await token("client:a", "league:y")]
        body = SubscriptionIn(url="http://127.0.0.1/hook", types=["breakdown.available"], scope=[])
        for caller in callers[:2]:
            await store.write(partial(subscriptions.create_subscription, caller=caller, body=body))
        await subscribe(store, "http://127.0.0.1:81/hook")  # of the service itself
        for revoked, left in ((callers[0], 3), (callers[1], 2), (callers[2], 1)):
            await announce(store, "client:a", "league:x")
            await store.write(partial(tokens.revoke_token, token_id=revoked.identity))
            async with sending(store, receivers):
                await trio.sleep(0.1)
            assert len(receivers.arrived) == left
            receivers.arrived.clear()
        ended = [each for each in await deliveries(store) if each["status"] == "cancelled"]
        assert len(ended) == 2 and "token was revoked" in ended[0]["error"]
