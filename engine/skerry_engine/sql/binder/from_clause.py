"""Binding FROM: tables, views, CTEs, subqueries, functions, joins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp

from skerry_engine import errors
from skerry_engine.algebra import expressions as ex
from skerry_engine.algebra import queries as q
from skerry_engine.algebra.traversal import free_ranges, relation_ranges, walk_all
from skerry_engine.catalog.objects import (
    IndexDef,
    MaterializedView,
    Relation,
    SequenceDef,
    SystemTable,
    Table,
    View,
)
from skerry_engine.sql.binder import expressions as be
from skerry_engine.sql.binder.coercion import BOOL
from skerry_engine.sql.binder.context import BindContext
from skerry_engine.sql.binder.naming import output_name
from skerry_engine.sql.binder.scope import MergedColumn, Range, Scope, ScopeColumn
from skerry_engine.sql.binder.whitelist import check
from skerry_engine.sql.bridge import graph_table_of, position_of
from skerry_engine.values import oids
from skerry_engine.values.types import SqlType, type_info
from skerry_engine.values.user_types import is_composite

if TYPE_CHECKING:
    from skerry_engine.sql.binder.queries import QueryBinder

Node = exp.Expression
_JSON_RECORDS = frozenset(("json_to_record", "json_to_recordset", "jsonb_to_record", "jsonb_to_recordset"))
VIEW = "view"
"""The context of casts to the types that a view has."""


class FromBinder:
    """Binds one FROM clause into `scope`."""

    def __init__(self, queries: QueryBinder, scope: Scope) -> None:
        self.queries = queries
        self.context = queries.context
        self.scope = scope

    def from_clause(self, node: Node) -> q.Relation:
        """All items, joined."""
        check(node)
        relation: q.Relation | None = None
        for item in node.expressions:
            bound = self.item(item, self.scope)
            relation = bound if relation is None else self._cross(relation, bound)
        assert relation is not None
        return relation

    def _cross(self, left: q.Relation, right: q.Relation) -> q.Relation:
        lateral = bool(free_ranges(right) & set(relation_ranges(left)))
        return q.Join("inner", left, right, None, lateral)

    def item(self, node: Node, scope: Scope) -> q.Relation:
        """One item; its ranges are put into `scope`."""
        check(node)
        match node:
            case exp.Table():
                return self._table(node, scope)
            case exp.Subquery():
                return self._subquery(node, scope)
            case exp.Lateral():
                return self._functions(node, scope)
            case exp.Join():
                return self._join(node, scope)
            case exp.TableFromRows():
                return self._graph_table(node, scope)
        raise errors.NotSupportedError(
            f"{type(node).__name__} in FROM is not supported", position=position_of(node)
        )

    # --- tables ----------------------------------------

    def _table(self, node: Node, scope: Scope) -> q.Relation:
        name = node.this.this
        schema = None if node.args.get("db") is None else node.args["db"].this
        catalog = node.args.get("catalog")
        position = position_of(node)
        if catalog is not None and catalog.this != self.context.database.name:
            raise errors.NotSupportedError(
                f'cross-database references are not implemented: "{catalog.this}.{schema}.{name}"',
                position=position,
            )
        cte = self.queries.ctes.find(name) if schema is None else None
        if cte is not None:
            range_id = self.context.new_range()
            columns = [ScopeColumn(n, t, i) for i, (n, t) in enumerate(cte.columns)]
            alias, _ = self._add(scope, node, Range(name, range_id, columns, cte_id=cte.cte_id), position)
            return q.CteScan(range_id, cte.cte_id, len(columns), alias)
        try:
            relation = self.context.relation(name, schema, position)
        except errors.UndefinedTable as error:
            label = None if schema is None else self._label(schema, name, node, scope, position)
            if label is not None:
                return label
            if schema is None and self.queries.ctes.is_coming(name):
                error.detail = (
                    f'There is a WITH item named "{name}",'
                    " but it cannot be referenced from this part of the query."
                )
                error.hint = "Use WITH RECURSIVE, or re-order the WITH items to remove forward references."
            raise
        return self.relation(relation, node, scope, position)

    def relation(self, relation: object, node: Node, scope: Scope, position: int | None) -> q.Relation:
        """A relation of the catalog as a range."""
        range_id = self.context.new_range()
        if isinstance(relation, Relation):
            self.context.note_read(range_id, relation.oid)
        match relation:
            case Table() | SystemTable():
                if isinstance(relation, MaterializedView):
                    require_populated(relation)
                columns = [
                    ScopeColumn(c.name, c.type, c.position, not c.not_null, c.attnum)
                    for c in relation.live_columns
                ]
                is_virtual = isinstance(relation, SystemTable)
                width = len(relation.columns) if is_virtual else relation.width  # type: ignore[union-attr]
                item = Range(
                    relation.name,
                    range_id,
                    columns,
                    relation.oid,
                    self._schema(relation),
                    has_row_ids=not is_virtual,
                    is_materialized=isinstance(relation, MaterializedView),
                )
                alias, _ = self._add(scope, node, item, position)
                return q.Scan(range_id, relation.oid, width, relation.name, is_virtual, alias)
            case View():
                query = self.queries.view(relation)
                query = self.queries.with_types(query, [c.type for c in relation.live_columns], VIEW)
                columns = [
                    ScopeColumn(c.name, c.type, i, True, c.attnum)
                    for i, c in enumerate(relation.live_columns)
                ]
                item = Range(relation.name, range_id, columns, relation.oid, self._schema(relation))
                self._add(scope, node, item, position)
                return q.Derived(range_id, query)
            case SequenceDef():
                return self._sequence(relation, node, scope, range_id, position)
            case IndexDef():
                raise errors.WrongObjectType(f'"{relation.name}" is an index', position=position)
        raise errors.WrongObjectType(f'"{node.this.this}" is not a table', position=position)

    def _schema(self, relation: Table | SystemTable | View) -> str:
        return self.context.database.schema_of(relation).name

    def _sequence(
        self, sequence: SequenceDef, node: Node, scope: Scope, range_id: int, position: int | None
    ) -> q.Relation:
        """A sequence read as a table of one row."""
        types = (("last_value", oids.INT8), ("log_cnt", oids.INT8), ("is_called", oids.BOOL))
        columns = [ScopeColumn(n, SqlType(t), i) for i, (n, t) in enumerate(types)]
        item = Range(sequence.name, range_id, columns, sequence.oid, is_sequence=True)
        alias, _ = self._add(scope, node, item, position)
        return q.Scan(range_id, sequence.oid, len(columns), sequence.name, True, alias)

    def _add(
        self, scope: Scope, node: Node, item: Range, position: int | None
    ) -> tuple[str, tuple[str, ...]]:
        """Add a range to a scope; the alias and the names of columns that the query gives it."""
        alias = node.args.get("alias")
        given = ""
        renamed: tuple[str, ...] = ()
        if alias is not None:
            check(alias)
            if alias.this is not None:
                item.alias = given = alias.this.this
                item.schema = None
            names = [c.this for c in alias.args.get("columns") or []]
            if len(names) > len(item.columns):
                raise errors.InvalidColumnReference(
                    f'table "{item.alias}" has {len(item.columns)} columns available'
                    f" but {len(names)} columns specified"
                )
            for column, name in zip(item.columns, names, strict=False):
                column.name = name
            renamed = tuple(column.name for column in item.columns) if names else ()
        scope.add(item)
        return given, renamed

    # --- subqueries and functions ----------------------------------------

    def _subquery(self, node: Node, scope: Scope) -> q.Relation:
        position = position_of(node)
        lateral = bool(node.args.get("lateral"))
        if isinstance(node.this, exp.Join):
            return self._parenthesized_join(node, scope)
        alias = node.args.get("alias")
        if alias is None or alias.this is None:
            raise errors.SyntaxError(
                "subquery in FROM must have an alias",
                hint="For example, FROM (SELECT ...) [AS] foo.",
                position=position,
            )
        inner = scope.part(scope.ranges if lateral else [], scope.merged if lateral else [])
        inner.clause = "FROM clause of their own query level"
        query = self.queries.query(node.this, inner)
        range_id = self.context.new_range()
        columns = [ScopeColumn(c.name, c.type, i) for i, c in enumerate(query.columns)]
        alias, names = self._add(scope, node, Range("", range_id, columns), position)
        return q.Derived(range_id, query, alias, names)

    def _graph_table(self, node: Node, scope: Scope) -> q.Relation:
        bind = self.context.graph_tables
        if bind is None:
            raise errors.NotSupportedError("GRAPH_TABLE is not supported here", position=position_of(node))
        range_id = self.context.new_range()
        outside = be.ExpressionBinder(self.queries, scope, be.FROM_FUNCTION)
        relation, outputs = bind(self.context, graph_table_of(node), range_id, outside.reference)
        note_graph_reads(self.context, relation)
        columns = [ScopeColumn(c.name, c.type, i) for i, c in enumerate(outputs)]
        self._add(scope, node, Range("graph_table", range_id, columns), position_of(node))
        return relation

    def _label(
        self, graph: str, label: str, node: Node, scope: Scope, position: int | None
    ) -> q.Relation | None:
        """A label of a graph as a view; None where there is no such thing."""
        graphs = self.context.graph_tables
        query = None if graphs is None else graphs.label_view(self.context, graph, label)
        if query is None:
            return None
        range_id = self.context.new_range()
        note_graph_reads(self.context, query)
        columns = [ScopeColumn(c.name, c.type, i) for i, c in enumerate(query.columns)]
        self._add(scope, node, Range(label, range_id, columns, schema=graph), position)
        return q.Derived(range_id, query)

    def _parenthesized_join(self, node: Node, scope: Scope) -> q.Relation:
        return self.item(node.this, scope)

    def _functions(self, node: Node, scope: Scope) -> q.Relation:
        position = position_of(node)
        binder = be.ExpressionBinder(self.queries, scope, be.FROM_FUNCTION)
        calls: list[ex.Expr] = []
        counts: list[int] = []
        columns: list[ScopeColumn] = []
        alias = node.args.get("alias")
        alias_name = alias.this.this if alias is not None and alias.this is not None else None
        items = [part for item in node.expressions for part in _separate_unnests(item)]
        for item in items:
            bound = binder.bind(item)
            name = output_name(item)
            parts = self._result_columns(bound, node, alias_name or name)
            calls.append(bound)
            counts.append(len(parts))
            first = len(columns)
            columns.extend(ScopeColumn(n, t, first + i) for i, (n, t) in enumerate(parts))
        ordinality = bool(node.args.get("ordinality"))
        if len(calls) == 1 and node.args.get("columns") and _takes_apart_json(calls[0]):
            return self._json_records(node, scope, calls[0], columns)
        if len(calls) == 1 and is_composite(calls[0].type.oid):
            return self._composite_rows(node, scope, calls[0], ordinality)
        if ordinality:
            columns.append(ScopeColumn("ordinality", SqlType(oids.INT8), len(columns), False))
        range_id = self.context.new_range()
        item_range = Range(output_name(node.expressions[0]), range_id, columns)
        item_range.is_scalar_function = len(columns) == 1
        given, _ = self._add(scope, node, item_range, position)
        names = tuple(column.name for column in columns) if given else ()
        return q.FunctionScan(range_id, tuple(calls), tuple(counts), ordinality, given, names)

    def _json_records(
        self, node: Node, scope: Scope, call: ex.Expr, columns: list[ScopeColumn]
    ) -> q.Relation:
        """json_to_record(set) AS x(name type, ...): a query of the records' fields, each read as its type."""
        assert isinstance(call, ex.Call)
        if node.args.get("ordinality"):
            raise errors.NotSupportedError(f"{call.function.name} WITH ORDINALITY is not supported")
        json_type = SqlType(oids.JSONB if call.function.name.startswith("jsonb") else oids.JSON)
        inner, range_id = self.context.new_range(), self.context.new_range()
        item = ex.Column(json_type, inner, 0, "value")
        binder = be.ExpressionBinder(self.queries, scope, be.FROM_FUNCTION)
        outputs = tuple(self._field(binder, item, column, position_of(node)) for column in columns)
        query = q.Select(
            tuple(q.OutputColumn(column.name, column.type) for column in columns),
            q.FunctionScan(inner, (call,), (1,)),
            outputs,
        )
        self._add(scope, node, Range(call.function.name, range_id, columns), position_of(node))
        return q.Derived(range_id, query)

    def _composite_rows(self, node: Node, scope: Scope, call: ex.Expr, ordinality: bool) -> q.Relation:
        """A function of a composite type's values in FROM: a query of their attributes."""
        inner, range_id = self.context.new_range(), self.context.new_range()
        item = ex.Column(call.type, inner, 0, "value")
        fields = self.queries.io.types.composite(call.type.oid).fields
        outputs: list[tuple[str, ex.Expr]] = [(field.name, be.attribute_of(item, field)) for field in fields]
        if ordinality:
            outputs.append(("ordinality", ex.Column(SqlType(oids.INT8), inner, 1, "ordinality", False)))
        query = q.Select(
            tuple(q.OutputColumn(name, expr.type) for name, expr in outputs),
            q.FunctionScan(inner, (call,), (1,), ordinality),
            tuple(expr for _, expr in outputs),
        )
        columns = [ScopeColumn(name, expr.type, number) for number, (name, expr) in enumerate(outputs)]
        name = output_name(node.expressions[0])
        self._add(scope, node, Range(name, range_id, columns), position_of(node))
        return q.Derived(range_id, query)

    def _field(
        self, binder: be.ExpressionBinder, item: ex.Expr, column: ScopeColumn, position: int | None
    ) -> ex.Expr:
        name = ex.Const(SqlType(oids.TEXT), column.name)
        if type_info(column.type.oid).element_oid:
            raise errors.NotSupportedError("arrays in a column definition list are not supported")
        if column.type.oid in (oids.JSON, oids.JSONB):
            return self.queries.coercer.cast(
                binder.operator("->", item, name, position), column.type, position
            )
        text = binder.operator("->>", item, name, position)
        return self.queries.coercer.cast(text, column.type, position)

    def _result_columns(self, call: ex.Expr, node: Node, name: str) -> list[tuple[str, SqlType]]:
        """Names and types of a function's columns: a definition list's, OUT parameters', or the alias."""
        definitions = node.args.get("columns") or []
        if definitions:
            binder = be.ExpressionBinder(self.queries, self.scope, be.FROM_FUNCTION)
            return [(d.this.this, binder.type_of(d.args["kind"])) for d in definitions]
        if isinstance(call, ex.Call) and call.function.result_columns:
            return [(n, SqlType(t)) for n, t in call.function.result_columns]
        if call.type.oid == oids.RECORD:
            raise errors.SyntaxError(
                'a column definition list is required for functions returning "record"',
                position=position_of(node),
            )
        return [(name, call.type)]

    # --- joins ----------------------------------------

    def _join(self, node: Node, scope: Scope) -> q.Relation:
        position = position_of(node)
        if node.args.get("using_alias") is not None:
            raise errors.NotSupportedError("an alias for JOIN USING is not supported", position=position)
        if node.args.get("alias") is not None:
            return self._aliased_join(node, scope)
        mark, first = len(scope.ranges), len(scope.outputs)
        left = self.item(node.args["left"], scope)
        middle, second = len(scope.ranges), len(scope.outputs)
        right = self.item(node.this, scope)
        left_ranges, right_ranges = scope.ranges[mark:middle], scope.ranges[middle:]
        kind = (node.args.get("side") or "inner").lower()
        condition = self._join_condition(node, scope, left_ranges, right_ranges, kind, (first, second))
        used = free_ranges(right) & set(relation_ranges(left))
        if used and kind in ("right", "full"):
            raise self._wrong_lateral(left_ranges, used)
        for item in (left_ranges if kind in ("right", "full") else []) + (
            right_ranges if kind in ("left", "full") else []
        ):
            item.is_extended = True
        return q.Join(kind, left, right, condition, bool(used))

    def _wrong_lateral(self, left: list[Range], used: set[int]) -> errors.InvalidColumnReference:
        item = next(item for item in left if item.range_id in used)
        places = [place for number, _, place in self.context.column_notes if number == item.range_id]
        return errors.InvalidColumnReference(
            f'invalid reference to FROM-clause entry for table "{item.alias}"',
            detail="The combining JOIN type must be INNER or LEFT for a LATERAL reference.",
            position=places[-1] if places else None,
        )

    def _aliased_join(self, node: Node, scope: Scope) -> q.Relation:
        """(a JOIN b ...) AS j: one range with the columns of `SELECT *`;
        the names inside are not seen outside."""
        inner = scope.part([], [])
        bare = exp.Join(**{**node.args, "alias": None})
        bare.meta.update(node.meta)
        relation = self._join(bare, inner)
        found = self.queries.all_columns(inner)
        columns = [ScopeColumn(name, expr.type, n) for n, (name, expr) in enumerate(found)]
        outputs = tuple(q.OutputColumn(name, expr.type) for name, expr in found)
        range_id = self.context.new_range()
        self._add(scope, node, Range("", range_id, columns, is_join=True), position_of(node))
        return q.Derived(range_id, q.Select(outputs, relation, tuple(expr for _, expr in found)))

    def _join_condition(
        self,
        node: Node,
        scope: Scope,
        left: list[Range],
        right: list[Range],
        kind: str,
        marks: tuple[int, int],
    ) -> ex.Expr | None:
        if node.args.get("natural"):
            names = self._natural_names(scope, marks)
            return self._using(names, scope, left, right, kind, node, marks)
        if node.args.get("using"):
            names = [c.this for c in node.args["using"]]
            return self._using(names, scope, left, right, kind, node, marks)
        on = node.args.get("on")
        if on is None:
            return None
        visible = scope.part(left + right)
        return be.ExpressionBinder(self.queries, visible, be.ON).condition(on, "JOIN/ON")

    def _natural_names(self, scope: Scope, marks: tuple[int, int]) -> list[str]:
        first, second = marks
        theirs = {name for name, _ in scope.outputs[second:]}
        return list(dict.fromkeys(name for name, _ in scope.outputs[first:second] if name in theirs))

    def _using(
        self,
        names: list[str],
        scope: Scope,
        left: list[Range],
        right: list[Range],
        kind: str,
        node: Node,
        marks: tuple[int, int],
    ) -> ex.Expr | None:
        """The condition of USING; its columns come first in what `*` means,
        then what is left of both sides."""
        position = position_of(node)
        binder = be.ExpressionBinder(self.queries, scope, be.ON)
        tests: list[ex.Expr] = []
        merged: list[tuple[str, ex.Expr]] = []
        taken: list[ex.Expr] = []
        for name in names:
            a = self._side(Scope(None, left, scope.merged), name, "left", position)
            b = self._side(Scope(None, right, scope.merged), name, "right", position)
            equal = binder.operator("=", a, b, position)
            tests.append(equal)
            shown = {"right": b, "full": None}.get(kind, a)
            if shown is None:
                oid, both = self.queries.coercer.common([a, b], "JOIN/USING")
                shown = ex.Coalesce(SqlType(oid), tuple(both))
            sides = tuple(s for s in (*_sides(a, scope), *_sides(b, scope)))
            scope.merged = [m for m in scope.merged if m.name != name or not set(m.sides) & set(sides)]
            scope.merged.append(MergedColumn(name, shown, sides))
            merged.append((name, shown))
            taken.extend((a, b))
        rest = [(name, expr) for name, expr in scope.outputs[marks[0] :] if expr not in taken]
        scope.outputs[marks[0] :] = merged + rest
        if not tests:
            return None
        return tests[0] if len(tests) == 1 else ex.And(BOOL, tuple(tests))

    def _side(self, scope: Scope, name: str, which: str, position: int | None) -> ex.Expr:
        scope.merged = [
            m for m in scope.merged if {s[0] for s in m.sides} <= {r.range_id for r in scope.ranges}
        ]
        try:
            found = scope.unqualified(name, position)
        except errors.AmbiguousColumn as error:
            raise errors.AmbiguousColumn(
                f'common column name "{name}" appears more than once in {which} table'
            ) from error
        if found is None:
            raise errors.UndefinedColumn(
                f'column "{name}" specified in USING clause does not exist in {which} table'
            )
        return found


def _takes_apart_json(call: ex.Expr) -> bool:
    return isinstance(call, ex.Call) and call.function.name in _JSON_RECORDS


def note_graph_reads(context: BindContext, bound: object) -> None:
    """Note the tables that a graph's pattern reads: those of a native graph's elements stand for the graph."""
    for node in walk_all(bound):
        if isinstance(node, q.Scan) and not node.is_virtual:
            context.note_read(node.range_id, node.table_oid)


def _separate_unnests(node: Node) -> list[Node]:
    """unnest(a, b) in FROM is ROWS FROM (unnest(a), unnest(b))."""
    if not isinstance(node, exp.Anonymous) or node.this != "unnest" or len(node.expressions) < 2:
        return [node]
    return [exp.Anonymous(**{**node.args, "expressions": [array]}) for array in node.expressions]


def _sides(expr: ex.Expr, scope: Scope) -> tuple[tuple[int, int], ...]:
    """The range columns that a side of USING stands for."""
    for merged in scope.merged:
        if merged.expr == expr:
            return merged.sides
    return tuple((c.range_id, c.position) for c in ex.walk(expr) if isinstance(c, ex.Column))


def require_populated(view: MaterializedView) -> None:
    """Raise ObjectNotInPrerequisiteState for a materialized view that was never refreshed."""
    if not view.populated:
        raise errors.ObjectNotInPrerequisiteState(
            f'materialized view "{view.name}" has not been populated',
            hint="Use the REFRESH MATERIALIZED VIEW command.",
        )
