"""The messages between daemon and worker, independent of how either of them works.

One SOCK_SEQPACKET connection, one JSON object per packet, at most MAX_MESSAGE_BYTES. The worker sends first:

    worker -> daemon   {"hello": 1, "pid": .., "sandbox": {..}, "versions": {..}, "codecs": [..]}
    daemon -> worker   {"id": 7, "job": "thumbnail", "args": {..}, "cpu_s": .., "output_bytes": ..} + fds
    worker -> daemon   {"id": 7, "progress": 2.5}                               (any number of these)
    worker -> daemon   {"id": 7, "result": {..}}  or  {"id": 7, "error": {"code": .., "detail": ..}}

One job at a time. Descriptors are sent by SCM_RIGHTS with the request, in the order in which the job's `args`
count them. The daemon trusts nothing that a worker sends: every message is checked here before it is used.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

MAX_MESSAGE_BYTES = 64 * 1024
"""A keyframe's extradata is below 1 kB and a ten-minute clip has a dozen ranges; headers of clips are sent as
descriptors.
"""

MAX_DESCRIPTORS = 64
"""Ten minutes of one-minute segments with restarts between them; Linux allows 253 in one message."""

MAX_DETAIL_CHARS = 500

_ABSURD = 1e15
"""Above any number of ours; also excludes NaN, infinities and integers no float can represent."""

Json = Mapping[str, object]


class WorkerProtocolError(ValueError):
    """The other side sent something that this protocol does not allow. The connection is unusable."""


@dataclass(frozen=True, slots=True)
class Sandbox:
    """The active sandbox layers of a worker, measured by itself after switching them on."""

    memory_bytes: int
    """RLIMIT_AS; -1 = no limit."""
    network: str
    """'none' (own empty namespace, or the unit forbids internet sockets), 'no-tcp' (Landlock only), 'open'.
    """
    landlock_abi: int
    """Version of Landlock, which forbids every path; 0 = the kernel has none, paths can be opened."""
    no_new_privs: bool
    no_capabilities: bool
    dies_with_parent: bool
    write_execute_denied: bool
    as_unit: bool
    """Started by appliance-worker@.service, so systemd's sandbox applies too."""


@dataclass(frozen=True, slots=True)
class WorkerHello:
    """A worker's first message: it is ready, with its properties."""

    pid: int
    sandbox: Sandbox
    versions: Mapping[str, str]
    codecs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WorkerRequest:
    """One job as a message. `cpu_s` and `output_bytes` are the limits the worker sets on itself for it."""

    id: int
    job: str
    args: Json
    cpu_s: int
    output_bytes: int


@dataclass(frozen=True, slots=True)
class Progress:
    """The position of a long job, in seconds of its media."""

    id: int
    second: float


@dataclass(frozen=True, slots=True)
class Done:
    id: int
    result: Json


@dataclass(frozen=True, slots=True)
class Failed:
    id: int
    code: str
    detail: str


Reply = Progress | Done | Failed


def encode(message: Json) -> bytes:
    """One packet. Raises ProtocolError when it would not fit, so that it is not truncated at the other
    side."""
    data = json.dumps(message, separators=(",", ":"), allow_nan=False).encode()
    if len(data) > MAX_MESSAGE_BYTES:
        raise WorkerProtocolError(f"message of {len(data)} bytes")
    return data


def decode(packet: bytes) -> Json:
    """Raises ProtocolError for all that is not one JSON object."""
    if len(packet) > MAX_MESSAGE_BYTES:
        raise WorkerProtocolError("message too long")
    try:
        message = json.loads(packet)
    except (ValueError, RecursionError) as exc:
        raise WorkerProtocolError(f"not JSON: {type(exc).__name__}") from exc
    if not isinstance(message, dict):
        raise WorkerProtocolError("not a JSON object")
    return cast(Json, message)


def request_message(request: WorkerRequest) -> Json:
    return {
        "id": request.id,
        "job": request.job,
        "args": request.args,
        "cpu_s": request.cpu_s,
        "output_bytes": request.output_bytes,
    }


def parse_request(message: Json) -> WorkerRequest:
    return WorkerRequest(
        integer(message, "id"),
        text(message, "job"),
        mapping(message, "args"),
        integer(message, "cpu_s"),
        integer(message, "output_bytes"),
    )


def hello_message(hello: WorkerHello) -> Json:
    box = hello.sandbox
    return {
        "hello": 1,
        "pid": hello.pid,
        "sandbox": {name: getattr(box, name) for name in Sandbox.__slots__},
        "versions": dict(hello.versions),
        "codecs": list(hello.codecs),
    }


def parse_hello(message: Json) -> WorkerHello:
    if message.get("hello") != 1:
        raise WorkerProtocolError("the worker did not say hello")
    box = mapping(message, "sandbox")
    sandbox = Sandbox(
        memory_bytes=integer(box, "memory_bytes"),
        network=text(box, "network"),
        landlock_abi=integer(box, "landlock_abi"),
        **{name: boolean(box, name) for name in _FLAGS},
    )
    versions = {name: str(value) for name, value in mapping(message, "versions").items()}
    codecs = tuple(str(name) for name in sequence(message, "codecs"))
    return WorkerHello(integer(message, "pid"), sandbox, versions, codecs)


_FLAGS = ("no_new_privs", "no_capabilities", "dies_with_parent", "write_execute_denied", "as_unit")


def parse_reply(message: Json, *, job_id: int) -> Reply:
    """A reply to `job_id`. A reply to another id is an error too: there is one job at a time."""
    if integer(message, "id") != job_id:
        raise WorkerProtocolError("reply to another job")
    if "progress" in message:
        return Progress(job_id, number(message, "progress"))
    if "error" in message:
        error = mapping(message, "error")
        return Failed(job_id, text(error, "code"), text(error, "detail")[:MAX_DETAIL_CHARS])
    return Done(job_id, mapping(message, "result"))


# Readers of one field. JSON true is an int to Python and must not be accepted as a number.


def integer(message: Json, name: str) -> int:
    value = message.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise WorkerProtocolError(f"{name} is not an integer")
    return value


def number(message: Json, name: str) -> float:
    value = message.get(name)
    if not isinstance(value, int | float) or isinstance(value, bool) or not abs(value) < _ABSURD:
        raise WorkerProtocolError(f"{name} is not a number")
    return float(value)


def text(message: Json, name: str) -> str:
    value = message.get(name)
    if not isinstance(value, str):
        raise WorkerProtocolError(f"{name} is not a text")
    return value


def boolean(message: Json, name: str) -> bool:
    value = message.get(name)
    if not isinstance(value, bool):
        raise WorkerProtocolError(f"{name} is not true or false")
    return value


def mapping(message: Json, name: str) -> Json:
    value = message.get(name)
    if not isinstance(value, dict):
        raise WorkerProtocolError(f"{name} is not an object")
    return cast(Json, value)


def sequence(message: Json, name: str) -> list[object]:
    value = message.get(name)
    if not isinstance(value, list):
        raise WorkerProtocolError(f"{name} is not a list")
    return cast("list[object]", value)
