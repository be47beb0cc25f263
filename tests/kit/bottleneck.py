"""A real bottleneck between a box and a viewer: two network namespaces, a veth pair, the kernel's own queue.

Owns: whether this machine supports it, and how the link is set up. Must not know: HTTP, the programs at its
ends. Unlike tests/kit/narrow.py nothing here limits a connection's data in flight: that is left to TCP.
Nothing has a name outside: when the processes of a namespace end, it is removed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence

BOX, VIEWER = "10.77.0.1", "10.77.0.2"
BURST = "16kb"
NEEDED = {"ip": "iproute2", "tc": "iproute2", "unshare": "util-linux", "nsenter": "util-linux"}
VETH = "ip link add near type veth peer name far"
TRIAL = f"{VETH} && tc qdisc add dev near root tbf rate 5mbit burst {BURST} latency 50ms"


def missing() -> str | None:
    """Why it is not possible here; None: it is."""
    packages = {package for tool, package in NEEDED.items() if shutil.which(tool) is None}
    if packages:
        return f"apt install {' '.join(sorted(packages))}"
    if os.geteuid() != 0:
        return "only root may make network namespaces"
    tried = subprocess.run(apart(["sh", "-c", TRIAL]), capture_output=True, check=False)
    return tried.stderr.decode().strip() or "it was refused" if tried.returncode else None


def apart(command: Sequence[str]) -> list[str]:
    """The command in a network namespace of its own, without any connection."""
    return ["unshare", "--net", *command]


def lay_link(pid: int, *, bits_per_s: float, queue_s: float) -> None:
    """Connect this process's network (VIEWER) with that of process `pid` (BOX). Each direction has that rate,
    and a queue that holds the data of queue_s."""
    there = ["nsenter", "--target", str(pid), "--net"]
    _run("ip", "link", "add", "near", "type", "veth", "peer", "name", "far", "netns", str(pid))
    for prefix, device, address in (((), "near", VIEWER), (there, "far", BOX)):
        shape = ["rate", f"{bits_per_s:.0f}bit", "burst", BURST, "latency", f"{queue_s * 1000:.0f}ms"]
        _run(*prefix, "ip", "address", "add", f"{address}/24", "dev", device)
        _run(*prefix, "tc", "qdisc", "add", "dev", device, "root", "tbf", *shape)
        _run(*prefix, "ip", "link", "set", device, "up")


def _run(*command: str) -> None:
    subprocess.run(command, check=True)
