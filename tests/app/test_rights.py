"""The rights by which the app offers its screens and buttons are rows of the box's matrix."""

from __future__ import annotations

import json
import re
from pathlib import Path

from appliance.access.roles import ROLES
from appliance.box.domains import access_rows
from appliance.box.permissions import box_matrix

RIGHTS = Path(__file__).parents[2] / "appliance/app/state/access/rights.js"


def test_the_app_offers_what_the_matrix_allows() -> None:
    text = RIGHTS.read_text()
    rows = re.findall(r"^  (\w+): \{ rule: (\".*?\"), roles: (?:/\*.*?\*/ \()?(\[.*?\])", text, re.MULTILINE)
    assert {name for name, _, _ in rows} == {"mark", "tag", "run", "health", "devices"}
    matrix = box_matrix(access_rows())
    for name, rule, roles in rows:
        assert matrix.shown(json.loads(rule)) == [
            role for role in ROLES if role in {*json.loads(roles), "admin"}
        ], name


def test_every_role_can_be_chosen() -> None:
    words = RIGHTS.read_text().partition("export const ROLE_WORDS = {")[2].partition("};")[0]
    assert set(re.findall(r"^  (\w+): \"", words, re.MULTILINE)) == set(ROLES)
