"""A live camera with a clock of its own, sending over SRT to 127.0.0.1."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from fractions import Fraction
from types import TracebackType

from appliance.box.recorder import children
from appliance.kernel.clock import apart_us, boottime_us, wall_us

_DATAGRAM = 7 * 188
_F_SETPIPE_SZ = 1031
_PIPE_BYTES = 1 << 20  # 9 s of its picture


@dataclass
class SrtSender:
    """A live camera with its own clock, calling srt://127.0.0.1:port. Use `with`, or start and stop.

    The burned instant is CLOCK_BOOTTIME + `offset_us` (default: the wall clock's) at capture. A key picture
    comes every `gop` frames.
    """

    port: int
    name: str = "SENDER"
    fps: Fraction = Fraction(25)
    gop: int = 25
    width: int = 320
    height: int = 180
    sound: bool = True
    latency_ms: int = 120
    passphrase: str | None = None
    streamid: str | None = None
    offset_us: int = field(default_factory=lambda: apart_us(wall_us, boottime_us))

    def __post_init__(self) -> None:
        self._processes: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        """Start sending; a box that is not listening yet is called repeatedly."""
        arguments = ["--channel", self.name, "--offset-us", str(self.offset_us), "--fps", str(self.fps)]
        # srt-live-transmit reads whole datagrams from its stdin: fill them, like real encoders
        arguments += ["--chunk", str(_DATAGRAM), "--width", str(self.width), "--height", str(self.height)]
        arguments += ["--gop", str(self.gop)]
        arguments += [] if self.sound else ["--no-sound"]
        secret = f"&passphrase={self.passphrase}" if self.passphrase else ""
        secret += f"&streamid={self.streamid}" if self.streamid else ""
        target = f"srt://127.0.0.1:{self.port}?mode=caller&latency={self.latency_ms}{secret}"
        readable, writable = os.pipe()
        fcntl.fcntl(writable, _F_SETPIPE_SZ, _PIPE_BYTES)  # a camera's own buffer, for `pause`
        try:
            self._processes = [
                _quiet(
                    children.own_command("appliance.box.recorder.synthetic.camera", arguments),
                    subprocess.DEVNULL,
                    writable,
                ),
                # It ends when its input is closed, even if the test is killed.
                _quiet(
                    ["srt-live-transmit", "-q", f"-chunk:{_DATAGRAM}", "-buffering:1", "file://con", target],
                    readable,
                    subprocess.DEVNULL,
                ),
            ]
        finally:
            os.close(readable)
            os.close(writable)

    def stop(self) -> None:
        """Close the connection properly: the box is notified."""
        self._end(signal.SIGTERM)

    def drop(self) -> None:
        """Disappear, as when the cable is pulled: the box is not notified."""
        self._end(signal.SIGKILL)

    def pause(self) -> None:
        """Send nothing, not even keepalives, until `resume`; frames captured meanwhile are sent then."""
        self._processes[1].send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Continue after `pause`."""
        self._processes[1].send_signal(signal.SIGCONT)

    def _end(self, number: signal.Signals) -> None:
        for process in reversed(self._processes):
            process.send_signal(number)
        for process in self._processes:
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._processes = []

    def __enter__(self) -> SrtSender:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _quiet(argv: list[str], stdin: int, stdout: int) -> subprocess.Popen[bytes]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    return subprocess.Popen(
        argv, stdin=stdin, stdout=stdout, stderr=subprocess.DEVNULL, start_new_session=True, env=environment
    )
