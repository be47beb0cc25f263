"""The section [mediamtx]."""

from __future__ import annotations

from appliance.box.mediamtx.settings import MediamtxSettings


def test_a_password_is_not_shown() -> None:
    assert "hunter2" not in repr(MediamtxSettings(read_password="hunter2"))
