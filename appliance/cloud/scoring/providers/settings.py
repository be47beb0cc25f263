"""Which providers of football data are asked: [[providers]]."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field

from appliance.kernel.fields import Section

ProviderName = Literal["fixture", "openfootball", "football-data", "sofascore"]
RATE_S: Final = 2.5


def _address(url: str) -> str:
    if url and not url.startswith(("https://", "http://", "file:")):
        raise ValueError("must begin with https://, http:// or, of openfootball, file:")
    return url


class ProviderSettings(Section):
    """[[providers]]. `url`: instead of the provider's own address; `token_env`: the variable that holds its
    token. The provider with the lowest `priority` is asked first."""

    name: ProviderName
    url: Annotated[str, AfterValidator(_address)] = ""
    token_env: Annotated[str, Field(pattern=r"^$|^[A-Z][A-Z0-9_]{0,63}$")] = ""
    rate_s: Annotated[float, Field(ge=0, le=3600)] | None = None
    priority: Annotated[int, Field(ge=0, le=1000)] = 10

    @property
    def between_s(self) -> float:
        """The least time between the starts of two requests; none for invented seasons unless it is set."""
        if self.rate_s is not None:
            return self.rate_s
        return 0.0 if self.name == "fixture" else RATE_S
