"""A client of tus for tests: one upload over the in-process application."""

from __future__ import annotations

import base64
import hashlib
import secrets
from dataclasses import dataclass, field
from typing import Any

from tests.kit.client import Client, Reply

BOX_ID = "019307a0-0000-7000-8000-0000000000b0"
TUS = {"tus-resumable": "1.0.0"}
EDGE, PEOPLE = "/edge/v1/uploads", "/logging/v1/uploads"


def content(size: int) -> bytes:
    return secrets.token_bytes(size)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def metadata(**pairs: str) -> str:
    return ",".join(f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in pairs.items())


def checksum(data: bytes, algorithm: str = "sha256") -> dict[str, str]:
    digest = base64.b64encode(hashlib.new(algorithm, data).digest()).decode()
    return {"upload-checksum": f"{algorithm} {digest}"}


@dataclass
class Sender:
    """`client` shows a token. `path`: of the upload, once it was made."""

    client: Client
    base: str = EDGE
    headers: dict[str, str] = field(default_factory=lambda: {**TUS, "box-id": BOX_ID})
    path: str = ""

    async def create(self, length: int, headers: dict[str, str] | None = None, **pairs: str) -> Reply:
        sent = {"upload-length": str(length), "upload-metadata": metadata(**pairs), **(headers or {})}
        reply = await self.client.request("POST", self.base, headers={**self.headers, **sent})
        self.path = reply.headers.get("location", "")
        return reply

    async def patch(
        self, offset: int, data: bytes | list[bytes], headers: dict[str, str] | None = None
    ) -> Reply:
        sent = {"content-type": "application/offset+octet-stream", "upload-offset": str(offset)}
        return await self.client.request(
            "PATCH", self.path, data, headers={**self.headers, **sent, **(headers or {})}
        )

    async def offset(self) -> int:
        reply = await self.client.request("HEAD", self.path, headers=self.headers)
        assert reply.status == 200, reply
        return int(reply.headers["upload-offset"])

    async def delete(self) -> Reply:
        return await self.client.request("DELETE", self.path, headers=self.headers)

    async def resource(self) -> Any:
        return (await self.client.get(self.path, headers=self.headers)).json
