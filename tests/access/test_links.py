"""The link that pairs a device: other devices can open it, and its QR code fits into the terminal."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from appliance.access.links import Entrance, pair_link, qr_svg, qr_text

LONGEST = "http://[2001:0db8:1234:5678:9abc:def0:1234:5678]:8080/pair?c=7QK2M9XT"
WITH_AUTHORITY = Entrance("http://192.168.100.200:8080", 8080, bytes(range(32)))


@pytest.mark.parametrize(
    "link",
    [
        LONGEST,
        pair_link("https://192.168.100.200:8443", "7QK2M9XT", WITH_AUTHORITY),
        pair_link("https://[2001:0db8:1234:5678:9abc:def0:1234:5678]:8443", "7QK2M9XT", WITH_AUTHORITY),
    ],
)
def test_the_longest_link_fits_80_columns_and_24_lines(link: str) -> None:
    lines = qr_text(link).splitlines()
    assert len(lines) <= 23, "the next line is the shell's"
    assert max(len(line) for line in lines) <= 80 * 4, "colour codes included"


def test_the_svg_of_a_link_is_square_without_a_size_or_a_script() -> None:
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
    assert pair_link(page, "7QK2M9XT", Entrance(network)) == link


@pytest.mark.parametrize(
    ("page", "host"),
    [
        ("https://north.local:8443", "north.local"),
        ("https://127.0.0.1:8443", "192.168.100.200"),
        ("http://192.168.1.7:8080", "192.168.1.7"),
        ("https://[fd00::5]:8443", "[fd00::5]"),
    ],
)
def test_a_code_is_not_sent_by_a_device_that_does_not_trust_the_box_yet(page: str, host: str) -> None:
    """The link leads to the plain page with the steps; what stands behind # stays in the device."""
    link = pair_link(page, "7QK2M9XT", WITH_AUTHORITY)
    fingerprint = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
    assert link == f"http://{host}:8080/pair#c=7QK2M9XT&fp={fingerprint}"


def test_an_authority_that_is_not_made_yet_is_left_out() -> None:
    assert (
        pair_link("http://10.0.0.5:80", "7QK2M9XT", Entrance(None, 80))
        == "http://10.0.0.5:80/pair#c=7QK2M9XT"
    )
