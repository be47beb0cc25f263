"""A child ends with the thread that started it, and at once if the thread had already ended."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

from tests.kit.waiting import LIMIT_S

CHILD = f"""
from appliance.kernel.process import die_with_parent
assert die_with_parent({os.getpid()})
print("asked", flush=True)
input()
"""


def test_a_child_is_killed_with_the_thread_that_started_it() -> None:
    children: list[subprocess.Popen[bytes]] = []

    def start_and_end() -> None:
        child = subprocess.Popen([sys.executable, "-c", CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        children.append(child)
        assert child.stdout is not None and child.stdout.readline() == b"asked\n"

    thread = threading.Thread(target=start_and_end)
    thread.start()
    thread.join()
    [child] = children
    with child:
        assert child.wait(LIMIT_S) == -9


def test_a_process_whose_parent_has_ended_is_reported() -> None:
    text = "from appliance.kernel.process import die_with_parent; print(die_with_parent(1))"
    answer = subprocess.run(
        [sys.executable, "-c", text], check=True, capture_output=True, text=True, timeout=LIMIT_S
    )
    assert answer.stdout == "False\n"
