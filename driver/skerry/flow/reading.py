"""A flow's source, read for what `rule` needs to know: calls of stages and flows, `each`, blocks, and what decides
whether and how often they come.

    load(row)               a stage, if `load` is one where the function would find it
    self.load(row)          of the class in which the flow stands
    store_all(rows)         a function of the program's: what is in it comes here
    chosen(row)             a variable: what it calls is not known, which is said
    row.strip()             a method of something unknown: taken for no stage, which is said once, at the end

All the rest (statements, computations, loops and conditions without any of these) is left out.
"""

from __future__ import annotations

import ast
import contextlib
import enum
import functools
import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from types import FunctionType, MethodType
from typing import Any, cast

from skerry.flow.aio.blocks import AsyncTransactionBlock
from skerry.flow.blocks import TransactionBlock
from skerry.flow.definitions import FlowSpec, StageSpec
from skerry.flow.outline import Kind
from skerry.flow.parallel import parallel, parallel_async
from skerry.flow.sources import (
    UNKNOWN,
    FunctionNode,
    Instance,
    LocalFunction,
    Names,
    is_users,
    meaning,
    names_inside,
    node_of,
)
from skerry.flow.stage import Flow, Stage, each
from skerry_engine.errors import InterfaceError

_LONGEST_LABEL = 60
_DEEPEST = 20
_HANDED_ON = "is handed on: what calls it, and when, is not seen"
_WRAPPERS = ("skerry.flow.blocks", "skerry.flow.aio.blocks")
_BLOCKS = (
    "skerry.flow.database.FlowDatabase.transaction",
    "skerry.flow.database.FlowDatabase.begin_transaction",
    "skerry.flow.aio.database.AsyncFlowDatabase.transaction",
    "skerry.flow.aio.database.AsyncFlowDatabase.begin_transaction",
    "skerry.flow.session_factory.SessionFactory.transaction_scope",
    "skerry.flow.aio.session_factory.AsyncSessionFactory.transaction_scope",
)
"""By name, since those of SQLAlchemy are not imported unless a program does."""
_INTERESTING = (Kind.STAGE, Kind.FLOW, Kind.EACH, Kind.BLOCK, Kind.UNSEEN)


class Begins(enum.Enum):
    """How a block comes to its transaction: it joins the one that is open, or begins one if there is none, or always;
    one that is begun by hand needs commit().  A workflow joins, or has whatever transactions its nodes say."""

    IF_NONE = "if none"
    ALWAYS = "always"
    BY_HAND = "by hand"
    NEVER = "never"
    OF_ITS_OWN = "of its own"


@dataclass(frozen=True, eq=False, slots=True)
class Code:
    """A place as it stands in the source.  `is_sure`: a loop with at least one round, a condition of which one arm
    always runs; `is_endless`: left only by break or return; `begins`: of a block, how it comes to its transaction;
    `is_savepoint`: it is undone alone."""

    kind: Kind
    label: str = ""
    line: int = 0
    parts: tuple[Code, ...] = ()
    spec: StageSpec | FlowSpec | None = None
    facts: tuple[str, ...] = ()
    commit_every: int | str | None = None
    is_sure: bool = False
    is_endless: bool = False
    begins: Begins = Begins.IF_NONE
    is_savepoint: bool = True


@dataclass(slots=True)
class Reading:
    """What one flow's source is read into."""

    unseen: dict[str, None] = field(default_factory=dict)
    under_way: list[object] = field(default_factory=list)


def read_flow(flow: FlowSpec, owner: type | None, reading: Reading) -> tuple[Code, ...]:
    """A flow's body.  `owner` is the class that it is a method of.  Raises InterfaceError where there is no source."""
    found = _body_of(flow.function, owner, reading)
    if found is None:
        raise InterfaceError(
            f"the source of flow {flow.name} can't be read",
        )
    return found


def _body_of(
    function: Callable[..., Any], owner: type | None, reading: Reading, handed: Handed | None = None
) -> tuple[Code, ...] | None:
    """What a function does; None if its source is not there, or it is under way already."""
    handed = handed or Handed()
    while isinstance(function, functools.partial | MethodType):
        if isinstance(function, functools.partial):
            handed = handed.after(function.args)
            function = function.func
        else:
            handed = handed.after((function.__self__,))
            function = function.__func__
    if not isinstance(function, FunctionType) or len(reading.under_way) > _DEEPEST:
        return None
    if function.__code__ in reading.under_way or (node := node_of(function)) is None:
        return None
    arguments = handed.bound(node, Instance(owner) if owner is not None else None)
    reading.under_way.append(function.__code__)
    try:
        return _Reader(names_inside(node, function, arguments), reading).body(node)
    finally:
        reading.under_way.pop()


@dataclass(frozen=True, slots=True)
class Handed:
    """What a caller is known to hand to a function."""

    positional: tuple[object, ...] = ()
    named: tuple[tuple[str, object], ...] = ()

    def after(self, first: tuple[object, ...]) -> Handed:
        """With what comes before it."""
        return replace(self, positional=(*first, *self.positional))

    def bound(self, node: FunctionNode, instance: Instance | None) -> dict[str, object]:
        """By the names of the parameters."""
        parameters = [every.arg for every in (*node.args.posonlyargs, *node.args.args)]
        found = dict(zip(parameters, self.positional, strict=False)) | dict(self.named)
        if instance is not None and parameters and parameters[0] not in found:
            found[parameters[0]] = instance
        return {name: value for name, value in found.items() if value is not UNKNOWN}


class _Reader:
    """Reads one function."""

    def __init__(self, names: Names, reading: Reading) -> None:
        self._names = names
        self._reading = reading

    def body(self, node: FunctionNode) -> tuple[Code, ...]:
        """What a call of it does, as far as it matters; empty if it does not."""
        if isinstance(node, ast.Lambda):
            return tuple(self._expression(node.body))
        codes = self._statements(node.body)
        if codes and codes[-1].kind is Kind.RETURN:
            codes.pop()
        return tuple(codes) if _matters(codes) else ()

    # --- statements -------------------------------------

    def _statements(self, statements: Iterable[ast.stmt]) -> list[Code]:
        found: list[Code] = []
        for statement in statements:
            found += self._statement(statement)
            if found and found[-1].kind in (Kind.RETURN, Kind.RAISE, Kind.BREAK, Kind.CONTINUE):
                break
        return found

    def _statement(self, statement: ast.stmt) -> list[Code]:
        match statement:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                return []
            case ast.For() | ast.AsyncFor():
                return self._for(statement)
            case ast.While():
                return self._while(statement)
            case ast.If():
                return self._if(statement)
            case ast.Match():
                return self._match(statement)
            case ast.Try() | ast.TryStar():
                return self._try(statement)
            case ast.With() | ast.AsyncWith():
                return self._with(statement.items, statement.body)
            case ast.Return():
                return [*self._maybe(statement.value), self._jump(Kind.RETURN, statement)]
            case ast.Raise():
                return [*self._maybe(statement.exc), self._jump(Kind.RAISE, statement)]
            case ast.Break():
                return [self._jump(Kind.BREAK, statement)]
            case ast.Continue():
                return [self._jump(Kind.CONTINUE, statement)]
        return self._children(statement)

    def _jump(self, kind: Kind, statement: ast.stmt) -> Code:
        return Code(kind, line=statement.lineno)

    def _for(self, loop: ast.For | ast.AsyncFor) -> list[Code]:
        word = "async for" if isinstance(loop, ast.AsyncFor) else "for"
        label = _shortened(f"{word} {_bare(loop.target)} in {ast.unparse(loop.iter)}")
        before = self._expression(loop.iter)
        parts = (self._arm("", loop.body, loop), self._arm("else", loop.orelse, loop))
        code = Code(Kind.LOOP, label, loop.lineno, parts, is_sure=_has_rows(loop.iter))
        return [*before, *_kept(code)]

    def _while(self, loop: ast.While) -> list[Code]:
        test = self._expression(loop.test)
        body = self._statements(loop.body)
        arm = Code(Kind.ARM, "", loop.lineno, (*test, *body))
        is_endless = isinstance(loop.test, ast.Constant) and bool(loop.test.value)
        parts = (arm, self._arm("else", loop.orelse, loop))
        label = _shortened(f"while {ast.unparse(loop.test)}")
        return _kept(Code(Kind.LOOP, label, loop.lineno, parts, is_sure=is_endless, is_endless=is_endless))

    def _if(self, statement: ast.If) -> list[Code]:
        before = self._expression(statement.test)
        arms = [self._arm(f"if {ast.unparse(statement.test)}", statement.body, statement)]
        rest = statement.orelse
        while len(rest) == 1 and isinstance(rest[0], ast.If) and not self._expression(rest[0].test):
            inner = rest[0]
            arms.append(self._arm(f"elif {ast.unparse(inner.test)}", inner.body, inner))
            rest = inner.orelse
        if rest:
            arms.append(self._arm("else", rest, rest[0]))
        code = Code(Kind.IF, line=statement.lineno, parts=tuple(arms), is_sure=bool(rest))
        return [*before, *_kept(code)]

    def _match(self, statement: ast.Match) -> list[Code]:
        before = self._expression(statement.subject)
        subject = ast.unparse(statement.subject)
        arms = [
            self._arm(f"case {ast.unparse(case.pattern)} of {subject}", case.body, statement)
            for case in statement.cases
        ]
        last = statement.cases[-1]
        is_sure = (
            isinstance(last.pattern, ast.MatchAs) and last.pattern.pattern is None and last.guard is None
        )
        code = Code(Kind.IF, line=statement.lineno, parts=tuple(arms), is_sure=is_sure)
        return [*before, *_kept(code)]

    def _try(self, statement: ast.Try | ast.TryStar) -> list[Code]:
        arms = [self._arm("try", statement.body, statement)]
        for handler in statement.handlers:
            label = f"except {ast.unparse(handler.type)}" if handler.type is not None else "except"
            arms.append(self._arm(label, handler.body, handler))
        if statement.orelse:
            arms.append(self._arm("else", statement.orelse, statement))
        if statement.finalbody:
            arms.append(self._arm("finally", statement.finalbody, statement))
        return _kept(Code(Kind.TRY, line=statement.lineno, parts=tuple(arms)))

    def _with(self, items: list[ast.withitem], body: list[ast.stmt]) -> list[Code]:
        if not items:
            return self._statements(body)
        first = items[0].context_expr
        before = self._expression(first)
        inside = self._with(items[1:], body)
        block = self._block(first)
        if block is not None:
            return [replace(block, parts=(*before, *inside))]
        if isinstance(first, ast.Call) and meaning(first.func, self._names) is contextlib.suppress:
            label = f"except {', '.join(ast.unparse(argument) for argument in first.args)}"
            arms = (Code(Kind.ARM, "try", first.lineno, tuple(inside)), Code(Kind.ARM, label, first.lineno))
            return _kept(Code(Kind.TRY, line=first.lineno, parts=arms))
        return [*before, *inside]

    def _block(self, expression: ast.expr) -> Code | None:
        """A transaction of the program's own, if it is one."""
        target = expression
        while isinstance(target, ast.Await):
            target = target.value
        if not isinstance(target, ast.Call) or not isinstance(target.func, ast.Attribute):
            return None
        name = target.func.attr
        owner = meaning(target.func.value, self._names)
        of = owner.of if isinstance(owner, Instance) else type(owner)
        if not any(f"{each.__module__}.{each.__name__}.{name}" in _BLOCKS for each in of.__mro__):
            return None
        label = _shortened(f"with {ast.unparse(target)}")
        said = {keyword.arg: keyword.value for keyword in target.keywords}
        is_savepoint = "savepoint" not in said or meaning(said["savepoint"], self._names) is not False
        begins = Begins.BY_HAND if name == "begin_transaction" else Begins.IF_NONE
        return Code(Kind.BLOCK, label, expression.lineno, begins=begins, is_savepoint=is_savepoint)

    def _arm(self, label: str, body: list[ast.stmt], where: ast.stmt | ast.ExceptHandler) -> Code:
        return Code(Kind.ARM, _shortened(label), where.lineno, tuple(self._statements(body)))

    # --- expressions ------------------------------------

    def _maybe(self, expression: ast.expr | None) -> list[Code]:
        return [] if expression is None else self._expression(expression)

    def _expression(self, expression: ast.expr, is_awaited: bool = False) -> list[Code]:
        match expression:
            case ast.Await():
                return self._expression(expression.value, is_awaited=True)
            case ast.Call():
                return self._call(expression, is_awaited)
            case ast.BoolOp():
                first, *rest = expression.values
                return [*self._expression(first), *self._only_if(ast.unparse(first), rest)]
            case ast.IfExp():
                return self._either(expression)
            case ast.ListComp() | ast.SetComp() | ast.GeneratorExp():
                return self._comprehension(expression.generators, [expression.elt])
            case ast.DictComp():
                return self._comprehension(expression.generators, [expression.key, expression.value])
            case ast.Lambda():
                inside = self._inside(LocalFunction(expression, self._names), Handed())
                return [self._not_seen(expression, _HANDED_ON)] if inside else []
            case ast.Name() | ast.Attribute():
                if isinstance(_unbound(meaning(expression, self._names)), Stage | Flow):
                    return [self._not_seen(expression, _HANDED_ON)]
        return self._children(expression)

    def _children(self, node: ast.AST) -> list[Code]:
        found: list[Code] = []
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                found += self._expression(child)
            elif not isinstance(child, ast.expr_context):
                found += self._children(child)
        return found

    def _only_if(self, test: str, expressions: list[ast.expr]) -> list[Code]:
        inside = [code for expression in expressions for code in self._expression(expression)]
        arm = Code(Kind.ARM, _shortened(f"depending on {test}"), parts=tuple(inside))
        return _kept(Code(Kind.IF, parts=(arm,)))

    def _either(self, expression: ast.IfExp) -> list[Code]:
        line = expression.lineno
        label = _shortened(f"if {ast.unparse(expression.test)}")
        first = Code(Kind.ARM, label, line, tuple(self._expression(expression.body)))
        second = Code(Kind.ARM, "else", line, tuple(self._expression(expression.orelse)))
        before = self._expression(expression.test)
        return [*before, *_kept(Code(Kind.IF, "", line, (first, second), is_sure=True))]

    def _comprehension(self, generators: list[ast.comprehension], elements: list[ast.expr]) -> list[Code]:
        if not generators:
            return [code for element in elements for code in self._expression(element)]
        first, *rest = generators
        inside = self._comprehension(rest, elements)
        for condition in reversed(first.ifs):
            arm = Code(Kind.ARM, _shortened(f"if {ast.unparse(condition)}"), condition.lineno, tuple(inside))
            chosen = Code(Kind.IF, line=condition.lineno, parts=(arm,))
            inside = [*self._expression(condition), *_kept(chosen)]
        label = _shortened(f"for {_bare(first.target)} in {ast.unparse(first.iter)}")
        arm = Code(Kind.ARM, "", first.iter.lineno, tuple(inside))
        is_sure = _has_rows(first.iter)
        loop = Code(Kind.LOOP, label, first.iter.lineno, (arm,), is_sure=is_sure)
        return [*self._expression(first.iter), *_kept(loop)]

    # --- calls ------------------------------------------

    def _call(self, call: ast.Call, is_awaited: bool) -> list[Code]:
        target = _unbound(self._target(call.func))
        if target is each:
            return self._each(call, is_awaited)
        is_followed = _is_followed(target)
        is_named = isinstance(call.func, ast.Name | ast.Attribute) or isinstance(target, Stage)
        before = [] if is_named else self._expression(call.func)
        if isinstance(call.func, ast.Attribute) and not isinstance(target, Stage | Flow):
            before += self._expression(call.func.value)
        for argument in (*call.args, *(keyword.value for keyword in call.keywords)):
            if not (is_followed and isinstance(argument, ast.Name | ast.Attribute | ast.Lambda)):
                before += self._expression(argument)
        return [*before, *self._called(call, target, is_awaited)]

    def _target(self, function: ast.expr) -> object:
        """What is called: also the `marked` form of a stage, and a flow's `run`."""
        if isinstance(function, ast.Call) and isinstance(function.func, ast.Attribute):
            stage = meaning(function.func.value, self._names)
            if isinstance(stage, Stage) and function.func.attr == "marked" and function.args:
                tx = meaning(function.args[0], self._names)
                return stage.marked(tx) if isinstance(tx, bool) else UNKNOWN
        if isinstance(function, ast.Attribute) and function.attr in ("run", "run_async"):
            flow = meaning(function.value, self._names)
            if isinstance(flow, Flow):
                return flow
        return meaning(function, self._names)

    def _called(self, call: ast.Call, target: object, is_awaited: bool) -> list[Code]:
        if isinstance(target, Stage):
            owner = self._owner(call.func)
            facts = _facts(target.spec, is_awaited or not target.is_async)
            return [self._stage(target.spec, owner, call.lineno, facts)]
        if isinstance(target, Flow):
            parts = _body_of(target.spec.function, self._owner(call.func), self._reading, self._handed(call))
            if parts is None:
                return [self._not_seen(call.func, "its source can't be read, or it calls itself")]
            facts = () if is_awaited or not target.is_async else ("awaited elsewhere",)
            return [Code(Kind.FLOW, target.name, call.lineno, parts, target.spec, facts)]
        if target is UNKNOWN:
            return self._unknown(call)
        if target in (parallel, parallel_async):
            return [self._parallel(call)]
        if _is_run_of_workflow(target):
            return [Code(Kind.BLOCK, _shortened(ast.unparse(call)), call.lineno, begins=Begins.OF_ITS_OWN)]
        parts = self._inside(target, self._handed(call))
        if parts is None:
            return []
        block = _decorated(target)
        if block is not None:
            return [Code(Kind.BLOCK, _shortened(ast.unparse(call)), call.lineno, parts)]
        return [Code(Kind.CALL, _shortened(ast.unparse(call)), call.lineno, parts)] if parts else []

    def _parallel(self, call: ast.Call) -> Code:
        """Branches of a transaction: of its own, of the one that is open, or of one that is given."""
        named = {keyword.arg for keyword in call.keywords}
        begins = Begins.ALWAYS if "database" in named else Begins.NEVER
        kind = Kind.CALL if "parent" in named else Kind.BLOCK
        return Code(kind, _shortened(ast.unparse(call)), call.lineno, begins=begins)

    def _stage(self, spec: StageSpec, owner: type | None, line: int, facts: tuple[str, ...]) -> Code:
        seen = dict(self._reading.unseen)
        parts = _body_of(spec.function, owner, self._reading) or ()
        if spec.tx:  # whatever it calls is part of its transaction
            self._reading.unseen = seen
        return Code(Kind.STAGE, spec.name, line, parts, spec, facts)

    def _owner(self, function: ast.expr) -> type | None:
        """The class whose instance a method is called on."""
        if not isinstance(function, ast.Attribute):
            return None
        found = meaning(function.value, self._names)
        if isinstance(found, Instance):
            return found.of
        if found is UNKNOWN or isinstance(found, type | Flow) or inspect.ismodule(found):
            return None
        return type(found)

    def _unknown(self, call: ast.Call) -> list[Code]:
        if isinstance(call.func, ast.Attribute):
            if not isinstance(call.func.value, ast.Constant | ast.JoinedStr):
                self._reading.unseen[_shortened(f"{ast.unparse(call.func)}()")] = None
            return []
        return [self._not_seen(call.func, "is not known before it runs")]

    def _not_seen(self, what: ast.expr, why: str) -> Code:
        return Code(Kind.UNSEEN, _shortened(ast.unparse(what)), what.lineno, facts=(why,))

    def _handed(self, call: ast.Call) -> Handed:
        if any(isinstance(argument, ast.Starred) for argument in call.args):
            return Handed()
        positional = tuple(self._argument(argument) for argument in call.args)
        named = [(every.arg, self._argument(every.value)) for every in call.keywords if every.arg]
        return Handed(positional, tuple(named))

    def _argument(self, expression: ast.expr) -> object:
        if isinstance(expression, ast.Lambda):
            return LocalFunction(expression, self._names)
        return meaning(expression, self._names)

    def _inside(self, target: object, handed: Handed) -> tuple[Code, ...] | None:
        """What a function does that is not a stage; None if it is not one of the program's."""
        if isinstance(target, LocalFunction):
            if target.node in self._reading.under_way:
                return None
            arguments = handed.bound(target.node, None)
            names = names_inside(target.node, target.names.function, arguments, target.names)
            self._reading.under_way.append(target.node)
            try:
                return _Reader(names, self._reading).body(target.node)
            finally:
                self._reading.under_way.pop()
        if _decorated(target) is not None:
            return _body_of(inspect.unwrap(cast("FunctionType", target)), None, self._reading, handed)
        if not _is_followed(target):
            return None
        return _body_of(cast("FunctionType", target), None, self._reading, handed)

    def _each(self, call: ast.Call, is_awaited: bool) -> list[Code]:
        named = {keyword.arg: keyword.value for keyword in call.keywords}
        arguments = [*call.args, *(named[name] for name in ("rows", "function") if name in named)]
        if len(arguments) < 2:
            return [self._not_seen(call.func, "its arguments are not known before it runs")]
        rows, function = arguments[:2]
        label = _shortened(f"of {ast.unparse(rows)}")
        inside = self._each_row(function)
        every = named.get("commit_every")
        commit_every: int | str | None = None
        if every is not None:
            value = meaning(every, self._names)
            commit_every = (
                value if isinstance(value, int) or value is None else _shortened(ast.unparse(every))
            )
        before = self._expression(rows)
        code = Code(Kind.EACH, label, call.lineno, tuple(inside), is_sure=_has_rows(rows))
        return [*before, replace(code, commit_every=commit_every)]

    def _each_row(self, function: ast.expr) -> list[Code]:
        target = _unbound(self._target(function))
        if isinstance(target, Stage):
            facts = _facts(target.spec, True)
            return [self._stage(target.spec, self._owner(function), function.lineno, facts)]
        if isinstance(target, Flow):
            parts = _body_of(target.spec.function, self._owner(function), self._reading)
            if parts is not None:
                return [Code(Kind.FLOW, target.name, function.lineno, parts, target.spec)]
        if isinstance(function, ast.Lambda):
            target = LocalFunction(function, self._names)
        if target is UNKNOWN:
            return [self._not_seen(function, "is not known before it runs")]
        return list(self._inside(target, Handed()) or ())


# --- small questions ----------------------------------------------------------------------------------------------


def _unbound(target: object) -> object:
    """The stage or flow that a partial of it, or a bound one, calls."""
    inner = target
    while isinstance(inner, functools.partial | MethodType):
        inner = inner.func if isinstance(inner, functools.partial) else inner.__func__
        inner = getattr(inner, "__self__", inner)
    return inner if isinstance(inner, Stage | Flow) else target


def _is_followed(target: object) -> bool:
    """Whether what it does is read, too: a function of the program's."""
    while isinstance(target, functools.partial | MethodType):
        target = target.func if isinstance(target, functools.partial) else target.__func__
    return isinstance(target, LocalFunction) or (isinstance(target, FunctionType) and is_users(target))


def _is_run_of_workflow(target: object) -> bool:
    """Whether it is `run` of a workflow given as data, which is not imported for the question."""
    if isinstance(target, functools.partial):
        target = target.func
    function = target.__func__ if isinstance(target, MethodType) else target
    name = f"{getattr(function, '__module__', '')}.{getattr(function, '__qualname__', '')}"
    return name.removesuffix("_async") == "skerry.flow.workflows.workflow.Workflow.run"


def _decorated(function: object) -> object:
    """The block that a function was decorated with by `db.transaction()`; None if it was not."""
    if not isinstance(function, FunctionType) or function.__module__ is None:
        return None
    if function.__globals__.get("__name__") not in _WRAPPERS:
        return None
    cells = [cell.cell_contents for cell in function.__closure__ or ()]
    return next((cell for cell in cells if isinstance(cell, TransactionBlock | AsyncTransactionBlock)), None)


def _facts(spec: StageSpec, is_awaited: bool) -> tuple[str, ...]:
    facts = ["tx"] if spec.tx else []
    if spec.on_error is not None:
        facts.append("on_error")
    if spec.retries:
        facts.append(f"retries={spec.retries}")
    if not is_awaited:
        facts.append("awaited elsewhere")
    return tuple(facts)


def _matters(codes: Iterable[Code]) -> bool:
    """Whether there is anything in it that has to do with transactions."""
    return any(code.kind in _INTERESTING or _matters(code.parts) for code in codes)


def _leaves(codes: Iterable[Code]) -> bool:
    """Whether a function may end in it, or the round of a loop around it."""
    kinds = (Kind.RETURN, Kind.BREAK, Kind.CONTINUE)
    return any(code.kind in kinds or _leaves(code.parts) for code in codes)


def _kept(code: Code) -> list[Code]:
    """A loop or condition, if it matters: stages in it, or a way out."""
    parts = tuple(part for part in code.parts if part.parts or code.kind is Kind.TRY)
    if len(parts) < len(code.parts):
        code = replace(code, is_sure=code.is_sure and code.kind is Kind.LOOP)
    if _matters(parts):
        return [replace(code, parts=parts)]
    if code.kind is Kind.LOOP:
        return [replace(code, parts=parts)] if _returns(parts) else []
    return [replace(code, parts=parts)] if _leaves(parts) else []


def _returns(codes: Iterable[Code]) -> bool:
    return any(code.kind is Kind.RETURN or _returns(code.parts) for code in codes)


def _has_rows(rows: ast.expr) -> bool:
    """Whether there is at least one row, as far as the source says."""
    if isinstance(rows, ast.List | ast.Tuple | ast.Set):
        return any(not isinstance(row, ast.Starred) for row in rows.elts)
    if isinstance(rows, ast.Call) and isinstance(rows.func, ast.Name) and rows.func.id == "range":
        numbers = [number.value for number in rows.args if isinstance(number, ast.Constant)]
        if len(numbers) == len(rows.args) and all(isinstance(number, int) for number in numbers):
            return bool(range(*numbers))  # type: ignore[arg-type]
    return isinstance(rows, ast.Constant) and isinstance(rows.value, str | bytes) and bool(rows.value)


def _bare(target: ast.expr) -> str:
    text = ast.unparse(target)
    return (
        text[1:-1]
        if isinstance(target, ast.Tuple) and text.startswith("(") and len(target.elts) > 1
        else text
    )


def _shortened(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST_LABEL else f"{text[: _LONGEST_LABEL - 1]}…"
