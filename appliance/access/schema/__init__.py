"""The folder of the schema file of devices and codes."""

from __future__ import annotations

from pathlib import Path

ACCESS_SCHEMA = Path(__file__).parent
