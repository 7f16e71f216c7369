"""Relational nodes of the logical algebra.

Two families.  A `Relation` binds *ranges*: it makes rows whose columns expressions name as (range id,
position).  A `Query` is a closed block with an ordered list of outputs; it may refer to ranges of enclosing
blocks (then it is correlated, or lateral).  Relations stand in FROM; queries stand where a result is wanted.

    Query    = Select | SetOperation | With | Insert | Update | Delete
             | GraphInsert | GraphChange | GraphDelete | GraphMerge | Program
    Relation = OneRow | Scan | Values | FunctionScan | Derived | CteScan | Bindings | Join | Filter | Aggregation
             | Window | ProjectSet | PathSearch | EdgeWays | GraphProcedure

SQL and GQL are both translated to this; no node belongs to a language,
and none says how it is to be executed.  One more relation, `GraphTable`, is in views that the catalog keeps, and never
in what is executed.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from skerry_engine.algebra.expressions import Aggregate, Call, Expr, SortKey, WindowCall
from skerry_engine.algebra.paths import PathLookup, PathOutput, PathPart, PathSelector
from skerry_engine.values.types import SqlType


@dataclass(frozen=True, slots=True)
class OutputColumn:
    """A column of a query's result; `table_oid` and `attribute_number` tell a plain column's origin,
    else 0."""

    name: str
    type: SqlType
    table_oid: int = 0
    attribute_number: int = 0


# --- relations ----------------------------------------


@dataclass(frozen=True, slots=True)
class Relation:
    """Base of what a FROM clause is made of."""


@dataclass(frozen=True, slots=True)
class OneRow(Relation):
    """One row without columns: the FROM of `SELECT 1`."""


@dataclass(frozen=True, slots=True)
class Scan(Relation):
    """All rows of a stored or virtual table.  `table_oid` finds it in the statement's catalog.

    Here and below `alias` is what the query calls the range, if it says so: for printing, it means nothing else."""

    range_id: int
    table_oid: int
    width: int
    name: str
    is_virtual: bool = False
    alias: str = ""


@dataclass(frozen=True, slots=True)
class RowTemplate:
    """Rows of a long VALUES list that have the same shape: expressions over the row's own literals.

    The literals are columns of range `data_range`, in text order.
    """

    data_range: int
    exprs: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Values(Relation):
    """A VALUES list.  Short ones are `rows` of expressions.

    Long ones are data: `templates` by shape, and at run time the statement's row data, list number
    `data_index`, gives (template number, literal values) per row.
    """

    range_id: int
    types: tuple[SqlType, ...]
    rows: tuple[tuple[Expr, ...], ...] = ()
    templates: tuple[RowTemplate, ...] = ()
    data_index: int = -1


@dataclass(frozen=True, slots=True)
class FunctionScan(Relation):
    """Rows of set-returning (or plain) functions, side by side (ROWS FROM);
    the last column is WITH ORDINALITY's."""

    range_id: int
    calls: tuple[Expr, ...]
    column_counts: tuple[int, ...]
    ordinality: bool = False
    alias: str = ""
    column_names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Derived(Relation):
    """A query in FROM; its outputs are the range's columns."""

    range_id: int
    query: Query
    alias: str = ""
    column_names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class GraphTable(Relation):
    """GRAPH_TABLE in a view's query, where it stands for itself: what a pattern is bound to hangs on what the graph
    holds when the view is read.

    `pieces` are its text from MATCH to the closing bracket, by SQL's lexical rules, and `outer` the columns from
    outside that it reads between them: one fewer.  `variables` are the pattern's: a range around it that had the name
    of one could not be read in it.
    """

    range_id: int
    graph_oid: int
    columns: tuple[OutputColumn, ...]
    pieces: tuple[str, ...]
    outer: tuple[Expr, ...] = ()
    variables: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CteScan(Relation):
    """Rows of a WITH query; within a recursive query's own body, of its working table."""

    range_id: int
    cte_id: int
    width: int
    alias: str = ""


@dataclass(frozen=True, slots=True)
class Bindings(Relation):
    """Rows that an earlier part of the same statement has left: what a linear statement with writes hands from one
    stage to the next.  `number` finds them in the execution's memory."""

    range_id: int
    number: int
    width: int


@dataclass(frozen=True, slots=True)
class Join(Relation):
    """kind: 'inner', 'left', 'right', 'full'; after rewriting also 'semi' and 'anti' (left rows with or
    without a match; right ranges not visible above).
    `lateral` says that the right side refers to the left's ranges."""

    kind: str
    left: Relation
    right: Relation
    condition: Expr | None
    lateral: bool = False


@dataclass(frozen=True, slots=True)
class Filter(Relation):
    """Rows for which `condition` is true."""

    input: Relation
    condition: Expr


@dataclass(frozen=True, slots=True)
class Aggregation(Relation):
    """Groups.  Outputs as columns of `range_id`: the keys, then the aggregates, then GROUPING's bit mask if
    `grouping_sets` are given (each a tuple of key positions).  No keys: exactly one row."""

    range_id: int
    input: Relation
    keys: tuple[Expr, ...]
    aggregates: tuple[Aggregate, ...]
    grouping_sets: tuple[tuple[int, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Window(Relation):
    """Window functions over the input; outputs are columns of `range_id`, beside the input's own ranges."""

    range_id: int
    input: Relation
    calls: tuple[WindowCall, ...]


@dataclass(frozen=True, slots=True)
class ProjectSet(Relation):
    """Set-returning functions of a select list: for each input row as many rows as the longest gives, the
    shorter padded with NULL; outputs are columns of `range_id`."""

    range_id: int
    input: Relation
    calls: tuple[Call, ...]


@dataclass(frozen=True, slots=True)
class EdgeWays(Relation):
    """The rows of a native graph's edges, each once for every way to walk it: range `ends` has the row ids of the
    nodes from and to which; a loop has one way.

    `scan` binds the edge's own row beside it.  This is what an edge pattern without a direction reads.
    """

    scan: Scan
    ends: int


@dataclass(frozen=True, slots=True)
class PathSearch(Relation):
    """The matches of a path pattern, one row each: `outputs` as columns of `range_id`.

    Where the paths begin or end is said by equalities with the 'start' and 'end' columns, as in a join: the planner
    walks from an end that it knows, or from both.  At least one must be known where the search is made.

    `mode` (paths.MODES) restricts whole paths, before `selector` picks among those between the same two nodes.
    `joined` are variables that stand at several places of the pattern and mean the same element at all of them.
    `nodes` and `edges` tell for each table how its elements become values; outputs without values need none.
    """

    range_id: int
    pattern: PathPart
    outputs: tuple[PathOutput, ...]
    mode: str = "walk"
    selector: PathSelector | None = None
    joined: tuple[int, ...] = ()
    nodes: tuple[PathLookup, ...] = ()
    edges: tuple[PathLookup, ...] = ()


@dataclass(frozen=True, slots=True)
class GraphProcedure(Relation):
    """The rows of a procedure over a whole native graph, which reads all of `nodes` and `edges`: columns of `types`.
    `options` is a record."""

    range_id: int
    name: str
    graph_oid: int
    nodes: Scan
    edges: Scan
    args: tuple[Expr, ...]
    options: Expr | None
    types: tuple[SqlType, ...]


# --- queries ----------------------------------------


@dataclass(frozen=True, slots=True)
class Query:
    """Base of blocks with outputs."""

    columns: tuple[OutputColumn, ...]


@dataclass(frozen=True, slots=True)
class RowLock:
    """FOR UPDATE and kin.  strength: 'update', 'no key update', 'share', 'key share'; wait: 'block',
    'nowait', 'skip locked'; `range_ids` the ranges whose rows are locked."""

    strength: str
    wait: str
    range_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Select(Query):
    """One SELECT block.  `order_by` and `distinct_on` are over the input's ranges; with `distinct` every sort
    key is also an output."""

    input: Relation
    outputs: tuple[Expr, ...]
    distinct: bool = False
    distinct_on: tuple[Expr, ...] = ()
    order_by: tuple[SortKey, ...] = ()
    limit: Expr | None = None
    offset: Expr | None = None
    with_ties: bool = False
    locks: tuple[RowLock, ...] = ()


@dataclass(frozen=True, slots=True)
class SetOperation(Query):
    """kind: 'union', 'intersect', 'except', 'otherwise' (the right side's rows if the left has none).  Both sides
    have the same types; sort keys are columns of `range_id`."""

    kind: str
    all: bool
    left: Query
    right: Query
    range_id: int
    order_by: tuple[SortKey, ...] = ()
    limit: Expr | None = None
    offset: Expr | None = None


@dataclass(frozen=True, slots=True)
class Cte:
    """One WITH query.  A recursive one is `query` UNION [ALL] `step`,
    where `step` scans the cte's working table.  `column_names` are those that WITH gives it, if any."""

    cte_id: int
    name: str
    query: Query
    step: Query | None = None
    union_all: bool = False
    column_names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class With(Query):
    """WITH: `ctes` in order, then the body."""

    ctes: tuple[Cte, ...]
    body: Query


@dataclass(frozen=True, slots=True)
class Target:
    """The table that a data-modifying statement writes.  `checks` are (constraint name, expression) over
    `range_id` standing for the new row; `not_null` the positions of NOT NULL columns.  `generated` are (position,
    expression) over the new row, which has anything at these positions before.
    """

    table_oid: int
    name: str
    schema: str
    range_id: int
    width: int
    column_names: tuple[str, ...]
    not_null: tuple[int, ...] = ()
    checks: tuple[tuple[str, Expr], ...] = ()
    generated: tuple[tuple[int, Expr], ...] = ()


@dataclass(frozen=True, slots=True)
class OnConflict:
    """ON CONFLICT.  `index_oids` are the arbiters (empty: any unique index); `updates` (position, expression
    over the target's range and `excluded_range`); no updates means DO NOTHING.  `guards` are conditions over
    parameters alone without which the arbiters would be others: each must be true."""

    index_oids: tuple[int, ...]
    excluded_range: int
    updates: tuple[tuple[int, Expr], ...]
    condition: Expr | None
    do_update: bool
    guards: tuple[Expr, ...] = ()


@dataclass(frozen=True, slots=True)
class Insert(Query):
    """INSERT: `row` gives the full-width new row, over `source`'s ranges;
    RETURNING is over the target's range."""

    target: Target
    source: Relation
    row: tuple[Expr, ...]
    returning: tuple[Expr, ...]
    conflict: OnConflict | None = None
    order_by: tuple[SortKey, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Update(Query):
    """UPDATE: `source` contains the target's scan (range `scan_range`), joined with FROM; `row` is the
    full-width new row over them; RETURNING sees the new row as the target's range, FROM's ranges as they are.
    """

    target: Target
    scan_range: int
    source: Relation
    row: tuple[Expr, ...]
    changed: tuple[int, ...]
    returning: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Delete(Query):
    """DELETE: RETURNING sees the old row as the target's range (the scan's own range id)."""

    target: Target
    source: Relation
    returning: tuple[Expr, ...]


# --- writing graphs ----------------------------------------
#
# A graph's elements are rows of tables: of the two tables of a native graph, or of tables that a property
# graph has been laid over.  The nodes below say what becomes of elements; which rows that is depends on the
# graph's kind.  An element is given by an expression of type NODE or EDGE: a reference, whatever has been
# written since.  A binding whose reference is NULL (OPTIONAL MATCH) is not changed and not deleted.


@dataclass(frozen=True, slots=True)
class NewElement:
    """A node or an edge that is made per binding row.

    `into` is the table that is written; its range stands for the new row, id included, in the elements after
    it and in the outputs.  In a native graph the row comes from `labels` and `properties` (name, value), one
    whose value is NULL being left out, and `row` is empty; `record` is a record of further properties that
    are known at run time only.  In a graph over tables `row` is the full-width row, keys of endpoints
    included.  `ends` are an edge's source and target, of type NODE (nodes before it in the pattern are made
    first), in a native graph rows of the table `ends_in`; None for a node.  An edge that is not `is_directed` has
    its two ends in no order.
    """

    into: Target
    type: SqlType
    labels: tuple[str, ...] = ()
    properties: tuple[tuple[str, Expr], ...] = ()
    record: Expr | None = None
    row: tuple[Expr, ...] = ()
    ends: tuple[Expr, Expr] | None = None
    ends_in: int = 0
    is_directed: bool = True


@dataclass(frozen=True, slots=True)
class ElementChange:
    """What SET and REMOVE do to one element.

    `element` is of type NODE or EDGE, and a row of `table_oid` (0: of any of the graph's tables, which shows at
    run time).  A property set to NULL goes.  `replaces` says that properties not named go, too (SET n = {...});
    `record` is a record of further properties that are known at run time only.
    """

    element: Expr
    table_oid: int
    properties: tuple[tuple[str, Expr], ...] = ()
    record: Expr | None = None
    replaces: bool = False
    labels_added: tuple[str, ...] = ()
    labels_removed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class GraphInsert(Query):
    """INSERT of a graph pattern: for each row of `input` all `elements`, nodes before the edges between them.

    Outputs are over the input's ranges and those of the new elements.
    """

    graph_oid: int
    input: Relation
    elements: tuple[NewElement, ...]
    outputs: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class GraphChange(Query):
    """SET and REMOVE: all `changes` are computed from the state before the statement, for all rows of
    `input`, and made together; two different values for one property of one element are an error (22G0M).

    Outputs are over the input's ranges; element values in them still show the state before.  `tables` are those
    that may be written.
    """

    graph_oid: int
    tables: tuple[int, ...]
    input: Relation
    changes: tuple[ElementChange, ...]
    outputs: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class GraphDelete(Query):
    """DELETE of `elements`: of type NODE, EDGE or PATH, or lists of these.  Each goes once, however often it
    is bound.

    With `detach` the edges of deleted nodes go, too; without, an edge that is left at the end of the
    statement, or that somebody else has committed meanwhile, is an error that says how many there are
    (G1001).  `tables` are those that may be written.
    """

    graph_oid: int
    tables: tuple[int, ...]
    input: Relation
    elements: tuple[Expr, ...]
    detach: bool
    outputs: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class GraphMerge(Query):
    """MERGE: for each row of `input`, in order, what `match` finds, or, if that is nothing, new elements.

    `match` is a query over the input's ranges with one output per element of the pattern, of type NODE or
    EDGE, in the order of the pattern; what earlier input rows have made is found, too.  `elements` are what
    is made when nothing is, `positions` their places in the pattern; the other places are taken by `bound`,
    (place, expression over the input).  Either way the elements are the columns of `range_id`, which
    `on_create`, `on_match` and the outputs may name besides the input's ranges; they show the state after the
    changes.

    What is looked for is locked by (table, labels, property values, bound ends), so that concurrent
    statements which look for the same make one thing.
    """

    graph_oid: int
    input: Relation
    range_id: int
    match: Query
    elements: tuple[NewElement, ...]
    positions: tuple[int, ...]
    bound: tuple[tuple[int, Expr], ...]
    on_create: tuple[ElementChange, ...]
    on_match: tuple[ElementChange, ...]
    outputs: tuple[Expr, ...]


GraphWrite = GraphInsert | GraphChange | GraphDelete | GraphMerge


@dataclass(frozen=True, slots=True)
class Program(Query):
    """A linear statement that writes: queries that run one after another as one statement.

    The result of each stage, its binding table, is complete before the next begins, which reads it as a range
    (Bindings; its number is the stage's, from 0) and sees what the stages before have written: it runs under
    the next statement number of the overlay.  Element values in a binding table are references: after a stage
    that writes they are brought up to date.  Everything else of a statement is the program's: its snapshot,
    its end (constraints are checked there), and its restart as a whole when READ COMMITTED meets a newer
    row.  Columns are the last stage's; none where it is a GraphWrite without outputs.
    """

    stages: tuple[Query, ...]
