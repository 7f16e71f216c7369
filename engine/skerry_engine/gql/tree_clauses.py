"""Clauses, statements and procedures of GQL's syntax trees.  See tree.py."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from skerry_engine.gql.tree_patterns import GraphPattern, PathPattern
from skerry_engine.gql.tree_values import (
    Expr,
    GraphReference,
    Node,
    ObjectName,
    SchemaName,
    ValueType,
    Variable,
)

if TYPE_CHECKING:
    from skerry_engine.gql.tree_catalog import GraphTypeSource


# --- clauses of linear statements (§13, §14) ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Clause(Node):
    """Base of what stands one after the other in a linear statement."""


@dataclass(frozen=True, slots=True)
class Use(Clause):
    """USE graph (§16.2): for the clauses behind it, as far as the next USE."""

    graph: GraphReference


@dataclass(frozen=True, slots=True)
class Match(Clause):
    """MATCH pattern (§14.4)."""

    pattern: GraphPattern


@dataclass(frozen=True, slots=True)
class OptionalMatch(Clause):
    """OPTIONAL MATCH ... (one match), OPTIONAL {MATCH ... MATCH ...}: all of them or nulls."""

    matches: tuple[Match | OptionalMatch, ...]


@dataclass(frozen=True, slots=True)
class ValueDefinition(Node):
    """variable = value, or VALUE variable [TYPED] type = value."""

    variable: str
    value: Expr
    type: ValueType | None = None


@dataclass(frozen=True, slots=True)
class Let(Clause):
    """LET definitions (§14.7)."""

    definitions: tuple[ValueDefinition, ...]


@dataclass(frozen=True, slots=True)
class For(Clause):
    """FOR variable IN source [WITH ORDINALITY | OFFSET counter] (§14.8).  `counting`: 'ordinality' (from 1), 'offset'
    (from 0), or None."""

    variable: str
    source: Expr
    counting: str | None = None
    counter: str | None = None


@dataclass(frozen=True, slots=True)
class Filter(Clause):
    """FILTER [WHERE] condition (§14.6)."""

    condition: Expr


@dataclass(frozen=True, slots=True)
class SortItem(Node):
    """An item of ORDER BY.  `nulls`: 'first', 'last', or None."""

    value: Expr
    is_descending: bool = False
    nulls: str | None = None


@dataclass(frozen=True, slots=True)
class Page(Clause):
    """ORDER BY ... OFFSET n LIMIT n (§14.9), any of them; a clause of its own or RETURN's."""

    order_by: tuple[SortItem, ...] = ()
    offset: Expr | None = None
    limit: Expr | None = None


@dataclass(frozen=True, slots=True)
class ReturnItem(Node):
    """value [AS alias]."""

    value: Expr
    alias: str | None = None


@dataclass(frozen=True, slots=True)
class Return(Clause):
    """RETURN [DISTINCT] items [GROUP BY variables] [page] (§14.11).

    `is_star`: RETURN *, without items.  `group_by` None: none was written; (): GROUP BY ().
    """

    items: tuple[ReturnItem, ...]
    is_star: bool = False
    is_distinct: bool = False
    group_by: tuple[Variable, ...] | None = None
    page: Page | None = None


@dataclass(frozen=True, slots=True)
class Finish(Clause):
    """FINISH: no result."""


@dataclass(frozen=True, slots=True)
class YieldItem(Node):
    """name [AS alias]."""

    name: str
    alias: str | None = None


@dataclass(frozen=True, slots=True)
class CallInline(Clause):
    """[OPTIONAL] CALL [(variables)] {...} (§15.2).  `scope` None: all variables are visible inside."""

    body: Procedure
    scope: tuple[str, ...] | None = None
    is_optional: bool = False


@dataclass(frozen=True, slots=True)
class CallNamed(Clause):
    """[OPTIONAL] CALL name(args) [YIELD items] (§15.3).  `yields` None: everything it gives; YIELD * too."""

    name: ObjectName
    args: tuple[Expr, ...]
    yields: tuple[YieldItem, ...] | None = None
    is_optional: bool = False


@dataclass(frozen=True, slots=True)
class Insert(Clause):
    """INSERT patterns (§13.2), or CREATE (...).  Each path's item is a NodePattern or a Concatenation of alternating
    NodePatterns and full EdgePatterns ('left', 'right', 'undirected') without WHERE; labels are LabelName or
    LabelAnd of names.  The parser has checked that."""

    paths: tuple[PathPattern, ...]


@dataclass(frozen=True, slots=True)
class SetProperty(Node):
    """variable.name = value."""

    variable: str
    name: str
    value: Expr


@dataclass(frozen=True, slots=True)
class SetAllProperties(Node):
    """variable = value: all others leave; variable += value (`is_added`, an extension): all others stay.
    `value` is a RecordValue or, as an extension, any record or element."""

    variable: str
    value: Expr
    is_added: bool = False


@dataclass(frozen=True, slots=True)
class SetLabels(Node):
    """variable:label or variable IS label; several with & as an extension."""

    variable: str
    labels: tuple[str, ...]


SetItem: TypeAlias = "SetProperty | SetAllProperties | SetLabels"


@dataclass(frozen=True, slots=True)
class Set(Clause):
    """SET items (§13.3)."""

    items: tuple[SetItem, ...]


@dataclass(frozen=True, slots=True)
class RemoveProperty(Node):
    """variable.name."""

    variable: str
    name: str


@dataclass(frozen=True, slots=True)
class RemoveLabels(Node):
    """variable:label or variable IS label."""

    variable: str
    labels: tuple[str, ...]


RemoveItem: TypeAlias = "RemoveProperty | RemoveLabels"


@dataclass(frozen=True, slots=True)
class Remove(Clause):
    """REMOVE items (§13.4)."""

    items: tuple[RemoveItem, ...]


@dataclass(frozen=True, slots=True)
class Delete(Clause):
    """[DETACH | NODETACH] DELETE items (§13.5)."""

    items: tuple[Expr, ...]
    is_detach: bool = False


@dataclass(frozen=True, slots=True)
class Merge(Clause):
    """MERGE path [ON CREATE SET ...] [ON MATCH SET ...], an extension: match the whole path or insert it.
    The path has the form of INSERT's."""

    path: PathPattern
    on_create: tuple[SetItem, ...] = ()
    on_match: tuple[SetItem, ...] = ()


# --- statements and procedures (§9, §14.2) --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Composite(Node):
    """Base of what stands between NEXTs."""


@dataclass(frozen=True, slots=True)
class Linear(Composite):
    """Clauses in written order; `Return` or `Finish` can only be the last (the parser has checked that)."""

    clauses: tuple[Clause, ...]


@dataclass(frozen=True, slots=True)
class Nested(Composite):
    """[USE graph] {...}: a procedure in braces instead of a linear statement."""

    body: Procedure
    graph: GraphReference | None = None


@dataclass(frozen=True, slots=True)
class Combined(Composite):
    """left operator right (§14.2), from the left.  `operator`: 'union', 'except', 'intersect', 'otherwise';
    `is_all`: ALL was written (without it, duplicates leave)."""

    operator: str
    left: Composite
    right: Composite
    is_all: bool = False


@dataclass(frozen=True, slots=True)
class Next(Node):
    """NEXT [YIELD items] statement: it starts from the rows of the statement before."""

    statement: Composite
    yields: tuple[YieldItem, ...] | None = None


@dataclass(frozen=True, slots=True)
class VariableDefinition(Node):
    """[PROPERTY] GRAPH | [BINDING] TABLE | VALUE variable [[TYPED] type] = value at a procedure's beginning (§10).

    `kind` and `value`: 'graph' GraphReference; 'table' Procedure or ObjectName; 'value' Expr."""

    kind: str
    variable: str
    value: GraphReference | Procedure | ObjectName | Expr
    type: ValueType | GraphTypeSource | None = None


@dataclass(frozen=True, slots=True)
class Procedure(Node):
    """[AT schema] [definitions] statement [NEXT statement]* (§9.2)."""

    first: Composite
    nexts: tuple[Next, ...] = ()
    schema: SchemaName | None = None
    definitions: tuple[VariableDefinition, ...] = ()
