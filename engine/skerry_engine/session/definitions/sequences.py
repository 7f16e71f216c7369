"""CREATE SEQUENCE, ALTER SEQUENCE.

The definition is transactional as all definitions are.  The value is not: RESTART takes effect at once, for
everybody, and is taken back if the transaction is rolled back.
"""

from __future__ import annotations

from collections.abc import Callable, Generator

from skerry_engine import errors
from skerry_engine.catalog import changes, naming
from skerry_engine.catalog.objects import CLASS_RELATION, Address, SequenceDef, Table
from skerry_engine.session.definitions.change import change_catalog
from skerry_engine.session.definitions.context import DefinitionContext
from skerry_engine.session.definitions.guards import check_owner
from skerry_engine.session.definitions.names import (
    as_kind,
    creation_schema,
    find_relation,
    open_relation,
    undefined_relation,
)
from skerry_engine.session.definitions.sequence_options import altered_sequence, new_sequence, restart_value
from skerry_engine.session.definitions.waiting import lock_new_name
from skerry_engine.session.steps import Complete, Step
from skerry_engine.sql import statements as st
from skerry_engine.txn.modes import SHARE_ROW_EXCLUSIVE
from skerry_engine.values import oids


def create_sequence(
    context: DefinitionContext, statement: st.CreateSequence
) -> Generator[Step, object, Complete]:
    """CREATE SEQUENCE.  Raises DuplicateTable, InvalidParameterValue."""
    schema = creation_schema(context, statement.name, statement.persistence)
    name = naming.truncate_name(statement.name.name)
    yield from lock_new_name(context, schema.oid, name)
    if context.database.relation_named(schema.oid, name) is not None:
        if not statement.if_not_exists:
            raise errors.DuplicateTable(f'relation "{name}" already exists')
        context.notice(f'relation "{name}" already exists, skipping', sqlstate="42P07")
        return Complete("CREATE SEQUENCE")
    empty = SequenceDef(
        oid=context.catalog.oids.allocate(),
        name=name,
        schema_oid=schema.oid,
        owner_oid=context.user_oid,
        persistence="t" if schema.name == context.temporary_schema_name else statement.persistence,
        type_oid=oids.INT8,
        owner_column=_owner(context, statement.options, schema.oid),
    )
    sequence = new_sequence(context, empty, statement.options)
    add_sequence(context, sequence)
    return Complete("CREATE SEQUENCE")


def add_sequence(context: DefinitionContext, sequence: SequenceDef) -> None:
    """Put a sequence into the catalog, with its first value to come."""
    database_oid = context.database_oid
    change_catalog(context, lambda catalog: changes.create_sequence(catalog, database_oid, sequence))
    set_sequence(context, sequence, context.sequences.create(sequence))


def _owner(context: DefinitionContext, options: st.SequenceOptions, schema_oid: int) -> Address | None:
    """The column of OWNED BY.  Raises UndefinedTable, UndefinedColumn, ObjectNotInPrerequisiteState."""
    if not options.owned_by:
        return None
    if len(options.owned_by) == 1:
        raise errors.SyntaxError(
            "invalid OWNED BY option", hint="Specify OWNED BY table.column or OWNED BY NONE."
        )
    table_name = st.ObjectName(options.owned_by[:-1])
    table = find_relation(context, table_name)
    if table is None:
        raise undefined_relation(table_name)
    if not isinstance(table, Table):
        raise errors.WrongObjectType(f'sequence cannot be owned by relation "{table.name}"')
    if table.schema_oid != schema_oid:
        raise errors.ObjectNotInPrerequisiteState("sequence must be in same schema as table it is linked to")
    column = table.column_named(options.owned_by[-1])
    if column is None:
        raise errors.UndefinedColumn(
            f'column "{options.owned_by[-1]}" of relation "{table.name}" does not exist'
        )
    return Address(CLASS_RELATION, table.oid, column.attnum)


def alter_sequence(
    context: DefinitionContext, statement: st.AlterSequence
) -> Generator[Step, object, Complete]:
    """ALTER SEQUENCE.  Raises UndefinedTable, InvalidParameterValue."""
    found = yield from open_relation(context, statement.name, SHARE_ROW_EXCLUSIVE)
    if found is None:
        if not statement.if_exists:
            raise undefined_relation(statement.name)
        context.notice(f'relation "{statement.name}" does not exist, skipping')
        return Complete("ALTER SEQUENCE")
    sequence = as_kind(found, SequenceDef, "sequence")
    check_owner(context, sequence)
    change_sequence(context, sequence, statement.options)
    if statement.options.owned_by is not None:
        _change_owner(context, sequence, statement.options)
    return Complete("ALTER SEQUENCE")


def change_sequence(context: DefinitionContext, sequence: SequenceDef, options: st.SequenceOptions) -> None:
    """Change a sequence's definition and, for RESTART, its value."""
    changed = altered_sequence(context, sequence, options)
    value = restart_value(changed, options)
    if value is None:
        _check_current(context, changed)
    database_oid = context.database_oid
    change_catalog(
        context,
        lambda catalog: changes.alter_sequence(
            catalog, database_oid, sequence.oid, lambda old: altered_sequence(context, old, options)
        ),
    )
    context.sequences.relog(sequence.oid)
    if value is not None:
        restart(context, changed, value)


def restart(context: DefinitionContext, sequence: SequenceDef, value: int) -> None:
    """Set a sequence's next value, until the transaction is rolled back."""
    set_sequence(context, sequence, context.sequences.restart(sequence, value))


def set_sequence(context: DefinitionContext, sequence: SequenceDef, undo: Callable[[], None]) -> None:
    """A sequence was set by a definition: `undo` takes it back, the commit keeps it."""
    transaction, sequences = context.transaction, context.sequences
    transaction.on_rollback(undo)
    transaction.note_sequence(sequence.oid)
    transaction.on_commit(lambda: sequences.settle(sequence.oid))


def _check_current(context: DefinitionContext, changed: SequenceDef) -> None:
    """Raise InvalidParameterValue when the present value lies beyond changed bounds."""
    value, _ = context.sequences.state(changed.oid, changed)
    if value < changed.minimum:
        raise errors.InvalidParameterValue(
            f"RESTART value ({value}) cannot be less than MINVALUE ({changed.minimum})"
        )
    if value > changed.maximum:
        raise errors.InvalidParameterValue(
            f"RESTART value ({value}) cannot be greater than MAXVALUE ({changed.maximum})"
        )


def _change_owner(context: DefinitionContext, sequence: SequenceDef, options: st.SequenceOptions) -> None:
    if sequence.is_identity:
        raise errors.NotSupportedError(
            "cannot change ownership of identity sequence",
            detail=f'Sequence "{sequence.name}" is linked to table '
            f'"{context.database.table(sequence.owner_column.oid).name}".'
            if sequence.owner_column is not None
            else None,
        )
    owner = _owner(context, options, sequence.schema_oid)
    database_oid = context.database_oid
    change_catalog(
        context, lambda catalog: changes.set_sequence_owner(catalog, database_oid, sequence.oid, owner)
    )
