"""Structural rules: every module has tests, files and functions stay small."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 60
FUNCTIONS = ast.FunctionDef | ast.AsyncFunctionDef

REACHED_THROUGH: dict[str, str] = {
    # module that no test imports by name: the test that runs it, in this process or another
    "box/clips/cutting/job.py": "tests/box/clips/cutting/test_cutter.py",
    "box/clips/files/footage.py": "tests/box/clips/cutting/test_cutter.py",
    "box/clips/cutting/queue.py": "tests/box/clips/cutting/test_cutter.py",
    "box/live/border.py": "tests/box/live/test_hostile.py",
    "box/live/commands.py": "tests/box/live/test_ws.py",
    "media/index/columns.py": "tests/media/index/test_table.py",
    "media/cut/piece.py": "tests/media/cut/test_plan.py",
    "media/cut/samples.py": "tests/media/cut/test_plan.py",
    "media/cut/silence.py": "tests/media/cut/test_plan.py",
    "media/bitstream/splice.py": "tests/media/cut/test_plan.py",
    "media/bitstream/sps.py": "tests/media/bitstream/test_params.py",
    "box/recordings/clocks/run_clocks.py": "tests/box/recordings/channel/test_channel_index.py",
    "box/recordings/clocks/pending_parts.py": "tests/box/recordings/clocks/test_arrivals.py",
    "box/recordings/channel/overlaps.py": "tests/box/recordings/test_overlapping_runs.py",
    "box/recordings/clocks/time_leaps.py": "tests/box/recordings/test_truth.py",
    "box/recordings/summary.py": "tests/box/recordings/test_actor.py",
    "server/mount.py": "tests/server/test_app.py",
    "workers/__main__.py": "tests/workers/test_worker_process.py",
    "workers/child.py": "tests/workers/test_worker_process.py",
    "workers/preload.py": "tests/workers/test_worker_process.py",
    "workers/sandbox.py": "tests/workers/test_worker_process.py",
    "workers/slot.py": "tests/workers/test_pool.py",
}

REACHED_MAX = 23

BORDERS: dict[str, str] = {
    # who may catch every exception, and the effect: elsewhere an unexpected one ends the daemon
    "running.py:run_until_signal": "the process ends with the reason in the log",
    "box/clips/cutting/claims.py:_plans": "each of these clips is cut by itself",
    "box/clips/cutting/job.py:Cutting._make": "one clip fails, with the reason",
    "box/clips/cutting/late_footage.py:LateFootage._recut": "one clip stays as it is until the index changes",
    "kernel/sqlite/engine.py:SqliteEngine._transact": "whatever it was is handed to all callers of the batch",
    "kernel/postgres/engine.py:PostgresEngine.commit": "whatever it was is handed to all of the batch",
    "kernel/sqlite/writer.py:refuse_changes": "whatever a closure raises is handed to its caller",
    "kernel/batch.py:_perform": "whatever a closure raises is handed to its caller",
    "kernel/threads.py:_Outcome.of": "raised again where the call was made",
    "cloud/scoring/executions/pipeline.py:Pipeline._outcome": "one execution fails, with a report to Sentry",
    "cloud/scoring/schedules/actor.py:Scheduler._call": "one run fails and is tried again; Sentry gets it",
    "cloud/fleet/intake/take.py:_take": "the events of a batch are taken one by one",
    "cloud/fleet/intake/take.py:_one_at_a_time": "one event is parked; 100 in a row are answered 503",
    "box/live/border.py:survive": "one WebSocket ends, with a trace id",
    "box/recordings/following/disk.py:_scan": "one recording file becomes unreadable, with the reason",
    "server/dispatch.py:Dispatcher._http": "one request is answered 500, with a trace id",
    "server/dispatch.py:Dispatcher._websocket": "one WebSocket ends, with a trace id",
    "server/connections/server.py:_ConnectionServer.serve": "one connection ends",
}
EVERYTHING = {"Exception", "BaseException", "ExceptionGroup", "BaseExceptionGroup"}


def modules() -> list[str]:
    files = (ROOT / "appliance").rglob("*.py")
    return sorted(str(path.relative_to(ROOT / "appliance")) for path in files if path.name != "__init__.py")


def sources() -> Iterator[Path]:
    for folder in ("appliance", "tests", "scripts"):
        yield from sorted((ROOT / folder).rglob("*.py"))


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


@cache
def imported_by_tests() -> set[str]:
    """Every module some test imports by name, as dotted names."""
    actual: set[str] = set()
    for path in (ROOT / "tests").rglob("*.py"):
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.ImportFrom) and node.module:
                actual.update({node.module, *(f"{node.module}.{alias.name}" for alias in node.names)})
            elif isinstance(node, ast.Import):
                actual.update(alias.name for alias in node.names)
    return actual


def has_tests(module: str, tested: set[str]) -> bool:
    path = Path(module)
    mirrored = ROOT / "tests" / path.parent / f"test_{path.stem.strip('_')}.py"
    return mirrored.exists() or ".".join(("appliance", *path.with_suffix("").parts)) in tested


def test_every_module_has_its_tests() -> None:
    """A test file in the mirrored path, or a test that imports it, or an entry above that names the test."""
    tested = imported_by_tests()
    untested = [each for each in modules() if not (has_tests(each, tested) or each in REACHED_THROUGH)]
    assert untested == []


def test_the_list_of_reached_modules_is_true_and_only_gets_shorter() -> None:
    assert set(REACHED_THROUGH) <= set(modules())
    assert [module for module in REACHED_THROUGH if has_tests(module, imported_by_tests())] == []
    assert len(REACHED_THROUGH) <= REACHED_MAX
    assert [test for test in REACHED_THROUGH.values() if not (ROOT / test).exists()] == []


def test_no_file_is_long() -> None:
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in sources()}
    assert {name: lines for name, lines in lengths.items() if lines > FILE_LINES_MAX} == {}


ROOM_FILES_MAX = 12
FULL = {"kernel": 29, "ops": 19, "workers": 14}  # more than a room holds: they may only become fewer


def rooms() -> list[str]:
    folders = (path.parent for path in (ROOT / "appliance").rglob("__init__.py"))
    return sorted(str(path.relative_to(ROOT / "appliance")) for path in folders if path != ROOT / "appliance")


@pytest.mark.parametrize("room", rooms())
def test_a_folder_is_small_and_has_a_readme(room: str) -> None:
    folder = ROOT / "appliance" / room
    files = [path.name for path in folder.glob("*.py") if path.name != "__init__.py"]
    assert len(files) <= FULL.get(room, ROOM_FILES_MAX)
    readme = (folder / "README.md").read_text()
    assert [name for name in files if name not in readme] == []


def span(node: ast.stmt) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def test_no_function_is_long() -> None:
    """Functions inside a function are counted separately: a table of routes may be long."""
    long: dict[str, int] = {}
    for path in sources():
        for node in ast.walk(tree_of(path)):
            if isinstance(node, FUNCTIONS):
                lines = span(node) - sum(span(inner) for inner in node.body if isinstance(inner, FUNCTIONS))
                if lines > FUNCTION_LINES_MAX:
                    long[f"{path.relative_to(ROOT)}:{node.name}"] = lines
    assert long == {}


def test_every_module_says_what_it_is() -> None:
    silent = [str(path.relative_to(ROOT)) for path in sources() if path.name != "__init__.py"]
    silent = [name for name in silent if not ast.get_docstring(tree_of(ROOT / name))]
    assert silent == []


def caught(node: ast.expr | None) -> set[str]:
    """Names of what an `except` or a `suppress` catches; a bare `except` catches everything."""
    if node is None:
        return EVERYTHING
    return {each.id if isinstance(each, ast.Name) else getattr(each, "attr", "") for each in ast.walk(node)}


def catches_everything(node: ast.AST) -> bool:
    """Also as one of several, in a group, or by suppress(). A handler that always re-raises does not
    count."""
    if isinstance(node, ast.ExceptHandler):
        raises_again = any(isinstance(each, ast.Raise) and each.exc is None for each in node.body)
        return bool(caught(node.type) & EVERYTHING) and not raises_again
    if isinstance(node, ast.Call) and caught(node.func) & {"suppress"}:
        return any(caught(each) & EVERYTHING for each in node.args)
    return False


def catching(tree: ast.AST, where: str = "") -> Iterator[str]:
    """Dotted names of the functions in which everything is caught."""
    for node in ast.iter_child_nodes(tree):
        inner = where
        if isinstance(node, FUNCTIONS | ast.ClassDef):
            inner = f"{where}.{node.name}".lstrip(".")
        if catches_everything(node):
            yield inner
        yield from catching(node, inner)


def test_only_the_borders_catch_everything() -> None:
    borders = {
        f"{path.relative_to(ROOT / 'appliance')}:{name}"
        for path in (ROOT / "appliance").rglob("*.py")
        for name in catching(tree_of(path))
    }
    assert borders == set(BORDERS)


@pytest.mark.parametrize(
    ("handler", "is_caught"),
    [
        ("except Exception: pass", True),
        ("except: pass", True),
        ("except (OSError, BaseException) as error: log(error)", True),
        ("except* builtins.Exception: pass", True),
        ("except Exception:\n  if a: raise", True),
        ("except BaseException:\n  close()\n  raise", False),
        ("except OSError: pass", False),
    ],
)
def test_everything_caught_is_seen_however_it_is_written(handler: str, is_caught: bool) -> None:
    tree = ast.parse(f"def f():\n try: g()\n {handler}")
    assert list(catching(tree)) == (["f"] if is_caught else [])
    assert list(catching(ast.parse("with suppress(A, Exception): g()"))) == [""]


def test_the_top_level_holds_what_the_design_says() -> None:
    wanted = {"appliance", "config", "systemd", "scripts", "tests", "pyproject.toml", "README.md", "LICENSE"}
    built = {"build", "appliance.egg-info", "node_modules"}
    names = {path.name for path in ROOT.iterdir() if not path.name.startswith(".")} - built
    assert names == wanted
