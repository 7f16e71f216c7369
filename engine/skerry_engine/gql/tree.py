"""What a GQL text says, as data: one frozen class for each construct, names not yet looked up.

    Program ── parts ──> Procedure | session statement | transaction statement
    Procedure ── first, nexts ──> Composite = Linear | Nested | Combined          separated by NEXT
    Linear ── clauses ──> Use, Match, Let, ..., Insert, ..., CreateGraph, ..., Return     in written order
    Match ── pattern ──> GraphPattern ── paths ──> PathPattern ── expression ──> NodePattern, EdgePattern, ...

What always holds.  `position` is the 1-based character offset at which the construct begins, ready for an error's
`position`; it takes no part in comparisons, so two trees are equal when they say the same.  Names are as written
(GQL does not fold case), without their quotes.  Words of the language come back as lower-case strings; each field
says which.  Sequences are tuples.  Brackets around expressions leave no trace.

The parser resolves what is mere notation: `*`, `+`, `{n}` are `Quantified` with bounds, abbreviated edges are
`EdgePattern` without anything inside, `CREATE (...)` is `Insert`, `EXISTS {(a)->(b)}` is `Exists` over a procedure
with one MATCH, and the operands of a simple CASE are whole conditions about `CaseOperand`.

It does not check what needs names or types: whether a query ends with RETURN, whether a variable exists, whether
`INSERT` patterns say more than they may beyond their form.  EXPLAIN, PREPARE and DECLARE CURSOR are statements of the
session (sql/statements.py) that hold a GQL program's text; they have no class here.

Clauses of the standard are named in the docstrings (§).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Node:
    """Base of all constructs."""

    position: int = field(compare=False)


# --- references to catalog objects (§17) ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SchemaName(Node):
    """A schema: `kind` 'named' (with `path`, from the root: /a/b or a.b is ('a', 'b'); the root itself is ()),
    'relative' (../b: `path` holds '..'), 'current' (CURRENT_SCHEMA or .) or 'home' (HOME_SCHEMA)."""

    kind: str
    path: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ObjectName(Node):
    """The name of a graph, graph type, procedure or table, with its schema where that was written."""

    schema: SchemaName | None
    name: str


@dataclass(frozen=True, slots=True)
class GraphReference(Node):
    """A graph (§11.1): `kind` 'named' (with `name`), 'current', 'home', 'parameter' ($$name or $name: `parameter`).

    A plain name may also be a graph variable (`GRAPH g = ...`): the binder asks variables first.
    """

    kind: str
    name: ObjectName | None = None
    parameter: str = ""


# --- types (§18.9) ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ValueType(Node):
    """Base of types; `not_null` of each: NOT NULL was written."""


@dataclass(frozen=True, slots=True)
class SimpleType(ValueType):
    """A predefined type.  `name` is lower case, words separated by one blank, as written: 'int64', 'string',
    'signed integer', 'double precision', 'zoned datetime', 'timestamp with time zone', 'duration (year to month)',
    'node', 'edge', 'path', 'any', 'property value', 'null', 'nothing', 'graph'.  `parameters`: lengths, precision
    and scale in written order."""

    name: str
    parameters: tuple[int, ...] = ()
    not_null: bool = False


@dataclass(frozen=True, slots=True)
class ListType(ValueType):
    """LIST<element>, element LIST, ARRAY; `element` None: of anything.  `max_length` from LIST<T>[n]."""

    element: ValueType | None
    max_length: int | None = None
    not_null: bool = False


@dataclass(frozen=True, slots=True)
class FieldType(Node):
    """A field of a record type or a column of a binding table type."""

    name: str
    type: ValueType


@dataclass(frozen=True, slots=True)
class RecordType(ValueType):
    """RECORD {...}; `fields` None: an open record."""

    fields: tuple[FieldType, ...] | None
    not_null: bool = False


@dataclass(frozen=True, slots=True)
class UnionType(ValueType):
    """ANY <T | U>, T | U: a value of any of the alternatives."""

    alternatives: tuple[ValueType, ...]
    not_null: bool = False


# --- expressions (§20) --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Expr(Node):
    """Base of value expressions."""


@dataclass(frozen=True, slots=True)
class Literal(Expr):
    """A constant.  `kind` and the Python type of `value`: 'int8' int, 'numeric' Decimal (also integers too long for
    int8), 'float8' float, 'string' str, 'bytes' bytes, 'boolean' bool, 'null' None (UNKNOWN is a null, too).

    `slot` is the constant's number among the literals taken out of the statement (`Normalised.literals`), -1 when it
    stayed: a plan must read a lifted literal from its slot, since other texts share the plan.
    """

    kind: str
    value: int | Decimal | float | str | bytes | bool | None
    slot: int = -1


@dataclass(frozen=True, slots=True)
class TemporalLiteral(Expr):
    """DATE '...', TIME '...', DATETIME '...', TIMESTAMP '...', DURATION '...'; `kind` is that word in lower case."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Parameter(Expr):
    """$name or $1: `name` without the dollar sign."""

    name: str


@dataclass(frozen=True, slots=True)
class Variable(Expr):
    """A reference to a binding variable (§20.12)."""

    name: str


@dataclass(frozen=True, slots=True)
class Property(Expr):
    """arg.name (§20.11): a property of an element, a field of a record."""

    arg: Expr
    name: str


@dataclass(frozen=True, slots=True)
class AllProperties(Expr):
    """arg.*, in COLUMNS of GRAPH_TABLE only (ISO/IEC 9075-16)."""

    arg: Expr


@dataclass(frozen=True, slots=True)
class Index(Expr):
    """arg[index]: an item of a list, counted from 0 and from its end with negative numbers, or a record's field by
    its name.  An extension."""

    arg: Expr
    index: Expr


@dataclass(frozen=True, slots=True)
class Slice(Expr):
    """arg[lower..upper], the upper end excluded.  An extension."""

    arg: Expr
    lower: Expr | None
    upper: Expr | None


@dataclass(frozen=True, slots=True)
class ListValue(Expr):
    """[a, b, c] (§20.17)."""

    items: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Field(Node):
    """name: value, in records, property maps and SET n = {...}."""

    name: str
    value: Expr


@dataclass(frozen=True, slots=True)
class RecordValue(Expr):
    """{name: value, ...} or RECORD {...} (§20.18)."""

    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class PathValue(Expr):
    """PATH [node, edge, node, ...] (§20.14)."""

    items: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Unary(Expr):
    """`operator`: '+', '-', 'not'."""

    operator: str
    arg: Expr


@dataclass(frozen=True, slots=True)
class Binary(Expr):
    """`operator`: '+' '-' '*' '/' '||' '=' '<>' '<' '<=' '>' '>=' 'and' 'or' 'xor',
    and as extensions '%' 'in' 'starts with' 'ends with' 'contains' 'like'.  `position` is the operator's."""

    operator: str
    left: Expr
    right: Expr


@dataclass(frozen=True, slots=True)
class IsNull(Expr):
    """arg IS [NOT] NULL."""

    arg: Expr
    negated: bool = False


@dataclass(frozen=True, slots=True)
class IsTruth(Expr):
    """arg IS [NOT] TRUE | FALSE | UNKNOWN; `value` None: UNKNOWN."""

    arg: Expr
    value: bool | None
    negated: bool = False


@dataclass(frozen=True, slots=True)
class IsTyped(Expr):
    """arg IS [NOT] TYPED type (§19.6)."""

    arg: Expr
    type: ValueType
    negated: bool = False


@dataclass(frozen=True, slots=True)
class IsNormalized(Expr):
    """arg IS [NOT] [form] NORMALIZED (§19.7); `form`: 'nfc', 'nfd', 'nfkc', 'nfkd'."""

    arg: Expr
    form: str = "nfc"
    negated: bool = False


@dataclass(frozen=True, slots=True)
class IsDirected(Expr):
    """edge IS [NOT] DIRECTED (§19.8)."""

    arg: Expr
    negated: bool = False


@dataclass(frozen=True, slots=True)
class IsLabeled(Expr):
    """element IS [NOT] LABELED label, element:label (§19.9)."""

    arg: Expr
    label: Label
    negated: bool = False


@dataclass(frozen=True, slots=True)
class IsEndpoint(Expr):
    """node IS [NOT] SOURCE | DESTINATION OF edge (§19.10); `end`: 'source' or 'destination'."""

    arg: Expr
    end: str
    edge: Expr
    negated: bool = False


@dataclass(frozen=True, slots=True)
class PropertyExists(Expr):
    """PROPERTY_EXISTS(element, name) (§19.13)."""

    arg: Expr
    name: str


@dataclass(frozen=True, slots=True)
class Exists(Expr):
    """EXISTS {...} (§19.4): whether `body` has a row; it need not end with RETURN."""

    body: Procedure


@dataclass(frozen=True, slots=True)
class ValueQuery(Expr):
    """VALUE {...} (§20.6): the one value that `body` returns, null if it has no row."""

    body: Procedure


@dataclass(frozen=True, slots=True)
class LetValue(Expr):
    """LET x = a, ... IN body END (§20.5)."""

    definitions: tuple[ValueDefinition, ...]
    body: Expr


@dataclass(frozen=True, slots=True)
class CaseOperand(Expr):
    """The operand of the simple CASE around it, in the conditions of its branches."""


@dataclass(frozen=True, slots=True)
class CaseBranch(Node):
    """WHEN a, b THEN result: taken when any of `conditions` is true.  In a simple CASE `WHEN 1` has become
    Binary('=', CaseOperand, 1) and `WHEN > 5` Binary('>', CaseOperand, 5)."""

    conditions: tuple[Expr, ...]
    result: Expr


@dataclass(frozen=True, slots=True)
class Case(Expr):
    """CASE [operand] WHEN ... END (§20.7); `otherwise` None: null.  NULLIF and COALESCE are `Call`s."""

    operand: Expr | None
    branches: tuple[CaseBranch, ...]
    otherwise: Expr | None


@dataclass(frozen=True, slots=True)
class Cast(Expr):
    """CAST(arg AS type) (§20.8)."""

    arg: Expr
    type: ValueType


@dataclass(frozen=True, slots=True)
class Call(Expr):
    """A function or aggregate by name, its name in lower case: 'count', 'collect_list', 'abs', 'coalesce',
    'element_id', 'elements', 'all_different', 'same', 'current_date', 'session_user', 'duration_between', ...

    `is_star`: COUNT(*).  `is_distinct`: DISTINCT before the first argument.  Functions without brackets
    (CURRENT_DATE) have no arguments.  Two have words for an argument, which become string literals:
    NORMALIZE(s, NFD) and TRIM(BOTH 'x' FROM s), the latter as 'trim' with ('both', 'x', s) or ('both', s).
    """

    name: str
    args: tuple[Expr, ...]
    is_distinct: bool = False
    is_star: bool = False


# --- labels (§16.8) -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Label(Node):
    """Base of label expressions."""


@dataclass(frozen=True, slots=True)
class LabelName(Label):
    name: str


@dataclass(frozen=True, slots=True)
class LabelWildcard(Label):
    """%: at least one label."""


@dataclass(frozen=True, slots=True)
class LabelNot(Label):
    arg: Label


@dataclass(frozen=True, slots=True)
class LabelAnd(Label):
    """a & b & ...; two or more."""

    items: tuple[Label, ...]


@dataclass(frozen=True, slots=True)
class LabelOr(Label):
    """a | b | ...; two or more."""

    items: tuple[Label, ...]


# --- patterns (§16.4 to §16.7) --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PathItem(Node):
    """Base of what a path pattern is made of."""


@dataclass(frozen=True, slots=True)
class NodePattern(PathItem):
    """(variable:label {properties} WHERE where): each part may be missing."""

    variable: str | None = None
    label: Label | None = None
    properties: tuple[Field, ...] = ()
    where: Expr | None = None


@dataclass(frozen=True, slots=True)
class EdgePattern(PathItem):
    """An edge pattern, full or abbreviated.  `direction`:

    'left'                  <-[ ]-    <-          'left or undirected'    <~[ ]~    <~
    'right'                  -[ ]->   ->          'undirected or right'    ~[ ]~>   ~>
    'undirected'             ~[ ]~    ~           'left or right'         <-[ ]->   <->
    'any'                    -[ ]-    -
    """

    direction: str
    variable: str | None = None
    label: Label | None = None
    properties: tuple[Field, ...] = ()
    where: Expr | None = None


@dataclass(frozen=True, slots=True)
class Subpath(PathItem):
    """A path pattern in brackets: (variable = MODE item WHERE where); `mode` as in PathPrefix, None when not said."""

    item: PathItem
    variable: str | None = None
    mode: str | None = None
    where: Expr | None = None


@dataclass(frozen=True, slots=True)
class Quantified(PathItem):
    """item{lower,upper} (§16.11): `*` is 0 to None, `+` 1 to None, {n} n to n; `upper` None: no bound.
    `item` is an EdgePattern or a Subpath.  Variables inside become lists."""

    item: PathItem
    lower: int
    upper: int | None


@dataclass(frozen=True, slots=True)
class Questioned(PathItem):
    """item?: once or not at all; variables inside stay single and may be null."""

    item: PathItem


@dataclass(frozen=True, slots=True)
class Concatenation(PathItem):
    """Two or more items one after the other; none of them is a Concatenation.

    Two edges side by side have an anonymous node between them, and two nodes are the same node (§16.7).
    """

    items: tuple[PathItem, ...]


@dataclass(frozen=True, slots=True)
class PathUnion(PathItem):
    """Two or more alternatives: a | b without duplicates, a |+| b (`is_multiset`) with them."""

    items: tuple[PathItem, ...]
    is_multiset: bool = False


@dataclass(frozen=True, slots=True)
class PathPrefix(Node):
    """What paths are sought and which are kept (§16.6).

    `mode`: 'walk', 'trail', 'acyclic', 'simple', or None.  `selector`: 'all', 'any' (ANY [k]), 'all shortest',
    'any shortest', 'shortest' (SHORTEST k), 'shortest groups' (SHORTEST [k] GROUPS), or None.
    `count` is k, an integer literal or parameter; None where none was written.
    """

    mode: str | None = None
    selector: str | None = None
    count: Expr | None = None


@dataclass(frozen=True, slots=True)
class PathPattern(Node):
    """variable = prefix item."""

    variable: str | None
    prefix: PathPrefix | None
    item: PathItem


@dataclass(frozen=True, slots=True)
class GraphPattern(Node):
    """What MATCH seeks.  `match_mode`: 'different edges', 'repeatable elements', or None.  `keep`: KEEP's prefix.
    `yields`: the variables behind YIELD; None without one."""

    paths: tuple[PathPattern, ...]
    match_mode: str | None = None
    keep: PathPrefix | None = None
    where: Expr | None = None
    yields: tuple[str, ...] | None = None


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
