"""Sends generated requests (cases.py) to a target and collects deviations in the answers."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

import httpx

from tests.attacks.cases import Case, Json, breaches_of, case, faults_of
from tests.attacks.target import Target

PROXIED = {"x-forwarded-for": "192.0.2.1"}  # so that loopback is not open
KEPT = 30  # ids stored of each kind
PARAMETERS = {"sessions": "session_id", "plays": "play_id", "clips": "clip_id", "tags": "tag_id"}


@dataclass
class Walk:
    """`faults` names the requests with deviations; `statuses` counts answers."""

    faults: list[str] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)


async def walk(target: Target, rnd: Random, count: int, role: str | None = None) -> Walk:
    """`count` requests in sequence, using the resources created by earlier ones.

    `role`: as a device with this role in the network; "": somebody without a token. None: as this machine,
    to which a box on loopback is open.
    """
    report = Walk()
    headers = {} if role is None else {**PROXIED, **_authorization(target, role)}
    async with httpx.AsyncClient(
        base_url=f"http://{target.authority}",
        timeout=20,
        trust_env=False,
        follow_redirects=False,
        headers=headers,
    ) as client:
        document = await _document(target)
        known: dict[str, list[str]] = {"channel_id": ["cam1"]}
        for number in range(count):
            request = case(document, rnd, known)
            try:
                answer = await _ask(client, request)
            except httpx.HTTPError as error:
                report.faults.append(f"{_shown(request)}: {error!r}")
                continue
            report.statuses[answer.status_code] += 1
            faults = faults_of(document, request, answer.status_code, answer.headers, answer.content)
            if role is not None:
                faults += breaches_of(document, request, role, answer.status_code, answer.content)
            report.faults += [f"{number}: {_shown(request)}: {answer.status_code} {each}" for each in faults]
            _learn(known, request, answer)
    return report


async def _document(target: Target) -> Json:
    document: Json = json.loads(await target.ask("/openapi.json"))
    return document


def _authorization(target: Target, role: str) -> dict[str, str]:
    return {"authorization": f"Bearer {target.tokens[role]}"} if role else {}


async def _ask(client: httpx.AsyncClient, asked: Case) -> httpx.Response:
    headers: Sequence[tuple[bytes, bytes]] = [
        (name.encode(), value.encode("latin-1")) for name, value in asked.headers.items()
    ]
    return await client.request(asked.method, asked.path, headers=headers, content=asked.body)


def _learn(known: dict[str, list[str]], asked: Case, answer: httpx.Response) -> None:
    parameter = PARAMETERS.get(asked.template.strip("/").split("/")[0])
    if parameter is None or answer.status_code not in (200, 201) or asked.method != "POST":
        return
    try:
        result: Any = json.loads(answer.content).get("id")
    except (ValueError, AttributeError):
        return
    if isinstance(result, str):
        ids = known.setdefault(parameter, [])
        ids.append(result)
        del ids[:-KEPT]


def _shown(asked: Case) -> str:
    return f"{asked.method} {asked.path[:200]} {dict(asked.headers)!s:.200} {asked.body[:300]!r}"
