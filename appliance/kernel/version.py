"""Which version of the package runs. Apart from all else, so that a command need not load the web server."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def appliance_version() -> str:
    try:
        return version("appliance")
    except PackageNotFoundError:
        return "unknown"
