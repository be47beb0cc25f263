"""Which file a process of pytest-xdist takes next: `scripts/test` runs two processes on two processors.

Files of `LIVE` run daemons, cameras and browsers, or write recordings as time passes. They wait most of the
time, but a camera that gets no processor in time skips pictures. All other files compute. The last of three
or more processes has a lower priority and takes files that compute only: it uses the time that the others
leave. The others take live files first, and then help. Of two, the last takes files that compute first.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling
from xdist.workermanage import WorkerController

LIVE: Final = (
    "tests/attacks/",
    "tests/box/live/mediamtx/",
    "tests/box/recorder/",
    "tests/box/recordings/test_actor.py",
    "tests/box/recordings/test_live_files.py",
    "tests/box/recordings/test_outage.py",
    "tests/box/recordings/test_replaced.py",
    "tests/e2e/",
    "tests/faults/",
    "tests/scripts/",
)
COMPUTES: Final = (
    "tests/faults/test_power_cut.py",
    "tests/faults/test_stateful.py",
)  # although in a folder of LIVE
# These last longest and begin first, also in a random order: one that began last would run alone at the end.
LONG: Final = (
    "tests/e2e/test_screens_left.py",
    "tests/scripts/test_bench.py",
    "tests/e2e/test_webkit.py",
    "tests/faults/test_bad_recordings.py",
    "tests/e2e/test_kept.py",
)
NICE: Final = 10  # a tenth of the usual share of a busy processor


def is_live(file: str) -> bool:
    return file.startswith(LIVE) and file not in COMPUTES


def steps_back(process: str, count: int) -> bool:
    """Has this process the lower priority? `process`: xdist's name of it, "gw0" is the first of `count`."""
    return count > 2 and process == f"gw{count - 1}"


def step_back() -> None:
    """Give this process, and all it starts, a lower priority."""
    os.nice(NICE)
    try:  # Linux may share processors by session first: then the session needs the lower priority
        os.setsid()
        Path("/proc/self/autogroup").write_text(str(NICE))
    except OSError:
        return


class Schedule(LoadFileScheduling):  # type: ignore[misc]
    """xdist's own scheduler of whole files, but each process is given the next file of its kind."""

    def __init__(self, config: pytest.Config, log: Producer | None = None) -> None:
        super().__init__(config, log)
        config.option.loadscopereorder = False  # it would begin with the files of most tests, not the longest
        self._first = () if config.getoption("order") == "reverse" else LONG

    def _next_file(self, node: WorkerController) -> str | None:
        """None: there is none that this process may take."""
        process, count = node.gateway.id, self.numnodes
        takes_live = process != f"gw{count - 1}" or count == 1
        own = [file for file in self.workqueue if is_live(file) == takes_live]
        others = [] if steps_back(process, count) else list(self.workqueue)
        return min(own or others, key=lambda file: file not in self._first, default=None)

    def _assign_work_unit(self, node: WorkerController) -> None:
        file = self._next_file(node)
        if file is None:
            node.shutdown()
            return
        self.workqueue.move_to_end(file, last=False)
        super()._assign_work_unit(node)

    def _reschedule(self, node: WorkerController) -> None:
        """A process begins a test when it knows the next one; more is not given to it in advance."""
        if not node.shutting_down and self._pending_of(self.assigned_work[node]) < 2:
            self._assign_work_unit(node)
