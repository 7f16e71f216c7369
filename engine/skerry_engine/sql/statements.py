"""What a statement asks for, as data: one frozen class for each kind.

`front.parse_statement` makes them.  Queries and data changes are `Query` (their syntax tree comes from
`bridge`); the rest is described here in full, so nothing later looks at text again.  Names are already
folded; `ObjectName.parts` runs from the outermost to the name itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from skerry_engine.sql.statement_parts import (
    AsOf,
    Historic,
    NotSupported,
    ObjectName,
    Option,
    Query,
    SequenceOptions,
    SourceExpression,
    SourceQuery,
    Statement,
)
from skerry_engine.sql.table_statements import (
    AddColumn,
    AddConstraint,
    AddIdentity,
    AlterAction,
    AlterColumnType,
    AlterConstraint,
    AlterTable,
    ColumnDefinition,
    ColumnTuning,
    ConstraintDefinition,
    CreateIndex,
    CreateMaterializedView,
    CreateTable,
    CreateTableAs,
    CreateView,
    Drop,
    DropColumn,
    DropConstraint,
    DropExpression,
    DropIdentity,
    IndexColumn,
    LikeTable,
    References,
    RefreshMaterializedView,
    Rename,
    SetDefault,
    SetIdentity,
    SetNotNull,
    SetOwner,
    SetSchema,
    ValidateConstraint,
)
from skerry_engine.sql.types_syntax import TypeName

__all__ = [
    "AddColumn",
    "AddConstraint",
    "AddIdentity",
    "AlterAction",
    "AlterColumnType",
    "AlterConstraint",
    "AlterDatabase",
    "AlterSequence",
    "AlterTable",
    "AsOf",
    "Backup",
    "Begin",
    "Checkpoint",
    "CloseCursor",
    "Cluster",
    "ColumnDefinition",
    "ColumnTuning",
    "Comment",
    "Commit",
    "ConstraintDefinition",
    "Copy",
    "CopyOptions",
    "CreateDatabase",
    "CreateExtension",
    "CreateIndex",
    "CreateMaterializedView",
    "CreateRole",
    "CreateSchema",
    "CreateSequence",
    "CreateTable",
    "CreateTableAs",
    "CreateView",
    "Deallocate",
    "DeclareCursor",
    "Discard",
    "Drop",
    "DropColumn",
    "DropConstraint",
    "DropDatabase",
    "DropExpression",
    "DropIdentity",
    "DropRole",
    "Execute",
    "Explain",
    "Fetch",
    "FinishPrepared",
    "Grant",
    "Historic",
    "IndexColumn",
    "LikeTable",
    "Listen",
    "LockTables",
    "MaintainedTable",
    "NotSupported",
    "Notify",
    "ObjectName",
    "Option",
    "Prepare",
    "PrepareTransaction",
    "Query",
    "References",
    "RefreshMaterializedView",
    "Reindex",
    "ReleaseSavepoint",
    "Rename",
    "ResetSetting",
    "Rollback",
    "RollbackToSavepoint",
    "Savepoint",
    "SequenceOptions",
    "SetConstraints",
    "SetDefault",
    "SetIdentity",
    "SetNotNull",
    "SetOwner",
    "SetRole",
    "SetSchema",
    "SetSetting",
    "SetTransaction",
    "ShowSetting",
    "SourceExpression",
    "SourceQuery",
    "Statement",
    "TransactionModes",
    "Truncate",
    "Unlisten",
    "Vacuum",
    "ValidateConstraint",
]

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
    as_of: AsOf | None = None


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
class PrepareCommit(Statement):
    """PREPARE COMMIT: make the checks of COMMIT now, and tell what would be committed."""


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
    is_reset: bool = False


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
    """DECLARE; `scroll` None when neither SCROLL nor NO SCROLL was said, `conflict` two options that exclude each
    other."""

    name: str
    query: Query
    binary: bool = False
    scroll: bool | None = None
    insensitive: bool = False
    hold: bool = False
    conflict: str | None = None


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

    Either `table` (with `columns`, empty for all) or `query`.  `target`: 'stdin', 'stdout', 'file',
    'program'.
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
class Backup(Statement):
    """BACKUP TO 'directory'."""

    path: str


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

    `options`: lower-case words to values ('login' -> 'true', 'password' -> text); `lists`: 'in_role', 'role' and
    'admin' to roles.
    """

    name: str
    options: dict[str, str | None]
    kind: str = "role"
    is_alter: bool = False
    lists: dict[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AlterRoleSetting(Statement):
    """ALTER ROLE name (None: ALL) [IN DATABASE name] SET or RESET of what its sessions start with."""

    role: str | None
    database: str | None
    setting: SetSetting | ResetSetting


@dataclass(frozen=True, slots=True)
class DropRole(Statement):
    names: tuple[str, ...]
    if_exists: bool = False
    kind: str = "role"


@dataclass(frozen=True, slots=True)
class Grant(Statement):
    """GRANT or REVOKE of privileges on objects, or of roles (`kind` 'role', `privileges` the roles; 'group' where ALTER
    GROUP does it).

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
class AlterDefaultPrivileges(Statement):
    """ALTER DEFAULT PRIVILEGES [FOR ROLE roles] [IN SCHEMA schemas] action; `action` names no objects."""

    roles: tuple[str, ...]
    schemas: tuple[str, ...]
    action: Grant


@dataclass(frozen=True, slots=True)
class DropOwned(Statement):
    """DROP OWNED BY roles."""

    roles: tuple[str, ...]
    cascade: bool = False


@dataclass(frozen=True, slots=True)
class ReassignOwned(Statement):
    """REASSIGN OWNED BY roles TO owner."""

    roles: tuple[str, ...]
    owner: str


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
