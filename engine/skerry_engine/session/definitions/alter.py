"""ALTER TABLE: the actions of one statement, in PostgreSQL's order, each over what the ones before left.

    drops ─> types ─> columns ─> checks, defaults, NOT NULL, identity ─> keys ─> foreign keys ─> the rest

So `ADD CONSTRAINT ... (b), ADD COLUMN b int` works in any order of writing.  ACCESS EXCLUSIVE is held unless
all actions are content with less: a foreign key locks both tables SHARE ROW EXCLUSIVE.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

from skerry_engine import errors
from skerry_engine.catalog.objects import IndexDef, MaterializedView, Relation, SequenceDef, Table, View
from skerry_engine.session.definitions.alter_columns import (
    add_column,
    add_identity,
    change_options,
    drop_column,
    drop_expression,
    drop_identity,
    set_default,
    set_identity,
    set_not_null,
    tune_column,
)
from skerry_engine.session.definitions.alter_constraints import (
    add_constraint,
    alter_constraint,
    drop_constraint,
    validate_constraint,
)
from skerry_engine.session.definitions.alter_type import alter_column_type
from skerry_engine.session.definitions.context import DefinitionContext
from skerry_engine.session.definitions.objects import altered_relation
from skerry_engine.session.definitions.rewriting import refuse_pending_checks
from skerry_engine.session.steps import Complete, Step
from skerry_engine.sql import statements as st
from skerry_engine.txn.modes import ACCESS_EXCLUSIVE, SHARE_ROW_EXCLUSIVE, SHARE_UPDATE_EXCLUSIVE

Action = Callable[[DefinitionContext, int, Any], Generator[Step, object, None]]

_ACTIONS: dict[type[st.AlterAction], tuple[int, str, Action]] = {
    st.DropColumn: (0, "DROP COLUMN", drop_column),
    st.DropConstraint: (0, "DROP CONSTRAINT", drop_constraint),
    st.AlterColumnType: (1, "ALTER COLUMN ... SET DATA TYPE", alter_column_type),
    st.AddColumn: (2, "ADD COLUMN", add_column),
    st.AddConstraint: (3, "ADD CONSTRAINT", add_constraint),
    st.SetDefault: (3, "ALTER COLUMN ... SET DEFAULT", set_default),
    st.DropExpression: (0, "ALTER COLUMN ... DROP EXPRESSION", drop_expression),
    st.SetNotNull: (3, "ALTER COLUMN ... SET NOT NULL", set_not_null),
    st.AddIdentity: (3, "ALTER COLUMN ... ADD IDENTITY", add_identity),
    st.SetIdentity: (3, "ALTER COLUMN ... SET", set_identity),
    st.DropIdentity: (0, "ALTER COLUMN ... DROP IDENTITY", drop_identity),
    st.ValidateConstraint: (6, "VALIDATE CONSTRAINT", validate_constraint),
    st.AlterConstraint: (6, "ALTER CONSTRAINT", alter_constraint),
    st.ColumnTuning: (6, "SET", tune_column),
}
_CONSTRAINT_PHASES = {"check": 3, "primary": 4, "unique": 4, "foreign": 5}
_PLURALS = {"v": "views", "m": "materialized views", "i": "indexes", "S": "sequences"}


def alter_table(context: DefinitionContext, statement: st.AlterTable) -> Generator[Step, object, Complete]:
    """ALTER TABLE and kin.  Raises what is wrong with an action, or with a row that it looks at."""
    tag = Complete(f"ALTER {statement.kind.upper()}")
    mode = max(_mode(action) for action in statement.actions)
    found = yield from altered_relation(context, statement.kind, statement.name, statement.if_exists, mode)
    if found is None:
        return tag
    if not isinstance(found, Table) or isinstance(found, MaterializedView):
        _refuse_actions(found, statement)
    if isinstance(found, IndexDef):
        for action in statement.actions:
            if (
                isinstance(action, st.ColumnTuning)
                and action.column is None
                and action.what in ("set", "reset")
            ):
                change_options(context, found.oid, action)
    if not isinstance(found, Table):
        return tag
    if mode == ACCESS_EXCLUSIVE:
        refuse_pending_checks(context, found, "ALTER TABLE")
    for action in sorted(statement.actions, key=_phase):
        yield from _ACTIONS[type(action)][2](context, found.oid, action)
    return tag


def _phase(action: st.AlterAction) -> int:
    if isinstance(action, st.AddConstraint):
        return _CONSTRAINT_PHASES[action.constraint.kind]
    if isinstance(action, st.SetDefault) and action.default is None:
        return 0
    return _ACTIONS[type(action)][0]


def _mode(action: st.AlterAction) -> int:
    if isinstance(action, st.AddConstraint) and action.constraint.kind == "foreign":
        return SHARE_ROW_EXCLUSIVE
    if isinstance(action, (st.ValidateConstraint, st.ColumnTuning)):
        return SHARE_UPDATE_EXCLUSIVE
    return ACCESS_EXCLUSIVE


def _refuse_actions(found: Relation, statement: st.AlterTable) -> None:
    """Raise for what only tables have; storage options of an index are advice and change nothing."""
    for action in statement.actions:
        if isinstance(found, (IndexDef, MaterializedView)) and isinstance(action, st.ColumnTuning):
            continue
        if isinstance(found, View) and isinstance(action, (st.SetDefault, st.ColumnTuning)):
            raise errors.NotSupportedError(f"{_ACTIONS[type(action)][1]} of a view is not supported")
        plural = _PLURALS.get(found.kind, "sequences" if isinstance(found, SequenceDef) else "relations")
        raise errors.WrongObjectType(
            f'ALTER action {_ACTIONS[type(action)][1]} cannot be performed on relation "{found.name}"',
            detail=f"This operation is not supported for {plural}.",
        )
