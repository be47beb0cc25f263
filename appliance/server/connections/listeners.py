"""Listening sockets, created here rather than by the server library.

Owns: their options, and errors that name the setting to change.

TCP_USER_TIMEOUT is the reason (measured): a `send` to a client that has stopped reading cannot be cancelled
under hypercorn; it ends only when the kernel gives up after 3 s. Accepted sockets inherit the option.
"""

from __future__ import annotations

import errno
import socket

import trio

BACKLOG = 1024  # a stadium's tablets reconnect at the same moment after a restart
USER_TIMEOUT_MS = 3000


class CannotListen(Exception):
    """The address cannot be used. `setting` is the dotted path of what to change."""

    def __init__(self, setting: str, detail: str, hint: str) -> None:
        super().__init__(f"{setting}: {detail}; {hint}")
        self.setting = setting
        self.hint = hint


def open_listeners(host: str, port: int, setting: str) -> list[trio.SocketListener]:
    """A listener for every address of `host` ("::" serves IPv4 too). Port 0: one free port for all of them.

    `setting` names the port's setting; the host's is server.host. Raises CannotListen.
    """
    opened: list[trio.SocketListener] = []
    missing: OSError | None = None
    for family, address in _resolve(host):
        try:
            sock = _listen(family, address, port)
        except OSError as error:
            if error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                missing = error  # "localhost" on a machine without IPv6: the other address is enough
                continue
            for each in opened:
                each.socket.close()
            raise _explained(error, host, port, setting) from error
        opened.append(trio.SocketListener(trio.socket.from_stdlib_socket(sock)))
        port = port or int(sock.getsockname()[1])
    if not opened:
        assert missing is not None  # every address was tried
        raise _explained(missing, host, port, setting) from missing
    return opened


def _resolve(host: str) -> list[tuple[socket.AddressFamily, str]]:
    """(family, address) of a name or a literal."""
    try:
        addresses = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except socket.gaierror as error:
        raise CannotListen(
            "server.host",
            f"{host!r} cannot be resolved ({error.strerror})",
            "give an address of this machine",
        ) from error
    return list(dict.fromkeys((family, str(address[0])) for family, _, _, _, address in addresses))


def _listen(family: socket.AddressFamily, address: str, port: int) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, USER_TIMEOUT_MS)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if address == "::" else 1)
        sock.bind((address, port))
        sock.listen(BACKLOG)
    except OSError:
        sock.close()
        raise
    return sock


def _explained(error: OSError, host: str, port: int, setting: str) -> CannotListen:
    if error.errno == errno.EADDRINUSE:
        return CannotListen(
            setting,
            f"port {port} on {host} is in use by another program",
            f"stop it, or choose another {setting}",
        )
    if error.errno == errno.EACCES:
        return CannotListen(setting, f"port {port} may not be used", "choose a port above 1023")
    if error.errno == errno.EADDRNOTAVAIL:
        return CannotListen(
            "server.host", f"{host} is not an address of this machine", "see `ip address` for those it has"
        )
    return CannotListen(
        setting, f"cannot listen on {host} port {port} ({error.strerror})", "see the system log"
    )
