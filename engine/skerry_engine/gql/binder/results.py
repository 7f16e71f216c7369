"""RETURN: select lists, grouping, DISTINCT, ORDER BY and pages (§14.9 to §14.11).

Without GROUP BY a RETURN with aggregates groups by its items that have none.  What is not an aggregate must be made of
keys: of an element that is a key, all that hangs on it too (`n.name` beside `n`).
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from skerry_engine import errors
from skerry_engine.algebra import expressions as ex
from skerry_engine.algebra import labels as lb
from skerry_engine.algebra import queries as q
from skerry_engine.algebra.traversal import ROW_READERS, relation_ranges, rewrite_all, walk_all
from skerry_engine.functions.graph_resolution import AGGREGATES
from skerry_engine.functions.registry import AggregateFunction
from skerry_engine.gql import tree
from skerry_engine.gql.binder import native_reads as native
from skerry_engine.gql.binder.context import BOOL, INT8, UNKNOWN
from skerry_engine.gql.binder.expressions import ExpressionBinder, Place
from skerry_engine.gql.binder.sources import ElementSource
from skerry_engine.gql.binder.variables import ElementVariable, Rows, ValueVariable, Variable

if TYPE_CHECKING:
    from skerry_engine.gql.binder.statements import StatementBinder

RETURN = Place("RETURN", aggregates=True)
ORDER_BY = Place("ORDER BY", aggregates=True)
LIMIT = Place("LIMIT")


@dataclass(frozen=True)
class ResultColumn:
    """A column of a result, and what is known of the element values in it."""

    name: str
    source: ElementSource | None = None
    labels: lb.LabelFormula | None = None


@dataclass(frozen=True)
class Result:
    """A query with what its columns mean to statements that go on from it.  `is_omitted`: it ended with a write, and
    has no result; what it did is in the program's stages."""

    query: q.Query
    columns: tuple[ResultColumn, ...]
    is_omitted: bool = False

    def variable(self, number: int, range_id: int, name: str | None = None) -> ValueVariable:
        """Column `number` as a variable of the range that the query is."""
        column = self.columns[number]
        output = self.query.outputs[number] if isinstance(self.query, q.Select) else None
        if isinstance(output, ex.Const) and output.value is None:  # of any type that its uses want
            return ValueVariable(name or column.name, ex.Const(UNKNOWN, None))
        expr = ex.Column(self.query.columns[number].type, range_id, number, column.name)
        return ValueVariable(name or column.name, expr, column.source, column.labels)


@dataclass(frozen=True)
class Item:
    """An item of RETURN: its name, its expression, and the variable that it is, if it is one."""

    column: ResultColumn
    expr: ex.Expr


class ReturnBinder:
    """Binds one RETURN over the rows before it."""

    def __init__(self, statements: StatementBinder, rows: Rows) -> None:
        self.statements = statements
        self.context = statements.context
        self.operations = statements.operations
        self.rows = rows

    def bind(self, node: tree.Return) -> Result:
        """The query of the whole statement that ends with this RETURN."""
        items = self._all(node) if node.is_star else self._items(node)
        sort_keys = self._sort_keys(node, items)
        outputs = [item.expr for item in items]
        relation = self.rows.relation
        everything = [*outputs, *(key.expr for key in sort_keys)]
        if node.group_by is None and not any(map(_has_aggregate, outputs)):
            self._refuse_aggregates(node, sort_keys)
        if node.group_by is not None or any(_has_aggregate(expr) for expr in everything):
            grouping = Grouping(self, relation, self._group_keys(node, items))
            everything = [grouping.above(expr, node.position) for expr in everything]
            relation = grouping.relation()
        outputs = [self.operations.known(expr) for expr in everything[: len(items)]]
        keys = tuple(
            ex.SortKey(expr, key.descending, key.nulls_first)
            for expr, key in zip(everything[len(items) :], sort_keys, strict=True)
        )
        columns = tuple(
            q.OutputColumn(item.column.name, output.type) for item, output in zip(items, outputs, strict=True)
        )
        limit, offset = self.statements.page(node.page)
        if node.is_distinct and any(key.expr not in outputs for key in keys):
            distinct = q.Select(columns, relation, tuple(outputs), distinct=True)
            result = Result(distinct, tuple(item.column for item in items))
            return self._sorted(result, node, limit, offset)
        select = q.Select(
            columns,
            relation,
            tuple(outputs),
            distinct=node.is_distinct,
            order_by=keys,
            limit=limit,
            offset=offset,
        )
        return Result(select, tuple(item.column for item in items))

    def _refuse_aggregates(self, node: tree.Return, keys: list[ex.SortKey]) -> None:
        """Raise GroupingError for aggregates in ORDER BY where RETURN groups nothing."""
        if any(_has_aggregate(key.expr) for key in keys):
            raise errors.GroupingError(
                "ORDER BY can aggregate only where RETURN does, or has GROUP BY", position=node.position
            )

    def _expressions(self, rows: Rows, place: Place, node: tree.Return) -> ExpressionBinder:
        binder = ExpressionBinder(self.statements, rows, place)
        binder.reads_absent = node.group_by is not None or aggregates_in((node.items, node.page))
        return binder

    # --- items ----------------------------------------

    def _all(self, node: tree.Return) -> list[Item]:
        variables = self.rows.own
        if not variables:
            raise errors.SyntaxError("RETURN * has no variables to return", position=node.position)
        return [Item(column_of(variable), variable.value()) for variable in variables]

    def _items(self, node: tree.Return) -> list[Item]:
        binder = self._expressions(self.rows, RETURN, node)
        names = _names_of_items(node.items)
        return [
            Item(self._column(written.value, name), binder.bind(written.value))
            for written, name in zip(node.items, names, strict=True)
        ]

    def _column(self, value: tree.Expr, name: str) -> ResultColumn:
        variable = self.rows.variables.get(value.name) if isinstance(value, tree.Variable) else None
        return ResultColumn(name) if variable is None else column_of(variable, name)

    def _sort_keys(self, node: tree.Return, items: list[Item]) -> list[ex.SortKey]:
        if node.page is None or not node.page.order_by:
            return []
        rows = self.rows
        for item in items:
            known = rows.variables.get(item.column.name)
            if known is None or known.value() != item.expr:
                made = ValueVariable(item.column.name, item.expr, item.column.source, item.column.labels)
                rows = rows.with_variable(made)
        written = {item.column.name: item.expr for item in items}
        binder = self._expressions(rows, ORDER_BY, node)
        return [self.statements.sort_key(binder, each, written) for each in node.page.order_by]

    def _group_keys(self, node: tree.Return, items: list[Item]) -> list[ex.Expr]:
        if node.group_by is None:
            exprs = [item.expr for item in items if not _has_aggregate(item.expr)]
            return [expr for expr in exprs if _reads_rows(expr)]
        named = {item.column.name: item.expr for item in items}
        keys: list[ex.Expr] = []
        for variable in node.group_by:
            expr = named.get(variable.name)
            if expr is None or _has_aggregate(expr):
                expr = self.rows.find(variable.name, variable.position).value()
            keys.append(expr)
        return keys

    def _sorted(
        self, result: Result, node: tree.Return, limit: ex.Expr | None, offset: ex.Expr | None
    ) -> Result:
        """The rows of RETURN DISTINCT in an order that hangs on what is returned."""
        range_id = self.context.new_range()
        rows = Rows(q.Derived(range_id, result.query))
        for number in range(len(result.columns)):
            rows = rows.with_variable(result.variable(number, range_id))
        binder = ExpressionBinder(self.statements, rows, Place("ORDER BY behind RETURN DISTINCT"))
        written = {name: variable.value() for name, variable in rows.variables.items()}
        assert node.page is not None, "there is something to sort by"
        keys = tuple(self.statements.sort_key(binder, each, written) for each in node.page.order_by)
        outputs = tuple(written[column.name] for column in result.columns)
        select = q.Select(
            result.query.columns, rows.relation, outputs, order_by=keys, limit=limit, offset=offset
        )
        return Result(select, result.columns)


class Grouping:
    """Expressions over rows as expressions over their groups.

    Elements at hand are grouped by their row ids, which hash as numbers do; their values are those of any row.
    """

    def __init__(self, returns: ReturnBinder, relation: q.Relation, keys: list[ex.Expr]) -> None:
        self.operations = returns.operations
        self.input = relation
        self.range_id = returns.context.new_range()
        self.keys = tuple(dict.fromkeys(returns.operations.known(key) for key in keys))
        self.aggregates: list[ex.Aggregate] = []
        self.below = set(relation_ranges(relation))
        self._values: dict[int, ex.Expr] = {}
        for number, key in enumerate(self.keys):
            if _is_at_hand(key):
                place = len(self.keys) + len(self.aggregates)
                self._values[number] = ex.Column(key.type, self.range_id, place, "key")
                self.aggregates.append(_any_value(key))

    def relation(self) -> q.Relation:
        """The groups, once all that is asked of them is known."""
        keys = tuple(_hashed(key) for key in self.keys)
        return q.Aggregation(self.range_id, self.input, keys, tuple(self.aggregates))

    def _key(self, number: int) -> ex.Expr:
        found = self._values.get(number)
        return found or ex.Column(self.keys[number].type, self.range_id, number, "key")

    def above(self, expr: ex.Expr, position: int) -> ex.Expr:
        """The expression over groups.  Raises GroupingError."""
        made = rewrite_all(expr, self._replaced)
        for node in walk_all(made):
            if isinstance(node, ROW_READERS) and node.range_id in self.below:
                raise errors.GroupingError(
                    "what RETURN says beside aggregates must be made of aggregates and of what is grouped by",
                    hint="Return the variable or property by itself, too, or name it in GROUP BY.",
                    position=position,
                )
        return made

    def _replaced(self, node: object) -> object | None:
        if isinstance(node, q.Aggregation):
            return self._of_inner(node)
        if isinstance(node, ex.Aggregate):
            if node not in self.aggregates:
                self.aggregates.append(node)
            number = len(self.keys) + self.aggregates.index(node)
            return ex.Column(node.type, self.range_id, number, node.function.name)
        if isinstance(node, ex.Expr) and node in self.keys:
            return self._key(self.keys.index(node))
        return self._of_element(node)

    def _of_inner(self, inner: q.Aggregation) -> q.Aggregation:
        """The grouping of a query inside the expression: its aggregates are its own; what they read may be ours."""
        aggregates = tuple(replace(each, **self._parts_above(each)) for each in inner.aggregates)
        return replace(inner, **{**self._parts_above(inner), "aggregates": aggregates})

    def _parts_above(self, node: ex.Aggregate | q.Aggregation) -> dict[str, Any]:
        names = [part.name for part in fields(node) if part.name != "aggregates"]
        return {name: rewrite_all(getattr(node, name), self._replaced) for name in names}

    def _of_element(self, node: object) -> object | None:
        """What hangs on an element that is a key."""
        if not isinstance(node, ROW_READERS) or node.range_id not in self.below:
            return None
        for number, key in enumerate(self.keys):
            if isinstance(key, ex.ElementValue) and key.row_id == ex.RowId(INT8, node.range_id):
                value = self._key(number)
                if isinstance(node, ex.RowId):
                    return native.row_id(value)
                if isinstance(node, ex.Property):
                    return ex.ValueProperty(node.type, value, node.name)
                if isinstance(node, ex.HasLabels):
                    return ex.ValueHasLabels(BOOL, value, node.labels)
        return None


def _is_at_hand(key: ex.Expr) -> bool:
    """Whether a key is an element of one table, told apart by its row id alone."""
    return isinstance(key, ex.ElementValue) and isinstance(key.table, ex.Const)


def _hashed(key: ex.Expr) -> ex.Expr:
    return key.row_id if isinstance(key, ex.ElementValue) and _is_at_hand(key) else key


def _any_value(key: ex.Expr) -> ex.Aggregate:
    """The value that all rows of a group have."""
    oid = key.type.oid
    function = AggregateFunction(
        0, "any value", (oid,), oid, strict=False, initial=("None",), step="{s0} = {0}", final="{s0}"
    )
    return ex.Aggregate(key.type, function, (key,))


def column_of(variable: Variable, name: str | None = None) -> ResultColumn:
    """A variable as a column of a result."""
    if isinstance(variable, ElementVariable):
        labels = getattr(variable.placed, "labels", None)
        return ResultColumn(name or variable.name, variable.source, labels)
    assert isinstance(variable, ValueVariable)
    return ResultColumn(name or variable.name, variable.source, variable.labels)


def _names_of_items(items: tuple[tree.ReturnItem, ...]) -> list[str]:
    """The columns' names: those that were said, variables', and where these leave one free, what was written.

    Raises DuplicateColumn for a name that is said twice.
    """
    said: dict[str, None] = {}
    for item in items:
        name = item.alias or (item.value.name if isinstance(item.value, tree.Variable) else None)
        if name is not None and name in said:
            raise errors.DuplicateColumn(
                f'column "{name}" stands twice in one result', position=item.position
            )
        if name is not None:
            said[name] = None
    found: list[str] = []
    for number, item in enumerate(items, 1):
        name = item.alias or name_of(item.value)
        is_said = item.alias is not None or isinstance(item.value, tree.Variable)
        if name is None or (not is_said and (name in said or name in found)):
            name = f"column{number}"
            while name in said:
                name += "_"
        found.append(name)
    return found


def name_of(value: tree.Expr) -> str | None:
    """What a column is called that has no alias: as it was written, as far as that is short; else None."""
    match value:
        case tree.Variable():
            return value.name
        case tree.Property():
            inner = name_of(value.arg)
            return None if inner is None else f"{inner}.{value.name}"
        case tree.Call():
            return _name_of_call(value)
        case tree.Parameter():
            return f"${value.name}"
    return None


def _name_of_call(call: tree.Call) -> str:
    if call.is_star:
        return f"{call.name}(*)"
    names = [name_of(arg) for arg in call.args]
    if any(name is None for name in names):
        return call.name
    return f"{call.name}({'DISTINCT ' if call.is_distinct else ''}{', '.join(map(str, names))})"


def aggregates_in(node: object) -> bool:
    """Whether a tree calls an aggregate function; not in the statements inside it."""
    if isinstance(node, tree.Call) and node.name in AGGREGATES:
        return True
    if isinstance(node, tuple):
        return any(map(aggregates_in, node))
    if not isinstance(node, tree.Node) or isinstance(node, tree.Procedure):
        return False
    return any(aggregates_in(getattr(node, each.name)) for each in fields(node))


def _has_aggregate(expr: ex.Expr) -> bool:
    return any(isinstance(node, ex.Aggregate) for node in ex.walk(expr))


def _reads_rows(expr: ex.Expr) -> bool:
    return any(isinstance(node, (*ROW_READERS, ex.SubqueryExpr)) for node in ex.walk(expr))
