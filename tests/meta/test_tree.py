"""The tree keeps its own rules: every module has its tests, files and functions stay small."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 60
FUNCTIONS = ast.FunctionDef | ast.AsyncFunctionDef

REACHED_THROUGH: dict[str, str] = {
    # module that no test imports by name: the test that runs it, in this process or another
    "clips/cutting.py": "tests/clips/test_cutter.py",
    "clips/footage.py": "tests/clips/test_cutter.py",
    "clips/planner.py": "tests/e2e/test_external_footage.py",
    "clips/queries.py": "tests/clips/test_http.py",
    "clips/queue.py": "tests/clips/test_cutter.py",
    "daemon.py": "tests/e2e/test_kill.py",
    "live/border.py": "tests/live/test_hostile.py",
    "live/commands.py": "tests/live/test_ws.py",
    "live/http.py": "tests/live/test_ws.py",
    "media/chain.py": "tests/media/test_plan.py",
    "media/columns.py": "tests/media/test_table.py",
    "media/coverage.py": "tests/media/test_plan.py",
    "media/piece.py": "tests/media/test_plan.py",
    "media/samples.py": "tests/media/test_plan.py",
    "media/silence.py": "tests/media/test_plan.py",
    "media/sound.py": "tests/media/test_plan.py",
    "media/splice.py": "tests/media/test_plan.py",
    "media/sps.py": "tests/media/test_params.py",
    "recordings/clocks.py": "tests/recordings/test_channel.py",
    "recordings/durability.py": "tests/recordings/test_follower.py",
    "recordings/follow.py": "tests/recordings/test_follower.py",
    "recordings/followed.py": "tests/recordings/test_follower.py",
    "recordings/held.py": "tests/recordings/test_arrivals.py",
    "recordings/segment_state.py": "tests/recordings/test_channel.py",
    "recordings/settings.py": "tests/test_settings.py",
    "recordings/sharing.py": "tests/recordings/test_overlapping_runs.py",
    "recordings/doubt.py": "tests/recordings/test_truth.py",
    "recordings/summary.py": "tests/recordings/test_follower.py",
    "recordings/walks.py": "tests/recordings/test_follower.py",
    "web/endpoint.py": "tests/web/test_app.py",
    "web/mount.py": "tests/web/test_app.py",
    "wiring/boards.py": "tests/e2e/test_srt.py",
    "workers/__main__.py": "tests/workers/test_worker_process.py",
    "workers/child.py": "tests/workers/test_worker_process.py",
    "workers/rehearsal.py": "tests/workers/test_worker_process.py",
    "workers/sandbox.py": "tests/workers/test_worker_process.py",
    "workers/slot.py": "tests/workers/test_pool.py",
    "workers/worker.py": "tests/workers/test_pool_processes.py",
}

BORDERS: dict[str, str] = {
    # who may catch everything, and why (design section 3): elsewhere a surprise ends the daemon
    "kernel/batch.py": "whatever a closure raises is handed to its caller",
    "recordings/disk.py": "one recording file becomes unreadable, with the reason",
}


def modules() -> list[str]:
    found = (ROOT / "appliance").rglob("*.py")
    return sorted(str(path.relative_to(ROOT / "appliance")) for path in found if path.name != "__init__.py")


def sources() -> Iterator[Path]:
    for folder in ("appliance", "tests", "scripts"):
        yield from sorted((ROOT / folder).rglob("*.py"))


def imported_by_tests() -> set[str]:
    """Every module some test imports by name, as dotted names."""
    found: set[str] = set()
    for path in (ROOT / "tests").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module:
                found.update({node.module, *(f"{node.module}.{alias.name}" for alias in node.names)})
            elif isinstance(node, ast.Import):
                found.update(alias.name for alias in node.names)
    return found


def test_every_module_has_its_tests() -> None:
    """A test file in the mirror, or a test that imports it, or a line above that says which runs it."""
    tested = imported_by_tests()
    untested: list[str] = []
    for module in modules():
        path = Path(module)
        mirrored = ROOT / "tests" / path.parent / f"test_{path.stem.strip('_')}.py"
        dotted = ".".join(("appliance", *path.with_suffix("").parts))
        if not (mirrored.exists() or dotted in tested or module in REACHED_THROUGH):
            untested.append(module)
    assert untested == []


def test_the_list_of_reached_modules_is_true() -> None:
    assert set(REACHED_THROUGH) <= set(modules())
    assert [test for test in REACHED_THROUGH.values() if not (ROOT / test).exists()] == []


def test_no_file_is_long() -> None:
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in sources()}
    assert {name: lines for name, lines in lengths.items() if lines > FILE_LINES_MAX} == {}


def span(node: ast.stmt) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def test_no_function_is_long() -> None:
    """Functions inside a function are counted by themselves: a table of routes may be long."""
    long: dict[str, int] = {}
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, FUNCTIONS):
                lines = span(node) - sum(span(inner) for inner in node.body if isinstance(inner, FUNCTIONS))
                if lines > FUNCTION_LINES_MAX:
                    long[f"{path.relative_to(ROOT)}:{node.name}"] = lines
    assert long == {}


def test_every_module_says_what_it_is() -> None:
    silent = [str(path.relative_to(ROOT)) for path in sources() if path.name != "__init__.py"]
    silent = [name for name in silent if not ast.get_docstring(ast.parse((ROOT / name).read_text()))]
    assert silent == []


def test_only_the_borders_catch_everything() -> None:
    catching = [
        str(path.relative_to(ROOT / "appliance"))
        for path in sorted((ROOT / "appliance").rglob("*.py"))
        if "BLE001" in path.read_text()
    ]
    assert catching == sorted(BORDERS)


def test_the_top_level_holds_what_the_design_says() -> None:
    wanted = {"appliance", "config", "systemd", "scripts", "tests", "pyproject.toml", "README.md", "LICENSE"}
    built = {"build", "appliance.egg-info", "node_modules"}
    found = {path.name for path in ROOT.iterdir() if not path.name.startswith(".")} - built
    assert found == wanted
