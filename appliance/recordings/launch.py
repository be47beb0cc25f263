"""Run a program that is not ours so that it dies with the daemon.

    python -I -S PATH/launch.py PARENT PROGRAM [ARGUMENT...]

Owns: PR_SET_PDEATHSIG before exec, which keeps it. Must not know: the program, nor anything of ours: it runs
without site-packages, for a start of 20 ms. util-linux's `setpriv --pdeathsig` would do the same in 1 ms, but
it always calls capset, which the unit's SystemCallFilter refuses (~@privileged).
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1
_ORPHANED = 3


def main() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        sys.exit(f"prctl: {os.strerror(ctypes.get_errno())}")
    if os.getppid() != int(sys.argv[1]):
        sys.exit(_ORPHANED)
    try:
        os.execvp(sys.argv[2], sys.argv[2:])
    except OSError as error:
        sys.exit(f"{sys.argv[2]}: {error.strerror}")


if __name__ == "__main__":
    main()
