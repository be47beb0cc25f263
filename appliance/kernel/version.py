"""The version of the running package. A module of its own, so that a command need not import the web
server."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def appliance_version() -> str:
    try:
        return version("appliance")
    except PackageNotFoundError:
        return "unknown"
