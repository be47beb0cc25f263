"""Reports to Sentry as envelopes, its plain form over HTTP. Pure.

Its own library is not used: it sends from threads of its own, past the outbound door ([net]). No local
variables, no request and no environment are in a report; of an error its type, its places in the code and a
text without secrets.
"""

from __future__ import annotations

import hashlib
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, Final
from urllib.parse import urlsplit

from appliance.kernel import json
from appliance.kernel.version import appliance_version

_FRAMES_MAX: Final = 50
_CLIENT: Final = "stadium-box/1"


@dataclass(frozen=True, slots=True)
class Dsn:
    """Where reports go, and the key that goes with them."""

    url: str
    key: str

    @property
    def headers(self) -> dict[str, str]:
        auth = f"Sentry sentry_version=7, sentry_client={_CLIENT}, sentry_key={self.key}"
        return {"content-type": "application/x-sentry-envelope", "x-sentry-auth": auth}


def parse_dsn(text: str) -> Dsn:
    """`https://KEY@HOST/PROJECT`. Raises ValueError."""
    parts = urlsplit(text)
    path, _, project = parts.path.rpartition("/")
    is_http = parts.scheme in ("http", "https")
    if not (is_http and parts.username and parts.hostname and project.isdigit()):
        raise ValueError("must be a DSN such as https://KEY@HOST/1")
    host = f"{parts.hostname}:{parts.port}" if parts.port else parts.hostname
    return Dsn(f"{parts.scheme}://{host}{path}/api/{project}/envelope/", parts.username)


def error_event(
    error: Exception,
    subject: str,
    at_s: float,
    environment: str,
    tags: Mapping[str, str],
    secrets: tuple[str, ...],
) -> bytes:
    """The envelope of an error. `subject`: what it is about; the same one has the same event id, so that an
    event that is sent again is not counted twice."""
    event = {
        "event_id": event_id(subject),
        "timestamp": at_s,
        "platform": "python",
        "level": "error",
        "environment": environment,
        "release": f"stadium-box@{appliance_version()}",
        "tags": dict(tags),
        "exception": {"values": [_exception(error, secrets)]},
    }
    return envelope(event, "event")


def envelope(item: Mapping[str, Any], kind: str) -> bytes:
    body = json.encode(item)
    head = json.encode({"event_id": item["event_id"]})
    return b"\n".join([head, json.encode({"type": kind, "length": len(body)}), body, b""])


def event_id(subject: str) -> str:
    return hashlib.sha256(subject.encode()).hexdigest()[:32]


def _exception(error: Exception, secrets: tuple[str, ...]) -> dict[str, Any]:
    frames = traceback.extract_tb(error.__traceback__)[-_FRAMES_MAX:]
    return {
        "type": type(error).__name__,
        "module": type(error).__module__,
        "value": without(str(error), secrets)[:1000],
        "stacktrace": {
            "frames": [
                {
                    "filename": "/".join(PurePath(frame.filename).parts[-4:]),
                    "function": frame.name,
                    "lineno": frame.lineno,
                    "in_app": "appliance" in PurePath(frame.filename).parts,
                }
                for frame in frames
            ]
        },
    }


def without(text: str, secrets: tuple[str, ...]) -> str:
    """The text without these values."""
    for secret in secrets:
        text = text.replace(secret, "[removed]") if secret else text
    return text


def transaction(
    subject: str, name: str, started_s: float, ended_s: float, stages: Mapping[str, int], environment: str
) -> bytes:
    """The envelope of a run with its stages, microseconds each, one after another."""
    trace = hashlib.sha256(f"trace {subject}".encode()).hexdigest()
    spans, at_s = [], started_s
    for number, (stage, took_us) in enumerate(stages.items()):
        end_s = at_s + took_us / 1e6
        spans.append(
            {
                "op": stage,
                "span_id": trace[32 + number * 2 : 48 + number * 2],
                "parent_span_id": trace[:16],
                "trace_id": trace[:32],
                "start_timestamp": at_s,
                "timestamp": end_s,
            }
        )
        at_s = end_s
    item = {
        "event_id": event_id(f"transaction {subject}"),
        "type": "transaction",
        "transaction": name,
        "start_timestamp": started_s,
        "timestamp": ended_s,
        "platform": "python",
        "environment": environment,
        "contexts": {"trace": {"trace_id": trace[:32], "span_id": trace[:16], "op": "execution"}},
        "spans": spans,
    }
    return envelope(item, "transaction")


def is_sampled(subject: str, rate: float) -> bool:
    """The same for every process: by the subject's hash."""
    return int(event_id(f"sample {subject}")[:8], 16) < rate * 0x100000000
