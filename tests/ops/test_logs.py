"""One log line per fact, readable by programs and people."""

from __future__ import annotations

import io
import json
import logging
import os
import warnings
from collections.abc import Iterator
from typing import TextIO

import httpx
import pytest
import structlog

from appliance.box.mediamtx.whep import open_whep
from appliance.ops.logs import Style, choose_style, configure_logs, toggle_debug


@pytest.fixture
def restored() -> Iterator[None]:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = before
    logging.captureWarnings(False)
    structlog.reset_defaults()


def lines(stream: io.StringIO) -> list[str]:
    return stream.getvalue().splitlines()


@pytest.mark.usefixtures("restored")
async def test_the_secret_of_a_whep_session_is_not_in_the_log() -> None:
    """httpx logs every address at "info", and a WHEP session's address is a secret (draft-ietf-wish-whep)."""
    stream = io.StringIO()
    configure_logs("json", stream)

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(201, headers={"location": "/cam1/whep/s3cret"}, content=b"v=0")

    async with open_whep("http://mtx", transport=httpx.MockTransport(answer)) as whep:
        made = await whep.offer("cam1", b"v=0")
        await whep.patch("cam1", made.secret, b"a=x", {})
        await whep.end("cam1", made.secret)
    assert made.secret == "s3cret" and "s3cret" not in stream.getvalue()


@pytest.mark.usefixtures("restored")
def test_json_lines_carry_level_time_context_and_the_facts() -> None:
    stream = io.StringIO()
    configure_logs("json", stream)
    with structlog.contextvars.bound_contextvars(session="s1", trace="t1"):
        structlog.get_logger("cutter").info("clip_ready", clip="c1", took_ms=4)
    results = json.loads(lines(stream)[0])
    assert results.pop("time").endswith("Z")
    assert results == {
        "event": "clip_ready",
        "level": "info",
        "clip": "c1",
        "took_ms": 4,
        "session": "s1",
        "trace": "t1",
    }


@pytest.mark.usefixtures("restored")
def test_an_exception_stays_on_one_line() -> None:
    stream = io.StringIO()
    configure_logs("json", stream)
    try:
        raise ValueError("two\nlines")
    except ValueError:
        structlog.get_logger().exception("job_failed")
    (line,) = lines(stream)
    assert "ValueError: two" in json.loads(line)["exception"]


@pytest.mark.usefixtures("restored")
@pytest.mark.parametrize(("level", "prefix"), [("error", "<3>"), ("warning", "<4>"), ("info", "<6>")])
def test_under_journald_each_line_begins_with_its_priority(level: str, prefix: str) -> None:
    stream = io.StringIO()
    configure_logs("journal", stream)
    getattr(structlog.get_logger(), level)("said")
    (line,) = lines(stream)
    assert line.startswith(prefix + "{")
    assert json.loads(line[3:])["event"] == "said"
    assert "_priority" not in line


@pytest.mark.usefixtures("restored")
def test_libraries_speak_the_same_language() -> None:
    stream = io.StringIO()
    configure_logs("json", stream)
    logging.getLogger("hypercorn.error").warning("listening on %s", "8080")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old way", DeprecationWarning, stacklevel=1)
    first, second = (json.loads(line) for line in lines(stream))
    assert (first["event"], first["level"], first["logger"]) == (
        "listening on 8080",
        "warning",
        "hypercorn.error",
    )
    assert "old way" in second["event"]


@pytest.mark.usefixtures("restored")
@pytest.mark.parametrize("style", ["json", "journal", "human"])
def test_secrets_are_not_written(style: Style) -> None:
    stream = io.StringIO()
    configure_logs(style, stream)
    structlog.get_logger().info("login", read_password="hunter2", Authorization="Bearer abc")
    assert "hunter2" not in stream.getvalue() and "abc" not in stream.getvalue()


@pytest.mark.usefixtures("restored")
def test_debug_is_off() -> None:
    stream = io.StringIO()
    configure_logs("json", stream)
    structlog.get_logger().debug("chatter")
    assert stream.getvalue() == ""


@pytest.mark.usefixtures("restored")
def test_debug_is_switched_on_and_off_in_a_running_program() -> None:
    stream = io.StringIO()
    configure_logs("json", stream)
    own, library = structlog.get_logger("made before"), logging.getLogger("library")
    shown = []
    for number in range(3):
        own.debug("ours", number=number)
        library.debug("theirs")
        logging.getLogger("httpx").info("a URL that is a secret")
        own.info("always")
        shown.append(len(lines(stream)))
        assert toggle_debug() == (logging.INFO if number % 2 else logging.DEBUG)
    assert shown == [1, 4, 5]
    assert "secret" not in stream.getvalue()


def test_the_log_style_depends_on_where_the_output_goes(tmp_path: object) -> None:
    reader, writer = os.pipe()
    pipe: TextIO = os.fdopen(writer, "w")
    status = os.fstat(writer)
    assert choose_style(pipe, f"{status.st_dev}:{status.st_ino}") == "journal"
    assert choose_style(pipe, "1:2") == "json"
    assert choose_style(io.StringIO(), "") == "json"
    pipe.close()
    os.close(reader)
    master, slave = os.openpty()
    terminal: TextIO = os.fdopen(slave, "w")
    assert choose_style(terminal, "") == "human"
    terminal.close()
    os.close(master)


@pytest.mark.usefixtures("restored")
@pytest.mark.parametrize("style", ["json", "journal", "human"])
@pytest.mark.parametrize("depth", [1, 11, 40])
def test_the_error_is_logged_under_any_number_of_exception_groups(style: Style, depth: int) -> None:
    def nested(left: int) -> None:
        try:
            if not left:
                raise LookupError("the leaf")
            nested(left - 1)
        except (LookupError, ExceptionGroup) as error:
            raise ExceptionGroup(f"layer {left}", [error]) from None

    stream = io.StringIO()
    configure_logs(style, stream)
    try:
        nested(depth)
    except ExceptionGroup as group:
        structlog.get_logger().critical("ended", exc_info=group)
    assert "LookupError: the leaf" in stream.getvalue()
