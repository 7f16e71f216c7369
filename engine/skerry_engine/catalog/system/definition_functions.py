"""pg_get_*: objects and expressions as SQL text.

All give NULL for OIDs of objects that do not exist, as PostgreSQL's do.
"""

from __future__ import annotations

from skerry_engine import errors
from skerry_engine.abc import FunctionContext
from skerry_engine.catalog import property_graphs
from skerry_engine.catalog.catalog import Database
from skerry_engine.catalog.definitions import DefinitionPrinter
from skerry_engine.catalog.graphs import PropertyGraph
from skerry_engine.catalog.objects import IndexDef, MaterializedView, StoredExpression, Table, View
from skerry_engine.catalog.quoting import quote_identifier, quote_qualified
from skerry_engine.catalog.system.access import names_of, printer_of, system_of
from skerry_engine.catalog.system.constraints import rule_oid
from skerry_engine.catalog.system.layout import Row, read_facts
from skerry_engine.catalog.system.node_text import NodeReference, parse_reference
from skerry_engine.catalog.user_types import DomainType, domain_constraints, type_of_oid
from skerry_engine.functions.registry import AnyFunction, Function, define, function_by_oid
from skerry_engine.values.types import format_type

VOLATILITIES = {"i": " IMMUTABLE", "s": " STABLE", "v": ""}


# --- expressions ----------------------------------------------------------------------------------


def get_expr(context: FunctionContext, node: str, relation_oid: int, pretty: bool = False) -> str | None:
    """An expression kept in a catalog, as text; NULL when it or the relation is gone."""
    reference = parse_reference(node)
    if reference is not None and reference.kind in ("DOMAIN", "CHECK"):
        of_domain = _stored_of_domain(system_of(context).database, reference)
        if of_domain is not None:
            return printer_of(context).domain_expression(of_domain, pretty)
    table = system_of(context).database.relation(relation_oid)
    if reference is None or not isinstance(table, Table):
        return None
    printer = printer_of(context)
    if reference.kind == "KEYS":
        return _index_keys(printer, table, reference.oid, pretty)
    stored = _stored(table, reference)
    return None if stored is None else printer.expression(table, stored, pretty)


def _stored_of_domain(database: Database, reference: NodeReference) -> StoredExpression | None:
    if reference.kind == "CHECK":
        found = domain_constraints(database).get(reference.oid)
        return None if found is None else found[1].check
    domain = type_of_oid(database, reference.oid)
    return domain.default if isinstance(domain, DomainType) else None


def _stored(table: Table, reference: NodeReference) -> StoredExpression | None:
    if reference.kind == "DEFAULT":
        return next((c.default for c in table.columns if c.default_oid == reference.oid), None)
    if reference.kind == "CHECK":
        return next((c.check for c in table.constraints if c.oid == reference.oid), None)
    if reference.kind == "PREDICATE":
        index = table.index(reference.oid)
        return None if index is None else index.predicate
    return None


def _index_keys(printer: DefinitionPrinter, table: Table, index_oid: int, pretty: bool) -> str | None:
    index = table.index(index_oid)
    if index is None:
        return None
    stored = (key.expression for key in index.keys if key.expression is not None)
    return ", ".join(printer.expression(table, each, pretty) for each in stored)


# --- constraints, indexes, views, rules -----------------------------------------------------------


def get_constraintdef(context: FunctionContext, oid: int, pretty: bool = False) -> str | None:
    database = system_of(context).database
    constraint = database.constraints().get(oid)
    if constraint is None and oid in domain_constraints(database):
        constraint = domain_constraints(database)[oid][1]
    return None if constraint is None else printer_of(context).constraint(constraint, pretty)


def get_indexdef(context: FunctionContext, oid: int) -> str | None:
    index = system_of(context).database.relation(oid)
    return printer_of(context).index(index) if isinstance(index, IndexDef) else None


def get_indexdef_column(context: FunctionContext, oid: int, column: int, pretty: bool) -> str | None:
    index = system_of(context).database.relation(oid)
    if not isinstance(index, IndexDef):
        return None
    printer = printer_of(context)
    return printer.index(index, pretty) if column == 0 else printer.index_column(index, column, pretty)


def get_viewdef(context: FunctionContext, oid: int, pretty: bool = False) -> str | None:
    view = system_of(context).database.relation(oid)
    return printer_of(context).view(view, pretty) if isinstance(view, (View, MaterializedView)) else None


def get_wrapped_viewdef(context: FunctionContext, oid: int, _columns: int) -> str | None:
    """The pretty form; lines are not wrapped at `_columns`, which changes no meaning."""
    return get_viewdef(context, oid, True)


def get_viewdef_by_name(context: FunctionContext, name: str, pretty: bool = False) -> str | None:
    return get_viewdef(context, names_of(context).relation_oid(name), pretty)


def get_propgraphdef(context: FunctionContext, oid: int) -> str | None:
    """CREATE PROPERTY GRAPH of a graph over tables."""
    graph = system_of(context).database.relation(oid)
    if not isinstance(graph, PropertyGraph):
        return None
    return property_graphs.definition(printer_of(context), graph)


def get_ruledef(context: FunctionContext, oid: int, pretty: bool = False) -> str | None:
    for view in system_of(context).database.with_queries():
        if rule_oid(view) == oid:
            printer = printer_of(context)
            name = printer.relation_name(view) if pretty else printer.qualified_name(view)
            return (
                f'CREATE RULE "_RETURN" AS\n    ON SELECT TO {name} DO INSTEAD {printer.view(view, pretty)}'
            )
    return None


def get_serial_sequence(context: FunctionContext, table_name: str, column_name: str) -> str | None:
    """The sequence of a serial or identity column, qualified; NULL when the column has none."""
    database = system_of(context).database
    table = names_of(context).get_relation(table_name)
    if not isinstance(table, Table):
        raise errors.WrongObjectType(f'"{table.name}" is not a table')
    column = table.column_named(column_name)
    if column is None:
        raise errors.UndefinedColumn(f'column "{column_name}" of relation "{table.name}" does not exist')
    sequence = database.owned_sequence(table.oid, column.attnum)
    if sequence is None:
        return None
    return quote_qualified((database.schemas[sequence.schema_oid].name, sequence.name))


# --- functions ------------------------------------------------------------------------------------


def get_function_arguments(oid: int) -> str | None:
    function = function_by_oid(oid)
    return None if function is None else _arguments(function, with_results=True)


def get_function_identity_arguments(oid: int) -> str | None:
    function = function_by_oid(oid)
    return None if function is None else _arguments(function, with_results=False)


def _arguments(function: AnyFunction, with_results: bool) -> str:
    names = function.arg_names if isinstance(function, Function) else ()
    parts = []
    for number, type_oid in enumerate(function.arg_types):
        name = f"{quote_identifier(names[number])} " if number < len(names) and names[number] else ""
        variadic = "VARIADIC " if function.variadic and number == len(function.arg_types) - 1 else ""
        parts.append(f"{variadic}{name}{format_type(type_oid, None)}")
    if with_results and isinstance(function, Function):
        results = ((quote_identifier(name), format_type(oid, None)) for name, oid in function.result_columns)
        parts += [f"OUT {name} {type_text}" for name, type_text in results]
    return ", ".join(parts)


def get_function_result(oid: int) -> str | None:
    function = function_by_oid(oid)
    if function is None:
        return None
    returns_set = isinstance(function, Function) and function.returns_set
    return ("SETOF " if returns_set else "") + format_type(function.return_type, None)


def get_functiondef(oid: int) -> str | None:
    function = function_by_oid(oid)
    if function is None:
        return None
    if not isinstance(function, Function):
        raise errors.WrongObjectType(f'"{function.name}" is an aggregate function')
    strict = " STRICT" if function.strict else ""
    return (
        f"CREATE OR REPLACE FUNCTION {function.schema}.{quote_identifier(function.name)}({_arguments(function, True)})\n"
        f" RETURNS {get_function_result(oid)}\n LANGUAGE internal\n"
        f"{VOLATILITIES[function.volatility]} PARALLEL SAFE{strict}\n"
        f"AS $function${function.source}$function$\n"
    )


def nothing(*_arguments: object) -> None:
    """For definitions of what Skerry has not: triggers, partitions, SQL function bodies,
    statistics objects."""
    return None


def get_keywords() -> list[Row]:
    return [
        (word, code, bare == "t", description, bare_description)
        for word, code, bare, description, bare_description in read_facts("keywords.tsv")
    ]


define("pg_get_expr", get_expr, needs_context=True)
define("pg_get_expr_ext", get_expr, needs_context=True)
define("pg_get_constraintdef", get_constraintdef, needs_context=True)
define("pg_get_constraintdef_ext", get_constraintdef, needs_context=True)
define("pg_get_indexdef", get_indexdef, needs_context=True)
define("pg_get_indexdef_ext", get_indexdef_column, needs_context=True)
define("pg_get_viewdef", get_viewdef, needs_context=True)
define("pg_get_viewdef_ext", get_viewdef, needs_context=True)
define("pg_get_viewdef_wrap", get_wrapped_viewdef, needs_context=True)
define("pg_get_viewdef_name", get_viewdef_by_name, needs_context=True)
define("pg_get_viewdef_name_ext", get_viewdef_by_name, needs_context=True)
define("pg_get_propgraphdef", get_propgraphdef, needs_context=True)
define("pg_get_ruledef", get_ruledef, needs_context=True)
define("pg_get_ruledef_ext", get_ruledef, needs_context=True)
define("pg_get_serial_sequence", get_serial_sequence, needs_context=True)
define("pg_get_function_arguments", get_function_arguments)
define("pg_get_function_identity_arguments", get_function_identity_arguments)
define("pg_get_function_result", get_function_result)
define("pg_get_functiondef", get_functiondef)
define("pg_get_keywords", get_keywords)
for _source in (
    "pg_get_partkeydef",
    "pg_get_partition_constraintdef",
    "pg_get_triggerdef",
    "pg_get_triggerdef_ext",
    "pg_get_function_sqlbody",
    "pg_get_function_arg_default",
    "pg_get_statisticsobjdef",
    "pg_get_statisticsobjdef_columns",
    "pg_get_statisticsobjdef_expressions",
):
    define(_source, nothing)
