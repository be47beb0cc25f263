"""A real S3 server for tests, with one bucket; and the environment that names it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

KEYS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}


@contextmanager
def s3_options() -> Iterator[dict[str, str]]:
    server_module = pytest.importorskip("moto.server", reason="moto[s3] and flask-cors are not installed")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server: Any = server_module.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        httpx.put(f"http://{host}:{port}/bucket", timeout=60, trust_env=False).raise_for_status()
        yield {**KEYS, "AWS_ENDPOINT_URL": f"http://{host}:{port}"}
    finally:
        server.stop()
