"""ALTER TABLE's actions on constraints.

A new constraint enters the transaction's catalog and the rows are checked against it, one way or the other
first; if a row violates it, the statement is abandoned and nothing is left.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace

from skerry_engine import errors
from skerry_engine.catalog import changes
from skerry_engine.catalog.catalog import Catalog
from skerry_engine.catalog.objects import CLASS_CONSTRAINT, Address, Constraint, IndexDef, Table
from skerry_engine.session.definitions.change import change_catalog
from skerry_engine.session.definitions.columns import TableSite
from skerry_engine.session.definitions.constraints import (
    make_check,
    make_foreign_key,
    make_key,
    make_key_of_index,
)
from skerry_engine.session.definitions.context import DefinitionContext
from skerry_engine.session.definitions.drop import drop_objects
from skerry_engine.session.definitions.indexes import build_index
from skerry_engine.session.definitions.names import current_table
from skerry_engine.session.definitions.validation import (
    validate_check,
    validate_foreign_key,
    validate_not_null,
    validate_unique,
)
from skerry_engine.session.steps import Step
from skerry_engine.sql import statements as st


def add_constraint(
    context: DefinitionContext, oid: int, action: st.AddConstraint
) -> Generator[Step, object, None]:
    """ADD CONSTRAINT, its rows checked unless NOT VALID.  Raises what they violate."""
    written = action.constraint
    table = current_table(context, oid)
    site = TableSite(oid, table.name, table.schema_oid, table.persistence)
    if written.kind == "check":
        check = make_check(context, site, table, written)
        if not written.not_valid:
            yield from validate_check(context, table, check)
        _enter(context, check)
    elif written.kind == "foreign":
        foreign_key = yield from make_foreign_key(context, site, table, written)
        _enter(context, foreign_key)
        if not written.not_valid:
            yield from validate_foreign_key(context, foreign_key)
    else:
        yield from _add_key(context, site, table, written)


def _add_key(
    context: DefinitionContext, site: TableSite, table: Table, written: st.ConstraintDefinition
) -> Generator[Step, object, None]:
    if written.using_index is not None:
        constraint, index = yield from make_key_of_index(context, table, written)
    else:
        constraint, index = yield from make_key(context, site, table, written)
    if constraint.kind == "p":
        for attnum in constraint.columns:
            if not table.column(attnum).not_null:
                yield from validate_not_null(context, table, table.column(attnum))
    if written.using_index is None:
        built = yield from build_index(context, table, index)
        yield from validate_unique(context, table, index, built)
    _enter(context, constraint, index)


def _enter(context: DefinitionContext, constraint: Constraint, index: IndexDef | None = None) -> None:
    database_oid = context.database_oid
    change_catalog(context, lambda catalog: changes.add_constraint(catalog, database_oid, constraint, index))


def drop_constraint(
    context: DefinitionContext, oid: int, action: st.DropConstraint
) -> Generator[Step, object, None]:
    """DROP CONSTRAINT.  Raises UndefinedObject, DependentObjectsStillExist."""
    table = current_table(context, oid)
    constraint = table.constraint_named(action.name)
    if constraint is None and action.if_exists:
        context.notice(f'constraint "{action.name}" of relation "{table.name}" does not exist, skipping')
        return
    found = changes.get_constraint(table, action.name)
    yield from drop_objects(context, [Address(CLASS_CONSTRAINT, found.oid)], action.cascade)


def validate_constraint(
    context: DefinitionContext, oid: int, action: st.ValidateConstraint
) -> Generator[Step, object, None]:
    """VALIDATE CONSTRAINT: check the rows that NOT VALID left alone."""
    table = current_table(context, oid)
    constraint = changes.get_constraint(table, action.name)
    if constraint.kind not in "cf":
        raise errors.WrongObjectType(
            f'constraint "{action.name}" of relation "{table.name}" is not a foreign key or check constraint'
        )
    if constraint.validated:
        return
    if constraint.kind == "c":
        yield from validate_check(context, table, constraint)
    else:
        yield from validate_foreign_key(context, constraint)
    _alter(context, constraint, replace(constraint, validated=True))


def alter_constraint(
    context: DefinitionContext, oid: int, action: st.AlterConstraint
) -> Generator[Step, object, None]:
    """ALTER CONSTRAINT ... DEFERRABLE.  Raises WrongObjectType for what is no foreign key."""
    yield from ()
    table = current_table(context, oid)
    constraint = changes.get_constraint(table, action.name)
    if constraint.kind != "f":
        raise errors.WrongObjectType(
            f'constraint "{action.name}" of relation "{table.name}" is not a foreign key constraint'
        )
    changed = replace(constraint, deferrable=action.deferrable, initially_deferred=action.initially_deferred)
    _alter(context, constraint, changed)


def _alter(context: DefinitionContext, old: Constraint, new: Constraint) -> None:
    database_oid = context.database_oid

    def change(catalog: Catalog) -> Catalog:
        return changes.alter_constraint(
            catalog,
            database_oid,
            old.table_oid,
            old.oid,
            lambda constraint: replace(
                constraint,
                validated=new.validated,
                deferrable=new.deferrable,
                initially_deferred=new.initially_deferred,
            ),
        )

    change_catalog(context, change)
