"""The [mediamtx] section of the settings."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from appliance.kernel.fields import Section


class MediamtxSettings(Section):
    """[mediamtx]: external mode; all optional, without them previews and publisher state are missing."""

    api_url: str = ""
    read_user: str = ""
    read_password: Annotated[str, Field(repr=False)] = ""
    webrtc_url: str = ""
