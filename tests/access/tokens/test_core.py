"""Scopes of roles, and the token that two services share."""

from __future__ import annotations

import base64
import json

import pytest

from appliance.access.tokens.core import ScopeRule, checked_scopes, is_shared_token

RULES = {"admin": ScopeRule(), "league": ScopeRule(("league",), many=True), "box": ScopeRule(("site",))}


def jwt(claims: object) -> str:
    parts = [
        base64.urlsafe_b64encode(json.dumps(each).encode()).decode().rstrip("=") for each in ({}, claims)
    ]
    return ".".join((*parts, "signature"))


def test_valid_scopes_are_accepted_without_duplicates() -> None:
    assert checked_scopes("league", ["league:a", "league:b", "league:a"], RULES) == ("league:a", "league:b")
    assert checked_scopes("admin", [], RULES) == ()


@pytest.mark.parametrize(
    ("role", "scopes", "why"),
    [
        ("league", [], "needs a scope"),
        ("league", ["site:a"], "takes league:ID"),
        ("admin", ["league:a"], "takes no scope"),
        ("box", ["site:a", "site:b"], "one scope"),
        ("box", ["site"], "not a scope"),
        ("box", ["site:a b"], "not a scope"),
        ("box", ["site:a\n"], "not a scope"),
        ("box", ["site:"], "not a scope"),
    ],
)
def test_any_other_scope_is_refused_with_the_reason(role: str, scopes: list[str], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        checked_scopes(role, scopes, RULES)


@pytest.mark.parametrize(
    ("own", "sent", "is_right"),
    [
        ("opaque", "opaque", True),
        ("opaque", "Opaque", False),
        ("", "", False),
        ("a.b.c", "a.b.c", True),
        (jwt({"exp": 1001}), jwt({"exp": 1001}), True),
        (jwt({"exp": 1000}), jwt({"exp": 1000}), False),
        (jwt({"exp": 2000}), jwt({"exp": 3000}), False),
        (jwt({"sub": "x"}), jwt({"sub": "x"}), True),
        (jwt([1]), jwt([1]), True),
        (jwt({"exp": "soon"}), jwt({"exp": "soon"}), True),
        ("ü", "ü", True),
    ],
)
def test_a_shared_token_is_equal_and_a_jwt_ends(own: str, sent: str, is_right: bool) -> None:  # B11
    assert is_shared_token(sent, own, 1000) == is_right
