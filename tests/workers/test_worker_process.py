"""A real worker process: the sandbox holds, garbage is survived, no process is left behind."""

from __future__ import annotations

import os
import select
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.media.decode.jpeg import jpeg_size
from appliance.workers import protocol
from appliance.workers.jobs import EscapeReport, ProbeJob, SelfcheckJob, ThumbnailJob
from appliance.workers.perform import perform
from appliance.workers.protocol import Done, Failed, Json, Reply, WorkerHello, WorkerRequest
from appliance.workers.spawn import spawn
from tests.kit.waiting import LIMIT_S
from tests.workers.film import first_keyframe, make_film, open_file

DEADLINE_S = LIMIT_S


class Talk:
    """The daemon's end of a worker, blocking, with a deadline on every wait."""

    def __init__(self) -> None:
        self.socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.settimeout(DEADLINE_S)
        with theirs:
            self.process = spawn(theirs, as_unit=False)
        self.hello: WorkerHello = protocol.parse_hello(self.receive())

    def receive(self) -> Json:
        return protocol.decode(self.socket.recv(protocol.MAX_MESSAGE_BYTES))

    def send(self, packet: bytes, descriptors: list[int]) -> None:
        socket.send_fds(self.socket, [packet], descriptors)

    def ask(self, kind: str, args: Json, descriptors: list[int], *, output_bytes: int = 1 << 20) -> Reply:
        request = WorkerRequest(1, kind, args, 5, output_bytes)
        self.send(protocol.encode(protocol.request_message(request)), descriptors)
        return protocol.parse_reply(self.receive(), job_id=1)

    def close(self) -> int:
        """Exit status of the worker."""
        self.socket.close()
        return self.process.wait(DEADLINE_S)


@pytest.fixture
def talk() -> Iterator[Talk]:
    talk = Talk()
    yield talk
    talk.close()


def test_a_worker_leaves_when_the_connection_closes() -> None:
    assert Talk().close() == 0


def test_hello_reports_the_sandbox_and_the_codecs(talk: Talk) -> None:
    assert talk.hello.pid == talk.process.pid
    assert {"h264", "hevc", "mjpeg"} <= set(talk.hello.codecs)
    sandbox = talk.hello.sandbox
    assert sandbox.memory_bytes == 1 << 30
    assert sandbox.no_new_privs
    assert sandbox.no_capabilities
    assert sandbox.dies_with_parent
    assert not sandbox.as_unit


def test_what_hello_claims_is_true(talk: Talk, tmp_path: Path) -> None:
    """The worker tries to escape. The same code without a sandbox succeeds, so the attempt is real."""
    secret = tmp_path / "secret"
    secret.touch()
    with socket.create_server(("127.0.0.1", 0)) as server:
        job = SelfcheckJob(server.getsockname()[1], str(secret))
        outside = perform(WorkerRequest(1, job.kind, job.args(), 5, 0), [])
        reply = talk.ask(job.kind, job.args(), [])
    assert job.result(outside, []) == EscapeReport(connected=True, opened=True)
    assert isinstance(reply, Done)
    tried = job.result(reply.result, [])
    assert tried.connected == (talk.hello.sandbox.network == "open")
    assert tried.opened == (talk.hello.sandbox.landlock_abi == 0)


def test_a_keyframe_goes_in_and_a_jpeg_comes_out_without_a_path(talk: Talk, tmp_path: Path) -> None:
    key = first_keyframe(make_film())
    recording = open_file(tmp_path / "r.mp4", b"\x00" * 100 + key.sample + b"\x00" * 100)
    output = os.memfd_create("output")
    job = ThumbnailJob(key.codec, key.extradata, 100, len(key.sample), 160)
    reply = talk.ask(job.kind, job.args(), [recording, output])
    assert isinstance(reply, Done)
    picture = job.result(reply.result, [recording, output])
    assert (picture.width, picture.height) == jpeg_size(picture.data) == (160, 90)
    os.close(recording)
    os.close(output)


def test_garbage_is_a_typed_failure_and_the_worker_continues(talk: Talk, tmp_path: Path) -> None:
    garbage = open_file(tmp_path / "r.mp4", os.urandom(5000))
    output = os.memfd_create("output")
    for job in (ThumbnailJob("h264", b"", 0, 5000), ThumbnailJob("h264", b"", 4000, 5000)):
        reply = talk.ask(job.kind, job.args(), [garbage, output])
        assert isinstance(reply, Failed)
        assert reply.code == "bad_media"
    assert isinstance(talk.ask("no such job", {}, []), Failed)
    assert isinstance(talk.ask("probe", {"pieces": [[7, 0, 9]], "decode": True}, [garbage]), Failed)
    selfcheck = SelfcheckJob(9, "/nowhere")
    assert isinstance(talk.ask(selfcheck.kind, selfcheck.args(), []), Done)
    os.close(garbage)
    os.close(output)


def test_output_beyond_its_limit_is_an_io_failure(talk: Talk, tmp_path: Path) -> None:
    key = first_keyframe(make_film())
    recording = open_file(tmp_path / "r.mp4", key.sample)
    output = os.memfd_create("output")
    job = ThumbnailJob(key.codec, key.extradata, 0, len(key.sample))
    reply = talk.ask(job.kind, job.args(), [recording, output], output_bytes=100)
    assert isinstance(reply, Failed)
    assert reply.code == "io"
    os.close(recording)
    os.close(output)


def test_a_worker_keeps_no_descriptor_of_a_past_job(talk: Talk) -> None:
    def descriptors() -> int:
        return len(os.listdir(f"/proc/{talk.process.pid}/fd"))

    before = descriptors()
    read_end, write_end = os.pipe()
    for _ in range(5):
        talk.ask("probe", {"pieces": [], "decode": True}, [read_end, write_end])
    assert descriptors() == before
    os.close(read_end)
    os.close(write_end)


def test_probe_reads_pieces_of_several_descriptors_as_one_file(talk: Talk, tmp_path: Path) -> None:
    film = make_film()
    half = len(film) // 2
    first = open_file(tmp_path / "a", b"xx" + film[:half])
    second = open_file(tmp_path / "b", film[half:] + b"yy")
    args: Json = {"pieces": [[0, 2, half], [1, 0, len(film) - half]], "decode": True}
    reply = talk.ask("probe", args, [first, second])
    assert isinstance(reply, Done)
    report = ProbeJob(()).result(reply.result, [])
    assert report.video is not None
    assert report.video.frames == 12
    os.close(first)
    os.close(second)


@pytest.mark.slow
def test_no_worker_outlives_a_killed_parent() -> None:
    """Even one that is stopped and cannot see its connection close."""
    program = textwrap.dedent(
        """
        import os, signal, socket
        from appliance.workers.spawn import spawn
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        worker = spawn(theirs, as_unit=False)
        ours.recv(65536)
        os.kill(worker.pid, signal.SIGSTOP)
        print(worker.pid, flush=True)
        signal.pause()
        """
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        worker = os.pidfd_open(int(parent.stdout.readline()))
        parent.kill()
    assert _ended(worker)


def test_a_worker_whose_parent_is_gone_already_does_nothing() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        number = str(theirs.fileno())
        command = [sys.executable, "-I", "-m", "appliance.workers", "--fd", number, "--parent", "1"]
        subprocess.run(command, pass_fds=(theirs.fileno(),), check=True, timeout=DEADLINE_S)
        ours.setblocking(False)
        theirs.close()
        assert ours.recv(100) == b""  # it never sent hello


def _ended(pidfd: int) -> bool:
    """The process ends within the deadline."""
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    ended = bool(poll.poll(DEADLINE_S * 1000))
    os.close(pidfd)
    return ended
