"""For all tests: Hypothesis is independent of the machine's load, and no test depends on another."""

from __future__ import annotations

from itertools import groupby
from random import Random

import pytest
from hypothesis import HealthCheck, settings

from tests.kit.late_pings import pass_over_late_pings

settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")
pass_over_late_pings()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--order",
        default="file",
        help="of tests: file (as they stand), reverse, or a number: the seed of a random order of the files, "
        "and of the tests in each",
    )


def pytest_report_header(config: pytest.Config) -> str:
    return f"order of tests: {config.getoption('order')}"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests of a file stay together: they share its box and browser."""
    order = str(config.getoption("order"))
    if order == "reverse":
        items.reverse()
    elif order != "file":
        dice = Random(int(order))
        files = [list(tests) for _, tests in groupby(items, key=lambda item: item.path)]
        for tests in files:
            dice.shuffle(tests)
        dice.shuffle(files)
        items[:] = [test for tests in files for test in tests]
