"""A QR code for a terminal. The one place that knows segno."""

from __future__ import annotations

import io

import segno


def qr_text(link: str) -> str:
    """The link as a QR code in half blocks, two modules a character: it fits 80 x 24."""
    out = io.StringIO()
    segno.make(link, error="l", micro=False).terminal(out, compact=True)
    return out.getvalue().rstrip("\n")
