"""What a statement asks for, as data: one frozen class for each kind.

`front.parse_statement` makes them.  Queries and data changes are `Query` (their syntax tree comes from
`bridge`); the rest is described here in full, so nothing later looks at text again.  Names are already
folded; `ObjectName.parts` runs from the outermost to the name itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlglot import expressions as exp

from skerry_engine.sql.types_syntax import TypeName

if TYPE_CHECKING:
    from skerry_engine.sql.normalise import Normalised


class Statement:
    """Base of all statements."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class ObjectName:
    """A possibly qualified name; `position` is its 1-based offset in the text."""

    parts: tuple[str, ...]
    position: int | None = None

    @property
    def name(self) -> str:
        return self.parts[-1]

    @property
    def schema(self) -> str | None:
        return self.parts[-2] if len(self.parts) > 1 else None

    def __str__(self) -> str:
        return ".".join(self.parts)


@dataclass(frozen=True, slots=True)
class SourceExpression:
    """An expression inside a utility statement: its text as written, and its tree (literals not lifted)."""

    text: str
    tree: exp.Expression


@dataclass(frozen=True, slots=True)
class SourceQuery:
    """A query inside a definition (a view): its text as written, and its tree (literals not lifted)."""

    text: str
    tree: exp.Expression


@dataclass(frozen=True, slots=True)
class Query(Statement):
    """A SELECT, VALUES, TABLE, WITH, INSERT, UPDATE, DELETE or MERGE, ready for the plan cache.

    `verb` is its first keyword behind any WITH and parentheses: 'select', 'values', 'table', 'insert', ...
    """

    normalised: Normalised
    verb: str


@dataclass(frozen=True, slots=True)
class NotSupported(Statement):
    """A statement that Skerry knows and refuses (0A000); `what` names it: 'CREATE TRIGGER'."""

    what: str
    position: int | None = None


@dataclass(frozen=True, slots=True)
class Option:
    """`name value` in an option list; `value` None when it stands alone.  A list value is a tuple."""

    name: str
    value: str | tuple[str, ...] | None
    position: int | None = None


# --- transactions ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TransactionModes:
    """ISOLATION LEVEL, READ ONLY/WRITE, [NOT] DEFERRABLE; None for what was not said.

    `isolation`: 'read uncommitted', 'read committed', 'repeatable read', 'serializable'.
    """

    isolation: str | None = None
    read_only: bool | None = None
    deferrable: bool | None = None


@dataclass(frozen=True, slots=True)
class Begin(Statement):
    """BEGIN, or START TRANSACTION (`is_start`: the command tag differs)."""

    modes: TransactionModes = TransactionModes()
    is_start: bool = False


@dataclass(frozen=True, slots=True)
class Commit(Statement):
    """COMMIT or END."""

    chain: bool = False


@dataclass(frozen=True, slots=True)
class Rollback(Statement):
    """ROLLBACK or ABORT."""

    chain: bool = False


@dataclass(frozen=True, slots=True)
class Savepoint(Statement):
    name: str


@dataclass(frozen=True, slots=True)
class ReleaseSavepoint(Statement):
    name: str


@dataclass(frozen=True, slots=True)
class RollbackToSavepoint(Statement):
    name: str


@dataclass(frozen=True, slots=True)
class PrepareTransaction(Statement):
    gid: str


@dataclass(frozen=True, slots=True)
class FinishPrepared(Statement):
    """COMMIT PREPARED or ROLLBACK PREPARED."""

    gid: str
    commit: bool


@dataclass(frozen=True, slots=True)
class SetTransaction(Statement):
    """SET TRANSACTION, or SET SESSION CHARACTERISTICS AS TRANSACTION (`is_session`)."""

    modes: TransactionModes
    is_session: bool = False


@dataclass(frozen=True, slots=True)
class SetConstraints(Statement):
    """SET CONSTRAINTS; `names` empty means ALL."""

    names: tuple[ObjectName, ...]
    deferred: bool


@dataclass(frozen=True, slots=True)
class LockTables(Statement):
    """LOCK TABLE; `mode` as in 'ACCESS EXCLUSIVE'."""

    tables: tuple[ObjectName, ...]
    mode: str
    nowait: bool


# --- settings and roles of the session ------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SetSetting(Statement):
    """SET; `values` None means DEFAULT.  Several values are a list setting's items (search_path)."""

    name: str
    values: tuple[str, ...] | None
    is_local: bool = False


@dataclass(frozen=True, slots=True)
class ResetSetting(Statement):
    """RESET; `name` None means ALL."""

    name: str | None


@dataclass(frozen=True, slots=True)
class ShowSetting(Statement):
    """SHOW; `name` None means ALL."""

    name: str | None


@dataclass(frozen=True, slots=True)
class SetRole(Statement):
    """SET ROLE, or SET SESSION AUTHORIZATION (`is_authorization`); None for NONE or DEFAULT."""

    role: str | None
    is_local: bool = False
    is_authorization: bool = False


@dataclass(frozen=True, slots=True)
class Discard(Statement):
    """DISCARD; `what` is 'all', 'plans', 'sequences' or 'temp'."""

    what: str


# --- prepared statements, cursors, notifications --------------------------------------------------


@dataclass(frozen=True, slots=True)
class Prepare(Statement):
    name: str
    types: tuple[TypeName, ...]
    query: Query


@dataclass(frozen=True, slots=True)
class Execute(Statement):
    name: str
    arguments: tuple[SourceExpression, ...]


@dataclass(frozen=True, slots=True)
class Deallocate(Statement):
    """DEALLOCATE; `name` None means ALL."""

    name: str | None


@dataclass(frozen=True, slots=True)
class DeclareCursor(Statement):
    """DECLARE; `scroll` None when neither SCROLL nor NO SCROLL was said."""

    name: str
    query: Query
    binary: bool = False
    scroll: bool | None = None
    insensitive: bool = False
    hold: bool = False


@dataclass(frozen=True, slots=True)
class Fetch(Statement):
    """FETCH or MOVE.  `direction`: forward, backward, absolute or relative; `count` None means ALL."""

    cursor: str
    direction: str = "forward"
    count: int | None = 1
    is_move: bool = False


@dataclass(frozen=True, slots=True)
class CloseCursor(Statement):
    """CLOSE; `name` None means ALL."""

    name: str | None


@dataclass(frozen=True, slots=True)
class Listen(Statement):
    channel: str


@dataclass(frozen=True, slots=True)
class Unlisten(Statement):
    """UNLISTEN; `channel` None means *."""

    channel: str | None


@dataclass(frozen=True, slots=True)
class Notify(Statement):
    channel: str
    payload: str


# --- EXPLAIN, COPY, maintenance -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Explain(Statement):
    """EXPLAIN.

    `options`: lower-case name to value ('true', 'false', 'text', 'json'); `statement` a Query or another.
    """

    options: dict[str, str]
    statement: Statement


@dataclass(frozen=True, slots=True)
class CopyOptions:
    """COPY's options as given; None where PostgreSQL's default depends on the format.

    `force_quote`, `force_not_null`, `force_null`: column names, ('*',) for all.
    """

    format: str = "text"
    delimiter: str | None = None
    null: str | None = None
    header: bool = False
    header_match: bool = False
    quote: str | None = None
    escape: str | None = None
    force_quote: tuple[str, ...] = ()
    force_not_null: tuple[str, ...] = ()
    force_null: tuple[str, ...] = ()
    encoding: str | None = None
    freeze: bool = False


@dataclass(frozen=True, slots=True)
class Copy(Statement):
    """COPY.

    Either `table` (with `columns`, empty for all) or `query`.  `target`: 'stdin', 'stdout', 'file', 'program'.
    """

    is_from: bool
    target: str
    options: CopyOptions
    table: ObjectName | None = None
    columns: tuple[str, ...] = ()
    query: Query | None = None
    file: str = ""
    where: SourceExpression | None = None


@dataclass(frozen=True, slots=True)
class Truncate(Statement):
    tables: tuple[ObjectName, ...]
    restart_identity: bool = False
    cascade: bool = False


@dataclass(frozen=True, slots=True)
class MaintainedTable:
    """A table with the columns to look at, empty for all."""

    name: ObjectName
    columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Vacuum(Statement):
    """VACUUM or ANALYZE; no tables means all.  `options` are lower-case names with their values."""

    tables: tuple[MaintainedTable, ...]
    options: dict[str, str] = field(default_factory=dict)
    is_analyze: bool = False


@dataclass(frozen=True, slots=True)
class Reindex(Statement):
    """REINDEX; `kind` is 'index', 'table', 'schema', 'database' or 'system'."""

    kind: str
    name: ObjectName
    concurrently: bool = False


@dataclass(frozen=True, slots=True)
class Cluster(Statement):
    """CLUSTER [table [USING index]]."""

    table: ObjectName | None = None
    index: str | None = None


@dataclass(frozen=True, slots=True)
class Checkpoint(Statement):
    """CHECKPOINT."""


# --- databases, schemas, sequences, roles ---------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CreateDatabase(Statement):
    """CREATE DATABASE.

    `options`: lower-case name (owner, template, encoding, lc_collate, ...) to value, None for DEFAULT.
    """

    name: str
    options: dict[str, str | None]


@dataclass(frozen=True, slots=True)
class DropDatabase(Statement):
    name: str
    if_exists: bool = False
    force: bool = False


@dataclass(frozen=True, slots=True)
class AlterDatabase(Statement):
    """ALTER DATABASE ... SET/RESET of a setting; `reset_all` for RESET ALL, or other options by name."""

    name: str
    setting: SetSetting | ResetSetting | None = None
    options: dict[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CreateSchema(Statement):
    """CREATE SCHEMA.  `elements`: the CREATE statements inside it."""

    name: str
    if_not_exists: bool = False
    owner: str | None = None
    elements: tuple[Statement, ...] = ()


@dataclass(frozen=True, slots=True)
class SequenceOptions:
    """A sequence's options; None for what was not said.

    `no_minimum`, `no_maximum`: NO MINVALUE, NO MAXVALUE.  `restart`: 'RESTART' alone is is_restart without
    a value.
    `owned_by`: (table parts ..., column), () for OWNED BY NONE.
    """

    data_type: TypeName | None = None
    increment: int | None = None
    minimum: int | None = None
    maximum: int | None = None
    no_minimum: bool = False
    no_maximum: bool = False
    start: int | None = None
    is_restart: bool = False
    restart: int | None = None
    cache: int | None = None
    cycle: bool | None = None
    owned_by: tuple[str, ...] | None = None
    sequence_name: ObjectName | None = None


@dataclass(frozen=True, slots=True)
class CreateSequence(Statement):
    name: ObjectName
    options: SequenceOptions
    if_not_exists: bool = False
    persistence: str = "p"


@dataclass(frozen=True, slots=True)
class AlterSequence(Statement):
    name: ObjectName
    options: SequenceOptions
    if_exists: bool = False


@dataclass(frozen=True, slots=True)
class CreateRole(Statement):
    """CREATE or ALTER ROLE/USER/GROUP.

    `options`: lower-case words to values ('login' -> 'true', 'password' -> text).
    """

    name: str
    options: dict[str, str | None]
    kind: str = "role"
    is_alter: bool = False


@dataclass(frozen=True, slots=True)
class DropRole(Statement):
    names: tuple[str, ...]
    if_exists: bool = False
    kind: str = "role"


@dataclass(frozen=True, slots=True)
class Grant(Statement):
    """GRANT or REVOKE of privileges on objects, or of roles (`kind` 'role', `privileges` the roles).

    `privileges`: (lower-case privilege, columns) pairs, empty for ALL.  `all_in_schema`: names are schemas.
    """

    is_grant: bool
    privileges: tuple[tuple[str, tuple[str, ...]], ...]
    kind: str
    names: tuple[ObjectName, ...]
    grantees: tuple[str, ...]
    with_grant_option: bool = False
    all_in_schema: bool = False
    cascade: bool = False


@dataclass(frozen=True, slots=True)
class CreateExtension(Statement):
    name: str
    if_not_exists: bool = False
    schema: str | None = None


@dataclass(frozen=True, slots=True)
class Comment(Statement):
    """COMMENT ON.  `kind`: 'table', 'column', 'index', 'database', 'constraint', ...; `on`: the table of a
    constraint.

    `text` None removes the comment.
    """

    kind: str
    name: ObjectName
    text: str | None
    on: ObjectName | None = None


# --- tables ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class References:
    """What a foreign key points to.  Actions: 'no action', 'restrict', 'cascade', 'set null', 'set default'."""

    table: ObjectName
    columns: tuple[str, ...] = ()
    on_delete: str = "no action"
    on_update: str = "no action"
    match: str = "simple"
    delete_columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ConstraintDefinition:
    """A constraint of a table or column.

    `kind`: 'check', 'unique', 'primary', 'foreign'.  For a column's own constraint `columns` holds that column.
    `using_index`: ADD CONSTRAINT ... USING INDEX.  `nulls_distinct` False for UNIQUE NULLS NOT DISTINCT.
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
    """What changes no meaning: SET STATISTICS, SET STORAGE, SET (...), RESET (...), CLUSTER ON, SET WITHOUT CLUSTER."""

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
