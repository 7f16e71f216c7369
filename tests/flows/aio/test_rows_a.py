"""Rows a of the semantics of flows: workflows given as data, their transactions and their runners."""

from __future__ import annotations

import pytest
from support.aio.flow_world import AsyncWorld
from support.flow_testing import only
from support.shop import CREATE, MODELS, Inventory, statements

from skerry.flow import FlowError, WorkflowError, current_scope
from skerry.flow.aio.primitives import sleep
from skerry.flow.workflows import WorkflowBuilder
from skerry_engine.errors import NotSupportedError, TransactionTimeout

LEVELS = {
    None: "read committed",
    "READ_COMMITTED": "read committed",
    "repeatable read": "repeatable read",
    "snapshot": "repeatable read",
    "Serializable": "serializable",
}
"""What authors say, and what databases show."""


_READY: set[str] = set()


async def shop(world: AsyncWorld) -> None:
    """Empty tables: made once in a database."""
    if world.name in _READY:
        made = [f"DELETE FROM {table}" for table in CREATE]
    else:
        made = statements(world.db.dialect)
        _READY.add(world.name)
    for text in made:
        await world.db.execute(text)
    world.recorder.start_anew()


async def counts(world: AsyncWorld) -> list[int]:
    """How many users, orders and payments others see."""
    tables = ", ".join(f"(SELECT count(*) FROM {table})" for table in ("users", "orders", "payments"))
    return list((await world.look(f"SELECT {tables}"))[0])


def orders(email: str | None = None, **faults: int) -> WorkflowBuilder:
    """A user, their order, its payment: the seed's own workflow.  `faults` are amounts that are refused."""
    work = WorkflowBuilder("shop", models=MODELS)
    work.add_node("UserCreateNode", "create_user", {"name": "Alice", "email": email})
    work.add_node(
        "OrderCreateNode", "create_order", {"user_id": "${create_user.id}", "total": faults.get("order", 100)}
    )
    work.add_node(
        "PaymentCreateNode",
        "create_payment",
        {"order_id": "${create_order.id}", "amount": faults.get("payment", 100)},
    )
    return work


def scoped(
    work: WorkflowBuilder, end: str = "TransactionCommitNode", **parameters: object
) -> WorkflowBuilder:
    """The same within a scope."""
    work.add_node("TransactionScopeNode", "tx", parameters)
    work.add_node(end, "end", {})
    work.add_connection("tx", "result", "create_user", "input")
    work.add_connection("create_payment", "result", "end", "input")
    return work


async def test_a1_without_a_scope_what_came_before_the_failure_stays(world: AsyncWorld) -> None:
    """Each node commits by itself."""
    await shop(world)
    with pytest.raises(FlowError, match="flow shop, stage create_order: ") as caught:
        await orders(order=-1).build().run_async(world.db)
    assert (caught.value.flow, caught.value.stage) == ("shop", "create_order")
    assert world.db.in_use == 0 and await counts(world) == [1, 0, 0]


async def test_a2_without_a_scope_each_node_takes_a_connection_and_returns_it(world: AsyncWorld) -> None:
    """Three nodes, three times."""
    await shop(world)
    results = await orders().build().run_async(world.db)
    assert world.recorder.taken == 3 and world.db.in_use == 0
    assert world.recorder.sent == ["EXECUTE"] * 3
    assert results["create_order"]["user_id"] == results["create_user"]["id"]


async def test_a3_a4_without_a_scope_rows_are_seen_and_nothing_is_held_between_nodes(
    world: AsyncWorld,
) -> None:
    """A function between two nodes looks."""
    await shop(world)
    seen: list[object] = []

    async def between(user_id: int) -> int:
        seen.append((await world.look("SELECT id FROM users"), world.db.in_use))
        return user_id

    work = WorkflowBuilder(models=MODELS)
    user = work.create(MODELS[0], id="user", values={"name": "Ann"})
    look = work.call(between, id="between", inputs={"user_id": user["id"]})
    work.create(MODELS[1], id="order", values={"user_id": look["result"], "total": 1})
    results = await work.build().run_async(world.db)
    assert seen == [([(results["user"]["id"],)], 0)]


@pytest.mark.parametrize("fault", ["create_user", "create_order", "create_payment"])
async def test_a5_in_a_scope_no_row_remains_whichever_node_fails(world: AsyncWorld, fault: str) -> None:
    """The error surfaces, the connection is back."""
    await shop(world)
    email = "a@example.com" if fault == "create_user" else None
    work = scoped(orders(email, order=-(fault == "create_order"), payment=-(fault == "create_payment")))
    if email:
        await world.db.execute("INSERT INTO users (name, email) VALUES ('B', 'a@example.com')")
    before = await counts(world)
    with pytest.raises(FlowError) as caught:
        await work.build().run_async(world.db)
    assert caught.value.stage == fault and world.db.in_use == 0
    assert await counts(world) == before
    assert world.sent[-2:] == ["BEGIN", "ROLLBACK"]


async def test_a6_in_a_scope_all_nodes_report_one_connection_and_one_transaction(world: AsyncWorld) -> None:
    """Functions look at what surrounds them; they are handed nothing."""
    await shop(world)
    seen: list[object] = []

    async def look() -> None:
        async with world.db.connection() as connection:
            seen.append((current_scope(), connection))

    work = scoped(orders())
    for name in ("create_user", "create_order", "create_payment"):
        work.call(look, id=f"after_{name}")
        work.add_connection(name, "result", f"after_{name}", "input")
    await work.build().run_async(world.db)
    assert len(seen) == 3 and seen[0] == seen[1] == seen[2] and seen[0] != (None, None)
    assert world.sent == ["BEGIN", "COMMIT"] and world.recorder.taken == 1


async def test_a7_a_scope_is_seen_by_others_once_it_has_committed_and_then_all_of_it(
    world: AsyncWorld,
) -> None:
    """A node inside and one behind look."""
    await shop(world)
    seen: list[object] = []

    async def look() -> None:
        seen.append(await counts(world))

    work = scoped(orders())
    work.call(look, id="inside")
    work.call(look, id="behind")
    work.add_connection("create_payment", "result", "inside", "input")
    work.add_connection("end", "result", "behind", "input")
    await work.build().run_async(world.db)
    assert seen == [[0, 0, 0], [1, 1, 1]]


@pytest.mark.parametrize(("end", "sent"), [("Commit", "COMMIT"), ("Rollback", "ROLLBACK")])
async def test_a8_an_end_node_ends_the_transaction_and_releases_its_connection(
    world: AsyncWorld, end: str, sent: str
) -> None:
    """A node behind it sees the pool full."""
    await shop(world)
    seen: list[int] = []

    async def look() -> None:
        seen.append(world.db.in_use)

    work = scoped(orders(), f"Transaction{end}Node")
    work.call(look, id="inside")
    work.call(look, id="behind")
    work.add_connection("create_payment", "result", "inside", "input")
    work.add_connection("end", "result", "behind", "input")
    results = await work.build().run_async(world.db)
    assert seen == [1, 0] and world.sent == ["BEGIN", sent]
    assert results["end"]["status"] == {"Commit": "committed", "Rollback": "rolled back"}[end]
    assert await counts(world) == ([1, 1, 1] if end == "Commit" else [0, 0, 0])


@only("skerry", "postgres")
async def test_a9_isolation_levels_are_in_force(world: AsyncWorld) -> None:
    """The database itself is asked."""
    for level, shown in LEVELS.items():
        work = WorkflowBuilder()
        work.add_node("TransactionScopeNode", "tx", {} if level is None else {"isolation_level": level})
        work.add_node("SQLNode", "show", {"statement": "SHOW transaction_isolation"})
        work.add_node("TransactionCommitNode", "commit")
        results = await work.build().run_async(world.db)
        assert list(results["show"]["records"][0].values()) == [shown]


async def test_a9_a_read_only_scope_writes_nothing(world: AsyncWorld) -> None:
    """A database that has none says so, before anything runs."""
    await shop(world)
    workflow = scoped(orders(), read_only=True).build()
    if world.is_sqlite:
        with pytest.raises(NotSupportedError, match="read-only"):
            await workflow.run_async(world.db)
        assert world.recorder.sent == []
    else:
        with pytest.raises(FlowError, match="read-only"):
            await workflow.run_async(world.db)
    assert world.db.in_use == 0 and await counts(world) == [0, 0, 0]


async def test_a9_a_timeout_is_in_force(world: AsyncWorld) -> None:
    """Idle or not: the transaction is rolled back, and the next node is told."""
    await shop(world)
    seen: list[int] = []

    async def wait() -> None:
        await sleep(0.3)
        seen.append(world.db.in_use)

    work = scoped(orders(), timeout=0.1)
    work.call(wait, id="wait")
    work.add_connection("create_user", "result", "wait", "input")
    work.add_connection("wait", "result", "create_order", "input")
    with pytest.raises(FlowError, match=r"create_order: TransactionTimeout") as caught:
        await work.build().run_async(world.db)
    assert isinstance(caught.value.cause, TransactionTimeout) and caught.value.cause.code == "T002"
    assert seen == [0] and world.db.in_use == 0 and await counts(world) == [0, 0, 0]


@pytest.mark.parametrize("rolls_back", [True, False])
@pytest.mark.parametrize("goes_on", [True, False])
async def test_a9_rollback_on_error_decides_what_the_handler_finds(
    world: AsyncWorld, rolls_back: bool, goes_on: bool
) -> None:
    """False leaves the scope open for it, without what the failed node did; the end still rolls back."""
    await shop(world)
    found: list[object] = []

    async def handler(problem: FlowError) -> bool:
        scope = current_scope()
        found.append((problem.stage, scope is not None and scope.is_open, world.db.in_use))
        if scope is not None:
            found.append((await world.db.execute("SELECT count(*) FROM users")).scalar())
        return goes_on

    work = scoped(orders(order=-1), rollback_on_error=rolls_back).build()
    if goes_on:
        results = await work.run_async(world.db, on_error=handler)
        assert set(results.values()) == {None}
    else:
        with pytest.raises(FlowError, match="create_order"):
            await work.run_async(world.db, on_error=handler)
    assert found == ([("create_order", False, 0)] if rolls_back else [("create_order", True, 1), 1])
    assert world.db.in_use == 0 and await counts(world) == [0, 0, 0]


async def test_a9_a_handler_may_commit_what_was_left_open(world: AsyncWorld) -> None:
    """What the failed node did is not part of it."""
    await shop(world)

    async def handler(problem: FlowError) -> bool:
        scope = current_scope()
        assert scope is not None
        await scope.commit()  # type: ignore[misc, unused-ignore]  # which world it is of is not known to types
        return True

    work = scoped(orders(order=-1), rollback_on_error=False).build()
    await work.run_async(world.db, on_error=handler)
    assert world.db.in_use == 0 and await counts(world) == [1, 0, 0]


async def test_a10_what_one_node_gives_is_what_another_takes(world: AsyncWorld) -> None:
    """With its type alone, as text within a text; what can't be resolved is an error."""
    await shop(world)
    work = WorkflowBuilder(models=MODELS)
    work.add_node("UserCreateNode", "user", {"name": "${inputs.name}"})
    work.add_node("UserReadNode", "reader", {"filter": {"name": "${inputs.wanted}"}})
    work.add_node("UserCreateNode", "copy", {"name": "${reader.name} #${user.id}, $${user.id}"})
    work.add_connection("user", "result", "reader", "input")
    workflow = work.build()
    results = await workflow.run_async(world.db, {"name": "${user.id}", "wanted": "${user.id}"})
    assert results["user"]["name"] == "${user.id}"
    assert results["copy"]["name"] == f"${{user.id}} #{results['user']['id']}, ${{user.id}}"
    with pytest.raises(FlowError, match=r"stage copy: .*\$\{reader.name\} can't be resolved"):
        await workflow.run_async(world.db, {"name": "x", "wanted": "nobody"})
    with pytest.raises(WorkflowError, match=r"node user: \$\{inputs.name\} can't be resolved"):
        await workflow.run_async(world.db, {"wanted": "x"})
    with pytest.raises(WorkflowError, match="'more'"):
        await workflow.run_async(world.db, {"name": "x", "wanted": "x", "more": 1})
    assert world.db.in_use == 0
    names = [row[0] for row in await world.look("SELECT name FROM users ORDER BY id")]
    assert names == ["${user.id}", results["copy"]["name"], "x"]


async def test_a11_a_node_finds_the_transaction_without_being_handed_it(world: AsyncWorld) -> None:
    """A function executes on the database, and is rolled back with the rest."""
    await shop(world)

    async def write() -> None:
        await world.db.execute("INSERT INTO users (name) VALUES ('from a function')")

    work = scoped(orders(payment=-1))
    work.call(write, id="write")
    work.add_connection("create_user", "result", "write", "input")
    work.add_connection("write", "result", "create_order", "input")
    with pytest.raises(FlowError, match="create_payment"):
        await work.build().run_async(world.db)
    assert world.recorder.taken == 1 and world.db.in_use == 0 and await counts(world) == [0, 0, 0]


async def test_a14_bulk_nodes_inside_a_scope_are_rolled_back_with_it(world: AsyncWorld) -> None:
    """Inserts and updates, with filters."""
    await shop(world)
    rows = [(1, 5, 1), (2, 6, 2), (3, 7, 3)]
    for row in rows:
        await world.db.execute("INSERT INTO inventory VALUES (%s, %s, %s, NULL)", row)
    for fails in (True, False):
        work = WorkflowBuilder(models=[Inventory])
        with work.transaction("tx"):
            work.bulk_create(Inventory, id="more", data=[{"product_id": 8}, {"product_id": 9, "quantity": 1}])
            work.bulk_update(
                Inventory,
                id="some",
                filter={"product_id": {"$in": [1, 2]}},
                fields={"quantity": "${quantity - reserved}"},
            )
            work.bulk_delete(Inventory, id="gone", filter={"reserved": {"$gte": 3}})
            work.bulk_update(Inventory, id="last", filter={}, fields={"quantity": -1 if fails else 0})
        if fails:
            with pytest.raises(FlowError, match="last"):
                await work.build().run_async(world.db)
            assert await world.look("SELECT product_id, quantity, reserved FROM inventory ORDER BY 1") == rows
        else:
            results = await work.build().run_async(world.db)
            assert [results[name]["count"] for name in ("more", "some", "gone", "last")] == [2, 2, 1, 4]
        assert world.db.in_use == 0


async def test_a15_an_update_may_compute_from_the_row(world: AsyncWorld) -> None:
    """Columns, outputs of nodes and texts; with one meaning in every database."""
    await shop(world)
    for row in ((1, 10, 3, "a"), (2, 20, 4, None)):
        await world.db.execute("INSERT INTO inventory VALUES (%s, %s, %s, %s)", row)
    work = WorkflowBuilder(models=[Inventory])
    work.add_node(lambda: {"step": 2}, "more")
    work.add_node(
        "InventoryBulkUpdateNode",
        "all",
        {
            "filter": {"product_id": {"$gt": 0}},
            "fields": {
                "quantity": "${quantity - reserved * (more.step - 1) % 5}",
                "label": "${coalesce(label, 'it''s none') || '-' || upper('x')}",
            },
        },
    )
    work.add_node("InventoryUpdateNode", "one", {"product_id": 1, "fields": {"reserved": "${-reserved + 4}"}})
    work.add_connection("all", "count", "one", "input")
    results = await work.build().run_async(world.db)
    assert results["all"] == {"count": 2}
    assert results["one"] == {"found": True, "product_id": 1, "quantity": 7, "reserved": 1, "label": "a-X"}
    found = await world.look("SELECT quantity, reserved, label FROM inventory ORDER BY product_id")
    assert [tuple(row) for row in found] == [(7, 1, "a-X"), (16, 4, "it's none-X")]


async def test_a16_bulk_create_skips_or_updates_what_is_there_and_counts(world: AsyncWorld) -> None:
    """In batches, without a scope."""
    await shop(world)
    for number in (5, 1500):
        await world.db.execute("INSERT INTO inventory VALUES (%s, 0, 0, 'old')", [number])
    work = WorkflowBuilder(models=[Inventory])
    data = [{"product_id": number, "quantity": number} for number in range(2500)]
    work.add_node(
        "InventoryBulkCreateNode",
        "skip",
        {"data": data, "batch_size": 1000, "on_conflict": "skip"},
    )
    results = await work.build().run_async(world.db)
    assert results["skip"] == {"count": 2500, "created": 2498, "skipped": 2, "updated": 0, "records": []}
    found = await world.look("SELECT count(*), sum(quantity) FROM inventory")
    assert [tuple(row) for row in found] == [(2500, sum(range(2500)) - 1505)]
    work = WorkflowBuilder(models=[Inventory])
    more = [*data[-3:], {"product_id": 2500, "quantity": 1}, {"product_id": 5, "quantity": 1}]
    more += [{"product_id": 5, "quantity": 2}, {"product_id": 2500, "quantity": 3}]
    work.add_node(
        "InventoryBulkCreateNode",
        "update",
        {"data": more, "on_conflict": "update", "return_records": True},
    )
    results = await work.build().run_async(world.db)
    created = {"product_id": 2500, "quantity": 1, "reserved": None, "label": None}
    assert results["update"] == {"count": 7, "created": 1, "skipped": 0, "updated": 6, "records": [created]}
    found = await world.look(
        "SELECT quantity, label FROM inventory WHERE product_id IN (5, 2500) ORDER BY product_id"
    )
    assert [tuple(row) for row in found] == [(2, "old"), (3, None)]


async def test_a17_a_single_node_is_atomic_by_itself(world: AsyncWorld) -> None:
    """Without a scope, however many statements it takes."""
    await shop(world)
    data = [{"product_id": number, "quantity": 1} for number in range(25)]
    data[22]["quantity"] = -1
    for on_conflict in ("error", "skip", "update"):
        work = WorkflowBuilder(models=[Inventory])
        given = {"data": data, "batch_size": 10, "on_conflict": on_conflict}
        work.add_node("InventoryBulkCreateNode", "import", given)
        with pytest.raises(FlowError, match="stage import"):
            await work.build().run_async(world.db)
        assert world.db.in_use == 0 and await world.look("SELECT * FROM inventory") == []
    for row in data[:3]:
        await world.db.execute("INSERT INTO inventory VALUES (%(product_id)s, %(quantity)s, NULL, NULL)", row)
    work = WorkflowBuilder(models=[Inventory])
    changes = [{"product_id": number, "quantity": 1 - number} for number in range(3)]
    work.add_node("InventoryBulkUpdateNode", "change", {"data": changes})
    with pytest.raises(FlowError, match="stage change"):
        await work.build().run_async(world.db)
    assert world.db.in_use == 0
    assert {row[0] for row in await world.look("SELECT quantity FROM inventory")} == {1}


async def test_inner_scopes_and_savepoints_undo_their_part(world: AsyncWorld) -> None:
    """An inner scope's rollback and a savepoint's leave the rest."""
    await shop(world)
    work = WorkflowBuilder(models=[Inventory])
    with work.transaction("tx"):
        work.create(Inventory, id="first", values={"product_id": 1})
        work.add_node("TransactionScopeNode", "inner")
        work.create(Inventory, id="second", values={"product_id": 2})
        work.add_node("TransactionRollbackNode", "no", {"scope": "inner"})
        with work.transaction("another"):
            work.create(Inventory, id="third", values={"product_id": 3})
        work.add_node("TransactionSavepointNode", "mark")
        work.create(Inventory, id="fourth", values={"product_id": 4})
        work.add_node("TransactionRollbackToSavepointNode", "back", {"savepoint": "mark"})
        work.create(Inventory, id="fifth", values={"product_id": 5})
        work.add_node("TransactionReleaseSavepointNode", "release", {"savepoint": "mark"})
        work.create(Inventory, id="sixth", values={"product_id": 6})
    await work.build().run_async(world.db)
    found = await world.look("SELECT product_id FROM inventory ORDER BY product_id")
    assert [row[0] for row in found] == [1, 3, 5, 6]
    assert world.sent == ["BEGIN", "COMMIT"] and world.db.in_use == 0


async def _fails_in(world: AsyncWorld) -> None:
    async with world.db.transaction("read committed"):
        await scoped(orders(), isolation_level="read committed").build().run_async(world.db)
        await orders().build().run_async(world.db)
        raise ZeroDivisionError


async def test_a_workflow_joins_the_transaction_around_it(world: AsyncWorld) -> None:
    """Its scopes are savepoints then."""
    await shop(world)
    with pytest.raises(ZeroDivisionError):
        await _fails_in(world)
    assert world.sent == ["BEGIN", "ROLLBACK"] and await counts(world) == [0, 0, 0]
    async with world.db.transaction():
        with pytest.raises(FlowError, match="create_payment"):
            await scoped(orders(payment=-1)).build().run_async(world.db)
        assert await orders(payment=-1).build().run_async(world.db, on_error=lambda problem: True)
    assert world.db.in_use == 0 and await counts(world) == [1, 1, 0]


async def test_conditions_skip_nodes_and_all_that_takes_something_from_them(world: AsyncWorld) -> None:
    """`when` is false; an order that only says what comes first is no reason."""
    await shop(world)
    for wanted in (True, False):
        work = WorkflowBuilder(models=MODELS)
        with work.transaction("tx"):
            user = work.create(MODELS[0], id="user", values={"name": "Ann"}, when="${inputs.wanted}")
            work.create(MODELS[1], id="order", values={"user_id": user["id"], "total": 1})
            work.create(MODELS[1], id="alone", values={"user_id": 7, "total": 1})
        work.add_connection("user", "result", "alone", "input")
        results = await work.build().run_async(world.db, {"wanted": wanted})
        assert [results[name] is not None for name in ("user", "order", "alone")] == [wanted, wanted, True]
    assert await counts(world) == [1, 3, 0]


async def test_a_scope_whose_ends_are_all_skipped_is_rolled_back(world: AsyncWorld) -> None:
    """With an error that says so."""
    await shop(world)
    work = orders()
    work.add_node("TransactionScopeNode", "tx")
    work.add_connection("tx", "result", "create_user", "input")
    work.add_node("TransactionCommitNode", "yes", {"scope": "tx"}, when="${inputs.yes}")
    work.add_node("TransactionRollbackNode", "no", {"scope": "tx"}, when="${inputs.no}")
    workflow = work.build()
    with pytest.raises(FlowError, match=r"stage tx: .*ends"):
        await workflow.run_async(world.db, {"yes": False, "no": False})
    assert world.db.in_use == 0 and await counts(world) == [0, 0, 0]
    with pytest.raises(FlowError, match=r"stage no: .*ended already"):
        await workflow.run_async(world.db, {"yes": True, "no": True})
    assert world.db.in_use == 0 and await counts(world) == [1, 1, 1]
    await workflow.run_async(world.db, {"yes": False, "no": True})
    await workflow.run_async(world.db, {"yes": True, "no": False})
    assert await counts(world) == [2, 2, 2]
