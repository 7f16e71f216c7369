"""What a database is made of: immutable descriptions of tables, views, indexes, sequences, schemas, roles.

An object never changes; DDL makes a new one and puts it in the old one's place (see `changes`).  So a
reference to a `Table` is a reference to the table as it was at one moment, and a plan that was made for it
can tell by `(oid, version)` whether the table is still the same.

    Database ── schemas ──── Schema
        │
        └────── relations ── Table ─── columns: Column ─── default: StoredExpression
                    │          ├────── constraints: Constraint (checks, keys, foreign keys)
                    │          └────── indexes: IndexDef (the same objects that stand in `relations`)
                    ├─ MaterializedView: a Table whose rows are those of a query, when it was last refreshed
                    │     └─ ViewState: what a deferred one remembers to follow changes; hidden
                    ├─ View, SequenceDef, IndexDef
                    ├─ SystemTable (pg_catalog and information_schema: rows made by a Python function)
                    └─ Graph, GraphType, PropertyGraph and what is in them: `graphs`

All relations of a schema share one name space, as in PostgreSQL.  Columns are never renumbered: a dropped
column keeps its place, marked `dropped`, under the name `........pg.dropped.N........`.

Two numbers per column: `attnum` (1-based, what clients see in pg_attribute) and `position` (0-based place of
the value in the stored row).  Neither is ever reused for another column of the same table.

Bound expressions stored here (defaults, checks, index keys and predicates) refer to the row's columns as
`algebra.expressions.Column(range_id=0, position=<Column.position>)`, whatever the column's present name.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from skerry_engine.values.types import SqlType

if TYPE_CHECKING:
    from skerry_engine.algebra.expressions import Expr
    from skerry_engine.catalog.system.context import SystemContext

# OIDs of the catalogs that objects are recorded in: the `classid` of addresses, comments and dependencies.
CLASS_TYPE = 1247
CLASS_ATTRIBUTE = 1249
CLASS_PROCEDURE = 1255
CLASS_RELATION = 1259
CLASS_ROLE = 1260
CLASS_DATABASE = 1262
CLASS_DEFAULT = 2604
CLASS_CONSTRAINT = 2606
CLASS_LANGUAGE = 2612
CLASS_NAMESPACE = 2615
CLASS_EXTENSION = 3079
CLASS_OPERATOR = 2617
CLASS_REWRITE = 2618

BOOTSTRAP_ROLE = 10
PG_CATALOG = 11
PG_TOAST = 99
PUBLIC = 2200
INFORMATION_SCHEMA = 13207
SKERRY = 9000
"""The schema of what Skerry has and PostgreSQL has not."""

SYSTEM_SCHEMAS = (PG_CATALOG, PG_TOAST, INFORMATION_SCHEMA, SKERRY)
"""Nobody makes, moves or grants anything in these."""

TEMPORARY_SCHEMA = "pg_temp_"
"""How the names of sessions' temporary schemas begin."""

FIRST_USER_OID = 16384
DEFAULT_COLLATION = 100
C_COLLATION = 950


_versions = itertools.count(1)


def new_version() -> int:
    """A number for a new state of an object or of the whole catalog; no other state ever has it.

    Were versions counted per object, two transactions that change the same table in their own catalogs would
    give two different states the same version.
    """
    return next(_versions)


@dataclass(frozen=True, slots=True)
class Address:
    """Names any object: the catalog it is recorded in, its OID, and a column's number (0 for the whole
    object).
    """

    class_oid: int
    oid: int
    sub_id: int = 0


@dataclass(frozen=True, slots=True)
class StoredExpression:
    """An expression kept in the catalog: as it was written, and bound.

    `expr` reads the row's columns by position (see the module's text), so renaming columns never touches it.
    """

    source: str
    expr: Expr


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table, view or system table.

    `identity` is '' or 'a' (always) or 'd' (by default); `generated` is '' or 's' (stored): then `default` is the
    generation expression, over the table's other columns, never over generated ones.  With
    `has_missing`, rows stored before the column was added are shorter and read as `missing_value` there (a
    run-time atom or None).
    """

    name: str
    attnum: int
    position: int
    type: SqlType
    not_null: bool = False
    default: StoredExpression | None = None
    default_oid: int = 0
    identity: str = ""
    generated: str = ""
    dropped: bool = False
    collation_oid: int = 0
    dimensions: int = 0
    has_missing: bool = False
    missing_value: object = None
    statistics_target: int = -1
    is_local: bool = True


@dataclass(frozen=True, slots=True)
class Constraint:
    """A table constraint.

    `kind`: 'c' check, 'p' primary key, 'u' unique, 'f' foreign key.  `columns` and `referenced_columns` are
    attnums in the order written.  `on_delete` and `on_update`: 'a' no action, 'r' restrict, 'c' cascade, 'n'
    set null, 'd' set default; `match`: 's' simple, 'f' full.  For a foreign key `index_oid` is the referenced
    table's unique index; for a key its own index.
    """

    oid: int
    name: str
    kind: str
    table_oid: int
    columns: tuple[int, ...] = ()
    check: StoredExpression | None = None
    index_oid: int = 0
    referenced_table_oid: int = 0
    referenced_columns: tuple[int, ...] = ()
    on_delete: str = "a"
    on_update: str = "a"
    match: str = "s"
    on_delete_set_columns: tuple[int, ...] = ()
    deferrable: bool = False
    initially_deferred: bool = False
    validated: bool = True
    no_inherit: bool = False


@dataclass(frozen=True, slots=True)
class Right:
    """What one role has granted to another (0: PUBLIC): privileges, and which of them may be granted on; both are sets
    of bits (see `privileges`)."""

    grantee_oid: int
    grantor_oid: int
    privileges: int
    options: int = 0


@dataclass(frozen=True, slots=True)
class ColumnRights:
    """What is granted on one column, beside what is on its table."""

    attnum: int
    rights: tuple[Right, ...]


@dataclass(frozen=True, slots=True)
class DefaultRights:
    """What ALTER DEFAULT PRIVILEGES says for what a role makes, in a schema (0: in all): `kind` 'r', 'S', 'f', 'T' or
    'n'.  In all schemas `rights` stand for the usual ones, in one they come in addition."""

    oid: int
    role_oid: int
    schema_oid: int
    kind: str
    rights: tuple[Right, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """Base of everything that has a place in a schema's name space of relations.

    `rights` are None where nothing was ever granted or revoked: then the kind's usual ones hold.
    """

    oid: int
    name: str
    schema_oid: int
    owner_oid: int = BOOTSTRAP_ROLE
    version: int = field(default_factory=new_version, compare=False)
    persistence: str = "p"
    rights: tuple[Right, ...] | None = None
    column_rights: tuple[ColumnRights, ...] = ()

    @property
    def kind(self) -> str:
        """pg_class.relkind."""
        raise NotImplementedError

    @property
    def is_temporary(self) -> bool:
        return self.persistence == "t"

    @property
    def is_hidden(self) -> bool:
        """Whether it has no place in the name space of relations, and pg_class does not list it (see `graphs`)."""
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexKey:
    """One key of an index: a column (`attnum` > 0) or an expression (`attnum` 0)."""

    type: SqlType
    attnum: int = 0
    expression: StoredExpression | None = None
    descending: bool = False
    nulls_first: bool = False
    collation_oid: int = 0
    opclass: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexDef(Relation):
    """An index.  `included` are attnums of INCLUDE columns; `constraint_oid` the key constraint it serves, or
    0.
    """

    table_oid: int
    keys: tuple[IndexKey, ...]
    included: tuple[int, ...] = ()
    unique: bool = False
    primary: bool = False
    nulls_not_distinct: bool = False
    predicate: StoredExpression | None = None
    method: str = "btree"
    valid: bool = True
    constraint_oid: int = 0
    deferrable: bool = False
    options: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        return "i"


@dataclass(frozen=True, slots=True, kw_only=True)
class Table(Relation):
    """A base table.

    `storage_id` names its storage generation: TRUNCATE and rewrites give the table another.  `columns` holds
    dropped columns too, so that `columns[attnum - 1]` is the column `attnum`; `live_columns` are those that
    queries see. `row_type_oid` is the table's composite type, `row_array_oid` the array of it.  `on_commit`
    (temporary tables): 'preserve', 'delete' or 'drop'.
    """

    columns: tuple[Column, ...]
    storage_id: int
    row_type_oid: int = 0
    row_array_oid: int = 0
    constraints: tuple[Constraint, ...] = ()
    indexes: tuple[IndexDef, ...] = ()
    options: tuple[str, ...] = ()
    on_commit: str = "preserve"

    @property
    def kind(self) -> str:
        return "r"

    @property
    def live_columns(self) -> tuple[Column, ...]:
        return tuple(column for column in self.columns if not column.dropped)

    @property
    def generated(self) -> tuple[tuple[int, Expr], ...]:
        """The generated columns: (position in the row, what it is, over the row)."""
        return tuple(
            (column.position, column.default.expr)
            for column in self.columns
            if column.generated and column.default is not None
        )

    @property
    def width(self) -> int:
        """Values in a stored row, dropped columns' places included."""
        return max((column.position for column in self.columns), default=-1) + 1

    @property
    def primary_key(self) -> Constraint | None:
        return next((c for c in self.constraints if c.kind == "p"), None)

    @property
    def foreign_keys(self) -> tuple[Constraint, ...]:
        return tuple(c for c in self.constraints if c.kind == "f")

    @property
    def checks(self) -> tuple[Constraint, ...]:
        return tuple(c for c in self.constraints if c.kind == "c")

    def column_named(self, name: str) -> Column | None:
        """The live column of that name."""
        for column in self.columns:
            if column.name == name and not column.dropped:
                return column
        return None

    def column(self, attnum: int) -> Column:
        """The column `attnum`, dropped or not.  Raises IndexError when there never was one."""
        return self.columns[attnum - 1]

    def column_names(self, attnums: tuple[int, ...]) -> tuple[str, ...]:
        return tuple(self.columns[attnum - 1].name for attnum in attnums)

    def constraint_named(self, name: str) -> Constraint | None:
        return next((c for c in self.constraints if c.name == name), None)

    def index(self, oid: int) -> IndexDef | None:
        return next((i for i in self.indexes if i.oid == oid), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class MaterializedView(Table):
    """A view whose rows are stored: a table that only REFRESH writes, with a query as a `View` has it.

    Until it is `populated` it can't be read.  `state_oid` is the `ViewState` of one that is deferred: kept up to date
    from changes; else 0.
    """

    source: str
    query: Any = None
    references: tuple[Address, ...] = ()
    rule_oid: int = 0
    populated: bool = True
    state_oid: int = 0

    @property
    def kind(self) -> str:
        return "m"

    @property
    def is_deferred(self) -> bool:
        """Whether it follows changes by itself."""
        return self.state_oid != 0

    @property
    def is_recomputed(self) -> bool:
        """Whether it follows them by running its query again, as a whole."""
        return "method=full" in self.options


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewStateIndex(IndexDef):
    """The index of a `ViewState` by key."""

    @property
    def is_hidden(self) -> bool:
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewState(Table):
    """What a deferred materialized view remembers: values by keys (see `views.state`), in a table like any other, so
    that it is logged, checkpointed and copied as the view's rows are.  Nobody can name it.
    """

    view_oid: int

    @property
    def is_hidden(self) -> bool:
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class View(Relation):
    """A view.  `query` is the bound query; `source` its text.  `references` are the relations and columns it
    reads.
    """

    columns: tuple[Column, ...]
    source: str
    query: Any = None
    references: tuple[Address, ...] = ()
    rule_oid: int = 0
    row_type_oid: int = 0
    row_array_oid: int = 0
    check_option: str = ""
    options: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        return "v"

    @property
    def live_columns(self) -> tuple[Column, ...]:
        return self.columns

    def column_named(self, name: str) -> Column | None:
        return next((c for c in self.columns if c.name == name), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class SequenceDef(Relation):
    """A sequence's definition; its current value is state of the engine, outside the catalog and
    transactions.

    `owner_column` is the column that it is OWNED BY, as an address, or None; `is_identity` when it serves an
    identity column.
    """

    type_oid: int = 20
    start: int = 1
    increment: int = 1
    minimum: int = 1
    maximum: int = 2**63 - 1
    cache: int = 1
    cycle: bool = False
    owner_column: Address | None = None
    is_identity: bool = False

    @property
    def kind(self) -> str:
        return "S"


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemTable(Relation):
    """A relation of pg_catalog or information_schema: its rows are computed by `rows` at each scan.

    `rows` gives complete rows in column order, as run-time values.  Reading one needs no lock and no storage.
    """

    relation_kind: str
    columns: tuple[Column, ...]
    rows: Callable[[SystemContext], list[tuple[Any, ...]]] = field(compare=False)
    row_type_oid: int = 0

    @property
    def kind(self) -> str:
        return self.relation_kind

    @property
    def live_columns(self) -> tuple[Column, ...]:
        return self.columns

    def column_named(self, name: str) -> Column | None:
        return next((c for c in self.columns if c.name == name), None)


@dataclass(frozen=True, slots=True)
class Schema:
    """A schema.  `acl` is what older versions kept of its bootstrap rights, as aclitem texts; `rights` stand for it."""

    oid: int
    name: str
    owner_oid: int = BOOTSTRAP_ROLE
    acl: tuple[str, ...] | None = None
    rights: tuple[Right, ...] | None = None


@dataclass(frozen=True, slots=True)
class Membership:
    """That a role is a member of another (`role_oid`), by whose grant, and whether it may make others members."""

    role_oid: int
    grantor_oid: int = BOOTSTRAP_ROLE
    admin_option: bool = False


@dataclass(frozen=True, slots=True)
class StartSettings:
    """A role's settings at the start of its sessions in one database (0: in all), as `name=value`."""

    database_oid: int
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Role:
    """A role that sessions run as.

    `password` is a verifier (see `passwords`), '' for none; `valid_until_us` when it expires, as a timestamptz atom.
    `memberships` are the roles that it is a member of, `settings` what its sessions start with.
    """

    oid: int
    name: str
    superuser: bool = False
    inherit: bool = True
    create_role: bool = False
    create_db: bool = False
    can_login: bool = False
    replication: bool = False
    bypass_rls: bool = False
    connection_limit: int = -1
    password: str = ""
    valid_until_us: int | None = None
    memberships: tuple[Membership, ...] = ()
    settings: tuple[StartSettings, ...] = ()
