"""Finds what generated source calls once per row.

A loop over rows is a `for` (or comprehension) whose variables hold rows or groups; loops over batches are
not.  Calls of C functions, types and methods of lists, sets and dicts cost little and are let pass.  What
remains is Python code that runs per row, named after what it is: "reader.lookup", "qN" (a generated
function), or a function's module and name.
"""

from __future__ import annotations

import ast
import re
import types
from collections.abc import Iterator, Mapping

_ROW = re.compile(r"(r|g|d|id|m)\d+")
_BATCH = re.compile(r"(b|p_|ids)\d+")
_C_METHODS = frozenset({"append", "add", "get", "setdefault", "extend", "items", "sort"})
Loop = ast.For | ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp


def row_calls(source: str, namespace: Mapping[str, object]) -> set[str]:
    """The names of all Python code that the source calls once per row."""
    return {name for loop in _row_loops(ast.parse(source)) for name in _calls_in(loop, namespace)}


def _row_loops(tree: ast.AST) -> Iterator[Loop]:
    for node in ast.walk(tree):
        if isinstance(node, ast.For) and _holds_rows(node.target):
            yield node
        elif isinstance(node, (ast.ListComp, ast.SetComp, ast.GeneratorExp, ast.DictComp)):
            if _holds_rows(node.generators[0].target):
                yield node


def _holds_rows(target: ast.expr) -> bool:
    names = [node.id for node in ast.walk(target) if isinstance(node, ast.Name)]
    return any(_ROW.fullmatch(name) for name in names) and not any(_BATCH.fullmatch(name) for name in names)


def _calls_in(loop: Loop, namespace: Mapping[str, object]) -> Iterator[str]:
    """Calls in the loop's body; what is looped over is evaluated once."""
    if isinstance(loop, ast.For):
        parts: list[ast.AST] = list(loop.body)
    elif isinstance(loop, ast.DictComp):
        parts = [loop.key, loop.value, *loop.generators[0].ifs]
    else:
        parts = [loop.elt, *loop.generators[0].ifs]
    for part in parts:
        for node in ast.walk(part):
            if isinstance(node, ast.Call):
                name = _called(node, namespace)
                if name is not None:
                    yield name


def _called(call: ast.Call, namespace: Mapping[str, object]) -> str | None:
    if isinstance(call.func, ast.Attribute):
        owner = call.func.value
        if call.func.attr in _C_METHODS and not (isinstance(owner, ast.Name) and owner.id.startswith("rd")):
            return None
        if isinstance(owner, ast.Name) and owner.id.startswith("rd"):
            return f"reader.{call.func.attr}"
        return f"{ast.unparse(owner)}.{call.func.attr}"
    if not isinstance(call.func, ast.Name):
        return re.sub(r"\[.*\]", "[...]", ast.unparse(call.func))
    if re.fullmatch(r"q\d+", call.func.id):
        return "qN(row)" if len(call.args) > 1 else "qN()"
    found = namespace.get(call.func.id)
    if isinstance(found, (types.FunctionType, types.MethodType)):
        return f"{found.__module__}.{found.__name__}"
    return None
