"""The engine with one of its checks switched off: each of these must be noticed.

A mutant replaces one function of the engine while it lasts.  That is possible only where the module is
interpreted; in the compiled build `why_not` says so.

`within` is the number of histories, of the mutant's shape and levels and with seeds from 0, that are enough to
notice it.  It is several times what was needed when it was written, since any change to the workload changes
which seed is the first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any
from unittest.mock import patch

from histories.script import READ_COMMITTED, SERIALIZABLE, SNAPSHOT
from skerry_engine.plan import graph_writing
from skerry_engine.plan.context import ExecutionContext
from skerry_engine.storage import table as table_module
from skerry_engine.txn import (
    endpoints,
    foreign_keys,
    locking,
    locks,
    manager,
    overlay,
    serializable,
    validation,
    writer,
)
from skerry_engine.txn import transaction as transaction_module
from skerry_engine.txn.modes import ROW_KEY_SHARE

Replacement = Callable[..., Any]
"""Makes the function that takes the place of the given one."""


@dataclass(frozen=True)
class Mutant:
    """`place` is a class or a module, `name` the function in it that is replaced."""

    place: Any
    name: str
    replace: Replacement
    levels: tuple[str, ...]
    shape: str = ""
    within: int = 400

    @contextmanager
    def installed(self) -> Iterator[None]:
        """The engine with this check off."""
        original = getattr(self.place, self.name)
        with patch.object(self.place, self.name, self.replace(original)):
            yield

    def why_not(self) -> str:
        """Why the function can't be replaced; '' if it can."""
        import sys

        module = self.place if isinstance(self.place, ModuleType) else sys.modules[self.place.__module__]
        if (module.__file__ or "").endswith(".py"):
            return ""
        return f"{module.__name__} is compiled: its functions can't be replaced"


def _detaching_nothing(original: Callable[..., Any]) -> Callable[..., Any]:
    def nothing(*args: object) -> Iterator[object]:
        yield from ()
        return 0

    return nothing


def _returning(value: object) -> Replacement:
    return lambda original: lambda *arguments, **keywords: value


_nothing = _returning(None)


# --- locks --------------------------------------------------------------------------------------------------


def _always_acquired(original: Any) -> Any:
    def try_acquire(self: Any, space: Any, kind: int, resource: object, mode: int, holder: Any) -> bool:
        if not original(self, space, kind, resource, mode, holder):
            lock = space[resource]
            locks.take(lock, holder, lock.mask_of(holder), mode)
        return True

    return try_acquire


def _without_key_share(original: Any) -> Any:
    def hold_row(self: Any, storage: Any, row_id: int, mode: int) -> None:
        if mode != ROW_KEY_SHARE:
            original(self, storage, row_id, mode)

    return hold_row


def _granting_without_waking(original: Any) -> Any:
    def grant(self: Any) -> None:
        self.holder.owner.request = None

    return grant


def _without_undoing_writes(original: Any) -> Any:
    """ROLLBACK TO and failed statements keep what was written."""

    def unwind(self: Any, length: int) -> None:
        pass

    return unwind


# --- snapshots ----------------------------------------------------------------------------------------------


def _snapshot_per_statement(original: Any) -> Any:
    def start_statement(self: Any) -> Any:
        mark = original(self)
        self.snapshot = self.manager.published
        return mark

    return start_statement


def _stale_snapshot(original: Any) -> Any:
    def take_snapshot(self: Any) -> None:
        original(self)
        if self.snapshot > self.manager._catalog_epoch:
            self.snapshot -= 1

    return take_snapshot


def _future_snapshot(original: Any) -> Any:
    """Sees the next commit, before it is published."""

    def take_snapshot(self: Any) -> None:
        original(self)
        self.snapshot += 1

    return take_snapshot


def _seeing_own_statement(original: Any) -> Any:
    def reader(self: Any, storage: Any, include_current_statement: bool = False) -> Any:
        return original(self, storage, True)

    return reader


def _not_seeing_own_writes(original: Any) -> Any:
    def reader(self: Any, storage: Any, include_current_statement: bool = False) -> Any:
        made = original(self, storage, include_current_statement)
        made.pending = None
        return made

    return reader


def _horizon_at_published(original: Any) -> Any:
    return lambda self: self.published


def _forgetting_held_snapshots(original: Any) -> Any:
    def oldest_snapshot(self: Any) -> int:
        return int(self.manager.published if self.snapshot < 0 else self.snapshot)

    return oldest_snapshot


def _without_index_entries(original: Any) -> Any:
    """An update does not enter the row's new keys."""

    def install(self: Any, row_id: int, row: Any, stamp: Any) -> Any:
        indexes = self.indexes
        if row is not None and self.heap.slot(row_id) is not None:
            self.indexes = {}
        try:
            return original(self, row_id, row, stamp)
        finally:
            self.indexes = indexes

    return install


# --- SERIALIZABLE -------------------------------------------------------------------------------------------


def _blind_to_pivots_at_read(original: Any) -> Any:
    def edge_to_committed(self: Any, epoch: int) -> None:
        if self.registry.records.earliest_out(epoch) >= 0:
            self.earliest_out = min(self.earliest_out, epoch)

    return edge_to_committed


def _forgetting_committed_readers(original: Any) -> Any:
    def commit(self: Any, state: Any, epoch: int, wrote: bool) -> None:
        original(self, state, epoch, wrote)
        if state in self.retained:
            self.retained.remove(state)
            self._drop_reads(state)

    return commit


def _not_telling_readers(original: Any) -> Any:
    def check(self: Any, epoch: int) -> None:
        self.refuse(epoch)

    return check


def _covering_old_states_only(original: Any) -> Any:
    return lambda self, row_id, before, after: original(self, row_id, before, before)


def _covering_new_states_only(original: Any) -> Any:
    return lambda self, row_id, before, after: original(self, row_id, after, after)


def _always_safe(original: Any) -> Any:
    def watch_writers(self: Any, state: Any) -> None:
        self._stop_tracking(state)

    return watch_writers


def _promoting_to_nothing(original: Any) -> Any:
    def promote(self: Any) -> None:
        self.rows, self.keys, self.ranges = set(), {}, {}

    return promote


def _folding_away(original: Any) -> Any:
    def fold_oldest(self: Any) -> None:
        for state in self.retained:
            self._drop_reads(state)
        self.retained = []

    return fold_oldest


def _forgetting_records(original: Any) -> Any:
    def fold(self: Any, count: int) -> None:
        del self.epochs[:count]
        del self.outs[:count]

    return fold


_SER = (SERIALIZABLE,)
_SI = (SNAPSHOT,)
_RC = (READ_COMMITTED,)
_BOTH = (READ_COMMITTED, SNAPSHOT)

MUTANTS: dict[str, Mutant] = {
    # locks and restarts
    "lock wait": Mutant(locks.LockTable, "try_acquire", _always_acquired, _RC),
    "waking": Mutant(locks.LockRequest, "grant", _granting_without_waking, _RC),
    "deadlock detection": Mutant(locks.LockTable, "_find_cycle", _returning([]), _RC),
    "statement restart": Mutant(writer, "newest_epoch", _returning(0), _RC),
    "restart of FOR UPDATE": Mutant(locking.LockingTransaction, "check_not_newer", _nothing, _RC),
    "row locks of FOR UPDATE": Mutant(locking.LockingTransaction, "lock_row", _returning(True), _RC),
    "key locks": Mutant(locking.LockingTransaction, "hold_key", _nothing, _RC, "keys"),
    "KEY SHARE on parents": Mutant(
        transaction_module.Transaction, "hold_row", _without_key_share, _RC, "family"
    ),
    "undoing writes": Mutant(overlay.Overlay, "unwind", _without_undoing_writes, _BOTH),
    # snapshots
    "one snapshot per transaction": Mutant(
        transaction_module.Transaction, "start_statement", _snapshot_per_statement, _SI
    ),
    "snapshot as of now": Mutant(transaction_module.Transaction, "take_snapshot", _stale_snapshot, _RC),
    "publish order": Mutant(transaction_module.Transaction, "take_snapshot", _future_snapshot, _SI),
    "own writes": Mutant(transaction_module.Transaction, "reader", _not_seeing_own_writes, _BOTH),
    "own statement unseen": Mutant(
        transaction_module.Transaction, "reader", _seeing_own_statement, _BOTH, "sets", 2500
    ),
    "garbage horizon": Mutant(manager.TransactionManager, "min_active", _horizon_at_published, _SI),
    "snapshots of cursors": Mutant(
        transaction_module.Transaction, "oldest_snapshot", _forgetting_held_snapshots, _RC, "registers", 1500
    ),
    "index entries": Mutant(table_module.TableStorage, "install", _without_index_entries, _SI),
    # SNAPSHOT's commit
    "first committer wins": Mutant(validation, "newest_epoch", _returning(0), _SI),
    "first statement wins": Mutant(writer, "newest_epoch", _returning(0), _SI),
    "first committer wins for keys": Mutant(
        validation, "_refuse_changed_keys", _nothing, _SI, "turnover", 2500
    ),
    "unique keys at commit": Mutant(validation, "_check_key", _nothing, _SI, "keys"),
    "unique keys": Mutant(writer.TableWriter, "_duplicate", _returning(-1), _BOTH, "keys"),
    "parents at commit": Mutant(validation, "_check_children", _returning(()), _SI, "family", 1000),
    "children at commit": Mutant(validation, "_check_parents", _returning(()), _SI, "family", 1000),
    "children": Mutant(foreign_keys, "refuse_children", _nothing, _RC, "family"),
    # graphs
    "ends of edges": Mutant(writer, "check_new_edge", _nothing, _RC, "graph"),
    "ends of edges at commit": Mutant(validation, "_check_ends", _returning(()), _SI, "graph"),
    "edges of the deleted": Mutant(endpoints, "refuse_edges", _nothing, _RC, "graph"),
    "edges of the deleted at commit": Mutant(
        validation, "_check_incident", _returning(()), _SI, "graph", 600
    ),
    "edges of the detached": Mutant(graph_writing.Deletions, "_detach", _detaching_nothing, _RC, "graph"),
    "looking again for what MERGE finds taken": Mutant(
        graph_writing, "_may_be_newer", _returning(False), _RC, "graph"
    ),
    "stages that see each other": Mutant(ExecutionContext, "next_stage", _nothing, _RC, "graph"),
    # SERIALIZABLE: what is tracked
    "SIREADs on keys": Mutant(serializable.Reads, "add_key", _nothing, _SER, "registers"),
    "SIREADs on ranges": Mutant(serializable.Reads, "add_range", _nothing, _SER, "sets", 1000),
    "SIREADs on tables": Mutant(serializable.Reads, "promote", _nothing, _SER, "skew"),
    "SIREADs promoted": Mutant(serializable.Reads, "promote", _promoting_to_nothing, _SER, "skew"),
    "SIREADs on new states": Mutant(
        serializable.Reads, "cover", _covering_old_states_only, _SER, "skew", 1000
    ),
    "SIREADs on old states": Mutant(
        serializable.Reads, "cover", _covering_new_states_only, _SER, "skew", 1500
    ),
    "SIREADs of the committed": Mutant(
        serializable.SerializableRegistry, "commit", _forgetting_committed_readers, _SER, "skew"
    ),
    "SIREADs folded": Mutant(serializable.SerializableRegistry, "_fold_oldest", _folding_away, _SER, "skew"),
    # SERIALIZABLE: what is refused
    "conflict found at read": Mutant(serializable.SerializableState, "note_newer", _nothing, _SER, "skew"),
    "conflict found at commit": Mutant(
        serializable.SerializableState, "find_readers", _nothing, _SER, "skew"
    ),
    "pivot at commit": Mutant(serializable.SerializableState, "refuse", _nothing, _SER, "skew"),
    "pivot at read": Mutant(
        serializable.SerializableState, "_edge_to_committed", _blind_to_pivots_at_read, _SER, "reports", 1500
    ),
    "telling readers of a commit": Mutant(
        serializable.SerializableState, "check", _not_telling_readers, _SER, "skew"
    ),
    "commit records": Mutant(serializable.CommitRecords, "add", _nothing, _SER, "reports", 1000),
    "commit records folded": Mutant(
        serializable.CommitRecords, "_fold", _forgetting_records, _SER, "mixture", 4000
    ),
    "safe snapshots": Mutant(
        serializable.SerializableRegistry, "_watch_writers", _always_safe, _SER, "reports", 1500
    ),
    "conflict with the prepared": Mutant(
        serializable.SerializableState, "_edge_to_installing", _nothing, _SER, "skew", 3000
    ),
    "foresight of parents": Mutant(foreign_keys, "refuse_foresight", _nothing, _SER, "family", 4000),
    "what undone writes told": Mutant(transaction_module, "note_undone", _nothing, _SER, "undone", 1000),
    "what overwritten writes told": Mutant(writer, "note_overwritten", _nothing, _SER, "undone", 2000),
    "foresight of children": Mutant(
        foreign_keys, "_refuse_foreseen_children", _nothing, _SER, "undone", 2000
    ),
}
