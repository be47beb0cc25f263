"""The pipeline in the hosted program: settings, and what is chosen by the environment."""

from __future__ import annotations

from typing import Any

import pytest

from appliance.cloud.scoring.executions.internal import internal_check
from appliance.cloud.scoring.wiring import chosen, receivers_of
from appliance.cloud.settings import check_settings, missing
from appliance.kernel.fields import SettingsError

PRODUCTION: dict[str, Any] = {
    "cloud": {"environment": "production", "api_domain": "api.example"},
    "internal": {"token_production": "secret"},
}


def test_the_demo_asks_no_live_source_unless_it_is_told_to() -> None:  # B10
    demo = check_settings({"cloud": {"environment": "demo"}})
    assert [each.name for each in chosen(demo)] == ["fixture"]
    assert [each.name for each in chosen(check_settings(PRODUCTION))] == ["openfootball"]
    tree = {**PRODUCTION, "providers": [{"name": "sofascore"}, {"name": "openfootball", "priority": 1}]}
    assert [each.name for each in chosen(check_settings(tree))] == ["sofascore", "openfootball"]


def test_invented_results_are_refused_in_production() -> None:  # B10
    settings = check_settings({**PRODUCTION, "providers": [{"name": "fixture"}]})
    assert [line.partition(": ")[0] for line in missing(settings)] == ["providers.0.name"]
    with pytest.raises(SettingsError, match=r"providers\.0\.name: "):
        check_settings({"providers": [{"name": "espn"}]})


def test_the_variables_of_sentry_are_read(monkeypatch: pytest.MonkeyPatch) -> None:  # B15
    monkeypatch.setenv("SENTRY_DSN", "https://KEY@sentry.example/7")
    monkeypatch.setenv("SENTRY_TRACES_SAMPLE_RATE", "1.0")
    receivers = receivers_of(check_settings(PRODUCTION))
    assert receivers.dsn is not None and receivers.sample_rate == 1.0
    assert set(receivers.secrets) == {"secret", "https://KEY@sentry.example/7"}
    monkeypatch.setenv("SENTRY_DSN", "nonsense")
    with pytest.raises(SettingsError, match=r"sentry\.dsn: "):
        check_settings(PRODUCTION)


def test_without_a_token_no_caller_is_admitted() -> None:  # B11
    check = internal_check("", lambda: 0)
    assert not check({}) and not check({b"x-internal-token": b""})
    assert internal_check("a", lambda: 0)({b"x-internal-token": b"a"})
    assert not internal_check("a", lambda: 0)({b"x-internal-token": b"b", b"authorization": b"Bearer a"})
