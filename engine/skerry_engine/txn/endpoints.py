"""Edges and the nodes at their ends: no edge without both, whoever comes first and whoever goes.

An edge's row names its ends by row id, so this is a foreign key without an index of the parent:

    edge written     each end is looked for in the newest state and gets KEY SHARE, which conflicts only with the
                     node's deletion
    node deleted     it holds UPDATE on its row; at the end of the statement edges that are still there in the
                     newest state are counted, and are an error (G1001)

One of two racing transactions waits for the other and then sees what it did.  Above READ COMMITTED statements do not
wait: both sides are checked as far as can be seen, and again by COMMIT with these locks in hand.  What a SNAPSHOT
transaction can't see but would violate is T001.

Where the graph's type says which nodes may be at the ends of which edges, a node's labels are its key: a change of them
takes UPDATE.  What fits when it is written is fine, until a node's labels change; what does not is looked at again when
the statement ends, for its later stages may still change it.  COMMIT checks all of it once more (`EndTypes`).

The ends of an edge were found by the statement that writes it.  So where READ COMMITTED meets an end that is gone, the
statement is run again, and does not find it: no error comes of a race.  Ends never change, and an end that the
transaction itself has deleted is an error at once (G1002).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, cast

from skerry_engine.errors import EdgesStillExist, EndpointDeleted, GraphTypeViolation
from skerry_engine.storage.heap import Row, newest_row, visible_row
from skerry_engine.storage.index import Index
from skerry_engine.storage.pending import ABSENT, NEWEST
from skerry_engine.storage.reader import TableReader
from skerry_engine.txn.checks import Check, foresight, is_hidden
from skerry_engine.txn.conflicts import RestartStatement, write_conflict
from skerry_engine.txn.modes import ROW_KEY_SHARE
from skerry_engine.txn.target import WriteTarget

if TYPE_CHECKING:
    from skerry_engine.txn.transaction import Transaction

SOURCE: Final = 1
TARGET: Final = 2
"""Where an edge's row has the row ids of its ends."""


class EndTypes:
    """What a closed graph says of edges and the nodes at their ends, by the ids of their shapes.

    `check` raises GraphTypeViolation for (edge, source, target); `kind` is what of a node's shape it looks at.
    """

    __slots__ = ("check", "kind")

    def __init__(
        self, check: Callable[[object, object, object], None], kind: Callable[[object], object]
    ) -> None:
        self.check: Callable[[object, object, object], None] = check
        self.kind: Callable[[object], object] = kind


class Endpoints:
    """The tie between a native graph's two tables.  Call `link()` once to enter it with both.

    The indexes are the edge table's, over the row id of the source and of the target.  `types` is None where any
    edge may be between any nodes.
    """

    __slots__ = ("edges", "nodes", "source_index", "target_index", "graph_name", "types")

    def __init__(
        self,
        graph_name: str,
        nodes: WriteTarget,
        edges: WriteTarget,
        source_index: Index,
        target_index: Index,
        types: EndTypes | None = None,
    ) -> None:
        self.graph_name: str = graph_name
        self.nodes: WriteTarget = nodes
        self.edges: WriteTarget = edges
        self.source_index: Index = source_index
        self.target_index: Index = target_index
        self.types: EndTypes | None = types

    def link(self) -> None:
        """Enter it with the two tables."""
        self.edges.ends = self
        self.nodes.incident = self

    def edges_of(self, reader: TableReader, node_id: int) -> dict[int, Row]:
        """The edges that begin or end at a node: row id -> row, a loop once."""
        ids, rows = reader.lookup_ids(self.source_index, node_id)
        found = dict(zip(ids, rows, strict=True))
        ids, rows = reader.lookup_ids(self.target_index, node_id)
        for row_id, row in zip(ids, rows, strict=True):
            found[row_id] = row
        return found

    def still_there(self, count: int) -> EdgesStillExist:
        """The error for a node that goes while `count` edges begin or end at it."""
        edges = "1 edge" if count == 1 else f"{count} edges"
        return EdgesStillExist(
            f"cannot delete a node that still has {edges}",
            hint="Delete its edges first, or use DETACH DELETE.",
            schema=self.nodes.schema_name,
            table=self.graph_name,
        )

    def gone(self) -> EndpointDeleted:
        """The error for an edge to a node that was deleted."""
        return EndpointDeleted(
            "cannot insert an edge at a node that has been deleted",
            schema=self.nodes.schema_name,
            table=self.graph_name,
        )


# --- the edge's side ------------------------------------------------------------------------------------------


def check_new_edge(transaction: Transaction, endpoints: Endpoints, row: Row) -> None:
    """Check both ends of an edge about to be written.  Raises LockWait, RestartStatement, T001, EndpointDeleted."""
    source = cast(int, row[SOURCE])
    target = cast(int, row[TARGET])
    require_node(transaction, endpoints, source, not transaction.is_snapshot)
    if target != source:
        require_node(transaction, endpoints, target, not transaction.is_snapshot)


def check_new_edges(transaction: Transaction, endpoints: Endpoints, rows: list[Row]) -> None:
    """As `check_new_edge` for many rows, each node once."""
    known: set[int] = set()
    for row in rows:
        for position in (SOURCE, TARGET):
            node_id = cast(int, row[position])
            if node_id not in known:
                require_node(transaction, endpoints, node_id, not transaction.is_snapshot)
                known.add(node_id)


def note_types(transaction: Transaction, endpoints: Endpoints, edge_id: int, row: Row) -> None:
    """See that a written edge fits the nodes at its ends by the end of the statement."""
    if endpoints.types is None:
        return
    try:
        check_types(transaction, endpoints, row, True)
    except GraphTypeViolation:
        transaction.add_check(TypesCheck(endpoints, edge_id))


class TypesCheck(Check):
    """An edge did not fit its ends when it was written: is that still so?"""

    __slots__ = ("endpoints", "edge_id")

    def __init__(self, endpoints: Endpoints, edge_id: int) -> None:
        super().__init__("")
        self.endpoints: Endpoints = endpoints
        self.edge_id: int = edge_id

    def run(self, transaction: Transaction) -> None:
        """Raise GraphTypeViolation, or T001 when SNAPSHOT sees other labels than there are."""
        edge = transaction.newest_reader(self.endpoints.edges.storage).get(self.edge_id)
        if edge is not None:
            check_types(transaction, self.endpoints, edge)


def check_types(transaction: Transaction, endpoints: Endpoints, row: Row, may_restart: bool = False) -> None:
    """Raise GraphTypeViolation if an edge may not be between the nodes that are at its ends now.

    Where the statement has seen other labels there it is T001, or (`may_restart`) RestartStatement for READ COMMITTED.
    """
    types = endpoints.types
    if types is None:
        return
    storage = endpoints.nodes.storage
    reader = transaction.newest_reader(storage)
    found: list[object] = []
    for position in (SOURCE, TARGET):
        node_id = cast(int, row[position])
        node = reader.get(node_id)
        if node is None:
            return  # that it is gone is for others to say
        if transaction.is_snapshot or may_restart:
            seen = transaction.reader(storage, True).get(node_id)
            if seen is not None and types.kind(seen[0]) != types.kind(node[0]):
                if transaction.is_snapshot:
                    raise write_conflict()
                raise RestartStatement(storage.storage_id, node_id)
        found.append(node[0])
    types.check(row[0], found[0], found[1])


def require_node(transaction: Transaction, endpoints: Endpoints, node_id: int, take_lock: bool) -> None:
    """Make sure that a node is there in the newest state, and stays (`take_lock`: KEY SHARE).

    Raises LockWait, RestartStatement where READ COMMITTED has seen it, T001 where a snapshot has, EndpointDeleted
    where nobody but the transaction itself is to blame.
    """
    storage = endpoints.nodes.storage
    overlay = transaction.overlay
    pending = None if overlay is None else overlay.tables.get(storage.storage_id)
    if pending is not None:
        own = pending.find(node_id, NEWEST)
        if own is None:
            raise endpoints.gone()
        if own is not ABSENT and storage.heap.slot(node_id) is None:
            return  # inserted by this transaction: nobody else can reach it
    if take_lock:
        transaction.hold_row(storage, node_id, ROW_KEY_SHARE)
    slot = storage.heap.slot(node_id)
    if newest_row(slot) is None:
        if visible_row(slot, transaction.snapshot) is None:
            raise endpoints.gone()
        if transaction.is_snapshot:
            raise write_conflict(is_deletion=True)
        raise RestartStatement(storage.storage_id, node_id)


# --- the node's side ------------------------------------------------------------------------------------------


def changes_kind(endpoints: Endpoints | None, old: Row, new: Row) -> bool:
    """Whether a changed node is another one to the graph's type, so that its edges have to be checked."""
    if endpoints is None or endpoints.types is None or old[0] == new[0]:
        return False
    return endpoints.types.kind(old[0]) != endpoints.types.kind(new[0])


class KindCheck(Check):
    """A node's labels have changed: its edges must still fit."""

    __slots__ = ("endpoints", "node_id")

    def __init__(self, endpoints: Endpoints, node_id: int) -> None:
        super().__init__("")
        self.endpoints: Endpoints = endpoints
        self.node_id: int = node_id

    def run(self, transaction: Transaction) -> None:
        """Raise GraphTypeViolation, or T001 when SNAPSHOT can't see the edge that does not fit."""
        endpoints = self.endpoints
        storage = endpoints.edges.storage
        edges = endpoints.edges_of(transaction.newest_reader(storage), self.node_id)
        for edge_id, edge in edges.items():
            try:
                check_types(transaction, endpoints, edge)
            except GraphTypeViolation:
                if transaction.is_snapshot and is_hidden(transaction, storage, edge_id):
                    raise write_conflict() from None
                raise


class EdgesCheck(Check):
    """A node was deleted: none of its edges may be left."""

    __slots__ = ("endpoints", "node_id")

    def __init__(self, endpoints: Endpoints, node_id: int) -> None:
        super().__init__("")
        self.endpoints: Endpoints = endpoints
        self.node_id: int = node_id

    def run(self, transaction: Transaction) -> None:
        """Raise EdgesStillExist, T001 when SNAPSHOT can't see the edges, T005 when SERIALIZABLE should not."""
        refuse_edges(transaction, self.endpoints, self.node_id)


def refuse_edges(transaction: Transaction, endpoints: Endpoints, node_id: int) -> None:
    """Raise if an edge still begins or ends at a node that is deleted."""
    storage = endpoints.edges.storage
    left = endpoints.edges_of(transaction.newest_reader(storage), node_id)
    if not left:
        if transaction.serial is not None and endpoints.edges_of(transaction.seen_reader(storage), node_id):
            raise foresight()  # others have deleted, after the snapshot, the edges that it still shows
        return
    if transaction.is_snapshot:
        if any(is_hidden(transaction, storage, edge_id) for edge_id in left):
            raise write_conflict()
    else:
        # Somebody may be deleting them: wait for that, then look again (the locks in hand, they are certain).
        for edge_id in left:
            if storage.heap.slot(edge_id) is not None:
                transaction.hold_row(storage, edge_id, ROW_KEY_SHARE)
    if transaction.serial is not None:
        endpoints.edges_of(transaction.reader(storage), node_id)
    raise endpoints.still_there(len(left))
