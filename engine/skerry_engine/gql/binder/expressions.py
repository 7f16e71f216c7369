"""Binding GQL's value expressions (§19, §20)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

from skerry_engine import errors
from skerry_engine.algebra import expressions as ex
from skerry_engine.algebra import labels as lb
from skerry_engine.algebra import queries as q
from skerry_engine.functions.dynamic import own_cast
from skerry_engine.functions.graph_resolution import AGGREGATES, resolve_graph_operator
from skerry_engine.functions.graph_times import read_text
from skerry_engine.functions.registry import AggregateFunction
from skerry_engine.gql import tree
from skerry_engine.gql.binder import native_reads as native
from skerry_engine.gql.binder.context import ANYVALUE, BOOL, PATH, RECORD, GqlContext
from skerry_engine.gql.binder.conversions import converted, is_plain
from skerry_engine.gql.binder.directions import DIRECTED
from skerry_engine.gql.binder.operations import Operations, conjunction
from skerry_engine.gql.binder.value_types import narrow_type
from skerry_engine.gql.binder.variables import ElementVariable, Rows, ValueVariable, Variable
from skerry_engine.values import oids
from skerry_engine.values.types import SqlType, graph_type_name, type_info

if TYPE_CHECKING:
    from skerry_engine.gql.binder.statements import StatementBinder

_CONSTANTS = {
    "int8": oids.INT8,
    "numeric": oids.NUMERIC,
    "float8": oids.FLOAT8,
    "string": oids.TEXT,
    "bytes": oids.BYTEA,
    "boolean": oids.BOOL,
    "null": oids.UNKNOWN,
}
_TEMPORAL = {
    "date": oids.DATE,
    "time": oids.TIMETZ,
    "datetime": oids.TIMESTAMPTZ,
    "timestamp": oids.TIMESTAMPTZ,
    "duration": oids.INTERVAL,
}
_INSTANTS = (oids.DATE, oids.TIME, oids.TIMETZ, oids.TIMESTAMP, oids.TIMESTAMPTZ)
_LOCAL = {oids.TIMETZ: oids.TIME, oids.TIMESTAMPTZ: oids.TIMESTAMP}


@dataclass(frozen=True)
class Place:
    """Where an expression stands: whether aggregates may occur in it, and the name errors give the place."""

    clause: str
    aggregates: bool = False


def mentioned(node: object) -> Iterator[str]:
    """The names of variables that a tree reads."""
    if isinstance(node, tree.Variable):
        yield node.name
    elif isinstance(node, tuple):
        for item in node:
            yield from mentioned(item)
    elif isinstance(node, tree.Node):
        for each in fields(node):
            yield from mentioned(getattr(node, each.name))


def label_formula(label: tree.Label) -> lb.LabelFormula:
    """A label expression (§16.8)."""
    match label:
        case tree.LabelName():
            return lb.Label(label.name)
        case tree.LabelWildcard():
            return lb.AnyLabel()
        case tree.LabelNot():
            return lb.NotLabel(label_formula(label.arg))
        case tree.LabelAnd():
            return lb.AllOf(tuple(map(label_formula, label.items)))
        case tree.LabelOr():
            return lb.AnyOf(tuple(map(label_formula, label.items)))
    raise AssertionError(f"no formula for {type(label).__name__}")


class ExpressionBinder:
    """Binds expressions over some rows' variables."""

    def __init__(self, statements: StatementBinder, rows: Rows, place: Place) -> None:
        self.statements = statements
        self.context: GqlContext = statements.context
        self.operations: Operations = statements.operations
        self.rows = rows
        self.place = place
        self._case_operand: ex.Expr | None = None
        self._inside_aggregate = False
        self.reads_absent = False
        """Whether a property that nothing has reads its element all the same, as grouping has to know."""

    # --- entry ----------------------------------------

    def bind(self, node: tree.Expr) -> ex.Expr:
        """The typed expression of a tree."""
        binder = _BINDERS.get(type(node))
        if binder is None:
            raise errors.NotSupportedError(
                f"{type(node).__name__} is not supported here", position=node.position
            )
        return binder(self, node)

    def condition(self, node: tree.Expr, construct: str) -> ex.Expr:
        """A boolean expression."""
        return self.operations.boolean(self.bind(node), construct, node.position)

    # --- constants and parameters ----------------------------------------

    def _literal(self, node: tree.Literal) -> ex.Expr:
        if node.slot >= 0:
            return self.context.parameters.literal(node.slot)
        return ex.Const(SqlType(_CONSTANTS[node.kind]), node.value)

    def _temporal(self, node: tree.TemporalLiteral) -> ex.Expr:
        oid = _TEMPORAL[node.kind]
        if oid in _LOCAL and not _names_a_zone(node.text):
            oid = _LOCAL[oid]
        try:
            return ex.Const(SqlType(oid), read_text(oid, node.text, self.context.io))
        except errors.DatabaseError as error:
            error.position = error.position or node.position
            raise

    def _parameter(self, node: tree.Parameter) -> ex.Expr:
        return self.context.parameters.given(node.name)

    # --- variables and properties ----------------------------------------

    def variable(self, node: tree.Variable) -> Variable:
        if self.context.outer is not None and node.name not in self.rows.variables:
            found = self.context.outer((node.name,), node.position)
            if found is not None:
                return ValueVariable(node.name, found)
        return self.rows.find(node.name, node.position)

    def _variable(self, node: tree.Variable) -> ex.Expr:
        return self.variable(node).value()

    def _outer_column(self, node: tree.Property) -> ex.Expr | None:
        """A column of a table beside GRAPH_TABLE, named with its table; None where there is none, or a variable."""
        assert self.context.outer is not None, "there is something outside"
        names: list[str] = []
        inner: tree.Expr = node
        while isinstance(inner, tree.Property):
            names.insert(0, inner.name)
            inner = inner.arg
        if not isinstance(inner, tree.Variable) or inner.name in self.rows.variables:
            return None
        return self.context.outer((inner.name, *names), inner.position)

    def _property(self, node: tree.Property) -> ex.Expr:
        if self.context.outer is not None:
            found = self._outer_column(node)
            if found is not None:
                return found
        found = self._property_of(node)
        if (
            not self.reads_absent
            or not isinstance(found, ex.Const)
            or not isinstance(node.arg, tree.Variable)
        ):
            return found
        variable = self.variable(node.arg)
        read = variable.placed.reference[-1] if isinstance(variable, ElementVariable) else variable.value()
        return ex.Case(found.type, ((ex.IsNull(BOOL, read), found),), found)

    def _property_of(self, node: tree.Property) -> ex.Expr:
        if isinstance(node.arg, tree.Variable):
            variable = self.variable(node.arg)
            if isinstance(variable, ElementVariable):
                return variable.placed.property(node.name, node.position)
            assert isinstance(variable, ValueVariable)
            return self._value_property(variable.expr, node.name, node.position, variable)
        return self._value_property(self.bind(node.arg), node.name, node.position, None)

    def _value_property(
        self, value: ex.Expr, name: str, position: int, variable: ValueVariable | None
    ) -> ex.Expr:
        oid = value.type.oid
        if oid in oids.ELEMENTS:
            if variable is not None and variable.source is not None:
                return variable.source.value_property(value, variable.labels, name, position)
            return ex.ValueProperty(ANYVALUE, value, name)
        if isinstance(value, ex.RecordOf):
            return value.items[value.names.index(name)] if name in value.names else ex.Const(ANYVALUE, None)
        if oid in (oids.GRAPHRECORD, oids.ANYVALUE):
            return ex.ValueProperty(ANYVALUE, value, name)
        if oid == oids.UNKNOWN:
            if isinstance(value, ex.Const):
                return ex.Const(ANYVALUE, None)
            return ex.ValueProperty(
                ANYVALUE, self.operations.as_type(value, oids.GRAPHRECORD, position), name
            )
        if oid in (oids.JSON, oids.JSONB):
            return ex.ValueProperty(
                ANYVALUE, self.operations.as_type(value, oids.GRAPHRECORD, position), name
            )
        raise errors.DatatypeMismatch(
            f'a value of type {graph_type_name(oid)} has no property "{name}"',
            hint="Nodes, edges and records have properties.",
            position=position,
        )

    # --- constructors ----------------------------------------

    def _list(self, node: tree.ListValue) -> ex.Expr:
        return self.operations.list_of([self.bind(item) for item in node.items])

    def _record(self, node: tree.RecordValue) -> ex.Expr:
        names = [field.name for field in node.fields]
        for number, name in enumerate(names):
            if name in names[:number]:
                raise errors.DuplicateColumn(
                    f'field "{name}" stands twice in one record', position=node.fields[number].position
                )
        items = [self.operations.as_any(self.operations.known(self.bind(f.value))) for f in node.fields]
        return ex.RecordOf(RECORD, tuple(names), tuple(items))

    def _path(self, node: tree.PathValue) -> ex.Expr:
        items = [self.bind(item) for item in node.items]
        for number, (item, written) in enumerate(zip(items, node.items, strict=True)):
            wanted = oids.EDGE if number % 2 else oids.NODE
            if item.type.oid != wanted:
                raise errors.DatatypeMismatch(
                    f"a path is of nodes and edges in turn: {graph_type_name(item.type.oid)} stands"
                    f" where {graph_type_name(wanted)} is wanted",
                    position=written.position,
                )
        if len(items) % 2 == 0:
            raise errors.DatatypeMismatch("a path begins and ends with a node", position=node.position)
        return ex.PathValue(PATH, tuple(items))

    def _index(self, node: tree.Index) -> ex.Expr:
        arg, index = self.bind(node.arg), self.bind(node.index)
        if (
            arg.type.oid in (oids.GRAPHRECORD, oids.ANYVALUE, *oids.ELEMENTS)
            and index.type.oid in oids.STRINGS
        ):
            if isinstance(index, ex.Const) and isinstance(index.value, str):
                return self._value_property(arg, index.value, node.position, None)
            return self.operations.call("property_by_name", arg, index, position=node.position)
        return native.list_item(self.operations, self._as_list(arg, node.position), index, node.position)

    def _slice(self, node: tree.Slice) -> ex.Expr:
        arg = self._as_list(self.bind(node.arg), node.position)
        lower = None if node.lower is None else self.bind(node.lower)
        upper = None if node.upper is None else self.bind(node.upper)
        return native.list_slice(self.operations, arg, lower, upper, node.position)

    def _as_list(self, arg: ex.Expr, position: int) -> ex.Expr:
        """A list, or what has to turn out to be one."""
        if arg.type.oid in (oids.ANYVALUE, oids.UNKNOWN):
            return self.operations.as_type(arg, oids.ANYVALUE_ARRAY, position)
        if not type_info(arg.type.oid).is_array:
            raise errors.DatatypeMismatch(
                f"a value of type {graph_type_name(arg.type.oid)} is no list", position=position
            )
        return arg

    # --- operators ----------------------------------------

    def _unary(self, node: tree.Unary) -> ex.Expr:
        if node.operator == "not":
            return ex.Not(BOOL, self.condition(node.arg, "NOT"))
        arg = self.bind(node.arg)
        if isinstance(arg, ex.Const) and node.operator == "-" and isinstance(arg.value, (int, float)):
            return ex.Const(arg.type, -arg.value)
        return self.operations.operator(node.operator, None, arg, node.position)

    def _binary(self, node: tree.Binary) -> ex.Expr:
        if node.operator in ("and", "or", "xor"):
            return self._connective(node)
        left, right = self._operand(node.left), self._operand(node.right)
        if node.operator == "in":
            listed = self._listed(left, right)
            if listed is not None:
                return listed
        same = self._same_elements(node, left, right)
        if same is not None:
            return same
        return self.operations.operator(node.operator, left, right, node.position)

    def _operand(self, node: tree.Expr) -> ex.Expr:
        return self.bind(node)

    def _connective(self, node: tree.Binary) -> ex.Expr:
        construct = node.operator.upper()
        left, right = self.condition(node.left, construct), self.condition(node.right, construct)
        if node.operator == "xor":
            return self.operations.operator("<>", left, right, node.position)
        made = ex.And if node.operator == "and" else ex.Or
        args: list[ex.Expr] = []
        for arg in (left, right):
            args.extend(arg.args if isinstance(arg, made) else (arg,))
        return made(BOOL, tuple(args))

    def _listed(self, left: ex.Expr, right: ex.Expr) -> ex.Expr | None:
        """a IN list where its items are of a's own type: what an index, or a set of constants, can serve."""
        info = type_info(right.type.oid)
        if left.type.oid in (oids.UNKNOWN, *oids.GRAPH_TYPES) or info.element_oid != left.type.oid:
            return None
        function, types, _ = resolve_graph_operator("=", left.type.oid, info.element_oid)
        if types != (left.type.oid, info.element_oid):
            return None
        return ex.AnyAll(BOOL, left, right, function, "=", False, True)

    def _same_elements(self, node: tree.Binary, left: ex.Expr, right: ex.Expr) -> ex.Expr | None:
        """a = b of two elements at hand: by their references, without making values."""
        if node.operator not in ("=", "<>"):
            return None
        if not isinstance(left, ex.ElementValue) or not isinstance(right, ex.ElementValue):
            return None
        if left.type.oid != right.type.oid:
            return None
        same = self.operations.operator("=", left.row_id, right.row_id, node.position)
        if left.table != right.table:
            same = conjunction([self.operations.operator("=", left.table, right.table, node.position), same])
        return ex.Not(BOOL, same) if node.operator == "<>" else same

    # --- predicates ----------------------------------------

    def _is_null(self, node: tree.IsNull) -> ex.Expr:
        arg = self.bind(node.arg)
        if isinstance(arg, ex.ElementValue):
            arg = arg.row_id
        return ex.IsNull(BOOL, arg, node.negated)

    def _is_truth(self, node: tree.IsTruth) -> ex.Expr:
        return ex.IsTruth(BOOL, self.condition(node.arg, "IS"), node.value, node.negated)

    def _is_typed(self, node: tree.IsTyped) -> ex.Expr:
        arg, wanted = self.bind(node.arg), node.type
        if arg.type.oid == oids.UNKNOWN:
            arg = self.operations.as_any(arg)
        return self._negated(native.is_typed(arg, wanted), node.negated)

    def _is_normalized(self, node: tree.IsNormalized) -> ex.Expr:
        form = ex.Const(SqlType(oids.TEXT), node.form.upper())
        test = self.operations.call("is_normalized", self.bind(node.arg), form, position=node.position)
        return self._negated(test, node.negated)

    def _is_directed(self, node: tree.IsDirected) -> ex.Expr:
        """NULL for NULL."""
        arg = self._element(node.arg, "IS DIRECTED", (oids.EDGE,))
        return self._negated(self._has_direction(node.arg, arg), node.negated)

    def _has_direction(self, node: tree.Expr, edge: ex.Expr) -> ex.Expr:
        """Whether an edge, which is what `node` means, is directed."""
        variable = self.variable(node) if isinstance(node, tree.Variable) else None
        if isinstance(variable, ElementVariable) and variable.placed.is_edge:
            test = variable.placed.has_labels(DIRECTED)
            if not isinstance(test, ex.Const):
                return test
            missing = ex.IsNull(BOOL, edge.row_id if isinstance(edge, ex.ElementValue) else edge)
            return ex.Case(BOOL, ((missing, ex.Const(BOOL, None)),), test)
        return ex.ValueHasLabels(BOOL, edge, DIRECTED)

    def _is_labeled(self, node: tree.IsLabeled) -> ex.Expr:
        labels = label_formula(node.label)
        if isinstance(node.arg, tree.Variable):
            variable = self.variable(node.arg)
            if isinstance(variable, ElementVariable):
                variable.source.check_labels(labels, variable.placed.is_edge, node.position)
                return self._negated(variable.placed.has_labels(labels), node.negated)
        arg = self._element(node.arg, "IS LABELED", (oids.NODE, oids.EDGE))
        return self._negated(ex.ValueHasLabels(BOOL, arg, labels), node.negated)

    def _is_endpoint(self, node: tree.IsEndpoint) -> ex.Expr:
        end = self._element(node.arg, "IS SOURCE OF", (oids.NODE,))
        edge = self._element(node.edge, "IS SOURCE OF", (oids.EDGE,))
        name = "is_source" if node.end == "source" else "is_destination"
        if isinstance(end, ex.ElementValue) and isinstance(edge, ex.ElementValue):
            place = 0 if node.end == "source" else 2
            same = self.operations.operator("=", end.row_id, edge.endpoints[place + 1], node.position)
            if end.table != edge.endpoints[place]:
                tables = self.operations.operator("=", end.table, edge.endpoints[place], node.position)
                same = conjunction([tables, same])
        else:
            same = self.operations.call(name, end, edge, position=node.position)
        if self._may_be_undirected(node.edge):
            # of an undirected edge no node is the source; a node that is NULL is still neither
            is_directed = self._has_direction(node.edge, edge)
            no_node = ex.IsNull(BOOL, end.row_id if isinstance(end, ex.ElementValue) else end)
            unknown = ex.And(BOOL, (no_node, ex.Const(BOOL, None)))
            same = ex.And(BOOL, (same, ex.Or(BOOL, (is_directed, unknown))))
        return self._negated(same, node.negated)

    def _may_be_undirected(self, node: tree.Expr) -> bool:
        """Whether an edge may be undirected: any may of which the graph is not known."""
        variable = self.variable(node) if isinstance(node, tree.Variable) else None
        return not isinstance(variable, ElementVariable) or variable.source.has_undirected()

    def _element(self, node: tree.Expr, construct: str, kinds: tuple[int, ...]) -> ex.Expr:
        arg = self.bind(node)
        if arg.type.oid not in (*kinds, oids.ANYVALUE, oids.UNKNOWN):
            wanted = " or ".join(graph_type_name(kind) for kind in kinds)
            raise errors.DatatypeMismatch(
                f"{construct} is for values of type {wanted}, not {graph_type_name(arg.type.oid)}",
                position=node.position,
            )
        return arg if arg.type.oid in kinds else self.operations.as_type(arg, kinds[0], node.position)

    def _property_exists(self, node: tree.PropertyExists) -> ex.Expr:
        """TRUE where the element has the property; NULL for NULL."""
        element = self._element(node.arg, "PROPERTY_EXISTS", (oids.NODE, oids.EDGE))
        found = self._property(tree.Property(node.position, node.arg, node.name))
        is_there = ex.IsNull(BOOL, found, True)
        missing = ex.IsNull(BOOL, element.row_id if isinstance(element, ex.ElementValue) else element)
        return ex.Case(BOOL, ((missing, ex.Const(BOOL, None)),), is_there)

    def _negated(self, expr: ex.Expr, negated: bool) -> ex.Expr:
        return ex.Not(BOOL, expr) if negated else expr

    # --- queries as values ----------------------------------------

    def _exists(self, node: tree.Exists) -> ex.Expr:
        query = self.statements.inner(node.body, self.rows, is_tested=True)
        return ex.SubqueryExpr(BOOL, "exists", query)

    def _value_query(self, node: tree.ValueQuery) -> ex.Expr:
        query = self.statements.inner(node.body, self.rows)
        if len(query.columns) != 1:
            raise errors.SyntaxError("VALUE takes a query of one column", position=node.position)
        return ex.SubqueryExpr(query.columns[0].type, "scalar", query)

    def _let_value(self, node: tree.LetValue) -> ex.Expr:
        before = self.rows
        try:
            for definition in node.definitions:
                value = self.statements.defined(definition, self)
                self.rows = self.rows.with_variable(value)
            return self.bind(node.body)
        finally:
            self.rows = before

    # --- CASE and kin ----------------------------------------

    def _case(self, node: tree.Case) -> ex.Expr:
        before = self._case_operand
        test: ex.Expr | None = None
        test_range = -1
        if node.operand is not None:
            test = self.operations.known(self.bind(node.operand))
            test_range = self.context.new_range()
            self._case_operand = ex.Column(test.type, test_range, 0, "case")
        try:
            conditions = [self._branch(branch) for branch in node.branches]
        finally:
            self._case_operand = before
        results = [self.bind(branch.result) for branch in node.branches]
        if node.otherwise is not None:
            results.append(self.bind(node.otherwise))
        shared, results = self.operations.common(results)
        default = results.pop() if node.otherwise is not None else None
        return ex.Case(shared, tuple(zip(conditions, results, strict=True)), default, test, test_range)

    def _branch(self, branch: tree.CaseBranch) -> ex.Expr:
        conditions = [self.condition(condition, "WHEN") for condition in branch.conditions]
        return conditions[0] if len(conditions) == 1 else ex.Or(BOOL, tuple(conditions))

    def _operand_of_case(self, node: tree.CaseOperand) -> ex.Expr:
        assert self._case_operand is not None, "the parser puts it into CASE only"
        return self._case_operand

    def _cast(self, node: tree.Cast) -> ex.Expr:
        arg = self.bind(node.arg)
        if not is_plain(node.type):
            given = self.operations.as_any(self.operations.known(arg))
            return converted(given, node.type, is_cast=True)
        target = narrow_type(node.type)
        if target.oid == oids.UNKNOWN:
            return arg
        if arg.type.oid == oids.UNKNOWN or target.oid in (oids.ANYVALUE, arg.type.oid):
            return self.operations.as_any(arg) if target.oid == oids.ANYVALUE else self._sized(arg, target)
        own = own_cast(arg.type.oid, target.oid)
        if own is not None:
            arg = ex.Cast(SqlType(own.return_type), arg, own, True)
        return self.context.coercer.cast(arg, target, node.position)

    def _sized(self, arg: ex.Expr, target: SqlType) -> ex.Expr:
        made = self.operations.as_type(arg, target.oid)
        return self.context.coercer.cast(made, target, None) if target.typmod >= 0 else made

    # --- calls ----------------------------------------

    def _call(self, node: tree.Call) -> ex.Expr:
        special = _SPECIAL_CALLS.get(node.name)
        if special is not None:
            return special(self, node)
        if node.name in AGGREGATES:
            return self._aggregate(node)
        if node.is_distinct or node.is_star:
            raise errors.WrongObjectType(f"{node.name} is no aggregate function", position=node.position)
        args = [self.bind(arg) for arg in node.args]
        return self.operations.call(node.name, *args, position=node.position)

    def _coalesce(self, node: tree.Call) -> ex.Expr:
        shared, args = self.operations.common([self.bind(arg) for arg in node.args])
        return ex.Coalesce(shared, tuple(args))

    def _null_if(self, node: tree.Call) -> ex.Expr:
        first, second = self._two(node)
        test = self.operations.operator("=", first, second, node.position)
        return ex.Case(first.type, ((test, ex.Const(first.type, None)),), first)

    def _duration_between(self, node: tree.Call) -> ex.Expr:
        args = [self.bind(arg) for arg in node.args]
        try:
            return self.operations.call(node.name, *args, position=node.position)
        except errors.UndefinedFunction:
            times = [arg.type.oid for arg in args[:2]]
            if len(times) < 2 or not all(oid in _INSTANTS for oid in times):
                raise
            raise errors.IncompatibleTemporal(
                f"there is no duration between values of type {' and '.join(map(graph_type_name, times))}",
                position=node.position,
            ) from None

    def _two(self, node: tree.Call) -> tuple[ex.Expr, ex.Expr]:
        if len(node.args) != 2:
            raise errors.SyntaxError(f"{node.name.upper()} takes two arguments", position=node.position)
        return self.bind(node.args[0]), self.bind(node.args[1])

    def _all_different(self, node: tree.Call) -> ex.Expr:
        """ALL_DIFFERENT(a, b, ...): no two are the same element."""
        return self._compared_elements(node, "all_different")

    def _same(self, node: tree.Call) -> ex.Expr:
        """SAME(a, b, ...): all are the same element."""
        return self._compared_elements(node, "same")

    def _compared_elements(self, node: tree.Call, name: str) -> ex.Expr:
        args = [self._element(arg, name.upper(), (oids.NODE, oids.EDGE)) for arg in node.args]
        return self.operations.call(name, *args, position=node.position)

    def _element_id(self, node: tree.Call) -> ex.Expr:
        """ELEMENT_ID of a native element at hand is its row id."""
        if len(node.args) == 1 and isinstance(node.args[0], tree.Variable):
            variable = self.variable(node.args[0])
            if isinstance(variable, ElementVariable) and len(variable.placed.reference) == 1:
                return variable.placed.reference[0]
        args = [self.bind(arg) for arg in node.args]
        return self.operations.call("element_id", *args, position=node.position)

    # --- aggregates ----------------------------------------

    def _aggregate(self, node: tree.Call) -> ex.Expr:
        listed = self._group_list(node)
        if listed is not None:
            return listed
        if not self.place.aggregates:
            raise errors.GroupingError(
                f"aggregate functions are not allowed in {self.place.clause}", position=node.position
            )
        if self._inside_aggregate:
            raise errors.GroupingError("aggregate function calls cannot be nested", position=node.position)
        self._inside_aggregate = True
        args = [self.operations.known(self.bind(arg)) for arg in node.args]
        self._inside_aggregate = False
        if node.name == "count" and len(args) == 1 and isinstance(args[0], ex.ElementValue):
            # an element is there if its id is, and told from others of its table by it
            if not node.is_distinct or isinstance(args[0].table, ex.Const):
                args = [args[0].row_id]
        function, arguments, result = self.operations.resolve(node.name, args, node.position)
        assert isinstance(function, AggregateFunction)
        return ex.Aggregate(result, function, arguments, node.is_distinct)

    def _group_list(self, node: tree.Call) -> ex.Expr | None:
        """An aggregate over variables that a quantifier has made lists: that is no grouping, but over their items."""
        listed = [
            self.rows.variables[name] for name in dict.fromkeys(mentioned(node.args)) if self._is_group(name)
        ]
        if not listed:
            return None
        self._check_together(listed, node)
        range_id, groups = self.context.new_range(), self.context.new_range()
        rows = self.rows
        calls: list[ex.Expr] = []
        for number, variable in enumerate(listed):
            assert isinstance(variable, ValueVariable)
            element = SqlType(type_info(variable.expr.type.oid).element_oid)
            calls.append(native.items_of(variable.expr, element))
            column = ex.Column(element, range_id, number, variable.name)
            rows = rows.with_variable(replace(variable, expr=column, is_group=False))
        aggregate = ExpressionBinder(self.statements, rows, Place("aggregates", True))._aggregate(node)
        if not isinstance(aggregate, ex.Aggregate):
            return aggregate
        scan = q.FunctionScan(range_id, tuple(calls), (1,) * len(calls))
        column = ex.Column(aggregate.type, groups, 0, node.name)
        select = q.Select(
            (q.OutputColumn(node.name, aggregate.type),),
            q.Aggregation(groups, scan, (), (aggregate,)),
            (column,),
        )
        return ex.SubqueryExpr(aggregate.type, "scalar", select)

    def _check_together(self, listed: list[Variable], node: tree.Call) -> None:
        """Raise NotSupportedError for several lists whose items do not go together, one by one."""
        repeats = {variable.repeat for variable in listed if isinstance(variable, ValueVariable)}
        if len(listed) > 1 and (len(repeats) > 1 or -1 in repeats):
            raise errors.NotSupportedError(
                f"an aggregate over group variables of several quantifiers"
                f" ({', '.join(variable.name for variable in listed)}) is not supported",
                hint="All of them must be bound once in each iteration of the same quantifier.",
                position=node.position,
            )

    def _is_group(self, name: str) -> bool:
        variable = self.rows.variables.get(name)
        return isinstance(variable, ValueVariable) and variable.is_group


def _names_a_zone(text: str) -> bool:
    """Whether the text of a time says its zone: Z, +01:00, or a name."""
    clock = text.partition("T")[2] or text.partition(" ")[2] or text
    return (
        clock.rstrip().endswith(("Z", "z"))
        or any(sign in clock for sign in "+-[")
        or any(map(str.isalpha, clock))
    )


_SPECIAL_CALLS: dict[str, Callable[[ExpressionBinder, tree.Call], ex.Expr]] = {
    "coalesce": ExpressionBinder._coalesce,
    "nullif": ExpressionBinder._null_if,
    "all_different": ExpressionBinder._all_different,
    "same": ExpressionBinder._same,
    "element_id": ExpressionBinder._element_id,
    "duration_between": ExpressionBinder._duration_between,
}

_BINDERS: dict[type[tree.Expr], Callable[[ExpressionBinder, Any], ex.Expr]] = {
    tree.Literal: ExpressionBinder._literal,
    tree.TemporalLiteral: ExpressionBinder._temporal,
    tree.Parameter: ExpressionBinder._parameter,
    tree.Variable: ExpressionBinder._variable,
    tree.Property: ExpressionBinder._property,
    tree.Index: ExpressionBinder._index,
    tree.Slice: ExpressionBinder._slice,
    tree.ListValue: ExpressionBinder._list,
    tree.RecordValue: ExpressionBinder._record,
    tree.PathValue: ExpressionBinder._path,
    tree.Unary: ExpressionBinder._unary,
    tree.Binary: ExpressionBinder._binary,
    tree.IsNull: ExpressionBinder._is_null,
    tree.IsTruth: ExpressionBinder._is_truth,
    tree.IsTyped: ExpressionBinder._is_typed,
    tree.IsNormalized: ExpressionBinder._is_normalized,
    tree.IsDirected: ExpressionBinder._is_directed,
    tree.IsLabeled: ExpressionBinder._is_labeled,
    tree.IsEndpoint: ExpressionBinder._is_endpoint,
    tree.PropertyExists: ExpressionBinder._property_exists,
    tree.Exists: ExpressionBinder._exists,
    tree.ValueQuery: ExpressionBinder._value_query,
    tree.LetValue: ExpressionBinder._let_value,
    tree.CaseOperand: ExpressionBinder._operand_of_case,
    tree.Case: ExpressionBinder._case,
    tree.Cast: ExpressionBinder._cast,
    tree.Call: ExpressionBinder._call,
}
