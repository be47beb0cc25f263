"""Field types of requests and settings, shared by every domain: one rule behaves the same everywhere."""

from __future__ import annotations

import ipaddress
import re
import tomllib
from collections.abc import Container, Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, TypeVar
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from appliance.kernel.clock import from_rfc3339
from appliance.kernel.ids import canonical_uuid


class Input(BaseModel):
    """A request body or query: an unknown field is an error that names it."""

    model_config = ConfigDict(
        extra="forbid", allow_inf_nan=False, str_max_length=4000, hide_input_in_errors=True
    )


class Section(BaseModel):
    """A part of the settings tree: frozen, unknown keys refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def _instant(value: Any) -> int:
    if not isinstance(value, str):
        raise ValueError("must be an RFC 3339 time, such as 2026-11-20T19:31:04.120Z")
    return from_rfc3339(value)


Instant = Annotated[int, BeforeValidator(_instant), WithJsonSchema({"type": "string", "format": "date-time"})]
"""Microseconds UTC, written as an RFC 3339 time."""

Uuid = Annotated[str, AfterValidator(canonical_uuid), WithJsonSchema({"type": "string", "format": "uuid"})]

Name = Annotated[str, Field(min_length=1, max_length=200)]


@dataclass(frozen=True, slots=True)
class Written:
    """A validator of texts of one form. `words` say the form, so that an error shows no pattern."""

    pattern: str
    words: str

    def __call__(self, text: str) -> str:
        if re.fullmatch(self.pattern, text) is None:
            raise ValueError(f"must be {self.words}")
        return text

    @property
    def schema(self) -> dict[str, str]:
        return {"type": "string", "pattern": f"^{self.pattern}$", "description": self.words}


CHANNEL_ID = r"^[a-z0-9_-]{1,32}$"
ChannelKey = Annotated[str, Field(pattern=CHANNEL_ID)]


def known_zone(name: str) -> str:
    """The name itself. Raises ValueError for a zone this machine does not know."""
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"unknown time zone {name!r}; use a name such as Europe/Madrid") from None
    return name


Zone = Annotated[str, AfterValidator(known_zone)]


# -- settings ----------------------------------------------------------------------------------------------


class SettingsError(Exception):
    """The file cannot be used. `problems` are one line each, starting with the dotted path."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


SectionT = TypeVar("SectionT", bound=Section)


class SettingsTree:
    """What the settings of both sides share; beside pydantic's BaseSettings, which commands do not load."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: Any,
        init_settings: Any,
        env_settings: Any,
        dotenv_settings: Any,
        file_secret_settings: Any,
    ) -> tuple[Any, ...]:
        """The environment overrides the file."""
        return env_settings, init_settings

    def section(self, kind: type[SectionT]) -> SectionT:
        """The section of this class. Raises LookupError: there is none."""
        for name in getattr(type(self), "model_fields"):  # noqa: B009  pydantic's
            section = getattr(self, name)
            if isinstance(section, kind):
                return section
        raise LookupError(kind.__name__)


SETTINGS_PREFIX = "APPLIANCE_"


def refuse_unknown_variables(names: Iterable[str], sections: Container[str]) -> None:
    """Raises SettingsError for variables of ours (APPLIANCE_SECTION__KEY) that name no section."""
    unknown = [
        f"{name}: no such setting (from the environment)"
        for name in names
        if name.startswith(SETTINGS_PREFIX)
        and name.removeprefix(SETTINGS_PREFIX).split("__")[0].lower() not in sections
    ]
    if unknown:
        raise SettingsError(unknown)


def read_toml(path: Path) -> dict[str, Any]:
    """The parsed tree of a settings file. Raises SettingsError."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SettingsError([f"{path}: no such file"]) from None
    except PermissionError:
        raise SettingsError(
            [f"{path}: this user may not read it; type the command as root, with sudo"]
        ) from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError([f"{path}: {error}"]) from None


def setting_problem(error: Any) -> str:
    """One of pydantic's errors as a line that starts with the dotted path."""
    where = ".".join(str(part) for part in error["loc"])
    message = error["msg"].removeprefix("Value error, ")
    if error["type"] == "extra_forbidden":
        message = "no such setting"
    return f"{where}: {message}" if where else message


_HOST_NAME = re.compile(r"[a-z0-9]([a-z0-9._-]{0,251}[a-z0-9])?\.?|[0-9a-f:]*:[0-9a-f:]*:[0-9a-f:.]*")


def _host_name(text: str) -> str:
    """The name itself. Raises ValueError for what can never be the name in a Host header."""
    if not _HOST_NAME.fullmatch(text.lower()):
        raise ValueError(
            f'{text!r} is neither a name nor an address; write it as "box.example", without a port'
        )
    return text


HostName = Annotated[str, AfterValidator(_host_name)]
Port = Annotated[int, Field(ge=0, le=65535)]


@lru_cache(maxsize=1024)
@lru_cache(maxsize=512)
def is_loopback(host: str) -> bool:
    """Whether a name or address, without port and brackets, is this machine's own: localhost, 127.0.0.0/8,
    ::1, also written as IPv6. The one rule, for listeners, clients and Host headers."""
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        parsed = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return (mapped or parsed).is_loopback
