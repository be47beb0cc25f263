"""Child processes that must not outlive the daemon: the code of both sides.

Owns: how the recorder's children are started, how they end with their parent, their status lines. Must not
know: what they do.

- In the child: `die_with(parent)` before anything else. PR_SET_PDEATHSIG is tied to the THREAD that forked:
  the signal comes when that thread ends, not when the process does. So children are started on the daemon's
  main thread (`start`, about 1 ms), never through trio's own open_process, which forks in a worker thread
  that trio ends after 10 idle seconds.
- Each child leads a process group of its own, so Ctrl-C in a terminal reaches the daemon only.
- A child reports what it does in JSON lines on stderr; free text is never parsed.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Sequence
from typing import Any, Final

from appliance.kernel.process import die_with_parent

_ORPHANED: Final = 3  # exit code of a child whose parent ended before the child had requested its signal


def die_with(parent_pid: int) -> None:
    """Have the kernel kill this process when the thread that started it ends; exit if it already has."""
    if not die_with_parent(parent_pid):
        sys.exit(_ORPHANED)


def limit(*, memory_bytes: int, open_files: int = 64) -> None:
    """Limit the resources of a child that reads a network; no core dumps."""
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_NOFILE, (open_files, open_files))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def wake_on_signals() -> int:
    """A descriptor that becomes readable after SIGTERM or SIGINT: none is lost between two waits."""
    readable, writable = os.pipe()
    os.set_blocking(writable, False)
    signal.set_wakeup_fd(writable)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    return readable


def report(event: str, **facts: Any) -> None:
    """Write one status line. A broken pipe is ignored: when the daemon ends, so does this process."""
    line = json.dumps({"event": event} | facts, separators=(",", ":")) + "\n"
    try:
        os.write(2, line.encode())
    except OSError:
        pass


def parse_status(line: bytes) -> dict[str, Any]:
    """A parsed status line, or {"event": "stderr", "line": ...} for text of another program."""
    try:
        fact = json.loads(line)
    except ValueError:
        fact = None
    if isinstance(fact, dict) and isinstance(fact.get("event"), str):
        return fact
    return {"event": "stderr", "line": line.decode("utf-8", "replace").strip()[:500]}


def own_command(module: str, arguments: Sequence[str]) -> list[str]:
    """argv of one of our child modules, with its parent's pid: see die_with."""
    return [sys.executable, "-m", module, "--parent", str(os.getpid()), *arguments]


def start(argv: Sequence[str], *, stdin: int, stdout: int) -> subprocess.Popen[bytes]:
    """Start a child of the calling thread, which must run as long as the daemon: the main thread.

    stderr is a pipe for status lines. Raises OSError when it cannot be started.
    """
    return subprocess.Popen(
        argv, stdin=stdin, stdout=stdout, stderr=subprocess.PIPE, start_new_session=True, close_fds=True
    )


def signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Signal the child's whole group; a child that has ended is fine."""
    if process.returncode is None:
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            pass
