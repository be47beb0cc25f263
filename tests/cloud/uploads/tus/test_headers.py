"""The headers of tus: any bytes are a value, or a refusal that names the header."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.cloud.uploads.tus.headers import checksum_of, http_date, length_of, metadata_of, offset_of
from appliance.kernel.errors import Refused

KEYS = st.text("abcdefghij_", min_size=1, max_size=8)


@given(pairs=st.dictionaries(KEYS, st.text(max_size=20), max_size=5))
def test_metadata_is_read_as_it_was_written(pairs: dict[str, str]) -> None:
    sent = ", ".join(f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in pairs.items())
    assert metadata_of({b"upload-metadata": sent.encode()}) == pairs


@given(
    name=st.sampled_from(["upload-metadata", "upload-checksum", "upload-length", "upload-offset"]),
    sent=st.binary(max_size=60),
)
def test_any_bytes_are_a_value_or_a_refusal(name: str, sent: bytes) -> None:
    headers = {name.encode(): sent, b"content-type": b"application/offset+octet-stream"}
    for read in (metadata_of, checksum_of, length_of, offset_of):
        try:
            read(headers)
        except Refused as refused:
            assert refused.status == 400 and refused.detail


def test_a_key_without_a_value_is_an_empty_text() -> None:
    assert metadata_of({b"upload-metadata": b"is_confidential,filename YQ=="}) == {
        "is_confidential": "",
        "filename": "a",
    }


@pytest.mark.parametrize("sent", [b"-1", b"1.5", b"", b"1" * 16, "٣".encode()])
def test_a_length_is_digits(sent: bytes) -> None:
    with pytest.raises(Refused, match="number of bytes"):
        length_of({b"upload-length": sent})


def test_a_date_is_that_of_http() -> None:
    assert http_date(1_790_000_000_000_000) == "Mon, 21 Sep 2026 14:13:20 GMT"
