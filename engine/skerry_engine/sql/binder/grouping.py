"""Taking aggregates, window functions and set-returning functions out of expressions.

Each becomes a column of a node below; in the expressions a reference stands in its place.  What is left over
must be made of grouping keys only, else it is a column that "must appear in the GROUP BY clause".
"""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import product
from typing import TYPE_CHECKING, TypeVar

from sqlglot import exp

from skerry_engine import errors
from skerry_engine.algebra import expressions as ex
from skerry_engine.algebra import queries as q
from skerry_engine.algebra.traversal import bound_ranges, free_ranges, relation_ranges, rewrite_all, walk_all
from skerry_engine.catalog.objects import Table
from skerry_engine.sql.binder import expressions as be
from skerry_engine.sql.binder.scope import Scope
from skerry_engine.sql.binder.whitelist import check
from skerry_engine.sql.bridge import position_of
from skerry_engine.values import oids
from skerry_engine.values.types import SqlType

if TYPE_CHECKING:
    from skerry_engine.sql.binder.queries import Item, QueryBinder

Node = exp.Expression
_E = TypeVar("_E", bound=ex.Expr)
Sets = tuple[tuple[int, ...], ...]


class Grouper:
    """Groups one SELECT block."""

    def __init__(self, queries: QueryBinder, scope: Scope) -> None:
        self.queries = queries
        self.context = queries.context
        self.scope = scope

    # --- GROUP BY ----------------------------------------

    def keys(self, group: Node, items: list[Item]) -> tuple[list[ex.Expr], Sets]:
        """The distinct grouping expressions, and the grouping sets as positions in them (none
        for a plain list)."""
        check(group)
        keys: list[ex.Expr] = []
        factors: list[list[tuple[int, ...]]] = []
        is_plain = True
        for node in group.expressions:
            sets = self._element(node, items, keys)
            is_plain = (
                is_plain and len(sets) == 1 and not isinstance(node, (exp.Rollup, exp.Cube, exp.GroupingSets))
            )
            factors.append(sets)
        if is_plain and keys:
            return keys, ()
        combined = [tuple(sorted({p for part in choice for p in part})) for choice in product(*factors)]
        if group.args.get("distinct"):
            combined = list(dict.fromkeys(combined))
        return keys, tuple(combined)

    def _element(self, node: Node, items: list[Item], keys: list[ex.Expr]) -> list[tuple[int, ...]]:
        if isinstance(node, exp.Rollup):
            parts = [self._positions(e, items, keys) for e in node.expressions]
            return [tuple(p for part in parts[:n] for p in part) for n in range(len(parts), -1, -1)]
        if isinstance(node, exp.Cube):
            parts = [self._positions(e, items, keys) for e in node.expressions]
            masks = range((1 << len(parts)) - 1, -1, -1)
            return [
                tuple(p for n, part in enumerate(parts) if mask >> (len(parts) - 1 - n) & 1 for p in part)
                for mask in masks
            ]
        if isinstance(node, exp.GroupingSets):
            return [found for e in node.expressions for found in self._element(e, items, keys)]
        return [self._positions(node, items, keys)]

    def _positions(self, node: Node, items: list[Item], keys: list[ex.Expr]) -> tuple[int, ...]:
        if isinstance(node, exp.Tuple) and not node.args.get("row"):
            return tuple(p for e in node.expressions for p in self._positions(e, items, keys))
        expr = self._key(node, items)
        shapes = [shape_of(key) for key in keys]
        if shape_of(expr) not in shapes:
            keys.append(expr)
            return (len(keys) - 1,)
        return (shapes.index(shape_of(expr)),)

    def _key(self, node: Node, items: list[Item]) -> ex.Expr:
        from skerry_engine.sql.binder.queries import plain_ordinal

        ordinal = plain_ordinal(node, "GROUP BY")
        if ordinal is not None:
            if not 1 <= ordinal <= len(items):
                raise errors.InvalidColumnReference(
                    f"GROUP BY position {ordinal} is not in select list", position=position_of(node)
                )
            return self._from_item(items[ordinal - 1], node)
        if isinstance(node, exp.Column) and node.args.get("table") is None:
            name = node.this.this
            if self.scope._unqualified_here(name, position_of(node)) is None:
                for item in items:
                    if item.name == name:
                        return self._from_item(item, node)
        bound = be.ExpressionBinder(self.queries, self.scope, be.GROUP_BY).bind(node)
        return self.queries.coercer.known(bound)

    def _from_item(self, item: Item, node: Node) -> ex.Expr:
        item.expr = self.queries.coercer.known(item.expr)
        for inner in ex.walk(item.expr):
            place = self.context.call_positions.get(inner)
            if isinstance(inner, ex.Aggregate):
                raise errors.GroupingError("aggregate functions are not allowed in GROUP BY", position=place)
            if isinstance(inner, ex.WindowCall):
                raise errors.WindowingError("window functions are not allowed in GROUP BY", position=place)
        return item.expr

    # --- aggregation ----------------------------------------

    def group(
        self,
        relation: q.Relation,
        keys: list[ex.Expr],
        sets: Sets,
        having: ex.Expr | None,
        parts: list[ex.Expr],
        grouped: bool,
    ) -> tuple[q.Relation, list[ex.Expr]]:
        """The relation grouped if anything asks for it, HAVING applied; `parts` rewritten over the groups."""
        everything = [*parts, *([having] if having is not None else [])]
        inner = set(relation_ranges(relation))
        aggregates = list(dict.fromkeys(_own_aggregates(everything, inner)))
        if not aggregates and not grouped and having is None:
            self._refuse_grouping(everything)
            return relation, parts
        range_id = self.context.new_range()
        keys = keys + self._dependent_columns(everything, keys, inner) if not sets else keys
        grouping_column = ex.Column(
            SqlType(oids.INT4), range_id, len(keys) + len(aggregates), "grouping", False
        )
        replacements: dict[ex.Expr, ex.Expr] = {}
        is_extended = any(isinstance(node, q.Join) and node.kind != "inner" for node in walk_all(relation))
        for n, key in enumerate(keys):
            nullable = bool(sets) or is_extended or not isinstance(key, ex.Column)
            if isinstance(key, ex.Column):
                # a row of an enclosing query may be extended by an outer join there
                nullable = nullable or key.nullable or key.range_id not in inner
            name = key.name if isinstance(key, ex.Column) else "?column?"
            replacements[key] = ex.Column(key.type, range_id, n, name, nullable)
        shapes = {shape_of(key): replacements[key] for key in keys if has_subquery(key)}
        for n, aggregate in enumerate(aggregates):
            replacements[aggregate] = ex.Column(
                aggregate.type, range_id, len(keys) + n, aggregate.function.name
            )

        def change(node: object) -> object | None:
            if isinstance(node, ex.Expr):
                replacement = replacements.get(node)
                if replacement is None and shapes and has_subquery(node):
                    replacement = shapes.get(shape_of(node))
                if replacement is not None:
                    return replacement
                if isinstance(node, ex.Call) and node.function is be.GROUPING:
                    return self._grouping_value(node, keys, grouping_column if sets else None)
            return None

        rewritten = [rewrite_all(part, change) for part in parts]
        new_having = None if having is None else rewrite_all(having, change)
        for part in [*rewritten, *([new_having] if new_having is not None else [])]:
            self._check_grouped(part, inner)
        result: q.Relation = q.Aggregation(range_id, relation, tuple(keys), tuple(aggregates), sets)
        if new_having is not None:
            result = q.Filter(result, new_having)
        return result, rewritten

    def _dependent_columns(self, parts: list[ex.Expr], keys: list[ex.Expr], inner: set[int]) -> list[ex.Expr]:
        """Columns of tables whose whole primary key is grouped: they are keys too, as they depend on it."""
        determined = {
            r.range_id for r in self.scope.ranges if self._key_is_grouped(r.table_oid, r.range_id, keys)
        }
        extra: dict[ex.Expr, None] = {}
        for node in _outside_aggregates(parts):
            if isinstance(node, ex.Column) and node.range_id in determined & inner and node not in keys:
                extra[node] = None
        return list(extra)

    def _key_is_grouped(self, table_oid: int, range_id: int, keys: list[ex.Expr]) -> bool:
        table = self.context.database.relation(table_oid)
        if not isinstance(table, Table) or table.primary_key is None:
            return False
        grouped = {k.position for k in keys if isinstance(k, ex.Column) and k.range_id == range_id}
        return all(table.column(n).position in grouped for n in table.primary_key.columns)

    def _grouping_value(self, call: ex.Call, keys: list[ex.Expr], mask: ex.Column | None) -> ex.Expr:
        """GROUPING(a, b): bit per argument, set where the argument is not grouped, from the group's mask."""
        positions: list[int] = []
        for arg in call.args:
            if arg not in keys:
                raise self._no_grouping_key(arg)
            positions.append(keys.index(arg))
        if mask is None:
            return ex.Const(SqlType(oids.INT4), 0)
        total: ex.Expr | None = None
        binder = be.ExpressionBinder(self.queries, self.scope, be.SELECT_LIST)
        for n, position in enumerate(positions):
            shift = ex.Const(SqlType(oids.INT4), len(keys) - 1 - position)
            one = ex.Const(SqlType(oids.INT4), 1)
            bit: ex.Expr = binder.operator("&", binder.operator(">>", mask, shift, None), one, None)
            weight = ex.Const(SqlType(oids.INT4), len(positions) - 1 - n)
            bit = binder.operator("<<", bit, weight, None)
            total = bit if total is None else binder.operator("|", total, bit, None)
        assert total is not None
        return total

    def _no_grouping_key(self, arg: ex.Expr) -> errors.GroupingError:
        return errors.GroupingError(
            "arguments to GROUPING must be grouping expressions of the associated query level",
            position=self.context.call_positions.get(arg),
        )

    def _refuse_grouping(self, parts: list[ex.Expr]) -> None:
        """GROUPING() of a query that does not group."""
        for call in _collect(parts, ex.Call):
            if call.function is be.GROUPING:
                raise self._no_grouping_key(call.args[0])

    def _check_grouped(self, part: ex.Expr, inner: set[int]) -> None:
        direct = {id(node) for node in ex.walk(part)}
        for node in walk_all(part):
            if not isinstance(node, ex.Column) or node.range_id not in inner:
                continue
            item = next((r for r in self.scope.ranges if r.range_id == node.range_id), None)
            shown = f'"{item.alias}.{node.name}"' if item is not None and item.alias else f'"{node.name}"'
            position = self.context.column_place(node.range_id, node.position)
            if id(node) not in direct:
                raise errors.GroupingError(
                    f"subquery uses ungrouped column {shown} from outer query", position=position
                )
            raise errors.GroupingError(
                f"column {shown} must appear in the GROUP BY clause or be used in an aggregate function",
                position=position,
            )

    # --- windows and sets ----------------------------------------

    def windows(self, relation: q.Relation, parts: list[ex.Expr]) -> tuple[q.Relation, list[ex.Expr]]:
        """Window functions moved into Window nodes, one per PARTITION BY and ORDER BY."""
        calls = list(dict.fromkeys(_collect(parts, ex.WindowCall)))
        if not calls:
            return relation, parts
        groups: dict[tuple[object, object], list[ex.WindowCall]] = {}
        for call in calls:
            groups.setdefault((call.partition_by, call.order_by), []).append(call)
        replacements: dict[ex.Expr, ex.Expr] = {}
        for members in groups.values():
            range_id = self.context.new_range()
            for n, call in enumerate(members):
                replacements[call] = ex.Column(call.type, range_id, n, call.function.name)
            relation = q.Window(range_id, relation, tuple(members))
        return relation, [ex.transform(part, replacements.get) for part in parts]

    def sets(
        self, relation: q.Relation, parts: list[ex.Expr], outputs: int
    ) -> tuple[q.Relation, list[ex.Expr]]:
        """Set-returning functions of the select list moved into a ProjectSet."""
        calls: list[ex.Call] = []
        for part in parts:
            for node in ex.walk(part):
                if isinstance(node, ex.Call) and node.function.returns_set and node not in calls:
                    calls.append(node)
        if not calls:
            return relation, parts
        range_id = self.context.new_range()
        replacements: dict[ex.Expr, ex.Expr] = {
            call: ex.Column(call.type, range_id, n, call.function.name) for n, call in enumerate(calls)
        }
        for call in calls:
            if any(isinstance(n, ex.Call) and n.function.returns_set for a in call.args for n in ex.walk(a)):
                raise errors.NotSupportedError("nested set-returning functions are not supported")
        return q.ProjectSet(range_id, relation, tuple(calls)), [
            ex.transform(part, replacements.get) for part in parts
        ]


def has_subquery(expr: ex.Expr) -> bool:
    """Whether a query is used inside the expression."""
    return any(isinstance(node, ex.SubqueryExpr) for node in ex.walk(expr))


def shape_of(expr: ex.Expr) -> object:
    """What is equal for expressions that mean the same although their subqueries' ranges
    are numbered differently."""
    if not has_subquery(expr):
        return expr
    own = bound_ranges(expr)
    numbers: dict[str, int] = {}

    def renumbered(found: re.Match[str]) -> str:
        field, number = found[1], found[2]
        if field != "cte_id" and int(number) not in own:
            return found[0]
        return f"{field}=#{numbers.setdefault(('c' if field == 'cte_id' else 'r') + number, len(numbers))}"

    return re.sub(r"\b(range_id|cte_id|data_range|test_range)=(\d+)", renumbered, repr(expr))


def _collect(parts: list[ex.Expr], kind: type[_E]) -> list[_E]:
    """The nodes of `kind` in the expressions (not inside subqueries)."""
    return [node for part in parts for node in ex.walk(part) if isinstance(node, kind)]


def _own_aggregates(parts: list[ex.Expr], inner: set[int]) -> list[ex.Aggregate]:
    """The aggregates over the ranges `inner`: those of this level,
    and those in subqueries that read only its ranges.

    An aggregate in a subquery that reads ranges of the subquery's own has found its place below, in an
    Aggregation.  One of this level that reads only enclosing queries' ranges is theirs.
    """
    found: list[ex.Aggregate] = []
    for part in parts:
        direct = {id(node) for node in ex.walk(part)}
        everything = list(walk_all(part))
        placed = {id(a) for node in everything if isinstance(node, q.Aggregation) for a in node.aggregates}
        for node in everything:
            if isinstance(node, ex.Aggregate) and id(node) not in placed:
                reads = free_ranges((node.args, node.filter, node.order_by))
                if reads & inner or (not reads and id(node) in direct):
                    found.append(node)
    return found


def _outside_aggregates(parts: list[ex.Expr]) -> list[object]:
    """Every node that does not stand inside an aggregate's arguments; subqueries are entered."""
    found: list[object] = []

    def visit(node: object) -> object | None:
        if isinstance(node, ex.Aggregate):
            return node
        found.append(node)
        return None

    keep: Callable[[object], object | None] = visit
    for part in parts:
        rewrite_all(part, keep)
    return found
