"""Physical plans: relations with an access path or a join method chosen.

A physical node says exactly what the generated code will do, and prints as a line of EXPLAIN.  Conditions are
split into conjuncts and sit at the lowest node that can check them.

    rows        OneRow | SeqScan | VirtualScan | IndexLookup | IndexKeys | IndexRange | ValuesRows | FunctionRows
                | SubqueryRows | CteRows | BindingRows | RowLookup | LabelScan | WaysScan | WaysLookup
                | PathRows | ProcedureRows
    joins       HashJoin | IndexJoin | RowJoin | NestedLoop
    the rest    Filtered | Aggregate | WindowRows | SetFunctions
"""

from __future__ import annotations

from dataclasses import dataclass, field

from skerry_engine.algebra import expressions as ex
from skerry_engine.algebra import queries as q
from skerry_engine.algebra.labels import LabelFormula


@dataclass(slots=True)
class Physical:
    """Base.  `rows` is the planner's estimate of the rows that come out."""

    rows: float = field(default=1.0, kw_only=True)


@dataclass(slots=True)
class OfElements(Physical):
    """Base of what can read a graph's elements: `graph` is its name, '' for a table's rows."""

    graph: str = field(default="", kw_only=True)
    is_edges: bool = field(default=False, kw_only=True)


@dataclass(slots=True)
class OneRow(Physical):
    """One row, no columns."""


@dataclass(slots=True)
class SeqScan(OfElements):
    """All rows of a stored table, in row id order."""

    scan: q.Scan
    filters: list[ex.Expr]


@dataclass(slots=True)
class VirtualScan(Physical):
    """All rows of a system table."""

    scan: q.Scan
    filters: list[ex.Expr]


@dataclass(slots=True)
class IndexLookup(OfElements):
    """Rows whose index key equals `keys`; `unique` when there can be only one.  `is_dynamic`: the index's keys are of
    type ANYVALUE, whatever types `keys` have.  `way` says of edges that they are those from a node ('out') or to one
    ('in')."""

    scan: q.Scan
    index_oid: int
    index_name: str
    keys: list[ex.Expr]
    unique: bool
    filters: list[ex.Expr]
    is_dynamic: bool = False
    way: str = ""


@dataclass(slots=True)
class IndexKeys(OfElements):
    """Rows whose key, of a one-column index, is an element of `array`: IN (list), = ANY (array)."""

    scan: q.Scan
    index_oid: int
    index_name: str
    array: ex.Expr
    filters: list[ex.Expr]


@dataclass(slots=True)
class Bound:
    """One end of an index range, on the key column after the equal ones."""

    expr: ex.Expr
    inclusive: bool


@dataclass(slots=True)
class IndexRange(OfElements):
    """Rows in index order whose leading key columns equal `equal`,
    and whose next one lies between the bounds.  `is_dynamic`: the index's keys are of type ANYVALUE."""

    scan: q.Scan
    index_oid: int
    index_name: str
    equal: list[ex.Expr]
    low: Bound | None
    high: Bound | None
    key_descending: bool
    backward: bool
    filters: list[ex.Expr]
    is_dynamic: bool = False


@dataclass(slots=True)
class ValuesRows(Physical):
    values: q.Values
    filters: list[ex.Expr]


@dataclass(slots=True)
class FunctionRows(Physical):
    scan: q.FunctionScan
    filters: list[ex.Expr]


@dataclass(slots=True)
class SubqueryRows(Physical):
    """A query in FROM, run as a function of its own."""

    derived: q.Derived
    filters: list[ex.Expr]


@dataclass(slots=True)
class CteRows(Physical):
    scan: q.CteScan
    filters: list[ex.Expr]


@dataclass(slots=True)
class BindingRows(Physical):
    """Rows that an earlier stage of the statement has left."""

    bindings: q.Bindings
    filters: list[ex.Expr]


@dataclass(slots=True)
class RowLookup(OfElements):
    """The row with the id `key`, if there is one."""

    scan: q.Scan
    key: ex.Expr
    filters: list[ex.Expr]


@dataclass(slots=True)
class LabelScan(OfElements):
    """Rows of an element table whose labels fit: by the index of shapes, or all rows where most of them do."""

    scan: q.Scan
    index_oid: int
    labels: LabelFormula
    filters: list[ex.Expr]


@dataclass(slots=True)
class WaysScan(OfElements):
    """All ways to walk all edges."""

    ways: q.EdgeWays
    filters: list[ex.Expr]


@dataclass(slots=True)
class WaysLookup(OfElements):
    """The ways to walk edges from the node `key`, or to it, by the indexes of sources and of targets."""

    ways: q.EdgeWays
    source_index: int
    target_index: int
    key: ex.Expr
    is_from: bool
    filters: list[ex.Expr]


@dataclass(slots=True)
class PathRows(Physical):
    """The matches of a path pattern from the node `start`, to the node `end`, each a reference of one or two
    expressions; empty where it is not known.  `backward`: the search begins at the end."""

    search: q.PathSearch
    start: list[ex.Expr]
    end: list[ex.Expr]
    backward: bool
    filters: list[ex.Expr]


@dataclass(slots=True)
class ProcedureRows(Physical):
    """The rows of a procedure over a graph."""

    call: q.GraphProcedure
    filters: list[ex.Expr]


@dataclass(slots=True)
class Filtered(Physical):
    input: Physical
    filters: list[ex.Expr]


@dataclass(slots=True)
class HashJoin(Physical):
    """kind: inner, left, full, semi, anti.  The right side is read into a hash table by `right_keys`."""

    kind: str
    left: Physical
    right: Physical
    left_keys: list[ex.Expr]
    right_keys: list[ex.Expr]
    residual: list[ex.Expr]


@dataclass(slots=True)
class IndexJoin(OfElements):
    """kind: inner, left, semi, anti.  For a batch of left rows at a time,
    the right rows are looked up by index."""

    kind: str
    left: Physical
    scan: q.Scan
    index_oid: int
    index_name: str
    keys: list[ex.Expr]
    residual: list[ex.Expr]
    way: str = ""


@dataclass(slots=True)
class RowJoin(OfElements):
    """kind: inner, left, semi, anti.  The right row is the one whose id is `key`, of the left rows."""

    kind: str
    left: Physical
    scan: q.Scan
    key: ex.Expr
    residual: list[ex.Expr]


@dataclass(slots=True)
class NestedLoop(Physical):
    """kind: inner, left, full, semi, anti.  Unless `dependent`, the right side is read once and kept."""

    kind: str
    left: Physical
    right: Physical
    conditions: list[ex.Expr]
    dependent: bool


@dataclass(slots=True)
class Aggregate(Physical):
    aggregation: q.Aggregation
    input: Physical
    filters: list[ex.Expr]


@dataclass(slots=True)
class WindowRows(Physical):
    window: q.Window
    input: Physical
    filters: list[ex.Expr]


@dataclass(slots=True)
class SetFunctions(Physical):
    project: q.ProjectSet
    input: Physical
    filters: list[ex.Expr]


def ranges_of(node: Physical) -> dict[int, int]:
    """The ranges (with widths) whose rows are at hand above the node."""
    from skerry_engine.algebra.traversal import relation_ranges

    match node:
        case (
            SeqScan()
            | VirtualScan()
            | IndexLookup()
            | IndexKeys()
            | IndexRange()
            | FunctionRows()
            | CteRows()
            | RowLookup()
            | LabelScan()
        ):
            return relation_ranges(node.scan)
        case WaysScan() | WaysLookup():
            return relation_ranges(node.ways)
        case BindingRows():
            return relation_ranges(node.bindings)
        case ValuesRows():
            return relation_ranges(node.values)
        case PathRows():
            return relation_ranges(node.search)
        case ProcedureRows():
            return relation_ranges(node.call)
        case SubqueryRows():
            return relation_ranges(node.derived)
        case Filtered():
            return ranges_of(node.input)
        case HashJoin() | NestedLoop():
            left = ranges_of(node.left)
            return left if node.kind in ("semi", "anti") else left | ranges_of(node.right)
        case IndexJoin() | RowJoin():
            left = ranges_of(node.left)
            return left if node.kind in ("semi", "anti") else left | relation_ranges(node.scan)
        case Aggregate():
            return relation_ranges(node.aggregation)
        case WindowRows():
            return ranges_of(node.input) | {node.window.range_id: len(node.window.calls)}
        case SetFunctions():
            return ranges_of(node.input) | {node.project.range_id: len(node.project.calls)}
    return {}
