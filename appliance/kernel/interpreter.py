"""CPython's settings for a service that must answer in milliseconds.

Owns: the settings of this process for the garbage collector and the interpreter lock (GIL). Measured with
1,000 heartbeats/s and marks beside them, nothing else on the machine (scripts/bench heartbeats):

- The event loop releases the GIL at every system call. A thread that computes (walking a recording, planning
a cut) then holds it for 5 ms by default before the loop gets it back: marks took 30 ms. With a switch
interval of 0.5 ms they take 5 ms.
- A full garbage collection visits every object: 80 to 270 ms without any other work, every few seconds.
Objects that exist at the end of the start are frozen and never visited. Later ones are visited rarely:
reference counts free nearly all objects of a request.
"""

from __future__ import annotations

import gc
import sys

SWITCH_S = 0.0005
THRESHOLDS = (5000, 10, 100)  # allocations; young collections per middle one; middle ones per full one


def configure() -> None:
    """Turn collection off while the daemon imports and builds: 100,000s of objects that stay."""
    sys.setswitchinterval(SWITCH_S)
    gc.disable()


def freeze() -> None:
    """Call when everything is started: collect from now on, but never visit the objects that exist now."""
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
    gc.enable()
