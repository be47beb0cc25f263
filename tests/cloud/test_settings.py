"""The settings of the hosted side: every error by its dotted path, and the variables of hosting."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from appliance.cloud.settings import CloudSettings, check_settings, load_to_serve, missing
from appliance.kernel.fields import SettingsError

FILE = Path(__file__).parents[2] / "config/cloud.toml"
PRODUCTION = {"NODE_ENV": "production", "API_DOMAIN": "api.example", "INTERNAL_SERVICE_TOKEN": "hidden-value"}


def uncommented() -> dict[str, Any]:
    lines = [re.sub(r"^#(?=[a-z_]+ = )", "", line) for line in FILE.read_text().splitlines()]
    return tomllib.loads("\n".join(lines))


def test_the_file_as_shipped_changes_nothing() -> None:
    assert check_settings(tomllib.loads(FILE.read_text())) == check_settings({})


def test_the_file_shows_every_key_with_its_default() -> None:
    shown = uncommented()
    real = CloudSettings.model_construct().model_dump(mode="json")
    assert {name: section for name, section in real.items() if isinstance(section, dict)} == shown
    check_settings(shown)


def test_every_section_of_the_file_that_may_come_several_times_is_an_example() -> None:
    lists = [name for name, value in CloudSettings.model_construct().model_dump().items() if value == ()]
    assert [name for name in lists if f"# [[{name}]]" not in FILE.read_text()] == []


def test_every_key_has_a_comment_or_speaks_for_itself() -> None:
    silent = [line for line in FILE.read_text().splitlines() if re.match(r"#[a-z_]+ = [^#]*$", line)]
    assert {line.split(" = ")[0] for line in silent} <= {"#port", "#token_production"}


@pytest.mark.parametrize(
    ("tree", "problem"),
    [
        ({"clowd": {}}, "clowd: no such setting"),
        ({"server": {"prot": 1}}, "server.prot: no such setting"),
        ({"cloud": {"environment": "staging"}}, "cloud.environment: "),
        ({"cloud": {"api_domain": "https://api.example/"}}, "cloud.api_domain: "),
        ({"database": {"url": "mysql://x"}}, "database.url: "),
        ({"database": {"connections": 2}}, "database.connections: "),
        ({"server": {"allowed_hosts": ["http://x"]}}, "server.allowed_hosts.0: 'http://x'"),
        ({"cloud": 1}, "cloud: "),
        ({"net": {"allow_private": ["10.1.2.3/8"]}}, "net.allow_private.0: "),
        ({"net": {"allow_private": ["inside"]}}, "net.allow_private.0: "),
        ({"objects": {"url": "gs://bucket"}}, "objects.url: must be"),
        ({"webhooks": {"retry_s": [0]}}, "webhooks.retry_s.0: "),
    ],
)
def test_a_wrong_setting_is_named(tree: dict[str, Any], problem: str) -> None:
    with pytest.raises(SettingsError) as caught:
        check_settings(tree)
    (line,) = caught.value.problems
    assert line.startswith(problem)


@pytest.mark.parametrize("environment", ["demo", "production"])
def test_a_bucket_without_its_keys_does_not_start(environment: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, value in {**PRODUCTION, "NODE_ENV": environment, "AWS_ACCESS_KEY_ID": "k"}.items():
        monkeypatch.setenv(variable, value)
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY", raising=False)
    settings = check_settings({"objects": {"url": "s3://bucket/prefix"}})
    assert missing(settings) == ["AWS_SECRET_ACCESS_KEY: is not in the environment; objects.url needs it"]


@pytest.mark.parametrize("name", PRODUCTION)  # B15
def test_production_without_one_of_the_variables_names_it(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, value in PRODUCTION.items():
        if variable != name:
            monkeypatch.setenv(variable, value)
    file = tmp_path / "cloud.toml"
    file.write_text("")
    with pytest.raises(SettingsError, match=name) as caught:
        load_to_serve(file)
    assert "hidden-value" not in str(caught.value)


def test_the_variables_of_hosting_win_over_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, value in (PRODUCTION | {"AWS_ACCOUNT_ID": "1"}).items():
        monkeypatch.setenv(variable, value)
    tree = {"cloud": {"environment": "demo", "api_domain": "demo.example"}, "internal": {"token_demo": "d"}}
    settings = check_settings(tree)
    assert (settings.cloud.environment, settings.cloud.api_domain) == ("production", "api.example")
    assert settings.internal_token == "hidden-value" and missing(settings) == []
    assert "hidden-value" not in repr(settings)


def test_a_token_belongs_to_one_environment() -> None:  # B11
    tree = {"internal": {"token_demo": "d", "token_production": "p"}}
    for environment, token in (("demo", "d"), ("production", "p")):
        assert check_settings({**tree, "cloud": {"environment": environment}}).internal_token == token


def test_a_variable_of_ours_that_is_unknown_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APPLIANCE_SERVER__PORT", "8099")
    assert check_settings({}).server.port == 8099
    monkeypatch.setenv("APPLIANCE_SEVRER__PORT", "1")
    with pytest.raises(SettingsError, match="APPLIANCE_SEVRER__PORT: no such setting"):
        check_settings({})
