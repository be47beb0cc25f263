"""Devices and codes as the API shows them, and the bodies of their routes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, Field

from appliance.access.roles import Role
from appliance.http.caller import MAX_DEVICE_CHARS, sanitised
from appliance.kernel.clock import optional_rfc3339, to_rfc3339
from appliance.kernel.fields import ChannelKey, Input

MINUTES = 10  # a code is valid, by default
MINUTES_MAX = 60


def _clean(name: str) -> str:
    if not (clean := sanitised(name)):
        raise ValueError("needs a character that can be printed")
    return clean


DeviceName = Annotated[str, Field(min_length=1, max_length=MAX_DEVICE_CHARS), AfterValidator(_clean)]


class PairIn(Input):
    """POST /pair."""

    code: Annotated[str, Field(max_length=40, description="as shown, in any case, with or without hyphen")]
    name: DeviceName | None = Field(None, description="of the device; a name given with the code wins")


class Paired(BaseModel):
    """The answer to POST /pair: the only one that contains the token."""

    device_id: str
    role: Role
    name: str
    token: str


class CodeIn(Input):
    """POST /devices/codes."""

    role: Role
    name: DeviceName | None = None
    address: (
        Annotated[
            str, Field(max_length=300, pattern=r"^https?://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:\d{1,5})?$")
        ]
        | None
    ) = Field(default=None, description="of the page that asks, for the link: http://192.168.1.20:8080")
    minutes: Annotated[float, Field(gt=0, le=MINUTES_MAX)] = MINUTES
    channel_id: Annotated[
        ChannelKey | None, Field(description="of a capture device; null: that of its first report")
    ] = None


class Code(BaseModel):
    code: str
    role: Role
    name: str | None
    channel_id: str | None
    expires_at: str
    link: str | None = Field(description="that pairs a device; null without an address")
    qr_svg: str | None = Field(description="the link as a QR code: an SVG document")


class DevicePatch(Input):
    """PATCH /devices/{id}: only the fields sent change."""

    name: DeviceName | None = None
    role: Role | None = None
    channel_id: Annotated[
        ChannelKey | None, Field(description="null: that of its next report that is accepted")
    ] = None


class Device(BaseModel):
    """A paired device, without its token."""

    id: str
    name: str
    role: Role
    created_at: str
    created_by: str
    last_seen_at: str | None
    channel_id: str | None = Field(description="for which a capture device reports; null: any, until it has")
    app_of: str | None = Field(description="of an installed app: the device whose page made its code")
    plain_days_left: int | None = Field(
        description="with TLS on: days of use until its token ends, which crossed the network unencrypted;"
        " -1: it does not end; null: it never did"
    )
    rev: int


class Devices(BaseModel):
    items: list[Device]


class MediaKey(BaseModel):
    key: str = Field(description="goes in ?k= of a media URL")
    expires_at: str


def device_resource(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": row["id"],
        "name": row["name"],
        "role": row["role"],
        "created_at": to_rfc3339(row["created_us"]),
        "created_by": row["created_by"],
        "last_seen_at": optional_rfc3339(row["seen_us"]),
        "channel_id": row["channel_id"],
        "app_of": row["parent_id"],
        "plain_days_left": row["plain_left"],
        "rev": row["rev"],
    }
