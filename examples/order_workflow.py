"""An order in a shop, as a workflow given as data: `python examples/order_workflow.py [DATABASE]`.

Customer, order, its items and the stock in one serializable transaction of at most 60 seconds: either all of them are
there afterwards, or nothing is.  The nodes do not pass a connection on: those between `tx` and `commit` find the
transaction by themselves.  The same workflow runs blocking and in asyncio.
"""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass, field
from typing import Any

from skerry import flow
from skerry.flow import FlowDatabase, FlowError
from skerry.flow.workflows import Workflow, WorkflowBuilder

TABLES = """
    CREATE TABLE customers (id serial PRIMARY KEY, name text NOT NULL, email text NOT NULL UNIQUE);
    CREATE TABLE orders (id serial PRIMARY KEY, customer_id int NOT NULL REFERENCES customers, total float8 NOT NULL);
    CREATE TABLE order_items (
        order_id int REFERENCES orders, product_id int, quantity int NOT NULL CHECK (quantity > 0),
        PRIMARY KEY (order_id, product_id)
    );
    CREATE TABLE inventory (
        product_id int PRIMARY KEY, quantity int NOT NULL CHECK (quantity >= 0), reserved int NOT NULL
    );
    INSERT INTO inventory VALUES (1, 5, 2), (2, 1, 1), (3, 7, 0)
"""


@dataclass
class Customer:
    """Who orders."""

    __tablename__ = "customers"
    name: str
    email: str
    id: int | None = None


@dataclass
class Order:
    """What it costs."""

    __tablename__ = "orders"
    customer_id: int
    total: float
    id: int | None = None


@dataclass
class OrderItem:
    """How many of what."""

    __tablename__ = "order_items"
    order_id: int = field(metadata={"primary_key": True})
    product_id: int = field(metadata={"primary_key": True})
    quantity: int


@dataclass
class Inventory:
    """What there is, and how much of it is promised."""

    product_id: int = field(metadata={"primary_key": True})
    quantity: int
    reserved: int


def order_workflow() -> Workflow:
    """The nodes, in the order in which the connections put them."""
    work = WorkflowBuilder("order", models=[Customer, Order, OrderItem, Inventory])
    work.add_node("TransactionScopeNode", "tx", {"isolation_level": "SERIALIZABLE", "timeout": 60})
    work.add_node(
        "CustomerCreateNode", "create_customer", {"name": "${inputs.name}", "email": "${inputs.email}"}
    )
    work.add_node(
        "OrderCreateNode", "create_order", {"customer_id": "${create_customer.id}", "total": 250.00}
    )
    work.add_node(
        "OrderItemBulkCreateNode",
        "create_items",
        {
            "data": [
                {"order_id": "${create_order.id}", "product_id": 1, "quantity": 2},
                {"order_id": "${create_order.id}", "product_id": 2, "quantity": 1},
            ]
        },
    )
    work.add_node(
        "InventoryBulkUpdateNode",
        "update_inventory",
        {"filter": {"product_id": {"$in": [1, 2]}}, "fields": {"quantity": "${quantity - reserved}"}},
    )
    work.add_node("TransactionCommitNode", "commit", {})
    work.add_connection("tx", "result", "create_customer", "input")
    work.add_connection("create_customer", "id", "create_order", "customer_id")
    work.add_connection("create_order", "id", "create_items", "input")
    work.add_connection("create_items", "result", "update_inventory", "input")
    work.add_connection("update_inventory", "result", "commit", "input")
    return work.build()


def state(db: FlowDatabase) -> str:
    """What a look from outside finds."""
    counts = [
        f"{db.execute(f'SELECT count(*) FROM {table}').scalar()} {table}"
        for table in ("customers", "orders", "order_items")
    ]
    stock = [row[0] for row in db.execute("SELECT quantity FROM inventory ORDER BY product_id").fetchall()]
    return f"{', '.join(counts)}; in stock {stock}"


def main(target: str = ":memory:") -> list[str]:
    """Two orders, of which the second finds too little in stock; what is there after each."""
    said = []
    workflow = order_workflow()
    with flow.open(target) as db:
        for statement in TABLES.split(";"):
            db.execute(statement)
        said.append(state(db))
        for name in ("John Doe", "Jane Doe"):
            given = {"name": name, "email": f"{name.lower().replace(' ', '.')}@example.com"}
            said.append(attempt(workflow, db, given))
        said.append(asyncio.run(attempt_async(workflow, given)))
    return said


def attempt(workflow: Workflow, db: FlowDatabase, given: dict[str, Any]) -> str:
    """Run it; how that went."""
    try:
        results = workflow.run(db, given)
    except FlowError as problem:
        return f"{given['name']}: {problem.stage} failed; {state(db)}"
    return f"{given['name']}: order {results['create_order']['id']}; {state(db)}"


async def attempt_async(workflow: Workflow, given: dict[str, Any]) -> str:
    """The same workflow in asyncio, on a database of its own."""
    async with await flow.open_async(":memory:") as db:
        for statement in TABLES.split(";"):
            await db.execute(statement)
        results = await workflow.run_async(db, given)
        return f"{given['name']}, in asyncio: order {results['create_order']['id']}, {db.in_use} connections in use"


if __name__ == "__main__":
    print("\n".join(main(*sys.argv[1:2])))
