"""The settings of the hosted side: one TOML file, checked completely before anything starts.

Unknown keys are errors with their dotted path; `APPLIANCE_SECTION__KEY` in the environment overrides a key,
and so do the variables that hosting sets: NODE_ENV, API_DOMAIN, INTERNAL_SERVICE_TOKEN. Each domain declares
its own sections; this file combines them. A change needs a restart.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import Field, IPvAnyNetwork, SecretStr, ValidationError, create_model
from pydantic_settings import BaseSettings, SettingsConfigDict

from appliance.cloud.domains import contradictions, section_lists, sections
from appliance.cloud.objects.opened import contradictions as missing_keys
from appliance.cloud.objects.settings import ObjectsSettings
from appliance.kernel.fields import (
    SETTINGS_PREFIX,
    HostName,
    Port,
    Section,
    SettingsError,
    SettingsTree,
    is_loopback,
    read_toml,
    refuse_unknown_variables,
    setting_problem,
)

_HOSTING: Final = {  # variable: (section, key)
    "NODE_ENV": ("cloud", "environment"),
    "API_DOMAIN": ("cloud", "api_domain"),
    "SENTRY_DSN": ("sentry", "dsn"),
    "SENTRY_TRACES_SAMPLE_RATE": ("sentry", "traces_sample_rate"),
}
_TOKEN_VARIABLE: Final = "INTERNAL_SERVICE_TOKEN"

DomainName = Annotated[str, Field(pattern=r"^$|^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?(:[0-9]{1,5})?$")]
Environment = Literal["", "demo", "production"]


class CloudSection(Section):
    """[cloud]"""

    environment: Environment = ""
    api_domain: DomainName = ""
    state_dir: Path = Path("/var/lib/appliance-cloud")


class ServerSection(Section):
    """[server]"""

    host: str = "127.0.0.1"
    port: Port = 8090
    local_port: Port = 9090
    allowed_hosts: tuple[HostName, ...] = ()
    trusted_proxies: tuple[IPvAnyNetwork, ...] = ()

    @property
    def is_loopback(self) -> bool:
        """True when only this machine can reach the server."""
        return is_loopback(self.host)


class DatabaseSection(Section):
    """[database]"""

    url: Annotated[str, Field(pattern=r"^(sqlite:[^/?#]|postgres(ql)?://)\S*$")] = "sqlite:cloud.db"
    connections: Annotated[int, Field(ge=3, le=100)] = 8  # one writes, one listens, the rest read


class InternalSection(Section):
    """[internal]"""

    token_demo: SecretStr = SecretStr("")
    token_production: SecretStr = SecretStr("")


class NetSection(Section):
    """[net]. `allow_private`: networks, not public, that outbound requests may reach."""

    allow_private: tuple[IPvAnyNetwork, ...] = ()


class _CloudSettings(SettingsTree, BaseSettings):
    """The sections of the program itself."""

    model_config = SettingsConfigDict(
        extra="forbid",
        frozen=True,
        env_prefix=SETTINGS_PREFIX,
        env_nested_delimiter="__",
        hide_input_in_errors=True,
    )

    cloud: CloudSection = CloudSection()
    server: ServerSection = ServerSection()
    database: DatabaseSection = DatabaseSection()
    internal: InternalSection = InternalSection()
    net: NetSection = NetSection()
    objects: ObjectsSettings = ObjectsSettings()

    @property
    def internal_token(self) -> str:
        """The token of this environment; that of the other one is never accepted."""
        section = self.internal
        is_demo = self.cloud.environment == "demo"
        return (section.token_demo if is_demo else section.token_production).get_secret_value()


if TYPE_CHECKING:

    class CloudSettings(_CloudSettings):
        """All sections, frozen. A domain reads its own by `section`."""

else:
    CloudSettings = create_model(
        "CloudSettings",
        __base__=_CloudSettings,
        __module__=__name__,
        **{name: (section, section()) for name, section in sections().items()},
        **{name: (tuple[section, ...], ()) for name, section in section_lists().items()},
    )


def load_settings(path: Path) -> CloudSettings:
    """The checked settings of a file. Raises SettingsError naming every wrong key."""
    return check_settings(read_toml(path))


def load_to_serve(path: Path) -> CloudSettings:
    """`load_settings` for `serve`: keys without a default must be set. Raises SettingsError naming them."""
    settings = load_settings(path)
    if problems := missing(settings):
        raise SettingsError(problems)
    return settings


def check_settings(tree: dict[str, Any], *, is_demo: bool = False) -> CloudSettings:
    """Settings from a parsed tree. `is_demo`: made by `appliance cloud demo`, which of the variables of
    hosting reads only the token. Raises SettingsError."""
    refuse_unknown_variables(os.environ, CloudSettings.model_fields)
    try:
        return CloudSettings(**_with_hosting(tree, os.environ, {} if is_demo else _HOSTING))
    except ValidationError as error:
        raise SettingsError([setting_problem(each) for each in error.errors()]) from None


def missing(settings: CloudSettings) -> list[str]:
    """The keys without a default that are not set, and those that contradict each other: their dotted paths
    and variables."""
    if not settings.cloud.environment:
        return ['cloud.environment: is not set: "production" or "demo" (NODE_ENV)']
    problems = [*missing_keys(settings.objects, os.environ), *contradictions(settings)]
    if settings.cloud.environment == "demo":
        return problems
    if not settings.cloud.api_domain:
        problems.append("cloud.api_domain: is not set: where clients reach this service (API_DOMAIN)")
    if not settings.internal_token:
        problems.append(f"internal.token_production: is not set ({_TOKEN_VARIABLE})")
    return problems


def _with_hosting(
    tree: dict[str, Any], environment: Mapping[str, str], variables: Mapping[str, tuple[str, str]]
) -> dict[str, Any]:
    """The tree with the values of the variables of hosting. AWS_ACCOUNT_ID is accepted and not used."""
    sections = {name: dict(value) if isinstance(value, dict) else value for name, value in tree.items()}

    def put(section: str, key: str, value: str) -> None:
        if isinstance(sections.setdefault(section, {}), dict):
            sections[section][key] = value

    for variable, (section, key) in variables.items():
        if value := environment.get(variable):
            put(section, key, value)
    if token := environment.get(_TOKEN_VARIABLE):
        cloud = sections.get("cloud")
        is_demo = isinstance(cloud, dict) and cloud.get("environment") == "demo"
        put("internal", "token_demo" if is_demo else "token_production", token)
    return sections
