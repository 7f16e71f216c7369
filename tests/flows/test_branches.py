"""Flow branches, row by row: d1 to d18 of the flow semantics, and the rulings about branches, each named after its row.

Embedded: that is where the rows hold.
"""

from __future__ import annotations

import asyncio
import contextvars
import datetime
import gc
import threading
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from enum import IntEnum
from pathlib import Path
from typing import Any

import pytest
from support.postgres_server import Address

import skerry
from skerry import errors, flow
from skerry.flow import Field, FlowTransaction, Layout, ViewChange, ViewInterceptor, intercept_views
from skerry.flow.parallel import parallel, parallel_async
from skerry.flow.state_values import key_bytes, key_of_bytes, python_value, stored_value

TABLE = "CREATE TABLE t (id int PRIMARY KEY, v text)"


@pytest.fixture
def db() -> Iterator[skerry.Database]:
    """A database in memory that keeps its past."""
    with skerry.open(retention=3600) as database:
        database.execute(TABLE)
        database.execute("INSERT INTO t VALUES (1, 'one'), (2, 'two'), (3, 'three')")
        yield database


def epoch_of(db: skerry.Database) -> int:
    """The newest epoch."""
    found = db.execute("SELECT skerry.current_epoch()").scalar()
    assert isinstance(found, int)
    return found


def rows_of(source: Any, table: str = "t") -> list[tuple[object, ...]]:
    """A table's rows in order, as a database or transaction has them."""
    found: list[tuple[object, ...]] = source.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall()
    return found


# --- rows -------------------------------------------------------------------------------------------------------------


def test_d1_reads_see_exactly_the_version(db: skerry.Database) -> None:
    first = epoch_of(db)
    db.execute("UPDATE t SET v = 'uno' WHERE id = 1")
    second = epoch_of(db)
    with db.begin_transaction() as parent:
        parent.execute("UPDATE t SET v = 'parent' WHERE id = 2")
        db.execute("DELETE FROM t WHERE id = 3")
        third = epoch_of(db)
        seen = {
            version: [row["v"] for _, row in FlowTransaction(parent, version).range("t")]
            for version in (first, second, third)
        }
        assert seen == {
            first: ["one", "two", "three"],
            second: ["uno", "two", "three"],
            third: ["uno", "two"],
        }
        assert FlowTransaction(parent).version == second


def test_d2_own_pending_writes_win(db: skerry.Database) -> None:
    with db.begin_transaction() as parent, FlowTransaction(parent) as branch:
        branch.set("t", {"id": 1, "v": "mine"})
        branch.remove("t", 2)
        assert branch.get("t", 1) == {"id": 1, "v": "mine"}
        assert branch.get("t", 2) is None
        branch.set("t", (2, "again"))
        assert branch.get("t", 2) == {"id": 2, "v": "again"}
        branch.remove("t", 2)
        assert not branch.contains_key("t", 2)


def test_d3_d4_writes_are_invisible_to_parent_and_siblings(db: skerry.Database) -> None:
    with db.begin_transaction() as parent:
        one, other = FlowTransaction(parent), FlowTransaction(parent)
        one.set("t", (1, "mine"))
        one.state_set("node", 1, "mine")
        assert other.get("t", 1) == {"id": 1, "v": "one"}
        assert other.state_get("node", 1) is None
        assert rows_of(parent)[0] == (1, "one")
        assert rows_of(db)[0] == (1, "one")


def test_d5_d6_a_branch_persists_nothing(tmp_path: Path) -> None:
    with skerry.open(tmp_path / "d") as db:
        db.execute(TABLE)
        db.execute("INSERT INTO t VALUES (1, 'one')")
        before = epoch_of(db)
        with db.begin_transaction() as parent, FlowTransaction(parent) as branch:
            branch.set("t", (1, "mine"))
            branch.remove("t", 1)
            branch.set("t", (2, "mine"))
            parent.commit()
        assert epoch_of(db) == before
    with skerry.open(tmp_path / "d") as db:
        assert rows_of(db) == [(1, "one")]


def test_d7_merging_applies_the_writes_and_returns_metrics(db: skerry.Database) -> None:
    with db.begin_transaction() as parent:
        branch = FlowTransaction(parent)
        branch.set("t", (1, "uno"))
        branch.set("t", (4, "four"))
        branch.remove("t", 2)
        metrics = branch.commit(parent)
        assert (metrics.writes, metrics.removes, metrics.merged, metrics.merges, metrics.pending) == (
            2,
            1,
            3,
            1,
            0,
        )
        assert rows_of(parent) == [(1, "uno"), (3, "three"), (4, "four")]
        parent.commit()
    assert rows_of(db) == [(1, "uno"), (3, "three"), (4, "four")]


@pytest.mark.parametrize("first", ["sibling", "parent"])
@pytest.mark.parametrize("kind", ["update", "insert", "remove", "remove what is not there"])
def test_d8_an_overlap_is_refused_as_a_whole(db: skerry.Database, first: str, kind: str) -> None:
    key = {"update": 1, "insert": 9, "remove": 2, "remove what is not there": 8}[kind]
    with db.begin_transaction() as parent:
        if first == "sibling":
            sibling = FlowTransaction(parent, name="first")
            if kind == "remove":
                sibling.remove("t", key)
            else:
                sibling.set("t", (key, "sibling"))
            sibling.commit()
        elif kind == "remove":
            parent.execute("DELETE FROM t WHERE id = 2")
        else:
            parent.execute("INSERT INTO t VALUES ($1, 'p') ON CONFLICT (id) DO UPDATE SET v = 'p'", (key,))
        before = rows_of(parent)
        branch = FlowTransaction(parent, name="second")
        branch.set("t", (3, "fine by itself"))
        if kind.startswith("remove"):
            branch.remove("t", key)
        else:
            branch.set("t", (key, "branch"))
        with pytest.raises(errors.BranchOverlap) as refusal:
            branch.commit()
        other = 'branch "first"' if first == "sibling" else "its parent"
        assert f'branch "second" overlaps {other}' in str(refusal.value)
        assert str(key) in str(refusal.value)
        assert rows_of(parent) == before
        assert branch.get("t", 3) == {"id": 3, "v": "fine by itself"}
        parent.commit()
    assert rows_of(db) == before


def test_d8_a_unique_key_that_a_sibling_has_given_away_overlaps(db: skerry.Database) -> None:
    db.execute("CREATE TABLE u (id int PRIMARY KEY, mail text UNIQUE)")
    db.execute("INSERT INTO u VALUES (1, 'a'), (2, 'b')")
    with db.begin_transaction() as parent:
        one, other = FlowTransaction(parent), FlowTransaction(parent)
        one.set("u", (1, "c"))
        other.set("u", (3, "a"))
        one.commit()
        with pytest.raises(errors.BranchOverlap):
            other.commit()


def test_d8_a_blind_removal_and_a_write_of_the_same_key_overlap(db: skerry.Database) -> None:
    with db.begin_transaction() as parent:
        one, other = FlowTransaction(parent), FlowTransaction(parent)
        assert one.remove("t", 7) is False
        one.commit()
        other.set("t", (7, "seven"))
        with pytest.raises(errors.BranchOverlap):
            other.commit()


def test_d8_first_committer_wins_over_a_branch(db: skerry.Database) -> None:
    version = epoch_of(db)
    db.execute("UPDATE t SET v = 'theirs' WHERE id = 1")
    with db.begin_transaction() as parent:
        branch = FlowTransaction(parent, version)
        branch.set("t", (2, "fine"))
        branch.set("t", (1, "mine"))
        with pytest.raises(errors.WriteConflict):
            branch.commit()
        assert rows_of(parent) == [(1, "theirs"), (2, "two"), (3, "three")]


def test_d9_only_the_parents_commit_publishes_atomically(db: skerry.Database) -> None:
    parent = db.begin_transaction()
    for number in range(3):
        with FlowTransaction(parent) as branch:
            branch.set("t", (10 + number, "new"))
            branch.commit()
        assert len(rows_of(db)) == 3
    parent.commit()
    assert len(rows_of(db)) == 6
    parent = db.begin_transaction()
    with FlowTransaction(parent) as branch:
        branch.set("t", (99, "never"))
        branch.commit()
    parent.rollback()
    assert len(rows_of(db)) == 6


def test_d10_a_branch_is_reusable_after_merging(db: skerry.Database) -> None:
    with db.begin_transaction() as parent:
        branch = FlowTransaction(parent)
        branch.set("t", (1, "first"))
        assert branch.commit().merged == 1
        assert branch.get("t", 1) == {"id": 1, "v": "first"}
        parent.execute("UPDATE t SET v = 'parent, afterwards' WHERE id = 1")
        branch.set("t", (2, "second"))
        assert branch.commit().merged == 2  # without the first, which would overlap now
        branch.set("t", (2, "second, again"))
        branch.remove("t", 3)
        branch.commit()
        branch.set("t", (3, "back"))
        branch.commit()
        parent.commit()
    assert rows_of(db) == [(1, "parent, afterwards"), (2, "second, again"), (3, "back")]


def test_d10_what_the_parent_undoes_is_merged_again(db: skerry.Database) -> None:
    with db.begin_transaction() as parent:
        branch = FlowTransaction(parent)
        parent.savepoint("before")
        branch.set("t", (1, "mine"))
        branch.set("t", (4, "mine"))
        branch.commit()
        parent.rollback_to_savepoint("before")
        assert rows_of(parent) == [(1, "one"), (2, "two"), (3, "three")]
        assert branch.metrics.pending == 2
        branch.commit()
        parent.commit()
    assert rows_of(db) == [(1, "mine"), (2, "two"), (3, "three"), (4, "mine")]


def test_d11_update_version_changes_what_is_read(db: skerry.Database) -> None:
    first = epoch_of(db)
    db.execute("UPDATE t SET v = 'uno' WHERE id = 1")
    db.execute("UPDATE t SET v = 'dos' WHERE id = 2")
    second = epoch_of(db)
    with db.begin_transaction() as parent, FlowTransaction(parent, first) as branch:
        branch.set("t", (2, "mine"))
        assert branch.get("t", 1) == {"id": 1, "v": "one"}
        branch.update_version(second)
        assert branch.version == second
        assert branch.get("t", 1) == {"id": 1, "v": "uno"}
        assert branch.get("t", 2) == {"id": 2, "v": "mine"}
        branch.commit()  # validated from the second version on, which has seen 'dos'
        parent.commit()
    assert rows_of(db)[1] == (2, "mine")


def test_d12_ranges_merge_pending_writes_in_key_order(db: skerry.Database) -> None:
    db.execute("CREATE TABLE k (a text, b int, v int, PRIMARY KEY (a, b))")
    db.execute("INSERT INTO k SELECT a, b, 0 FROM unnest(ARRAY['x', 'xy', 'y']) a, generate_series(1, 3) b")
    with db.begin_transaction() as parent, FlowTransaction(parent) as branch:
        branch.set("k", ("x", 0, 1))
        branch.set("k", {"a": "x", "b": 2, "v": 1})
        branch.remove("k", ("xy", 2))
        branch.set("k", ("z", 1, 1))
        keys = [
            ("x", 0),
            ("x", 1),
            ("x", 2),
            ("x", 3),
            ("xy", 1),
            ("xy", 3),
            *(("y", b) for b in (1, 2, 3)),
            ("z", 1),
        ]
        assert [key for key, _ in branch.range("k")] == keys
        assert [key for key, _ in branch.range("k", descending=True)] == keys[::-1]
        assert [key for key, _ in branch.range("k", ("x", 2), ("y", 2))] == keys[2:7]
        assert [key for key, _ in branch.range("k", "xy")] == keys[4:]
        assert [key for key, _ in branch.prefix("k", ("x",))] == keys[:4]
        assert [key for key, _ in branch.prefix("k", "x")] == keys[:6]
        assert [row["v"] for _, row in branch.prefix("k", ("x",))] == [1, 0, 1, 0]
        batches = list(branch.range_batched("k", batch_size=4))
        assert [len(batch) for batch in batches] == [4, 4, 2]
        assert [key for batch in batches for key, _ in batch] == keys
        assert branch.get("k", ("x", 2)) == {"a": "x", "b": 2, "v": 1}
        assert branch.get("k", {"b": 2, "a": "y"}) == {"a": "y", "b": 2, "v": 0}
        assert branch.contains_key("k", ("z", 1)) and not branch.contains_key("k", ("xy", 2))
        with pytest.raises(errors.InvalidParameterValue):
            branch.get("k", "x")


def test_d12_a_table_without_a_key_is_addressed_by_row_id(db: skerry.Database) -> None:
    db.execute("CREATE TABLE log (what text)")
    db.execute("INSERT INTO log VALUES ('a'), ('b'), ('c')")
    with db.begin_transaction() as parent, FlowTransaction(parent) as branch:
        ids = [key for key, _ in branch.range("log")]
        branch.set("log", {"what": "B"}, ids[1])
        branch.remove("log", ids[0])
        new = branch.set("log", ("d",))
        assert branch.get("log", new) == {"what": "d"}
        assert [row["what"] for _, row in branch.range("log")] == ["B", "c", "d"]
        assert [key for key, _ in branch.range("log", ids[1], new)] == ids[1:]
        with pytest.raises(errors.InvalidParameterValue):
            branch.get("log", "a")
        branch.commit()
        parent.commit()
    assert rows_of(db, "log") == [("B",), ("c",), ("d",)]


def test_d13_state_is_kept_by_node_and_key(db: skerry.Database) -> None:
    with db.begin_transaction() as parent:
        branch = FlowTransaction(parent)
        for key in (3, 1, 2, -5, 300):
            branch.state_set("sum", key, {"n": key})
        branch.state_set("other", 1, "other")
        assert [key for key, _ in branch.state_scan("sum")] == [-5, 1, 2, 3, 300]
        assert [key for key, _ in branch.state_range("sum", 1, 3)] == [1, 2]
        assert branch.state_get("sum", 2) == {"n": 2}
        assert branch.state_get("sum", 4) is None and branch.state_get("sum", 4, 0) == 0
        assert branch.state_remove("sum", 2) and not branch.state_remove("sum", 2)
        branch.commit()
        parent.commit()
    with db.begin_transaction() as parent, FlowTransaction(parent) as branch:
        assert [key for key, _ in branch.state_scan("sum")] == [-5, 1, 3, 300]
        assert branch.state_clear("sum") == 4
        assert list(branch.state_scan("sum")) == []
        assert branch.state_get("other", 1) == "other"


def test_d14_rows_with_layouts(db: skerry.Database) -> None:
    layout = Layout(count=int, sum=Decimal, last=Field(str, default=None))
    with db.begin_transaction() as parent:
        branch = FlowTransaction(parent)
        row = branch.load_or_create_row("totals", "ann", layout)
        assert row == {"count": 0, "sum": Decimal(0), "last": None}
        assert branch.state_get("totals", "ann") is None
        row["count"] += 1
        row["last"] = "x"
        branch.save_row("totals", "ann", row)
        row["count"] += 1
        assert branch.load_or_create_row("totals", "ann", layout)["count"] == 1
        row["count"] = "many"
        with pytest.raises(errors.DataError, match="count"):
            branch.save_row("totals", "ann", row)
        branch.commit()
        parent.commit()
    later = Layout(count=int, sum=Decimal, kind=Field(str, default="new"))
    with db.begin_transaction() as parent:
        found = FlowTransaction(parent).load_or_create_row("totals", "ann", later)
        assert found == {"count": 1, "sum": Decimal(0), "kind": "new"}


class Recorder(ViewInterceptor):
    """Writes down what it is told, and what the parent has at that moment; may refuse."""

    def __init__(self, refuses: str = "") -> None:
        self.told: list[tuple[str, object, list[object]]] = []
        self.refuses = refuses

    def _note(self, what: str, parent: Any, change: ViewChange) -> None:
        keys = [key for key, *_ in parent.execute("SELECT id FROM view ORDER BY id").fetchall()]
        self.told.append((what, change.key if change.key is not None else change.old_key, keys))
        parent.execute("INSERT INTO told VALUES ($1)", (what,))
        if what == self.refuses:
            raise ValueError(what)

    def pre_insert(self, parent: Any, change: ViewChange) -> None:
        self._note("pre_insert", parent, change)

    def post_insert(self, parent: Any, change: ViewChange) -> None:
        self._note("post_insert", parent, change)

    def pre_update(self, parent: Any, change: ViewChange) -> None:
        self._note("pre_update", parent, change)

    def post_update(self, parent: Any, change: ViewChange) -> None:
        self._note("post_update", parent, change)

    def pre_delete(self, parent: Any, change: ViewChange) -> None:
        self._note("pre_delete", parent, change)

    def post_delete(self, parent: Any, change: ViewChange) -> None:
        self._note("post_delete", parent, change)


@pytest.fixture
def views(db: skerry.Database) -> skerry.Database:
    db.execute("CREATE TABLE view (id int PRIMARY KEY, n int)")
    db.execute("CREATE TABLE told (what text)")
    db.execute("INSERT INTO view VALUES (1, 10), (2, 20), (3, 30)")
    return db


def change_views(branch: FlowTransaction) -> None:
    branch.insert_view("view", {"id": 4, "n": 40})
    branch.update_view("view", 1, {"id": 5})
    branch.remove_view("view", 2)


def test_d15_interceptors_run_on_the_parent_at_merge(views: skerry.Database) -> None:
    recorder = Recorder()
    with views.begin_transaction() as parent:
        intercept_views(parent, recorder)
        branch = FlowTransaction(parent)
        change_views(branch)
        assert recorder.told == [] and branch.metrics.view_operations == 3
        branch.commit()
        branch.commit()  # has nothing left to tell
        before, after = [1, 2, 3], [3, 4, 5]
        assert recorder.told == [
            ("pre_insert", 4, before),
            ("pre_update", 5, before),
            ("pre_delete", 2, before),
            ("post_insert", 4, after),
            ("post_update", 5, after),
            ("post_delete", 2, after),
        ]
        parent.commit()
    assert rows_of(views, "view") == [(3, 30), (4, 40), (5, 10)]
    assert len(rows_of(views, "told")) == 6


@pytest.mark.parametrize("refuses", ["pre_insert", "pre_delete", "post_insert", "post_delete"])
def test_d15_a_hooks_error_applies_nothing(views: skerry.Database, refuses: str) -> None:
    with views.begin_transaction() as parent:
        recorder = Recorder(refuses)
        intercept_views(parent, recorder)
        branch = FlowTransaction(parent)
        change_views(branch)
        with pytest.raises(ValueError, match=refuses):
            branch.commit()
        assert rows_of(parent, "view") == [(1, 10), (2, 20), (3, 30)]
        assert rows_of(parent, "told") == []
        recorder.refuses = ""
        branch.commit()
        parent.commit()
    assert rows_of(views, "view") == [(3, 30), (4, 40), (5, 10)]


def test_d15_materialized_views_are_changed_as_views_only(db: skerry.Database) -> None:
    db.execute("CREATE MATERIALIZED VIEW m AS SELECT id, v FROM t WHERE id < 3")
    with db.begin_transaction() as parent:
        branch = FlowTransaction(parent)
        with pytest.raises(errors.WrongObjectType):
            branch.set("m", (9, "nine"))
        first = next(key for key, row in branch.range("m") if row["id"] == 1)
        branch.update_view("m", first, {"v": "uno"})
        branch.insert_view("m", {"id": 9, "v": "nine"})
        branch.commit()
        parent.commit()
    assert rows_of(db, "m") == [(1, "uno"), (2, "two"), (9, "nine")]


def test_d16_update_view_removes_the_old_key_and_sets_the_new_one(views: skerry.Database) -> None:
    with views.begin_transaction() as parent, FlowTransaction(parent) as branch:
        assert branch.update_view("view", 1, {"id": 7}) == 7
        assert branch.get("view", 1) is None
        assert branch.get("view", 7) == {"id": 7, "n": 10}
        assert branch.update_view("view", 7, {"n": 8}) == 7
        assert branch.get("view", 7) == {"id": 7, "n": 8}
        with pytest.raises(errors.InvalidParameterValue):
            branch.update_view("view", 1, {"n": 8})
        branch.commit()
        parent.commit()
    assert rows_of(views, "view") == [(2, 20), (3, 30), (7, 8)]


def test_d17_branches_work_in_threads(db: skerry.Database) -> None:
    db.execute("CREATE TABLE big (id int PRIMARY KEY, n int)")
    with db.begin_transaction() as parent, ThreadPoolExecutor(4) as pool:
        branches = [FlowTransaction(parent) for _ in range(8)]

        def work(number: int) -> None:
            for each in range(50):
                branches[number].set("big", (number * 100 + each, each))
                branches[number].state_set("n", (number, each), each)
            assert len(list(branches[number].range("big"))) == 50

        list(pool.map(work, range(8)))
        list(pool.map(lambda branch: branch.commit(), branches))
        parent.commit()
    assert db.execute("SELECT count(*), sum(n) FROM big").one() == (400, 8 * 1225)


def test_d18_metrics_can_be_read_at_any_time(db: skerry.Database) -> None:
    with db.begin_transaction() as parent:
        branch = FlowTransaction(parent)
        assert branch.metrics == flow.FlowTransactionMetrics(0, 0, 0, 0, 0, 0, 0, 0)
        branch.get("t", 1)
        branch.set("t", (4, "x"))
        branch.state_set("n", 1, 1)
        branch.remove("t", 5)
        found = branch.metrics
        assert (found.reads, found.writes, found.removes, found.state_operations) == (1, 2, 1, 1)
        assert (found.pending, found.merged) == (3, 0)
        branch.commit()
        assert (branch.metrics.pending, branch.metrics.merged) == (0, 3)


# --- rulings ----------------------------------------------------------------------------------------------------------


def test_ruling_branches_do_not_see_the_parents_writes(db: skerry.Database) -> None:
    with db.begin_transaction() as parent:
        parent.execute("UPDATE t SET v = 'parent' WHERE id = 1")
        assert FlowTransaction(parent).get("t", 1) == {"id": 1, "v": "one"}


def test_ruling_entries_validate_from_the_branchs_version(db: skerry.Database) -> None:
    parent = db.begin_transaction()
    db.execute("UPDATE t SET v = 'seen' WHERE id = 1")
    branch = FlowTransaction(parent, epoch_of(db))  # newer than its parent, which would lose this row
    branch.set("t", (1, f"{branch.get('t', 1)} and changed"))
    branch.commit()
    parent.commit()
    assert rows_of(db)[0] == (1, "{'id': 1, 'v': 'seen'} and changed")
    parent = db.begin_transaction()
    branch = FlowTransaction(parent)
    branch.set("t", (1, "mine"))
    branch.commit()
    db.execute("UPDATE t SET v = 'theirs' WHERE id = 1")
    with pytest.raises(errors.WriteConflict):
        parent.commit()


def test_ruling_a_serializable_parent_refuses_other_versions(db: skerry.Database) -> None:
    version = epoch_of(db)
    db.execute("UPDATE t SET v = 'uno' WHERE id = 1")
    with db.begin_transaction(isolation_level="serializable") as parent:
        with pytest.raises(errors.InvalidTransactionState, match="SERIALIZABLE"):
            FlowTransaction(parent, version)
        branch = FlowTransaction(parent)
        with pytest.raises(errors.InvalidTransactionState):
            branch.update_version(version)
        branch.set("t", (4, "fine"))
        branch.commit()
        parent.commit()
    assert len(rows_of(db)) == 4


@pytest.mark.parametrize("isolation", ["snapshot", "serializable"])
def test_ruling_branch_reads_count_as_the_parents_reads(db: skerry.Database, isolation: str) -> None:
    """Write skew: each reads both rows, and writes one, if the other is still 'on'."""
    db.execute("CREATE TABLE duty (id int PRIMARY KEY, state text)")
    db.execute("INSERT INTO duty VALUES (1, 'on'), (2, 'on')")
    parents = [db.begin_transaction(isolation_level=isolation) for _ in range(2)]
    refusals = 0
    for number, parent in enumerate(parents, 1):
        branch = FlowTransaction(parent)
        on = [key for key, row in branch.range("duty") if row["state"] == "on"]
        assert on == [1, 2]
        branch.set("duty", (number, "off"))
        branch.commit()
    for parent in parents:
        try:
            parent.commit()
        except errors.SerializationFailure:
            refusals += 1
    assert refusals == (1 if isolation == "serializable" else 0)
    left = [state for _, state in rows_of(db, "duty")]
    assert ("on" in left) is (isolation == "serializable")


@pytest.mark.parametrize(("ending", "expected"), [("rollback", "mine"), ("commit", "theirs")])
def test_ruling_parents_of_read_committed_wait_for_rows(
    db: skerry.Database, ending: str, expected: str
) -> None:
    other = db.begin_transaction(isolation_level="read committed")
    other.execute("UPDATE t SET v = 'theirs' WHERE id = 1")

    def work() -> None:
        with db.begin_transaction(isolation_level="read committed") as parent:
            branch = FlowTransaction(parent)
            branch.set("t", (1, "mine"))
            branch.commit()
            parent.commit()

    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(work)
        while db.execute("SELECT count(*) FROM skerry.transactions WHERE state = 'waiting'").scalar() == 0:
            assert not done.done()
        getattr(other, ending)()
        if expected == "mine":
            done.result(10)
        else:
            with pytest.raises(errors.WriteConflict):
                done.result(10)
    assert rows_of(db)[0] == (1, expected)


def test_ruling_over_the_network_it_is_refused_by_name(skerry_server: Address) -> None:
    server = skerry_server
    with skerry.open(f"skerry://{server.user}@{server.host}:{server.port}") as there:
        with there.begin_transaction() as parent:
            with pytest.raises(errors.NotSupportedError, match="in this process"):
                FlowTransaction(parent)
            assert parent.execute("SELECT 1").scalar() == 1
        with pytest.raises(errors.NotSupportedError, match="in this process"):
            parallel([1], lambda branch, event: None, database=there)
    with pytest.raises(errors.InterfaceError):
        FlowTransaction(object())  # type: ignore[arg-type]


# --- versions, ends, leaks --------------------------------------------------------------------------------------------


def test_a_version_that_is_gone_or_to_come_is_refused() -> None:
    with skerry.open() as db:
        db.execute(TABLE)
        version = epoch_of(db)
        db.execute("INSERT INTO t VALUES (1, 'one')")
        with db.begin_transaction() as parent:
            with pytest.raises(errors.HistoryNotRetained):
                FlowTransaction(parent, version)
            with pytest.raises(errors.InvalidParameterValue):
                FlowTransaction(parent, version + 100)
            pinned = parent.execute("SELECT skerry.current_epoch()").scalar()
            db.execute("INSERT INTO t VALUES (2, 'two')")
            assert isinstance(pinned, int)
            assert FlowTransaction(parent, pinned).get("t", 2) is None  # the parent itself holds that one
            assert FlowTransaction(parent, pinned + 1).get("t", 2) is not None


def oldest_pin(db: skerry.Database) -> int:
    manager = db._source.engine.manager  # type: ignore[attr-defined]
    return int(manager.min_active())


def test_a_branch_pins_its_version_until_it_is_closed_or_forgotten_or_its_parent_ends() -> None:
    with skerry.open() as db:
        db.execute(TABLE)
        for way in ("close", "with", "forget", "commit", "rollback", "update_version"):
            parent = db.begin_transaction(isolation_level="read committed")
            branch = FlowTransaction(parent)
            version = branch.version
            db.execute("INSERT INTO t VALUES (1, 'one') ON CONFLICT (id) DO UPDATE SET v = t.v || '!'")
            assert oldest_pin(db) == version
            if way == "close":
                branch.close()
                branch.close()
            elif way == "with":
                with branch:
                    pass
            elif way == "forget":
                del branch
                gc.collect()
            elif way == "update_version":
                branch.update_version(version + 1)
            else:
                getattr(parent, way)()
            assert oldest_pin(db) > version, way
            if way not in ("commit", "rollback"):
                parent.rollback()


def test_what_branches_hold_back_is_shown_with_their_parent(db: skerry.Database) -> None:
    version = epoch_of(db)
    db.execute("INSERT INTO t VALUES (4, 'four')")
    with db.begin_transaction() as parent:
        branch = FlowTransaction(parent, version)
        shown = "SELECT snapshot - oldest_snapshot FROM skerry.transactions WHERE snapshot = $1"
        assert db.execute(shown, (version + 1,)).fetchall()[0] == (1,)
        branch.close()
        assert db.execute(shown, (version + 1,)).fetchall()[0] == (0,)


def test_branches_of_many_threads_and_others_commits(db: skerry.Database) -> None:
    """Counters that branches and statements add to: what was committed adds up, whatever was refused."""
    db.execute("CREATE TABLE counter (id int PRIMARY KEY, n int)")
    db.execute("INSERT INTO counter SELECT g, 0 FROM generate_series(0, 5) g")
    added = [0] * 4

    def work(worker: int) -> None:
        for number in range(25):
            keys = [(worker + number) % 6, (worker + number + 1) % 6]
            try:
                with db.begin_transaction() as parent:
                    for key in keys:
                        with FlowTransaction(parent) as branch:
                            row = branch.get("counter", key)
                            assert row is not None
                            branch.set("counter", (key, row["n"] + 1))
                            branch.commit()
                    parent.execute("UPDATE counter SET n = n + 1 WHERE id = $1", ((worker + 3) % 6,))
                    parent.commit()
                added[worker] += 3
            except errors.WriteConflict:
                pass

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert sum(added) > 0
    assert db.execute("SELECT sum(n) FROM counter").scalar() == sum(added)


def test_a_branch_ends_with_its_parent(db: skerry.Database) -> None:
    parent, other = db.begin_transaction(), db.begin_transaction()
    branch = FlowTransaction(parent, name="b")
    with pytest.raises(errors.InvalidTransactionState, match="another transaction"):
        branch.commit(other)
    parent.commit()
    assert not branch.is_open
    for use in (lambda: branch.get("t", 1), lambda: branch.set("t", (1, "x")), branch.commit):
        with pytest.raises(errors.InvalidTransactionState):
            use()
    with pytest.raises(errors.InvalidTransactionState):
        FlowTransaction(parent)
    other.rollback()


def test_a_parent_whose_branches_work_does_not_idle(db: skerry.Database) -> None:
    for works in (True, False):
        with db.begin_transaction() as parent:
            parent.execute("SET LOCAL idle_in_transaction_session_timeout = '800ms'")
            branch = FlowTransaction(parent)
            until = time.monotonic() + 1.2
            while time.monotonic() < until and branch.is_open:
                if works:
                    branch.set("t", (1, "works"))
                time.sleep(0.01)
            assert branch.is_open is works
            if works:
                branch.commit()
                parent.commit()
    assert rows_of(db)[0] == (1, "works")


def test_a_failed_merge_leaves_the_parent_usable(db: skerry.Database) -> None:
    db.execute("CREATE TABLE child (id int PRIMARY KEY, t int REFERENCES t)")
    with db.begin_transaction() as parent:
        branch = FlowTransaction(parent)
        branch.set("child", (1, 77))
        with pytest.raises(errors.ForeignKeyViolation):
            branch.commit()
        parent.execute("INSERT INTO child VALUES (2, 1)")
        branch.set("t", (77, "now it is there"))
        branch.commit()
        parent.commit()
    assert rows_of(db, "child") == [(1, 77), (2, 1)]


# --- the same paths as DML --------------------------------------------------------------------------------------------


def test_rows_are_what_insert_and_update_make_of_them(db: skerry.Database) -> None:
    db.execute("CREATE DOMAIN positive AS int CHECK (VALUE > 0)")
    db.execute(
        "CREATE TABLE w (id serial PRIMARY KEY, n numeric(5, 2), p positive, d date DEFAULT '2020-02-02',"
        " twice numeric GENERATED ALWAYS AS (n * 2) STORED, s varchar(3) CHECK (s <> 'bad'), j jsonb, a int[])"
    )
    with db.begin_transaction() as parent:
        branch = FlowTransaction(parent)
        key = branch.set("w", {"n": "1.239", "p": 4, "s": "abc", "j": {"x": [1]}, "a": [1, 2]})
        found = branch.get("w", key)
        assert found == {
            "id": 1,
            "n": Decimal("1.24"),
            "p": 4,
            "d": datetime.date(2020, 2, 2),
            "twice": Decimal("2.48"),
            "s": "abc",
            "j": {"x": [1]},
            "a": [1, 2],
        }
        branch.set("w", {**found, "n": 2})
        branch.set("w", {"id": 1, "p": 5})
        assert branch.get("w", 1) == {**found, "n": Decimal("2.00"), "twice": Decimal("4.00"), "p": 5}
        for wrong, error in (
            ({"p": -1}, errors.CheckViolation),
            ({"s": "bad"}, errors.CheckViolation),
            ({"s": "long"}, errors.StringDataRightTruncation),
            ({"n": "x"}, errors.DataError),
            ({"id": None}, errors.NotNullViolation),
            ({"nothing": 1}, errors.UndefinedColumn),
            ({"d": 5}, errors.DatatypeMismatch),
        ):
            with pytest.raises(error):
                branch.set("w", wrong)
        branch.commit()
        parent.commit()
    assert db.execute("SELECT n, p, twice FROM w").one() == (Decimal("2.00"), 5, Decimal("4.00"))
    assert db.execute("SELECT id FROM w WHERE p = 5").scalar() == 1


def test_merging_runs_referential_actions(db: skerry.Database) -> None:
    db.execute("CREATE TABLE child (id int PRIMARY KEY, t int REFERENCES t ON DELETE CASCADE)")
    db.execute("INSERT INTO child VALUES (1, 1), (2, 2)")
    with db.begin_transaction() as parent, FlowTransaction(parent) as branch:
        branch.remove("t", 1)
        branch.commit()
        assert rows_of(parent, "child") == [(2, 2)]
        parent.commit()
    assert rows_of(db, "child") == [(2, 2)]


def test_keys_may_change_hands_within_a_branch(db: skerry.Database) -> None:
    db.execute("CREATE TABLE u (id int PRIMARY KEY, mail text UNIQUE)")
    db.execute("INSERT INTO u VALUES (1, 'a'), (2, 'b'), (3, 'c')")
    with db.begin_transaction() as parent, FlowTransaction(parent) as branch:
        branch.set("u", (1, "b"))
        branch.set("u", (2, "a"))
        branch.remove("u", 3)
        branch.set("u", (4, "c"))
        branch.commit()
        parent.commit()
    assert rows_of(db, "u") == [(1, "b"), (2, "a"), (4, "c")]


def test_rights_hold_in_branches(db: skerry.Database) -> None:
    db.execute("CREATE ROLE reader LOGIN; GRANT SELECT ON t TO reader")
    with db.begin_transaction() as parent:
        parent.execute("SET LOCAL ROLE reader")
        branch = FlowTransaction(parent)
        assert branch.get("t", 1) is not None
        for use in (lambda: branch.set("t", (1, "x")), lambda: branch.remove("t", 1)):
            with pytest.raises(errors.InsufficientPrivilege):
                use()


def test_a_table_that_changes_meanwhile_is_told_at_merge(db: skerry.Database) -> None:
    with db.begin_transaction() as parent:
        branch = FlowTransaction(parent)
        branch.set("t", (4, "four"))
        db.execute("ALTER TABLE t ADD COLUMN w int")
        with pytest.raises(errors.SerializationFailure):
            branch.commit()
        for name, error in (("nothing", errors.UndefinedTable), ("pg_class", errors.WrongObjectType)):
            with pytest.raises(error):
                branch.get(name, 1)


def test_read_only_parents_have_branches_that_cannot_merge(db: skerry.Database) -> None:
    with db.begin_transaction(read_only=True) as parent:
        branch = FlowTransaction(parent)
        branch.set("t", (1, "x"))
        with pytest.raises(errors.ReadOnlyViolation):
            branch.commit()


def test_a_transaction_scope_has_branches(db: skerry.Database) -> None:
    flows = flow.open(db)
    with flows.transaction():
        flows.execute("UPDATE t SET v = 'scope' WHERE id = 1")
        scope = flow.current_scope()
        assert isinstance(scope, flow.TransactionScope)
        with FlowTransaction(scope) as branch:
            branch.set("t", (2, "branch"))
            branch.commit()
    assert rows_of(db)[:2] == [(1, "scope"), (2, "branch")]
    assert flows.in_use == 0


# --- parallel ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def orders(db: skerry.Database) -> skerry.Database:
    db.execute("CREATE TABLE done (id int PRIMARY KEY, seen int)")
    db.execute("CREATE TABLE orders (id int PRIMARY KEY)")
    return db


def placed(db: skerry.Database, count: int) -> list[Any]:
    since = epoch_of(db)
    for number in range(count):
        db.execute("INSERT INTO orders VALUES ($1)", (number,))
    return list(db.changes(since=since, wait=False))


def note(branch: FlowTransaction, event: Any) -> int:
    """What each event's branch sees: its own and earlier orders."""
    seen = len(list(branch.range("orders")))
    branch.set("done", (event.new["id"], seen))
    return seen


def test_parallel_works_on_events_at_their_versions(orders: skerry.Database) -> None:
    events = placed(orders, 30)
    assert parallel(events, note, threads=3, database=orders) == list(range(1, 31))
    assert rows_of(orders, "done") == [(n, n + 1) for n in range(30)]


def test_parallel_merges_into_an_open_transaction(orders: skerry.Database) -> None:
    events = placed(orders, 5)
    with orders.begin_transaction() as parent:
        parallel(events, note, 2, lambda event: event.epoch, parent=parent)
        assert rows_of(orders, "done") == []
        assert len(rows_of(parent, "done")) == 5
        parent.commit()
    flows = flow.open(orders)
    with flows.transaction():
        flows.execute("DELETE FROM done WHERE id = 0")
        parallel(events[:1], lambda branch, event: branch.set("done", (100, 1)))
    assert [key for key, _ in rows_of(orders, "done")] == [1, 2, 3, 4, 100]
    assert flows.in_use == 0


@pytest.mark.parametrize("kind", ["call", "overlap", "version"])
def test_parallel_names_the_event_that_failed_and_undoes_all(orders: skerry.Database, kind: str) -> None:
    events = placed(orders, 12)

    def apply(branch: FlowTransaction, event: Any) -> None:
        if kind == "call" and event.new["id"] >= 7:
            raise ValueError("no")
        branch.set("done", (3 if kind == "overlap" and event.new["id"] == 7 else event.new["id"], 1))

    def at(event: Any) -> int:
        return 10**9 if kind == "version" and event.new["id"] == 7 else int(event.epoch)

    with pytest.raises(errors.FlowError, match="event 7") as failure:
        parallel(events, apply, 4, at, database=orders)
    assert rows_of(orders, "done") == []
    assert isinstance(failure.value.cause, ValueError if kind == "call" else errors.Error)
    with orders.begin_transaction() as parent:
        parent.execute("INSERT INTO done VALUES (500, 1)")
        with pytest.raises(errors.FlowError, match="event 7"):
            parallel(events, apply, 4, at, parent=parent)
        assert rows_of(parent, "done") == [(500, 1)]
        assert orders.execute("SELECT count(*) FROM skerry.transactions").scalar() == 2


def test_parallel_hands_on_the_context_and_needs_a_transaction(orders: skerry.Database) -> None:
    variable = contextvars.ContextVar("variable", default="unset")
    variable.set("set")
    seen: list[tuple[str, int]] = []

    def apply(branch: FlowTransaction, event: Any) -> None:
        seen.append((variable.get(), threading.get_ident()))

    parallel(placed(orders, 3), apply, database=orders)
    assert {value for value, _ in seen} == {"set"}
    assert threading.get_ident() not in {thread for _, thread in seen}
    with pytest.raises(errors.InterfaceError):
        parallel([1], apply)
    with pytest.raises(ValueError, match="thread"):
        parallel([1], apply, 0, database=orders)


def test_parallel_async_does_the_same(tmp_path: Path) -> None:
    async def main() -> list[tuple[object, ...]]:
        async with await skerry.open_async(tmp_path / "d", retention=3600) as db:
            await db.execute("CREATE TABLE done (id int PRIMARY KEY, v text)")

            async def coroutine(branch: FlowTransaction, event: int) -> int:
                await asyncio.sleep(0)
                branch.set("done", (event, "coroutine"))
                return event

            def plain(branch: FlowTransaction, event: int) -> int:
                branch.set("done", (event, "thread"))
                return event

            assert await parallel_async(range(3), coroutine, 2, database=db) == [0, 1, 2]
            assert await parallel_async(range(3, 6), plain, 2, database=db) == [3, 4, 5]
            transaction = await db.begin_transaction()
            async with transaction:
                await parallel_async([6], plain, parent=transaction)
                with pytest.raises(errors.FlowError, match="event 1"):
                    await parallel_async([7, 7], plain, parent=transaction)
                await transaction.commit()
            flows = await flow.open_async(db)
            async with flows.transaction():
                await flows.execute("INSERT INTO done VALUES (7, 'statement')")
                assert await parallel_async([8, 9], coroutine) == [8, 9]
            with pytest.raises(errors.InterfaceError):
                await parallel_async([1], plain)
            assert flows.in_use == 0
            started = threading.Event()

            def slow(branch: FlowTransaction, event: int) -> None:
                started.set()
                branch.set("done", (event, "slow"))

            task = asyncio.ensure_future(parallel_async(range(10, 5000), slow, database=db))
            await asyncio.to_thread(started.wait)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            return (await db.execute("SELECT * FROM done ORDER BY 1")).fetchall()

    found = asyncio.run(main())
    kinds = ["coroutine"] * 3 + ["thread"] * 4 + ["statement"] + ["coroutine"] * 2
    assert found == list(enumerate(kinds))


# --- values of state --------------------------------------------------------------------------------------------------


class Colour(IntEnum):
    RED = 1


VALUES: list[Any] = [
    None,
    True,
    0,
    -1,
    1 << 90,
    1.5,
    "text\0",
    b"\0\x01\xff",
    Decimal("1.10"),
    [1, [2], (3, {"a": None})],
    {"k": 1, 2: [], (1, 2): "t"},
    datetime.datetime(2020, 1, 2, 3, 4, 5, 6),
    datetime.datetime(2020, 1, 2, tzinfo=datetime.UTC),
    datetime.date(2020, 1, 2),
    datetime.time(1, 2),
    datetime.timedelta(-1, 2, 3),
    uuid.UUID(int=7),
    Colour.RED,
]


@pytest.mark.parametrize("value", VALUES, ids=str)
def test_values_of_state_come_back(value: Any) -> None:
    assert python_value(stored_value(value)) == value


KEYS: list[Any] = [
    *(None, False, True),
    *(-(1 << 70), -(1 << 64), -65537, -256, -255, -1, 0, 1, 255, 256, 1 << 40, 1 << 64),
    *(float("-inf"), -1e300, -1.0, -1e-300, 0.0, 1e-300, 1.0, float("inf")),
    *("", "\0", "\0a", "a", "a\0", "a\0b", "ab", "b", "é"),
    *(b"", b"\0", b"\0\0", b"\0\x01", b"a", b"\xff", b"\xff\0"),
    *(datetime.date(1, 1, 1), datetime.date(2020, 1, 1)),
    *(datetime.datetime(1, 1, 1), datetime.datetime(2020, 1, 1)),
    *(datetime.datetime(1999, 1, 1, tzinfo=datetime.UTC), datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)),
    *(uuid.UUID(int=0), uuid.UUID(int=1 << 127)),
    *((), (None,), (1,), (1, "a"), (1, "a", 0), (1, "b"), (2,), ("", 1), ("a",), ((1,),), ((1, 2), 0)),
]


def test_keys_of_state_stand_in_order_and_come_back() -> None:
    encoded = [key_bytes(key) for key in KEYS]
    assert encoded == sorted(encoded)
    assert len(set(encoded)) == len(KEYS)
    assert [key_of_bytes(data) for data in encoded] == KEYS
    for wrong in ([1], {}, Decimal(1), object()):
        with pytest.raises(errors.NotSupportedError):
            key_bytes(wrong)
    with pytest.raises(errors.NotSupportedError):
        stored_value(object())
