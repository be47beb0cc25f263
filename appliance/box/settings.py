"""The settings: one TOML file, checked completely before anything starts.

Unknown keys are errors with their dotted path; `APPLIANCE_SECTION__KEY` in the environment overrides a key.
Each domain declares its own section; this file only combines them. A change needs a restart.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

from pydantic import Field, ValidationError, create_model, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from appliance.box.contradictions import contradictions
from appliance.box.domains import section_lists, sections
from appliance.kernel.fields import (
    SETTINGS_PREFIX,
    HostName,
    Port,
    Section,
    SettingsError,
    SettingsTree,
    Zone,
    is_loopback,
    read_toml,
    refuse_unknown_variables,
    setting_problem,
)

if TYPE_CHECKING:
    from appliance.box.channels.settings import ChannelSettings
    from appliance.box.mediamtx.settings import MediamtxSettings
    from appliance.box.recorder.settings import RecorderSettings

__all__ = ["DEFAULT_PATH", "DEMO_ID", "Settings", "SettingsError", "check_settings", "load_settings"]

DEFAULT_PATH = Path("/etc/appliance/appliance.toml")


DEMO_ID = "demo"


class SiteSettings(Section):
    """[site]"""

    id: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,63}$")] = "stadium"
    name: str = "Stadium"
    timezone: Zone = "UTC"

    @property
    def local_name(self) -> str:
        """The name by which the box is found in its network by mDNS."""
        return f"{self.id}.local"


class ServerSettings(Section):
    """[server]"""

    host: str = "127.0.0.1"
    port: Port = 8080
    local_port: Port = 9080
    allowed_hosts: tuple[HostName, ...] = ()
    tls: Literal["off", "auto", "files"] = "off"
    tls_port: Port = 8443
    tls_cert: str = ""
    tls_key: str = ""

    @property
    def is_loopback(self) -> bool:
        """True when only this machine can reach the server."""
        return is_loopback(self.host)


class StorageSettings(Section):
    """[storage]"""

    state_dir: Path = Path("/var/lib/appliance")
    recordings_dir: Path = Path("/srv/recordings")
    clips_dir: Path | None = None
    reserve_gb: Annotated[float, Field(ge=0, le=1e9)] = 10
    backup_dir: str = ""

    @property
    def clips(self) -> Path:
        return self.clips_dir or self.state_dir / "clips"


class AccessSettings(Section):
    """[access]"""

    mode: Literal["paired", "open"] = "paired"
    unused_days: Annotated[int, Field(ge=0, le=10_000)] = 90
    plain_days: Annotated[int, Field(ge=0, le=10_000)] = 14


class _BoxSettings(SettingsTree, BaseSettings):
    """The sections of the box itself."""

    model_config = SettingsConfigDict(
        extra="forbid", frozen=True, env_prefix=SETTINGS_PREFIX, env_nested_delimiter="__"
    )

    site: SiteSettings = SiteSettings()
    server: ServerSettings = ServerSettings()
    storage: StorageSettings = StorageSettings()
    access: AccessSettings = AccessSettings()

    @model_validator(mode="after")
    def _nothing_contradicts(self) -> _BoxSettings:
        if problems := contradictions(cast(Settings, self)):
            raise SettingsError(problems)
        return self


if TYPE_CHECKING:

    class Settings(_BoxSettings):
        """All sections, frozen. A domain reads its own by `section`; these are read by others too."""

        recorder: RecorderSettings = RecorderSettings()
        mediamtx: MediamtxSettings = MediamtxSettings()
        channels: tuple[ChannelSettings, ...] = ()

else:
    Settings = create_model(
        "Settings",
        __base__=_BoxSettings,
        __module__=__name__,
        **{name: (section, section()) for name, section in sections().items()},
        **{name: (tuple[section, ...], ()) for name, section in section_lists().items()},
    )


def load_settings(path: Path) -> Settings:
    """The checked settings of a TOML file. Raises SettingsError naming every wrong key."""
    return check_settings(read_toml(path))


def check_settings(tree: dict[str, Any]) -> Settings:
    """Settings from a parsed tree. Raises SettingsError."""
    refuse_unknown_variables(os.environ, Settings.model_fields)
    try:
        return Settings(**tree)
    except ValidationError as error:
        raise SettingsError([setting_problem(each) for each in error.errors()]) from None
