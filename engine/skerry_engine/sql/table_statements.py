"""Statements about tables, views and indexes: definitions and changes of definitions, kept without loss."""

from __future__ import annotations

from dataclasses import dataclass

from skerry_engine.sql.statement_parts import (
    ObjectName,
    Option,
    Query,
    SequenceOptions,
    SourceExpression,
    SourceQuery,
    Statement,
)
from skerry_engine.sql.types_syntax import TypeName


@dataclass(frozen=True, slots=True)
class References:
    """What a foreign key points to.  Actions: 'no action', 'restrict', 'cascade', 'set null',
    'set default'."""

    table: ObjectName
    columns: tuple[str, ...] = ()
    on_delete: str = "no action"
    on_update: str = "no action"
    match: str = "simple"
    delete_columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ConstraintDefinition:
    """A constraint of a table or column.

    `kind`: 'check', 'unique', 'primary', 'foreign'.  For a column's own constraint `columns` holds that
    column.  `using_index`: ADD CONSTRAINT ... USING INDEX.
    `nulls_distinct` False for UNIQUE NULLS NOT DISTINCT.
    """

    kind: str
    name: str | None = None
    columns: tuple[str, ...] = ()
    expression: SourceExpression | None = None
    references: References | None = None
    deferrable: bool = False
    initially_deferred: bool = False
    no_inherit: bool = False
    not_valid: bool = False
    nulls_distinct: bool = True
    include: tuple[str, ...] = ()
    using_index: str | None = None
    position: int | None = None


@dataclass(frozen=True, slots=True)
class ColumnDefinition:
    """A column.  `serial`: 'smallserial', 'serial' or 'bigserial' (then `type` is the integer type).

    `identity`: '' none, 'a' GENERATED ALWAYS, 'd' BY DEFAULT.  `generated`: GENERATED ALWAYS AS (...) STORED.
    `not_null` None when nothing was said, False for NULL.
    """

    name: str
    type: TypeName
    position: int | None = None
    collation: ObjectName | None = None
    default: SourceExpression | None = None
    not_null: bool | None = None
    serial: str = ""
    identity: str = ""
    identity_options: SequenceOptions | None = None
    generated: SourceExpression | None = None
    generated_position: int | None = None
    constraints: tuple[ConstraintDefinition, ...] = ()
    not_null_name: str | None = None
    storage: str | None = None


@dataclass(frozen=True, slots=True)
class LikeTable:
    """LIKE table.

    `including` holds 'defaults', 'constraints', 'indexes', 'identity', 'comments', ... or 'all'.
    """

    table: ObjectName
    including: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class CreateTable(Statement):
    """CREATE TABLE.  `persistence`: 'p', 't' temporary, 'u' unlogged; `on_commit`: '', 'delete rows', 'drop'.

    `elements` keeps the order of columns and LIKE clauses; `constraints` are the table's own.
    """

    name: ObjectName
    elements: tuple[ColumnDefinition | LikeTable, ...]
    constraints: tuple[ConstraintDefinition, ...] = ()
    if_not_exists: bool = False
    persistence: str = "p"
    on_commit: str = ""
    options: tuple[Option, ...] = ()
    tablespace: str | None = None


@dataclass(frozen=True, slots=True)
class CreateTableAs(Statement):
    """CREATE TABLE AS; `query` is the query as the plan cache takes it."""

    name: ObjectName
    query: Query
    columns: tuple[str, ...] = ()
    if_not_exists: bool = False
    persistence: str = "p"
    on_commit: str = ""
    with_data: bool = True


@dataclass(frozen=True, slots=True)
class CreateView(Statement):
    """CREATE VIEW; `check_option` is '', 'local' or 'cascaded'."""

    name: ObjectName
    query: SourceQuery
    columns: tuple[str, ...] = ()
    or_replace: bool = False
    persistence: str = "p"
    options: tuple[Option, ...] = ()
    check_option: str = ""


@dataclass(frozen=True, slots=True)
class CreateMaterializedView(Statement):
    """CREATE MATERIALIZED VIEW; `with_data` False leaves it empty until it is refreshed."""

    name: ObjectName
    query: SourceQuery
    columns: tuple[str, ...] = ()
    if_not_exists: bool = False
    options: tuple[Option, ...] = ()
    tablespace: str | None = None
    with_data: bool = True


@dataclass(frozen=True, slots=True)
class RefreshMaterializedView(Statement):
    """REFRESH MATERIALIZED VIEW; `with_data` False empties it."""

    name: ObjectName
    concurrently: bool = False
    with_data: bool = True


@dataclass(frozen=True, slots=True)
class IndexColumn:
    """A key of an index: a column's `name`, or an `expression`."""

    name: str | None
    expression: SourceExpression | None = None
    collation: ObjectName | None = None
    operator_class: ObjectName | None = None
    descending: bool = False
    nulls_first: bool | None = None
    position: int | None = None


@dataclass(frozen=True, slots=True)
class CreateIndex(Statement):
    """CREATE INDEX; `name` None leaves the choice to the catalog."""

    table: ObjectName
    columns: tuple[IndexColumn, ...]
    name: str | None = None
    unique: bool = False
    method: str = "btree"
    where: SourceExpression | None = None
    include: tuple[str, ...] = ()
    nulls_distinct: bool = True
    if_not_exists: bool = False
    concurrently: bool = False
    only: bool = False
    options: tuple[Option, ...] = ()
    tablespace: str | None = None


@dataclass(frozen=True, slots=True)
class Drop(Statement):
    """DROP of schema objects.

    `kind`: 'table', 'view', 'index', 'sequence', 'schema', 'materialized view', 'type', ...
    """

    kind: str
    names: tuple[ObjectName, ...]
    if_exists: bool = False
    cascade: bool = False
    concurrently: bool = False


# --- ALTER ----------------------------------------------------------------------------------------


class AlterAction:
    """One action of ALTER TABLE."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class AddColumn(AlterAction):
    column: ColumnDefinition
    if_not_exists: bool = False


@dataclass(frozen=True, slots=True)
class DropColumn(AlterAction):
    name: str
    if_exists: bool = False
    cascade: bool = False


@dataclass(frozen=True, slots=True)
class AddConstraint(AlterAction):
    constraint: ConstraintDefinition


@dataclass(frozen=True, slots=True)
class DropConstraint(AlterAction):
    name: str
    if_exists: bool = False
    cascade: bool = False


@dataclass(frozen=True, slots=True)
class ValidateConstraint(AlterAction):
    name: str


@dataclass(frozen=True, slots=True)
class AlterConstraint(AlterAction):
    """ALTER CONSTRAINT ... [NOT] DEFERRABLE [INITIALLY ...]."""

    name: str
    deferrable: bool
    initially_deferred: bool


@dataclass(frozen=True, slots=True)
class AlterColumnType(AlterAction):
    name: str
    type: TypeName
    collation: ObjectName | None = None
    using: SourceExpression | None = None


@dataclass(frozen=True, slots=True)
class SetDefault(AlterAction):
    """ALTER COLUMN SET DEFAULT; `default` None means DROP DEFAULT."""

    name: str
    default: SourceExpression | None


@dataclass(frozen=True, slots=True)
class DropExpression(AlterAction):
    """ALTER COLUMN DROP EXPRESSION."""

    name: str
    if_exists: bool = False


@dataclass(frozen=True, slots=True)
class SetNotNull(AlterAction):
    """ALTER COLUMN SET NOT NULL, or DROP NOT NULL."""

    name: str
    not_null: bool


@dataclass(frozen=True, slots=True)
class AddIdentity(AlterAction):
    """ALTER COLUMN ADD GENERATED ... AS IDENTITY; `identity` 'a' or 'd'."""

    name: str
    identity: str
    options: SequenceOptions


@dataclass(frozen=True, slots=True)
class SetIdentity(AlterAction):
    """ALTER COLUMN SET GENERATED / SET sequence option / RESTART; `identity` '' when not changed."""

    name: str
    identity: str
    options: SequenceOptions


@dataclass(frozen=True, slots=True)
class DropIdentity(AlterAction):
    name: str
    if_exists: bool = False


@dataclass(frozen=True, slots=True)
class ColumnTuning(AlterAction):
    """What changes no meaning: SET STATISTICS, SET STORAGE, SET (...), RESET (...), CLUSTER ON,
    SET WITHOUT CLUSTER."""

    column: str | None
    what: str
    value: str


@dataclass(frozen=True, slots=True)
class AlterTable(Statement):
    """ALTER TABLE with its actions; `kind` is 'table', 'view', 'index' or 'sequence' as written."""

    name: ObjectName
    actions: tuple[AlterAction, ...]
    kind: str = "table"
    if_exists: bool = False
    only: bool = False


@dataclass(frozen=True, slots=True)
class Rename(Statement):
    """ALTER ... RENAME.  `part`: '' the object itself, 'column' or 'constraint' with `old_name`."""

    kind: str
    name: ObjectName
    new_name: str
    part: str = ""
    old_name: str = ""
    if_exists: bool = False


@dataclass(frozen=True, slots=True)
class SetOwner(Statement):
    kind: str
    name: ObjectName
    owner: str
    if_exists: bool = False


@dataclass(frozen=True, slots=True)
class SetSchema(Statement):
    kind: str
    name: ObjectName
    schema: str
    if_exists: bool = False
