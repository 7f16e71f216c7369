"""What flows' nodes remember: rows of a hidden table of the database's own, on the disk as any others."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.durable import DurableSqlDatabase
from support.sessions import SqlDatabase

from skerry_engine.catalog.bootstrap import POSTGRES
from skerry_engine.engine import Engine
from skerry_engine.errors import BranchOverlap, InvalidParameterValue
from skerry_engine.flow.branch import FlowTransaction
from skerry_engine.flow.merging import merge_at_once
from skerry_engine.flow.state import BranchState
from skerry_engine.session.flow_state import branch_state
from skerry_engine.txn.transaction import Transaction

VALUES: list[object] = [b"", (1, None, "x"), ((), (True, 2.5)), 1 << 70]


class Work:
    """A transaction with one branch, to be merged and committed."""

    def __init__(self, engine: Engine) -> None:
        self.parent: Transaction = engine.manager.begin("snapshot", take_snapshot=True)
        self.branch = FlowTransaction(self.parent)
        self.state: BranchState = branch_state(engine, POSTGRES, self.branch)

    def commit(self) -> None:
        merge_at_once(self.branch, self.parent)
        self.parent.commit_fast()


def contents(engine: Engine, node: str) -> list[tuple[bytes, object]]:
    """All of a node's state as committed."""
    work = Work(engine)
    try:
        found, place = work.state.batch(node, n=10_000)
        assert place is None
        return found
    finally:
        work.parent.rollback()


@pytest.fixture
def engine() -> Iterator[Engine]:
    database = SqlDatabase()
    yield database.engine
    database.engine.close()


def test_nodes_are_apart_and_keys_in_order(engine: Engine) -> None:
    work = Work(engine)
    for key in (b"b", b"", b"a\x00", b"a", b"\xff"):
        work.state.set("one", key, (key,))
    work.state.set("on", b"e", 1)
    work.state.set("one2", b"e", 2)
    keys = [b"", b"a", b"a\x00", b"b", b"\xff"]
    assert work.state.batch("one") == ([(key, (key,)) for key in keys], None)
    assert [key for key, _ in work.state.batch("one", b"a", b"b")[0]] == [b"a", b"a\x00"]
    work.commit()
    assert [key for key, _ in contents(engine, "one")] == keys
    work = Work(engine)
    assert work.state.clear("one") == 5
    assert work.state.batch("one") == ([], None)
    assert work.state.get("on", b"e") == 1
    work.commit()
    assert contents(engine, "one") == []
    assert contents(engine, "one2") == [(b"e", 2)]


@pytest.mark.parametrize("name", ["", "a\0b"])
def test_a_name_that_would_run_into_its_keys_is_refused(engine: Engine, name: str) -> None:
    with pytest.raises(InvalidParameterValue):
        Work(engine).state.get(name, b"")


def test_batches_go_on_where_they_ended(engine: Engine) -> None:
    work = Work(engine)
    for number in range(100):
        work.state.set("n", number.to_bytes(2, "big"), number)
    merge_at_once(work.branch, work.parent)
    found: list[object] = []
    after: bytes | None = None
    while True:
        batch, after = work.state.batch("n", after=after, n=7)
        found += [value for _, value in batch]
        if after is None:
            break
    assert found == list(range(100))


def test_branches_that_write_one_key_of_a_node_overlap(engine: Engine) -> None:
    parent = engine.manager.begin("snapshot", take_snapshot=True)
    states = []
    for node in ("n", "m", "n"):
        branch = FlowTransaction(parent)
        branch_state(engine, POSTGRES, branch).set(node, b"k", 1)
        states.append(branch)
    merge_at_once(states[0], parent)
    merge_at_once(states[1], parent)
    with pytest.raises(BranchOverlap, match='branch "3" overlaps branch "1"'):
        merge_at_once(states[2], parent)
    parent.rollback()


@pytest.mark.parametrize("ending", ["kill", "stop", "checkpoint", "checkpoint, then kill"])
def test_state_outlives_the_process(tmp_path: Path, ending: str) -> None:
    database = DurableSqlDatabase(tmp_path / "a")
    for round_ in range(2):
        work = Work(database.engine)
        for number, value in enumerate(VALUES):
            work.state.set("n", bytes([round_, number]), value)
        work.commit()
        database.flush()
        assert work.parent.state == "committed"
        if "checkpoint" in ending and round_ == 0:
            database.checkpoint()
    Work(database.engine).state.set("n", b"never merged", 1)
    lost = Work(database.engine)
    lost.state.set("n", b"never committed", 1)
    merge_at_once(lost.branch, lost.parent)
    directory = tmp_path / "a"
    if "kill" in ending:
        directory = database.copy(tmp_path / "b")
    database.close()
    again = DurableSqlDatabase(directory)
    expected = [(bytes([r, n]), value) for r in range(2) for n, value in enumerate(VALUES)]
    assert contents(again.engine, "n") == expected
    again.close()


def test_nobody_sees_the_table() -> None:
    database = SqlDatabase()
    counts = [
        f"SELECT count(*) FROM {name}" for name in ("pg_class", "pg_attribute", "pg_depend", "pg_index")
    ]
    before = [database.rows(text) for text in counts]
    engine = database.engine
    subscription = engine.manager.subscribe(None)
    since = subscription.position
    work = Work(engine)
    work.state.set("n", b"k", 1)
    work.commit()
    assert engine.manager.published > since
    assert [database.rows(text) for text in counts] == before
    assert database.rows(f"SELECT * FROM skerry.changes({since})") == []
    engine.close()
