"""Every code of a problem document is in the table of appliance/http/README.md, and no other."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
POSITION = {"Refused": 1, "Unavailable": 0, "invalid": 2}  # index of the code among the arguments
OTHERWISE_MADE = {"internal_error"}  # a 500 has a trace id and is not documented as an answer


def codes_in(tree: ast.AST) -> Iterator[str]:
    """The literal codes at every place that refuses, including `super().__init__` of the error classes."""
    for call in ast.walk(tree):
        if not isinstance(call, ast.Call):
            continue
        name = ast.unparse(call.func).removesuffix("().__init__")
        at = POSITION.get("Unavailable" if name == "super" else name)
        if at is None:
            continue
        given = call.args[at : at + 1] + [each.value for each in call.keywords if each.arg == "code"]
        values = [str(each.value) for each in given if isinstance(each, ast.Constant)]
        yield from (each for each in values if re.fullmatch("[a-z]+(_[a-z]+)*", each))


def test_the_table_of_codes_has_every_code_once() -> None:
    used = {"invalid"} | {
        code
        for path in sorted((ROOT / "appliance").rglob("*.py"))
        for code in codes_in(ast.parse(path.read_text()))
    }
    text = (ROOT / "appliance/http/README.md").read_text()
    table = text.partition("## The codes of problem documents")[2].partition("\n## ")[0]
    rows = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    reports = re.findall(r"`(\w+)`", " ".join(rows))
    assert sorted(reports) == sorted(used - OTHERWISE_MADE)
