"""A flow branch of a transaction in this process: Python values and threads on the outside, the engine's on the inside.

Every operation takes the engine's mutex for one unit, reads that are long in batches; values are converted outside of
it.  Any thread may use a branch, one at a time.  A branch that is forgotten rather than closed is closed as sessions
are (shared_engine.py).

One of the driver's modules that import the engine; it is imported only where a branch is made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from skerry.embedded import EmbeddedBackend
from skerry.embedded_values import Converter, converter, engine_parameter
from skerry_engine import errors
from skerry_engine.flow.metrics import BranchMetrics
from skerry_engine.session.branch_tables import BranchedTable
from skerry_engine.session.branches import SessionBranch
from skerry_engine.session.session import Session

T = TypeVar("T")
Key = Any
RowDict = dict[str, object]


@dataclass(frozen=True, slots=True)
class ViewEvent:
    """A change of a view, with Python values: see `skerry.flow.ViewChange`."""

    view: str
    kind: str
    old_key: Key
    old_row: RowDict | None
    key: Key
    row: RowDict | None


class _Table:
    """A table with the converters of its columns."""

    def __init__(self, table: BranchedTable, session: Session) -> None:
        self.table = table
        self.name = table.table.name
        self.columns: list[tuple[str, int, Converter | None]] = [
            (each.name, each.position, converter(each.type.oid, each.type.typmod, session.io))
            for each in table.columns
        ]
        keys = {each.position for each in table.key_columns}
        self.key_converters = [
            next(make for _, position, make in self.columns if position == each.position)
            for each in table.key_columns
        ]
        assert len(self.key_converters) == len(keys)

    def row(self, row: Sequence[Any] | None) -> RowDict | None:
        """A row by column name."""
        if row is None:
            return None
        found: RowDict = {}
        for name, position, convert in self.columns:
            value = row[position]
            found[name] = value if convert is None or value is None else convert(value)
        return found

    def key(self, key: Any) -> Key:
        """A key: the value of a key of one column, a tuple of several, a row id."""
        if not isinstance(key, tuple) or not self.key_converters:
            return key
        values = tuple(
            value if convert is None else convert(value)
            for convert, value in zip(self.key_converters, key, strict=True)
        )
        return values[0] if len(values) == 1 else values


class EmbeddedBranch:
    """See the module."""

    def __init__(self, backend: EmbeddedBackend, version: int | None, name: str) -> None:
        self._backend = backend
        self._branch: SessionBranch | None = None
        self._branch = backend.in_unit(lambda session: SessionBranch(session, version, name))
        self._tables: dict[str, _Table] = {}

    def __del__(self) -> None:
        branch = getattr(self, "_branch", None)
        if branch is not None and branch.branch.is_open:
            self._backend.abandon(branch)

    @property
    def inner(self) -> SessionBranch:
        """The engine's own."""
        branch = self._branch
        if branch is None:
            raise errors.InvalidTransactionState("the branch is closed")
        return branch

    @property
    def name(self) -> str:
        """What errors call it."""
        return self.inner.branch.name

    @property
    def version(self) -> int:
        """The epoch that it reads at."""
        return self.inner.branch.version

    @property
    def is_open(self) -> bool:
        """Whether it can still be used."""
        return self._branch is not None and self._branch.branch.is_open

    def _unit(self, call: Callable[[], T]) -> T:
        return self._backend.in_unit(lambda _: call())

    def _table(self, name: str) -> _Table:
        found = self._tables.get(name)
        if found is None:
            branch = self.inner
            schema, _, plain = name.rpartition(".")
            found = self._tables[name] = self._backend.in_unit(
                lambda session: _Table(branch.table(plain, schema or None), session)
            )
        return found

    # --- tables ---------------------------------------------------------------------------------------------

    def get(self, name: str, key: Key) -> RowDict | None:
        """The row with a key, or None."""
        branch, table, atoms = self.inner, self._table(name), _inside(key)
        return table.row(self._unit(lambda: branch.get(table.table, atoms)))

    def set(self, name: str, row: Mapping[str, object] | Sequence[object], key: Key) -> Key:
        """Write a row; its key."""
        branch, table, given = self.inner, self._table(name), _given(row)
        return table.key(self._unit(lambda: branch.set(table.table, given, key)))

    def remove(self, name: str, key: Key) -> bool:
        """Remove a row; whether there was one."""
        branch, table, atoms = self.inner, self._table(name), _inside(key)
        return self._unit(lambda: branch.remove(table.table, atoms))

    def batches(
        self, name: str, low: Key, high: Key, size: int, descending: bool
    ) -> Iterator[list[tuple[Key, RowDict]]]:
        """Rows of a range of keys, in lists."""
        branch, table = self.inner, self._table(name)
        first, beyond = _inside(low), _inside(high)
        return self._batches(
            table, lambda after: branch.batch(table.table, first, beyond, after, size, descending)
        )

    def prefixed(self, name: str, prefix: Key, size: int) -> Iterator[list[tuple[Key, RowDict]]]:
        """Rows whose keys have a beginning, in lists."""
        branch, table, begin = self.inner, self._table(name), _inside(prefix)
        return self._batches(table, lambda after: branch.prefix_batch(table.table, begin, after, size))

    def _batches(
        self, table: _Table, read: Callable[[object], tuple[list[tuple[object, Any]], object]]
    ) -> Iterator[list[tuple[Key, RowDict]]]:
        after: object = None
        while True:
            place = after
            found, after = self._unit(lambda place=place: read(place))  # type: ignore[misc]
            if found:
                yield [(table.key(key), table.row(row) or {}) for key, row in found]
            if after is None:
                return

    # --- views ----------------------------------------------------------------------------------------------

    def insert_view(self, name: str, row: Mapping[str, object] | Sequence[object]) -> Key:
        """Insert into a view; the row's key."""
        branch, table, given = self.inner, self._table(name), _given(row)
        return table.key(self._unit(lambda: branch.insert_view(table.table, given)))

    def update_view(self, name: str, old_key: Key, row: Mapping[str, object] | Sequence[object]) -> Key:
        """Replace a row of a view; the new one's key."""
        branch, table, given, atoms = self.inner, self._table(name), _given(row), _inside(old_key)
        return table.key(self._unit(lambda: branch.update_view(table.table, atoms, given)))

    def remove_view(self, name: str, key: Key) -> bool:
        """Remove a row of a view; whether there was one."""
        branch, table, atoms = self.inner, self._table(name), _inside(key)
        return self._unit(lambda: branch.remove_view(table.table, atoms))

    def view_events(self) -> list[ViewEvent]:
        """The changes of views that are not merged yet, in order."""
        found: list[ViewEvent] = []
        for each in list(self.inner.view_operations):
            table = self._table_of(each.table)
            found.append(
                ViewEvent(
                    table.name,
                    each.kind,
                    table.key(each.old_key),
                    table.row(each.old_row),
                    table.key(each.key),
                    table.row(each.row),
                )
            )
        return found

    def _table_of(self, table: BranchedTable) -> _Table:
        for each in self._tables.values():
            if each.table is table:
                return each
        raise AssertionError("a view that was changed has been opened")

    # --- state ----------------------------------------------------------------------------------------------

    def state_get(self, node: str, key: bytes) -> tuple[bool, object]:
        """Whether a node has a key, and the value."""

        def call() -> tuple[bool, object]:
            found = self.inner.state().find(node, key)
            return (False, None) if found is None else (True, found[0])

        return self._unit(call)

    def state_set(self, node: str, key: bytes, value: object) -> None:
        """Keep a value."""
        self._unit(lambda: self.inner.state().set(node, key, value))

    def state_remove(self, node: str, key: bytes) -> bool:
        """Forget a key; whether it was there."""
        return self._unit(lambda: self.inner.state().remove(node, key))

    def state_batches(
        self, node: str, low: bytes | None, high: bytes | None, size: int
    ) -> Iterator[list[tuple[bytes, object]]]:
        """A node's keys and values from `low` to below `high`, in order, in lists."""
        after: bytes | None = None
        while True:
            place = after
            found, after = self._unit(
                lambda place=place: self.inner.state().batch(node, low, high, place, size)  # type: ignore[misc]
            )
            if found:
                yield found
            if after is None:
                return

    def state_clear(self, node: str) -> int:
        """Forget all of a node; how many keys it had."""
        count = 0
        for batch in self.state_batches(node, None, None, 512):
            for key, _ in batch:
                count += self.state_remove(node, key)
        return count

    # --- the whole ------------------------------------------------------------------------------------------

    def update_version(self, version: int) -> None:
        """Read at another epoch."""
        self._unit(lambda: self.inner.update_version(version))

    def merge(self) -> None:
        """Merge into the parent, waiting where that has to."""
        branch = self.inner
        self._backend.run_steps(lambda _: branch.merge_steps())

    def metrics(self) -> BranchMetrics:
        """What it has done so far."""
        branch = self.inner
        return self._unit(branch.metrics)

    def close(self) -> None:
        """Forget what was not merged, and let go of the epoch."""
        branch = self._branch
        if branch is not None and branch.branch.is_open:
            self._backend.in_unit(lambda _: branch.close())


def _given(row: Mapping[str, object] | Sequence[object]) -> Mapping[str, object] | Sequence[object]:
    """A row with values as the engine takes them."""
    if isinstance(row, Mapping):
        return {name: engine_parameter(value) for name, value in row.items()}
    return [engine_parameter(value) for value in row]


def _inside(key: Key) -> Key:
    """A key, likewise."""
    if isinstance(key, tuple | list):
        return tuple(engine_parameter(value) for value in key)
    if isinstance(key, Mapping):
        return {name: engine_parameter(value) for name, value in key.items()}
    return key
