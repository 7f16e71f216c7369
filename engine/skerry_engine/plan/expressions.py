"""Scalar expressions to Python expressions.

SQL has three truth values, Python code wants two.  So each expression can be written in three ways:

    value(e)      Python expression for the value, None for NULL
    is_true(e)    Python condition that holds exactly where e is TRUE      (WHERE, ON, WHEN, FILTER)
    is_false(e)   Python condition that holds exactly where e is FALSE     (under NOT)

Conditions short-circuit as SQL may, and never build a None only to test it.  Arguments that a template uses
more than once, or that must be tested for NULL first, are kept in temporaries by assignment expressions.  A
sub-expression that needs neither rows nor volatile functions is computed once, before the loops.

A correlated subquery becomes `(yield from ...)` in place, so that it can pause like everything else; such an
expression must not be put into a comprehension (`may_yield` tells).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from skerry_engine import errors
from skerry_engine.algebra import expressions as ex
from skerry_engine.algebra.traversal import ROW_READERS
from skerry_engine.functions.jsonb_functions import jsonb_element
from skerry_engine.plan import elements, runtime
from skerry_engine.plan.source import Block
from skerry_engine.values import oids
from skerry_engine.values.records import record_maker
from skerry_engine.values.user_types import is_composite_or_array

if TYPE_CHECKING:
    from skerry_engine.algebra.queries import Query
    from skerry_engine.functions.registry import Function
    from skerry_engine.storage.shapes import ShapeRegistry

_ATOM = re.compile(r"[A-Za-z_]\w*|None|True|False")
_COLUMN = re.compile(r"[A-Za-z_]\w*\[\d+\]")


@dataclass(frozen=True)
class RowVariable:
    """Where a range's current row is: a Python name, its row id's name if one is at hand, and whether the
    range can be NULL-extended by an outer join.

    With `only`, what stands under the name is not the row but its value at that position: nothing else is asked of it.
    """

    name: str
    width: int
    id_name: str | None = None
    extended: bool = False
    only: int = -1


class Subqueries:
    """What the expression writer needs of the query writer (it is the query writer,
    seen through this interface).

    `changes_state`: a volatile function is called somewhere,
    so that stable ones are computed where they stand.
    """

    changes_state = False

    def subquery_call(self, query: Query, scope: ExpressionWriter) -> tuple[str, bool]:
        """A Python call that makes the subquery's generator, and whether it depends on the current rows."""
        raise NotImplementedError

    def shapes(self, table_oid: int) -> ShapeRegistry:
        """The shapes of an element table's rows."""
        raise NotImplementedError


class ExpressionWriter:
    """Writes expressions for one generated function, with the row variables that are in scope there."""

    def __init__(self, block: Block, rows: dict[int, RowVariable], subqueries: Subqueries) -> None:
        self.block = block
        self.module = block.module
        self.rows = rows
        self.subqueries = subqueries
        self._hoisted: dict[ex.Expr, str] = {}

    # --- the three forms ----------------------------------------

    def value(self, expr: ex.Expr) -> str:
        """Python expression for the value of `expr`."""
        if not isinstance(expr, (ex.Const, ex.Param)) and is_constant(expr, self.subqueries.changes_state):
            return self._hoist(expr)
        return self._value(expr)

    def _value(self, expr: ex.Expr) -> str:
        writer = _VALUE_WRITERS.get(type(expr))
        if writer is None:
            raise errors.NotSupportedError(f"{type(expr).__name__} expressions are not supported here")
        return writer(self, expr)

    def is_true(self, expr: ex.Expr) -> str:
        """Python condition that holds exactly where `expr` is TRUE."""
        if isinstance(expr, ex.And):
            return "(" + " and ".join(self.is_true(a) for a in expr.args) + ")"
        if isinstance(expr, ex.Or):
            return "(" + " or ".join(self.is_true(a) for a in expr.args) + ")"
        if isinstance(expr, ex.Not):
            return self.is_false(expr.arg)
        if isinstance(expr, ex.Call) and _has_template(expr.function):
            return self._templated_condition(expr, "({})")
        return self.value(expr)

    def is_false(self, expr: ex.Expr) -> str:
        """Python condition that holds exactly where `expr` is FALSE."""
        if isinstance(expr, ex.And):
            return "(" + " or ".join(self.is_false(a) for a in expr.args) + ")"
        if isinstance(expr, ex.Or):
            return "(" + " and ".join(self.is_false(a) for a in expr.args) + ")"
        if isinstance(expr, ex.Not):
            return self.is_true(expr.arg)
        if isinstance(expr, ex.Call) and _has_template(expr.function):
            return self._templated_condition(expr, "not ({})")
        return f"{self._wrapped(expr)} is False"

    def _wrapped(self, expr: ex.Expr) -> str:
        text = self.value(expr)
        return text if _is_simple(text) else f"({text})"

    # --- NULL ----------------------------------------

    def nullable(self, expr: ex.Expr) -> bool:
        """Whether the value can be NULL, as far as is known without running."""
        match expr:
            case ex.Const():
                return expr.value is None
            case ex.Column():
                row = self.rows.get(expr.range_id)
                return expr.nullable or row is None or row.extended
            case ex.RowId() | ex.HasLabels():
                found = self.rows.get(expr.range_id)
                return found is None or found.extended
            case ex.ElementValue():
                return self.nullable(expr.row_id)
            case ex.PathValue():
                return any(self.nullable(item) for item in expr.items)
            case ex.WholeRow() | ex.RecordOf():
                return False
            case ex.IsNull() | ex.IsTruth() | ex.IsDistinct() | ex.ArrayOf() | ex.RowOf():
                return False
            case ex.And() | ex.Or() | ex.Extreme():
                return any(self.nullable(a) for a in expr.args)
            case ex.Coalesce():
                return all(self.nullable(a) for a in expr.args)
            case ex.Not():
                return self.nullable(expr.arg)
            case ex.Call():
                return not _has_template(expr.function) or any(self.nullable(a) for a in expr.args)
            case ex.Cast() if expr.function is None:
                return self.nullable(expr.arg)
            case ex.SubqueryExpr():
                return expr.kind not in ("exists", "array")
            case ex.Case():
                results = [r for _, r in expr.whens]
                return expr.default is None or any(self.nullable(r) for r in [*results, expr.default])
        return True

    # --- helpers ----------------------------------------

    def temporary(self) -> str:
        return self.module.fresh("t")

    def function_name(self, function: Function) -> str:
        return self.module.bind("f", function.implementation)

    def _hoist(self, expr: ex.Expr) -> str:
        name = self._hoisted.get(expr)
        if name is None:
            name = self.module.fresh("c")
            self._hoisted[expr] = name
            self.block.prologue.append(f"    {name} = {self._value(expr)}")
        return name

    def guarded_arguments(
        self, args: Iterable[ex.Expr], reused: Callable[[int], bool]
    ) -> tuple[list[str], list[str]]:
        """Argument texts safe to use in a template, and the conditions that must hold first
        (in this order)."""
        texts: list[str] = []
        guards: list[str] = []
        for position, arg in enumerate(args):
            text = self.value(arg)
            nullable = self.nullable(arg)
            if nullable:
                if _ATOM.fullmatch(text):
                    guards.append(f"{text} is not None")
                else:
                    name = self.temporary()
                    guards.append(f"({name} := {text}) is not None")
                    text = name
            elif reused(position) and not (_ATOM.fullmatch(text) or _COLUMN.fullmatch(text)):
                name = self.temporary()
                guards.append(f"({name} := ({text})) is not None")
                text = name
            elif not _is_simple(text):
                text = f"({text})"
            texts.append(text)
        return texts, guards

    def _templated_condition(self, call: ex.Call, form: str) -> str:
        template = call.function.template
        assert template is not None
        if _has_null(call.args):
            return "False"
        texts, guards = self.guarded_arguments(call.args, lambda i: template.count(f"{{{i}}}") > 1)
        body = form.format(_fill(template, texts))
        return f"({' and '.join([*guards, body])})" if guards else body

    # --- one method per node ----------------------------------------

    def _const(self, expr: ex.Const) -> str:
        if expr.value is None or expr.value is True or expr.value is False:
            return repr(expr.value)
        return self.module.bind("k", expr.value)

    def _param(self, expr: ex.Param) -> str:
        return self.block.declare(f"p{expr.index}", f"ctx.params[{expr.index}]")

    def _column(self, expr: ex.Column) -> str:
        row = self.rows[expr.range_id]
        if row.only >= 0:
            assert row.only == expr.position, "nothing else is asked of the row"
            return row.name
        return f"{row.name}[{expr.position}]"

    def _system_column(self, expr: ex.SystemColumn) -> str:
        row = self.rows[expr.range_id]
        if row.id_name is None:
            raise errors.NotSupportedError(f"system column {expr.name} is not supported here")
        return row.id_name

    # --- rows as elements of graphs ----------------------------------------

    def _row_id(self, expr: ex.RowId) -> str:
        name = self.rows[expr.range_id].id_name
        assert name is not None, "ids of rows that are asked for are kept"
        return name

    def _whole_row(self, expr: ex.WholeRow) -> str:
        return self.rows[expr.range_id].name

    def _property(self, expr: ex.Property) -> str:
        """By the slot that the row's shape gives the property, which is never 0."""
        row, slot = self.rows[expr.range_id].name, self.temporary()
        registry = self.subqueries.shapes(expr.table_oid)
        if expr.type.oid == oids.ANYVALUE:
            made = self.module.keep(
                "slots", (expr.table_oid, expr.name), lambda: elements.typed_slots(registry, expr.name)
            )
            tag = self.module.bind("rt", elements.tagged)
            return f"({tag}({row}[{slot}[0]], {slot}[1]) if ({slot} := {made}[{row}[0]])[0] else None)"
        key = (expr.table_oid, expr.name, expr.type.oid)
        made = self.module.keep("slots", key, lambda: elements.slots(registry, expr.name, expr.type.oid))
        return f"({row}[{slot}] if ({slot} := {made}[{row}[0]]) else None)"

    def _value_property(self, expr: ex.ValueProperty) -> str:
        reader = self.block.declare(
            f"vp_{self.module.bind('n', expr.name)}_{expr.type.oid}",
            f"ctx.property_reader({self.module.bind('n', expr.name)}, {expr.type.oid})",
        )
        access = {oids.NODE: "of_element", oids.EDGE: "of_element", oids.GRAPHRECORD: "of_record"}
        return f"{reader}.{access.get(expr.arg.type.oid, 'of_any')}({self.value(expr.arg)})"

    def _has_labels(self, expr: ex.HasLabels) -> str:
        registry = self.subqueries.shapes(expr.table_oid)
        key = (expr.table_oid, expr.labels)
        made = self.module.keep("fits", key, lambda: elements.fitting(registry, expr.labels))
        return f"{made}[{self.rows[expr.range_id].name}[0]]"

    def _value_has_labels(self, expr: ex.ValueHasLabels) -> str:
        labels = self.module.bind("labels", expr.labels)
        reader = self.block.declare(f"lr_{labels}", f"ctx.label_reader({labels})")
        return f"{reader}({self.value(expr.arg)})"

    def _element_value(self, expr: ex.ElementValue) -> str:
        parts = (expr.table, expr.row_id, expr.row, *expr.endpoints)
        made = f"({expr.graph_oid}, {', '.join(self.value(part) for part in parts)})"
        return (
            f"({made} if {self.value(expr.row_id)} is not None else None)"
            if self.nullable(expr.row_id)
            else made
        )

    def _path_value(self, expr: ex.PathValue) -> str:
        items = [self.value(item) for item in expr.items]
        if any(item.type.oid == oids.PATH or self.nullable(item) for item in expr.items):
            spread = tuple([item.type.oid == oids.PATH for item in expr.items])
            make = self.module.bind("rt", elements.path_of)
            return f"{make}(({', '.join(items)},), {spread})"
        return f"({', '.join(items)},)"

    def _record_of(self, expr: ex.RecordOf) -> str:
        pairs = zip(expr.names, expr.items, strict=True)
        cells = [f"({self.module.bind('n', name)}, {self.value(item)})" for name, item in pairs]
        return f"({', '.join(cells)},)" if cells else "()"

    def _call(self, expr: ex.Call) -> str:
        function = expr.function
        if _has_template(function):
            template = function.template
            assert template is not None
            if _has_null(expr.args):
                return "None"
            texts, guards = self.guarded_arguments(expr.args, lambda i: template.count(f"{{{i}}}") > 1)
            return _conditional(_fill(template, texts), guards)
        if function.strict:
            texts, guards = self.guarded_arguments(expr.args, lambda _: False)
        else:
            texts, guards = [self.value(a) for a in expr.args], []
        return _conditional(self.call_text(function, texts), guards)

    def call_text(self, function: Function, texts: list[str]) -> str:
        """The Python call of a function's implementation."""
        if function.needs_context:
            texts = [self.block.declare("fc", "ctx.functions"), *texts]
        return f"{self.function_name(function)}({', '.join(texts)})"

    def _cast(self, expr: ex.Cast) -> str:
        function = expr.function
        if function is None:
            return self.value(expr.arg)
        count = len(function.arg_types)
        extra = [] if count == 1 else [str(expr.type.typmod), str(expr.explicit)][: count - 1]
        if not function.strict:
            return self.call_text(function, [self.value(expr.arg)])
        texts, guards = self.guarded_arguments([expr.arg], lambda _: "{0}" in (function.template or ""))
        if function.template is not None:
            return _conditional(_fill(function.template, texts + extra), guards)
        return _conditional(self.call_text(function, texts + extra), guards)

    def _and(self, expr: ex.And) -> str:
        return self._connective(expr.args, "False", "True")

    def _or(self, expr: ex.Or) -> str:
        return self._connective(expr.args, "True", "False")

    def _connective(self, args: tuple[ex.Expr, ...], decisive: str, otherwise: str) -> str:
        """AND (decisive False) or OR (decisive True): the decisive value wins over NULL,
        NULL over the other."""
        names = [self.temporary() for _ in args]
        tests = " or ".join(
            f"({n} := {self.value(a)}) is {decisive}" for n, a in zip(names, args, strict=True)
        )
        unknown = [f"{n} is None" for n, a in zip(names, args, strict=True) if self.nullable(a)]
        rest = f"(None if {' or '.join(unknown)} else {otherwise})" if unknown else otherwise
        return f"({decisive} if {tests} else {rest})"

    def _not(self, expr: ex.Not) -> str:
        if not self.nullable(expr.arg):
            return f"(not {self._wrapped(expr.arg)})"
        name = self.temporary()
        return f"(None if ({name} := {self.value(expr.arg)}) is None else not {name})"

    def _is_null(self, expr: ex.IsNull) -> str:
        if expr.arg.type.oid == oids.RECORD or isinstance(expr.arg, ex.RowOf):
            test = self.module.bind("rt", runtime.row_is_not_null if expr.negated else runtime.row_is_null)
            return f"{test}({self.value(expr.arg)})"
        return f"({self._wrapped(expr.arg)} is {'not ' if expr.negated else ''}None)"

    def _is_truth(self, expr: ex.IsTruth) -> str:
        return f"({self._wrapped(expr.arg)} is {'not ' if expr.negated else ''}{expr.value})"

    def _is_distinct(self, expr: ex.IsDistinct) -> str:
        left, right = self.temporary(), self.temporary()
        equal = self.comparison(expr.equality, left, right)
        both = f"({left} := {self.value(expr.left)}, {right} := {self.value(expr.right)})"
        same = f"({left} is {right} if {left} is None or {right} is None else bool({equal}))"
        return f"({'' if expr.negated else 'not '}{same} if {both} else None)"

    def comparison(self, function: Function, left: str, right: str) -> str:
        """A comparison of two non-null simple texts."""
        if function.template is not None and function.strict:
            return f"({_fill(function.template, [left, right])})"
        return self.call_text(function, [left, right])

    def _case(self, expr: ex.Case) -> str:
        default = "None" if expr.default is None else self._wrapped(expr.default)
        if expr.test is None:
            parts = [f"{self._wrapped(r)} if {self.is_true(c)} else " for c, r in expr.whens]
            return f"({''.join(parts)}{default})"
        name = self.temporary()
        self.rows[expr.test_range] = RowVariable(name, 1)
        parts = [f"{self._wrapped(r)} if {self.is_true(c)} else " for c, r in expr.whens]
        del self.rows[expr.test_range]
        return f"(({''.join(parts)}{default}) if ({name} := ({self.value(expr.test)},)) else None)"

    def _coalesce(self, expr: ex.Coalesce) -> str:
        parts: list[str] = []
        for arg in expr.args[:-1]:
            text = self.value(arg)
            if not self.nullable(arg):
                return f"({''.join(parts)}{text})"
            if _ATOM.fullmatch(text):
                parts.append(f"{text} if {text} is not None else ")
            else:
                name = self.temporary()
                parts.append(f"{name} if ({name} := {text}) is not None else ")
        return f"({''.join(parts)}{self._wrapped(expr.args[-1])})"

    def _null_if(self, expr: ex.NullIf) -> str:
        left, right = self.temporary(), self.temporary()
        equal = self.comparison(expr.equality, left, right)
        tests = (
            f"({left} := {self.value(expr.left)}) is not None and ({right} := {self.value(expr.right)}) is not None"
            f" and {equal}"
        )
        return f"(None if {tests} else {left})"

    def _extreme(self, expr: ex.Extreme) -> str:
        less = self.module.bind("less", expr.less.implementation)
        extreme = self.module.bind("rt", runtime.greatest if expr.greatest else runtime.least)
        return f"{extreme}({less}, ({', '.join(self.value(a) for a in expr.args)},))"

    def _array(self, expr: ex.ArrayOf) -> str:
        items = ", ".join(self.value(i) for i in expr.items)
        if any(i.type.oid == expr.type.oid for i in expr.items):
            return f"{self.module.bind('rt', runtime.array_of_arrays)}(({items},))"
        return f"({items},)" if expr.items else "()"

    def _row(self, expr: ex.RowOf) -> str:
        items = ", ".join(self.value(i) for i in expr.items)
        make = self.module.bind("record", record_maker(tuple([i.type for i in expr.items])))
        return f"{make}(({items},))" if expr.items else f"{make}(())"

    def _subscript(self, expr: ex.Subscript) -> str:
        if expr.arg.type.oid == oids.JSONB:
            steps = ", ".join(self.value(step) for _, step in expr.bounds if step is not None)
            return f"{self.module.bind('rt', jsonb_element)}({self.value(expr.arg)}, {steps})"
        is_name = expr.arg.type.oid == oids.NAME
        element = runtime.name_letter if is_name else runtime.array_element
        access = self.module.bind("rt", runtime.array_slice if expr.is_slice else element)
        bounds = ", ".join(
            f"({'None' if lo is None else self.value(lo)}, {'None' if hi is None else self.value(hi)})"
            for lo, hi in expr.bounds
        )
        return f"{access}({self.value(expr.arg)}, ({bounds},))"

    def _any_all(self, expr: ex.AnyAll) -> str:
        if (
            not expr.is_all
            and expr.operator == "="
            and is_hashable(expr.left.type.oid)
            and is_constant(expr.array)
        ):
            return self._in_constant_set(expr)
        compare = self.module.bind("cmp", _comparer(expr.comparison))
        helper = self.module.bind("rt", runtime.compare_all if expr.is_all else runtime.compare_any)
        return f"{helper}({compare}, {self.value(expr.left)}, {self.value(expr.array)})"

    def _in_constant_set(self, expr: ex.AnyAll) -> str:
        """x IN (constants): a set made once; NULL among them turns FALSE into NULL."""
        make = self.module.bind("rt", runtime.constant_set)
        name = self.module.fresh("c")
        self.block.prologue.append(f"    {name} = {make}({self.value(expr.array)})")
        left = self.temporary()
        miss = f"({name}[1] if {left} is not None else (None if {name}[2] else False))"
        found = f"(({left} := {self.value(expr.left)}) is not None and {left} in {name}[0])"
        return f"(True if {found} else {miss})"

    def _subquery(self, expr: ex.SubqueryExpr) -> str:
        call, correlated = self.subqueries.subquery_call(expr.query, self)
        reader = self.module.bind("rt", _SUBQUERY_READERS[expr.kind])
        if expr.kind in ("any", "all"):
            return self._quantified(expr, call, correlated)
        return self._once(f"{reader}({call})", correlated)

    def _once(self, steps: str, correlated: bool) -> str:
        """`yield from steps`: where it stands if correlated, else once per execution, before the loops."""
        if correlated:
            return f"(yield from {steps})"
        slot = self.module.fresh("s")
        self.block.prologue.append(f"    {slot} = yield from ctx.once({slot!r}, lambda: {steps})")
        return slot

    def _quantified(self, expr: ex.SubqueryExpr, call: str, correlated: bool) -> str:
        lefts = f"({', '.join(self.value(e) for e in expr.lefts)},)"
        hashable = all(is_hashable(e.type.oid) for e in expr.lefts)
        is_any = expr.kind == "any"
        if is_any and expr.operator == "=" and hashable and not correlated:
            rows = self._once(f"{self.module.bind('rt', runtime.read_in_set)}({call})", False)
            return f"{self.module.bind('rt', runtime.in_set)}({lefts}, {rows})"
        rows = self._once(f"{self.module.bind('rt', runtime.read_rows)}({call})", correlated)
        compare = self.module.bind("cmp", tuple(_comparer(f) for f in expr.comparisons))
        helper = self.module.bind("rt", runtime.rows_any if is_any else runtime.rows_all)
        return f"{helper}({compare}, {lefts}, {rows}, {expr.operator == '<>'})"


def _has_null(args: tuple[ex.Expr, ...]) -> bool:
    """Whether a strict function's call is sure to be NULL; what else there is to compute must do no harm if it is not
    computed.  (A template filled with None would be odd Python: `None[2]`.)"""
    if not any(isinstance(arg, ex.Const) and arg.value is None for arg in args):
        return False
    return not any(isinstance(node, (ex.Call, ex.SubqueryExpr)) for arg in args for node in ex.walk(arg))


def _fill(template: str, texts: list[str]) -> str:
    for position, text in enumerate(texts):
        template = template.replace(f"{{{position}}}", text)
    return template


def _conditional(body: str, guards: list[str]) -> str:
    return f"({body} if {' and '.join(guards)} else None)" if guards else f"({body})"


def _is_simple(text: str) -> bool:
    return (
        _ATOM.fullmatch(text) is not None
        or _COLUMN.fullmatch(text) is not None
        or (text.startswith("(") and _closes_at_end(text))
    )


def _closes_at_end(text: str) -> bool:
    depth = 0
    for position, char in enumerate(text):
        depth += (char == "(") - (char == ")")
        if depth == 0:
            return position == len(text) - 1
    return False


def _has_template(function: Function) -> bool:
    return function.template is not None and function.strict


def is_constant(expr: ex.Expr, only_immutable: bool = False) -> bool:
    """Whether the value is the same for the whole execution: no rows, no volatile functions,
    no subqueries."""
    variable = "vs" if only_immutable else "v"
    for node in ex.walk(expr):
        if isinstance(node, (*ROW_READERS, ex.SubqueryExpr, ex.Aggregate, ex.WindowCall)):
            return False
        if isinstance(node, ex.Call) and (node.function.volatility in variable or node.function.returns_set):
            return False
        if isinstance(node, ex.Cast) and node.function is not None and node.function.volatility in variable:
            return False
    return True


def may_yield(expr: ex.Expr) -> bool:
    """Whether the Python expression can contain a `yield`, so that it must not stand in a comprehension."""
    return any(isinstance(node, ex.SubqueryExpr) for node in ex.walk(expr))


_UNHASHABLE = (
    frozenset({oids.INTERVAL, oids.JSONB, oids.RECORD, oids.FLOAT4, oids.FLOAT8, oids.NUMERIC})
    | oids.GRAPH_TYPES
    | oids.GRAPH_ARRAYS.keys()
    | oids.RANGES
    | oids.MULTIRANGES
)


def is_hashable(type_oid: int) -> bool:
    """Whether equality in SQL is equality of the atoms, NaN aside."""
    return type_oid not in _UNHASHABLE and not is_composite_or_array(type_oid)


_SUBQUERY_READERS: dict[str, Callable[..., object]] = {
    "scalar": runtime.read_scalar,
    "exists": runtime.read_exists,
    "array": runtime.read_array,
    "any": runtime.read_rows,
    "all": runtime.read_rows,
}


def _comparer(function: Function) -> Callable[..., object]:
    """A plain two-argument callable of a comparison."""
    assert function.implementation is not None
    return function.implementation


_VALUE_WRITERS: dict[type[ex.Expr], Callable[[ExpressionWriter, Any], str]] = {
    ex.Const: ExpressionWriter._const,
    ex.Param: ExpressionWriter._param,
    ex.Column: ExpressionWriter._column,
    ex.SystemColumn: ExpressionWriter._system_column,
    ex.Call: ExpressionWriter._call,
    ex.Cast: ExpressionWriter._cast,
    ex.And: ExpressionWriter._and,
    ex.Or: ExpressionWriter._or,
    ex.Not: ExpressionWriter._not,
    ex.IsNull: ExpressionWriter._is_null,
    ex.IsTruth: ExpressionWriter._is_truth,
    ex.IsDistinct: ExpressionWriter._is_distinct,
    ex.Case: ExpressionWriter._case,
    ex.Coalesce: ExpressionWriter._coalesce,
    ex.NullIf: ExpressionWriter._null_if,
    ex.Extreme: ExpressionWriter._extreme,
    ex.ArrayOf: ExpressionWriter._array,
    ex.RowOf: ExpressionWriter._row,
    ex.Subscript: ExpressionWriter._subscript,
    ex.AnyAll: ExpressionWriter._any_all,
    ex.SubqueryExpr: ExpressionWriter._subquery,
    ex.RowId: ExpressionWriter._row_id,
    ex.WholeRow: ExpressionWriter._whole_row,
    ex.Property: ExpressionWriter._property,
    ex.ValueProperty: ExpressionWriter._value_property,
    ex.HasLabels: ExpressionWriter._has_labels,
    ex.ValueHasLabels: ExpressionWriter._value_has_labels,
    ex.ElementValue: ExpressionWriter._element_value,
    ex.PathValue: ExpressionWriter._path_value,
    ex.RecordOf: ExpressionWriter._record_of,
}
