"""Which changes of a pure file no test detected, and which of those have no recorded reason.

    .venv/bin/python scripts/mutantkit.py RESULTS      RESULTS: what `cosmic-ray dump` prints

Reasons are in tests/mutants.toml: the source line, the operator's name or its beginning, and why the change
makes no difference that a test could detect.
"""

from __future__ import annotations

import json
import sys
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
REASONS = ROOT / "tests/mutants.toml"


def survivors(results: str) -> list[dict[str, Any]]:
    """Mutations that the tests did not detect, in the order of their lines."""
    actual = []
    for line in results.splitlines():
        job, result = json.loads(line)
        if result and result["worker_outcome"] == "normal" and result["test_outcome"] == "survived":
            actual += job["mutations"]
    return sorted(actual, key=lambda each: each["start_pos"])


def line_of(mutation: dict[str, Any]) -> str:
    path = ROOT / str(mutation["module_path"])
    return path.read_text().splitlines()[mutation["start_pos"][0] - 1].strip()


def has_reason(mutation: dict[str, Any], reasons: list[dict[str, str]]) -> bool:
    operator = mutation["operator_name"].removeprefix("core/")
    return any(
        each["file"] == mutation["module_path"]
        and each["line"] == line_of(mutation)
        and operator.startswith(each["operator"])
        for each in reasons
    )


def main(path: str) -> int:
    text = Path(path).read_text()
    reasons = tomllib.loads(REASONS.read_text()).get("survivor", [])
    left = survivors(text)
    unexplained = [each for each in left if not has_reason(each, reasons)]
    print(f"{len(text.splitlines())} changes, {len(left)} not noticed, {len(unexplained)} without a reason")
    for each in unexplained:
        where = f"{each['module_path']}:{each['start_pos'][0]}"
        print(
            f"  {where} {each['operator_name'].removeprefix('core/')} #{each['occurrence']}: {line_of(each)}"
        )
    return 1 if unexplained else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
