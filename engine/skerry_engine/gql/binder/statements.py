"""Statements and procedures (§9, §14.2, §15): what stands between clauses and the whole.

first NEXT second NEXT third        each begins with the rows of the one before, as columns
a UNION b                           one set operation; the columns go by their names
CALL {...}, EXISTS {...}            a statement inside another: it begins with one row, and reads the other's
"""

from __future__ import annotations

from dataclasses import fields, replace

from skerry_engine import errors
from skerry_engine.algebra import expressions as ex
from skerry_engine.algebra import queries as q
from skerry_engine.functions.registry import AggregateFunction
from skerry_engine.gql import tree
from skerry_engine.gql.binder.context import RECORD, GqlContext
from skerry_engine.gql.binder.conversions import converted, is_plain
from skerry_engine.gql.binder.directions import makes_undirected
from skerry_engine.gql.binder.expressions import ExpressionBinder, Place
from skerry_engine.gql.binder.operations import Operations
from skerry_engine.gql.binder.results import LIMIT, Result
from skerry_engine.gql.binder.tidying import tidied
from skerry_engine.gql.binder.value_types import narrow_type, sql_type
from skerry_engine.gql.binder.variables import Rows, ValueVariable
from skerry_engine.gql.binder.write_rules import insert_and_return
from skerry_engine.values import oids
from skerry_engine.values.types import SqlType, graph_type_name

DEFINITION = Place("definitions")


class StatementBinder:
    """Binds the procedures of one program."""

    def __init__(self, context: GqlContext) -> None:
        self.context = context
        self.operations = Operations(context)
        self.stages: list[q.Query] = []
        self.depth = 0
        self.in_value = 0
        self._mentioned: frozenset[str] | None = None
        self._writes = False

    # --- entry ----------------------------------------

    def procedure(self, node: tree.Procedure) -> Result:
        """A whole procedure; one that writes is a program of stages, the last of which may be a write."""
        result = self._whole(node)
        if not self.context.has_mapped:
            return result
        return replace(result, query=tidied(result.query, self.context.united))

    def _whole(self, node: tree.Procedure) -> Result:
        self._mentioned = names_read(node)
        self._writes = has_writes(node)
        self.context.makes_undirected |= makes_undirected(node)
        result = self._in_place(node, Rows(), False)
        if not self.stages:
            return result
        stages = self.stages if result.is_omitted else [*self.stages, result.query]
        if len(stages) == 2:
            whole = insert_and_return(*stages)
            if whole is not None:
                return Result(whole, result.columns)
        if len(stages) == 1:
            return Result(stages[0], ())
        return Result(q.Program(stages[-1].columns, tuple(stages)), result.columns)

    def check_writable(self, clause: tree.Clause) -> None:
        """Raise NotSupportedError for a clause that writes where it can't be a stage of the statement, SyntaxError
        where it never can (§19.4, §20.6)."""
        if self.in_value:
            raise errors.SyntaxError(
                f"{type(clause).__name__.upper()} cannot stand in EXISTS or VALUE, which only read",
                position=clause.position,
            )
        if self.depth:
            raise errors.NotSupportedError(
                f"{type(clause).__name__.upper()} is not supported inside another statement",
                hint="Write in the outermost statement, clause after clause.",
                position=clause.position,
            )

    def is_mentioned(self, name: str) -> bool:
        """Whether anything in the text may read the variable; its value is not worth making otherwise."""
        return self._mentioned is None or name in self._mentioned

    def inner(self, node: tree.Procedure, rows: Rows, is_tested: bool = False) -> q.Query:
        """A procedure inside an expression; with `is_tested` only whether it has rows matters."""
        self.in_value += 1
        try:
            return self._inside(node, rows, is_tested).query
        finally:
            self.in_value -= 1

    def _inside(self, node: tree.Procedure, rows: Rows, is_tested: bool) -> Result:
        self.depth += 1
        try:
            return self._in_place(node, rows.as_outer(), is_tested)
        finally:
            self.depth -= 1

    def call(self, node: tree.Procedure, outer: Rows) -> Result:
        """The procedure of CALL {...}, over the variables that it may see."""
        return self._inside(node, outer, False)

    def _in_place(self, node: tree.Procedure, rows: Rows, is_tested: bool) -> Result:
        context = self.context
        before = context.graph, context.schema, context.graph_variables
        context.graph_variables = dict(context.graph_variables)
        try:
            return self._procedure(node, rows, is_tested)
        finally:
            context.graph, context.schema, context.graph_variables = before

    def _procedure(self, node: tree.Procedure, rows: Rows, is_tested: bool) -> Result:
        if node.schema is not None:
            self._at_schema(node.schema)
        for definition in node.definitions:
            rows = self._with_definition(definition, rows)
        statements = [node.first, *(following.statement for following in node.nexts)]
        result = self.composite(statements[0], rows, is_tested and not node.nexts)
        for number, following in enumerate(node.nexts, 1):
            rows = self.going_on(result, rows, following.yields)
            result = self.composite(following.statement, rows, is_tested and number == len(node.nexts))
        return result

    def _at_schema(self, schema: tree.SchemaName) -> None:
        """Graphs without a schema's name are those of this schema, until the procedure's end (§9.2)."""
        name = self.context.schema_name(schema)
        if name is not None:
            self.context.bind.check_schema(name, schema.position)
            self.context.schema = name

    def going_on(self, result: Result, before: Rows, yields: tuple[tree.YieldItem, ...] | None) -> Rows:
        """The rows of a result, with which the next statement begins."""
        variables = {name: v for name, v in before.variables.items() if name in before.outer}
        if result.is_omitted and self.stages:  # it has written, and gives nothing to go on from
            return Rows(q.OneRow(), variables, frozenset(variables))
        range_id = self.context.new_range()
        rows = Rows(q.Derived(range_id, result.query), variables, frozenset(variables))
        for number, name in self._yielded(result, yields):
            rows = rows.with_variable(result.variable(number, range_id, name))
        return rows

    def _yielded(self, result: Result, yields: tuple[tree.YieldItem, ...] | None) -> list[tuple[int, str]]:
        """(column number, variable) of what YIELD names; of all columns without one."""
        names = [column.name for column in result.columns]
        if yields is None:
            return list(enumerate(names))
        found: list[tuple[int, str]] = []
        for item in yields:
            if item.name not in names:
                raise errors.UndefinedColumn(
                    f'there is no column "{item.name}" to yield', position=item.position
                )
            found.append((names.index(item.name), item.alias or item.name))
        return found

    # --- statements ----------------------------------------

    def composite(self, node: tree.Composite, rows: Rows, is_tested: bool = False) -> Result:
        """What stands between two NEXTs."""
        if isinstance(node, tree.Linear):
            from skerry_engine.gql.binder.linear import LinearBinder

            return LinearBinder(self, rows).bind(node, is_tested)
        if isinstance(node, tree.Nested):
            return self._nested(node, rows, is_tested)
        assert isinstance(node, tree.Combined), "there are three kinds"
        return self._combined(node, rows, is_tested)

    def _nested(self, node: tree.Nested, rows: Rows, is_tested: bool) -> Result:
        before = self.context.graph
        if node.graph is not None:
            self.context.graph = self.context.graph_named(node.graph)
        try:
            return self._in_place(node.body, rows, is_tested)
        finally:
            self.context.graph = before

    def _combined(self, node: tree.Combined, rows: Rows, is_tested: bool) -> Result:
        _check_one_kind(node)
        self.depth += 1
        try:
            left = self._in_graph(node.left, rows, is_tested)
            right = self._in_graph(node.right, rows, is_tested)
        finally:
            self.depth -= 1
        right = self._aligned(left, right, node)
        left_query, right_query = self._same_types(left.query, right.query)
        is_all = node.is_all or node.operator == "otherwise"
        columns = left_query.columns
        combined = q.SetOperation(
            columns, node.operator, is_all, left_query, right_query, self.context.new_range()
        )
        kept = tuple(
            a if a.source is b.source and a.labels == b.labels else replace(a, labels=None)
            for a, b in zip(left.columns, right.columns, strict=True)
        )
        return Result(combined, kept)

    def _in_graph(self, node: tree.Composite, rows: Rows, is_tested: bool) -> Result:
        graph = self.context.graph
        try:
            return self.composite(node, rows, is_tested)
        finally:
            self.context.graph = graph

    def _aligned(self, left: Result, right: Result, node: tree.Combined) -> Result:
        """The right side with its columns in the order of the left's.  Raises SyntaxError where the names differ."""
        names = [column.name for column in left.columns]
        others = [column.name for column in right.columns]
        if names == others:
            return right
        if sorted(names) != sorted(others):
            raise errors.SyntaxError(
                f"the sides of {node.operator.upper()} have different columns:"
                f" {', '.join(names)} and {', '.join(others)}",
                position=node.position,
            )
        range_id = self.context.new_range()
        order = [others.index(name) for name in names]
        outputs = tuple(right.variable(number, range_id).expr for number in order)
        columns = tuple(right.query.columns[number] for number in order)
        select = q.Select(columns, q.Derived(range_id, right.query), outputs)
        return Result(select, tuple(right.columns[number] for number in order))

    def _same_types(self, left: q.Query, right: q.Query) -> tuple[q.Query, q.Query]:
        wanted: list[SqlType] = []
        for one, other in zip(left.columns, right.columns, strict=True):
            exprs = [ex.Column(column.type, 0, 0, column.name) for column in (one, other)]
            wanted.append(self.operations.common(exprs)[0])
        return self._with_types(left, wanted), self._with_types(right, wanted)

    def _with_types(self, query: q.Query, wanted: list[SqlType]) -> q.Query:
        """The query with its columns brought to types."""
        if all(column.type.oid == target.oid for column, target in zip(query.columns, wanted, strict=True)):
            return query
        range_id = self.context.new_range()
        outputs: list[ex.Expr] = []
        for number, (column, target) in enumerate(zip(query.columns, wanted, strict=True)):
            expr: ex.Expr = ex.Column(column.type, range_id, number, column.name)
            if target.oid == oids.ANYVALUE:
                expr = self.operations.as_any(expr)
            outputs.append(self.operations.as_type(expr, target.oid))
        columns = tuple(
            replace(c, type=output.type) for c, output in zip(query.columns, outputs, strict=True)
        )
        return q.Select(columns, q.Derived(range_id, query), tuple(outputs))

    # --- definitions ----------------------------------------

    def _with_definition(self, definition: tree.VariableDefinition, rows: Rows) -> Rows:
        if definition.variable in rows.variables or definition.variable in self.context.graph_variables:
            raise errors.DuplicateColumn(
                f'variable "{definition.variable}" is already defined', position=definition.position
            )
        match definition.value:
            case tree.GraphReference():
                self._define_graph(definition, definition.value)
                return rows
            case tree.Procedure():
                return rows.with_outer(self._kept(self._table(definition, definition.value, rows)))
            case tree.ObjectName():
                return rows.with_outer(self._same_table(definition, definition.value, rows))
        assert isinstance(definition.value, tree.Expr), "there are three kinds"
        binder = ExpressionBinder(self, rows, DEFINITION)
        value_type = definition.type if isinstance(definition.type, tree.ValueType) else None
        made = tree.ValueDefinition(definition.position, definition.variable, definition.value, value_type)
        return rows.with_outer(self._kept(self.defined(made, binder)))

    def _define_graph(self, definition: tree.VariableDefinition, reference: tree.GraphReference) -> None:
        """GRAPH g = reference."""
        if definition.type is not None and not isinstance(definition.type, tree.OpenType):
            raise errors.NotSupportedError(
                "graph variables of a declared type are not supported", position=definition.type.position
            )
        self.context.graph_variables[definition.variable] = self.context.graph_named(reference)

    def _table(self, definition: tree.VariableDefinition, body: tree.Procedure, rows: Rows) -> ValueVariable:
        """TABLE t = {procedure}: the list of its rows, as records."""
        result = self._inside(body, rows, False)
        range_id, groups = self.context.new_range(), self.context.new_range()
        names = tuple(column.name for column in result.query.columns)
        columns = [
            ex.Column(column.type, range_id, number, column.name)
            for number, column in enumerate(result.query.columns)
        ]
        record: ex.Expr = ex.RecordOf(RECORD, names, tuple(map(self.operations.as_any, columns)))
        if isinstance(definition.type, tree.RecordType):
            record = converted(self.operations.as_any(record), definition.type, is_cast=False)
        function, arguments, listed = self.operations.resolve("collect_list", [record], definition.position)
        assert isinstance(function, AggregateFunction)
        aggregation = q.Aggregation(
            groups, q.Derived(range_id, result.query), (), (ex.Aggregate(listed, function, arguments),)
        )
        column = ex.Column(listed, groups, 0, definition.variable)
        select = q.Select((q.OutputColumn(definition.variable, listed),), aggregation, (column,))
        return ValueVariable(definition.variable, ex.SubqueryExpr(listed, "scalar", select))

    def _kept(self, variable: ValueVariable) -> ValueVariable:
        """A definition that reads, of a statement that writes: worked out once, before anything is written."""
        expr = variable.expr
        reads = any(isinstance(node, ex.SubqueryExpr) for node in ex.walk(expr))
        if self.depth or not self._writes or not reads:
            return variable
        number, range_id = len(self.stages), self.context.new_range()
        columns = (q.OutputColumn(variable.name, expr.type),)
        self.stages.append(q.Select(columns, q.OneRow(), (expr,)))
        column = ex.Column(expr.type, range_id, 0, variable.name)
        select = q.Select(columns, q.Bindings(range_id, number, 1), (column,))
        return replace(variable, expr=ex.SubqueryExpr(expr.type, "scalar", select))

    def _same_table(
        self, definition: tree.VariableDefinition, name: tree.ObjectName, rows: Rows
    ) -> ValueVariable:
        """TABLE t = another one."""
        found = rows.variables.get(name.name) if name.schema is None else None
        if not isinstance(found, ValueVariable):
            raise errors.UndefinedColumn(
                f'there is no table variable "{name.name}"', position=definition.position
            )
        return replace(found, name=definition.variable)

    def defined(self, definition: tree.ValueDefinition, binder: ExpressionBinder) -> ValueVariable:
        """The variable that LET and its kin define."""
        expr = binder.bind(definition.value)
        if not (isinstance(expr, ex.Const) and expr.value is None):  # NULL becomes what its uses want
            expr = self.operations.known(expr)
        if definition.type is not None:
            expr = self._of_type(expr, definition.type, definition)
        if isinstance(definition.value, tree.Variable):
            known = binder.variable(definition.value)
            source = getattr(known, "source", None)
            return ValueVariable(definition.variable, expr, source, getattr(known, "labels", None))
        return ValueVariable(definition.variable, expr)

    def _of_type(self, expr: ex.Expr, wanted: tree.ValueType, definition: tree.ValueDefinition) -> ex.Expr:
        """A value that is declared to be of a type."""
        target = sql_type(wanted)
        if is_plain(wanted) and (target.oid == oids.ANYVALUE or narrow_type(wanted).typmod < 0):
            if target.oid == oids.ANYVALUE:
                return self.operations.as_any(expr)
            return self._assigned(expr, target, definition)
        if is_plain(wanted) and expr.type.oid != oids.ANYVALUE:
            expr = self._assigned(expr, target, definition)
        return converted(self.operations.as_any(self.operations.known(expr)), wanted, is_cast=False)

    def _assigned(self, expr: ex.Expr, target: SqlType, definition: tree.ValueDefinition) -> ex.Expr:
        made = self.context.coercer.coerce(expr, target, "a")
        if made is None:
            raise errors.DatatypeMismatch(
                f'variable "{definition.variable}" is of type {graph_type_name(target.oid)},'
                f" its value of type {graph_type_name(expr.type.oid)}",
                hint="Cast the value.",
                position=definition.position,
            )
        return made

    # --- pages ----------------------------------------

    def page(self, page: tree.Page | None) -> tuple[ex.Expr | None, ex.Expr | None]:
        """LIMIT and OFFSET."""
        if page is None:
            return None, None
        return self._count(page.limit, "LIMIT"), self._count(page.offset, "OFFSET")

    def _count(self, node: tree.Expr | None, construct: str) -> ex.Expr | None:
        if node is None:
            return None
        binder = ExpressionBinder(self, Rows(), LIMIT)
        return self.operations.integer(binder.bind(node), construct, node.position)

    def sort_key(
        self, binder: ExpressionBinder, item: tree.SortItem, written: dict[str, ex.Expr]
    ) -> ex.SortKey:
        """An item of ORDER BY; one that was returned under a name as it is written is that column."""
        from skerry_engine.gql.binder.results import name_of

        expr = written.get(name_of(item.value) or "")
        if expr is None:
            expr = binder.bind(item.value)
        nulls_first = item.is_descending if item.nulls is None else item.nulls == "first"
        return ex.SortKey(self.operations.known(expr), item.is_descending, nulls_first)


def has_writes(node: object) -> bool:
    """Whether a clause somewhere in a tree writes."""
    if isinstance(node, tuple):
        return any(map(has_writes, node))
    if isinstance(node, (tree.Insert, tree.Set, tree.Remove, tree.Delete, tree.Merge)):
        return True
    if not isinstance(node, (tree.Procedure, tree.Composite, tree.Next)):
        return False
    return any(has_writes(getattr(node, each.name)) for each in fields(node))


def _check_one_kind(node: tree.Combined) -> None:
    """Raise SyntaxError where statements side by side are combined in two ways (§14.2): which goes first would have
    to be known."""
    left = node.left
    if isinstance(left, tree.Combined) and (left.operator, left.is_all) != (node.operator, node.is_all):
        raise errors.SyntaxError(
            f"{_conjunction(left)} and {_conjunction(node)} cannot stand side by side",
            hint="Put those that go first in braces: {... UNION ...} UNION ALL ...",
            position=node.right.position,
        )


def _conjunction(node: tree.Combined) -> str:
    return node.operator.upper() + (" ALL" if node.is_all else "")


def names_read(node: object) -> frozenset[str] | None:
    """The names of all variables that something in a tree reads; None where that may be any."""
    found: set[str] = set()
    in_patterns: set[str] = set()
    waiting: list[object] = [node]
    while waiting:
        each = waiting.pop()
        if isinstance(each, tuple):
            waiting.extend(each)
            continue
        if not isinstance(each, tree.Node):
            continue
        if isinstance(each, tree.Return) and each.is_star:
            return None
        if isinstance(each, tree.Variable):
            found.add(each.name)
        elif isinstance(each, (tree.CallInline, tree.CallNamed)):
            return None
        elif isinstance(each, _NAMING):
            found.add(each.variable)
        elif isinstance(each, (tree.NodePattern, tree.EdgePattern)) and each.variable is not None:
            # A name that stands in a second pattern is read there.
            (found if each.variable in in_patterns else in_patterns).add(each.variable)
        waiting.extend(getattr(each, part.name) for part in fields(each))
    return frozenset(found)


_NAMING = (tree.SetProperty, tree.SetAllProperties, tree.SetLabels, tree.RemoveProperty, tree.RemoveLabels)
