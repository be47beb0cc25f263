"""HTTP to the cloud: what each kind of answer means, and what is never taken for one."""

from __future__ import annotations

import httpx
import pytest
import trio
from trio.testing import MockClock

from appliance.box.sync import client as clients
from appliance.box.sync.client import open_client
from appliance.kernel.errors import Refused, Unavailable
from appliance.network.addresses import BadDestination

PROBLEM = {"content-type": "application/problem+json"}


async def call(answer: httpx.Response | Exception) -> dict[str, object]:
    async def handler(request: httpx.Request) -> httpx.Response:
        if isinstance(answer, Exception):
            raise answer
        assert request.headers["authorization"] == "Bearer t"
        assert request.headers["box-id"] == "b"
        return answer

    async with open_client("http://cloud", "t", "b", transport=httpx.MockTransport(handler)) as client:
        return await client.call("POST", "/edge/v1/events", body=b"[]")


async def test_an_object_is_an_answer() -> None:
    assert await call(httpx.Response(200, json={"acked_through": 5, "new field": [1]})) == {
        "acked_through": 5,
        "new field": [1],
    }
    assert await call(httpx.Response(204)) == {}


async def test_a_problem_document_is_a_refusal_with_its_members() -> None:
    document = {"code": "hole", "detail": "the next is 7", "hint": None, "expected": 7}
    with pytest.raises(Refused) as refused:
        await call(httpx.Response(409, json=document, headers=PROBLEM))
    assert (refused.value.status, refused.value.code, refused.value.extra["expected"]) == (409, "hole", 7)


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (httpx.Response(503, json={"code": "storage_unavailable", "detail": "x"}), "storage_unavailable"),
        (httpx.Response(500, text="<html>"), "cloud_error"),
        (httpx.Response(429, headers={"retry-after": "7"}), "cloud_error"),
        (httpx.Response(200, text="<html>log in</html>"), "cloud_answer"),
        (httpx.Response(200, json=[1]), "cloud_answer"),
        (httpx.Response(200, text='{"a": NaN}'), "cloud_answer"),
        (httpx.Response(302, headers={"location": "http://login"}), "cloud_answer"),
        (httpx.Response(404, text="not here"), "cloud_answer"),
        (httpx.Response(200, content=b"x" * (clients.ANSWER_MAX + 1)), "cloud_answer"),
        (httpx.ConnectError("refused"), "cloud_unreachable"),
        (httpx.ReadTimeout(""), "cloud_slow"),
        (BadDestination("169.254.169.254: a cloud's metadata service"), "cloud_address"),
    ],
)
async def test_everything_else_is_tried_again(answer: httpx.Response | Exception, code: str) -> None:
    with pytest.raises(Unavailable) as unavailable:
        await call(answer)
    assert unavailable.value.code == code and unavailable.value.hint
    if isinstance(answer, httpx.Response) and answer.status_code == 429:
        assert unavailable.value.retry_after_s == 7


async def test_an_answer_that_never_ends_is_given_up(autojump_clock: MockClock) -> None:
    async def handler(request: httpx.Request) -> httpx.Response:
        await trio.sleep_forever()
        raise AssertionError

    async with open_client("http://cloud", "t", "b", transport=httpx.MockTransport(handler)) as client:
        with pytest.raises(Unavailable) as unavailable:
            await client.call("GET", "/edge/v1/changes", timeout_s=30)
    assert unavailable.value.code == "cloud_slow" and trio.current_time() == pytest.approx(30, abs=1)
