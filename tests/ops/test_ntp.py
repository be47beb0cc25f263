"""The kernel's state of its clock."""

from __future__ import annotations

from appliance.ops import ntp


def test_the_kernel_answers_and_bounds_its_error() -> None:
    assert ntp.is_synchronised() in (True, False, None)
    assert 0 <= ntp.max_error_s() <= 20
