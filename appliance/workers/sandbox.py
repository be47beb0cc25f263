"""The sandbox that a worker enters before it reads the first byte of media.

Owns the system calls (ctypes; glibc has wrappers for only some of them). Must not know: jobs. Each layer is
switched on where the kernel allows it, and `enter` then reports which are really active, not which were
requested. Call it in a single-threaded process, after all imports: Landlock binds the calling thread and
forbids every path.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import socket
from pathlib import Path

from appliance.kernel.process import request_parent_death_signal
from appliance.workers.protocol import Sandbox

MEMORY_BYTES = 1 << 30
"""Address space. Importing PyAV takes 120 MB of it, 4K HEVC decoding about 500 MB; a forged header requests
terabytes.
"""

_OPEN_FILES = 96  # MAX_DESCRIPTORS of one job, the connection, and room for the interpreter

# linux/prctl.h
_PR_GET_PDEATHSIG = 2
_PR_SET_NO_NEW_PRIVS, _PR_GET_NO_NEW_PRIVS = 38, 39
_PR_SET_MDWE, _PR_GET_MDWE = 65, 66
# linux/sched.h
_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
# linux/landlock.h; the numbers are the same on every architecture with the unified table (not alpha)
_SYS_LANDLOCK_CREATE_RULESET, _SYS_LANDLOCK_RESTRICT_SELF = 444, 446
_LANDLOCK_CREATE_RULESET_VERSION = 1
_LANDLOCK_FS_RIGHTS_BY_ABI = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
_LANDLOCK_TCP = 0b11
_LANDLOCK_SCOPES = 0b11  # abstract Unix sockets, signals to processes outside

_libc = ctypes.CDLL(None, use_errno=True)


class _RulesetAttr(ctypes.Structure):
    """struct landlock_ruleset_attr. Older kernels accept the long form as long as unknown fields are zero."""

    _fields_ = (
        ("handled_access_fs", ctypes.c_uint64),
        ("handled_access_net", ctypes.c_uint64),
        ("scoped", ctypes.c_uint64),
    )


class _CapHeader(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


def enter(*, as_unit: bool) -> Sandbox:
    """Switch on all layers and report them. Files opened before stay usable, nothing can be opened after.
    Raises RuntimeError when other threads run.
    """
    if (threads := len(os.listdir("/proc/self/task"))) != 1:
        raise RuntimeError(f"{threads} threads: the sandbox would apply to only one of them")
    own_network = _leave_network()
    _libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    _libc.prctl(_PR_SET_MDWE, 1, 0, 0, 0)
    _drop_capabilities()
    request_parent_death_signal()  # again: the change of credentials cleared it
    _set_limits()
    no_capabilities = _holds_no_capability()  # read before /proc becomes unreadable
    landlock_abi = _forbid_paths()
    return Sandbox(
        memory_bytes=resource.getrlimit(resource.RLIMIT_AS)[0],
        network=_network_state(own_network, landlock_abi),
        landlock_abi=landlock_abi,
        no_new_privs=_libc.prctl(_PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1,
        no_capabilities=no_capabilities,
        dies_with_parent=_parent_death_signal() == signal.SIGKILL,
        write_execute_denied=_libc.prctl(_PR_GET_MDWE, 0, 0, 0, 0) == 1,
        as_unit=as_unit,
    )


def limit_job(*, cpu_s: int, output_bytes: int) -> None:
    """Limits of the next job: CPU seconds from now (SIGXCPU ends the process), bytes written to any one
    file (EFBIG).
    """
    usage = resource.getrusage(resource.RUSAGE_SELF)
    used_s = int(usage.ru_utime + usage.ru_stime) + 1
    _lower_soft(resource.RLIMIT_CPU, used_s + cpu_s)
    _lower_soft(resource.RLIMIT_FSIZE, output_bytes)


def _lower_soft(which: int, value: int) -> None:
    hard = resource.getrlimit(which)[1]
    resource.setrlimit(which, (value if hard == resource.RLIM_INFINITY else min(value, hard), hard))


def _set_limits() -> None:
    for which, value in (
        (resource.RLIMIT_AS, MEMORY_BYTES),
        (resource.RLIMIT_NOFILE, _OPEN_FILES),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(which)[1]
        limit = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(which, (limit, limit))


def _leave_network() -> bool:
    """Move into empty network and user namespaces. False where that is forbidden (containers, systemd's own
    sandbox).
    """
    return bool(_libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET) == 0)


def _drop_capabilities() -> None:
    """A new user namespace gives all capabilities inside it; root in development has them anyway."""
    header = _CapHeader(0x20080522, 0)
    none = (ctypes.c_uint32 * 6)()
    _libc.capset(ctypes.byref(header), ctypes.byref(none))


def _holds_no_capability() -> bool:
    """Linux shows the sets as hexadecimal masks."""
    status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    masks = dict(line.split(":\t", 1) for line in status.splitlines() if line.startswith("Cap"))
    return all(int(masks[name], 16) == 0 for name in ("CapPrm", "CapEff", "CapAmb"))


def _forbid_paths() -> int:
    """Landlock without any rule: every open by path fails with EACCES. Returns the active version, 0 for
    none.
    """
    abi = int(_libc.syscall(_SYS_LANDLOCK_CREATE_RULESET, None, 0, _LANDLOCK_CREATE_RULESET_VERSION))
    if abi < 1:
        return 0
    attr = _RulesetAttr(
        handled_access_fs=(1 << _LANDLOCK_FS_RIGHTS_BY_ABI[min(abi, 5)]) - 1,
        handled_access_net=_LANDLOCK_TCP if abi >= 4 else 0,
        scoped=_LANDLOCK_SCOPES if abi >= 6 else 0,
    )
    ruleset = _libc.syscall(_SYS_LANDLOCK_CREATE_RULESET, ctypes.byref(attr), ctypes.sizeof(attr), 0)
    if ruleset < 0:
        return 0
    done = _libc.syscall(_SYS_LANDLOCK_RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)
    return abi if done == 0 else 0


def _network_state(own_namespace: bool, landlock_abi: int) -> str:
    if own_namespace or not _can_make_internet_socket():
        return "none"
    return "no-tcp" if landlock_abi >= 4 else "open"


def _can_make_internet_socket() -> bool:
    try:
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM).close()
    except OSError:
        return False
    return True


def _parent_death_signal() -> int:
    value = ctypes.c_int(0)
    _libc.prctl(_PR_GET_PDEATHSIG, ctypes.byref(value), 0, 0, 0)
    return value.value
