"""Binding what the catalog stores: defaults, checks, index keys and predicates, views.

Expressions are bound over one table's columns as range 0, by position, which is how the catalog keeps them.
Literals are read now, once: `'t_id_seq'::regclass` becomes the sequence's OID, and `'now'::timestamptz` the
moment of the definition, as in PostgreSQL.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlglot import exp

from skerry_engine import errors
from skerry_engine.algebra import expressions as ex
from skerry_engine.algebra import queries as q
from skerry_engine.algebra.traversal import rewrite_all, walk_all
from skerry_engine.catalog.catalog import Database
from skerry_engine.catalog.changes import SYSTEM_COLUMN_NAMES
from skerry_engine.catalog.dependencies import attributes_read
from skerry_engine.catalog.objects import (
    CLASS_RELATION,
    CLASS_TYPE,
    Address,
    Column,
    SequenceDef,
    StoredExpression,
    Table,
    View,
)
from skerry_engine.catalog.user_types import type_of_oid
from skerry_engine.functions.registry import Function
from skerry_engine.session.definitions.context import DefinitionContext
from skerry_engine.session.graphs.tables import StoredGraphTableBinder
from skerry_engine.sql.binder.context import BindContext, GraphTables, Parameters
from skerry_engine.sql.binder.expressions import ExpressionBinder, Place
from skerry_engine.sql.binder.queries import QueryBinder
from skerry_engine.sql.binder.scope import Range, Scope, ScopeColumn
from skerry_engine.sql.bridge import parse_query, position_of
from skerry_engine.sql.statements import SourceExpression, SourceQuery
from skerry_engine.values import oids
from skerry_engine.values.io import IoContext, text_decoder
from skerry_engine.values.types import SqlType, format_type


@dataclass(frozen=True, slots=True)
class StoredPlace:
    """A place that holds stored expressions: `clause` as refusals of aggregates and windows name it,
    `singular` as the refusal of a subquery does."""

    clause: str
    singular: str


DEFAULT = StoredPlace("DEFAULT expressions", "DEFAULT expression")
DOMAIN_CHECK = StoredPlace("check constraints", "check constraint")
CHECK = StoredPlace("check constraints", "check constraint")
GENERATION = StoredPlace("column generation expressions", "column generation expression")
INDEX_EXPRESSION = StoredPlace("index expressions", "index expression")
INDEX_PREDICATE = StoredPlace("index predicates", "index predicate")
PROPERTY = StoredPlace("property expressions", "property expression")
TRANSFORM = StoredPlace("transform expressions", "transform expression")


# --- entry points -------------------------------------------------------------------------------------------


def bind_default(
    context: DefinitionContext, source: SourceExpression, column_name: str, target: SqlType
) -> StoredExpression:
    """A column's default as a value of its type.  Raises NotSupportedError for columns, DatatypeMismatch."""
    for node in source.tree.find_all(exp.Column):
        raise errors.NotSupportedError(
            "cannot use column reference in DEFAULT expression", position=position_of(node)
        )
    binder = _Binder(context, "", (), DEFAULT)
    bound = binder.coerced(binder.bind(source.tree), target)
    if bound is None:
        raise _mismatch(column_name, target, binder.bind(source.tree).type, "default expression", source)
    return StoredExpression(source.text, bound)


def bind_generation(
    context: DefinitionContext, source: SourceExpression, table: Table, column: Column
) -> StoredExpression:
    """A generated column's expression as a value of its type.

    Raises InvalidObjectDefinition for a generated column in it and for what is not immutable, DatatypeMismatch.
    """
    for written in source.tree.find_all(exp.Column):
        if table.column_named(written.name) is None:
            _refuse_row_or_system_column(written, table)
    binder = _Binder(context, table.name, table.live_columns, GENERATION)
    found = binder.bind(source.tree)
    generated = {each.position: each.name for each in table.live_columns if each.generated}
    for node in ex.walk(found):
        if isinstance(node, ex.Column) and node.position in generated:
            name = generated[node.position]
            named = (each for each in source.tree.find_all(exp.Column) if each.name == name)
            raise errors.InvalidObjectDefinition(
                f'cannot use generated column "{name}" in column generation expression',
                detail="A generated column cannot reference another generated column.",
                position=next((position_of(each) for each in named), None),
            )
    bound = binder.coerced(found, column.type)
    if bound is None:
        raise _mismatch(column.name, column.type, found.type, "default expression", source)
    if any(function.volatility != "i" for function in functions_of(bound)):
        raise errors.InvalidObjectDefinition("generation expression is not immutable")
    return StoredExpression(source.text, bound)


def _refuse_row_or_system_column(node: exp.Column, table: Table) -> None:
    if node.name == table.name and not node.args.get("table"):
        raise errors.InvalidObjectDefinition(
            "cannot use whole-row variable in column generation expression",
            detail="This would cause the generated column to depend on its own value.",
            position=position_of(node),
        )
    if node.name in SYSTEM_COLUMN_NAMES:
        raise errors.InvalidColumnReference(
            f'cannot use system column "{node.name}" in column generation expression',
            position=position_of(node),
        )


def bind_check(
    context: DefinitionContext, source: SourceExpression, table_name: str, columns: Sequence[Column]
) -> StoredExpression:
    """A CHECK constraint's condition."""
    binder = _Binder(context, table_name, columns, CHECK)
    return StoredExpression(source.text, binder.condition(source.tree, "CHECK"))


def bind_domain_check(
    context: DefinitionContext, source: SourceExpression, base: SqlType
) -> StoredExpression:
    """A CHECK of a domain: a condition over VALUE, which is column 0 of a row that has nothing else."""
    value = Column("value", 1, 0, base)
    for node in source.tree.find_all(exp.Column):
        if len(node.parts) > 1 or node.name != "value":
            raise errors.UndefinedColumn(f'column "{node.name}" does not exist', position=position_of(node))
    binder = _Binder(context, "", (value,), DOMAIN_CHECK)
    return StoredExpression(source.text, binder.condition(source.tree, "CHECK"))


def bind_index_expression(
    context: DefinitionContext, source: SourceExpression, table: Table
) -> StoredExpression:
    """An index key.  Raises InvalidObjectDefinition for what is not immutable."""
    binder = _Binder(context, table.name, table.live_columns, INDEX_EXPRESSION)
    bound = binder.known(binder.bind(source.tree))
    _require_immutable(bound, "index expression")
    return StoredExpression(source.text, bound)


def bind_predicate(context: DefinitionContext, source: SourceExpression, table: Table) -> StoredExpression:
    """The WHERE of a partial index.  Raises InvalidObjectDefinition for what is not immutable."""
    binder = _Binder(context, table.name, table.live_columns, INDEX_PREDICATE)
    bound = binder.condition(source.tree, "WHERE")
    _require_immutable(bound, "index predicate")
    return StoredExpression(source.text, bound)


def bind_property(context: DefinitionContext, source: SourceExpression, table: Table) -> StoredExpression:
    """A property of a property graph's element.  Raises InvalidObjectDefinition for what is volatile: an element would
    have another value each time it is looked at."""
    binder = _Binder(context, table.name, table.live_columns, PROPERTY)
    bound = binder.known(binder.bind(source.tree))
    if is_volatile(bound):
        raise errors.InvalidObjectDefinition("functions in property expression must not be volatile")
    return StoredExpression(source.text, bound)


def column_expression(column: Column) -> ex.Column:
    """A column as a stored expression reads it."""
    return ex.Column(column.type, 0, column.position, column.name, not column.not_null)


def bind_transform(
    context: DefinitionContext, source: SourceExpression, table: Table, column: Column, target: SqlType
) -> ex.Expr:
    """The USING of ALTER COLUMN TYPE: a value of the new type over the old row.  Raises DatatypeMismatch."""
    binder = _Binder(context, table.name, table.live_columns, TRANSFORM)
    bound = binder.coerced(binder.bind(source.tree), target)
    if bound is None:
        raise errors.DatatypeMismatch(
            f'result of USING clause for column "{column.name}" cannot be cast automatically to type '
            f"{format_type(target.oid, target.typmod)}",
            hint="You might need to add an explicit cast.",
        )
    return bound


def cast_column(context: DefinitionContext, table: Table, column: Column, target: SqlType) -> ex.Expr:
    """The column as a value of another type, by an assignment cast.  Raises DatatypeMismatch."""
    binder = _Binder(context, table.name, table.live_columns, TRANSFORM)
    read = column_expression(column)
    bound = binder.coerced(read, target)
    if bound is None:
        shown = format_type(target.oid, target.typmod)
        raise errors.DatatypeMismatch(
            f'column "{column.name}" cannot be cast automatically to type {shown}',
            hint=f'You might need to specify "USING {column.name}::{shown}".',
        )
    return bound


def cast_expression(context: DefinitionContext, expr: ex.Expr, target: SqlType) -> ex.Expr | None:
    """An expression without columns by an assignment cast; None when there is no such cast."""
    return _Binder(context, "", (), DEFAULT).coerced(expr, target)


# --- expressions --------------------------------------------------------------------------------------------


class _Binder:
    """Binds expressions over one table's columns."""

    def __init__(
        self, context: DefinitionContext, table_name: str, columns: Sequence[Column], place: StoredPlace
    ) -> None:
        self.io = context.io
        self.place = place
        self.queries = _query_binder(context)
        offered = [ScopeColumn(c.name, c.type, c.position, not c.not_null, c.attnum) for c in columns]
        scope = Scope(None, [Range(table_name, 0, offered)] if columns else [])
        self.expressions = ExpressionBinder(self.queries, scope, Place(place.clause))

    def bind(self, tree: exp.Expression) -> ex.Expr:
        """The bound expression, literals read."""
        self._refuse_queries(tree)
        return self._folded(self.expressions.bind(tree.copy()))

    def condition(self, tree: exp.Expression, construct: str) -> ex.Expr:
        """A bound boolean expression."""
        self._refuse_queries(tree)
        return self._folded(self.expressions.condition(tree.copy(), construct))

    def coerced(self, expr: ex.Expr, target: SqlType) -> ex.Expr | None:
        """The expression by an assignment cast to `target`; None when there is none."""
        found = self.queries.coercer.coerce(expr, target, "a")
        return None if found is None else self._folded(found)

    def known(self, expr: ex.Expr) -> ex.Expr:
        return self.queries.coercer.known(expr)

    def _refuse_queries(self, tree: exp.Expression) -> None:
        for node in tree.find_all(exp.Subquery, exp.Exists, exp.Select):
            raise errors.NotSupportedError(
                f"cannot use subquery in {self.place.singular}", position=position_of(node)
            )
        for node in tree.find_all(exp.Parameter):
            raise errors.UndefinedParameter(
                f"there is no parameter ${node.this.this}", position=position_of(node)
            )

    def _folded(self, expr: ex.Expr) -> ex.Expr:
        """Read the literals whose type's input depends on settings or names, as a definition does at once."""

        return ex.transform(expr, lambda node: literal_read(node, self.io))


def literal_read(node: object, io: IoContext) -> ex.Const | None:
    """What a string literal means that a type reads, and depends on settings or names; None for anything else."""
    if not isinstance(node, ex.Cast) or not isinstance(node.arg, ex.Const):
        return None
    if not isinstance(node.arg.value, str) or not _reads_text(node):
        return None
    return ex.Const(SqlType(node.type.oid), text_decoder(SqlType(node.type.oid), io)(node.arg.value))


def _reads_text(cast: ex.Cast) -> bool:
    """Whether a cast is a type's input function over a literal."""
    function = cast.function
    return function is not None and function.name == "text_io" and function.arg_types == (oids.TEXT,)


def _query_binder(
    context: DefinitionContext, database: Database | None = None, graph_tables: GraphTables | None = None
) -> QueryBinder:
    bind_context = BindContext(
        database or context.database,
        context.search_path,
        Parameters(None, ()),
        None,
        parse_query,
        graph_tables,
    )
    return QueryBinder(bind_context, context.io)


def _mismatch(
    column_name: str, target: SqlType, given: SqlType, what: str, source: SourceExpression
) -> errors.DatatypeMismatch:
    return errors.DatatypeMismatch(
        f'column "{column_name}" is of type {format_type(target.oid, target.typmod)}'
        f" but {what} is of type {format_type(given.oid)}",
        hint="You will need to rewrite or cast the expression.",
        position=position_of(source.tree),
    )


def functions_of(expr: ex.Expr) -> list[Function]:
    """The functions that an expression calls, casts included."""
    found: list[Function] = []
    for node in ex.walk(expr):
        if isinstance(node, (ex.Call, ex.Cast)) and node.function is not None:
            found.append(node.function)
    return found


def is_volatile(expr: ex.Expr) -> bool:
    """Whether the expression may give another value for each row."""
    return any(function.volatility == "v" for function in functions_of(expr))


def _require_immutable(expr: ex.Expr, what: str) -> None:
    if any(function.volatility != "i" for function in functions_of(expr)):
        raise errors.InvalidObjectDefinition(f"functions in {what} must be marked IMMUTABLE")


# --- views --------------------------------------------------------------------------------------------------


def bind_view(context: DefinitionContext, source: SourceQuery) -> q.Query:
    """A view's query, in which other views stand by name as tables do.  Raises what is wrong with it."""
    for node in source.tree.find_all(exp.Parameter):
        raise errors.UndefinedParameter(
            f"there is no parameter ${node.this.this}", position=position_of(node)
        )
    database = context.database
    query = _query_binder(
        context,
        database.cached("views as tables", lambda: _with_views_as_tables(database)),
        StoredGraphTableBinder(context, context.io),
    ).query(source.tree.copy())
    return rewrite_all(query, lambda node: literal_read(node, context.io))


def _with_views_as_tables(database: Database) -> Database:
    """The database as a view's definition sees it: a view it reads is a name with columns,
    whatever is behind it."""
    views = [
        Table(
            oid=view.oid,
            name=view.name,
            schema_oid=view.schema_oid,
            version=view.version,
            columns=view.columns,
            storage_id=0,
        )
        for view in database.with_queries()
    ]
    return database.with_relations(views)


def view_references(context: DefinitionContext, query: q.Query) -> tuple[Address, ...]:
    """What a view reads: columns of tables and views, a relation as a whole where it reads no column,
    sequences, graphs, users' types."""
    database = context.database
    scans = {
        scan.range_id: relation
        for scan in walk_all(query)
        if isinstance(scan, q.Scan)
        and isinstance(relation := database.relation(scan.table_oid), (Table, View))
    }
    found: dict[Address, None] = {}
    for node in walk_all(query):
        if isinstance(node, ex.Column) and node.range_id in scans:
            relation = scans[node.range_id]
            attnum = next(c.attnum for c in relation.columns if c.position == node.position)
            found[Address(CLASS_RELATION, relation.oid, attnum)] = None
        elif isinstance(node, ex.Const) and node.type.oid == oids.REGCLASS and isinstance(node.value, int):
            if isinstance(database.relation(node.value), SequenceDef):
                found[Address(CLASS_RELATION, node.value)] = None
        elif isinstance(node, q.GraphTable):
            found[Address(CLASS_RELATION, node.graph_oid)] = None
        if isinstance(node, ex.Expr) and not isinstance(node, ex.Column):
            if type_of_oid(database, node.type.named_oid) is not None:
                found[Address(CLASS_TYPE, node.type.named_oid)] = None
            found.update(dict.fromkeys(attributes_read((node,))))
    read = {address.oid for address in found}
    for relation in scans.values():
        if relation.oid not in read:
            found[Address(CLASS_RELATION, relation.oid)] = None
    return tuple(found)
