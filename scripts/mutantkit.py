"""Runs the tests of a pure file against small changes of it, and prints the changes that no test detects.

    .venv/bin/python scripts/mutantkit.py [FILE...]

tests/mutants.toml has the files, the tests of each beside those that mirror it, and the recorded reasons: the
source line, the change or its beginning, and why it makes no difference that a test should detect.

One process at a time. The tests are collected once; each change is made in a fork, which runs the tests that
reach the changed line and ends at the first failure. Hypothesis draws the same examples each time and does
not shrink. A change that makes the tests five times slower counts as detected.
"""

from __future__ import annotations

import ast
import gc
import json
import os
import resource
import signal
import sys
import tempfile
import threading
import time
import tomllib
from collections.abc import Callable, Iterable
from pathlib import Path
from types import CodeType, FrameType, FunctionType
from typing import Any

import pytest
from mutations import Mutation, mutations, settle

ROOT = Path(__file__).parents[1]
LIST = ROOT / "tests/mutants.toml"
SURVIVED, DETECTED = 0, 1
FLAGS = ["-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-o", "timeout=0", "--tb=no", "--order=file"]


class Session:
    """Collects the tests once; then `decide` forks for each change."""

    def __init__(self, file: Path, decide: Callable[[list[pytest.Item], dict[str, Any]], None]) -> None:
        self.file, self.decide = file, decide
        self.measuring = False

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self) -> None:
        import hypothesis  # not before pytest rewrites its assertions

        hypothesis.settings.register_profile(
            "mutants",
            hypothesis.settings.get_profile("any machine"),
            derandomize=True,
            database=None,
            max_examples=50,
            phases=(hypothesis.Phase.explicit, hypothesis.Phase.generate),
        )
        hypothesis.settings.load_profile("mutants")

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        with tempfile.NamedTemporaryFile() as file:
            result = in_fork(lambda: self.measure(session.items, Path(file.name)), 600, 600)
            if result != SURVIVED:
                os._exit(2)
            self.decide(session.items, json.loads(Path(file.name).read_text()))
        os._exit(0)

    def measure(self, items: list[pytest.Item], to: Path) -> None:
        reached = {}
        self.measuring = True
        lines: set[int] = set()  # one for all: threads of an earlier test run on in a later one
        trace(str(self.file), lines)
        for item in items:
            lines.clear()
            began = time.monotonic()
            run([item])
            reached[item.nodeid] = {"lines": sorted(lines), "seconds": time.monotonic() - began}
        to.write_text(json.dumps(reached))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            if self.measuring:
                print(f"{report.nodeid} fails as it is", file=sys.__stderr__)
            os._exit(DETECTED)


def run(items: list[pytest.Item]) -> None:
    for item, following in zip(items, [*items[1:], None], strict=True):
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)


def trace(path: str, lines: set[int]) -> None:
    """Add to `lines` those of the file at `path` that are executed from now on, in new threads too."""

    def line(frame: FrameType, _event: str, _argument: Any) -> Any:
        lines.add(frame.f_lineno)
        return line

    def call(frame: FrameType, _event: str, _argument: Any) -> Any:
        return line if frame.f_code.co_filename == path else None

    sys.settrace(call)
    threading.settrace(call)  # type: ignore[arg-type]


def in_fork(work: Callable[[], None], cpu_s: float, wall_s: float) -> int:
    """How the work ended: its exit status, or DETECTED if a signal or a limit ended it."""
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        try:
            os.setpgid(0, 0)
            signal.setitimer(signal.ITIMER_PROF, cpu_s)
            signal.setitimer(signal.ITIMER_REAL, wall_s)
            resource.setrlimit(resource.RLIMIT_DATA, (3 << 30, 3 << 30))
            work()
            os._exit(SURVIVED)
        except BaseException:  # noqa: BLE001  # any error detects the change
            os._exit(DETECTED)
    _, status = os.waitpid(child, 0)
    try:
        os.killpg(child, signal.SIGKILL)  # what the tests started
    except ProcessLookupError:
        pass
    return os.waitstatus_to_exitcode(status) if os.WIFEXITED(status) else DETECTED


def changed_code(file: Path, tree: ast.Module) -> CodeType:
    return compile(ast.fix_missing_locations(settle(tree)), str(file), "exec")


def code_of(code: CodeType, function: tuple[str, int]) -> CodeType | None:
    for each in code.co_consts:
        if isinstance(each, CodeType):
            if (each.co_qualname, each.co_firstlineno) == function:
                return each
            if code_inside := code_of(each, function):
                return code_inside
    return None


def functions_of(file: Path) -> dict[tuple[str, int], list[FunctionType]]:
    """All functions of the file that exist now, wrapped ones too."""
    gc.unfreeze()  # the tests may have frozen what was imported
    actual: dict[tuple[str, int], list[FunctionType]] = {}
    for each in gc.get_objects():
        if isinstance(each, FunctionType) and each.__code__.co_filename == str(file):
            actual.setdefault((each.__code__.co_qualname, each.__code__.co_firstlineno), []).append(each)
    return actual


class File:
    """One pure file and its tests."""

    def __init__(self, name: str, more: Iterable[str]) -> None:
        self.name, self.path = name, ROOT / name
        parts = Path(name).parts[1:]
        mirror = Path("tests", *parts[:-1], f"test_{parts[-1]}")
        self.tests = [str(each) for each in (mirror, *more) if (ROOT / each).exists()]
        self.source = self.path.read_text()

    def changes(self) -> list[tuple[ast.Module, Mutation]]:
        tree = ast.parse(self.source)
        return [(tree, each) for each in mutations(tree)]

    def run(self, results: Path) -> int:
        """Writes "index outcome" lines: detected, survived, not reached."""

        def session() -> None:
            quiet()
            plugin = Session(self.path, lambda items, reached: self.decide(items, reached, results))
            pytest.main([*FLAGS, *self.tests], plugins=[plugin])
            os._exit(3)

        return in_fork(session, 3600, 3600)

    def decide(self, items: list[pytest.Item], reached: dict[str, Any], results: Path) -> None:
        functions = functions_of(self.path)
        if not functions:  # nothing could be changed: every change would seem to survive
            os._exit(4)
        gc.freeze()
        by_time = sorted(items, key=lambda item: float(reached[item.nodeid]["seconds"]))
        with results.open("w") as out:
            for index, (tree, change) in enumerate(self.changes()):
                lines = {change.statement, *range(change.first, change.last + 1)}
                tests = [each for each in by_time if lines & set(reached[each.nodeid]["lines"])]
                outcome = SURVIVED
                if change.function in functions and tests:
                    limit = 1 + 5 * sum(reached[each.nodeid]["seconds"] for each in tests)
                    outcome = self.patched(tree, change, functions[change.function], tests, limit)
                word = "detected" if outcome else "survived" if tests else "not reached"
                print(index, word, file=out, flush=True)

    def patched(
        self,
        tree: ast.Module,
        change: Mutation,
        functions: list[FunctionType],
        tests: list[pytest.Item],
        limit_s: float,
    ) -> int:
        def work() -> None:
            change.apply()
            code = code_of(changed_code(self.path, tree), change.function or ("", 0))
            assert code is not None
            for each in functions:
                each.__code__ = code
            run(tests)

        return in_fork(work, limit_s, 3 * limit_s + 4)


def quiet() -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)


def has_reason(file: File, change: Mutation, reasons: list[dict[str, str]]) -> bool:
    text = {file.source.splitlines()[line - 1].strip() for line in (change.first, change.statement)}
    return any(
        each["file"] == file.name and each["line"] in text and change.change.startswith(each["change"])
        for each in reasons
    )


def judge(file: File, reasons: list[dict[str, str]]) -> int:
    """Prints the file's figures and its survivors without a reason; returns how many these are."""
    began = time.monotonic()
    with tempfile.NamedTemporaryFile() as results:
        status = file.run(Path(results.name))
        if status:
            print(f"{file.name}: its tests fail as it is ({status})")
            return 1
        outcomes = [line.split(maxsplit=1)[1] for line in Path(results.name).read_text().splitlines()]
    left = [
        (change, outcome)
        for (_, change), outcome in zip(file.changes(), outcomes, strict=True)
        if outcome != "detected"
    ]
    unexplained = [each for each in left if not has_reason(file, each[0], reasons)]
    print(
        f"{file.name}: {len(outcomes)} changes, {len(left)} survived, {len(unexplained)} without a reason "
        f"({time.monotonic() - began:.0f} s)"
    )
    for change, outcome in unexplained:
        text = file.source.splitlines()[change.first - 1].strip()
        print(f"  {change.first}: {change.change} ({outcome}): {text}")
    sys.stdout.flush()
    return len(unexplained)


def main(names: list[str]) -> int:
    listed = tomllib.loads(LIST.read_text())
    known = {**listed["files"], **(listed["files_to_do"] if names else {})}
    files = [File(name, more) for name, more in known.items() if not names or name in names]
    return 1 if sum([judge(each, listed.get("survivor", [])) for each in files]) else 0


if __name__ == "__main__":
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    sys.exit(main(sys.argv[1:]))
