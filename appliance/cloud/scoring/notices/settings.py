"""Receivers of messages about executions: [slack] and [sentry]."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr

from appliance.kernel.fields import Section


def _webhook(url: SecretStr) -> SecretStr:
    text = url.get_secret_value()
    if text and not text.startswith(("https://", "http://")):
        raise ValueError("must begin with https://")
    return url


def _dsn(dsn: SecretStr) -> SecretStr:
    from appliance.cloud.scoring.notices.sentry import parse_dsn

    if dsn.get_secret_value():
        parse_dsn(dsn.get_secret_value())
    return dsn


class SlackSettings(Section):
    """[slack]. `webhook_url`: holds its secret; "": no messages."""

    webhook_url: Annotated[SecretStr, AfterValidator(_webhook)] = SecretStr("")


class SentrySettings(Section):
    """[sentry]. `dsn`: holds its key; "": no reports. `traces_sample_rate`: the share of executions whose
    stages are reported too."""

    dsn: Annotated[SecretStr, AfterValidator(_dsn)] = SecretStr("")
    traces_sample_rate: Annotated[float, Field(ge=0, le=1)] = 0.0
