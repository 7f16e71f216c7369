"""Nodes: what stands between the author's words and a run.

    ModelNode      an operation on a model's table          UserCreateNode, OrderBulkUpdateNode ...
    FunctionNode   any callable                             gets inputs, gives outputs
    SQLNode        a statement of the author's
    control        TransactionScopeNode, TransactionCommitNode, TransactionRollbackNode,
                   TransactionSavepointNode, TransactionRollbackToSavepointNode, TransactionReleaseSavepointNode

Nodes do not change once they are built, and know nothing of the databases that they will be run on.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from skerry.flow.modes import Modes, modes_of
from skerry.flow.workflows.operations import Operation, Statement, Values, Work
from skerry.flow.workflows.references import UNKNOWN, WHOLE, Template
from skerry.isolation import READ_COMMITTED, milliseconds
from skerry_engine.errors import Error, WorkflowError

ORDER_ONLY = "input"
"""The input that says no more than what comes first, where a node has none of that name."""


class StatementWork(Protocol):
    """What gives statements: operations, SQL."""

    def is_single(self, values: Values) -> bool: ...
    def work(self, values: Values, dialect: str) -> Work: ...


class SQL:
    """A statement of the author's, with %s or %(name)s; `records` are its rows as mappings, `count` how many."""

    parameters = ("statement", "parameters")
    outputs = ("records", "count")

    def is_single(self, values: Values) -> bool:
        """A statement is."""
        return True

    def work(self, values: Values, dialect: str) -> Work:
        """Do it."""
        result = yield Statement(values["statement"], values.get("parameters") or [])
        return {"records": result.dicts(), "count": result.rowcount}


class FunctionCall:
    """A callable: its arguments are the node's inputs; a mapping that it returns is the node's output, anything else
    the output's `result`."""

    def __init__(self, function: Callable[..., object]) -> None:
        if not callable(function):
            raise WorkflowError(f"function: {function!r} can't be called")
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise WorkflowError("function: a generator can't be a node: an error would never reach it")
        self.function = function
        self.is_async = inspect.iscoroutinefunction(function)
        try:
            self._signature: inspect.Signature | None = inspect.signature(function)
        except (TypeError, ValueError):  # of some that are written in C
            self._signature = None

    def takes(self, name: str) -> bool:
        """Whether it has an argument of this name."""
        if self._signature is None:
            return name != ORDER_ONLY
        kinds = self._signature.parameters.values()
        if any(each.kind is each.VAR_KEYWORD for each in kinds) and name != ORDER_ONLY:
            return True
        found = self._signature.parameters.get(name)
        return found is not None and found.kind in (found.KEYWORD_ONLY, found.POSITIONAL_OR_KEYWORD)

    def check(self, raw: Values) -> None:
        """Raise WorkflowError for arguments that it does not take, or lacks."""
        if self._signature is None:
            return
        try:
            self._signature.bind(**raw)
        except TypeError as problem:
            raise WorkflowError(f"the function's inputs: {problem}") from problem

    def call(self, values: Values) -> object:
        """Call it.  What is the same in every run is copied: a function may change what it is given."""
        return self.function(
            **{
                key: copy.deepcopy(each) if isinstance(each, list | dict) else each
                for key, each in values.items()
            }
        )


# --- control ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ScopeStart:
    """A transaction begins; inside another it is a savepoint.  `asks_modes`: the author has said which."""

    modes: Modes
    asks_modes: bool
    timeout_s: float | None
    rollback_on_error: bool
    retries: int


@dataclass(frozen=True, slots=True)
class ScopeEnd:
    """A transaction ends; `scope`: which, where the author has said so."""

    commits: bool
    scope: str | None


@dataclass(frozen=True, slots=True)
class SavepointNode:
    """A mark within a scope; its name is the node's."""


@dataclass(frozen=True, slots=True)
class SavepointEnd:
    """Back to a mark, which stays, or the mark is forgotten."""

    savepoint: str
    undoes: bool


Control: TypeAlias = ScopeStart | ScopeEnd | SavepointNode | SavepointEnd
Action: TypeAlias = Operation | SQL | FunctionCall | Control

_SCOPE_PARAMETERS = ("isolation_level", "timeout", "rollback_on_error", "read_only", "deferrable", "retries")


def scope_start(raw: Values) -> ScopeStart:
    """Read the parameters of a TransactionScopeNode.  Raises WorkflowError."""
    _only(raw, _SCOPE_PARAMETERS)
    level = raw.get("isolation_level")
    flags = {name: raw.get(name, False) for name in ("read_only", "deferrable")}
    rolls_back = raw.get("rollback_on_error", True)
    for name, value in (*flags.items(), ("rollback_on_error", rolls_back)):
        if not isinstance(value, bool):
            raise WorkflowError(f"{name}: true or false, not {value!r}")
    retries = raw.get("retries", 0)
    if not isinstance(retries, int) or isinstance(retries, bool) or retries < 0:
        raise WorkflowError(f"retries: a number of further attempts, not {retries!r}")
    timeout_s = raw.get("timeout")
    try:
        modes = modes_of(level or READ_COMMITTED, flags["read_only"], flags["deferrable"])
    except Error as problem:
        raise WorkflowError(f"isolation_level: {problem}") from problem
    if timeout_s is not None:
        try:
            milliseconds(timeout_s)
        except (Error, TypeError, ValueError) as problem:
            raise WorkflowError(f"timeout: seconds, not {timeout_s!r}: {problem}") from problem
    return ScopeStart(modes, level is not None or any(flags.values()), timeout_s, rolls_back, retries)


def _scope_end(commits: bool) -> Callable[[Values], ScopeEnd]:
    def make(raw: Values) -> ScopeEnd:
        _only(raw, ("scope",))
        return ScopeEnd(commits, raw.get("scope"))

    return make


def _savepoint(raw: Values) -> SavepointNode:
    _only(raw, ())
    return SavepointNode()


def _savepoint_end(undoes: bool) -> Callable[[Values], SavepointEnd]:
    def make(raw: Values) -> SavepointEnd:
        _only(raw, ("savepoint",))
        name = raw.get("savepoint")
        if not isinstance(name, str):
            raise WorkflowError(f"savepoint: the id of a TransactionSavepointNode, not {name!r}")
        return SavepointEnd(name, undoes)

    return make


CONTROLS: dict[str, Callable[[Values], Control]] = {
    "TransactionScopeNode": scope_start,
    "TransactionCommitNode": _scope_end(True),
    "TransactionRollbackNode": _scope_end(False),
    "TransactionSavepointNode": _savepoint,
    "TransactionRollbackToSavepointNode": _savepoint_end(True),
    "TransactionReleaseSavepointNode": _savepoint_end(False),
}
"""By the kind's name: what reads its parameters."""


def _only(raw: Values, names: tuple[str, ...]) -> None:
    for name, value in raw.items():
        if name not in names:
            raise WorkflowError(f"{name}: no such parameter", hint=f"It has {', '.join(names) or 'none'}.")
        if value is UNKNOWN:
            raise WorkflowError(f"{name}: it must be known when the workflow is built")


# --- what is run ------------------------------------------------------------------------------------------------


class Node:
    """A node that has been built.  `takes` are the nodes whose outputs it needs, `when` is its condition."""

    __slots__ = ("id", "kind", "action", "parameters", "when", "takes", "_known", "_open")

    def __init__(
        self,
        id: str,
        kind: str,
        action: Action,
        parameters: Mapping[str, Template],
        when: Template | None,
    ) -> None:
        self.id = id
        self.kind = kind
        self.action = action
        self.parameters = parameters
        self.when = when
        templates = [*parameters.values(), *([when] if when is not None else [])]
        self.takes = frozenset(reference.node for each in templates for reference in each.references)
        self._known: dict[str, Any] = {name: each.value for name, each in parameters.items() if each.is_known}
        self._open = tuple((name, each) for name, each in parameters.items() if not each.is_known)

    def values(self, outputs: Mapping[str, Mapping[str, object] | None]) -> dict[str, Any]:
        """The parameters for this run.  Raises WorkflowError where one can't be resolved."""
        values = self._known.copy()
        for name, template in self._open:
            try:
                values[name] = template.fill(outputs)
            except WorkflowError as problem:
                raise WorkflowError(f"{name}: {problem}") from problem
        return values

    @property
    def fields(self) -> tuple[str, ...] | None:
        """The names of its outputs; None where only a run will tell."""
        action = self.action
        if isinstance(action, Operation):
            return (*action.fields, WHOLE)
        if isinstance(action, SQL):
            return (*action.outputs, WHOLE)
        if isinstance(action, FunctionCall):
            return None
        return ("isolation_level", WHOLE) if isinstance(action, ScopeStart) else ("status", WHOLE)
