"""One attack as a separate process: python -m tests.attacks.run NAME HOST:PORT SECONDS SEED.

Prints `begun` when it starts. It has a lower priority than the box on the same processor: a real attacker has
a processor of its own.
"""

from __future__ import annotations

import os
import sys
from random import Random

import trio

from tests.attacks.attacks import ATTACKS
from tests.attacks.target import Target, allow_many_sockets


def main(name: str, address: str, seconds: str, seed: str) -> None:
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))  # also where the bench has a higher priority
    os.nice(10)
    allow_many_sockets()
    print("begun", flush=True)
    trio.run(ATTACKS[name], Target.at(address), Random(int(seed)), float(seconds))


if __name__ == "__main__":
    main(*sys.argv[1:])
