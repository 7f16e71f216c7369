"""Binding queries: FROM, WHERE, grouping, windows, select lists, set operations, WITH.

A SELECT is bound in the order in which SQL gives its clauses meaning.  The select list, HAVING and ORDER BY
are first bound over FROM's ranges, with aggregates and window functions standing inside the expressions;
`grouping` then moves those into nodes of their own and leaves columns in their place:

    FROM -> WHERE -> Aggregation -> HAVING -> Window -> ProjectSet -> select list -> DISTINCT -> ORDER BY -> LIMIT
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from sqlglot import exp

from skerry_engine import errors
from skerry_engine.algebra import expressions as ex
from skerry_engine.algebra import queries as q
from skerry_engine.algebra.traversal import walk_all
from skerry_engine.catalog.objects import SystemTable, Table, View
from skerry_engine.functions.casts import tidied
from skerry_engine.functions.dynamic import exactly
from skerry_engine.functions.polymorphism import common_type
from skerry_engine.functions.resolve import resolve_operator
from skerry_engine.sql.binder import expressions as be
from skerry_engine.sql.binder.coercion import INT8, UNKNOWN, Coercer
from skerry_engine.sql.binder.context import BindContext, BoundCte, CteScope
from skerry_engine.sql.binder.from_clause import VIEW, FromBinder
from skerry_engine.sql.binder.grouping import Grouper
from skerry_engine.sql.binder.hints import missing_range
from skerry_engine.sql.binder.locking import check_lockable, check_no_locks, lock_name, lock_rows
from skerry_engine.sql.binder.naming import output_name
from skerry_engine.sql.binder.scope import Range, Scope, ScopeColumn
from skerry_engine.sql.binder.whitelist import check
from skerry_engine.sql.binder.windows import check_names
from skerry_engine.sql.bridge import position_of, start_of
from skerry_engine.values import oids
from skerry_engine.values.io import IoContext
from skerry_engine.values.types import SqlType
from skerry_engine.values.user_types import is_composite_or_array

Node = exp.Expression


@dataclass(slots=True)
class Item:
    """One column of a select list."""

    name: str
    expr: ex.Expr
    node: Node | None


class QueryBinder:
    """Binds the queries of one statement."""

    def __init__(self, context: BindContext, io: IoContext) -> None:
        self.context = context
        self.coercer = Coercer(context.parameters, io)
        self.io = io
        self.ctes = CteScope()
        self._template: tuple[int, tuple[str, ...]] | None = None
        self._view_depth = 0
        self._depth = 0

    # --- entry ----------------------------------------

    def query(self, node: Node, scope: Scope | None = None, final: bool = True) -> q.Query:
        """A query of any kind.  `final`: outputs of unknown type become text."""
        check(node)
        with_ = node.args.get("with_")
        self._depth += 1
        if with_ is None:
            bound = self._body(node, scope)
        else:
            bound = self._with(node, with_, scope)
        self._depth -= 1
        return self._all_known(bound) if final else bound

    def subquery(self, node: Node, scope: Scope) -> q.Query:
        """A query inside an expression or FROM that may refer to `scope`."""
        return self.query(node.this if isinstance(node, exp.Subquery) else node, scope)

    def _body(self, node: Node, scope: Scope | None) -> q.Query:
        if isinstance(node, exp.Select):
            return self._select(node, scope)
        if isinstance(node, exp.Values):
            return self._values_query(node, scope)
        if isinstance(node, (exp.Union, exp.Except, exp.Intersect)):
            return self._set_operation(node, scope)
        if isinstance(node, exp.Subquery):
            return self.query(node.this, scope, final=False)
        if isinstance(node, (exp.Insert, exp.Update, exp.Delete)):
            return self.change(node)
        raise errors.NotSupportedError(f"{type(node).__name__} is not supported", position=position_of(node))

    def change(self, node: Node) -> q.Query:
        """INSERT, UPDATE or DELETE."""
        from skerry_engine.sql.binder.changes import ChangeBinder

        return ChangeBinder(self).change(node)

    # --- types of outputs ----------------------------------------

    def _all_known(self, query: q.Query) -> q.Query:
        if all(c.type.oid != oids.UNKNOWN for c in query.columns):
            return query
        wanted = [SqlType(oids.TEXT) if c.type.oid == oids.UNKNOWN else c.type for c in query.columns]
        return self.with_types(query, wanted)

    def with_types(self, query: q.Query, wanted: list[SqlType], context: str = "i") -> q.Query:
        """The query with its outputs cast to `wanted`, implicitly, or by assignment ("a").  A view's are of these types
        but where properties of a graph have got others since (VIEW), and then each value has to be of its type."""
        if all(
            c.type == w or (c.type.oid == w.oid and w.typmod == -1 and not w.domain)
            for c, w in zip(query.columns, wanted, strict=True)
        ):
            return query
        if isinstance(query, q.Select) and not query.distinct:
            outputs = tuple(
                self._cast_output(e, w, context, c.name)
                for e, w, c in zip(query.outputs, wanted, query.columns, strict=True)
            )
            columns = tuple(replace(c, type=e.type) for c, e in zip(query.columns, outputs, strict=True))
            return replace(query, outputs=outputs, columns=columns)
        range_id = self.context.new_range()
        reads = [ex.Column(c.type, range_id, n, c.name) for n, c in enumerate(query.columns)]
        outputs = tuple(self._cast_output(e, w, context, e.name) for e, w in zip(reads, wanted, strict=True))
        columns = tuple(replace(c, type=e.type) for c, e in zip(query.columns, outputs, strict=True))
        return q.Select(columns, q.Derived(range_id, query), outputs)

    def _cast_output(self, expr: ex.Expr, wanted: SqlType, context: str, name: str) -> ex.Expr:
        if context == VIEW and expr.type.oid == oids.ANYVALUE != wanted.oid:
            return ex.Call(SqlType(wanted.oid), exactly(wanted.oid, name), (expr,))
        if context in ("i", VIEW):
            return self.coercer.implicit(expr, wanted.oid)
        done = self.coercer.coerce(expr, wanted, context)
        return expr if done is None else done

    # --- WITH ----------------------------------------

    def _with(self, node: Node, with_: Node, scope: Scope | None) -> q.Query:
        check(with_)
        self._check_changes(with_, scope)
        self.ctes = CteScope(self.ctes)
        self.ctes.coming = {item.args["alias"].this.this for item in with_.expressions}
        bound = [self._cte(item, bool(with_.args.get("recursive")), scope) for item in with_.expressions]
        self.ctes.coming.clear()
        body = self._body(node, scope)
        assert self.ctes.parent is not None
        self.ctes = self.ctes.parent
        return q.With(body.columns, tuple(bound), body)

    def _check_changes(self, with_: Node, scope: Scope | None) -> None:
        """WITH ... AS (INSERT ...) belongs at the top of a statement."""
        if self._depth == 1 and scope is None:
            return
        for item in with_.expressions:
            if isinstance(item.this, (exp.Insert, exp.Update, exp.Delete, exp.Merge)):
                raise errors.NotSupportedError(
                    "WITH clause containing a data-modifying statement must be at the top level",
                    position=position_of(item),
                )

    def _cte(self, node: Node, recursive: bool, scope: Scope | None) -> q.Cte:
        check(node)
        alias = node.args["alias"]
        name = alias.this.this
        if name in self.ctes.ctes:
            raise errors.DuplicateAlias(
                f'WITH query name "{name}" specified more than once', position=position_of(node)
            )
        given = [c.this for c in alias.args.get("columns") or []]
        cte_id = self.context.new_cte()
        inner = node.this.this if isinstance(node.this, exp.Subquery) else node.this
        if recursive and isinstance(inner, (exp.Union, exp.Except, exp.Intersect)) and _mentions(inner, name):
            return self._recursive_cte(inner, name, cte_id, given, scope)
        if recursive and _mentions(inner, name):
            raise _not_recursive_form(name, position_of(node))
        query = self.query(inner, scope)
        columns = _named_columns(query.columns, given, name, node)
        self.ctes.ctes[name] = BoundCte(name, cte_id, columns)
        return q.Cte(cte_id, name, query, column_names=_given_names(columns, given))

    def _recursive_cte(
        self, node: Node, name: str, cte_id: int, given: list[str], scope: Scope | None
    ) -> q.Cte:
        check(node)
        position = position_of(node)
        if not isinstance(node, exp.Union):
            raise _not_recursive_form(name, position)
        shown = {"order": "ORDER BY", "limit": "LIMIT", "offset": "OFFSET", "locks": "FOR UPDATE/SHARE"}
        for part, clause in shown.items():
            value = node.args.get(part)
            if value:
                raise errors.NotSupportedError(
                    f"{clause} in a recursive query is not implemented",
                    position=_clause_position(part, value),
                )
        if node.args.get("with_"):
            raise errors.NotSupportedError("WITH in a recursive query is not implemented", position=position)
        within = _mention(node.this, name)
        if within is not None:
            raise errors.InvalidRecursion(
                f'recursive reference to query "{name}" must not appear within its non-recursive term',
                position=position_of(within),
            )
        base = self.query(node.this, scope)
        columns = _named_columns(base.columns, given, name, node)
        self.ctes.ctes[name] = BoundCte(name, cte_id, columns)
        step = self.query(node.expression, scope, final=False)
        self._check_step(step, cte_id, position)
        if len(step.columns) != len(base.columns):
            raise errors.SyntaxError(
                "each UNION query must have the same number of columns", position=position
            )
        for n, (a, b) in enumerate(zip(base.columns, step.columns, strict=True), 1):
            wanted = common_type([a.type.oid, b.type.oid], "UNION")
            if wanted != a.type.oid:
                raise errors.DatatypeMismatch(
                    f'recursive query "{name}" column {n} has type {_shown(a.type)} in non-recursive term'
                    f" but type {_shown(SqlType(wanted))} overall",
                    hint="Cast the output of the non-recursive term to the correct type.",
                    position=position,
                )
        step = self.with_types(step, [SqlType(c.type.oid) for c in base.columns])
        names = _given_names(columns, given)
        return q.Cte(cte_id, name, base, step, not node.args.get("distinct"), names)

    def _check_step(self, step: q.Query, cte_id: int, position: int | None) -> None:
        for node in walk_all(step):
            if isinstance(node, q.Aggregation) and any(
                isinstance(inner, q.CteScan) and inner.cte_id == cte_id for inner in walk_all(node.input)
            ):
                raise errors.InvalidRecursion(
                    "aggregate functions are not allowed in a recursive query's recursive term",
                    position=self.context.call_positions.get(node.aggregates[0], position)
                    if node.aggregates
                    else position,
                )

    # --- SELECT ----------------------------------------

    def _select(self, node: Node, parent: Scope | None) -> q.Query:
        scope = Scope(parent)
        relation: q.Relation = q.OneRow()
        if node.args.get("from_") is not None:
            relation = FromBinder(self, scope).from_clause(node.args["from_"])
        windows = check_names(node.args.get("windows") or [])
        if node.args.get("where") is not None:
            where = be.ExpressionBinder(self, scope, be.WHERE)
            relation = q.Filter(relation, where.condition(node.args["where"].this, "WHERE"))
        items = self._select_list(node.expressions, scope, windows)
        group_nodes = node.args.get("group")
        grouper = Grouper(self, scope)
        keys, sets = grouper.keys(group_nodes, items) if group_nodes is not None else ([], ())
        having = self._having(node, scope)
        order = self._order_by(node.args.get("order"), scope, items, windows)
        on = self._distinct_on(node.args.get("distinct"), scope, items, windows)
        exprs = [item.expr for item in items]
        parts = [*exprs, *(k.expr for k in order), *on]
        check_lockable(node, parts)
        relation, parts = grouper.group(relation, keys, sets, having, parts, group_nodes is not None)
        relation, parts = grouper.windows(relation, parts)
        relation, parts = grouper.sets(relation, parts, len(items))
        outputs = tuple(parts[: len(items)])
        order = [
            replace(k, expr=e)
            for k, e in zip(order, parts[len(items) : len(items) + len(order)], strict=True)
        ]
        on = parts[len(items) + len(order) :]
        limit, offset, ties = self._limits(node, scope)
        distinct = node.args.get("distinct") is not None and not on
        self._check_distinct(distinct, on, order, outputs, node)
        columns = tuple(self._output_column(item, e, scope) for item, e in zip(items, outputs, strict=True))
        select = q.Select(columns, relation, outputs, distinct, tuple(on), tuple(order), limit, offset, ties)
        return lock_rows(select, node, scope)

    def _output_column(self, item: Item, expr: ex.Expr, scope: Scope) -> q.OutputColumn:
        if isinstance(item.expr, ex.Column):
            for candidate in scope.ranges:
                if candidate.range_id == item.expr.range_id and candidate.table_oid:
                    column = next(c for c in candidate.columns if c.position == item.expr.position)
                    return q.OutputColumn(item.name, expr.type, candidate.table_oid, column.attnum)
        return q.OutputColumn(item.name, expr.type)

    def _select_list(self, nodes: list[Node], scope: Scope, windows: dict[str, Node]) -> list[Item]:
        binder = be.ExpressionBinder(self, scope, be.SELECT_LIST)
        binder.windows = windows
        return self._items(nodes, scope, binder)

    def returning(self, nodes: list[Node], scope: Scope) -> list[Item]:
        """The list of RETURNING."""
        items = self._items(nodes, scope, be.ExpressionBinder(self, scope, be.RETURNING))
        return [Item(item.name, self.coercer.known(item.expr), item.node) for item in items]

    def _items(self, nodes: list[Node], scope: Scope, binder: be.ExpressionBinder) -> list[Item]:
        """Output columns by a list of expressions and stars."""
        items: list[Item] = []
        for node in nodes:
            if isinstance(node, exp.Star) or (
                isinstance(node, exp.Column) and isinstance(node.this, exp.Star)
            ):
                items.extend(Item(name, expr, None) for name, expr in self.expand_star(node, scope))
                continue
            if isinstance(node, exp.Dot) and isinstance(node.expression, exp.Star):
                items.extend(Item(name, expr, None) for name, expr in binder.expand_row(node))
                continue
            alias = None
            inner = node
            if isinstance(node, exp.Alias):
                check(node)
                alias, inner = node.args["alias"].this, node.this
            expr = binder.bind(inner)
            items.append(Item(alias or output_name(inner), expr, inner))
        return items

    def expand_star(self, node: Node, scope: Scope) -> list[tuple[str, ex.Expr]]:
        """`*` or `t.*` as columns."""
        check(node)
        if isinstance(node, exp.Star):
            if not scope.ranges:
                raise errors.SyntaxError(
                    "SELECT * with no tables specified is not valid", position=position_of(node)
                )
            found = self.all_columns(scope)
        else:
            item = self.star_range(node, scope)
            found = [(c.name, item.reference(c)) for c in item.columns if not c.hidden]
        for _, expr in found:
            if isinstance(expr, ex.Column):
                self.context.note_column(expr.range_id, expr.position, position_of(node))
        return [(name, self.tidy(expr)) for name, expr in found]

    def tidy(self, expr: ex.Expr) -> ex.Expr:
        """A column, without what it may still hold of attributes that were dropped from its type: values are compared
        as they are."""
        if not is_composite_or_array(expr.type.oid) or not self.io.types.has_gaps(expr.type.oid):
            return expr
        return ex.Call(expr.type, tidied(expr.type.oid), (expr,))

    def star_range(self, node: Node, scope: Scope) -> Range:
        """The range that `t.*` means.  Raises UndefinedTable."""
        names = [
            node.args[part].this for part in ("catalog", "db", "table") if node.args.get(part) is not None
        ]
        item = scope.range_named(names[-1], names[-2] if len(names) > 1 else None)
        if item is None:
            raise missing_range(self.context, self.ctes, scope, names, position_of(node))
        return item

    def all_columns(self, scope: Scope) -> list[tuple[str, ex.Expr]]:
        """All columns, those merged by USING once and first."""
        if scope.outputs:
            return list(scope.outputs)
        found: list[tuple[str, ex.Expr]] = []
        taken: set[tuple[int, int]] = set()
        for merged in scope.merged:
            if any(side in taken for side in merged.sides):
                continue
            found.append((merged.name, merged.expr))
            taken.update(merged.sides)
        for item in scope.ranges:
            for column in item.columns:
                if not column.hidden and (item.range_id, column.position) not in taken:
                    found.append((column.name, item.reference(column)))
        return found

    def _having(self, node: Node, scope: Scope) -> ex.Expr | None:
        having = node.args.get("having")
        if having is None:
            return None
        return be.ExpressionBinder(self, scope, be.HAVING).condition(having.this, "HAVING")

    # --- ORDER BY, DISTINCT, LIMIT ----------------------------------------

    def sort_keys(self, order: Node, binder: be.ExpressionBinder) -> tuple[ex.SortKey, ...]:
        """ORDER BY of an aggregate or window: expressions only."""
        check(order)
        return tuple(self._sort_key(o, self.coercer.known(binder.bind(o.this))) for o in order.expressions)

    def _sort_key(self, node: Node, expr: ex.Expr) -> ex.SortKey:
        check(node)
        using = node.args.get("using")
        if using not in (None, "<", ">"):
            raise errors.NotSupportedError(
                f"ORDER BY USING {using} is not supported", position=position_of(node)
            )
        descending = bool(node.args.get("desc")) or using == ">"
        nulls_first = node.args.get("nulls_first")
        resolve_operator("<", expr.type.oid, expr.type.oid, position_of(node))
        return ex.SortKey(expr, descending, descending if nulls_first is None else bool(nulls_first))

    def _order_by(
        self, order: Node | None, scope: Scope, items: list[Item], windows: dict[str, Node]
    ) -> list[ex.SortKey]:
        if order is None:
            return []
        check(order)
        binder = be.ExpressionBinder(self, scope, be.ORDER_BY)
        binder.windows = windows
        return [
            self._sort_key(o, self._order_item(o.this, binder, items, "ORDER BY")) for o in order.expressions
        ]

    def _order_item(self, node: Node, binder: be.ExpressionBinder, items: list[Item], clause: str) -> ex.Expr:
        """An ordinal, an output's name, or an expression over FROM."""
        ordinal = plain_ordinal(node, clause)
        if ordinal is not None:
            return self._item_at(ordinal, items, clause, node)
        if (
            isinstance(node, exp.Column)
            and node.args.get("table") is None
            and not isinstance(node.this, exp.Star)
        ):
            found = [item for item in items if item.name == node.this.this]
            if (
                len({id(item.expr) if item.expr not in [f.expr for f in found[:1]] else 0 for item in found})
                > 1
            ):
                raise errors.AmbiguousColumn(
                    f'{clause} "{node.this.this}" is ambiguous', position=position_of(node)
                )
            if found:
                return self._make_known(found[0], items)
        return self.coercer.known(binder.bind(node))

    def _item_at(self, ordinal: int, items: list[Item], clause: str, node: Node) -> ex.Expr:
        if not 1 <= ordinal <= len(items):
            raise errors.InvalidColumnReference(
                f"{clause} position {ordinal} is not in select list", position=position_of(node)
            )
        return self._make_known(items[ordinal - 1], items)

    def _make_known(self, item: Item, items: list[Item]) -> ex.Expr:
        item.expr = self.coercer.known(item.expr)
        return item.expr

    def _distinct_on(
        self, distinct: Node | None, scope: Scope, items: list[Item], windows: dict[str, Node]
    ) -> list[ex.Expr]:
        if distinct is None:
            return []
        check(distinct)
        if not distinct.args.get("on"):
            for item in items:
                self._make_known(item, items)
            return []
        binder = be.ExpressionBinder(self, scope, be.ORDER_BY)
        binder.windows = windows
        return [self._order_item(node, binder, items, "DISTINCT ON") for node in distinct.args["on"]]

    def _check_distinct(
        self,
        distinct: bool,
        on: list[ex.Expr],
        order: list[ex.SortKey],
        outputs: tuple[ex.Expr, ...],
        node: Node,
    ) -> None:
        if distinct and any(key.expr not in outputs for key in order):
            raise errors.InvalidColumnReference(
                "for SELECT DISTINCT, ORDER BY expressions must appear in select list",
                position=start_of(
                    next(
                        o.this
                        for o, key in zip(node.args["order"].expressions, order, strict=True)
                        if key.expr not in outputs
                    )
                ),
            )
        if on and order:
            leading = [key.expr for key in order[: len(on)]]
            if any(expr not in on for expr in leading):
                unmatched = next((n for n, expr in enumerate(on) if expr not in leading), 0)
                raise errors.InvalidColumnReference(
                    "SELECT DISTINCT ON expressions must match initial ORDER BY expressions",
                    position=start_of(node.args["distinct"].args["on"][unmatched]),
                )

    def _limits(self, node: Node, scope: Scope | None) -> tuple[ex.Expr | None, ex.Expr | None, bool]:
        limit, offset = node.args.get("limit"), node.args.get("offset")
        ties = False
        limit_expr = offset_expr = None
        if limit is not None:
            check(limit)
            ties = bool(limit.args.get("with_ties"))
            limit_expr = self._row_count(limit.expression, "LIMIT", scope)
        if offset is not None:
            check(offset)
            offset_expr = self._row_count(offset.expression, "OFFSET", scope)
        return limit_expr, offset_expr, ties

    def _row_count(self, node: Node, clause: str, scope: Scope | None) -> ex.Expr:
        bound = be.ExpressionBinder(self, scope or Scope(), be.Place(clause)).bind(node)
        if any(isinstance(part, ex.Column) for part in ex.walk(bound)):
            raise errors.InvalidColumnReference(
                f"argument of {clause} must not contain variables", position=start_of(node)
            )
        done = self.coercer.coerce(bound, INT8, "a")
        if done is None:
            raise errors.DatatypeMismatch(
                f"argument of {clause} must be type bigint, not type {_shown(bound.type)}",
                position=start_of(node),
            )
        return done

    # --- VALUES ----------------------------------------

    def _values_query(self, node: Node, scope: Scope | None) -> q.Query:
        relation, types = self.values(node, scope)
        names = [f"column{n}" for n in range(1, len(types) + 1)]
        outputs = tuple(
            ex.Column(t, relation.range_id, n, name)
            for n, (t, name) in enumerate(zip(types, names, strict=True))
        )
        columns = tuple(q.OutputColumn(name, t) for name, t in zip(names, types, strict=True))
        inner = Scope(scope)
        inner.add(
            Range(
                "",
                relation.range_id,
                [ScopeColumn(n, t, i) for i, (n, t) in enumerate(zip(names, types, strict=True))],
            )
        )
        items = [Item(n, o, None) for n, o in zip(names, outputs, strict=True)]
        order = self._order_by(node.args.get("order"), inner, items, {})
        limit, offset, ties = self._limits(node, scope)
        return q.Select(
            columns, relation, outputs, order_by=tuple(order), limit=limit, offset=offset, with_ties=ties
        )

    def values(
        self, node: Node, scope: Scope | None, wanted: list[SqlType | None] | None = None
    ) -> tuple[q.Values, list[SqlType]]:
        """A VALUES list with the columns' common types; `wanted` are an INSERT's column types."""
        if node.args.get("locks"):
            raise errors.NotSupportedError(f"{lock_name(node.args['locks'][0])} cannot be applied to VALUES")
        check(node)
        binder = be.ExpressionBinder(self, scope or Scope(), be.VALUES)
        row_list = node.args.get("row_list")
        if row_list is not None:
            return self._template_values(node, int(row_list), binder, wanted)
        self._check_widths(node)
        rows = [[binder.bind(e) for e in row.expressions] for row in node.expressions]
        rows, types = self._common_rows(rows, wanted, node)
        return q.Values(self.context.new_range(), tuple(types), tuple(tuple(row) for row in rows)), types

    def _check_widths(self, node: Node) -> None:
        for row in node.expressions:
            if len(row.expressions) != len(node.expressions[0].expressions):
                raise errors.SyntaxError(
                    "VALUES lists must all be the same length", position=start_of(row.expressions[0])
                )

    def _common_rows(
        self, rows: list[list[ex.Expr]], wanted: list[SqlType | None] | None, node: Node
    ) -> tuple[list[list[ex.Expr]], list[SqlType]]:
        types: list[SqlType] = []
        for n in range(len(rows[0])):
            column = [row[n] for row in rows]
            if wanted is not None and n < len(wanted) and wanted[n] is not None:
                types.append(SqlType(oids.UNKNOWN))
                continue
            places = [start_of(row.expressions[n]) for row in node.expressions]
            oid, column = self.coercer.common(column, "VALUES", places)
            types.append(column[0].type if len({c.type for c in column}) == 1 else SqlType(oid))
            for row, cell in zip(rows, column, strict=True):
                row[n] = cell
        return rows, types

    def _template_values(
        self, node: Node, row_list: int, binder: be.ExpressionBinder, wanted: list[SqlType | None] | None
    ) -> tuple[q.Values, list[SqlType]]:
        """A long VALUES list: one template per shape over the row's own data."""
        assert self.context.normalised is not None
        data = self.context.normalised.row_lists[row_list]
        ranges: list[int] = []
        rows: list[list[ex.Expr]] = []
        for row, template in zip(node.expressions, data.templates, strict=True):
            range_id = self.context.new_range()
            self._template = (range_id, template.kinds)
            rows.append([binder.bind(e) for e in row.expressions])
            ranges.append(range_id)
        self._template = None
        self._check_widths(node)
        rows, types = self._common_rows(rows, wanted, node)
        templates = tuple(q.RowTemplate(r, tuple(cells)) for r, cells in zip(ranges, rows, strict=True))
        index = len(self.context.row_lists_used)
        self.context.row_lists_used.append(row_list)
        return q.Values(self.context.new_range(), tuple(types), (), templates, index), types

    def template_column(self, slot: int) -> ex.Expr:
        """A literal of a templated row."""
        assert self._template is not None
        range_id, kinds = self._template
        kind = kinds[slot]
        own = {"int4": oids.INT4, "int8": oids.INT8, "numeric": oids.NUMERIC, "bool": oids.BOOL}.get(
            kind, oids.UNKNOWN
        )
        # a NULL fits rows of any shape, so that every slot may hold one
        return ex.Column(SqlType(own), range_id, slot, "?column?")

    # --- set operations ----------------------------------------

    def _set_operation(self, node: Node, scope: Scope | None) -> q.Query:
        kind = {exp.Union: "union", exp.Except: "except", exp.Intersect: "intersect"}[type(node)]  # type: ignore[index]
        position = position_of(node)
        if node.args.get("locks"):
            lock = lock_name(node.args["locks"][0])
            raise errors.NotSupportedError(f"{lock} is not allowed with UNION/INTERSECT/EXCEPT")
        check_no_locks(node.this)
        check_no_locks(node.expression)
        left = self.query(node.this, scope, final=False)
        right = self.query(node.expression, scope, final=False)
        shown = kind.upper()
        if len(left.columns) != len(right.columns):
            raise errors.SyntaxError(
                f"each {shown} query must have the same number of columns",
                position=_first_output(node.expression),
            )
        wanted: list[SqlType] = []
        for n, (a, b) in enumerate(zip(left.columns, right.columns, strict=True)):
            if a.type == b.type and a.type.oid != oids.UNKNOWN:
                wanted.append(a.type)
            elif a.type.oid == b.type.oid == oids.UNKNOWN:
                wanted.append(SqlType(oids.TEXT))
            else:
                try:
                    wanted.append(SqlType(common_type([a.type.oid, b.type.oid], shown)))
                except errors.DatatypeMismatch as error:
                    error.position = output_position(node.expression, n)
                    raise
        left, right = self.with_types(left, wanted), self.with_types(right, wanted)
        columns = tuple(q.OutputColumn(c.name, t) for c, t in zip(left.columns, wanted, strict=True))
        range_id = self.context.new_range()
        order = self._set_order(node.args.get("order"), columns, range_id, scope)
        limit, offset, ties = self._limits(node, scope)
        if ties:
            raise errors.NotSupportedError("WITH TIES is not supported on set operations", position=position)
        everything = not node.args.get("distinct")
        return q.SetOperation(columns, kind, everything, left, right, range_id, tuple(order), limit, offset)

    def _set_order(
        self,
        order: Node | None,
        columns: tuple[q.OutputColumn, ...],
        range_id: int,
        scope: Scope | None,
    ) -> list[ex.SortKey]:
        if order is None:
            return []
        check(order)
        keys: list[ex.SortKey] = []
        items = [Item(c.name, ex.Column(c.type, range_id, n, c.name), None) for n, c in enumerate(columns)]
        union = Range("", range_id, [ScopeColumn(c.name, c.type, n) for n, c in enumerate(columns)])
        for node in order.expressions:
            ordinal = plain_ordinal(node.this, "ORDER BY")
            if ordinal is not None:
                keys.append(self._sort_key(node, self._item_at(ordinal, items, "ORDER BY", node.this)))
                continue
            name = (
                node.this.this.this
                if isinstance(node.this, exp.Column) and not node.this.args.get("table")
                else None
            )
            found = [item for item in items if item.name == name]
            if not found:
                if name is not None:
                    raise errors.UndefinedColumn(
                        f'column "{name}" does not exist', position=position_of(node.this)
                    )
                be.ExpressionBinder(self, Scope(scope, [union]), be.ORDER_BY).bind(node.this)
                raise errors.NotSupportedError(
                    "invalid UNION/INTERSECT/EXCEPT ORDER BY clause",
                    detail="Only result column names can be used, not expressions or functions.",
                    hint="Add the expression/function to every SELECT, or move the UNION into a FROM clause.",
                    position=start_of(node.this),
                )
            keys.append(self._sort_key(node, found[0].expr))
        return keys

    # --- views and tables ----------------------------------------

    def view(self, view: View) -> q.Query:
        """The query of a view, bound anew over the statement's catalog."""
        if self._view_depth > 30:
            raise errors.InvalidObjectDefinition(
                f'infinite recursion detected in rules for relation "{view.name}"'
            )
        self._view_depth += 1
        saved_ctes, saved_normalised = self.ctes, self.context.normalised
        saved_reader = self.context.reader_oid
        if not is_invoked(view):
            self.context.reader_oid = view.owner_oid
        self.ctes = CteScope()
        query = self.query(self.context.parse_view(view.source))
        self.ctes, self.context.normalised = saved_ctes, saved_normalised
        self.context.reader_oid = saved_reader
        self._view_depth -= 1
        return query


def is_invoked(view: View) -> bool:
    """Whether what a view reads is read in the name of who reads the view (security_invoker), not its owner's."""
    wanted = [f"security_invoker={word}" for word in ("true", "on", "1", "yes")]
    return any(option.lower() in wanted for option in view.options)


def _given_names(columns: list[tuple[str, SqlType]], given: list[str]) -> tuple[str, ...]:
    """What WITH calls the columns, where it says so of any."""
    return tuple(name for name, _ in columns) if given else ()


def plain_ordinal(node: Node, clause: str) -> int | None:
    """The number of `ORDER BY 2`; a constant of another type is an error."""
    from skerry_engine.sql.bridge import literal_index

    if not isinstance(node, exp.Literal) or literal_index(node) is not None:
        return None
    if node.args["is_string"] or not str(node.this).isdigit():
        raise errors.SyntaxError(f"non-integer constant in {clause}", position=position_of(node))
    return int(node.this)


def _clause_position(part: str, value: Any) -> int | None:
    """Where the expression of a LIMIT, OFFSET or ORDER BY stands."""
    if part == "order":
        return start_of(value.expressions[0].this)
    return None if part == "locks" else start_of(value.expression)


def _mentions(node: Node, name: str) -> bool:
    return _mention(node, name) is not None


def _mention(node: Node, name: str) -> Node | None:
    """The first place in the syntax tree where a table of that (unqualified) name is read."""
    for table in _walk(node):
        if isinstance(table, exp.Table) and table.args.get("db") is None and _table_name(table) == name:
            return table
    return None


def _table_name(table: Node) -> str | None:
    return getattr(table.this, "this", None)


def _walk(node: Any) -> Any:
    if isinstance(node, exp.Expression):
        yield node
        for value in node.args.values():
            yield from _walk(value)
    elif isinstance(node, (list, tuple)):
        for item in node:
            yield from _walk(item)


def _named_columns(
    columns: tuple[q.OutputColumn, ...], given: list[str], name: str, node: Node
) -> list[tuple[str, SqlType]]:
    if len(given) > len(columns):
        raise errors.InvalidColumnReference(
            f'WITH query "{name}" has {len(columns)} columns available but {len(given)} columns specified',
            position=position_of(node),
        )
    names = [*given, *(c.name for c in columns[len(given) :])]
    return [(n, c.type) for n, c in zip(names, columns, strict=True)]


def _not_recursive_form(name: str, position: int | None) -> errors.InvalidRecursion:
    return errors.InvalidRecursion(
        f'recursive query "{name}" does not have the form non-recursive-term UNION [ALL] recursive-term',
        position=position,
    )


def _first_output(node: Node) -> int | None:
    return output_position(node, 0)


def output_position(node: Node, number: int) -> int | None:
    """Where the expression of a query's output stands, as far as its own list tells."""
    while isinstance(node, (exp.Union, exp.Except, exp.Intersect, exp.Subquery)):
        node = node.this
    if isinstance(node, exp.Values) or not node.expressions:
        return None
    found = node.expressions[number if number < len(node.expressions) else 0]
    return start_of(found.this if isinstance(found, exp.Alias) else found)


def _shown(type_: SqlType) -> str:
    from skerry_engine.values.types import format_type

    return format_type(type_.oid)


__all__ = ["UNKNOWN", "Item", "QueryBinder", "SystemTable", "Table", "walk_all"]
