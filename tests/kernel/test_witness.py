"""The witness file: written completely or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.kernel.witness import NAME, Witness, read_witness, write_witness


def test_a_witness_is_written_read_back_and_replaced(tmp_path: Path) -> None:
    assert read_witness(tmp_path) is None
    for head in (3, 9):
        write_witness(tmp_path, Witness("stadium", "e", head))
        assert read_witness(tmp_path) == Witness("stadium", "e", head)
    assert [path.name for path in tmp_path.iterdir()] == [NAME]


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"site_id": 1}', b"\xff"])
def test_an_unreadable_witness_is_none(tmp_path: Path, data: bytes) -> None:
    (tmp_path / NAME).write_bytes(data)
    assert read_witness(tmp_path) is None
