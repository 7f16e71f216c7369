"""TRUNCATE: the table gets a new, empty storage generation, which takes the old one's place at commit."""

from __future__ import annotations

from collections.abc import Generator

from skerry_engine import errors
from skerry_engine.catalog import changes
from skerry_engine.catalog.catalog import Catalog
from skerry_engine.catalog.objects import Relation, Table
from skerry_engine.catalog.privileges import TRUNCATE
from skerry_engine.session.definitions.change import change_catalog
from skerry_engine.session.definitions.context import DefinitionContext
from skerry_engine.session.definitions.guards import check_privilege
from skerry_engine.session.definitions.names import as_kind, current_table, get_table
from skerry_engine.session.definitions.rewriting import empty_generation, refuse_pending_checks
from skerry_engine.session.definitions.sequences import restart
from skerry_engine.session.definitions.waiting import lock_relation
from skerry_engine.session.steps import Complete, Step
from skerry_engine.sql import statements as st
from skerry_engine.txn.modes import ACCESS_EXCLUSIVE


def truncate(context: DefinitionContext, statement: st.Truncate) -> Generator[Step, object, Complete]:
    """TRUNCATE.  Raises NotSupportedError when a table that stays references one that is emptied."""

    def check(relation: Relation) -> None:
        check_privilege(context, as_kind(relation, Table, "table"), TRUNCATE)

    found: list[int] = []
    for name in statement.tables:
        table = yield from get_table(context, name, ACCESS_EXCLUSIVE, check)
        check(table)
        if table.oid not in found:
            found.append(table.oid)
    if statement.cascade:
        yield from _with_referencing(context, found)
    else:
        _refuse_referenced(context, found)
    for oid in found:
        _empty(context, current_table(context, oid), statement.restart_identity)
    return Complete("TRUNCATE TABLE")


def _with_referencing(context: DefinitionContext, found: list[int]) -> Generator[Step, object, None]:
    """Add the tables that reference those found, and so on, each locked and told of."""
    position = 0
    while position < len(found):
        for constraint in context.database.referencing(found[position]):
            if constraint.table_oid not in found:
                yield from lock_relation(context, constraint.table_oid, ACCESS_EXCLUSIVE)
                found.append(constraint.table_oid)
                context.notice(
                    f'truncate cascades to table "{current_table(context, constraint.table_oid).name}"'
                )
        position += 1


def _refuse_referenced(context: DefinitionContext, found: list[int]) -> None:
    database = context.database
    for oid in found:
        for constraint in database.referencing(oid):
            if constraint.table_oid not in found:
                child, parent = database.table(constraint.table_oid), database.table(oid)
                raise errors.NotSupportedError(
                    "cannot truncate a table referenced in a foreign key constraint",
                    detail=f'Table "{child.name}" references "{parent.name}".',
                    hint=f'Truncate table "{child.name}" at the same time, or use TRUNCATE ... CASCADE.',
                )


def _empty(context: DefinitionContext, table: Table, restart_identity: bool) -> None:
    refuse_pending_checks(context, table, "TRUNCATE")
    storage_id = empty_generation(context, table).storage_id
    database_oid, oid = context.database_oid, table.oid

    def change(catalog: Catalog) -> Catalog:
        return changes.set_storage(catalog, database_oid, oid, storage_id)

    change_catalog(context, change)
    if restart_identity:
        for column in table.live_columns:
            sequence = context.database.owned_sequence(oid, column.attnum)
            if sequence is not None:
                restart(context, sequence, sequence.start)
