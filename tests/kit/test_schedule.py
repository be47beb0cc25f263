"""Each test is given once, cameras and browsers never to the process of lower priority."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, field
from itertools import groupby
from types import SimpleNamespace
from typing import Any

import pytest

from tests.conftest import pytest_collection_modifyitems
from tests.kit.schedule import COMPUTES, LIVE, LONG, NICE, Schedule, is_live, steps_back

COLLECTED = [
    f"{file}::test_{number}"
    for file in (
        "tests/app/test_a.py",
        "tests/e2e/test_b.py",
        "tests/e2e/test_screens_left.py",
        "tests/faults/test_c.py",
        "tests/kernel/test_d.py",
        "tests/media/test_e.py",
    )
    for number in range(3)
]


@dataclass(eq=False)
class Process:
    """What a scheduler sees of a process."""

    name: str
    given: list[str] = field(default_factory=list)
    shutting_down: bool = False

    @property
    def gateway(self) -> Any:
        return SimpleNamespace(id=self.name)

    def send_runtest_some(self, numbers: list[int]) -> None:
        assert not self.shutting_down
        self.given += [COLLECTED[number] for number in numbers]

    def shutdown(self) -> None:
        self.shutting_down = True


def run(count: int, order: str = "file") -> list[Process]:
    """All tests on `count` processes, in turn; each runs a test when it knows the next one."""
    config: Any = SimpleNamespace(
        option=SimpleNamespace(loadscopereorder=True),
        getvalue=lambda name: ["popen"] * count,
        getoption=lambda name, default=None: order,
        debug=False,
    )
    schedule = Schedule(config)
    processes = [Process(f"gw{number}") for number in range(count)]
    for process in processes:
        schedule.add_node(process)
    for process in processes:
        schedule.add_node_collection(process, COLLECTED)
    schedule.schedule()
    done = dict.fromkeys([process.name for process in processes], 0)
    for _ in COLLECTED:
        for process in processes:
            left = len(process.given) - done[process.name]
            if left > 1 or (left and process.shutting_down):
                schedule.mark_test_complete(process, COLLECTED.index(process.given[done[process.name]]))
                done[process.name] += 1
    assert schedule.tests_finished and not schedule.has_pending
    return processes


@pytest.mark.parametrize("count", [1, 2, 3, 4])
@pytest.mark.parametrize("order", ["file", "reverse", "7"])
def test_every_test_is_given_once_and_a_file_to_one_process(count: int, order: str) -> None:
    processes = run(count, order)
    given = [test for process in processes for test in process.given]
    assert sorted(given) == sorted(COLLECTED)
    files = [{test.partition("::")[0] for test in process.given} for process in processes]
    assert sum(map(len, files)) == len(COLLECTED) // 3


@pytest.mark.parametrize("count", [3, 4])
def test_the_process_of_lower_priority_runs_no_camera(count: int) -> None:
    *others, last = run(count)
    assert last.given and not any(map(is_live, last.given))
    assert all(is_live(process.given[0]) for process in others)


@pytest.mark.parametrize("order", ["file", "7"])
def test_the_longest_file_is_begun_first(order: str) -> None:
    first, second, _ = run(3, order)
    assert first.given[0].startswith("tests/e2e/test_screens_left.py")
    assert second.given[0].startswith("tests/e2e/test_b.py")
    assert run(3, "reverse")[0].given[0].startswith("tests/e2e/test_b.py")


def ordered(order: str) -> list[str]:
    items: Any = [SimpleNamespace(path=name.partition("::")[0], name=name) for name in COLLECTED]
    config: Any = SimpleNamespace(getoption=lambda name: order)
    pytest_collection_modifyitems(config, items)
    return [item.name for item in items]


@pytest.mark.parametrize("seed", ["0", "7", "999999"])
def test_a_seed_gives_one_order_in_which_the_tests_of_a_file_stay_together(seed: str) -> None:
    tests = ordered(seed)
    assert sorted(tests) == sorted(COLLECTED) and tests != COLLECTED and tests == ordered(seed)
    files = [file for file, _ in groupby(tests, key=lambda test: test.partition("::")[0])]
    assert len(files) == len(set(files)) == len(COLLECTED) // 3


def test_the_listed_order_and_its_reverse() -> None:
    assert ordered("file") == COLLECTED and ordered("reverse") == COLLECTED[::-1]


def test_only_the_last_of_three_steps_back() -> None:
    assert [steps_back(f"gw{number}", 3) for number in range(4)] == [False, False, True, False]
    assert not steps_back("gw1", 2) and not steps_back("gw0", 1)


def test_every_file_named_here_exists(pytestconfig: pytest.Config) -> None:
    assert all((pytestconfig.rootpath / name).exists() for name in (*LIVE, *COMPUTES, *LONG))
    assert all(map(is_live, LONG)) and not any(map(is_live, COMPUTES))


def test_a_process_that_steps_back_has_a_lower_priority_and_so_has_what_it_starts() -> None:
    code = "import os; from tests.kit.schedule import step_back; step_back(); print(os.nice(0))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert int(done.stdout) == min(19, os.nice(0) + NICE)
