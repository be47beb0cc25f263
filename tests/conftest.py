"""For all tests: Hypothesis is independent of the machine's load; the order is random, its seed printed."""

from __future__ import annotations

import gc
from itertools import groupby
from random import Random, SystemRandom
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from appliance.box.domains import domains
from tests.kit.late_pings import pass_over_late_pings
from tests.kit.schedule import Schedule, step_back, steps_back

settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")
pass_over_late_pings()
domains()  # gives the store their tables, as the settings do in the product


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--order",
        default="random",
        help="of tests: random, of the files and of the tests in each; a number, the printed seed of an "
        "earlier random order; file (as they are listed); or reverse",
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
