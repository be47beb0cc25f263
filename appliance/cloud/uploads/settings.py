"""What uploads may be set to: their part of [logging]."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from appliance.kernel.fields import Section

_GB = 10**9


class UploadSettings(Section):
    """[logging]. `uploads_max_gb`: of all uploads of one site, or of one league's people, that are not
    complete; no single file may be larger either."""

    uploads_max_gb: Annotated[float, Field(gt=0, le=1e6)] = 500.0

    @property
    def max_bytes(self) -> int:
        return round(self.uploads_max_gb * _GB)
