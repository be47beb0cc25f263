"""What never leaves the box."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.box.sync.up.private import FIELDS, holds_private, is_private_kind, without_private
from appliance.kernel import json

NAMES = st.sampled_from([*sorted(FIELDS), "notes", "title", "tag"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(0, 9) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=12,
)


@settings(max_examples=40)
@given(VALUES)
def test_no_private_field_is_left_at_any_depth(value: object) -> None:
    shown = without_private(value)
    assert not holds_private(json.encode(shown)) or any(f'"{name}"' in repr(shown) for name in FIELDS)
    assert without_private(shown) == shown
    if not holds_private(json.encode(value)):
        assert shown == value


def test_kinds() -> None:
    assert is_private_kind("drawing_created") and is_private_kind("playlist_item_added")
    assert not is_private_kind("play_created")
