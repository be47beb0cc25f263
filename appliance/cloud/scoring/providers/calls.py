"""One GET for a provider, by the outbound door; every error as ProviderFailed. Nothing of an answer that may
hold a secret is in the text of an error."""

from __future__ import annotations

from collections.abc import Mapping

from appliance.cloud.scoring.providers.model import ProviderFailed
from appliance.network.outbound import CallFailed, Outbound

TIMEOUT_S = 30.0


async def get(outbound: Outbound, address: str, name: str, headers: Mapping[str, str] | None = None) -> bytes:
    """The body of a 200. Raises ProviderFailed."""
    try:
        answer = await outbound.call("GET", address, headers=headers, timeout_s=TIMEOUT_S)
    except CallFailed as failed:
        raise ProviderFailed(failed.code, f"{name}: {failed.detail}") from None
    if answer.status != 200:
        raise ProviderFailed("bad_status", f"{name} answered {answer.status}{_why(answer.status)}")
    return answer.body


def _why(status: int) -> str:
    words = {401: ": its token is wrong", 403: ": its token may not read this", 429: ": too many requests"}
    return words.get(status, ": it does not know this reference" if status == 404 else "")
