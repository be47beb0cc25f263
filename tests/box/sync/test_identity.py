"""Which machine it is: the same at each start, another one on another machine, and not the machine's id."""

from __future__ import annotations

from pathlib import Path

from appliance.box.sync.identity import box_id
from appliance.kernel.ids import canonical_uuid


def test_it_is_that_of_the_machine(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_text("0123456789abcdef0123456789abcdef\n")
    second.write_text("0123456789abcdef0123456789abcde0\n")
    assert box_id(Path("/a"), first) == box_id(Path("/b"), first) != box_id(Path("/a"), second)
    assert canonical_uuid(box_id(Path("/a"), first)) == box_id(Path("/a"), first)
    assert "0123456789abcdef" not in box_id(Path("/a"), first).replace("-", "")


def test_without_a_machine_id_it_is_that_of_the_folder(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    assert box_id(Path("/a"), gone) == box_id(Path("/a"), gone) != box_id(Path("/b"), gone)
