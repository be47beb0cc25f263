"""Small changes of a Python file, one at a time: what `scripts/mutants` tries against the tests.

Changed are comparisons, arithmetic, `and`/`or`, `not`, numbers, True/False, conditions, loops' exits,
min/max, and whole statements that only have an effect. Only what is inside functions is changed: the numbers
of a module or class are measured constants, whose exact value no test should repeat. Strings and annotations
stay too.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

OPERATORS: dict[type[ast.AST], list[type[ast.AST]]] = {
    ast.Lt: [ast.LtE, ast.Gt],
    ast.LtE: [ast.Lt, ast.Gt],
    ast.Gt: [ast.GtE, ast.Lt],
    ast.GtE: [ast.Gt, ast.Lt],
    ast.Eq: [ast.NotEq, ast.GtE, ast.LtE],
    ast.NotEq: [ast.Eq, ast.Gt, ast.Lt],
    ast.Is: [ast.IsNot],
    ast.IsNot: [ast.Is],
    ast.In: [ast.NotIn],
    ast.NotIn: [ast.In],
    ast.Add: [ast.Sub],
    ast.Sub: [ast.Add],
    ast.Mult: [ast.FloorDiv],
    ast.Div: [ast.Mult],
    ast.FloorDiv: [ast.Mult, ast.Div],
    ast.Mod: [ast.FloorDiv],
    ast.LShift: [ast.RShift],
    ast.RShift: [ast.LShift],
    ast.BitAnd: [ast.BitOr],
    ast.BitOr: [ast.BitAnd],
    ast.And: [ast.Or],
    ast.Or: [ast.And],
}
WORDS = {
    "Lt": "<", "LtE": "<=", "Gt": ">", "GtE": ">=", "Eq": "==", "NotEq": "!=", "Is": "is", "IsNot": "is not",
    "In": "in", "NotIn": "not in", "Add": "+", "Sub": "-", "Mult": "*", "FloorDiv": "//", "Div": "/",
    "Mod": "%",     "LShift": "<<", "RShift": ">>", "BitAnd": "&", "BitOr": "|", "And": "and", "Or": "or",
}  # fmt: skip
SWAPPED = {"min": "max", "max": "min", "any": "all", "all": "any"}


@dataclass(frozen=True)
class Mutation:
    first: int  # lines of the changed node, and the line its statement begins at
    last: int
    statement: int
    change: str  # what becomes what
    function: tuple[str, int] | None  # qualified name and first line of the outermost function
    apply: Callable[[], None]


def mutations(tree: ast.Module) -> list[Mutation]:
    """All changes of the tree, in the order of its lines; each `apply` changes the tree in place."""
    return sorted((each for each in Walk().block(tree.body) if each.function), key=lambda each: each.first)


class Walk:
    """Owns: where in the file the walk is. Must not know: tests."""

    def __init__(self) -> None:
        self.function: tuple[str, int] | None = None
        self.scope: list[str] = []
        self.statement = 0

    def mutation(self, node: Any, change: str, apply: Callable[[], None]) -> Mutation:
        return Mutation(node.lineno, node.end_lineno, self.statement, change, self.function, apply)

    def block(self, body: list[ast.stmt]) -> Iterator[Mutation]:
        for index, statement in enumerate(body):
            before, self.statement = self.statement, statement.lineno
            if is_effect(statement):
                yield self.mutation(statement, "statement removed", setter(body, index, empty(statement)))
            yield from self.node(statement)
            self.statement = before

    def node(self, node: ast.AST) -> Iterator[Mutation]:
        if is_for_types(node):
            return
        yield from self.changes(node)
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield from self.definition(node)
            return
        for name, value in ast.iter_fields(node):
            if name in ("annotation", "returns", "type_comment"):
                continue
            if isinstance(value, list) and value and isinstance(value[0], ast.stmt):
                yield from self.block(value)
            elif isinstance(value, list):
                for each in value:
                    if isinstance(each, ast.AST):
                        yield from self.node(each)
            elif isinstance(value, ast.AST):
                yield from self.node(value)

    def definition(self, node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[Mutation]:
        is_function = not isinstance(node, ast.ClassDef)
        outer = self.function
        self.scope.append(node.name)
        if is_function and outer is None:
            first = min([each.lineno for each in node.decorator_list], default=node.lineno)
            self.function = (".".join(self.scope), first)
        yield from self.block(node.body)
        self.function = outer
        self.scope.pop()

    def changes(self, node: ast.AST) -> Iterator[Mutation]:
        if isinstance(node, ast.Compare):
            for index, operator in enumerate(node.ops):
                others = OPERATORS[type(operator)]
                if isinstance(node.comparators[index], ast.Compare) or is_text(node.comparators[index]):
                    others = others[:1]  # they have no order
                for other in others:
                    yield self.mutation(node, became(operator, other), setter(node.ops, index, other()))
        elif isinstance(node, ast.BinOp | ast.AugAssign | ast.BoolOp):
            for other in OPERATORS.get(type(node.op), []):
                yield self.mutation(node, became(node.op, other), setattr_(node, "op", other()))
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.USub):
            kind = "not removed" if isinstance(node.op, ast.Not) else "minus removed"
            yield self.mutation(node, kind, setattr_(node, "op", plain(node)))
        elif isinstance(node, ast.Constant):
            yield from self.constant(node)
        elif isinstance(node, ast.If | ast.While | ast.IfExp | ast.Assert):
            yield self.mutation(node.test, "condition negated", setattr_(node, "test", negated(node.test)))
        elif isinstance(node, ast.Break):
            yield self.mutation(node, "break becomes continue", become(node, ast.Continue))
        elif isinstance(node, ast.Continue):
            yield self.mutation(node, "continue becomes break", become(node, ast.Break))
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in SWAPPED:
            word = SWAPPED[node.func.id]
            yield self.mutation(node, f"{node.func.id} becomes {word}", setattr_(node.func, "id", word))

    def constant(self, node: ast.Constant) -> Iterator[Mutation]:
        value = node.value
        if isinstance(value, bool):
            yield self.mutation(node, f"{value} becomes {not value}", setattr_(node, "value", not value))
        elif isinstance(value, int | float):
            for other in (value + 1, value - 1):
                yield self.mutation(node, f"{value} becomes {other}", setattr_(node, "value", other))


def is_effect(statement: ast.stmt) -> bool:
    """A call, or a change in place: without it the function still makes sense to Python."""
    if isinstance(statement, ast.Expr):
        return not isinstance(statement.value, ast.Constant | ast.Yield)
    return isinstance(statement, ast.AugAssign | ast.Raise | ast.Delete)


def is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str | bytes)


def is_for_types(node: ast.AST) -> bool:
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        return True
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("cast", "TypeVar"):
        return True
    return (
        isinstance(node, ast.Raise)
        and isinstance(node.exc, ast.Name | ast.Call)
        and "NotImplemented" in (ast.unparse(node.exc))
    )


def became(old: Any, new: type[ast.AST]) -> str:
    return f"{WORDS[type(old).__name__]} becomes {WORDS[new.__name__]}"


def empty(statement: ast.stmt) -> ast.stmt:
    return ast.copy_location(ast.Pass(), statement)


def negated(test: ast.expr) -> ast.expr:
    return ast.copy_location(ast.UnaryOp(ast.Not(), test), test)


def plain(node: ast.UnaryOp) -> ast.unaryop:
    return ast.UAdd() if isinstance(node.op, ast.USub) else Twice()


class Twice(ast.Not):
    """`not not x`: the truth of x; `settle` writes it out."""


def settle(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, Twice):
            node.op, node.operand = ast.Not(), negated(node.operand)
    return tree


def setter(values: list[Any], index: int, value: Any) -> Callable[[], None]:
    def apply() -> None:
        values[index] = value

    return apply


def setattr_(node: Any, name: str, value: Any) -> Callable[[], None]:
    return lambda: setattr(node, name, value)


def become(node: Any, other: type[ast.AST]) -> Callable[[], None]:
    def apply() -> None:
        node.__class__ = other

    return apply
