"""The QR code of `appliance pair` fits a terminal."""

from __future__ import annotations

from appliance.access.terminal import qr_text


def test_the_longest_link_fits_80_columns_and_24_lines() -> None:
    lines = qr_text("http://[2001:0db8:1234:5678:9abc:def0:1234:5678]:8080/pair?c=7QK2M9XT").splitlines()
    assert len(lines) <= 22, "two more say code and address"
    assert max(len(line) for line in lines) <= 80 * 4, "colour codes included"
