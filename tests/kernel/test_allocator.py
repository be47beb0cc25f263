"""Memory that is free goes back to the system, looked at in a process of its own."""

from __future__ import annotations

import subprocess
import sys

LOOK = """
from pathlib import Path
from appliance.kernel import allocator

def mib():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20

assert allocator.begin()
# A whole snapshot: when it is freed, glibc would have such blocks on the heap from now on.
once = b"x" * 4_000_000
del once
before = mib()
kept, held = [], []
for number in range(400):
    held.append(b"x" * (130_000 + number * 7919 % 2_000_000))  # buffers and lists of requests under way
    kept.append(b"y" * 3000)  # journal entries that stay between them
    if len(held) > 12:
        del held[number * 31 % 12]
held.clear()
grown = mib() - before
assert grown < 5, f"what was freed stays with us: {grown:.0f} MiB"
before = mib()
middle = [bytes(20_000) for _ in range(2000)]
ends = [bytes(3000) for _ in range(100)]
del middle
held = mib() - before
allocator.give_back()
assert mib() - before < held - 20, f"{held:.0f} MiB before, {mib() - before:.0f} after"
"""


def test_what_is_freed_between_things_that_stay_is_given_back() -> None:
    subprocess.run([sys.executable, "-c", LOOK], check=True, timeout=30)


THREADS = """
import threading
from pathlib import Path
from appliance.kernel import allocator

assert allocator.begin()
together = threading.Barrier(12)

def work():
    kept = [b"x" * 3000 for _ in range(300)]
    together.wait()  # all of them have allocated, and none has ended

threads = [threading.Thread(target=work) for _ in range(12)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
starts = [int(line.split("-")[0], 16) for line in Path("/proc/self/maps").read_text().splitlines()]
# glibc puts arenas at multiples of 64 MiB, and nothing else stands there.
arenas = [start for start in starts if start % (64 << 20) == 0 and start]
assert len(arenas) < allocator.ARENAS, f"{len(arenas)} beside the main one"
"""


def test_threads_share_two_arenas() -> None:
    subprocess.run([sys.executable, "-c", THREADS], check=True, timeout=30)
