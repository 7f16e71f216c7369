"""CREATE DOMAIN, ALTER DOMAIN.

A new constraint is tried on the columns that are of the domain, or of one over it, with their tables locked against
writers.  Columns of arrays of the domain are not looked into: while there are any, it gets no new constraint, as in
PostgreSQL.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import replace

from skerry_engine import errors
from skerry_engine.algebra.expressions import Const
from skerry_engine.catalog import naming, type_changes
from skerry_engine.catalog.definitions import DefinitionPrinter
from skerry_engine.catalog.objects import Column, Constraint, StoredExpression, Table
from skerry_engine.catalog.user_types import (
    DomainType,
    domain_chain,
    domain_default,
    domain_of,
    find_type_oid,
    free_array_name,
    is_name_taken,
    qualified_type_name,
)
from skerry_engine.plan.compile import compile_rows
from skerry_engine.session.definitions.binding import bind_default, bind_domain_check
from skerry_engine.session.definitions.change import change_catalog
from skerry_engine.session.definitions.context import DefinitionContext
from skerry_engine.session.definitions.guards import check_may_use_type
from skerry_engine.session.definitions.names import collation_of, creation_schema, type_of
from skerry_engine.session.definitions.types import locked_type
from skerry_engine.session.definitions.validation import each_slice
from skerry_engine.session.definitions.waiting import lock_new_name, lock_relation
from skerry_engine.session.steps import Complete, Step
from skerry_engine.sql import statements as st
from skerry_engine.sql import type_statements as ts
from skerry_engine.storage.heap import Row
from skerry_engine.txn.modes import SHARE
from skerry_engine.values import oids
from skerry_engine.values.types import SqlType, format_type, type_info
from skerry_engine.values.user_types import domain_oid, is_domain_or_array

Steps = Generator[Step, object, Complete]


# --- CREATE DOMAIN ------------------------------------------------------------------------------------------


def create_domain(context: DefinitionContext, statement: ts.CreateDomain) -> Steps:
    """CREATE DOMAIN.  Raises DuplicateObject, DatatypeMismatch for a type that no domain can have, SyntaxError."""
    schema = creation_schema(context, statement.name)
    name = naming.truncate_name(statement.name.name)
    yield from lock_new_name(context, schema.oid, name)
    if is_name_taken(context.database, schema.oid, name):
        raise errors.DuplicateObject(f'type "{name}" already exists')
    base = type_of(context, statement.type)
    check_may_use_type(context, base)
    if type_info(base.oid).is_pseudo or base.oid in oids.REFERENCES:
        raise errors.DatatypeMismatch(
            f'"{format_type(base.oid)}" is not a valid base type for a domain',
            position=statement.type.position,
        )
    default = _default(context, statement.default, name, base)
    if statement.default is None:
        default = domain_default(context.database, base)  # a copy, which goes its own way
    domain = DomainType(
        oid=domain_oid(context.catalog.oids.allocate()),
        name=name,
        schema_oid=schema.oid,
        owner_oid=context.user_oid,
        persistence="t" if schema.name == context.temporary_schema_name else "p",
        array_name=free_array_name(context.database, schema.oid, name),
        base=base,
        not_null=_says_not_null(statement.constraints),
        default=default,
        default_text=_default_text(context, default),
        collation_oid=collation_of(base, statement.collation),
        dimensions=statement.type.dimensions,
    )
    for written in statement.constraints:
        if written.kind == "check":
            domain = replace(domain, checks=(*domain.checks, _check(context, domain, written)))
    database_oid = context.database_oid
    change_catalog(context, lambda catalog: type_changes.create_type(catalog, database_oid, domain))
    return Complete("CREATE DOMAIN")


def _says_not_null(constraints: Sequence[ts.DomainConstraint]) -> bool:
    kinds = {each.kind for each in constraints}
    if {"null", "not null"} <= kinds:
        raise errors.SyntaxError("conflicting NULL/NOT NULL constraints")
    return "not null" in kinds


def _default(
    context: DefinitionContext, source: st.SourceExpression | None, name: str, base: SqlType
) -> StoredExpression | None:
    """The default, None for a mere NULL."""
    if source is None:
        return None
    bound = bind_default(context, source, name, base)
    is_null = isinstance(bound.expr, Const) and bound.expr.value is None
    return None if is_null else bound


def _default_text(context: DefinitionContext, default: StoredExpression | None) -> str | None:
    if default is None:
        return None
    return DefinitionPrinter(context.database, context.search_path).domain_expression(default)


def _check(context: DefinitionContext, domain: DomainType, written: ts.DomainConstraint) -> Constraint:
    assert written.check is not None
    if written.name is not None and domain.constraint_named(written.name) is not None:
        raise errors.DuplicateObject(f'constraint "{written.name}" for domain "{domain.name}" already exists')
    return Constraint(
        context.catalog.oids.allocate(),
        written.name or _free_name(domain),
        "c",
        0,
        check=bind_domain_check(context, written.check, domain.base),
        validated=not written.not_valid,
    )


def _free_name(domain: DomainType) -> str:
    for attempt in range(1_000_000):
        name = naming.object_name(domain.name, "", f"check{attempt or ''}")
        if domain.constraint_named(name) is None:
            return name
    raise AssertionError("no free name")


def _shown(context: DefinitionContext, domain: DomainType) -> str:
    return qualified_type_name(context.database, domain, context.search_path)


# --- ALTER DOMAIN -------------------------------------------------------------------------------------------


def alter_domain(context: DefinitionContext, statement: ts.AlterDomain) -> Steps:
    """ALTER DOMAIN.  Raises what is wrong with it, and what values in columns violate."""
    domain = yield from _locked_domain(context, statement.name)
    yield from _ACTIONS[statement.action](context, domain, statement)
    return Complete("ALTER DOMAIN")


def _locked_domain(context: DefinitionContext, name: st.ObjectName) -> Generator[Step, object, DomainType]:
    oid = find_type_oid(context.database, name.parts, context.search_path)
    if oid is not None and (not is_domain_or_array(oid) or oid & 1):
        raise errors.WrongObjectType(f"{context_type_name(context, oid)} is not a domain")
    found = yield from locked_type(context, name)
    assert isinstance(found, DomainType), "its OID says so"
    return found


def context_type_name(context: DefinitionContext, oid: int) -> str:
    """A type's name as messages show it."""
    return DefinitionPrinter(context.database, context.search_path).type_name(SqlType(oid))


def _alter(
    context: DefinitionContext, domain: DomainType, change: Callable[[DomainType], DomainType]
) -> None:
    database_oid, oid = context.database_oid, domain.oid
    change_catalog(context, lambda catalog: type_changes.alter_type(catalog, database_oid, oid, change))


def _set_default(
    context: DefinitionContext, domain: DomainType, statement: ts.AlterDomain
) -> Generator[Step, object, None]:
    yield from ()
    default = _default(context, statement.default, domain.name, domain.base)
    text = _default_text(context, default)
    _alter(context, domain, lambda old: replace(old, default=default, default_text=text))


def _set_not_null(
    context: DefinitionContext, domain: DomainType, statement: ts.AlterDomain
) -> Generator[Step, object, None]:
    not_null = statement.action == "set not null"
    if not_null and not domain.not_null:
        yield from _each_value(context, domain, _refuse_null)
    _alter(context, domain, lambda old: replace(old, not_null=not_null))


def _add_constraint(
    context: DefinitionContext, domain: DomainType, statement: ts.AlterDomain
) -> Generator[Step, object, None]:
    written = statement.constraint
    assert written is not None
    if written.kind != "check":
        raise errors.NotSupportedError("ALTER DOMAIN ADD of anything but a CHECK is not supported")
    made = _check(context, domain, written)
    if made.validated:
        yield from _validate(context, domain, made)
    _alter(context, domain, lambda old: replace(old, checks=(*old.checks, made)))


def _drop_constraint(
    context: DefinitionContext, domain: DomainType, statement: ts.AlterDomain
) -> Generator[Step, object, None]:
    yield from ()
    found = domain.constraint_named(statement.old_name)
    if found is None:
        message = f'constraint "{statement.old_name}" of domain "{domain.name}" does not exist'
        if not statement.if_exists:
            raise errors.UndefinedObject(message)
        context.notice(f"{message}, skipping")
        return
    oid = found.oid
    _alter(context, domain, lambda old: replace(old, checks=tuple(c for c in old.checks if c.oid != oid)))


def _rename_constraint(
    context: DefinitionContext, domain: DomainType, statement: ts.AlterDomain
) -> Generator[Step, object, None]:
    yield from ()
    shown = _shown(context, domain)
    if domain.constraint_named(statement.old_name) is None:
        raise errors.UndefinedObject(f'constraint "{statement.old_name}" for domain {shown} does not exist')
    new_name = naming.truncate_name(statement.new_name)
    if domain.constraint_named(new_name) is not None:
        raise errors.DuplicateObject(f'constraint "{new_name}" for domain {shown} already exists')
    _alter(context, domain, lambda old: _with_check(old, statement.old_name, name=new_name))


def _validate_constraint(
    context: DefinitionContext, domain: DomainType, statement: ts.AlterDomain
) -> Generator[Step, object, None]:
    found = domain.constraint_named(statement.old_name)
    if found is None:
        raise errors.UndefinedObject(
            f'constraint "{statement.old_name}" of domain "{domain.name}" does not exist'
        )
    if not found.validated:
        yield from _validate(context, domain, found)
        _alter(context, domain, lambda old: _with_check(old, statement.old_name, validated=True))


def _with_check(
    domain: DomainType, old_name: str, *, name: str | None = None, validated: bool | None = None
) -> DomainType:
    checks = tuple(
        replace(c, name=name or c.name, validated=c.validated if validated is None else validated)
        if c.name == old_name
        else c
        for c in domain.checks
    )
    return replace(domain, checks=checks)


Action = Callable[[DefinitionContext, DomainType, ts.AlterDomain], Generator[Step, object, None]]

_ACTIONS: dict[str, Action] = {
    "set default": _set_default,
    "drop default": _set_default,
    "set not null": _set_not_null,
    "drop not null": _set_not_null,
    "add constraint": _add_constraint,
    "drop constraint": _drop_constraint,
    "rename constraint": _rename_constraint,
    "validate constraint": _validate_constraint,
}


# --- values that are there ----------------------------------------------------------------------------------

Visit = Callable[[Table, Column, object], None]


def _validate(
    context: DefinitionContext, domain: DomainType, constraint: Constraint
) -> Generator[Step, object, None]:
    assert constraint.check is not None
    condition = compile_rows((constraint.check.expr,))
    functions = context.functions

    def visit(table: Table, column: Column, value: object) -> None:
        if condition(functions, (value,))[0] is False:
            raise errors.CheckViolation(
                f'column "{column.name}" of table "{table.name}" contains values that violate the new constraint',
                schema=context.database.schema_of(table).name,
                table=table.name,
                column=column.name,
            )

    yield from _each_value(context, domain, visit)


def _refuse_null(table: Table, column: Column, value: object) -> None:
    if value is None:
        raise errors.NotNullViolation(
            f'column "{column.name}" of table "{table.name}" contains null values',
            table=table.name,
            column=column.name,
        )


def _each_value(
    context: DefinitionContext, domain: DomainType, visit: Visit
) -> Generator[Step, object, None]:
    """Show every value of the domain that a table has."""
    for oid in sorted({table.oid for table, _ in _columns(context, domain)}):
        yield from lock_relation(context, oid, SHARE)
    for table, column in list(_columns(context, domain)):
        yield from each_slice(context, context.stores.get(table.storage_id), _visitor(visit, table, column))


def _visitor(visit: Visit, table: Table, column: Column) -> Callable[[list[Row]], None]:
    def each(rows: list[Row]) -> None:
        for row in rows:
            visit(table, column, row[column.position])

    return each


def _columns(context: DefinitionContext, domain: DomainType) -> Iterator[tuple[Table, Column]]:
    """The columns of the domain, and of domains over it.  Raises NotSupportedError for arrays of them."""
    database = context.database
    for table in database.tables():
        for column in table.live_columns:
            if column.type.domain and any(
                each.oid == domain.oid
                for each in domain_chain(database, domain_of(database, column.type.domain))
            ):
                if column.type.domain & 1:
                    raise errors.NotSupportedError(
                        f'cannot alter type "{domain.name}" because column "{table.name}.{column.name}" uses it'
                    )
                yield table, column
