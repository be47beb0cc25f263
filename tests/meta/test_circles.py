"""No circle of imports: neither among the modules of appliance, nor among the scripts of the web app."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

APPLIANCE = Path(__file__).parents[2] / "appliance"
APP = APPLIANCE / "app"


def circle(graph: Mapping[str, set[str]]) -> list[str]:
    """One circle, if there is any."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def imported(node: ast.AST) -> Iterator[str]:
    """Names imported when the module is loaded or a function of it runs; imports for types do not count."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            continue
        if isinstance(child, ast.ImportFrom) and child.module:
            yield child.module
            yield from (f"{child.module}.{alias.name}" for alias in child.names)
        yield from imported(child)


def test_no_module_imports_itself_through_others() -> None:
    modules = {
        ".".join(("appliance", *path.relative_to(APPLIANCE).with_suffix("").parts)): path
        for path in APPLIANCE.rglob("*.py")
        if path.name != "__init__.py"
    }
    graph = {
        name: set(imported(ast.parse(path.read_text()))) & set(modules) for name, path in modules.items()
    }
    assert sum(map(len, graph.values())) > 500
    assert circle(graph) == []


def test_no_script_of_the_app_imports_itself_through_others() -> None:
    graph = {
        path.relative_to(APP).as_posix(): {
            (path.parent / other).resolve().relative_to(APP).as_posix()
            for other in re.findall(r'(?:from|import) "(\.[^"]+\.js)"', path.read_text())
        }
        for path in APP.rglob("*.js")
    }
    assert sum(map(len, graph.values())) > 50
    assert circle(graph) == []


def test_a_circle_is_found() -> None:
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"a"}}) != []
    assert list(imported(ast.parse("def f():\n from a.b import c"))) == ["a.b", "a.b.c"]
