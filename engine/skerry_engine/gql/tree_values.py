"""Names, types, value expressions and labels of GQL's syntax trees.  See tree.py."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from skerry_engine.gql.tree_clauses import Procedure, ValueDefinition


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
