"""For all tests: Hypothesis is independent of the machine's load; the order is a random one, drawn once."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from itertools import groupby
from random import Random, SystemRandom
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, settings

from appliance.box.domains import domains
from appliance.kernel.schema import schema_folders, use_schemas
from tests.kit.late_pings import pass_over_late_pings
from tests.kit.schedule import Schedule, step_back, steps_back

settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")
DRAWN: Final = "450772"  # the same in all runs, so that a failure by the order is seen again
pass_over_late_pings()
domains()  # gives the store their tables, as the settings do in the product


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--order",
        default=DRAWN,
        help="of the files and of the tests in each: a number, the seed of a random order; random, to draw "
        "one; file (as they are listed); or reverse",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Choose the seed once; the processes of xdist get the first one's."""
    if config.getoption("order") == "random":
        drawn = str(SystemRandom().randrange(1_000_000))
        config.option.order = getattr(config, "workerinput", {}).get("order", drawn)
    config.pluginmanager.register(Seed())
    given = getattr(config, "workerinput", None)
    if given is not None and steps_back(given["workerid"], given["workercount"]):
        step_back()


def _keep_tables() -> Iterator[None]:
    """A hosted side in this process names its own tables to the store: the next box has the box's again."""
    _, *before = schema_folders()
    yield
    if schema_folders()[1:] != before:
        use_schemas(*before)


keep_tables_of_a_test = pytest.fixture(_keep_tables, autouse=True)
keep_tables_of_a_file = pytest.fixture(_keep_tables, autouse=True, scope="module")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    return Schedule(config, log) if config.getoption("dist") == "loadfile" else None


class Seed:
    """Hands the seed to the processes of xdist."""

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        node.workerinput["order"] = node.config.getoption("order")


def pytest_report_header(config: pytest.Config) -> str:
    return f"order of tests: --order={config.getoption('order')}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    terminalreporter.write_line(pytest_report_header(config))


def pytest_collection_finish() -> None:
    """Modules and tests exist until the end: the garbage collector, which many tests run, skips them."""
    gc.collect()
    gc.freeze()


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
