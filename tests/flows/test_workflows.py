"""Workflows given as data: what is refused when they are built, what runners agree on, what nodes and filters mean."""

from __future__ import annotations

import asyncio
import itertools
import random
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from support.builds import this_builds, with_our_own
from support.shop import MODELS, Inventory, User, statements

from skerry import flow
from skerry.flow import FlowError, WorkflowError
from skerry.flow.workflows import Model, WorkflowBuilder, reflect, reflect_async
from skerry.flow.workflows.filters import render
from skerry_engine.errors import InterfaceError, SerializationFailure

Worlds = Callable[[str, bool], Any]
DIALECTS = ("skerry-embedded", "postgres-psycopg", "sqlite-sqlite3")


@pytest.fixture(params=with_our_own(DIALECTS, ["skerry"]))
def db(request: pytest.FixtureRequest, worlds: Worlds) -> Iterator[flow.FlowDatabase]:
    """A database of each dialect, with empty tables."""
    found: flow.FlowDatabase = worlds(request.param, False).db
    for text in statements(found.dialect):
        found.execute(text)
    yield found
    assert found.in_use == 0


def stock(db: flow.FlowDatabase) -> list[tuple[Any, ...]]:
    """What there is in inventory."""
    return db.execute("SELECT * FROM inventory ORDER BY product_id").fetchall()


# --- what can't be built ----------------------------------------------------------------------------------------

Node = tuple[Any, ...]
USER = ("UserCreateNode", "user", {"name": "Ann"})
SCOPE = ("TransactionScopeNode", "tx", {})
COMMIT = ("TransactionCommitNode", "commit", {})


def _stock(kind: str, **parameters: object) -> Node:
    return (f"Inventory{kind}Node", "node", parameters)


NESTED: list[object] = []
for _ in range(5000):
    NESTED = [NESTED]

WRONG: list[tuple[str, list[Node], list[tuple[str, str, str, str]], str]] = [
    ("cycle", [USER, ("UserCreateNode", "b", {"name": "${user.name}"})], [("b", "name", "user", "name")],
     r"node user: a cycle: user -> b -> user"),
    ("cycle of one", [("UserCreateNode", "user", {"name": "${user.name}"})], [], "node user: a cycle: user -> user"),
    ("no such node", [("UserCreateNode", "user", {"name": "${nobody.name}"})], [],
     r"node user, field values: \$\{nobody.name\} refers to a node that is not there"),
    ("no such output", [USER, ("UserCreateNode", "b", {"name": "${user.nam}"})], [],
     r"node b, field values: \$\{user.nam\} can't be resolved: user gives no nam"),
    ("when of nobody", [(*USER, "${nobody.x}")], [], r"node user, field when: .*not there"),
    ("no reference", [("UserCreateNode", "user", {"name": "${user}"})], [], "node user, field values?: .*not a reference"),
    ("not closed", [("UserCreateNode", "user", {"name": "${user.id"})], [], "node user, field values: .*without its }"),
    ("from nobody", [USER], [("nobody", "id", "user", "name")], "node nobody, field id: .*not there"),
    ("to nobody", [USER], [("user", "id", "nobody", "name")], "node nobody, field name: .*not there"),
    ("from no output", [USER, ("UserCreateNode", "b", {})], [("user", "x", "b", "name")], "field values: .*user gives no x"),
    ("order from no output", [USER, SCOPE, COMMIT], [("user", "x", "commit", "input")], "node user, field x: "),
    ("to no input", [USER, ("UserCreateNode", "b", {"name": "B"})], [("user", "id", "b", "age")],
     "node b, field age: no such parameter"),
    ("two into one", [USER, ("UserCreateNode", "b", {})], [("user", "id", "b", "name"), ("user", "name", "b", "name")],
     "node b, field name: two connections"),
    ("into control", [USER, SCOPE, COMMIT], [("user", "id", "commit", "scope")], "node commit, field scope: "),
    ("scope without end", [SCOPE, USER], [], "node tx: the scope has no end"),
    ("end without scope", [USER, COMMIT], [], "node commit: there is no scope"),
    ("end of nobody", [SCOPE, ("TransactionCommitNode", "commit", {"scope": "x"})], [], "node commit, field scope: 'x' is not"),
    ("overlap", [SCOPE, ("TransactionScopeNode", "t2", {}), USER, ("TransactionCommitNode", "commit", {"scope": "tx"}), ("TransactionCommitNode", "c2", {"scope": "t2"})],
     [("tx", "result", "user", "input"), ("t2", "result", "user", "input"), ("user", "id", "commit", "input"),
      ("user", "id", "c2", "input")], "node [a-z0-9]+: it lies in scopes t2 and tx, which overlap"),
    ("ends in a row", [SCOPE, ("TransactionCommitNode", "commit", {"scope": "tx"}), ("TransactionCommitNode", "c2", {"scope": "tx"})], [("commit", "result", "c2", "input")],
     "node c2: another end of scope tx comes before it"),
    ("level", [("TransactionScopeNode", "tx", {"isolation_level": "BANANA"}), COMMIT], [],
     "node tx, field isolation_level: .*'BANANA'"),
    ("timeout", [("TransactionScopeNode", "tx", {"timeout": -1}), COMMIT], [], "node tx, field timeout: "),
    ("timeout of text", [("TransactionScopeNode", "tx", {"timeout": "soon"}), COMMIT], [], "node tx, field timeout: "),
    ("rollback_on_error", [("TransactionScopeNode", "tx", {"rollback_on_error": "no"}), COMMIT], [],
     "node tx, field rollback_on_error: "),
    ("unknown of scope", [("TransactionScopeNode", "tx", {"level": "x"}), COMMIT], [], "node tx, field level: no such"),
    ("late level", [("TransactionScopeNode", "tx", {"isolation_level": "${inputs.x}"}), COMMIT], [],
     "node tx, field isolation_level: it must be known"),
    ("savepoint outside", [("TransactionSavepointNode", "s", {})], [], "node s: a savepoint outside"),
    ("back to nothing", [SCOPE, ("TransactionRollbackToSavepointNode", "s", {"savepoint": "x"}), COMMIT], [],
     "node s, field savepoint: 'x' is not"),
    ("no such kind", [("UserInventNode", "x", {})], [], "node x: there is no kind of node 'UserInventNode'"),
    ("no such model", [("PersonCreateNode", "x", {})], [], "node x: there is no kind of node"),
    ("twice", [USER, USER], [], "node user: there are two"),
    ("id", [("UserCreateNode", "a-b", {"name": "x"})], [], "'a-b' can't be a node's id"),
    ("id of inputs", [("UserCreateNode", "inputs", {"name": "x"})], [], "'inputs' can't be"),
    ("no column", [("UserCreateNode", "user", {"name": "x", "age": 3})], [], "node user, field age: no such parameter"),
    ("nothing for a column", [("UserCreateNode", "user", {"email": "x"})], [], "node user, field values: User.name has no value"),
    ("two rows", [_stock("Update", filter={"label": "x"}, fields={"label": "y"})], [], "node node, field filter: one row"),
    ("a range of rows", [_stock("Delete", filter={"product_id": {"$gt": 1}})], [], "node node, field filter: one row"),
    ("all rows unsaid", [_stock("BulkDelete")], [], "node node, field filter: it must be given"),
    ("nothing to change", [_stock("BulkUpdate", filter={}, fields={})], [], "node node, field fields: there is nothing"),
    ("what to change", [_stock("BulkUpdate", filter={})], [], "node node, field fields: it must be given"),
    ("operator", [_stock("List", filter={"label": {"$regex": "x"}})], [], r"node node, field filter: .*'\$regex'"),
    ("start", [_stock("List", filter={"$nor": []})], [], r"node node, field filter: .*\$nor"),
    ("column of a filter", [_stock("List", filter={"$or": [{"lable": 1}]})], [], "node node, field filter: .*'lable'"),
    ("in of one", [_stock("List", filter={"label": {"$in": "x"}})], [], r"node node, field filter: .*\$in takes a list"),
    ("exists of text", [_stock("List", filter={"label": {"$exists": "x"}})], [], "node node, field filter: .*true or false"),
    ("pattern", [_stock("List", filter={"label": {"$like": "x\\"}})], [], "node node, field filter: .*escape"),
    ("order", [_stock("List", order_by="-x")], [], "node node, field order_by: .*'x'"),
    ("limit", [_stock("List", limit=-1)], [], "node node, field limit: "),
    ("batch", [_stock("BulkCreate", data=[], batch_size=0)], [], "node node, field batch_size: "),
    ("conflict", [_stock("BulkCreate", data=[], on_conflict="hope")], [], "node node, field on_conflict: .*'hope'"),
    ("row of data", [_stock("BulkCreate", data=[{"product": 1}])], [], "node node, field .*'product'"),
    ("column of an expression", [_stock("BulkUpdate", filter={}, fields={"quantity": "${quantity - x}"})], [],
     "node node, field fields: .*x is neither a column of Inventory"),
    ("expression", [_stock("BulkUpdate", filter={}, fields={"quantity": "${quantity -}"})], [], "node node, field fields: .*its end"),
    ("function", [_stock("BulkUpdate", filter={}, fields={"quantity": "${pg_sleep(9)}"})], [], r"field fields: .*'pg_sleep\('"),
    ("SQL in it", [_stock("BulkUpdate", filter={}, fields={"quantity": "${1; DROP TABLE x}"})], [], "field fields: .*'; DROP"),
    ("excluded", [_stock("BulkUpdate", filter={}, fields={"quantity": "${excluded.quantity + 1}"})], [], "field fields: .*upserts"),
    ("function's inputs", [(lambda a: a, "f", {"b": 1})], [], "node f, field the function's inputs|node f, .*inputs: .*argument"),
    ("depth", [(lambda a: a, "f", {"a": [NESTED]})], [], "node f: a parameter is nested too deeply"),
    ("parentheses", [_stock("BulkUpdate", filter={}, fields={"quantity": "${" + "(" * 3000 + "}"})], [], "nested too deeply"),
    ("statement", [("SQLNode", "s", {"statement": "SELECT ${inputs.x}"})], [], "node s, field statement: "),
]  # fmt: skip


@pytest.mark.parametrize(
    ("nodes", "connections", "message"), [each[1:] for each in WRONG], ids=[each[0] for each in WRONG]
)
def test_what_can_not_be_built_says_which_node_and_field(
    nodes: list[Node], connections: list[tuple[str, str, str, str]], message: str
) -> None:
    """F002, before anything runs."""
    with pytest.raises(WorkflowError, match=message) as caught:
        built(nodes, connections)
    assert caught.value.code == "F002"


def built(nodes: list[Node], connections: list[tuple[str, str, str, str]]) -> Any:
    """A workflow from tuples: kind, id, parameters, and maybe a condition."""
    work = WorkflowBuilder(models=[*MODELS, Inventory])
    for kind, name, parameters, *when in nodes:
        work.add_node(kind, name, parameters, when=when[0] if when else None)
    for each in connections:
        work.add_connection(*each)
    return work.build()


def test_scopes_take_what_is_downstream_or_was_added_between_start_and_end() -> None:
    """As the seed writes it: with connections, or without any."""
    connected = built(
        [COMMIT, ("UserCreateNode", "aside", {"name": "x"}), USER, SCOPE],
        [("tx", "result", "user", "input"), ("user", "id", "commit", "input")],
    )
    assert connected.outline().splitlines() == [
        "workflow workflow",
        "level 0",
        "  aside: UserCreateNode",
        "  tx: transaction, read committed",
        "    user: UserCreateNode",
        "    commit: TransactionCommitNode",
    ]
    order = ("OrderCreateNode", "order", {"user_id": "${before.id}", "total": 1})
    after = ("OrderCreateNode", "after", {"user_id": "${order.id}", "total": 1}, "${order.id}")
    plain = built([("UserCreateNode", "before", {"name": "x"}), SCOPE, USER, order, COMMIT, after], [])
    assert plain.outline().splitlines()[1:] == [
        "level 0",
        "  before: UserCreateNode",
        "level 1",
        "  tx: transaction, read committed",
        "    user: UserCreateNode",
        "    order: OrderCreateNode",
        "    after: OrderCreateNode (on a condition)",
        "    commit: TransactionCommitNode",
    ]


def test_scopes_that_are_not_connected_stay_apart() -> None:
    """Also where their nodes were added in turn."""
    nodes: list[Node] = [("TransactionScopeNode", "t1", {}), ("TransactionScopeNode", "t2", {})]
    nodes += [("UserCreateNode", f"u{n}", {"name": "x"}) for n in (1, 2)]
    nodes += [("TransactionCommitNode", f"c{n}", {}) for n in (1, 2)]
    connections = [(f"t{n}", "result", f"u{n}", "input") for n in (1, 2)]
    connections += [(f"u{n}", "id", f"c{n}", "input") for n in (1, 2)]
    assert [[node.start.id for node in level] for level in built(nodes, connections).levels] == [["t1", "t2"]]


# --- runners ----------------------------------------------------------------------------------------------------


def test_a12_both_runners_leave_the_same_behind(worlds: Worlds, runner: asyncio.Runner) -> None:
    """Random workflows, many of which fail: results, errors and tables are the same."""
    blocking, aio = worlds("skerry-embedded", False).db, worlds("skerry-embedded", True).db
    outcomes = {"failed": 0, "done": 0}
    for seed in this_builds(range(80)):
        for text in statements("skerry"):
            blocking.execute(text)
            runner.run(aio.execute(text))
        for row in range(0, 70, 10):  # each unit has one that is there already
            blocking.execute("INSERT INTO inventory VALUES (%s, 1)", [row])
            runner.run(aio.execute("INSERT INTO inventory VALUES (%s, 1)", [row]))
        workflow = random_workflow(random.Random(seed))
        one = outcome(partial(workflow.run, blocking, {"no": False}))
        other = outcome(lambda workflow=workflow: runner.run(workflow.run_async(aio, {"no": False})))  # type: ignore[misc]
        assert one == other, seed
        left = runner.run(aio.execute("SELECT * FROM inventory ORDER BY product_id")).fetchall()
        assert stock(blocking) == left, seed
        assert blocking.in_use == aio.in_use == 0
        outcomes["failed" if isinstance(one, tuple) else "done"] += 1
    assert min(outcomes.values()) > 3, outcomes


def outcome(run: Callable[[], Any]) -> object:
    """What a run gives, or how it fails."""
    try:
        return dict(run())
    except FlowError as problem:
        return problem.stage, str(problem), problem.__notes__ if hasattr(problem, "__notes__") else []


def random_workflow(draw: random.Random) -> Any:
    """Rows that may be there already, changes of them, functions that may fail; in scopes, within scopes.  What runs at
    the same time does not touch the same rows: each unit has ten of its own."""
    work = WorkflowBuilder("random", models=[Inventory])
    names: list[str] = []
    scopes = itertools.count()

    def some_function(row: int) -> dict[str, int]:
        if row % 10 == 5:
            raise ValueError(f"not {row}")
        return {"product_id": row}

    def add_scope(unit: int, depth: int) -> None:
        scope = f"t{next(scopes)}"
        work.add_node("TransactionScopeNode", scope)
        for _ in range(draw.randrange(1, 5)):
            add(unit, depth + 1)
        end = draw.choice(["Commit", "Commit", "Rollback"])
        work.add_node(f"Transaction{end}Node", f"end_{scope}", {"scope": scope})

    def add(unit: int, depth: int) -> None:
        kind = draw.randrange(8)
        if kind < 2 and depth < 2:
            return add_scope(unit, depth)
        name = f"n{len(names)}"
        key = unit * 10 + draw.randrange(7)
        earlier = f"${{{draw.choice(names)}.product_id}}" if names and draw.random() < 0.5 else key
        when = "${inputs.no}" if draw.random() < 0.1 else None
        if kind < 5:
            values = {"product_id": key, "quantity": earlier}
            work.create(Inventory, id=name, values=values, when=when)
        elif kind == 5:
            work.add_node(some_function, name, {"row": earlier}, when=when)
        else:
            changes = {"product_id": key, "fields": {"quantity": "${quantity + 1}"}}
            work.add_node("InventoryUpdateNode", name, changes)
        names.append(name)

    work.call(lambda no: no, id="first", inputs={"no": "${inputs.no}"})
    for unit in range(draw.randrange(2, 7)):
        add(unit, 0)
    return work.build()


def test_a13_the_async_runner_runs_independent_nodes_and_scopes_at_the_same_time(
    worlds: Worlds, runner: asyncio.Runner
) -> None:
    """Two that wait for each other; by itself that is no transaction."""
    db = worlds("skerry-embedded", True).db
    for text in (*statements("skerry"), "INSERT INTO users (name, email) VALUES ('y', 'b@')"):
        runner.run(db.execute(text))

    async def run() -> Any:
        met = asyncio.Barrier(4)

        async def meet() -> str:
            async with asyncio.timeout(20):
                await met.wait()
            return "met"

        work = WorkflowBuilder(models=[User])
        for name in ("a", "b"):
            work.call(meet, id=name)
            with work.transaction(f"t{name}"):
                work.create(User, id=f"user_{name}", values={"name": name})
                work.call(meet, id=f"in_{name}")
            work.create(User, id=f"bad_{name}", values={"name": "x", "email": f"{name}@"})
        for name in ("ta", "tb"):
            assert name in work.build().outline()
        return await work.build().run_async(db)

    with pytest.raises(FlowError, match="bad_b"):
        runner.run(run())
    rows = runner.run(db.execute("SELECT name FROM users ORDER BY name")).fetchall()
    assert rows == [("a",), ("b",), ("x",), ("y",)] and db.in_use == 0


def test_a_cancelled_run_rolls_back(worlds: Worlds, runner: asyncio.Runner) -> None:
    """All of its scopes; the pool is full again."""
    db = worlds("skerry-embedded", True).db
    for text in statements("skerry"):
        runner.run(db.execute(text))

    async def run() -> None:
        async def forever() -> None:
            waiting.set()
            await asyncio.sleep(60)

        work = WorkflowBuilder(models=[User])
        for name in ("a", "b"):
            with work.transaction(f"t{name}"):
                work.create(User, id=f"user_{name}", values={"name": name})
                work.call(forever, id=f"in_{name}")
        waiting = asyncio.Event()
        task = asyncio.ensure_future(work.build().run_async(db))
        await waiting.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert db.in_use == 0
        assert (await db.execute("SELECT * FROM users")).fetchall() == []

    runner.run(run())


def test_a9_a_deadline_is_heard_even_where_a_function_has_blocked_the_event_loop(
    worlds: Worlds, runner: asyncio.Runner
) -> None:
    """The alarm comes late then; the commit looks at the clock."""
    db = worlds("skerry-embedded", True).db
    for text in statements("skerry"):
        runner.run(db.execute(text))
    work = WorkflowBuilder(models=[User])
    with work.transaction(timeout=0.05):
        work.create(User, id="user", values={"name": "x"})
        work.call(partial(time.sleep, 0.1), id="blocks")
    with pytest.raises(FlowError, match="tx_commit: TransactionTimeout"):
        runner.run(work.build().run_async(db))
    assert db.in_use == 0 and runner.run(db.execute("SELECT * FROM users")).fetchall() == []


def test_a_function_of_asyncio_is_refused_by_the_blocking_runner(db: flow.FlowDatabase) -> None:
    """Before anything runs."""

    async def wait() -> None:
        """Nothing."""

    work = WorkflowBuilder(models=[User])
    work.create(User, id="user", values={"name": "x"})
    work.call(wait, id="wait")
    with pytest.raises(InterfaceError, match="node wait is a coroutine"):
        work.build().run(db)
    assert db.execute("SELECT * FROM users").fetchall() == []


def test_databases_of_the_other_world_are_refused(worlds: Worlds, runner: asyncio.Runner) -> None:
    """And what is no database."""
    workflow = built([USER], [])
    with pytest.raises(InterfaceError, match="a FlowDatabase is needed, not AsyncFlowDatabase"):
        workflow.run(worlds("skerry-embedded", True).db)
    for wrong in (worlds("skerry-embedded", False).db, None):
        with pytest.raises(InterfaceError, match="a AsyncFlowDatabase is needed"):
            runner.run(workflow.run_async(wrong))


def test_a_retried_scope_runs_again_as_a_whole(db: flow.FlowDatabase) -> None:
    """After a retryable error; what the first attempt wrote is gone."""
    calls: list[int] = []

    def conflict() -> int:
        calls.append(1)
        if len(calls) < 3:
            raise SerializationFailure("try again")
        return len(calls)

    work = WorkflowBuilder(models=[Inventory])
    with work.transaction("tx", retries=2):
        work.create(Inventory, id="row", values={"product_id": 1})
        work.call(conflict, id="conflict")
    results = work.build().run(db)
    assert results["conflict"] == {"result": 3} and len(stock(db)) == 1
    assert results.report.stages["tx"].retries == 2
    calls.clear()
    db.execute("DELETE FROM inventory")
    work = WorkflowBuilder(models=[Inventory])
    with work.transaction("tx", retries=1):
        work.create(Inventory, id="row", values={"product_id": 1})
        work.call(conflict, id="conflict")
    with pytest.raises(FlowError, match="conflict"):
        work.build().run(db)
    assert stock(db) == []


def test_a_report_counts_by_node(db: flow.FlowDatabase) -> None:
    """Rows, commits, errors."""
    work = WorkflowBuilder("named", models=[Inventory])
    with work.transaction("tx"):
        work.bulk_create(Inventory, id="rows", data=[{"product_id": n} for n in range(5)])
    report = work.build().run(db).report
    assert report.flow == "named"
    assert (report.stages["rows"].calls, report.stages["rows"].rows) == (1, 5)
    assert report.stages["tx_commit"].commits == 1
    with pytest.raises(FlowError) as caught:
        work.build().run(db)
    failed = caught.value.report
    assert failed is not None and failed.stages["rows"].errors == 1 and failed.rollbacks == 1


# --- nodes ------------------------------------------------------------------------------------------------------


def test_each_kind_of_node_does_what_it_says(db: flow.FlowDatabase) -> None:
    """One row, and many."""
    work = WorkflowBuilder(models=[Inventory])
    rows = [{"product_id": n, "quantity": n % 3 or None, "label": "x" * n} for n in range(6)]
    made = work.bulk_create(Inventory, id="made", data=rows, return_records=True)
    work.read(Inventory, id="read", filter={"product_id": made["records[4].product_id"]})
    work.read(Inventory, id="nobody", filter={"product_id": 99})
    work.find(
        Inventory,
        id="found",
        filter={"quantity": {"$ne": 2}},
        order_by=["-quantity", "-label"],
        limit=3,
        offset=1,
    )
    work.find(Inventory, id="ordered", order_by="quantity", offset=1)
    for name in ("nobody", "found", "ordered"):
        work.add_connection("made", "result", name, "input")
    results = work.build().run(db)
    assert results["made"]["count"] == 6 and len(results["made"]["records"]) == 6
    assert results["read"] == {
        "found": True,
        "product_id": 4,
        "quantity": 1,
        "reserved": None,
        "label": "xxxx",
    }
    assert results["nobody"] == {"found": False}
    assert [row["product_id"] for row in results["found"]["records"]] == [1]
    assert [row["product_id"] for row in results["ordered"]["records"]] == [4, 2, 5, 0, 3]

    work = WorkflowBuilder(models=[Inventory])
    work.delete(Inventory, id="gone", filter={"product_id": 5})
    work.delete(Inventory, id="none", filter={"product_id": 99})
    work.update(Inventory, id="nothing", filter={"product_id": 99}, fields={"label": "y"})
    work.upsert(Inventory, id="new", values={"product_id": 9, "quantity": 5})
    work.upsert(Inventory, id="old", values={"product_id": 1, "label": "new"})
    work.upsert(
        Inventory,
        id="more",
        values={"product_id": 4, "quantity": 10},
        conflict_on="product_id",
        update={"quantity": "${quantity + excluded.quantity * 2}"},
    )
    work.bulk_update(
        Inventory, id="each", data=[{"product_id": 0, "label": "a"}, {"product_id": 2, "reserved": 1}]
    )
    results = work.build().run(db)
    assert results["gone"]["found"] and results["gone"]["label"] == "xxxxx"
    assert results["none"] == results["nothing"] == {"found": False}
    assert (
        results["new"]["quantity"] == 5
        and results["old"]["label"] == "new"
        and results["more"]["quantity"] == 21
    )
    assert results["each"] == {"count": 2}
    assert stock(db) == [
        (0, None, None, "a"),
        (1, 1, None, "new"),
        (2, 2, 1, "xx"),
        (3, None, None, "xxx"),
        (4, 21, None, "xxxx"),
        (9, 5, None, None),
    ]


def test_a_read_that_finds_several_rows_is_an_error(db: flow.FlowDatabase) -> None:
    """One was meant."""
    work = WorkflowBuilder(models=[Inventory])
    work.bulk_create(Inventory, id="made", data=[{"product_id": 1}, {"product_id": 2}])
    work.read(Inventory, id="read", filter={"label": None})
    work.add_connection("made", "count", "read", "input")
    with pytest.raises(FlowError, match=r"stage read: .*more than one"):
        work.build().run(db)


def test_rows_parameters_and_filters_may_come_from_other_nodes_whole(db: flow.FlowDatabase) -> None:
    """What they are is checked when they come, then."""
    work = WorkflowBuilder(models=[Inventory])
    work.bulk_create(Inventory, id="made", data="${inputs.rows}", on_conflict="${inputs.how}")
    work.find(Inventory, id="found", filter="${inputs.filter}", limit="${inputs.limit}")  # type: ignore[arg-type]
    work.add_connection("made", "result", "found", "input")
    workflow = work.build()
    given: dict[str, Any] = {
        "rows": [{"product_id": 1}],
        "how": "error",
        "filter": {"label": None},
        "limit": 5,
    }
    assert workflow.run(db, given)["found"]["count"] == 1
    for name, wrong in (("rows", [{"x": 1}]), ("how", "x"), ("rows", {"product_id": 2}), ("rows", "x")):
        with pytest.raises(FlowError, match="stage made: WorkflowError"):
            workflow.run(db, {**given, name: wrong})
    for name, wrong in (
        ("filter", {"x": 1}),
        ("filter", {"label": {"$x": 1}}),
        ("limit", "1; DROP TABLE users"),
    ):
        with pytest.raises(FlowError, match="stage found: WorkflowError"):
            workflow.run(db, {**given, "how": "skip", name: wrong})
    assert len(stock(db)) == 1


def test_workflows_come_from_plain_data(db: flow.FlowDatabase) -> None:
    """As JSON has it."""
    document = {
        "name": "signup",
        "nodes": [
            {"type": "UserCreateNode", "id": "user", "parameters": {"name": "${inputs.name}"}},
            {"type": "OrderCreateNode", "id": "order", "parameters": {"total": 3}},
        ],
        "connections": [{"source": "user", "output": "id", "target": "order", "input": "user_id"}],
    }
    results = WorkflowBuilder.from_data(document, MODELS).build().run(db, {"name": "Ann"})
    assert results["order"]["user_id"] == results["user"]["id"]
    with pytest.raises(WorkflowError, match="lacks 'id'"):
        WorkflowBuilder.from_data({"nodes": [{"type": "UserCreateNode"}]})


def test_a_built_workflow_does_not_change_and_many_threads_may_run_it(db: flow.FlowDatabase) -> None:
    """What the author's objects become, and what functions do to their inputs, does not reach it."""
    row: dict[str, Any] = {"product_id": 1, "label": "a"}

    def spoil(data: list[Any]) -> int:
        data.append(1)
        return len(data)

    work = WorkflowBuilder(models=[Inventory])
    work.bulk_create(Inventory, id="rows", data=[row], on_conflict="skip")
    work.call(spoil, id="spoil", inputs={"data": [0]})
    workflow = work.build()
    row["label"] = "b"
    work.create(Inventory, id="another", values={"product_id": 2})
    assert [workflow.run(db)["spoil"]["result"] for _ in range(3)] == [2, 2, 2]
    assert stock(db) == [(1, None, None, "a")]


# --- models -----------------------------------------------------------------------------------------------------


class Base(DeclarativeBase):
    """Of the declarative class here."""


class Thing(Base):
    """With defaults of its own."""

    __tablename__ = "workflow_things"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    price: Mapped[Decimal] = mapped_column(sa.Numeric(10, 2), default=Decimal("1.50"))
    made: Mapped[date | None]
    seen: Mapped[datetime | None]
    is_new: Mapped[bool] = mapped_column(default=lambda: True)
    code: Mapped[UUID | None] = mapped_column(sa.Uuid())
    more: Mapped[dict[str, Any] | None] = mapped_column(sa.JSON)


@dataclass
class DataThing:
    """The same as a dataclass."""

    __tablename__ = "workflow_things"
    name: str
    price: Decimal = Decimal("1.50")
    made: date | None = None
    seen: datetime | None = None
    is_new: bool = field(default_factory=lambda: True)
    code: UUID | None = None
    more: dict[str, Any] | None = None
    id: int | None = None


THINGS = {
    "sqlite": "id INTEGER PRIMARY KEY, name VARCHAR NOT NULL, price NUMERIC(10,2) NOT NULL, made DATE,"
    " seen DATETIME, is_new BOOLEAN NOT NULL, code UUID, more JSON",
    "": "id integer GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, name varchar NOT NULL, price numeric(10,2) NOT NULL,"
    " made date, seen timestamp, is_new boolean NOT NULL, code uuid, more jsonb",
}
VALUES = {
    "name": "a",
    "price": Decimal("2.25"),
    "made": date(2026, 1, 2),
    "seen": datetime(2026, 1, 2, 3, 4, 5, 600),
    "is_new": False,
    "code": UUID(int=7),
    "more": {"a": [1, None, {"b": "c"}]},
}


def test_models_of_all_sources_store_and_give_the_same_values(db: flow.FlowDatabase) -> None:
    """A declarative class, its table, a dataclass, and the table that is there; with Python's types in all."""
    db.execute("DROP TABLE IF EXISTS workflow_things")
    db.execute(f"CREATE TABLE workflow_things ({THINGS.get(db.dialect, THINGS[''])})")
    reflected = reflect(db, "workflow_things", name="Reflected")
    models: list[Any] = [Thing, Model.of(Thing.__table__, "Table"), DataThing, reflected]
    for number, model in enumerate(models):
        work = WorkflowBuilder()
        known = work.register(model)
        assert known.key == ("id",) and [each.name for each in known.columns if each.is_required] == (
            ["name", "price", "is_new"] if model is reflected else ["name"]
        )
        work.create(model, id="full", values=VALUES)
        rest = {"price": 2, "is_new": True} if model is reflected else {}
        work.create(model, id="bare", values={"name": "b", **rest})
        work.find(model, id="found", filter={key: each for key, each in VALUES.items() if key != "more"})
        work.add_connection("full", "result", "found", "input")
        results = work.build().run(db)
        assert {**VALUES, "id": results["full"]["id"]} == results["full"]
        assert [type(results["full"][key]) for key in VALUES] == [type(each) for each in VALUES.values()]
        assert results["bare"]["is_new"] is True
        assert results["bare"]["price"] == (2 if model is reflected else Decimal("1.50"))
        assert results["found"]["count"] == number + 1
        assert results["found"]["records"][-1] == results["full"]
    with pytest.raises(WorkflowError, match="no table 'nowhere'"):
        reflect(db, "nowhere")
    db.execute("DROP TABLE workflow_things")


def test_asyncio_reflects_the_same(worlds: Worlds, runner: asyncio.Runner) -> None:
    """The twin."""
    db = worlds("skerry-embedded", True).db
    for text in statements("skerry"):
        runner.run(db.execute(text))
    model = runner.run(reflect_async(db, "inventory"))
    assert (model.name, model.names, model.key) == (
        "Inventory",
        ("product_id", "quantity", "reserved", "label"),
        ("product_id",),
    )


@pytest.mark.parametrize("source", [int, 3, "users", object()])
def test_what_is_no_model_is_refused(source: object) -> None:
    """By name."""
    with pytest.raises(WorkflowError, match="a model can't be made of"):
        WorkflowBuilder(models=[source])


# --- names and values that would like to be SQL -----------------------------------------------------------------

EVIL = [
    "'; DROP TABLE users; --",
    '"',
    "%s",
    "%(x)s",
    "%",
    "\\",
    "${user.id}",
    "$1",
    "?",
    ":p1",
    "\x07",
    "''",
    "{}",
]


def test_values_never_become_sql(db: flow.FlowDatabase) -> None:
    """They come back as they were."""
    inputs: dict[str, object] = {}
    work = WorkflowBuilder(models=[Inventory])
    work.bulk_create(Inventory, id="rows", data="${inputs.rows}")
    for number, text in enumerate(EVIL):
        for operator in ("$eq", "$in", "$like"):
            like = re.sub(r"([%_\\])", r"\\\1", text)
            value: object = {"$eq": text, "$in": [text], "$like": like}[operator]
            name = f"find_{number}_{operator[1:]}"
            work.find(Inventory, id=name, filter={"label": {operator: f"${{inputs.{name}}}"}})
            work.add_connection("rows", "count", name, "input")
            inputs[name] = value
    rows = [{"product_id": number, "label": text} for number, text in enumerate(EVIL)]
    results = work.build().run(db, {"rows": rows, **inputs})
    for name, found in results.items():
        if name != "rows":
            assert [row["product_id"] for row in found["records"]] == [int(name.split("_")[1])], name
    assert [row[3] for row in stock(db)] == EVIL
    assert db.execute("SELECT count(*) FROM users").scalar() == 0


def test_names_never_become_sql(db: flow.FlowDatabase) -> None:
    """Unknown ones are refused, and odd ones of a model quoted."""
    for name in ('quantity" = 1; --', "quantity = 1 OR 1", "rowid", "product_id) OR (1=1"):
        for given in ({name: 1}, {"$or": [{name: {"$in": [1]}}]}):
            with pytest.raises(WorkflowError, match="has no column"):
                render(given, Model.of(Inventory), db.dialect)
    odd = 'a "b" 100%s; --'
    db.execute("DROP TABLE IF EXISTS " + '"odd %t"')
    db.execute('CREATE TABLE "odd %t" (id integer PRIMARY KEY, "' + odd.replace('"', '""') + '" text)')
    model = reflect(db, "odd %t", name="Odd")
    work = WorkflowBuilder(models=[model])
    work.create(model, id="one", values={"id": 1, odd: "x"})
    work.upsert(model, id="two", values={"id": 1, odd: "y"})
    work.update(model, id="three", filter={"id": 1, odd: "y"}, fields={odd: "z"})
    work.find(model, id="four", filter={odd: {"$like": "z%"}}, order_by=f"-{odd}")
    for first, then in (("one", "two"), ("two", "three"), ("three", "four")):
        work.add_connection(first, "result", then, "input")
    assert work.build().run(db)["four"]["records"] == [{"id": 1, odd: "z"}]
    db.execute('DROP TABLE "odd %t"')


# --- filters ----------------------------------------------------------------------------------------------------

COLUMNS = {
    "n": [None, -1, 0, 1, 2, 3],
    "t": [None, "", "a", "A", "ab", "a%b", "a_b", "[a]", "*", "a\\b", "?"],
}
PATTERNS = ["%", "a%", "%b", "a_b", "_", "A%", "a\\%b", "a\\_b", "[a]", "*", "?", "a\\\\b", "%[%", "", "\\a%"]


def matches(filter: Mapping[str, Any], row: Mapping[str, Any]) -> bool:
    """What a filter means."""
    return all(_holds(key, value, row) for key, value in filter.items())


def _holds(key: str, value: Any, row: Mapping[str, Any]) -> bool:
    if key == "$and":
        return all(matches(each, row) for each in value)
    if key == "$or":
        return any(matches(each, row) for each in value)
    tests = value if isinstance(value, dict) else {"$eq": value}
    return all(_test(operator, row[key], operand) for operator, operand in tests.items())


def _test(operator: str, found: Any, operand: Any) -> bool:
    if operator in ("$exists", "$null"):
        return (found is None) == (operand is (operator == "$null"))
    if operator == "$eq" and operand is None:
        return found is None
    if operator == "$in" and found is None:
        return None in operand
    if found is None or (operand is None and operator != "$ne"):
        return False
    simple: dict[str, Callable[[], bool]] = {
        "$eq": lambda: found == operand,
        "$ne": lambda: found != operand,
        "$gt": lambda: found > operand,
        "$gte": lambda: found >= operand,
        "$lt": lambda: found < operand,
        "$lte": lambda: found <= operand,
        "$in": lambda: found in operand,
        "$nin": lambda: found not in operand,
        "$like": lambda: _like(operand).fullmatch(found) is not None,
    }
    return simple[operator]()


def _like(pattern: str) -> re.Pattern[str]:
    parts = re.findall(r"\\.|[^\\]", pattern, re.DOTALL)
    texts = {"%": ".*", "_": "."}
    return re.compile("".join(texts.get(each) or re.escape(each[-1]) for each in parts), re.DOTALL)


def random_filter(draw: random.Random, depth: int = 0) -> dict[str, Any]:
    """Any filter."""
    if depth < 3 and draw.random() < 0.4:
        return {
            draw.choice(["$and", "$or"]): [random_filter(draw, depth + 1) for _ in range(draw.randrange(4))]
        }
    return {name: _random_test(draw, name) for name in draw.sample(["n", "t"], draw.randrange(3))}


def _random_test(draw: random.Random, name: str) -> Any:
    values = COLUMNS[name]
    if draw.random() < 0.2:
        return draw.choice(values)
    sizes = (
        ["$gt", "$gte", "$lt", "$lte"] if name == "n" else ["$like"] * 4
    )  # texts sort by the server's locale
    found: dict[str, Any] = {}
    for operator in draw.sample(
        ["$eq", "$ne", "$in", "$nin", "$exists", "$null", *sizes], draw.choice([1, 1, 1, 2])
    ):
        if operator in ("$in", "$nin"):
            found[operator] = draw.sample(values, draw.randrange(4))
        elif operator in ("$exists", "$null"):
            found[operator] = draw.random() < 0.5
        else:
            found[operator] = draw.choice(PATTERNS if operator == "$like" else values)
    return found


def test_filters_mean_the_same_everywhere(db: flow.FlowDatabase) -> None:
    """Random rows and filters; NULL is found by what asks for it, and by nothing else."""
    draw = random.Random(15)
    rows = [
        {"id": number, "n": draw.choice(COLUMNS["n"]), "t": draw.choice(COLUMNS["t"])}
        for number in range(150)
    ]
    db.execute("DROP TABLE IF EXISTS filtered")
    db.execute("CREATE TABLE filtered (id integer PRIMARY KEY, n integer, t text)")
    model = reflect(db, "filtered")
    work = WorkflowBuilder(models=[model])
    work.bulk_create(model, id="rows", data=rows)
    work.build().run(db)
    sizes = set()
    for number in this_builds(range(600)):
        wanted = random_filter(random.Random(number))
        condition = render(wanted, model, db.dialect)
        text = f"SELECT id FROM filtered WHERE {condition.text} ORDER BY id"
        found = [row[0] for row in db.execute(text, condition.values).fetchall()]
        assert found == [row["id"] for row in rows if matches(wanted, row)], (number, wanted)
        sizes.add(len(found))
    assert len(sizes) > 40
    db.execute("DROP TABLE filtered")
