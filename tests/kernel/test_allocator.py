"""Free memory is returned to the system; measured in a separate process."""

from __future__ import annotations

import subprocess
import sys

LOOK = """
from pathlib import Path
from appliance.kernel import allocator

def mib():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20

assert allocator.configure()
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
allocator.trim()
assert mib() - before < held - 20, f"{held:.0f} MiB before, {mib() - before:.0f} after"
"""


def test_memory_freed_between_objects_that_stay_is_returned_to_the_system() -> None:
    subprocess.run([sys.executable, "-c", LOOK], check=True, timeout=30)


THREADS = """
import ctypes
import threading
import xml.etree.ElementTree as ElementTree
from appliance.kernel import allocator

assert allocator.configure()
together = threading.Barrier(12)

def work():
    kept = [b"x" * 3000 for _ in range(300)]
    together.wait()  # all of them have allocated, and none has ended

threads = [threading.Thread(target=work) for _ in range(12)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
libc = ctypes.CDLL(None)
libc.open_memstream.restype = ctypes.c_void_p
text, size = ctypes.c_char_p(), ctypes.c_size_t()
stream = ctypes.c_void_p(libc.open_memstream(ctypes.byref(text), ctypes.byref(size)))
assert libc.malloc_info(0, stream) == 0 and libc.fclose(stream) == 0
arenas = ElementTree.fromstring(text.value).findall("heap")
assert len(arenas) == allocator.ARENAS, f"{len(arenas)} arenas"
"""


def test_threads_share_two_arenas() -> None:
    subprocess.run([sys.executable, "-c", THREADS], check=True, timeout=30)
