"""`python -m appliance.workers`: a worker on an inherited descriptor, or the keeper of a worker unit."""

from __future__ import annotations

import argparse
import socket
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m appliance.workers")
    parser.add_argument("--fd", type=int, help="serve this inherited socket, then exit")
    parser.add_argument("--parent", type=int, help="process that must still be alive (with --fd)")
    parser.add_argument("--unit", action="store_true", help="started below a systemd unit (with --fd)")
    parser.add_argument("--socket", type=Path, help="listen here when systemd passes no socket")
    arguments = parser.parse_args()
    # Imported late: a worker needs PyAV and not the keeper, the keeper the reverse.
    if arguments.fd is not None:
        from appliance.workers.child import serve

        with socket.socket(fileno=arguments.fd) as connection:
            serve(connection, parent_pid=arguments.parent, as_unit=arguments.unit)
    else:
        from appliance.workers.unit import keep, open_listener

        keep(open_listener(arguments.socket))


if __name__ == "__main__":
    main()
