"""[cloud] of the box: what is refused at the start."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from appliance.box.settings import check_settings
from appliance.box.sync.settings import SyncSettings
from appliance.kernel.fields import SettingsError


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"url": "ftp://cloud.example"}, "cloud.url"),
        ({"url": "cloud.example"}, "cloud.url"),
        ({"url": "https://"}, "cloud.url"),
        ({"url": "https://cloud.example/path"}, "cloud.url"),
        ({"url": "https://me:pw@cloud.example"}, "cloud.url"),
        ({"url": "https://cloud.example:99999"}, "cloud.url"),
        ({"url": "http://cloud.example", "token": "t"}, "in the clear"),
        ({"url": "https://cloud.example"}, "cloud.token: is not set"),
        ({"url": "https://a..b", "token": "t"}, "cloud.url"),
        ({"url": "https://cloud.example", "token": "two\nlines"}, "cloud.token: must be one line"),
        ({"url": "https://cloud.example", "token": "schlüssel"}, "cloud.token: must be one line"),
        ({"token": "t", "token_file": "/x"}, "cloud.token_file: is set beside"),
        ({"media": "sometimes"}, "cloud.media"),
        ({"unknown": 1}, "cloud.unknown"),
    ],
)
def test_what_is_refused(values: dict[str, Any], why: str) -> None:
    with pytest.raises(SettingsError) as refused:
        check_settings({"cloud": values})
    assert why in str(refused.value)


def test_what_is_accepted() -> None:
    settings = check_settings({"cloud": {"url": "https://cloud.example/", "token": " secret "}})
    section = settings.section(SyncSettings)
    assert (section.url, section.read_token(), section.is_on) == ("https://cloud.example", "secret", True)
    assert "secret" not in repr(settings)
    check_settings({"cloud": {"url": "http://127.0.0.1:8090", "token": "t"}})
    assert not check_settings({}).section(SyncSettings).is_on


def test_the_token_may_be_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "token"
    section = SyncSettings(url="https://cloud.example", token_file=str(file))
    assert section.read_token() == ""
    file.write_text("secret\n")
    assert section.read_token() == "secret"
    for text in ("# from the console\nsecret\n", "", "se cret"):  # an error of a header would show it
        file.write_text(text)
        assert section.read_token() == ""


def test_the_environment_gives_the_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APPLIANCE_CLOUD__TOKEN", "secret")
    settings = check_settings({"cloud": {"url": "https://cloud.example"}})
    assert settings.section(SyncSettings).read_token() == "secret"
