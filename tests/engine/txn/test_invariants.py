"""Whatever the interleaving: no child without its parent, no key twice, nothing left behind.

Unlike test_model.py this does not know what each statement must give, only what must never be: so it can
afford referential actions, deferred constraints, upserts and row locks.
"""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kernel_script import KernelDatabase
from stepper import Stepper

from skerry_engine.storage.heap import Row

parents = st.integers(1, 3).map(str)
children = st.integers(10, 13).map(str)
references = st.one_of(parents, parents, st.just("null"))
operations = st.one_of(
    parents.map("insert p {}".format),
    parents.map("delete p {}".format),
    parents.map("delete p {}".format),
    st.tuples(parents, parents).map(lambda pair: "update p {} id={}".format(*pair)),
    st.tuples(children, references).map(lambda pair: "insert c {} {}".format(*pair)),
    st.tuples(children, references).map(lambda pair: "update c {} p={}".format(*pair)),
    st.tuples(children, references).map(lambda pair: "upsert c {} {}".format(*pair)),
    children.map("delete c {}".format),
    st.tuples(parents, st.sampled_from(["key share", "update", "share skip"])).map(
        "lock p {0[0]} {0[1]}".format
    ),
    st.just("scan c"),
    st.sampled_from(["commit", "commit", "rollback", "savepoint s", "rollback to s", "gc"]),
)
levels = st.sampled_from(["", "begin", "begin", "begin snapshot", "begin snapshot"])
schedules = st.lists(st.tuples(st.sampled_from("ABC"), levels, operations), min_size=15, max_size=50)
actions = st.sampled_from(
    [
        "",
        "deferred",
        "on delete cascade on update cascade",
        "on delete set null on update set null",
        "on delete cascade on update set null",
        "on delete restrict",
    ]
)


def rows_of(database: KernelDatabase, name: str) -> list[Row]:
    storage = database.tables[name].storage
    slots = [storage.heap.slot(row_id) for row_id in range(storage.next_row_id)]
    assert all(slot is None or isinstance(slot, tuple) for slot in slots), "everything is frozen"
    return [slot for slot in slots if isinstance(slot, tuple)]


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(schedules, actions, st.booleans())
def test_no_interleaving_breaks_a_constraint(
    schedule: list[tuple[str, str, str]], action: str, has_index: bool
) -> None:
    database = KernelDatabase(gc_interval_commits=2)
    database.create_table(["p", "id"])
    database.create_table(["c", "id", "p", *(["index", "p"] if has_index else [])])
    database.create_reference(["c.p", "p", *action.split()])
    stepper = Stepper(database.open_session)
    for command in ("insert p 1 2 3", "insert c 10 1"):
        stepper.run("A", command)
    open_blocks: set[str] = set()
    for session, level, operation in schedule:
        if session in stepper.waiting():
            continue
        verb = operation.split()[0]
        if session not in open_blocks and level and verb not in ("commit", "rollback", "savepoint"):
            stepper.run(session, level)
            open_blocks.add(session)
        if session not in open_blocks and verb in ("commit", "rollback", "savepoint"):
            continue
        if operation in ("commit", "rollback"):
            open_blocks.discard(session)
        stepper.run(session, operation)
    for _ in range(4):
        for session in sorted(open_blocks - set(stepper.waiting())):
            stepper.run(session, "commit")
            open_blocks.discard(session)
    check(database, stepper)


def check(database: KernelDatabase, stepper: Stepper) -> None:
    manager = database.manager
    assert not stepper.waiting() and not manager.active and not manager.readers
    assert not list(manager.locks.all_locks())
    manager.gc()
    keys = {row[0] for row in rows_of(database, "p")}
    for name in ("p", "c"):
        table = database.tables[name]
        rows = rows_of(database, name)
        assert len({row[0] for row in rows}) == len(rows) == table.storage.row_count
        for index in table.indexes.values():
            assert len(index.ordered) == len(rows)
    for row in rows_of(database, "c"):
        assert row[1] is None or row[1] in keys, f"{row} has no parent in {keys}"
