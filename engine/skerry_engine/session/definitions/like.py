"""CREATE TABLE ... (LIKE other INCLUDING ...): what a new table takes over from another.

Columns with their types and NOT NULL always come along; defaults, checks, indexes, identity and comments when
asked for.  Stored expressions read columns by position, so they are rewritten to the places that the columns
have in the new table.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field, replace

from skerry_engine import errors
from skerry_engine.algebra import expressions as ex
from skerry_engine.catalog import naming
from skerry_engine.catalog.changes import with_column
from skerry_engine.catalog.objects import (
    CLASS_RELATION,
    Address,
    Column,
    Constraint,
    IndexDef,
    SequenceDef,
    StoredExpression,
    Table,
    View,
    new_version,
)
from skerry_engine.session.definitions.columns import TableSite, identity_column, with_default
from skerry_engine.session.definitions.context import DefinitionContext
from skerry_engine.session.definitions.names import open_relation
from skerry_engine.session.definitions.waiting import lock_new_name
from skerry_engine.session.steps import Step
from skerry_engine.sql import statements as st
from skerry_engine.txn.modes import ACCESS_SHARE


@dataclass(slots=True)
class LikeCopy:
    """One LIKE clause: its source, what it includes,
    and where the source's columns went (attnum to attnum)."""

    source: Table | View
    including: frozenset[str]
    attnums: dict[int, int] = field(default_factory=dict)
    comments: dict[int, str] = field(default_factory=dict)


def like_columns(
    context: DefinitionContext,
    site: TableSite,
    table: Table,
    written: st.LikeTable,
    sequences: list[SequenceDef],
    copies: list[LikeCopy],
) -> Generator[Step, object, Table]:
    """The table with the source's columns; the rest is noted in `copies`."""
    source = yield from open_relation(context, written.table, ACCESS_SHARE)
    if source is None:
        raise errors.UndefinedTable(
            f'relation "{written.table}" does not exist', position=written.table.position
        )
    if not isinstance(source, (Table, View)):
        raise errors.WrongObjectType(
            f'relation "{source.name}" is invalid in LIKE clause', position=written.table.position
        )
    copy = LikeCopy(source, written.including)
    copies.append(copy)
    for old in source.live_columns:
        number = len(table.columns)
        new = replace(_plain(old), attnum=number + 1, position=number)
        if old.default is not None and not old.generated and "defaults" in written.including:
            new = with_default(context, new, old.default)
        if old.identity and "identity" in written.including:
            options = _identity_options(context, source, old)
            made = yield from identity_column(context, site, new, old.identity, options)
            assert made.sequence is not None
            sequences.append(made.sequence)
            new = made.column
        copy.attnums[old.attnum] = new.attnum
        _note_comment(context, copy, old, new.attnum)
        table = replace(table, columns=(*table.columns, new))
    return table


def _plain(old: Column) -> Column:
    """A column's type and NOT NULL, without what needs asking for."""
    return Column(
        old.name,
        old.attnum,
        old.position,
        old.type,
        not_null=old.not_null,
        collation_oid=old.collation_oid,
        dimensions=old.dimensions,
    )


def _identity_options(context: DefinitionContext, source: Table | View, column: Column) -> st.SequenceOptions:
    sequence = context.database.owned_sequence(source.oid, column.attnum)
    assert sequence is not None, "an identity column owns a sequence"
    return st.SequenceOptions(
        increment=sequence.increment,
        minimum=sequence.minimum,
        maximum=sequence.maximum,
        start=sequence.start,
        cache=sequence.cache,
        cycle=sequence.cycle,
    )


def _note_comment(context: DefinitionContext, copy: LikeCopy, old: Column, attnum: int) -> None:
    text = context.database.comments.get(Address(CLASS_RELATION, copy.source.oid, old.attnum))
    if text is not None and "comments" in copy.including:
        copy.comments[attnum] = text


# --- constraints and indexes --------------------------------------------------------------------------------


def like_definitions(
    context: DefinitionContext, site: TableSite, table: Table, copy: LikeCopy
) -> tuple[Table, list[st.ConstraintDefinition]]:
    """The table with the source's checks, and its keys as definitions."""
    source = copy.source
    if not isinstance(source, Table):
        return table, []
    if "generated" in copy.including:
        table = _with_generation(context, table, copy)
    if "constraints" in copy.including:
        for check in source.checks:
            table = replace(
                table, constraints=(*table.constraints, _copied_check(context, site, table, copy, check))
            )
    keys: list[st.ConstraintDefinition] = []
    if "indexes" in copy.including:
        keys = [_key_definition(table, copy, c) for c in source.constraints if c.kind in "pu"]
    return table, keys


def _with_generation(context: DefinitionContext, table: Table, copy: LikeCopy) -> Table:
    for old in copy.source.live_columns:
        if old.generated and old.default is not None:
            column = replace(
                table.column(copy.attnums[old.attnum]),
                generated=old.generated,
                default=_moved(old.default, table, copy),
                default_oid=context.catalog.oids.allocate(),
            )
            table = with_column(table, column)
    return table


def _copied_check(
    context: DefinitionContext, site: TableSite, table: Table, copy: LikeCopy, check: Constraint
) -> Constraint:
    assert check.check is not None
    site.taken.add(check.name)
    return replace(
        check,
        oid=context.catalog.oids.allocate(),
        table_oid=site.oid,
        columns=tuple(copy.attnums[attnum] for attnum in check.columns),
        check=_moved(check.check, table, copy),
    )


def _key_definition(table: Table, copy: LikeCopy, constraint: Constraint) -> st.ConstraintDefinition:
    assert isinstance(copy.source, Table)
    index = copy.source.index(constraint.index_oid)
    assert index is not None
    return st.ConstraintDefinition(
        "primary" if constraint.kind == "p" else "unique",
        columns=tuple(table.column(copy.attnums[attnum]).name for attnum in constraint.columns),
        deferrable=constraint.deferrable,
        initially_deferred=constraint.initially_deferred,
        nulls_distinct=not index.nulls_not_distinct,
        include=tuple(table.column(copy.attnums[attnum]).name for attnum in index.included),
    )


def copied_indexes(
    context: DefinitionContext, site: TableSite, table: Table, copy: LikeCopy
) -> Generator[Step, object, Table]:
    """The table with the source's indexes that serve no constraint."""
    if not isinstance(copy.source, Table) or "indexes" not in copy.including:
        return table
    for index in copy.source.indexes:
        if not index.constraint_oid:
            new = yield from _copied_index(context, site, table, copy, index)
            table = replace(table, indexes=(*table.indexes, new))
    return table


def _copied_index(
    context: DefinitionContext, site: TableSite, table: Table, copy: LikeCopy, index: IndexDef
) -> Generator[Step, object, IndexDef]:
    keys = tuple(
        replace(key, attnum=copy.attnums[key.attnum])
        if key.expression is None
        else replace(key, expression=_moved(key.expression, table, copy))
        for key in index.keys
    )
    named = [key.attnum if key.expression is None else key.expression.expr for key in keys]
    columns = naming.index_column_names(table, named)
    name = naming.index_name(context.database, site.schema_oid, site.name, columns, site.taken)
    yield from lock_new_name(context, site.schema_oid, name)
    site.taken.add(name)
    return replace(
        index,
        oid=context.catalog.oids.allocate(),
        name=name,
        schema_oid=site.schema_oid,
        owner_oid=context.user_oid,
        version=new_version(),
        persistence=site.persistence,
        table_oid=site.oid,
        keys=keys,
        included=tuple(copy.attnums[attnum] for attnum in index.included),
        predicate=None if index.predicate is None else _moved(index.predicate, table, copy),
    )


def _moved(stored: StoredExpression, table: Table, copy: LikeCopy) -> StoredExpression:
    """A stored expression of the source over the new table's positions."""
    positions = {
        old.position: table.column(copy.attnums[old.attnum]).position
        for old in copy.source.columns
        if old.attnum in copy.attnums
    }

    def move(node: ex.Expr) -> ex.Expr | None:
        if isinstance(node, ex.Column) and node.range_id == 0:
            return replace(node, position=positions[node.position])
        return None

    return StoredExpression(stored.source, ex.transform(stored.expr, move))
