"""Flow branches: work that runs side by side within one transaction, each piece over a version of its own.

    db = skerry.open("shop.db", retention=3600)
    parent = db.begin_transaction()
    branch = FlowTransaction(parent, version=event.epoch)        reads what was committed up to that epoch
    stock = branch.get("stock", event.key["sku"])
    branch.set("stock", {**stock, "left": stock["left"] - 1})    seen by nobody else
    branch.commit()                                              merged: now the parent has it
    parent.commit()                                              now everybody has it

                       get, range, ...          set, remove, ...            commit()
    database at `version` ───────────> branch <───────────────  ──────────────────────────> parent ──> database

A branch sees the version that it was made for and its own writes, never its parent's nor a sibling's.  Merging is all
or nothing: a key that the parent or a sibling has written, too, is BranchOverlap; one that somebody else has committed
above the branch's version is WriteConflict (T001); and nothing of the branch is in the parent then.

Rows are dicts by column name; a table's key is its primary key (one value, a tuple of several) or, without one, the row
id.  State is kept for a flow's nodes by (node, key), as durable as rows.  Changes of views are told to interceptors
when they are merged: what raises before the write prevents the whole merge.

A branch may be moved to another thread, and used by one at a time.  It ends with its parent.  All of it is for
databases in this process; over the network it is NotSupportedError.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any, cast

from skerry.flow.layouts import Layout, StateRow
from skerry.flow.parents import Marked, Parent, backend_of, guard_of
from skerry.flow.state_values import key_beyond, key_bytes, key_of_bytes, python_value, stored_value
from skerry_engine.errors import InvalidTransactionState

if TYPE_CHECKING:
    from skerry.embedded_branches import EmbeddedBranch

Key = Any
Row = dict[str, Any]
Given = Mapping[str, object] | Sequence[object]

BATCH_ROWS = 512


@dataclass(frozen=True, slots=True)
class FlowTransactionMetrics:
    """What a branch has done so far.

    `reads` are rows read or looked for, `writes` and `removes` what was asked for, of tables, views and state
    together; `state_operations` and `view_operations` are those of state and of views.  `pending` entries are not
    merged yet, `merged` ones are, in so many `merges`.
    """

    reads: int
    writes: int
    removes: int
    state_operations: int
    view_operations: int
    pending: int
    merges: int
    merged: int


@dataclass(frozen=True, slots=True)
class ViewChange:
    """A change of a view: `kind` is 'insert', 'update' or 'delete'.  Where there is no row, `row` and `key`, or
    `old_row` and `old_key`, are None."""

    view: str
    kind: str
    old_key: Key
    old_row: Row | None
    key: Key
    row: Row | None


class ViewInterceptor:
    """Is told of views' changes when they are merged: override what is of interest.

    `parent` is the transaction that they are merged into, to be read and written.  What a `pre_` method raises
    prevents the merge, what a `post_` method raises undoes it; either way what the methods did with the parent is
    undone, too.
    """

    def pre_insert(self, parent: Parent, change: ViewChange) -> None:
        """A row is about to be inserted."""

    def post_insert(self, parent: Parent, change: ViewChange) -> None:
        """A row has been inserted."""

    def pre_update(self, parent: Parent, change: ViewChange) -> None:
        """A row is about to be replaced."""

    def post_update(self, parent: Parent, change: ViewChange) -> None:
        """A row has been replaced."""

    def pre_delete(self, parent: Parent, change: ViewChange) -> None:
        """A row is about to go."""

    def post_delete(self, parent: Parent, change: ViewChange) -> None:
        """A row has gone."""


_interceptors: weakref.WeakKeyDictionary[object, list[ViewInterceptor]] = weakref.WeakKeyDictionary()
_mutex = threading.Lock()


def intercept_views(parent: Parent, interceptor: ViewInterceptor) -> None:
    """Tell an interceptor of the changes of views that are merged into this transaction from now on."""
    with _mutex:
        _interceptors.setdefault(parent, []).append(interceptor)


class FlowTransaction:
    """A branch of the transaction `parent` that reads at the epoch `version` (None: the parent's own).

    `name` is for errors; a number, otherwise.  As a context manager it is closed at the end, merged or not.

    Raises HistoryNotRetained for a version that is gone, InvalidParameterValue for one to come,
    InvalidTransactionState (T004) for a parent that has ended, or is SERIALIZABLE and reads another version;
    NotSupportedError over the network.
    """

    def __init__(self, parent: Parent, version: int | None = None, *, name: str | None = None) -> None:
        backend = backend_of(parent)
        from skerry.embedded_branches import EmbeddedBranch

        self.parent = parent
        self._inner: EmbeddedBranch = EmbeddedBranch(backend, version, name or "")

    def __repr__(self) -> str:
        state = "" if self._inner.is_open else ", closed"
        return f"<FlowTransaction {self.name} at {self.version}{state}>"

    @property
    def name(self) -> str:
        """What errors call it."""
        return self._inner.name

    @property
    def version(self) -> int:
        """The epoch that it reads at."""
        return self._inner.version

    def update_version(self, version: int) -> None:
        """Read at another epoch from now on; what was written stays.  Raises as the class."""
        self._inner.update_version(version)

    @property
    def is_open(self) -> bool:
        """Whether it can still be used: neither it nor its parent has ended."""
        return self._inner.is_open

    @property
    def metrics(self) -> FlowTransactionMetrics:
        """What it has done so far."""
        found = self._inner.metrics()
        return FlowTransactionMetrics(
            found.reads,
            found.writes,
            found.removes,
            found.state_operations,
            found.view_operations,
            found.pending,
            found.merges,
            found.merged,
        )

    # --- rows -----------------------------------------------------------------------------------------------

    def get(self, table: str, key: Key) -> Row | None:
        """The row with a key, or None.  A table may be named with its schema: "app.orders"."""
        return self._inner.get(table, key)

    def contains_key(self, table: str, key: Key) -> bool:
        """Whether there is a row with a key."""
        return self._inner.get(table, key) is not None

    def set(self, table: str, row: Given, key: Key = None) -> Key:
        """Write a row under the key that it has; the key.

        `row`: values by column name, or of all columns in order.  What is not given stays as it is in a row that is
        there, and has its default in a new one.  `key`: of a table without a primary key, the id of the row to be
        replaced; None for a new one.  Raises what INSERT and UPDATE raise for one row; what depends on other rows is
        looked at when it is merged.
        """
        return self._inner.set(table, row, key)

    def remove(self, table: str, key: Key) -> bool:
        """Remove the row with a key; whether there was one."""
        return self._inner.remove(table, key)

    def range(
        self, table: str, low: Key = None, high: Key = None, *, descending: bool = False
    ) -> Iterator[tuple[Key, Row]]:
        """Keys and rows from `low` to below `high` (None: no limit), in the order of keys.

        Of a key of several columns the first few may be given.  What is written meanwhile may be seen.
        """
        for batch in self._inner.batches(table, low, high, BATCH_ROWS, descending):
            yield from cast("list[tuple[Key, Row]]", batch)

    def range_batched(
        self, table: str, low: Key = None, high: Key = None, *, batch_size: int = BATCH_ROWS
    ) -> Iterator[list[tuple[Key, Row]]]:
        """As `range`, in lists of `batch_size`, the last one of fewer."""
        if batch_size < 1:
            raise ValueError("a batch has 1 row or more")
        rows: list[tuple[Key, Row]] = []
        for pair in self.range(table, low, high):
            rows.append(pair)
            if len(rows) == batch_size:
                yield rows
                rows = []
        if rows:
            yield rows

    def prefix(self, table: str, prefix: Key) -> Iterator[tuple[Key, Row]]:
        """Keys that begin with `prefix`, with their rows, in order: a tuple stands for whole columns, a str or bytes
        for the beginning of the first one."""
        for batch in self._inner.prefixed(table, prefix, BATCH_ROWS):
            yield from cast("list[tuple[Key, Row]]", batch)

    # --- state of nodes -------------------------------------------------------------------------------------

    def state_get(self, node: str, key: Key, default: object = None) -> Any:
        """What a node keeps under a key, or `default`."""
        is_there, value = self._inner.state_get(node, key_bytes(key))
        return python_value(value) if is_there else default

    def state_set(self, node: str, key: Key, value: object) -> None:
        """Keep a value for a node.  Which keys and values there are: see `skerry.flow.state_values`."""
        self._inner.state_set(node, key_bytes(key), stored_value(value))

    def state_remove(self, node: str, key: Key) -> bool:
        """Forget what a node keeps under a key; whether there was something."""
        return self._inner.state_remove(node, key_bytes(key))

    def state_scan(self, node: str) -> Iterator[tuple[Key, Any]]:
        """All keys of a node and their values, in order."""
        return self._state(node, None, None)

    def state_range(self, node: str, low: Key = None, high: Key = None) -> Iterator[tuple[Key, Any]]:
        """A node's keys from `low` to below `high` (None: no limit) and their values, in order."""
        return self._state(
            node, None if low is None else key_bytes(low), None if high is None else key_bytes(high)
        )

    def state_prefix(self, node: str, prefix: tuple[Key, ...]) -> Iterator[tuple[Key, Any]]:
        """A node's keys that are tuples beginning with the items of `prefix`, and their values."""
        begin = key_bytes(tuple(prefix))[:-1]
        return self._state(node, begin, key_beyond(begin))

    def _state(self, node: str, low: bytes | None, high: bytes | None) -> Iterator[tuple[Key, Any]]:
        for batch in self._inner.state_batches(node, low, high, BATCH_ROWS):
            for key, value in batch:
                yield key_of_bytes(key), python_value(value)

    def state_clear(self, node: str) -> int:
        """Forget all that a node keeps; how many keys it had."""
        return self._inner.state_clear(node)

    def load_or_create_row(self, node: str, key: Key, layout: Layout) -> StateRow:
        """The row that a node keeps under a key, or a new one with the layout's defaults, which is not kept until it is
        saved."""
        saved = self.state_get(node, key)
        return layout.row(saved) if isinstance(saved, Mapping) else layout.new_row()

    def save_row(self, node: str, key: Key, row: Mapping[str, Any]) -> None:
        """Keep a row for a node.  Raises DataError if it has not the fields of its layout."""
        if isinstance(row, StateRow):
            row.layout.check(row)
        self.state_set(node, key, dict(row))

    # --- views ----------------------------------------------------------------------------------------------

    def insert_view(self, view: str, row: Given) -> Key:
        """Insert a row into a view (a materialized one, or a table that serves as one); its key."""
        return self._inner.insert_view(view, row)

    def update_view(self, view: str, old_key: Key, row: Given) -> Key:
        """Remove a view's row with the old key, and set the new one, which has from it what is not given; its key.

        Raises InvalidParameterValue where there is no such row."""
        return self._inner.update_view(view, old_key, row)

    def remove_view(self, view: str, key: Key) -> bool:
        """Remove a row of a view; whether there was one."""
        return self._inner.remove_view(view, key)

    # --- merging --------------------------------------------------------------------------------------------

    def commit(self, parent: Parent | None = None) -> FlowTransactionMetrics:
        """Merge what was not merged yet into the parent; nobody else sees it until that commits.

        The branch can be used again, and still sees what it has written.  Raises BranchOverlap, WriteConflict (T001),
        what constraints say, what interceptors raise, InvalidTransactionState (T004) for another parent than its own:
        then nothing of it is in the parent.
        """
        if parent is not None and parent is not self.parent:
            raise InvalidTransactionState(
                f'branch "{self.name}" belongs to another transaction',
                hint="A branch is merged into the transaction that it was made of.",
            )
        with _mutex:
            interceptors = list(_interceptors.get(self.parent, ()))
        changes = [_change(each) for each in self._inner.view_events()] if interceptors else []
        if changes:
            self._merge_told(interceptors, changes)
        else:
            self._merge()
        return self.metrics

    merge = commit

    def _merge(self) -> None:
        with guard_of(self.parent):
            self._inner.merge()

    def _merge_told(self, interceptors: list[ViewInterceptor], changes: list[ViewChange]) -> None:
        """Merge between what is told before and after, which is undone with it."""
        with Marked(self.parent, f"skerry_branch_{self.name}"):
            for change in changes:
                for interceptor in interceptors:
                    getattr(interceptor, f"pre_{change.kind}")(self.parent, change)
            self._merge()
            for change in changes:
                for interceptor in interceptors:
                    getattr(interceptor, f"post_{change.kind}")(self.parent, change)

    def close(self) -> None:
        """Forget what was not merged, and let go of the version.  Closing twice is harmless."""
        self._inner.close()

    def __enter__(self) -> FlowTransaction:
        return self

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def _change(event: Any) -> ViewChange:
    return ViewChange(event.view, event.kind, event.old_key, event.old_row, event.key, event.row)
