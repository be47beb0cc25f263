"""The connection to MediaMTX: its API for health, its hooks as hints, the configuration we ship."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC
from pathlib import Path

import httpx
import pytest
import trio

from appliance.box.mediamtx import client, whep
from appliance.box.mediamtx.client import Mediamtx, _path, _srt_connection, open_mediamtx
from appliance.box.mediamtx.hook import Hook, parse_hook
from appliance.box.mediamtx.users import hashed, rewritten
from appliance.kernel.errors import Refused, Unavailable
from appliance.media.clock.names import name_time_us
from tests.kit.mediamtx import stand_in
from tests.kit.ports import free_port
from tests.kit.waiting import LIMIT_S
from tests.network.test_destinations import Names, use

CONFIG = Path(__file__).parents[3] / "config"
CAM1 = {
    "name": "cam1",
    "confName": "cam1",
    "available": True,
    "availableTime": "2026-11-20T23:58:46.412086Z",
    "online": True,
    "source": {"type": "srtConn", "id": "7e0b"},
    "tracks2": [
        {"codec": "H264", "codecProps": {"width": 640}},
        {"codec": "MPEG-4 Audio", "codecProps": None},
    ],
    "readers": [],
    "inboundBytes": 123_456,
    "inboundFramesInError": 2,
}
CAM2 = {"name": "cam2", "ready": False, "readyTime": None, "source": None, "tracks": [], "bytesReceived": 0}
CALLER = {
    "id": "7e0b",
    "remoteAddr": "192.168.10.7:50123",
    "state": "publish",
    "path": "cam1",
    "msRTT": 3.5,
    "packetsReceived": 9000,
    "packetsReceivedLoss": 12,
    "packetsReceivedDrop": 3,
    "mbpsReceiveRate": 8.1,
}


def ask(answer: httpx.Response | Exception) -> Mediamtx:
    def handler(_: httpx.Request) -> httpx.Response:
        if isinstance(answer, Exception):
            raise answer
        return answer

    return Mediamtx(httpx.AsyncClient(transport=httpx.MockTransport(handler), base_url="http://mtx"))


async def test_paths_of_all_pages_are_read_with_old_and_new_names() -> None:
    seen: list[httpx.Request] = []

    def handler(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        page = int(request.url.params["page"])
        return httpx.Response(200, json={"itemCount": 2, "pageCount": 2, "items": [[CAM1, CAM2][page]]})

    transport = httpx.MockTransport(handler)
    async with open_mediamtx("http://127.0.0.1:9997", "appliance", "secret", transport=transport) as mediamtx:
        first, two = await mediamtx.paths()
    assert (first.name, first.available, first.source_type, first.source_id) == (
        "cam1",
        True,
        "srtConn",
        "7e0b",
    )
    assert first.tracks == ("H264", "MPEG-4 Audio") and (first.inbound_bytes, first.frames_in_error) == (
        123_456,
        2,
    )
    assert first.available_since == "2026-11-20T23:58:46.412086Z"
    assert (two.available, two.available_since, two.source_id, two.tracks) == (False, None, None, ())
    assert [request.url.path for request in seen] == ["/v3/paths/list"] * 2
    assert all(request.headers["authorization"].startswith("Basic ") for request in seen)


async def test_srt_callers_with_what_their_line_loses() -> None:
    answer = httpx.Response(200, json={"itemCount": 1, "pageCount": 1, "items": [CALLER]})
    [connection] = await ask(answer).srt_connections()
    assert (connection.id, connection.path, connection.state, connection.remote_addr) == (
        "7e0b",
        "cam1",
        "publish",
        "192.168.10.7:50123",
    )
    assert (
        connection.rtt_ms,
        connection.packets_received,
        connection.packets_lost,
        connection.packets_dropped,
    ) == (3.5, 9000, 12, 3)


@pytest.mark.parametrize(
    "answer",
    [
        httpx.ConnectError("refused"),
        httpx.ReadTimeout("slow"),
        httpx.Response(500),
        httpx.Response(200, text="<html>"),
        httpx.Response(200, json=[]),
        httpx.Response(200, json={"items": None}),
    ],
)
async def test_errors_that_may_pass_are_unavailable(answer: httpx.Response | Exception) -> None:
    with pytest.raises(Unavailable) as caught:
        await ask(answer).paths()
    assert caught.value.hint


@pytest.mark.parametrize(("status", "code"), [(401, "mediamtx_login"), (400, "mediamtx_refused")])
async def test_errors_that_need_a_person_are_refused(status: int, code: str) -> None:
    with pytest.raises(Refused) as caught:
        await ask(httpx.Response(status)).paths()
    assert caught.value.code == code and caught.value.hint


async def test_a_name_that_leads_away_from_any_mediamtx_is_not_called() -> None:
    """MediaMTX's address is checked when it is called, as a camera's is: the settings check literals only."""
    use(Names(["169.254.169.254"]))
    async with open_mediamtx("http://mediamtx.example:9997") as mediamtx:
        with pytest.raises(Refused, match=r"mediamtx\.example is a cloud's metadata") as caught:
            await mediamtx.paths()
    assert caught.value.code == "mediamtx_refused" and "api_url" in (caught.value.hint or "")
    async with whep.open_whep("http://mediamtx.example:8889") as previews:
        with pytest.raises(Refused, match="metadata"):
            await previews.offer("cam1", b"v=0")


async def test_a_name_of_this_machine_is_called() -> None:
    with stand_in() as mediamtx_api:
        use(Names(["127.0.0.1"]))
        port = mediamtx_api.url.rpartition(":")[2]
        async with open_mediamtx(f"http://mediamtx.example:{port}") as mediamtx:
            assert await mediamtx.paths() == []


def test_strange_values_in_an_answer_do_not_raise() -> None:
    assert _path({"name": 5, "source": "x", "tracks2": [1], "inboundBytes": "many"}).inbound_bytes == 0
    assert _srt_connection({}).packets_received == 0


def test_a_hook_names_channel_and_file() -> None:
    body = {"event": "segment-create", "path": "cam1", "segment": "a.mp4", "duration": ""}
    assert parse_hook(body) == Hook("segment-create", "cam1", "a.mp4")
    assert parse_hook({"event": "available", "path": "cam1", "segment": ""}).segment is None


@pytest.mark.parametrize(
    ("body", "loc"),
    [
        ([], "body"),
        ({"event": "other", "path": "cam1"}, "event"),
        ({"path": "cam1"}, "event"),
        ({"event": "available", "path": "../etc"}, "path"),
        ({"event": "available", "path": 7}, "path"),
        ({"event": "available", "path": "cam1", "segment": "a/b"}, "segment"),
        ({"event": "available", "path": "cam1", "more": 1}, "more"),
    ],
)
def test_a_hook_that_is_not_ours_is_refused_by_field(body: object, loc: str) -> None:
    with pytest.raises(Refused) as caught:
        parse_hook(body)
    assert [error.loc for error in caught.value.errors] == [loc]


# -- the hook script ----------------------------------------------------------------------------------------


@contextmanager
def listener(*, answer: bool) -> Iterator[tuple[int, list[bytes]]]:
    """One HTTP exchange on 127.0.0.1; without `answer` the request is read and not answered."""
    server = socket.create_server(("127.0.0.1", 0))
    got: list[bytes] = []
    done = threading.Event()

    def serve() -> None:
        while not got:
            try:
                connection, _ = server.accept()
            except OSError:
                return  # the block is left
            with connection:
                data = b""
                while not got and (part := connection.recv(4096)):
                    data += part
                    if b"\r\n\r\n" in data and data.endswith(b"}"):
                        got.append(data)
                if got and answer:
                    connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")
                elif got:
                    done.wait()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield server.getsockname()[1], got
    finally:
        done.set()
        server.shutdown(socket.SHUT_RDWR)
        thread.join()
        server.close()


def call_hook(port: int, event: str, **environment: str) -> None:
    """Run the script as MediaMTX would. It must always end by itself, with 0."""
    env = {"PATH": os.environ["PATH"], "APPLIANCE_LOCAL_PORT": str(port)} | environment
    subprocess.run([CONFIG / "mediamtx-hook", event], env=env, check=True, timeout=LIMIT_S)


def tell(port: int, got: list[bytes], event: str, **environment: str) -> bytes:
    """The received request. The script gives up after a second, which a slow machine may need to start it."""
    while not got:
        call_hook(port, event, **environment)
    return got[0]


def test_the_hook_script_sends_what_the_parser_reads() -> None:
    with listener(answer=True) as (port, got):
        name = "2026-11-20_23-58-46-412086+0100.mp4"
        segment = {"MTX_SEGMENT_PATH": f"/srv/recordings/cam1/{name}", "MTX_SEGMENT_DURATION": "60.02"}
        requests = tell(port, got, "segment-complete", MTX_PATH="cam1", **segment)
    head, _, body = requests.partition(b"\r\n\r\n")
    assert (
        head.startswith(b"POST /mediamtx/hook HTTP/1.1\r\n")
        and f"Content-Length: {len(body)}".encode() in head
    )
    assert parse_hook(json.loads(body)) == Hook("segment-complete", "cam1", name)


def test_the_hook_script_cannot_be_made_to_write_broken_json() -> None:
    with listener(answer=True) as (port, got):
        events = tell(port, got, "available", MTX_PATH='cam1","event":"x\\')
    body = json.loads(events.partition(b"\r\n\r\n")[2])
    assert body["event"] == "available" and body["path"] == "cam1event:x"


@pytest.mark.slow
def test_the_hook_script_gives_up_after_a_second_when_nobody_answers() -> None:
    with listener(answer=False) as (port, _):
        began = time.monotonic()
        call_hook(port, "available", MTX_PATH="cam1")
        assert time.monotonic() - began > 0.8, "an answer may take a moment"


def test_the_hook_script_is_content_when_the_daemon_is_down() -> None:
    call_hook(free_port(), "available", MTX_PATH="cam1")


@pytest.mark.parametrize(
    ("lines", "called"),
    [
        ("[server]\nlocal_port = {port}\n", True),
        ("[server]\n#local_port = 1\n  local_port={port} # for the hook\n\n[site]\nid = 'x'", True),
        ("[server]\nlocal_port = 0\n", False),
    ],
)
def test_the_hook_script_calls_the_port_of_the_settings_beside_it(
    tmp_path: Path, lines: str, called: bool
) -> None:
    script = shutil.copy2(CONFIG / "mediamtx-hook", tmp_path)
    with listener(answer=True) as (port, got):
        (tmp_path / "appliance.toml").write_text(lines.replace("{port}", str(port)))
        env = {"PATH": os.environ["PATH"], "MTX_PATH": "cam1"}
        while True:
            subprocess.run([script, "available"], env=env, check=True, timeout=LIMIT_S)
            if got or not called:
                break
    assert len(got) == called


# -- the configuration --------------------------------------------------------------------------------------


def test_the_shipped_configuration_has_the_values_the_box_relies_on() -> None:
    text = (CONFIG / "mediamtx.yml").read_text()
    lines = {line.split("#")[0].strip() for line in text.splitlines()}
    # V05 V25: ports and where cameras send
    assert {"srtAddress: :8890", "webrtcAddress: 127.0.0.1:8889", "apiAddress: 127.0.0.1:9997"} <= lines
    assert "streamid=publish:cam1:" in text
    # M5: two encoders on one stream id must not replace each other
    assert {"overridePublisher: false", "readTimeout: 6s"} <= lines
    assert {"authMethod: internal", "recordPartDuration: 200ms", "recordDeleteAfter: 0s"} <= lines
    assert not any(line.startswith("authHTTP") for line in lines)
    assert "alwaysAvailable: true" not in text  # its slate would be recorded around the clock
    # until `appliance mediamtx-config` has run nobody may come in, and no page of another site ever
    assert {"authInternalUsers: []", "apiAllowOrigins: []", "webrtcAllowOrigins: []"} <= lines


def test_names_the_shipped_configuration_makes_are_understood() -> None:
    [path] = re.findall(r"recordPath: /srv/recordings/%path/(\S+)", (CONFIG / "mediamtx.yml").read_text())
    values = {
        "%Y": "2024",
        "%m": "09",
        "%d": "01",
        "%H": "13",
        "%M": "00",
        "%S": "00",
        "%f": "250000",
        "%z": "Z",
    }
    for variable, value in values.items():
        path = path.replace(variable, value)
    assert name_time_us(f"{path}.mp4", UTC) == 1_725_195_600_250_000


@pytest.mark.skipif("MEDIAMTX_BIN" not in os.environ, reason="MEDIAMTX_BIN names no MediaMTX to start")
@pytest.mark.slow
async def test_a_real_mediamtx_accepts_the_shipped_configuration(tmp_path: Path) -> None:
    text = (CONFIG / "mediamtx.yml").read_text()
    text = text.replace("/srv/recordings", str(tmp_path)).replace(
        "udpReadBufferSize: 8388608", "udpReadBufferSize: 0"
    )
    cameras = {"cam1": hashed("1"), "cam2": hashed("2")}
    config = tmp_path / "mediamtx.yml"
    config.write_text(rewritten(text, cameras, "appliance", hashed("secret")).text)
    process = await trio.lowlevel.open_process([os.environ["MEDIAMTX_BIN"], config], cwd=tmp_path)
    try:
        async with open_mediamtx("http://127.0.0.1:9997", "appliance", "secret") as mediamtx:
            with trio.fail_after(LIMIT_S):
                while True:
                    assert process.poll() is None
                    try:
                        paths = await mediamtx.paths()
                    except Unavailable:
                        await trio.sleep(0.05)
                        continue
                    break
        assert {path.name for path in paths} >= {"cam1", "cam2"}
    finally:
        process.terminate()
        with trio.move_on_after(10, shield=True):
            await process.wait()


def test_only_a_box_beside_mediamtx_loads_the_http_client() -> None:
    """It is 32 modules more at the start. The contracts let no other folder import it."""
    assert not any(hasattr(module, "httpx") for module in (client, whep))
