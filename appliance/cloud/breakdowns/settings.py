"""What logging may be set to: [logging]."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr

from appliance.kernel.fields import Section
from appliance.kernel.leases import LEAST_S
from appliance.network.signature import key_of


def _secret(secret: SecretStr) -> SecretStr:
    key_of(secret.get_secret_value())
    return secret


Secret = Annotated[SecretStr, AfterValidator(_secret)]


class LoggingSettings(Section):
    """[logging]. `vod_secrets`: that sign notices of videos, several while one is replaced. `lease_s`: how
    long a job stays with a logger who sends no heartbeat. `awaiting_alert_h`: hours after which an event
    whose video is unusable is reported."""

    vod_secrets: tuple[Secret, ...] = ()
    lease_s: Annotated[float, Field(ge=LEAST_S, le=86_400)] = 1800.0
    awaiting_alert_h: Annotated[float, Field(gt=0, le=24 * 365)] = 12.0

    @property
    def held_secrets(self) -> tuple[str, ...]:
        return tuple(secret.get_secret_value() for secret in self.vod_secrets)
