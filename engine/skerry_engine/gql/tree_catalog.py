"""Catalog, session and transaction statements of GQL's syntax trees, and the whole.  See tree.py."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from skerry_engine.gql.tree_clauses import Clause, Procedure, ReturnItem, VariableDefinition
from skerry_engine.gql.tree_patterns import GraphPattern
from skerry_engine.gql.tree_values import Expr, GraphReference, Node, ObjectName, SchemaName, ValueType

# --- catalog statements (§12, §18) ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PropertyType(Node):
    """name type [UNIQUE] in an element type; NOT NULL is the type's.  UNIQUE is an extension."""

    name: str
    type: ValueType
    is_unique: bool = False


@dataclass(frozen=True, slots=True)
class ElementFiller(Node):
    """Labels and properties of a node or edge type.  `key_labels`: what stands before IMPLIES (=>), None without."""

    key_labels: tuple[str, ...] | None = None
    labels: tuple[str, ...] = ()
    properties: tuple[PropertyType, ...] = ()


@dataclass(frozen=True, slots=True)
class NodeType(Node):
    """(alias:Label {properties}), NODE TYPE name ... AS alias (§18.2)."""

    filler: ElementFiller
    name: str | None = None
    alias: str | None = None


@dataclass(frozen=True, slots=True)
class Endpoint(Node):
    """A node type named by an edge type: by its alias (or name), or by what it holds."""

    alias: str | None
    filler: ElementFiller | None = None


@dataclass(frozen=True, slots=True)
class EdgeType(Node):
    """(source)-[:LABEL {properties}]->(target), DIRECTED EDGE name ... CONNECTING (a TO b) (§18.3)."""

    filler: ElementFiller
    source: Endpoint
    target: Endpoint
    is_directed: bool = True
    name: str | None = None


@dataclass(frozen=True, slots=True)
class ConstraintType(Node):
    """[CONSTRAINT name] FOR (v:Label) | ()-[v:LABEL]-() REQUIRE v.p IS UNIQUE, in a graph type.  An extension.

    `kind`: 'unique' (all properties together), 'key' (unique and not null), 'not null', 'typed' (with `type`).
    """

    name: str | None
    is_edge: bool
    label: str
    properties: tuple[str, ...]
    kind: str
    type: ValueType | None = None


@dataclass(frozen=True, slots=True)
class GraphTypeSource(Node):
    """Base of what tells a graph's type."""


@dataclass(frozen=True, slots=True)
class OpenType(GraphTypeSource):
    """ANY [GRAPH]: everything may be in it."""


@dataclass(frozen=True, slots=True)
class NamedType(GraphTypeSource):
    """TYPED name, name; COPY OF name in CREATE GRAPH TYPE."""

    name: ObjectName


@dataclass(frozen=True, slots=True)
class LikeType(GraphTypeSource):
    """LIKE graph: that graph's type."""

    graph: GraphReference


@dataclass(frozen=True, slots=True)
class ListedType(GraphTypeSource):
    """{element types} (§18.1)."""

    elements: tuple[NodeType | EdgeType | ConstraintType, ...]


@dataclass(frozen=True, slots=True)
class CreateGraph(Clause):
    """CREATE [OR REPLACE] [PROPERTY] GRAPH [IF NOT EXISTS] name [type] [AS COPY OF graph] (§12.4).

    `type` None: none was written, an open graph (an extension).  For graphs over tables see SQL's
    CREATE PROPERTY GRAPH ... VERTEX TABLES, which is no GQL.
    """

    name: ObjectName
    type: GraphTypeSource | None = None
    copy_of: GraphReference | None = None
    is_replace: bool = False
    if_not_exists: bool = False


@dataclass(frozen=True, slots=True)
class CreateGraphType(Clause):
    """CREATE [OR REPLACE] [PROPERTY] GRAPH TYPE [IF NOT EXISTS] name ... (§12.6); `source` is no OpenType."""

    name: ObjectName
    source: GraphTypeSource
    is_replace: bool = False
    if_not_exists: bool = False


@dataclass(frozen=True, slots=True)
class CreateSchema(Clause):
    """CREATE SCHEMA [IF NOT EXISTS] /name (§12.2)."""

    name: SchemaName
    if_not_exists: bool = False


@dataclass(frozen=True, slots=True)
class DropGraph(Clause):
    """DROP [PROPERTY] GRAPH [IF EXISTS] name (§12.5)."""

    name: ObjectName
    if_exists: bool = False


@dataclass(frozen=True, slots=True)
class DropGraphType(Clause):
    """DROP [PROPERTY] GRAPH TYPE [IF EXISTS] name (§12.7)."""

    name: ObjectName
    if_exists: bool = False


@dataclass(frozen=True, slots=True)
class DropSchema(Clause):
    """DROP SCHEMA [IF EXISTS] /name (§12.3)."""

    name: SchemaName
    if_exists: bool = False


@dataclass(frozen=True, slots=True)
class CreateGraphIndex(Clause):
    """CREATE INDEX [IF NOT EXISTS] [name] FOR (v:Label) | ()-[v:LABEL]-() [ON (v.p, ...)]; an extension.

    Without properties it is an index of the label.  `label` None: over all elements of the kind.
    The graph is the working graph (USE before it)."""

    name: str | None
    is_edge: bool
    label: str | None
    properties: tuple[str, ...] = ()
    if_not_exists: bool = False


@dataclass(frozen=True, slots=True)
class CreateConstraint(Clause):
    """CREATE CONSTRAINT [IF NOT EXISTS] [name] FOR (v:Label) REQUIRE ...; an extension."""

    constraint: ConstraintType
    if_not_exists: bool = False


@dataclass(frozen=True, slots=True)
class DropGraphIndex(Clause):
    """DROP INDEX [IF EXISTS] name, within a GQL program."""

    name: str
    if_exists: bool = False


@dataclass(frozen=True, slots=True)
class DropConstraint(Clause):
    """DROP CONSTRAINT [IF EXISTS] name."""

    name: str
    if_exists: bool = False


# --- session statements (§7) ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SessionStatement(Node):
    """Base of SESSION ... statements."""


@dataclass(frozen=True, slots=True)
class SessionSetSchema(SessionStatement):
    schema: SchemaName


@dataclass(frozen=True, slots=True)
class SessionSetGraph(SessionStatement):
    graph: GraphReference


@dataclass(frozen=True, slots=True)
class SessionSetTimeZone(SessionStatement):
    """SESSION SET TIME ZONE 'zone'."""

    zone: Expr


@dataclass(frozen=True, slots=True)
class SessionSetParameter(SessionStatement):
    """SESSION SET GRAPH | TABLE | VALUE [IF NOT EXISTS] $name [type] = value; `definition.variable` has no dollar
    sign."""

    definition: VariableDefinition
    if_not_exists: bool = False


@dataclass(frozen=True, slots=True)
class SessionReset(SessionStatement):
    """SESSION RESET [what] (§7.2).  `what`: 'characteristics' (the default: everything), 'parameters', 'schema',
    'graph', 'time zone', 'parameter' (with its name)."""

    what: str
    parameter: str = ""


@dataclass(frozen=True, slots=True)
class SessionClose(SessionStatement):
    """SESSION CLOSE."""


# --- transaction statements (§8) ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TransactionStatement(Node):
    """Base of transaction statements."""


@dataclass(frozen=True, slots=True)
class StartTransaction(TransactionStatement):
    """START TRANSACTION [modes]; BEGIN too.  `isolation` as in sql.statements.TransactionModes; None: not said."""

    isolation: str | None = None
    read_only: bool | None = None
    deferrable: bool | None = None


@dataclass(frozen=True, slots=True)
class Commit(TransactionStatement):
    """COMMIT."""


@dataclass(frozen=True, slots=True)
class Rollback(TransactionStatement):
    """ROLLBACK; with `savepoint`, ROLLBACK TO [SAVEPOINT] name."""

    savepoint: str | None = None


@dataclass(frozen=True, slots=True)
class Savepoint(TransactionStatement):
    """SAVEPOINT name."""

    name: str


@dataclass(frozen=True, slots=True)
class ReleaseSavepoint(TransactionStatement):
    """RELEASE [SAVEPOINT] name."""

    name: str


# --- the whole --------------------------------------------------------------------------------------------------


Part: TypeAlias = "Procedure | SessionStatement | TransactionStatement"


@dataclass(frozen=True, slots=True)
class Program(Node):
    """A text without semicolons (§6): mostly one part; START TRANSACTION ... COMMIT around a procedure are three."""

    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class GraphTable(Node):
    """What stands in GRAPH_TABLE (...) of SQL (ISO/IEC 9075-16): graph MATCH pattern COLUMNS (items)."""

    graph: GraphReference
    pattern: GraphPattern
    columns: tuple[ReturnItem, ...]
