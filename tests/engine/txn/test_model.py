"""Random interleavings of kernel operations against a naive model.

The model keeps whole copies: the committed rows, each transaction's snapshot as a dict, its writes as
another.  It knows nothing of locks: whenever the kernel says that an operation is done, the model says what
must have come out, evaluated at that moment.  Waiting changes when that is, never what it is.  A deadlock's
victim may fail at any wait; nothing else may differ.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kernel_script import KernelDatabase
from stepper import Stepper
from support.base_writing import BlocksInMemory
from support.paged_tables import write_at_once

from skerry_engine.storage.heap import Version, is_frozen
from skerry_engine.storage.page_cache import PageCache
from skerry_engine.storage.paging import Paging

# A model row: key, value, and the number of the commit (or 0: own write) that made this version.
ModelRow = tuple[int, int, int]
Rows = dict[int, ModelRow]

CONFLICT = "ERROR 40001 T001"
DUPLICATE = "ERROR 23505"
DEADLOCK = "ERROR 40P01"


@dataclass
class ModelTransaction:
    is_snapshot: bool
    snapshot: Rows | None = None
    start: int = 0
    writes: dict[int, ModelRow | None] = field(default_factory=dict)
    savepoints: list[tuple[str, dict[int, ModelRow | None]]] = field(default_factory=list)
    is_failed: bool = False


class Model:
    """What a correct kernel does, without a thought for speed or waiting."""

    def __init__(self) -> None:
        self.committed: Rows = {}
        self.open: dict[str, ModelTransaction] = {}
        self.commits = 0
        self.key_changes: list[tuple[int, int, int]] = []  # commit, row id, key that the row got or lost
        self.next_id = 1

    def expect(self, session: str, op: list[str]) -> str:
        """Do what `op` does and say the first line that the kernel must print."""
        transaction = self.open.get(session)
        if op[0] == "begin":
            self.open[session] = ModelTransaction("snapshot" in op)
            return "ok"
        if transaction is None:
            transaction = ModelTransaction(False)
            result = self._statement(transaction, op)
            return result if result.startswith("ERROR") else self._commit(transaction) or result
        if op[0] == "commit":
            del self.open[session]
            if transaction.is_failed:
                return "rolled back"
            return self._commit(transaction) or "ok"
        if op[0] == "rollback" and len(op) == 1:
            del self.open[session]
            return "ok"
        result = self._in_block(transaction, op)
        transaction.is_failed = result.startswith("ERROR")
        return result

    def fail(self, session: str) -> None:
        """The kernel chose the session as a deadlock's victim."""
        if session in self.open:
            self.open[session].is_failed = True

    def _in_block(self, transaction: ModelTransaction, op: list[str]) -> str:
        names = [name for name, _ in transaction.savepoints]
        if op[0] == "savepoint":
            if transaction.is_failed:
                return "ERROR 25P02"
            transaction.savepoints.append((op[1], dict(transaction.writes)))
            return "ok"
        if op[0] == "rollback":
            if op[2] not in names:
                return "ERROR 3B001 T004"
            position = len(names) - 1 - names[::-1].index(op[2])
            transaction.writes = dict(transaction.savepoints[position][1])
            del transaction.savepoints[position + 1 :]
            return "ok"
        if transaction.is_failed:
            return "ERROR 25P02"
        return self._statement(transaction, op)

    def _base(self, transaction: ModelTransaction) -> Rows:
        if not transaction.is_snapshot:
            return self.committed
        if transaction.snapshot is None:
            transaction.snapshot = dict(self.committed)
            transaction.start = self.commits
        return transaction.snapshot

    def _over(self, base: Rows, transaction: ModelTransaction) -> Rows:
        view = dict(base)
        for row_id, row in transaction.writes.items():
            if row is None:
                view.pop(row_id, None)
            else:
                view[row_id] = row
        return view

    def _statement(self, transaction: ModelTransaction, op: list[str]) -> str:
        base = self._base(transaction)
        view = self._over(base, transaction)
        if op[0] == "scan":
            return _listing(sorted(f"({row[0]}, {row[1]})" for row in view.values()))
        if op[0] == "find":
            return _found([row for _, row in sorted(view.items()) if row[1] == int(op[3])])
        if op[0] == "range":
            rows = [(row[1], i, row) for i, row in view.items() if int(op[3]) <= row[1] < int(op[4])]
            return _found([row for _, _, row in sorted(rows, reverse="desc" in op)])
        if op[0] == "insert":
            return self._insert(transaction, base, int(op[2]), int(op[3]))
        chosen = [i for i, row in sorted(view.items()) if row[0] == int(op[2])]
        return self._change(transaction, base, view, chosen, op)

    def _insert(self, transaction: ModelTransaction, base: Rows, key: int, value: int) -> str:
        problem = self._key_problem(transaction, base, key, -1)
        if problem:
            return problem
        transaction.writes[self.next_id] = (key, value, 0)
        self.next_id += 1
        return "ok"

    def _key_problem(self, transaction: ModelTransaction, base: Rows, key: int, own_id: int) -> str:
        newest = self._over(self.committed, transaction)
        others = {i: row for i, row in newest.items() if row[0] == key and i != own_id}
        if any(i in transaction.writes or base.get(i) == row for i, row in others.items()):
            return DUPLICATE
        changed = transaction.is_snapshot and any(
            commit > transaction.start and changed_key == key and i not in transaction.writes
            for commit, i, changed_key in self.key_changes
        )
        return CONFLICT if others or changed else ""

    def _change(
        self, transaction: ModelTransaction, base: Rows, view: Rows, chosen: list[int], op: list[str]
    ) -> str:
        moved: list[int] = []
        for row_id in chosen:
            if row_id not in transaction.writes and base.get(row_id) != self.committed.get(row_id):
                return CONFLICT
            if op[0] == "delete":
                transaction.writes[row_id] = None
                continue
            key, value, _ = view[row_id]
            column, number = op[3].split("=")
            changed = (int(number), value, 0) if column == "id" else (key, int(number), 0)
            if changed[0] != key:
                moved.append(row_id)
            transaction.writes[row_id] = changed
        for row_id in moved:
            row = transaction.writes[row_id]
            assert row is not None
            problem = self._key_problem(transaction, base, row[0], row_id)
            if problem:
                return problem
        return f"{op[0]}d {len(chosen)}"

    def _commit(self, transaction: ModelTransaction) -> str:
        base = self._base(transaction)
        for row_id in transaction.writes:
            if transaction.is_snapshot and base.get(row_id) != self.committed.get(row_id):
                return CONFLICT
        if transaction.is_snapshot:
            for row_id, row in transaction.writes.items():
                before = base.get(row_id)
                if row is not None and (before is None or before[0] != row[0]):
                    problem = self._key_problem(transaction, base, row[0], row_id)
                    if problem:
                        return problem
        self.commits += 1
        for row_id, row in transaction.writes.items():
            for state in (self.committed.get(row_id), row):
                if state is not None:
                    self.key_changes.append((self.commits, row_id, state[0]))
            if row is None:
                self.committed.pop(row_id, None)
            else:
                self.committed[row_id] = (row[0], row[1], self.commits)
        return ""


def _found(rows: list[ModelRow]) -> str:
    return _listing([f"{key} {value}" for key, value, _ in rows])


def _listing(shown: list[str]) -> str:
    return " | ".join([text.strip("()").replace(",", "") for text in shown]) or "empty"


keys = st.integers(1, 4).map(str)
values = st.integers(0, 3).map(str)
names = st.sampled_from(["a", "b"])
updates = st.tuples(st.just("update"), st.just("t"), keys, values.map("v={}".format)).map(list)
ranges = st.tuples(
    st.just("range"), st.just("t"), st.just("v"), values, values, st.sampled_from(["", "desc"])
)
operations = st.one_of(
    updates,
    updates,
    st.tuples(st.just("insert"), st.just("t"), keys, values).map(list),
    st.tuples(st.just("update"), st.just("t"), keys, keys.map("id={}".format)).map(list),
    st.tuples(st.just("delete"), st.just("t"), keys).map(list),
    st.just(["scan", "t"]),
    st.tuples(st.just("find"), st.just("t"), st.just("v"), values).map(list),
    ranges.map(lambda words: [word for word in words if word]),
    st.sampled_from([["commit"], ["rollback"], ["commit"]]),
    names.map(lambda name: ["savepoint", name]),
    names.map(lambda name: ["rollback", "to", name]),
)
levels = st.sampled_from([[], ["begin"], ["begin"], ["begin", "snapshot"], ["begin", "snapshot"]])
schedules = st.lists(st.tuples(st.sampled_from("ABC"), levels, operations), min_size=15, max_size=50)


class Run:
    """A schedule run on kernel and model side by side.

    `with_base`: before each operation a checkpoint is written, and all that can be evicted is.
    """

    def __init__(self, gc_interval_commits: int, with_base: bool) -> None:
        self.blocks = BlocksInMemory()
        self.cache = PageCache(0)
        paging = Paging(self.blocks, self.cache) if with_base else None
        self.database = KernelDatabase(gc_interval_commits, paging)
        self.database.create_table(["t", "id", "v", "index", "v"])
        self.stepper = Stepper(self.database.open_session)
        self.model = Model()
        self.current: dict[str, list[str]] = {}
        for key in "12":
            self.run("A", ["insert", "t", key, "1"])

    def step(self, session: str, level: list[str], op: list[str]) -> None:
        """Run `op`, beginning a transaction of `level` first where none is open."""
        if level and session not in self.model.open and op[0] not in ("commit", "rollback", "savepoint"):
            self.run(session, level)
        self.run(session, op)

    def run(self, session: str, op: list[str]) -> None:
        if session in self.stepper.waiting() or not self._makes_sense(session, op):
            return
        self._evict()
        self.current[session] = op
        lines = self.stepper.run(session, " ".join(op))
        for line in lines:
            name, _, text = line.partition(": ")
            if text != "(waits)" and not text.startswith(("DETAIL", "(restarted")):
                self._compare(name, text)

    def _evict(self) -> None:
        for table in self.database.tables.values():
            if table.storage.heap.pager is not None:
                write_at_once(table.storage, self.database.manager.last_epoch, self.blocks)
        while self.cache.clean_bytes and not self.cache.make_room(1):
            if not any(isinstance(page, list) and is_frozen(page) for page in self._places()):
                break

    def _places(self) -> list[object]:
        return [place for table in self.database.tables.values() for place in table.storage.heap.pages]

    def _makes_sense(self, session: str, op: list[str]) -> bool:
        in_block = session in self.model.open
        if op[0] == "begin":
            return not in_block
        return in_block or op[0] not in ("commit", "rollback", "savepoint")

    def _compare(self, session: str, text: str) -> None:
        op = self.current[session]
        if text.startswith(DEADLOCK):
            if op[0] == "commit":
                del self.model.open[session]
            else:
                self.model.fail(session)
            return
        expected = self.model.expect(session, op)
        if expected.startswith("ERROR"):
            assert text.startswith(expected), f"{session}: {op}: {text}, not {expected}"
        else:
            assert text == expected, f"{session}: {op}: {text}, not {expected}"

    def finish(self) -> None:
        """End every session; then nothing waits, and the table is the model's, in every structure."""
        for _ in range(10):
            for session in "ABC":
                self.run(session, ["rollback"])
        assert not self.stepper.waiting()
        self.run("A", ["scan", "t"])
        manager = self.database.manager
        manager.gc()
        assert not manager.active
        assert not list(manager.locks.all_locks())
        self._check_structures()

    def _check_structures(self) -> None:
        table = self.database.tables["t"]
        storage = table.storage
        assert storage.row_count == len(self.model.committed)
        live: dict[int, tuple[object, ...]] = {}
        for row_id in range(storage.next_row_id):
            slot = storage.heap.slot(row_id)
            assert not isinstance(slot, Version)
            if isinstance(slot, tuple):
                live[row_id] = slot
        for index in storage.indexes.values():
            entered = {(index.key(row), row_id) for row_id, row in live.items()}
            present = {(key, row_id) for key in index.equal for row_id in index.candidates(key)}
            assert present == entered
            assert len(index.ordered) == len(live)


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(schedules, st.sampled_from([1, 3, 100]), st.booleans())
def test_every_interleaving_gives_what_the_model_gives(
    schedule: list[tuple[str, list[str], list[str]]], gc_interval_commits: int, with_base: bool
) -> None:
    run = Run(gc_interval_commits, with_base)
    for session, level, op in schedule:
        run.step(session, level, op)
    run.finish()
