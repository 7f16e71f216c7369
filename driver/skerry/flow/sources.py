"""The source of functions, and what the names in it mean, without running anything.

Names are looked up where the function would find them: its own local functions and what a caller is known to hand in,
its closure, its module, the builtins.  Attributes are read without calling properties.  Where annotations, or what a
name is assigned, say of which class something is, its methods are known, those of subclasses being taken for the same.
What can't be known before the function runs is UNKNOWN.
"""

from __future__ import annotations

import ast
import builtins
import functools
import inspect
import linecache
import sysconfig
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any, Final, TypeAlias

FunctionNode: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


class _Unknown:
    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = _Unknown()


@dataclass(frozen=True, slots=True)
class Instance:
    """Some instance of a class, which one is not known."""

    of: type


@dataclass(eq=False, slots=True)
class Names:
    """What names mean inside a function: those local to it, then those of the function around it, or `function`'s
    closure and module."""

    function: Callable[..., Any]
    local: frozenset[str]
    known: dict[str, object] = field(default_factory=dict)
    outer: Names | None = None
    assigned: dict[str, ast.expr] = field(default_factory=dict)

    def find(self, name: str) -> object:
        """What the name stands for."""
        if name in self.known:
            return self.known[name]
        if name in self.local:
            return self._assigned_once(name)
        if self.outer is not None:
            return self.outer.find(name)
        return _of_function(self.function, name)

    def _assigned_once(self, name: str) -> object:
        """Of a variable at most the class is known."""
        expression = self.assigned.pop(name, None)
        found = UNKNOWN if expression is None else meaning(expression, self)
        if isinstance(found, Instance):
            self.known[name] = found
            return found
        return UNKNOWN


@dataclass(frozen=True, eq=False, slots=True)
class LocalFunction:
    """A function defined inside another, of which there is only the source."""

    node: FunctionNode
    names: Names


def _of_function(function: Callable[..., Any], name: str) -> object:
    code = function.__code__
    if name in code.co_freevars:
        try:
            return (function.__closure__ or ())[code.co_freevars.index(name)].cell_contents
        except (ValueError, IndexError):  # not assigned yet
            return UNKNOWN
    found = function.__globals__.get(name, UNKNOWN)
    return vars(builtins).get(name, UNKNOWN) if found is UNKNOWN else found


# --- expressions --------------------------------------------------------------------------------------------------


def meaning(expression: ast.expr, names: Names) -> object:
    """What an expression stands for, if that is certain before it runs."""
    if isinstance(expression, ast.Constant):
        return expression.value
    if isinstance(expression, ast.Name):
        return names.find(expression.id)
    if isinstance(expression, ast.Attribute):
        return attribute(meaning(expression.value, names), expression.attr)
    if isinstance(expression, ast.Await):
        return meaning(expression.value, names)
    if isinstance(expression, ast.Call):
        return _given(meaning(expression.func, names))
    kind = next((of for node, of in _DISPLAYS if isinstance(expression, node)), None)
    return UNKNOWN if kind is None else Instance(kind)


_DISPLAYS: tuple[tuple[type[ast.expr], type], ...] = (
    (ast.JoinedStr, str),
    (ast.List, list),
    (ast.ListComp, list),
    (ast.Dict, dict),
    (ast.DictComp, dict),
    (ast.Set, set),
    (ast.SetComp, set),
    (ast.Tuple, tuple),
)


def _given(called: object) -> object:
    """What a call gives, by what the function says of it."""
    while isinstance(called, functools.partial | MethodType):
        called = called.func if isinstance(called, functools.partial) else called.__func__
    if isinstance(called, type):
        return Instance(called)
    if not isinstance(called, FunctionType):
        return UNKNOWN
    said = called.__annotations__.get("return")
    of = said if isinstance(said, type) else _class_named(said, Names(called, frozenset()))
    return UNKNOWN if of is None else Instance(of)


def attribute(owner: object, name: str) -> object:
    """An attribute, without running code of the object's."""
    if owner is UNKNOWN:
        return UNKNOWN
    if isinstance(owner, ModuleType):
        return vars(owner).get(name, UNKNOWN)
    holder = owner.of if isinstance(owner, Instance) else owner
    found = inspect.getattr_static(holder, name, UNKNOWN)
    if found is UNKNOWN and isinstance(owner, Instance):
        of = _class_of_attribute(owner.of, name)
        return UNKNOWN if of is None else Instance(of)
    if isinstance(found, staticmethod):
        return found.__func__
    if isinstance(found, classmethod):
        return functools.partial(found.__func__, holder if isinstance(holder, type) else type(holder))
    if isinstance(found, property | functools.cached_property):
        return UNKNOWN
    if isinstance(found, FunctionType) and not isinstance(holder, type):
        return MethodType(found, owner)
    if isinstance(found, FunctionType) and isinstance(owner, Instance):
        return functools.partial(found, owner)
    return found


# --- functions ----------------------------------------------------------------------------------------------------


def node_of(function: Callable[..., Any]) -> FunctionNode | None:
    """A function's syntax tree; None where its source is not to be had."""
    code = function.__code__
    module = _module(tuple(linecache.getlines(code.co_filename, function.__globals__)))
    if module is None:
        return None
    found = [each for each in ast.walk(module) if isinstance(each, _FUNCTIONS) and _is_of(each, code)]
    if len(found) > 1:  # several lambdas in one line
        found = [each for each in found if _starts_in(code, each)]
    return found[0] if len(found) == 1 else None


@functools.lru_cache(16)
def _module(lines: tuple[str, ...]) -> ast.Module | None:
    try:
        return ast.parse(textwrap.dedent("".join(lines))) if lines else None
    except SyntaxError:
        return None


def _is_of(node: FunctionNode, code: CodeType) -> bool:
    if isinstance(node, ast.Lambda):
        return code.co_name == "<lambda>" and node.lineno == code.co_firstlineno
    first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
    return node.name == code.co_name and first == code.co_firstlineno


def _starts_in(code: CodeType, node: FunctionNode) -> bool:
    if not isinstance(node, ast.Lambda):
        return False
    body = node.body
    begin, end = (body.lineno, body.col_offset), (body.end_lineno or 0, body.end_col_offset or 0)
    places = [(line, column) for line, _, column, _ in code.co_positions() if line and column is not None]
    return any(begin <= place < end for place in places if place != (node.lineno, 0))


def is_users(function: FunctionType) -> bool:
    """Whether it is neither of Python, nor of what is installed, nor Skerry's: those don't know a program's stages."""
    filename = function.__code__.co_filename
    if (function.__module__ or "").partition(".")[0] in ("skerry", "skerry_engine"):
        return False
    return not filename.startswith(_installed()) and not filename.startswith("<frozen")


@functools.lru_cache(1)
def _installed() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    return tuple(paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib"))


def names_inside(
    node: FunctionNode, function: Callable[..., Any], handed: dict[str, object], outer: Names | None = None
) -> Names:
    """The names of a function that is called with what is known of its arguments."""
    arguments = node.args
    parameters = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    parameters += [each for each in (arguments.vararg, arguments.kwarg) if each is not None]
    local = {each.arg for each in parameters}
    names = Names(function, frozenset(), {}, outer)
    body = [node.body] if isinstance(node, ast.Lambda) else node.body
    stored: set[str] = set()
    again: set[str] = set()
    elsewhere: set[str] = set()
    for each in _own(body):
        if isinstance(each, ast.Assign) and len(each.targets) == 1 and isinstance(each.targets[0], ast.Name):
            names.assigned[each.targets[0].id] = each.value
        elif isinstance(each, ast.Name) and not isinstance(each.ctx, ast.Load):
            (again if each.id in stored else stored).add(each.id)
        elif isinstance(each, ast.alias):
            stored.add((each.asname or each.name).partition(".")[0])
        elif isinstance(each, ast.ExceptHandler) and each.name:
            stored.add(each.name)
        elif isinstance(each, ast.Global | ast.Nonlocal):
            elsewhere.update(each.names)
        elif isinstance(each, ast.ClassDef):
            stored.add(each.name)
    for each in _own(body):
        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef):
            if not each.decorator_list and each.name not in stored:
                names.known[each.name] = LocalFunction(each, names)
            local.add(each.name)
    names.local = frozenset((local | stored) - elsewhere)
    for name in (again | elsewhere | local) & names.assigned.keys():
        del names.assigned[name]
    around = outer or Names(function, frozenset())
    for parameter in parameters:
        if parameter.arg in stored or parameter in (arguments.vararg, arguments.kwarg):
            continue
        of = _class_said(parameter.annotation, around)
        found = handed.get(parameter.arg, UNKNOWN if of is None else Instance(of))
        if found is not UNKNOWN:
            names.known[parameter.arg] = found
    return names


def _class_said(annotation: ast.expr | None, names: Names) -> type | None:
    """The class that an annotation names, its parameters left out."""
    if isinstance(annotation, ast.Constant):
        return _class_named(annotation.value, names)
    while isinstance(annotation, ast.Subscript):
        annotation = annotation.value
    found = UNKNOWN if annotation is None else meaning(annotation, names)
    return found if isinstance(found, type) and found is not object else None


def _class_named(annotation: object, names: Names) -> type | None:
    """As `_class_said`, of an annotation as text."""
    if not isinstance(annotation, str):
        return None
    try:
        return _class_said(ast.parse(annotation, mode="eval").body, names)
    except SyntaxError:
        return None


def _class_of_attribute(owner: type, name: str) -> type | None:
    """What the class, or its `__init__`, says that an attribute is an instance of."""
    for each in owner.__mro__:
        made = next((some for some in vars(each).values() if isinstance(some, FunctionType)), None)
        if made is None:
            continue
        said = vars(each).get("__annotations__", {}).get(name)
        if said is not None:
            return said if isinstance(said, type) else _class_named(said, Names(made, frozenset()))
        begins = vars(each).get("__init__")
        node = node_of(begins) if isinstance(begins, FunctionType) else None
        if isinstance(node, ast.FunctionDef):
            return _assigned(node, name, Names(made, frozenset()))
    return None


def _assigned(node: ast.FunctionDef, name: str, around: Names) -> type | None:
    """The class of the parameter that an `__init__` keeps as `self.name`, if it does no more than that."""
    parameters = {each.arg: each for each in (*node.args.args, *node.args.kwonlyargs)}
    values = [
        each.value
        for each in ast.walk(node)
        if isinstance(each, ast.Assign)
        for target in each.targets
        if isinstance(target, ast.Attribute) and target.attr == name
    ]
    if len(values) != 1 or not isinstance(values[0], ast.Name) or values[0].id not in parameters:
        return None
    return _class_said(parameters[values[0].id].annotation, around)


def _own(body: list[ast.stmt] | list[ast.expr]) -> Iterator[ast.AST]:
    """What stands in a function's own scope."""
    pending: list[ast.AST] = list(body)
    while pending:
        each = pending.pop()
        yield each
        if not isinstance(each, (*_FUNCTIONS, ast.ClassDef)):
            pending += ast.iter_child_nodes(each)
