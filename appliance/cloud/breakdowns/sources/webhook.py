"""The webhook by which a league's video service reports that a video is available (Standard Webhooks).

It carries no token: its signature by one of the secrets of [logging] is what admits it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import structlog

from appliance.cloud.breakdowns.sources.model import Source, VodAvailable
from appliance.cloud.breakdowns.sources.store import SourcesLocked, audit_locked, notice
from appliance.http.api import RawRoute, Receive, Routes, Scope, Send
from appliance.http.replies import json_reply, send_reply
from appliance.http.requests import header_map, parse_body, read_body
from appliance.kernel.clock import S_US, Clock
from appliance.kernel.errors import Refused, invalid
from appliance.kernel.store import Store
from appliance.network.outbound import CallFailed, parse_url
from appliance.network.signature import BadSignature, verify

log = structlog.get_logger("logging")

PATH = "/logging/v1/webhooks/vod-available"


@dataclass(frozen=True, slots=True)
class VodWebhook:
    """`held`: secrets that sign notices, several while one is replaced."""

    store: Store
    clock: Clock
    held: Sequence[str]

    def routes(self) -> Routes:
        summary = "A video of an event is available: signed by a secret of [logging], instead of a token."
        again = ((200, "The same notice came before."),)
        route = RawRoute(
            "POST", PATH, self.receive, summary, body=VodAvailable, status=201, returns=Source, also=again
        )
        return Routes("webhooks", raw=[route])

    async def receive(self, scope: Scope, receive: Receive, send: Send, given: dict[str, str]) -> None:
        """Raises Refused, Unavailable, ClientGone."""
        headers = header_map(scope)
        sent = await read_body(headers, receive)
        self._verify(
            {name.decode("latin-1"): value.decode("latin-1") for name, value in headers.items()}, sent
        )
        body = parse_body(headers, sent, VodAvailable)
        assert body is not None
        try:
            parse_url(body.url)
        except CallFailed as failed:
            raise invalid("url", failed.detail) from None
        try:
            answer = await self.store.write(partial(notice, body=body))
        except SourcesLocked as locked:
            await self.store.write(partial(audit_locked, locked=locked, by="webhook"))
            raise
        await send_reply(send, json_reply(answer.status, answer.resource))

    def _verify(self, headers: dict[str, str], body: bytes) -> None:
        try:
            verify(self.held, headers, body, self.clock.now_us() / S_US)
        except BadSignature as error:
            log.warning("notice_refused", reason=str(error))
            hint = "sign it with a secret of [logging] vod_secrets, as Standard Webhooks says"
            raise Refused(400, "bad_signature", str(error), hint) from None
