"""The icons of the installed page are what scripts/icons draws."""

from __future__ import annotations

import json
import struct
import zlib
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
APP = ROOT / "appliance" / "app"


def drawing() -> Any:
    loader = SourceFileLoader("icons", str(ROOT / "scripts" / "icons"))
    spec = spec_from_loader("icons", loader)
    assert spec is not None
    module = module_from_spec(spec)
    loader.exec_module(module)
    return module


def pixels(png: bytes) -> tuple[int, bytes]:
    """Width, and the rows of an icon; other compressions of the same rows are as good."""
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    at, chunks = 8, dict[bytes, bytes]()
    while at < len(png):
        (length,) = struct.unpack_from(">I", png, at)
        chunks[png[at + 4 : at + 8]] = png[at + 8 : at + 8 + length]
        at += 12 + length
    return struct.unpack_from(">I", chunks[b"IHDR"])[0], zlib.decompress(chunks[b"IDAT"])


def test_the_smallest_icon_is_that_of_the_script_and_all_have_their_sizes() -> None:
    icons = drawing()
    small = icons.SIZES[0]
    assert pixels((APP / f"icons/icon-{small}.png").read_bytes()) == pixels(icons.png(icons.picture(small)))
    for size in icons.SIZES:
        data = (APP / f"icons/icon-{size}.png").read_bytes()
        assert pixels(data)[0] == size and len(data) < 8_000


def test_the_manifest_names_icons_that_are_there() -> None:
    manifest = json.loads((APP / "manifest.webmanifest").read_text())
    for icon in manifest["icons"]:
        width, height = icon["sizes"].split("x")
        size, _ = pixels((APP / icon["src"].removeprefix("/")).read_bytes())
        assert int(width) == int(height) == size
    kinds = {(icon["sizes"], icon["purpose"]) for icon in manifest["icons"]}
    assert {("192x192", "any"), ("512x512", "any"), ("512x512", "maskable")} <= kinds
    assert (manifest["start_url"], manifest["scope"], manifest["display"]) == ("/", "/", "standalone")
