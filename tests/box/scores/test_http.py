"""POST /sessions/{id}/score, and the session that shows it."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.box.permissions import RUN
from appliance.box.scores.domain import DOMAIN
from appliance.box.scores.model import ScoreIn
from appliance.box.scores.store import observe, score_of
from appliance.box.sessions.store import get_session
from appliance.kernel import json
from appliance.kernel.errors import Refused
from appliance.kernel.operation import Caller
from tests.kit.box import add_session, sim_store
from tests.kit.clock import HandClock

OPERATOR = Caller("operator-1")


async def test_a_score_is_journaled_and_shown_by_its_session(tmp_path: Path) -> None:
    async with sim_store(tmp_path, HandClock()) as store:
        session_id = await store.write(add_session)
        assert (await store.read(lambda tx: get_session(tx, session_id)))["score"] is None
        body = ScoreIn(home=1, away=0, period=2, clock="63:10")
        answers = [await store.write(lambda tx: observe(tx, OPERATOR, session_id, body)) for _ in range(2)]
        await store.write(lambda tx: observe(tx, OPERATOR, session_id, ScoreIn(home=1, away=1)))
        entries = [each for each in store.journal.recent(0) or [] if each.type == "score_observed"]
        first, last = (json.decode(each.event) for each in entries)
        assert answers[0].resource == answers[1].resource == first["score"]
        assert first["score"]["clock"] == "63:10" and first["session_id"] == entries[0].session_id
        assert last["score"]["period"] is None and last["session"]["score"] == last["score"]
        assert last["session"]["clip_count"] == 0
        shown = await store.read(lambda tx: get_session(tx, session_id))
        assert shown["score"] == await store.read(lambda tx: score_of(tx, session_id)) == last["score"]
        with pytest.raises(Refused) as refused:
            await store.write(lambda tx: observe(tx, OPERATOR, "unknown", body))
        assert refused.value.status == 404


@pytest.mark.parametrize("wrong", [{"home": -1}, {"home": 1000}, {"period": 0}, {"clock": ""}, {"points": 1}])
def test_a_wrong_field_is_named(wrong: dict[str, int | str]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        ScoreIn.model_validate({"home": 0, "away": 0, **wrong})


def test_an_operator_reports_it() -> None:
    (route,) = [route for routes in DOMAIN.routes(None) for route in routes.routes]
    assert DOMAIN.access == {route.rule: RUN}
