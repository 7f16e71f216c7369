"""CREATE and ALTER PROPERTY GRAPH as data (ISO/IEC 9075-16)."""

from __future__ import annotations

from dataclasses import dataclass

from skerry_engine.sql.statement_parts import ObjectName, SourceExpression, Statement


@dataclass(frozen=True, slots=True)
class GraphProperty:
    """An item of PROPERTIES (...): `name` None takes the name of the column that the expression is."""

    source: SourceExpression
    name: str | None
    position: int


@dataclass(frozen=True, slots=True)
class PropertyList:
    """PROPERTIES (...), or PROPERTIES ALL COLUMNS, or NO PROPERTIES: an empty list that is not `is_all`."""

    items: tuple[GraphProperty, ...] = ()
    is_all: bool = False


@dataclass(frozen=True, slots=True)
class LabelClause:
    """LABEL name with properties; `name` None is the default: the element's alias."""

    name: str | None
    properties: PropertyList
    position: int


@dataclass(frozen=True, slots=True)
class ElementEndClause:
    """SOURCE or DESTINATION: [KEY (columns) REFERENCES] alias [(referenced columns)]; without columns a foreign
    key says which they are."""

    alias: str
    columns: tuple[str, ...]
    referenced: tuple[str, ...]
    position: int


@dataclass(frozen=True, slots=True)
class ElementClause:
    """A table in VERTEX TABLES or, with both ends, in EDGE TABLES.  An empty `key` is the primary key."""

    table: ObjectName
    alias: str
    key: tuple[str, ...]
    labels: tuple[LabelClause, ...]
    source: ElementEndClause | None = None
    target: ElementEndClause | None = None


@dataclass(frozen=True, slots=True)
class CreatePropertyGraph(Statement):
    """CREATE PROPERTY GRAPH."""

    name: ObjectName
    vertices: tuple[ElementClause, ...]
    edges: tuple[ElementClause, ...]
    persistence: str = "p"


# --- ALTER ----------------------------------------------------------------------------------------------------------


class GraphAction:
    """Base of what ALTER PROPERTY GRAPH does."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class AddElements(GraphAction):
    """ADD VERTEX TABLES (...) EDGE TABLES (...)."""

    vertices: tuple[ElementClause, ...]
    edges: tuple[ElementClause, ...]


@dataclass(frozen=True, slots=True)
class DropElements(GraphAction):
    """DROP VERTEX TABLES (aliases), DROP EDGE TABLES (aliases).  CASCADE takes the edges of vertices along."""

    is_edges: bool
    aliases: tuple[str, ...]
    cascade: bool


@dataclass(frozen=True, slots=True)
class AlterElement(GraphAction):
    """Base of ALTER VERTEX TABLE alias ... and ALTER EDGE TABLE alias ...."""

    is_edge: bool
    alias: str


@dataclass(frozen=True, slots=True)
class AddLabels(AlterElement):
    """... ADD LABEL name properties, several times."""

    labels: tuple[LabelClause, ...]


@dataclass(frozen=True, slots=True)
class DropLabel(AlterElement):
    """... DROP LABEL name."""

    label: str


@dataclass(frozen=True, slots=True)
class AddProperties(AlterElement):
    """... ALTER LABEL name ADD PROPERTIES (...)."""

    label: str
    items: tuple[GraphProperty, ...]


@dataclass(frozen=True, slots=True)
class DropProperties(AlterElement):
    """... ALTER LABEL name DROP PROPERTIES (names)."""

    label: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AlterPropertyGraph(Statement):
    """ALTER PROPERTY GRAPH, but for what all objects share."""

    name: ObjectName
    action: GraphAction
    if_exists: bool = False
