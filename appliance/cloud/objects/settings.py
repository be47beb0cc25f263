"""Where objects are kept: [objects]."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

from appliance.kernel.fields import Section


def _known(url: str) -> str:
    scheme, _, rest = url.partition(":")
    if scheme == "file" and rest.strip("/"):
        return url
    if scheme == "s3" and rest.startswith("//") and rest.strip("/"):
        return url
    raise ValueError('must be "file:FOLDER" or "s3://BUCKET/PREFIX"')


class ObjectsSettings(Section):
    """[objects]. Keys of S3 come from the environment: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and
    AWS_SESSION_TOKEN."""

    url: Annotated[str, AfterValidator(_known)] = "file:objects"
    endpoint: str = ""
    region: str = ""
