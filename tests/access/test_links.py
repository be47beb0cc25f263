"""The link that pairs a device: other devices can open it, and its QR code fits into the terminal."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from appliance.access.links import pair_link, qr_svg, qr_text

LONGEST = "http://[2001:0db8:1234:5678:9abc:def0:1234:5678]:8080/pair?c=7QK2M9XT"


def test_the_longest_link_fits_80_columns_and_24_lines() -> None:
    lines = qr_text(LONGEST).splitlines()
    assert len(lines) <= 22, "two more say code and address"
    assert max(len(line) for line in lines) <= 80 * 4, "colour codes included"


def test_a_picture_of_it_has_a_shape_and_no_script() -> None:
    picture = ElementTree.fromstring(qr_svg(LONGEST))
    assert picture.tag == "{http://www.w3.org/2000/svg}svg"
    _, _, width, height = picture.attrib["viewBox"].split()
    assert width == height and "width" not in picture.attrib
    assert {each.tag.partition("}")[2] for each in picture} == {"path"}


@pytest.mark.parametrize(
    ("page", "network", "link"),
    [
        ("http://box.local:8080", "http://10.0.0.5:8080", "http://box.local:8080/pair?c=7QK2M9XT"),
        ("https://192.168.1.7", None, "https://192.168.1.7/pair?c=7QK2M9XT"),
        ("http://127.0.0.1:8080", "http://10.0.0.5:9999", "http://10.0.0.5:8080/pair?c=7QK2M9XT"),
        ("http://[::1]:8080", "http://[fd00::5]:8080", "http://[fd00::5]:8080/pair?c=7QK2M9XT"),
        ("http://localhost:8080", None, "http://localhost:8080/pair?c=7QK2M9XT"),
    ],
)
def test_a_link_leads_to_the_box_from_elsewhere(page: str, network: str | None, link: str) -> None:
    assert pair_link(page, "7QK2M9XT", network) == link
