"""Functions, operators and coercions of GQL over bound expressions.

Which function a name or sign means for given types is told by functions/graph_resolution.py; here its arguments are
brought to the types that it wants.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from skerry_engine import errors
from skerry_engine.algebra import expressions as ex
from skerry_engine.functions.casts import find_coercion
from skerry_engine.functions.graph_resolution import (
    common_graph_type,
    list_type,
    resolve_graph_function,
    resolve_graph_operator,
)
from skerry_engine.functions.registry import AggregateFunction, Function
from skerry_engine.values import oids
from skerry_engine.values.graphs import UNTAGGED
from skerry_engine.values.types import SqlType, graph_type_name, type_info

if TYPE_CHECKING:
    from skerry_engine.gql.binder.context import GqlContext

BOOL = SqlType(oids.BOOL)


def equal(left: ex.Expr, right: ex.Expr) -> ex.Call:
    """left = right, of operands that need no coercion."""
    function, _, _ = resolve_graph_operator("=", left.type.oid, right.type.oid)
    return ex.Call(BOOL, function, (left, right), "=")


def conjunction(parts: Sequence[ex.Expr]) -> ex.Expr:
    """All of the parts but those that are TRUE whatever comes; TRUE for none."""
    parts = [part for part in parts if not (isinstance(part, ex.Const) and part.value is True)]
    if not parts:
        return ex.Const(BOOL, True)
    return parts[0] if len(parts) == 1 else ex.And(BOOL, tuple(parts))


def is_inferred(expr: ex.Expr) -> bool:
    """Whether the expression's type is no choice of the writer's: it hangs on what a graph happens to hold."""
    return any(isinstance(node, (ex.Property, ex.ValueProperty)) for node in ex.walk(expr))


class Operations:
    """Calls and casts for one statement."""

    def __init__(self, context: GqlContext) -> None:
        self.context = context
        self.coercer = context.coercer

    # --- calls ----------------------------------------

    def operator(self, symbol: str, left: ex.Expr | None, right: ex.Expr, position: int | None) -> ex.Expr:
        """An operator of GQL applied.  Raises UndefinedFunction."""
        operands = [right] if left is None else [left, right]
        function, types, result = resolve_graph_operator(
            symbol,
            None if left is None else left.type.oid,
            right.type.oid,
            position,
            inferred=any(map(is_inferred, operands)),
        )
        args = self._arguments(operands, types, position)
        return ex.Call(SqlType(result), function, args, symbol)

    def resolve(
        self, name: str, args: Sequence[ex.Expr], position: int | None
    ) -> tuple[Function | AggregateFunction, tuple[ex.Expr, ...], SqlType]:
        """The function or aggregate of that name for these arguments, which are brought to its types."""
        if args and all(arg.type.oid == oids.UNKNOWN and _is_null(arg) for arg in args):
            args = [ex.Const(SqlType(oids.ANYVALUE), None) for _ in args]
        function, types, result = resolve_graph_function(
            name, [arg.type.oid for arg in args], position, inferred=any(map(is_inferred, args))
        )
        return function, self._arguments(args, types, position), SqlType(result)

    def call(self, name: str, *args: ex.Expr, position: int | None = None) -> ex.Expr:
        """A function applied.  Raises UndefinedFunction."""
        function, arguments, result = self.resolve(name, args, position)
        assert isinstance(function, Function), "aggregates are bound elsewhere"
        return ex.Call(result, function, arguments)

    def _arguments(
        self, args: Sequence[ex.Expr], types: Sequence[int], position: int | None
    ) -> tuple[ex.Expr, ...]:
        return tuple([self.as_type(arg, oid, position) for arg, oid in zip(args, types, strict=False)])

    # --- types ----------------------------------------

    def as_type(self, expr: ex.Expr, oid: int, position: int | None = None) -> ex.Expr:
        """An expression as a type that resolution has found possible."""
        source = expr.type.oid
        if source == oid or (oid == oids.ANYVALUE and source in UNTAGGED and source != oids.UNKNOWN):
            return expr
        if source == oids.UNKNOWN:
            return self._untyped(expr, oid, position)
        if oid in (oids.ANY, oids.ANYELEMENT, oids.ANYARRAY, oids.ANYNONARRAY):
            return expr
        graph_types = oids.GRAPH_TYPES | oids.GRAPH_ARRAYS.keys()
        if source in graph_types or oid in graph_types:
            return self._converted(expr, oid, position)
        return self.coercer.implicit(expr, oid, position)

    def _untyped(self, expr: ex.Expr, oid: int, position: int | None) -> ex.Expr:
        """NULL, or a parameter without a type, as a type."""
        if isinstance(expr, ex.Const) and expr.value is None:
            return ex.Const(SqlType(oid), None)
        if oid in (oids.ANY, oids.ANYVALUE, oids.ANYELEMENT, oids.ANYNONARRAY):
            oid = oids.TEXT
        return self.coercer.implicit(expr, oid, position)

    def _converted(self, expr: ex.Expr, oid: int, position: int | None) -> ex.Expr:
        coercion = find_coercion(expr.type.oid, oid, "e")
        if coercion is None:
            raise errors.CannotCoerce(
                f"cannot cast type {graph_type_name(expr.type.oid)} to {graph_type_name(oid)}",
                position=position,
            )
        return ex.Cast(SqlType(oid), expr, coercion.function, False)

    def as_any(self, expr: ex.Expr) -> ex.Expr:
        """An expression as one of type ANYVALUE, in its type too."""
        made = self.as_type(expr, oids.ANYVALUE)
        return made if made.type.oid == oids.ANYVALUE else ex.Cast(SqlType(oids.ANYVALUE), made, None, False)

    def common(self, exprs: Sequence[ex.Expr]) -> tuple[SqlType, list[ex.Expr]]:
        """Alternatives as their common type."""
        oid = common_graph_type([expr.type.oid for expr in exprs])
        if oid == oids.UNKNOWN:
            return SqlType(oid), list(exprs)
        if oid == oids.ANYVALUE:
            return SqlType(oid), [self.as_any(expr) for expr in exprs]
        return SqlType(oid), [self.as_type(expr, oid) for expr in exprs]

    def list_of(self, items: Sequence[ex.Expr]) -> ex.Expr:
        """[a, b, c]."""
        array = list_type([item.type.oid for item in items])
        element = type_info(array).element_oid
        made = [self.as_any(i) if element == oids.ANYVALUE else self.as_type(i, element) for i in items]
        return ex.ArrayOf(SqlType(array), tuple(made))

    def known(self, expr: ex.Expr) -> ex.Expr:
        """What is still untyped is a string, as in a result."""
        return self.as_type(expr, oids.TEXT) if expr.type.oid == oids.UNKNOWN else expr

    def integer(self, expr: ex.Expr, construct: str, position: int | None) -> ex.Expr:
        """An index or a count.  Raises DatatypeMismatch for what is of another type, numbers with a point too."""
        if expr.type.oid not in (*oids.INTEGERS, oids.UNKNOWN, oids.ANYVALUE):
            raise errors.DatatypeMismatch(
                f"{construct} is an integer, not a value of type {graph_type_name(expr.type.oid)}",
                position=position,
            )
        return self.as_type(expr, oids.INT8, position)

    def boolean(self, expr: ex.Expr, construct: str, position: int | None) -> ex.Expr:
        """A condition.  Raises DatatypeMismatch; a value of dynamic type is looked at when it comes."""
        if expr.type.oid == oids.ANYVALUE:
            return expr if _is_null(expr) else self.as_type(expr, oids.BOOL, position)
        return self.coercer.boolean(expr, construct, position)


def _is_null(expr: ex.Expr) -> bool:
    return isinstance(expr, ex.Const) and expr.value is None
