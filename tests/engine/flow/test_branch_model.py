"""Flow branches beside a model of dictionaries: random branches, writes, merges, savepoints and commits of others.

The model knows of each key only its value and when it was last changed:

    history   epoch -> {key: value}          what each epoch sees
    parent    {key: (value, writer, epoch)}  what it has written, itself or by a merge, and from which epoch it holds
    branch    {key: value}, and which of them are not merged yet

A merge fails exactly where a key was written by somebody else in the same parent, or committed above the branch's
epoch; a commit exactly where others were faster than the write's epoch.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field

import pytest
from kernel_script import KernelTable

from skerry_engine.errors import BranchOverlap, WriteConflict
from skerry_engine.flow.branch import FlowTransaction
from skerry_engine.flow.branch_table import BranchTable
from skerry_engine.flow.merging import merge_at_once
from skerry_engine.txn.manager import TransactionManager
from skerry_engine.txn.transaction import Transaction

KEYS = 7
HOUR_US = 3_600_000_000
Values = dict[int, int]


@dataclass
class ModelBranch:
    """A branch and what the model says of it."""

    branch: FlowTransaction
    table: BranchTable
    writes: dict[int, int | None] = field(default_factory=dict)
    unmerged: set[int] = field(default_factory=set)


class World:
    """The kernel and the model, changed by the same operations."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.manager = TransactionManager(object(), 3)
        self.manager.keep_history(HOUR_US, 1 << 40)
        self.table = KernelTable(1, "t", ["id", "v"])
        self.history: dict[int, Values] = {self.manager.published: {}}
        self.changed: dict[int, int] = {}
        self.deleted: dict[int, int] = {}
        self.begin()

    # --- the parent -----------------------------------------------------------------------------------------

    def begin(self) -> None:
        self.parent: Transaction = self.manager.begin("snapshot", take_snapshot=True)
        self.snapshot = self.parent.snapshot
        self.written: dict[int, tuple[int | None, object, int]] = {}
        self.branches: list[ModelBranch] = []
        self.saved: list[
            tuple[dict[int, tuple[int | None, object, int]], list[tuple[ModelBranch, set[int]]]]
        ] = []

    def write(self, transaction: Transaction, key: int, value: int | None) -> None:
        """One statement that sets or removes a key, as DML does it."""
        mark = transaction.start_statement()
        try:
            writer = transaction.writer(self.table.target)
            reader = transaction.reader(self.table.storage)
            row_id = reader.lookup_id(self.table.primary, key)
            if row_id < 0:
                if value is not None:
                    writer.insert((key, value))
            else:
                old = reader.get(row_id)
                assert old is not None
                if value is None:
                    writer.delete(row_id, old)
                else:
                    writer.update(row_id, old, (key, value))
            transaction.finish_statement()
        except BaseException:
            transaction.abandon_statement(mark)
            raise

    def seen_by_parent(self) -> Values:
        """What the parent sees."""
        found = dict(self.history[self.snapshot])
        for key, (value, _, _) in self.written.items():
            put(found, key, value)
        return found

    # --- operations -----------------------------------------------------------------------------------------

    def others_commit(self) -> None:
        """Another transaction changes some keys."""
        other = self.manager.begin("read committed")
        now = dict(self.history[self.manager.published])
        changes = {self.random.randrange(KEYS): self.value() for _ in range(self.random.randint(1, 2))}
        before = dict(now)
        for key, value in changes.items():
            self.write(other, key, value)
            put(now, key, value)
        assert other.commit_fast()
        epoch = self.manager.published
        self.history[epoch] = now
        for key, value in changes.items():
            if value is not None or key in before:
                self.changed[key] = epoch

    def parent_writes(self) -> None:
        key, value = self.random.randrange(KEYS), self.value()
        was_there = key in self.seen_by_parent()
        is_newer = self.changed.get(key, 0) > self.snapshot and key not in self.written
        try:
            self.write(self.parent, key, value)
        except WriteConflict:
            assert is_newer or self.changed.get(key, 0) > self.snapshot
            return
        if value is None and not was_there:
            return
        assert not is_newer
        held = self.written.get(key)
        self.written[key] = (value, "parent", self.snapshot if held is None else held[2])

    def new_branch(self) -> None:
        version = self.random.choice([None, *self.history])
        branch = FlowTransaction(self.parent, version)
        assert branch.version == (self.snapshot if version is None else version)
        self.branches.append(ModelBranch(branch, branch.table(self.table.target, self.table.primary)))

    def branch_writes(self) -> None:
        if not self.branches:
            return
        each = self.random.choice(self.branches)
        for _ in range(self.random.randint(1, 3)):
            key, value = self.random.randrange(KEYS), self.value()
            if value is None:
                assert each.table.remove(key) == (key in self.seen_by(each))
            else:
                each.table.set((key, value))
            each.writes[key] = value
            each.unmerged.add(key)

    def branch_moves(self) -> None:
        if self.branches:
            each = self.random.choice(self.branches)
            each.branch.update_version(self.random.choice(list(self.history)))

    def merge(self) -> None:
        if not self.branches:
            return
        each = self.random.choice(self.branches)
        epoch = each.branch.version
        overlaps = {
            key for key in each.unmerged if key in self.written and self.written[key][1] not in (each, None)
        }
        conflicts = {key for key in each.unmerged if self.changed.get(key, 0) > epoch}
        before = self.kernel_sees()
        try:
            merge_at_once(each.branch, self.parent)
        except BranchOverlap as error:
            assert overlaps, error
            assert f'branch "{each.branch.name}"' in error.message
            assert self.kernel_sees() == before
            return
        except WriteConflict:
            # A key that was freed between the snapshot of the parent and the epoch of a newer branch stays taken.
            assert conflicts or {key for key in each.unmerged if self.changed.get(key, 0) > self.snapshot}
            assert self.kernel_sees() == before
            return
        assert not overlaps
        assert conflicts <= self.written.keys(), "of what was merged before, COMMIT may be the one to tell"
        for key in each.unmerged:
            held = self.written.get(key)
            since = max(epoch, self.snapshot, 0 if held is None else held[2])
            self.written[key] = (each.writes[key], each, since)
        for _, merges in self.saved:
            merges.append((each, set(each.unmerged)))
        each.unmerged.clear()

    def savepoint(self) -> None:
        self.parent.savepoint("s")
        self.saved.append((dict(self.written), []))

    def rollback_to(self) -> None:
        if self.saved:
            self.parent.rollback_to("s")
            self.written = dict(self.saved[-1][0])
            for each, keys in self.saved[-1][1]:
                each.unmerged |= keys
            self.saved[-1] = (self.saved[-1][0], [])

    def end(self) -> None:
        if self.random.random() < 0.3:
            self.parent.rollback()
        else:
            self.commit()
        assert not [each for each in self.branches if each.branch.is_open]
        assert not self.manager.readers
        self.begin()

    def commit(self) -> None:
        lost = {key for key, (_, _, epoch) in self.written.items() if self.changed.get(key, 0) > epoch}
        doubtful = {key for key in self.written if self.changed.get(key, 0) > self.snapshot}
        after = dict(self.history[self.manager.published])
        try:
            assert self.parent.commit_fast()
        except WriteConflict:
            assert lost or doubtful
            return
        assert not {key for key in lost if not self.is_nothing(key)}
        for key, (value, _, _) in self.written.items():
            if not self.is_nothing(key):
                put(after, key, value)
        epoch = self.manager.published
        if epoch not in self.history:
            self.history[epoch] = after
            for key in self.written:
                if not self.is_nothing(key):
                    self.changed[key] = epoch
        assert self.history[epoch] == after

    # --- what is to hold ------------------------------------------------------------------------------------

    def value(self) -> int | None:
        return None if self.random.random() < 0.3 else self.random.randrange(1000)

    def is_nothing(self, key: int) -> bool:
        """Whether what was written is the removal of a key that its writer had not seen: that commits as nothing."""
        value, _, epoch = self.written[key]
        return value is None and key not in self.history[epoch]

    def seen_by(self, each: ModelBranch) -> Values:
        found = dict(self.history[each.branch.version])
        for key, value in each.writes.items():
            put(found, key, value)
        return found

    def kernel_sees(self) -> Values:
        rows, _ = self.parent.seen_reader(self.table.storage).scan_batch(-1, 100_000)
        assert len({row[0] for row in rows}) == len(rows)
        return {row[0]: row[1] for row in rows}  # type: ignore[misc]

    def check(self) -> None:
        assert self.kernel_sees() == self.seen_by_parent()
        for each in self.branches:
            expected = self.seen_by(each)
            key = self.random.randrange(KEYS)
            assert each.table.get(key) == ((key, expected[key]) if key in expected else None)
            rows, place = each.table.batch(None, None, None, 1000)
            assert place is None
            assert rows == sorted(expected.items())


def put(values: Values, key: int, value: int | None) -> None:
    """Set a key, or (None) remove it."""
    if value is None:
        values.pop(key, None)
    else:
        values[key] = value


OPERATIONS = [
    *[World.others_commit] * 2,
    *[World.parent_writes] * 2,
    *[World.new_branch] * 3,
    *[World.branch_writes] * 8,
    World.branch_moves,
    *[World.merge] * 5,
    World.savepoint,
    World.rollback_to,
    World.end,
]


@pytest.mark.parametrize("seed", range(60))
def test_branches_do_what_the_model_does(seed: int) -> None:
    world = World(seed)
    for _ in range(60):
        world.random.choice(OPERATIONS)(world)
        world.check()
