"""Binding scalar expressions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from inspect import signature
from typing import TYPE_CHECKING, Any

from sqlglot import exp

from skerry_engine import errors
from skerry_engine.algebra import expressions as ex
from skerry_engine.algebra.traversal import free_ranges
from skerry_engine.functions.casts import TIDY_FORM, attribute_getter
from skerry_engine.functions.json_building import json_object_of, over_json_rows
from skerry_engine.functions.registry import AggregateFunction, Function
from skerry_engine.functions.resolve import (
    argument_order,
    coercion_target,
    resolve_function,
    resolve_operator,
)
from skerry_engine.sql.binder.coercion import BOOL, INT4, UNKNOWN, Coercer
from skerry_engine.sql.binder.context import BindContext, array_oid
from skerry_engine.sql.binder.hints import missing_column, missing_range
from skerry_engine.sql.binder.padding import MATCHING, SEE_BLANKS, padded
from skerry_engine.sql.binder.rows import field_names, fields_of, unless_missing, whole_row
from skerry_engine.sql.binder.scope import Range, Scope
from skerry_engine.sql.binder.whitelist import check
from skerry_engine.sql.binder.windows import bind_window
from skerry_engine.sql.bridge import (
    list_index,
    literal_index,
    position_of,
    start_of,
    template_slot,
    type_name_of,
)
from skerry_engine.values import oids
from skerry_engine.values.bits import read_bits
from skerry_engine.values.io import text_decoder
from skerry_engine.values.types import SqlType, format_type, type_info
from skerry_engine.values.user_types import Field, is_composite

if TYPE_CHECKING:
    from skerry_engine.sql.binder.queries import QueryBinder

Node = exp.Expression

SYSTEM_COLUMNS = {"tableoid": oids.OID, "ctid": oids.TID, "xmin": oids.XID, "xmax": oids.XID}


@dataclass(frozen=True, slots=True)
class Place:
    """Where an expression stands: which constructs may occur in it, and the name errors give it."""

    clause: str
    aggregates: bool = False
    windows: bool = False
    sets: bool = False


WHERE = Place("WHERE")
ON = Place("JOIN conditions")
SELECT_LIST = Place("SELECT", aggregates=True, windows=True, sets=True)
HAVING = Place("HAVING", aggregates=True)
ORDER_BY = Place("ORDER BY", aggregates=True, windows=True, sets=True)
GROUP_BY = Place("GROUP BY")
LIMIT = Place("LIMIT")
VALUES = Place("VALUES")
FROM_FUNCTION = Place("functions in FROM", sets=True)
RETURNING = Place("RETURNING")
UPDATE_SET = Place("UPDATE")
FILTER = Place("FILTER")


class ExpressionBinder:
    """Binds expressions in one scope."""

    def __init__(self, queries: QueryBinder, scope: Scope, place: Place) -> None:
        self.queries = queries
        self.context: BindContext = queries.context
        self.coercer: Coercer = queries.coercer
        self.scope = scope
        self.place = place
        self.windows: dict[str, Node] = {}

    # --- entry ----------------------------------------

    def bind(self, node: Node) -> ex.Expr:
        """The typed expression for a syntax node."""
        check(node)
        self.scope.clause, self.scope.aggregates = self.place.clause, self.place.aggregates
        binder = _BINDERS.get(type(node).__name__)
        if binder is None:
            raise errors.NotSupportedError(
                f"{type(node).__name__} is not supported here", position=position_of(node)
            )
        return binder(self, node)

    def bind_optional(self, node: Node | None) -> ex.Expr | None:
        return None if node is None else self.bind(node)

    def condition(self, node: Node, construct: str) -> ex.Expr:
        """A boolean expression."""
        return self.coercer.boolean(self.bind(node), construct, start_of(node))

    # --- names ----------------------------------------

    def _column(self, node: Node) -> ex.Expr:
        return self.queries.tidy(self._named_column(node))

    def _named_column(self, node: Node) -> ex.Expr:
        if isinstance(node.this, exp.Star):
            return whole_row(self.queries.star_range(node, self.scope))
        parts = [node.args.get(part) for part in ("catalog", "db", "table")]
        names = [part.this for part in parts if part is not None]
        name = node.this.this
        position = position_of(node)
        if not names:
            return self._unqualified(name, position)
        return self._qualified(names, name, position)

    def reference(self, names: tuple[str, ...], position: int) -> ex.Expr | None:
        """The column that a dotted name means; None where it means no column, nor a table that could have one.

        Raises UndefinedColumn for one that its table does not have.
        """
        if len(names) == 1:
            found = self.scope.unqualified(names[0], position)
            if found is not None:
                self._note_position(found, position)
            return found
        if len(names) > 3 or self.scope.range_named(names[-2], names[0] if len(names) == 3 else None) is None:
            return None
        return self._qualified(list(names[:-1]), names[-1], position)

    def _unqualified(self, name: str, position: int | None) -> ex.Expr:
        found = self.scope.unqualified(name, position)
        if found is not None:
            self._note_position(found, position)
            return found
        whole = self.scope.range_named(name)
        if whole is not None:
            return whole_row(whole)
        system = self._system_column(self.scope.ranges, name, position)
        if system is not None:
            return system
        raise missing_column(self.scope, None, name, position)

    def _note_position(self, found: ex.Expr, position: int | None) -> None:
        if isinstance(found, ex.Column):
            self.context.note_column(found.range_id, found.position, position)

    def _qualified(self, names: list[str], name: str, position: int | None) -> ex.Expr:
        schema = names[-2] if len(names) > 1 else None
        item = self.scope.range_named(names[-1], schema)
        if item is None:
            raise missing_range(self.context, self.queries.ctes, self.scope, names, position)
        column = self._column_of(item, name, position)
        if column is not None:
            return column
        system = self._system_column([item], name, position)
        if system is not None:
            return system
        raise missing_column(self.scope, names[-1], name, position)

    def _column_of(self, item: Range, name: str, position: int | None) -> ex.Expr | None:
        try:
            column = item.column(name)
        except errors.AmbiguousColumn as error:
            error.position = position
            raise
        if column is None:
            return None
        found = item.reference(column)
        self._note_position(found, position)
        return found

    def _system_column(self, ranges: list[Range], name: str, position: int | None) -> ex.Expr | None:
        if name not in SYSTEM_COLUMNS:
            return None
        found = [r for r in ranges if r.table_oid]
        if not found:
            return None
        if len(found) > 1:
            raise errors.AmbiguousColumn(f'column reference "{name}" is ambiguous', position=position)
        if name == "tableoid":
            return unless_missing(found[0], ex.Const(SqlType(oids.OID), found[0].table_oid))
        raise errors.NotSupportedError(f"system column {name} is not supported", position=position)

    # --- constants and parameters ----------------------------------------

    def _literal(self, node: Node) -> ex.Expr:
        number = literal_index(node)
        if number is not None:
            return self.context.parameters.literal(number)
        slot = template_slot(node)
        if slot is not None:
            return self.queries.template_column(slot)
        if node.args["is_string"]:
            return ex.Const(UNKNOWN, node.this)
        return number_constant(str(node.this))

    def _null(self, node: Node) -> ex.Expr:
        return ex.Const(UNKNOWN, None)

    def _boolean(self, node: Node) -> ex.Expr:
        return ex.Const(BOOL, bool(node.this))

    def _bits(self, node: Node) -> ex.Expr:
        digits = f"x{node.this}" if isinstance(node, exp.HexString) else str(node.this)
        try:
            return ex.Const(SqlType(oids.BIT), read_bits(digits))
        except errors.DatabaseError as error:
            error.position = position_of(node)
            raise

    def _parameter(self, node: Node) -> ex.Expr:
        number = int(node.this.this)
        if number < 1 or number > 65535:
            raise errors.UndefinedParameter(f"there is no parameter ${number}", position=position_of(node))
        return self.context.parameters.client(number)

    def _placeholder(self, node: Node) -> ex.Expr:
        return self.context.parameters.named(str(node.this))

    # --- logic ----------------------------------------

    def _and(self, node: Node) -> ex.Expr:
        return ex.And(BOOL, tuple(self._flat_conditions(node, exp.And, "AND")))

    def _or(self, node: Node) -> ex.Expr:
        return ex.Or(BOOL, tuple(self._flat_conditions(node, exp.Or, "OR")))

    def _flat_conditions(self, node: Node, kind: type[Any], construct: str) -> list[ex.Expr]:
        operands: list[Node] = []
        pending = [node]
        while pending:
            item = pending.pop()
            if isinstance(item, kind):
                check(item)
                pending.extend((item.expression, item.this))
            else:
                operands.append(item)
        return [self.condition(operand, construct) for operand in operands]

    def _not(self, node: Node) -> ex.Expr:
        return ex.Not(BOOL, self.condition(node.this, "NOT"))

    def _is(self, node: Node) -> ex.Expr:
        what = node.expression
        negated = bool(node.args.get("negate"))
        if isinstance(what, exp.Null):
            return self._null_test(self.bind(node.this), negated)
        value = bool(what.this) if isinstance(what, exp.Boolean) else None
        shown = "UNKNOWN" if value is None else str(value).upper()
        arg = self.condition(node.this, f"IS {'NOT ' if negated else ''}{shown}")
        return ex.IsTruth(BOOL, arg, value, negated)

    def _null_test(self, arg: ex.Expr, negated: bool) -> ex.Expr:
        """IS [NOT] NULL; of a row it asks about every field."""
        row = fields_of(arg)
        if row is not None:
            tests = tuple(ex.IsNull(BOOL, item, negated) for item in row.items)
            return ex.And(BOOL, tests) if tests else ex.Const(BOOL, True)
        if is_composite(arg.type.oid):
            arg = self.coercer.implicit(arg, oids.RECORD)
        return ex.IsNull(BOOL, arg, negated)

    def _distinct_from(self, node: Node) -> ex.Expr:
        return self._is_distinct(node, False)

    def _not_distinct_from(self, node: Node) -> ex.Expr:
        return self._is_distinct(node, True)

    def _is_distinct(self, node: Node, negated: bool) -> ex.Expr:
        left, right = self.bind(node.this), self.bind(node.expression)
        if isinstance(left, ex.RowOf) and isinstance(right, ex.RowOf):
            return self._rows_distinct(left, right, negated, position_of(node))
        if isinstance(right, ex.Const) and right.value is None:
            return ex.IsNull(BOOL, left, not negated)
        call = self.operator("=", left, right, position_of(node))
        return ex.IsDistinct(BOOL, call.args[0], call.args[1], call.function, negated)

    def _rows_distinct(self, left: ex.RowOf, right: ex.RowOf, negated: bool, position: int | None) -> ex.Expr:
        """Rows are distinct when any of their fields are."""
        if len(left.items) != len(right.items):
            raise errors.SyntaxError("unequal number of entries in row expressions", position=position)
        tests: list[ex.Expr] = []
        for a, b in zip(left.items, right.items, strict=True):
            call = self.operator("=", a, b, position)
            tests.append(ex.IsDistinct(BOOL, call.args[0], call.args[1], call.function))
        distinct = _disjunction(tests)
        return ex.Not(BOOL, distinct) if negated else distinct

    def _between(self, node: Node) -> ex.Expr:
        position = position_of(node)
        value, low, high = self.bind(node.this), self.bind(node.args["low"]), self.bind(node.args["high"])
        within = self._within(value, low, high, position)
        if node.args.get("symmetric"):
            within = ex.Or(BOOL, (within, self._within(value, high, low, position)))
        return ex.Not(BOOL, within) if node.args.get("negate") else within

    def _within(self, value: ex.Expr, low: ex.Expr, high: ex.Expr, position: int | None) -> ex.Expr:
        above = self.operator(">=", value, low, position)
        below = self.operator("<=", value, high, position)
        return ex.And(BOOL, (above, below))

    # --- operators ----------------------------------------

    def operator(self, name: str, left: ex.Expr | None, right: ex.Expr, position: int | None) -> ex.Call:
        """An operator applied to bound operands.  Raises UndefinedFunction, AmbiguousFunction."""
        left_oid = None if left is None else left.type.oid
        operator, types, result = resolve_operator(name, left_oid, right.type.oid, position)
        operands = [right] if left is None else [left, right]
        if name in MATCHING and types[0] == oids.BPCHAR:
            operands[0] = padded(operands[0])
        args = tuple(self.coercer.implicit(a, t, position) for a, t in zip(operands, types, strict=True))
        return ex.Call(SqlType(result), operator.function, args, name)

    def _operator(self, node: Node) -> ex.Expr:
        name = str(node.args["operator"])
        schema = node.args.get("schema")
        position = position_of(node)
        if schema not in (None, "pg_catalog"):
            raise errors.UndefinedFunction(f"operator does not exist: {schema}.{name}", position=position)
        right_node = node.expression
        if isinstance(right_node, (exp.Any, exp.All)):
            return self._quantified(node, name, right_node, position)
        if node.this is None:
            return self._prefix(name, right_node, position)
        if isinstance(node.this, exp.Tuple) and (isinstance(right_node, (exp.Tuple, exp.Subquery))):
            return self._row_comparison(node, name, right_node, position)
        return self.operator(name, self.bind(node.this), self.bind(right_node), position)

    def _prefix(self, name: str, operand_node: Node, position: int | None) -> ex.Expr:
        operand = self.bind(operand_node)
        if name == "-" and isinstance(operand, ex.Const) and _is_number(operand_node):
            negated = str(operand.value)
            return number_constant(negated.lstrip("-"), negative=not negated.startswith("-"))
        return self.operator(name, None, operand, position)

    def _quantified(self, node: Node, name: str, right: Node, position: int | None) -> ex.Expr:
        is_all = isinstance(right, exp.All)
        inner = right.this
        if isinstance(inner, exp.Subquery):
            return self._subquery_comparison(node.this, inner, name, is_all, position)
        return self.any_all(self.bind(node.this), self.bind(inner), name, is_all, position)

    def any_all(
        self,
        left: ex.Expr,
        array: ex.Expr,
        name: str,
        is_all: bool,
        position: int | None,
        as_in: bool = False,
    ) -> ex.Expr:
        """`left op ANY (array)`."""
        if array.type.oid == oids.UNKNOWN:
            element = left.type.oid if left.type.oid != oids.UNKNOWN else oids.TEXT
            array = self.coercer.implicit(array, array_oid(element), position)
        info = type_info(array.type.oid)
        if not info.is_array and array.type.oid not in oids.VECTORS:
            raise errors.WrongObjectType("op ANY/ALL (array) requires array on right side", position=position)
        operator, types, result = resolve_operator(name, left.type.oid, info.element_oid, position)
        if result != oids.BOOL:
            raise errors.DatatypeMismatch(
                "op ANY/ALL (array) requires operator to yield boolean", position=position
            )
        left = self.coercer.implicit(left, types[0], position)
        if types[1] != info.element_oid:
            array = self.coercer.implicit(array, array_oid(types[1]) or array.type.oid, position)
        return ex.AnyAll(BOOL, left, array, operator.function, name, is_all, as_in)

    def _row_comparison(self, node: Node, name: str, right: Node, position: int | None) -> ex.Expr:
        if isinstance(right, exp.Subquery):
            return self._subquery_comparison(node.this, right, name, False, position)
        lefts = [self.bind(item) for item in node.this.expressions]
        rights = [self.bind(item) for item in right.expressions]
        if len(lefts) != len(rights):
            raise errors.SyntaxError("unequal number of entries in row expressions", position=position)
        return self.compare_rows(name, lefts, rights, position)

    def compare_rows(
        self, name: str, lefts: list[ex.Expr], rights: list[ex.Expr], position: int | None
    ) -> ex.Expr:
        """(a, b) op (c, d), taken apart into comparisons of the fields."""
        pairs = list(zip(lefts, rights, strict=True))
        if name == "=":
            return _conjunction([self.operator("=", a, b, position) for a, b in pairs])
        if name in ("<>", "!="):
            return ex.Or(BOOL, tuple(self.operator("<>", a, b, position) for a, b in pairs))
        if name not in ("<", "<=", ">", ">="):
            raise errors.NotSupportedError(f"row comparison with {name} is not supported", position=position)
        strict = name[0]
        alternatives: list[ex.Expr] = []
        for length in range(len(pairs)):
            equal: list[ex.Expr] = [self.operator("=", a, b, position) for a, b in pairs[:length]]
            last = name if length == len(pairs) - 1 else strict
            alternatives.append(_conjunction([*equal, self.operator(last, *pairs[length], position)]))
        return alternatives[0] if len(alternatives) == 1 else ex.Or(BOOL, tuple(alternatives))

    def _in(self, node: Node) -> ex.Expr:
        position = position_of(node)
        found = self._in_subquery(node) if node.args.get("query") else self._in_list(node, position)
        return ex.Not(BOOL, found) if node.args.get("negate") else found

    def _in_subquery(self, node: Node) -> ex.Expr:
        return self._subquery_comparison(node.this, node.args["query"], "=", False, position_of(node))

    def _in_list(self, node: Node, position: int | None) -> ex.Expr:
        items = node.expressions
        if len(items) == 1 and (number := list_index(items[0])) is not None:
            return self._in_long_list(self.bind(node.this), number, position)
        if isinstance(node.this, exp.Tuple):
            lefts = [self.bind(e) for e in node.this.expressions]
            rows = [[self.bind(e) for e in item.expressions] for item in items]
            return _disjunction([self.compare_rows("=", lefts, row, position) for row in rows])
        left = self.bind(node.this)
        bound = [self.bind(item) for item in items]
        if all(isinstance(b, (ex.Const, ex.Param)) for b in bound) and len(bound) > 1:
            try:
                oid, same = self.coercer.common([left, *bound], "IN")
            except errors.DatatypeMismatch:
                return _disjunction([self.operator("=", left, b, position) for b in bound])
            if array_oid(oid):
                array = ex.ArrayOf(SqlType(array_oid(oid)), tuple(same[1:]))
                return self.any_all(same[0], array, "=", False, position, as_in=True)
        return _disjunction([self.operator("=", left, b, position) for b in bound])

    def _in_long_list(self, left: ex.Expr, number: int, position: int | None) -> ex.Expr:
        kind = self.context.parameters.list_kind(number)
        own = {"int4": oids.INT4, "int8": oids.INT8, "numeric": oids.NUMERIC}.get(kind, oids.UNKNOWN)
        types = resolve_operator("=", left.type.oid, own, position)[1]
        return self.any_all(
            left, self.context.parameters.array(number, types[1]), "=", False, position, as_in=True
        )

    # --- subqueries ----------------------------------------

    def _subquery(self, node: Node) -> ex.Expr:
        query = self.queries.subquery(node.this, self.scope)
        if len(query.columns) != 1:
            raise errors.SyntaxError("subquery must return only one column", position=position_of(node))
        return ex.SubqueryExpr(query.columns[0].type, "scalar", query)

    def _exists(self, node: Node) -> ex.Expr:
        inner = node.this.this if isinstance(node.this, exp.Subquery) else node.this
        return ex.SubqueryExpr(BOOL, "exists", self.queries.subquery(inner, self.scope))

    def _subquery_comparison(
        self, left_node: Node, right: Node, name: str, is_all: bool, position: int | None
    ) -> ex.Expr:
        query = self.queries.subquery(right.this, self.scope)
        left_nodes = left_node.expressions if isinstance(left_node, exp.Tuple) else [left_node]
        lefts = [self.bind(item) for item in left_nodes]
        if len(query.columns) != len(lefts):
            more = "too many" if len(query.columns) > len(lefts) else "too few"
            raise errors.SyntaxError(f"subquery has {more} columns", position=position)
        functions: list[Function] = []
        typed: list[ex.Expr] = []
        wanted: list[SqlType] = []
        for left, column in zip(lefts, query.columns, strict=True):
            operator, types, _ = resolve_operator(name, left.type.oid, column.type.oid, position)
            functions.append(operator.function)
            typed.append(self.coercer.implicit(left, types[0], position))
            wanted.append(column.type if types[1] == column.type.oid else SqlType(types[1]))
        query = self.queries.with_types(query, wanted)
        kind = "all" if is_all else "any"
        return ex.SubqueryExpr(BOOL, kind, query, tuple(typed), tuple(functions), name)

    # --- casts and constructors ----------------------------------------

    def type_of(self, node: Node) -> SqlType:
        """The type that a DataType node names."""
        name = type_name_of(node)
        if len(name.names) > 1:
            self.context.check_schema(name.names[-2], name.position)
        return self.context.resolve_type(name)

    def _cast(self, node: Node) -> ex.Expr:
        target = self.type_of(node.args["to"])
        if (
            isinstance(node.this, exp.Array)
            and type_info(target.oid).is_array
            and not node.this.args.get("query")
        ):
            return self._typed_array(node.this, target)
        if isinstance(node.this, exp.Literal) and node.this.args["is_string"]:
            return self._literal_cast(node.this, target, position_of(node))
        return self.coercer.cast(self.bind(node.this), target, position_of(node))

    def _literal_cast(self, literal: Node, target: SqlType, position: int | None) -> ex.Expr:
        """A string as a value of a type; what is wrong with the string is reported where it stands."""
        try:
            cast = self.coercer.cast(self.bind(literal), target, position)
            if isinstance(cast, ex.Cast) and isinstance(cast.arg, ex.Const):
                text_decoder(SqlType(target.oid), self.queries.io)(str(cast.arg.value))
        except errors.DatabaseError as error:
            error.position = error.position or position_of(literal)
            raise
        return cast

    def _typed_array(self, node: Node, target: SqlType) -> ex.Expr:
        """ARRAY[...]::t[] types the elements, which also gives an empty array its type."""
        check(node)
        domain = target.domain & ~1
        element = SqlType(type_info(target.oid).element_oid, target.typmod, domain)
        items: list[ex.Expr] = []
        for item in node.expressions:
            if isinstance(item, exp.Array):
                items.append(self._typed_array(item, target))
            else:
                items.append(self.coercer.cast(self.bind(item), element, position_of(item)))
        return ex.ArrayOf(SqlType(target.oid, -1, target.domain), tuple(items))

    def _array(self, node: Node) -> ex.Expr:
        position = position_of(node)
        if node.args.get("query"):
            query = self.queries.subquery(node.args["query"].this, self.scope)
            element = query.columns[0].type.oid
            if element == oids.RECORD:
                raise _no_record_arrays(position)
            return ex.SubqueryExpr(SqlType(array_oid(element) or element), "array", query)
        if not node.expressions:
            raise errors.IndeterminateDatatype(
                "cannot determine type of empty array",
                hint="Explicitly cast to the desired type, for example ARRAY[]::integer[].",
                position=position,
            )
        items = [self.bind(item) for item in node.expressions]
        if all(type_info(item.type.oid).is_array for item in items):
            return ex.ArrayOf(items[0].type, tuple(self.coercer.common(items, "ARRAY")[1]))
        oid, items = self.coercer.common(items, "ARRAY", positions_of(node.expressions))
        array = array_oid(oid)
        if oid == oids.RECORD:
            raise _no_record_arrays(position)
        if not array:
            raise errors.UndefinedObject(
                f"could not find array type for data type {format_type(oid)}", position=position
            )
        return ex.ArrayOf(SqlType(array, _shared_type(oid, items).typmod), tuple(items))

    def _bracket(self, node: Node) -> ex.Expr:
        base = self.bind(node.this)
        info = type_info(base.type.oid)
        if base.type.oid == oids.JSONB:
            return self._json_subscripts(base, node)
        element = info.element_oid
        if not element:
            raise errors.DatatypeMismatch(
                f"cannot subscript type {format_type(base.type.oid)} because it does not support subscripting",
                position=position_of(node),
            )
        is_slice = any(isinstance(item, exp.Slice) for item in node.expressions)
        bounds: list[tuple[ex.Expr | None, ex.Expr | None]] = []
        for item in node.expressions:
            if isinstance(item, exp.Slice):
                check(item)
                bounds.append((self._index(item.this), self._index(item.args.get("expression"))))
            elif is_slice:
                bounds.append((ex.Const(INT4, 1), self._index(item)))
            else:
                bounds.append((None, self._index(item)))
        result = base.type if is_slice else SqlType(element, base.type.typmod)
        shift = 1 if base.type.oid in (oids.INT2VECTOR, oids.OIDVECTOR) else 0
        if shift:
            bounds = [(low, None if high is None else self._plus_one(high)) for low, high in bounds]
        return ex.Subscript(result, base, tuple(bounds), is_slice)

    def _plus_one(self, index: ex.Expr) -> ex.Expr:
        """int2vector and oidvector count from 0."""
        return self.operator("+", index, ex.Const(INT4, 1), None)

    def _json_subscripts(self, base: ex.Expr, node: Node) -> ex.Expr:
        bounds = tuple((None, self.json_subscript(item)) for item in node.expressions)
        return ex.Subscript(SqlType(oids.JSONB), base, bounds, False)

    def json_subscript(self, node: Node) -> ex.Expr:
        """A subscript of jsonb: an integer, or else a text."""
        if isinstance(node, exp.Slice):
            inner = node.args.get("expression") or node.this
            raise errors.DatatypeMismatch(
                "jsonb subscript does not support slices", position=None if inner is None else start_of(inner)
            )
        bound = self.bind(node)
        wanted = (oids.TEXT,) if bound.type.oid == oids.UNKNOWN else (oids.INT4, oids.TEXT)
        for oid in wanted:
            found = self.coercer.coerce(bound, SqlType(oid), "i")
            if found is not None:
                return found
        raise errors.DatatypeMismatch(
            f"subscript type {format_type(bound.type.oid)} is not supported",
            hint="jsonb subscript must be coercible to either integer or text.",
            position=start_of(node),
        )

    def _index(self, node: Node | None) -> ex.Expr | None:
        return None if node is None else self.coercer.implicit(self.bind(node), oids.INT4, position_of(node))

    def _tuple(self, node: Node) -> ex.Expr:
        items: list[ex.Expr] = []
        for item in node.expressions:
            if isinstance(item, exp.Column) and isinstance(item.this, exp.Star):
                items.extend(expr for _, expr in self.queries.expand_star(item, self.scope))
            else:
                items.append(self.coercer.known(self.bind(item)))
        return ex.RowOf(SqlType(oids.RECORD), tuple(items))

    def _collate(self, node: Node) -> ex.Expr:
        name = node.expression.this
        if name not in ("default", "C", "POSIX", "ucs_basic"):
            raise errors.UndefinedObject(
                f'collation "{name}" for encoding "UTF8" does not exist', position=position_of(node)
            )
        bound = self.bind(node.this)
        if type_info(bound.type.oid).category not in ("S", "X", "A"):
            raise errors.DatatypeMismatch(
                f"collations are not supported by type {format_type(bound.type.oid)}",
                position=position_of(node),
            )
        return bound

    def _dot(self, node: Node) -> ex.Expr:
        """(row).field."""
        position = position_of(node.this)
        row = self.bind(node.this)
        if isinstance(node.expression, exp.Star):
            raise errors.NotSupportedError('row expansion via "*" is not supported here', position=position)
        name = node.expression.this
        fields = fields_of(row)
        if fields is not None:
            names = field_names(fields)
            if name in names:
                return fields.items[names.index(name)]
            shown = f'could not identify column "{name}" in record data type'
            if fields.names and isinstance(node.this, exp.Column):
                shown = f"column {node.this.name}.{name} does not exist"
            raise errors.UndefinedColumn(shown, position=position)
        if is_composite(row.type.oid):
            for field in self.queries.io.types.composite(row.type.oid).fields:
                if field.name == name:
                    return attribute_of(row, field)
            raise errors.UndefinedColumn(
                f'column "{name}" not found in data type {format_type(row.type.oid)}', position=position
            )
        if row.type.oid == oids.RECORD:
            raise errors.NotSupportedError(
                "selecting a field of this record is not supported", position=position
            )
        raise errors.WrongObjectType(
            f"column notation .{name} applied to type {format_type(row.type.oid)}, which is not a composite type",
            position=position,
        )

    def expand_row(self, node: Node) -> list[tuple[str, ex.Expr]]:
        """The fields of `(row).*`, with their names."""
        check(node)
        row = self.bind(node.this)
        if is_composite(row.type.oid):
            fields = self.queries.io.types.composite(row.type.oid).fields
            return [(field.name, attribute_of(row, field)) for field in fields]
        written = fields_of(row)
        if written is None and row.type.oid != oids.RECORD:
            raise errors.WrongObjectType(f"type {format_type(row.type.oid)} is not composite")
        if written is None:
            raise errors.NotSupportedError(
                "expanding this record is not supported", position=position_of(node.this)
            )
        return list(zip(field_names(written), written.items, strict=True))

    # --- conditionals ----------------------------------------

    def _case(self, node: Node) -> ex.Expr:
        test: ex.Expr | None = None
        test_column: ex.Expr | None = None
        range_id = -1
        if node.this is not None:
            test = self.coercer.known(self.bind(node.this))
            range_id = self.context.new_range()
            test_column = ex.Column(test.type, range_id, 0, "case")
        conditions: list[ex.Expr] = []
        results: list[ex.Expr] = []
        for branch in node.args["ifs"]:
            check(branch)
            if test_column is None:
                conditions.append(self.condition(branch.this, "CASE/WHEN"))
            else:
                conditions.append(
                    self.operator("=", test_column, self.bind(branch.this), position_of(branch))
                )
            results.append(self.bind(branch.args["true"]))
        default = self.bind_optional(node.args.get("default"))
        nodes = [branch.args["true"] for branch in node.args["ifs"]]
        everything = results
        if default is not None:
            everything, nodes = [default, *results], [node.args["default"], *nodes]
        self._refuse_sets([*conditions, *everything], "CASE")
        oid, coerced = self.coercer.common(everything, "CASE", positions_of(nodes))
        shared = SqlType(oid) if default is None else _shared_type(oid, coerced)
        if default is not None:
            default, coerced = coerced[0], coerced[1:]
        case = ex.Case(shared, tuple(zip(conditions, coerced, strict=True)), default, test, range_id)
        return case if test is None else self._same_case(case)

    def _same_case(self, case: ex.Case) -> ex.Case:
        """The equal simple CASE that this query has already, if it has: GROUP BY and DISTINCT compare expressions,
        and two would differ in the number of the range that holds their test."""

        def unnumbered(node: ex.Expr) -> ex.Expr | None:
            is_test = isinstance(node, ex.Column) and node.range_id == case.test_range
            return ex.Column(node.type, -1, 0, "case") if is_test else None

        key = ex.transform(case, unnumbered)
        assert isinstance(key, ex.Case)
        return self.context.simple_cases.setdefault(replace(key, test_range=-1), case)

    def _refuse_sets(self, parts: list[ex.Expr], construct: str) -> None:
        """Set-returning functions may not stand where not every part is evaluated."""
        for node in (n for part in parts for n in ex.walk(part)):
            if isinstance(node, ex.Call) and node.function.returns_set:
                raise errors.NotSupportedError(
                    f"set-returning functions are not allowed in {construct}",
                    hint="You might be able to move the set-returning function into a LATERAL FROM item.",
                    position=self.context.call_positions.get(node),
                )

    def _coalesce(self, node: Node) -> ex.Expr:
        nodes = [node.this, *node.expressions]
        args = [self.bind(a) for a in nodes]
        self._refuse_sets(args, "COALESCE")
        oid, coerced = self.coercer.common(args, "COALESCE", positions_of(nodes))
        return ex.Coalesce(_shared_type(oid, coerced), tuple(coerced))

    def _nullif(self, node: Node) -> ex.Expr:
        left, right = self.bind(node.this), self.bind(node.expression)
        call = self.operator("=", left, right, position_of(node))
        if is_composite(left.type.oid) and right.type.oid == left.type.oid:
            return ex.NullIf(left.type, left, right, call.function)
        return ex.NullIf(call.args[0].type, call.args[0], call.args[1], call.function)

    def _greatest(self, node: Node) -> ex.Expr:
        return self._extreme(node, True)

    def _least(self, node: Node) -> ex.Expr:
        return self._extreme(node, False)

    def _extreme(self, node: Node, greatest: bool) -> ex.Expr:
        position = position_of(node)
        nodes = [node.this, *node.expressions]
        args = [self.bind(a) for a in nodes]
        oid, coerced = self.coercer.common(args, "GREATEST" if greatest else "LEAST", positions_of(nodes))
        less, _, _ = resolve_operator("<", oid, oid, position)
        return ex.Extreme(_shared_type(oid, coerced), tuple(coerced), greatest, less.function)

    # --- calls ----------------------------------------

    def _call(self, node: Node) -> ex.Expr:
        name = str(node.this)
        if node.args.get("bare"):
            return self._bare_call(node, name)
        schema = node.args.get("schema")
        if isinstance(schema, exp.Identifier):
            schema = schema.this
        mark = len(self.context.column_notes)
        args, names = self._without_voids(*self._arguments(node))
        position = position_of(node)
        rows_as_json = name == "json_agg" and len(args) == 1 and fields_of(args[0]) is not None
        if name in _TAKE_JSON:
            args = [self._rows_as_json(arg) for arg in args]
            if name == "row_to_json" and len(args) == 1 and is_composite(args[0].type.oid):
                name = "to_json"  # a record of it would have lost its attributes' names
            if name == "row_to_json" and len(args) == 1 and args[0].type.oid == oids.JSON:
                return args[0]
        if node.args.get("within_group"):
            return self._within_group_call(node, name, args, position)
        types = [a.type.oid for a in args]
        if schema is not None:
            self.context.check_schema(schema, position)
        if name == "pg_typeof" and len(args) == 1 and self._is_untyped(args[0]):
            return ex.Const(SqlType(oids.REGTYPE), oids.UNKNOWN)
        target = None if schema not in (None, "pg_catalog") else coercion_target(name, types)
        if target is not None and not node.args.get("over"):
            return self.coercer.cast(args[0], SqlType(target), position)
        try:
            function, arg_types, result = resolve_function(
                name, types, schema, position, bool(node.args.get("variadic")), names
            )
        except errors.UndefinedFunction:
            field = self._field_called(name, args) if schema is None else None
            if field is None:
                raise
            return field
        if any(names):
            args = _in_declared_order(function, args, names)
        args = [self.coercer.implicit(a, t, position) for a, t in zip(args, arg_types, strict=False)]
        if name in SEE_BLANKS:
            args = [padded(arg) for arg in args]
        if result == oids.RECORD_ARRAY:
            raise _no_record_arrays(position)
        if isinstance(function, AggregateFunction):
            if rows_as_json:
                function = over_json_rows(function)
            if not args and not node.args.get("star"):
                raise errors.WrongObjectType(
                    f"{name}(*) must be used to call a parameterless aggregate function", position=position
                )
            aggregate = self._aggregate(node, function, args, result, position)
            if isinstance(aggregate, ex.Aggregate):
                self._forget_columns(aggregate, mark)
            return aggregate
        if function.kind == "w" or node.args.get("over"):
            return self._window_call(node, function, args, result, position)
        self._refuse_aggregate_parts(node, name, position)
        if node.args.get("star"):
            raise errors.WrongObjectType(
                f"{name}(*) specified, but {name} is not an aggregate function", position=position
            )
        if function.returns_set and not self.place.sets:
            raise errors.NotSupportedError(
                f"set-returning functions are not allowed in {self.place.clause}", position=position
            )
        call = ex.Call(SqlType(result), function, tuple(args))
        if function.returns_set:
            self.context.call_positions.setdefault(call, position)
        return call

    def _is_untyped(self, expr: ex.Expr) -> bool:
        """Whether an expression is a literal that nothing has given a type."""
        if expr.type.oid != oids.UNKNOWN:
            return False
        return isinstance(expr, ex.Const) or (
            isinstance(expr, ex.Param) and self.context.parameters.slots[expr.index].source == "literal"
        )

    def _field_called(self, name: str, args: list[ex.Expr]) -> ex.Expr | None:
        """name(row) is (row).name."""
        row = fields_of(args[0]) if len(args) == 1 else None
        if row is None or name not in field_names(row):
            return None
        return row.items[field_names(row).index(name)]

    def _rows_as_json(self, expr: ex.Expr) -> ex.Expr:
        """A row as JSON, NULL if it is missing; anything else as it is."""
        row = fields_of(expr)
        if row is None:
            return expr
        text = self._row_as_json(row)
        if not isinstance(expr, ex.Case):
            return text
        return ex.Case(text.type, ((expr.whens[0][0], ex.Const(text.type, None)),), text)

    def _row_as_json(self, row: ex.RowOf) -> ex.Expr:
        """A row as a JSON object: rows do not know their fields' types at run time,
        so it is built field by field."""
        names = field_names(row)
        items = [padded(self.coercer.known(item)) for item in row.items]
        items = [self._rows_as_json(item) for item in items]
        parts: list[ex.Expr] = []
        for item in items:
            function, types, result = resolve_function("to_json", [item.type.oid])
            assert isinstance(function, Function)
            call = ex.Call(SqlType(result), function, (self.coercer.implicit(item, types[0]),))
            parts.append(ex.Coalesce(SqlType(result), (call, ex.Const(SqlType(result), "null"))))
        return ex.Call(SqlType(oids.JSON), json_object_of(names), tuple(parts))

    def _arguments(self, node: Node) -> tuple[list[ex.Expr], list[str | None]]:
        args: list[ex.Expr] = []
        names: list[str | None] = []
        for item in node.expressions:
            if isinstance(item, exp.Kwarg):
                check(item)
                names.append(item.this.this)
                args.append(self.bind(item.expression))
            else:
                names.append(None)
                args.append(self.bind(item))
        return args, names

    def _without_voids(
        self, args: list[ex.Expr], names: list[str | None]
    ) -> tuple[list[ex.Expr], list[str | None]]:
        """A call's arguments without parameters of type void: JDBC sends such for results of procedures."""
        slots = self.context.parameters.slots
        kept = [
            (arg, name)
            for arg, name in zip(args, names, strict=True)
            if arg.type.oid != oids.VOID
            or not isinstance(arg, ex.Param)
            or slots[arg.index].source != "client"
        ]
        return [arg for arg, _ in kept], [name for _, name in kept]

    def _bare_call(self, node: Node, name: str) -> ex.Expr:
        if name == "grouping":
            return self._grouping(node)
        now = resolve_function("now", [])[0]
        assert isinstance(now, Function)
        stamp: ex.Expr = ex.Call(SqlType(oids.TIMESTAMPTZ), now, ())
        targets = {
            "current_date": oids.DATE,
            "current_time": oids.TIMETZ,
            "current_timestamp": oids.TIMESTAMPTZ,
            "localtime": oids.TIME,
            "localtimestamp": oids.TIMESTAMP,
        }
        if name in targets:
            modifier = -1
            if node.expressions:
                modifier = int(node.expressions[0].this)
            return self.coercer.cast(stamp, SqlType(targets[name], modifier), position_of(node))
        functions = {
            "current_role": "current_user",
            "user": "current_user",
            "current_catalog": "current_database",
        }
        function, _, result = resolve_function(functions.get(name, name), [])
        assert isinstance(function, Function)
        return ex.Call(SqlType(result), function, ())

    def _grouping(self, node: Node) -> ex.Expr:
        if not self.place.aggregates:
            raise errors.GroupingError("grouping operations are not allowed here", position=position_of(node))
        call = ex.Call(SqlType(oids.INT4), GROUPING, tuple(self.bind(e) for e in node.expressions))
        for item, arg in zip(node.expressions, call.args, strict=True):
            self.context.call_positions.setdefault(arg, start_of(item))
        return call

    def _refuse_aggregate_parts(self, node: Node, name: str, position: int | None) -> None:
        for part, shown in (("distinct", "DISTINCT"), ("order", "ORDER BY"), ("filter", "FILTER")):
            if node.args.get(part):
                raise errors.WrongObjectType(
                    f"{shown} specified, but {name} is not an aggregate function", position=position
                )

    def _aggregate(
        self, node: Node, function: AggregateFunction, args: list[ex.Expr], result: int, position: int | None
    ) -> ex.Expr:
        distinct = bool(node.args.get("distinct"))
        filter_node = node.args.get("filter")
        condition = None
        if filter_node is not None:
            condition = self._filter(filter_node)
        order = node.args.get("order")
        keys = self.queries.sort_keys(order, self) if order is not None else ()
        if distinct and any(key.expr not in args for key in keys):
            outside = next(n for n, key in enumerate(keys) if key.expr not in args)
            raise errors.InvalidColumnReference(
                "in an aggregate with DISTINCT, ORDER BY expressions must appear in argument list",
                position=start_of(order.expressions[outside].this) if order is not None else position,
            )
        if distinct and not keys and function.name in _ORDER_SENSITIVE:
            keys = tuple(ex.SortKey(arg) for arg in args)  # duplicates are found by sorting, and it shows
        if node.args.get("over") is not None:
            return self._window_call(node, function, args, result, position, condition)
        aggregate = ex.Aggregate(SqlType(result), function, tuple(args), distinct, condition, keys)
        return self._checked_aggregate(aggregate, position)

    def _filter(self, node: Node) -> ex.Expr:
        return ExpressionBinder(self.queries, self.scope, FILTER).condition(node, "FILTER")

    def _checked_aggregate(self, aggregate: ex.Aggregate, position: int | None) -> ex.Aggregate:
        """The aggregate, if one may stand here: in a subquery it may be one of an enclosing query's."""
        level = self._level_of(aggregate)
        own = level.entries is self.scope.entries
        allowed, clause = self.place.aggregates, self.place.clause
        if not own:
            allowed, clause = level.aggregates, level.clause
        if not allowed:
            raise errors.GroupingError(f"aggregate functions are not allowed in {clause}", position=position)
        for inner in self._inside(aggregate):
            place = self.context.call_positions.get(inner)
            if isinstance(inner, ex.Aggregate) and self._level_of(inner).entries is level.entries:
                raise errors.GroupingError("aggregate function calls cannot be nested", position=place)
            if isinstance(inner, ex.WindowCall):
                raise errors.GroupingError(
                    "aggregate function calls cannot contain window function calls", position=place
                )
            if isinstance(inner, ex.Call) and inner.function.returns_set:
                raise errors.NotSupportedError(
                    "aggregate function calls cannot contain set-returning function calls",
                    hint="You might be able to move the set-returning function into a LATERAL FROM item.",
                    position=place,
                )
        self.context.call_positions.setdefault(aggregate, position)
        return aggregate

    def _forget_columns(self, aggregate: ex.Aggregate, mark: int) -> None:
        """Columns that an aggregate of their own level reads need not be grouped."""
        own = {item.range_id for item in self._level_of(aggregate).entries}
        notes = self.context.column_notes
        notes[mark:] = [note for note in notes[mark:] if note[0] not in own]

    def _inside(self, call: ex.Expr) -> list[ex.Expr]:
        return [node for child in ex.children(call) for node in ex.walk(child)]

    def _level_of(self, aggregate: ex.Aggregate) -> Scope:
        """The query level that an aggregate belongs to: the innermost that its arguments read,
        else this one."""
        wanted = free_ranges((aggregate.args, aggregate.filter, aggregate.order_by))
        scope: Scope | None = self.scope if wanted else None
        while scope is not None:
            if any(item.range_id in wanted for item in scope.entries):
                return scope
            scope = scope.parent
        return self.scope

    def _within_group_call(
        self, node: Node, name: str, direct: list[ex.Expr], position: int | None
    ) -> ex.Expr:
        keys = self.queries.sort_keys(node.args["within_group"], self)
        types = [a.type.oid for a in direct] + [k.expr.type.oid for k in keys]
        function, arg_types, result = resolve_function(name, types, None, position)
        if not isinstance(function, AggregateFunction):
            raise errors.WrongObjectType(f"{name} is not an ordered-set aggregate", position=position)
        direct = [self.coercer.implicit(a, t, position) for a, t in zip(direct, arg_types, strict=False)]
        inputs = [
            replace(k, expr=self.coercer.implicit(k.expr, t, position))
            for k, t in zip(keys, arg_types[len(direct) :], strict=False)
        ]
        self._check_direct(direct, position)
        args = (*direct, *(k.expr for k in inputs))
        filter_node = node.args.get("filter")
        condition = None if filter_node is None else self._filter(filter_node)
        aggregate = ex.Aggregate(SqlType(result), function, args, False, condition, tuple(inputs))
        return self._checked_aggregate(aggregate, position)

    def _check_direct(self, direct: list[ex.Expr], position: int | None) -> None:
        """Direct arguments are one for a group: columns in them are refused, also grouped ones."""
        for node in (n for arg in direct for n in ex.walk(arg)):
            if isinstance(node, ex.Column) and any(node.range_id == r.range_id for r in self.scope.entries):
                raise errors.NotSupportedError(
                    "columns in the direct arguments of an ordered-set aggregate are not supported",
                    position=self.context.column_place(node.range_id, node.position) or position,
                )

    def _window_call(
        self,
        node: Node,
        function: Function | AggregateFunction,
        args: list[ex.Expr],
        result: int,
        position: int | None,
        condition: ex.Expr | None = None,
    ) -> ex.Expr:
        over = node.args.get("over")
        if over is None:
            raise errors.WrongObjectType(
                f"window function {node.this} requires an OVER clause", position=position
            )
        if not self.place.windows:
            raise errors.WindowingError(
                f"window functions are not allowed in {self.place.clause}", position=position
            )
        if isinstance(function, Function) and function.kind != "w":
            raise errors.WrongObjectType(
                f"OVER specified, but {node.this} is not a window function nor an aggregate function",
                position=position,
            )
        if node.args.get("distinct"):
            raise errors.NotSupportedError(
                "DISTINCT is not implemented for window functions", position=position
            )
        for inner in (n for arg in args for n in ex.walk(arg)):
            if isinstance(inner, ex.WindowCall):
                place = self.context.call_positions.get(inner)
                raise errors.WindowingError("window function calls cannot be nested", position=place)
        partition, order, frame = bind_window(self.queries, over, self)
        for inner in (n for e in (*partition, *(k.expr for k in order)) for n in ex.walk(e)):
            if isinstance(inner, ex.WindowCall):
                place = self.context.call_positions.get(inner)
                raise errors.WindowingError(
                    "window functions are not allowed in window definitions", position=place
                )
        call = ex.WindowCall(SqlType(result), function, tuple(args), partition, order, frame, condition)
        self.context.call_positions.setdefault(call, position)
        return call


_TAKE_JSON = frozenset(
    {"row_to_json", "to_json", "to_jsonb", "json_agg", "jsonb_agg", "json_build_array"}
) | {
    "json_build_object",
    "jsonb_build_object",
    "jsonb_build_array",
    "json_object_agg",
    "jsonb_object_agg",
}


_ORDER_SENSITIVE = frozenset({"array_agg", "string_agg", "json_agg", "jsonb_agg"})


def number_constant(text: str, negative: bool = False) -> ex.Const:
    """An unadorned number as PostgreSQL types it: int4, int8, numeric."""
    if text.isdigit():
        value = -int(text) if negative else int(text)
        if -(1 << 31) <= value < 1 << 31:
            return ex.Const(INT4, value)
        if -(1 << 63) <= value < 1 << 63:
            return ex.Const(SqlType(oids.INT8), value)
        return ex.Const(SqlType(oids.NUMERIC), Decimal(value))
    number = _plain_decimal(Decimal(text))
    return ex.Const(SqlType(oids.NUMERIC), number.copy_negate() if negative and number else number)


def _is_number(node: Node) -> bool:
    """Whether a node is a number as written, with signs before it perhaps."""
    while isinstance(node, exp.Operator) and node.this is None and node.args["operator"] == "-":
        node = node.expression
    return isinstance(node, exp.Literal) and not node.args["is_string"]


def _plain_decimal(value: Decimal) -> Decimal:
    """1e3 is 1000 in SQL: no positive exponents."""
    exponent = value.as_tuple().exponent
    return Decimal(int(value)) if isinstance(exponent, int) and exponent > 0 else value


def _in_declared_order(
    function: Function | AggregateFunction, args: list[ex.Expr], names: list[str | None]
) -> list[ex.Expr]:
    """The arguments of a call in named notation as the function declares them, defaults filled in."""
    assert isinstance(function, Function) and function.implementation is not None
    parameters = list(signature(function.implementation).parameters.values())[
        1 if function.needs_context else 0 :
    ]
    ordered: list[ex.Expr] = []
    for position, given in enumerate(argument_order(function, names)):
        if given >= 0:
            ordered.append(args[given])
        else:
            ordered.append(ex.Const(SqlType(function.arg_types[position]), parameters[position].default))
    return ordered


def _no_record_arrays(position: int | None) -> errors.NotSupportedError:
    return errors.NotSupportedError("arrays of records are not supported", position=position)


def positions_of(nodes: list[Node]) -> list[int | None]:
    """Where the nodes stand in the text."""
    return [start_of(node) for node in nodes]


def attribute_of(row: ex.Expr, field: Field) -> ex.Call:
    """An attribute of a value of a composite type."""
    if isinstance(row, ex.Call) and row.function.form == TIDY_FORM:
        row = row.args[0]
    getter = attribute_getter(row.type.oid, field.number, field.name, field.type_oid)
    return ex.Call(SqlType(field.type_oid, field.typmod), getter, (row,))


def _shared_type(oid: int, exprs: list[ex.Expr]) -> SqlType:
    """The type of alternatives: with their modifier when they all have the same."""
    modifiers = {e.type.typmod for e in exprs}
    return SqlType(oid, modifiers.pop() if len(modifiers) == 1 else -1)


def _conjunction(parts: list[ex.Expr]) -> ex.Expr:
    return parts[0] if len(parts) == 1 else ex.And(BOOL, tuple(parts))


def _disjunction(parts: list[ex.Expr]) -> ex.Expr:
    return parts[0] if len(parts) == 1 else ex.Or(BOOL, tuple(parts))


GROUPING = Function(9001, "grouping", (), oids.INT4, strict=False)
"""GROUPING(...): stands for itself until the grouping is bound, then reads the group's bit mask."""

_BINDERS: dict[str, Callable[[ExpressionBinder, Any], ex.Expr]] = {
    "And": ExpressionBinder._and,
    "Anonymous": ExpressionBinder._call,
    "Array": ExpressionBinder._array,
    "Between": ExpressionBinder._between,
    "Boolean": ExpressionBinder._boolean,
    "BitString": ExpressionBinder._bits,
    "HexString": ExpressionBinder._bits,
    "Bracket": ExpressionBinder._bracket,
    "Case": ExpressionBinder._case,
    "Cast": ExpressionBinder._cast,
    "Coalesce": ExpressionBinder._coalesce,
    "Collate": ExpressionBinder._collate,
    "Column": ExpressionBinder._column,
    "Dot": ExpressionBinder._dot,
    "Exists": ExpressionBinder._exists,
    "Greatest": ExpressionBinder._greatest,
    "In": ExpressionBinder._in,
    "Is": ExpressionBinder._is,
    "Least": ExpressionBinder._least,
    "Literal": ExpressionBinder._literal,
    "Not": ExpressionBinder._not,
    "Null": ExpressionBinder._null,
    "NullSafeEQ": ExpressionBinder._not_distinct_from,
    "NullSafeNEQ": ExpressionBinder._distinct_from,
    "Nullif": ExpressionBinder._nullif,
    "Operator": ExpressionBinder._operator,
    "Or": ExpressionBinder._or,
    "Parameter": ExpressionBinder._parameter,
    "Placeholder": ExpressionBinder._placeholder,
    "Subquery": ExpressionBinder._subquery,
    "Tuple": ExpressionBinder._tuple,
}
