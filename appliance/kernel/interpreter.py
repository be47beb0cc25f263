"""How CPython is set for a box that must answer in milliseconds.

Owns: the collector's and the interpreter lock's settings of this process. Measured with 1,000 heartbeats/s
and marks beside them, nothing else on the machine (scripts/bench heartbeats):

- A thread that computes (walking a recording, planning a cut) keeps the lock for 5 ms by default each time
  the loop wants it back, and the loop gives it away at every system call: marks took 30 ms where they take
  5 ms with half a millisecond.
- A full collection looked through everything there is: 80 to 270 ms in which nothing else happened, every few
  seconds. What is there at the start stays; it is never looked through. What comes later is looked through
  rarely: nearly all of a request is freed by reference counts.
"""

from __future__ import annotations

import gc
import sys

SWITCH_S = 0.0005
THRESHOLDS = (5000, 10, 100)  # allocations; young collections per middle one; middle ones per full one


def begin() -> None:
    """Before anything is imported or built: 100,000s of objects that stay."""
    sys.setswitchinterval(SWITCH_S)
    gc.disable()


def settle() -> None:
    """Everything is up: collect from here on, and never among what is there now."""
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
    gc.enable()
