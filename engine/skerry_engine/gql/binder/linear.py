"""Linear statements: one clause after the other, each making new rows of those before it (§14.2)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from skerry_engine import errors
from skerry_engine.algebra import expressions as ex
from skerry_engine.algebra import queries as q
from skerry_engine.algebra.traversal import conjuncts
from skerry_engine.catalog.graphs import PropertyGraph
from skerry_engine.functions.registry import Function
from skerry_engine.functions.resolve import resolve_function
from skerry_engine.gql import tree
from skerry_engine.gql.binder import native_reads as native
from skerry_engine.gql.binder.context import INT8
from skerry_engine.gql.binder.expressions import ExpressionBinder, Place
from skerry_engine.gql.binder.operations import conjunction
from skerry_engine.gql.binder.patterns import PatternBinder, left_joined
from skerry_engine.gql.binder.procedures import bind_call, graph_procedure
from skerry_engine.gql.binder.results import Result, ReturnBinder
from skerry_engine.gql.binder.sources import source_of
from skerry_engine.gql.binder.variables import Rows, ValueVariable, column_variable
from skerry_engine.values import oids
from skerry_engine.values.types import SqlType, graph_type_name, type_info

if TYPE_CHECKING:
    from skerry_engine.gql.binder.statements import StatementBinder

WRITES = (tree.Insert, tree.Set, tree.Remove, tree.Delete, tree.Merge)
LET = Place("LET")
FILTER = Place("FILTER")
FOR = Place("FOR")
ARGUMENTS = Place("arguments")
ORDER_BY = Place("ORDER BY")


class LinearBinder:
    """Binds one linear statement, beginning with `rows`."""

    def __init__(self, statements: StatementBinder, rows: Rows) -> None:
        self.statements = statements
        self.context = statements.context
        self.operations = statements.operations
        self.rows = rows

    def bind(self, node: tree.Linear, is_tested: bool = False) -> Result:
        """The statement as a query.  With `is_tested` only whether there are rows matters."""
        for number, clause in enumerate(node.clauses, 1):
            if isinstance(clause, tree.Return):
                return ReturnBinder(self.statements, self.rows).bind(clause)
            if isinstance(clause, tree.Finish):
                return self._finished()
            if isinstance(clause, WRITES):
                self._write(clause, number == len(node.clauses))
                if number == len(node.clauses):
                    return Result(q.Select((), q.OneRow(), ()), (), True)
            else:
                self._clause(clause)
        if is_tested:
            return Result(q.Select((), self.rows.relation, ()), ())
        raise errors.SyntaxError(
            "a query ends with RETURN, or with FINISH where no result is wanted", position=node.position
        )

    def _finished(self) -> Result:
        """FINISH: everything before it is done, and nothing comes out."""
        nothing = q.Filter(self.rows.relation, ex.Const(SqlType(oids.BOOL), False))
        return Result(q.Select((), nothing, ()), ())

    def _clause(self, clause: tree.Clause) -> None:
        binder = _CLAUSES.get(type(clause))
        if binder is None:
            raise errors.NotSupportedError(
                f"{type(clause).__name__.upper()} is not supported here", position=clause.position
            )
        binder(self, clause)

    def _write(self, clause: tree.Clause, is_last: bool) -> None:
        """A clause that writes: it ends a stage."""
        from skerry_engine.gql.binder.table_writes import TableWriteBinder
        from skerry_engine.gql.binder.writes import WriteBinder

        is_mapped = isinstance(self.context.working_graph(clause.position), PropertyGraph)
        binder = TableWriteBinder(self, clause) if is_mapped else WriteBinder(self, clause)
        match clause:
            case tree.Insert():
                self.rows = binder.insert(clause, is_last)
            case tree.Set():
                self.rows = binder.set(clause, is_last)
            case tree.Remove():
                self.rows = binder.remove(clause, is_last)
            case tree.Delete():
                self.rows = binder.delete(clause, is_last)
            case tree.Merge():
                self.rows = binder.merge(clause, is_last)

    def expressions(self, place: Place) -> ExpressionBinder:
        """A binder of expressions over the rows as they are now."""
        return ExpressionBinder(self.statements, self.rows, place)

    # --- patterns ----------------------------------------

    def _use(self, clause: tree.Use) -> None:
        self.context.graph = self.context.graph_named(clause.graph)

    def _match(self, clause: tree.Match) -> None:
        self.rows = PatternBinder(self.statements, self.rows, clause.position).match(clause.pattern)

    def _optional_match(self, clause: tree.OptionalMatch) -> None:
        if len(clause.matches) == 1 and isinstance(clause.matches[0], tree.Match):
            pattern = clause.matches[0].pattern
            self.rows = PatternBinder(self.statements, self.rows, clause.position).optional(pattern)
            return
        inside = LinearBinder(self.statements, self.rows.as_outer())
        for match in clause.matches:
            inside._clause(match)
        new = [v for v in inside.rows.own if v.name not in self.rows.variables]
        self.rows = left_joined(
            self.rows,
            Rows(inside.rows.relation, {**self.rows.variables, **{v.name: v for v in new}}, self.rows.outer),
            [inside.rows.relation],
            [],
        )

    # --- values ----------------------------------------

    def _let(self, clause: tree.Let) -> None:
        """Values that cost little are put where they are used; others are computed once, as columns."""
        before = self.rows
        binder = self.expressions(LET)
        for definition in clause.definitions:
            if definition.variable in before.variables:
                raise errors.DuplicateColumn(
                    f'variable "{definition.variable}" is already defined', position=definition.position
                )
            value = self.statements.defined(definition, binder)
            self.rows = self.rows.with_variable(value)
        if any(
            _is_costly(v.value()) for name, v in self.rows.variables.items() if name not in before.variables
        ):
            self.rows = self.border(self.rows)

    def border(
        self,
        rows: Rows,
        order_by: tuple[ex.SortKey, ...] = (),
        limit: ex.Expr | None = None,
        offset: ex.Expr | None = None,
    ) -> Rows:
        """Rows made anew: every variable of their own that something reads becomes a column."""
        own = [variable for variable in rows.own if self.statements.is_mentioned(variable.name)]
        outputs = tuple(self.operations.known(variable.value()) for variable in own)
        columns = tuple(q.OutputColumn(v.name, e.type) for v, e in zip(own, outputs, strict=True))
        select = q.Select(columns, rows.relation, outputs, order_by=order_by, limit=limit, offset=offset)
        range_id = self.context.new_range()
        variables = {name: v for name, v in rows.variables.items() if name in rows.outer}
        for position, variable in enumerate(own):
            variables[variable.name] = column_variable(variable, range_id, position)
        return Rows(q.Derived(range_id, select), variables, rows.outer)

    def _filter(self, clause: tree.Filter) -> None:
        condition = self.expressions(FILTER).condition(clause.condition, "FILTER")
        self.rows = self.rows.filtered(conjunction(conjuncts(condition)))

    def _for(self, clause: tree.For) -> None:
        for name in filter(None, (clause.variable, clause.counter)):
            if name in self.rows.variables:
                raise errors.DuplicateColumn(
                    f'variable "{name}" is already defined', position=clause.position
                )
        listed = self._listed(clause)
        element = SqlType(type_info(listed.type.oid).element_oid)
        range_id = self.context.new_range()
        call = native.items_of(listed, element)
        scan = q.FunctionScan(range_id, (call,), (1,), clause.counting is not None)
        self.rows = self.rows.joined([scan])
        item = ValueVariable(clause.variable, ex.Column(element, range_id, 0, clause.variable))
        self.rows = self.rows.with_variable(item)
        if clause.counting is None or clause.counter is None:
            return
        number: ex.Expr = ex.Column(INT8, range_id, 1, clause.counter, False)
        if clause.counting == "offset":
            number = self.operations.operator("-", number, ex.Const(INT8, 1), clause.position)
        self.rows = self.rows.with_variable(ValueVariable(clause.counter, number))

    def _listed(self, clause: tree.For) -> ex.Expr:
        listed = self.expressions(FOR).bind(clause.source)
        if listed.type.oid in (oids.ANYVALUE, oids.UNKNOWN):
            return self.operations.as_type(listed, oids.ANYVALUE_ARRAY, clause.source.position)
        if not type_info(listed.type.oid).is_array:
            raise errors.DatatypeMismatch(
                f"FOR takes a list, not a value of type {graph_type_name(listed.type.oid)}",
                position=clause.source.position,
            )
        return listed

    def _page(self, clause: tree.Page) -> None:
        binder = self.expressions(ORDER_BY)
        keys = tuple(self.statements.sort_key(binder, item, {}) for item in clause.order_by)
        limit, offset = self.statements.page(clause)
        self.rows = self.border(self.rows, keys, limit, offset)

    # --- calls ----------------------------------------

    def _call_inline(self, clause: tree.CallInline) -> None:
        seen = self.rows
        if clause.scope is not None:
            for name in clause.scope:
                self.rows.find(name, clause.position)
            visible = {name: v for name, v in self.rows.variables.items() if name in clause.scope}
            seen = Rows(self.rows.relation, visible, self.rows.outer)
        result = self.statements.call(clause.body, seen)
        self._beside(result, clause.is_optional, clause.position)

    def _beside(self, result: Result, is_optional: bool, position: int) -> None:
        """The rows of a call beside those that it was made for."""
        range_id = self.context.new_range()
        derived = q.Derived(range_id, result.query)
        after = self.rows
        for number, column in enumerate(result.columns):
            if column.name in self.rows.variables:
                raise errors.DuplicateColumn(
                    f'variable "{column.name}" is already defined', position=position
                )
            after = after.with_variable(result.variable(number, range_id))
        if is_optional:
            self.rows = left_joined(self.rows, after, [derived], [])
        else:
            self.rows = after.joined([derived])

    def _call_named(self, clause: tree.CallNamed) -> None:
        """CALL of a procedure: a set-returning function of the catalog, its columns named by YIELD."""
        binder = self.expressions(ARGUMENTS)
        args = [binder.bind(arg) for arg in clause.args]
        procedure = graph_procedure(clause)
        if procedure is not None:
            self._give(clause, bind_call(self.statements, procedure, args, clause), procedure.columns)
            return
        schema = self.context.schema_name(clause.name.schema)
        function, types, result = resolve_function(
            clause.name.name,
            [arg.type.oid for arg in args],
            schema or _home_of(clause.name.name),
            clause.position,
        )
        if not isinstance(function, Function) or not function.returns_set:
            raise errors.WrongObjectType(f"{clause.name.name} is no procedure", position=clause.position)
        coerced = tuple(
            self.operations.as_type(arg, oid, clause.position) for arg, oid in zip(args, types, strict=False)
        )
        columns = function.result_columns or ((clause.name.name, result),)
        call = ex.Call(SqlType(result), function, coerced)
        scan = q.FunctionScan(self.context.new_range(), (call,), (len(columns),))
        self._give(clause, scan, columns)

    def _give(
        self,
        clause: tree.CallNamed,
        scan: q.FunctionScan | q.GraphProcedure,
        columns: Sequence[tuple[str, int]],
    ) -> None:
        """Put a procedure's rows beside those that are there, with the columns that YIELD names."""
        after = self.rows
        for name, number in self._yields(clause, [name for name, _ in columns]):
            if name in self.rows.variables:
                raise errors.DuplicateColumn(
                    f'variable "{name}" is already defined', position=clause.position
                )
            expr = ex.Column(SqlType(columns[number][1]), scan.range_id, number, name)
            is_element = isinstance(scan, q.GraphProcedure) and expr.type.oid in oids.ELEMENTS
            source = source_of(self.context.working_graph(None), self.context) if is_element else None
            after = after.with_variable(ValueVariable(name, expr, source))
        self.rows = left_joined(self.rows, after, [scan], []) if clause.is_optional else after.joined([scan])

    def _yields(self, clause: tree.CallNamed, names: list[str]) -> list[tuple[str, int]]:
        if clause.yields is None:
            return [(name, number) for number, name in enumerate(names)]
        found: list[tuple[str, int]] = []
        for item in clause.yields:
            if item.name not in names:
                raise errors.UndefinedColumn(
                    f'procedure {clause.name.name} has no column "{item.name}"', position=item.position
                )
            found.append((item.alias or item.name, names.index(item.name)))
        return found


def _home_of(name: str) -> str | None:
    """The schema of a procedure that is named without one: Skerry's own come first."""
    from skerry_engine.functions.registry import functions_named

    return "skerry" if functions_named(name, "skerry") else None


def _is_costly(expr: ex.Expr) -> bool:
    """Whether an expression had better be computed once: it is volatile, or has a query in it."""
    return any(
        isinstance(node, ex.SubqueryExpr)
        or (isinstance(node, ex.Call) and (node.function.volatility == "v" or node.function.returns_set))
        for node in ex.walk(expr)
    )


_CLAUSES: dict[type[tree.Clause], Callable[[LinearBinder, Any], None]] = {
    tree.Use: LinearBinder._use,
    tree.Match: LinearBinder._match,
    tree.OptionalMatch: LinearBinder._optional_match,
    tree.Let: LinearBinder._let,
    tree.For: LinearBinder._for,
    tree.Filter: LinearBinder._filter,
    tree.Page: LinearBinder._page,
    tree.CallInline: LinearBinder._call_inline,
    tree.CallNamed: LinearBinder._call_named,
}
