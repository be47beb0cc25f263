"""The routes of a domain's `http.py`, as data.

Owns: the types of a route and of a request's context. Must not know: Quart, sockets, or any domain.
`server/app.py` mounts these routes and applies the conventions (problems, ETag, idempotency) to all of them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel

from appliance.kernel.clock import Clock
from appliance.kernel.operation import Answer, Caller, perform
from appliance.kernel.store import Store
from appliance.kernel.tx import ReadTx, Tx

T = TypeVar("T")
Handler = Callable[..., Awaitable[Answer]]
H = TypeVar("H", bound=Handler)


@dataclass(frozen=True, slots=True)
class Ctx:
    """One request, from HTTP or from /ws: its caller, and the store."""

    store: Store
    clock: Clock
    caller: Caller

    async def write(self, closure: Callable[[Tx], Answer]) -> Answer:
        """Run the one transaction of this request; once per idempotency key."""
        return await perform(self.store, self.caller, closure)

    async def read(self, query: Callable[[ReadTx], T]) -> T:
        return await self.store.read(query)


@dataclass(frozen=True, slots=True)
class Route:
    """`handler(ctx, **path_parameters, body=..., query=...)`; body and query only when a model is given.

    path uses {name} segments. `returns` documents the resource, `items` the resources of a list; `status` is
    the usual success, `also` are other statuses with the same resource. `hot` routes are served before Quart
    with the same conventions, for frequent requests (heartbeats, marks). `do` names the /ws command of the
    same operation; the route's one path parameter is the command's `id`.
    """

    method: str
    path: str
    handler: Handler
    body: type[BaseModel] | None = None
    query: type[BaseModel] | None = None
    returns: type[BaseModel] | None = None
    status: int = 200
    summary: str = ""
    body_optional: bool = False
    items: type[BaseModel] | None = None
    hot: bool = False
    also: tuple[int, ...] = ()
    do: str = ""
    rule: str = field(init=False)  # its row in the matrix of access
    admits_itself: ClassVar[bool] = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "rule", f"{self.method} {self.path}")


@dataclass(frozen=True, slots=True)
class Command:
    """One `do` of a /ws command: `run(ctx, body)`; the same operation as its HTTP route."""

    do: str
    body: type[BaseModel]
    run: Handler

    @property
    def rule(self) -> str:
        """Its row in the matrix of access."""
        return f"DO {self.do}"


Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class RawRoute:
    """A hot path served as plain ASGI before Quart: byte ranges, heartbeats, WebSockets.

    method is "GET" (serves HEAD too), another one of HTTP's, or "WS". `handler(scope, receive, send,
    parameters)` may raise Refused or Unavailable before it has answered; the dispatcher makes the problem
    document. `body`, `takes`, `query`, `media_type`, `status`, `also` and `returns` only document it: the
    handler reads the request itself, with `read_body` and `parse_query` of http/requests.py. `small`: a POST
    that reads its whole body and then answers at once, in one message of a known length.
    """

    method: str
    path: str
    handler: Callable[[Scope, Receive, Send, dict[str, str]], Awaitable[None]]
    summary: str = ""
    body: type[BaseModel] | None = None
    query: type[BaseModel] | None = None
    media_type: str = "application/json"
    status: int = 200
    small: bool = False
    returns: type[BaseModel] | None = None
    takes: str | None = None  # media type of a body that is not JSON
    also: tuple[tuple[int, str], ...] = ()  # other successes: (status, description)
    admits_itself: bool = False  # its handler asks the door: a token may come in the first message
    any_origin: bool = (
        False  # pages of other origins may use it with a token in Authorization (cloud/edge.py)
    )
    rule: str = field(init=False)  # its row in the matrix of access

    def __post_init__(self) -> None:
        object.__setattr__(self, "rule", f"{self.method} {self.path}")


UUID_SCHEMA: Mapping[str, Any] = {"type": "string", "format": "uuid"}


@dataclass(frozen=True, slots=True)
class Collection:
    """The resources under `/<name>`, for the links of the OpenAPI document.

    `parameter`: the path parameter that holds a resource's id. `commands`: `POST /<name>/{id}/<command>`
    answers with the resource. `made_from`: what a body of `POST /<name>` takes from an answer of another
    collection: collection -> field -> place in the answer, such as "#/id".
    """

    name: str
    parameter: str
    id_schema: Mapping[str, Any] = field(default_factory=lambda: UUID_SCHEMA)
    commands: tuple[str, ...] = ()
    made_from: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


@dataclass(slots=True)
class Routes:
    """A domain's routes and /ws commands, filled by decorators."""

    tag: str
    routes: list[Route] = field(default_factory=list)
    raw: list[RawRoute] = field(default_factory=list)
    commands: list[Command] = field(default_factory=list)
    collection: Collection | None = None
    path_schemas: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """JSON schemas of path parameters that are no id of a collection."""

    def add(self, method: str, path: str, **options: Any) -> Callable[[H], H]:
        def keep(handler: H) -> H:
            summary = (handler.__doc__ or "").strip().split("\n")[0]
            self.routes.append(Route(method, path, handler, summary=summary, **options))
            return handler

        return keep

    def get(self, path: str, **options: Any) -> Callable[[H], H]:
        return self.add("GET", path, **options)

    def post(self, path: str, **options: Any) -> Callable[[H], H]:
        return self.add("POST", path, **options)

    def patch(self, path: str, **options: Any) -> Callable[[H], H]:
        return self.add("PATCH", path, **options)

    def delete(self, path: str, **options: Any) -> Callable[[H], H]:
        return self.add("DELETE", path, **options)

    def command(self, do: str, body: type[BaseModel]) -> Callable[[H], H]:
        def keep(handler: H) -> H:
            self.commands.append(Command(do, body, handler))
            return handler

        return keep
