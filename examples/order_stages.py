"""An order in a shop, as stages of a flow: `python examples/order_stages.py [DATABASE]`.

Customer, order, its items and the stock are changed together or not at all, in one serializable transaction of at most
60 seconds; the confirmation goes out only when all of it has committed, since the stage that sends it is not
transactional.  Whatever fails before leaves nothing behind.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from decimal import Decimal

from skerry import flow
from skerry.flow import FlowDatabase, FlowError, stage

TABLES = """
    CREATE TABLE customer (id serial PRIMARY KEY, name text NOT NULL, email text NOT NULL UNIQUE);
    CREATE TABLE orders (id serial PRIMARY KEY, customer_id int NOT NULL REFERENCES customer, total numeric NOT NULL);
    CREATE TABLE order_item (
        order_id int NOT NULL REFERENCES orders, product_id int NOT NULL, quantity int NOT NULL CHECK (quantity > 0)
    );
    CREATE TABLE inventory (
        product_id int PRIMARY KEY, price numeric NOT NULL, quantity int NOT NULL CHECK (quantity >= 0)
    );
    INSERT INTO inventory VALUES (1, 100, 5), (2, 50, 1)
"""


class Shop:
    """The stages; `send` is how confirmations go out."""

    def __init__(self, db: FlowDatabase, send: Callable[[str], object]) -> None:
        self.db = db
        self.send = send

    @stage(tx=True)
    def create_customer(self, name: str, email: str) -> int:
        """Their number."""
        made = self.db.execute(
            "INSERT INTO customer (name, email) VALUES (%s, %s) RETURNING id", (name, email)
        )
        return int(str(made.scalar()))

    @stage(tx=True)
    def create_order(self, customer: int, items: dict[int, int]) -> int:
        """Its number; `items` are quantities by product."""
        total = Decimal(0)
        for product, quantity in items.items():
            found = self.db.execute("SELECT price FROM inventory WHERE product_id = %s", (product,))
            total += Decimal(str(found.scalar())) * quantity
        made = self.db.execute(
            "INSERT INTO orders (customer_id, total) VALUES (%s, %s) RETURNING id", (customer, total)
        )
        return int(str(made.scalar()))

    @stage(tx=True)
    def create_items(self, order: int, items: dict[int, int]) -> None:
        """What was ordered."""
        self.db.execute_many(
            "INSERT INTO order_item VALUES (%s, %s, %s)",
            [(order, product, quantity) for product, quantity in items.items()],
        )

    @stage(tx=True)
    def take_from_stock(self, product: int, quantity: int) -> None:
        """Fails, by the table's CHECK, where there is not enough."""
        self.db.execute(
            "UPDATE inventory SET quantity = quantity - %s WHERE product_id = %s", (quantity, product)
        )

    @stage
    def confirm(self, order: int, email: str) -> None:
        """Not transactional: what is open commits before it runs."""
        self.send(f"to {email}: order {order} is on its way")

    @flow.flow(isolation="serializable", timeout=60, retries=5)
    def order(self, name: str, email: str, items: dict[int, int]) -> int:
        """The whole order; its number."""
        customer = self.create_customer(name, email)
        order = self.create_order(customer, items)
        self.create_items(order, items)
        for product, quantity in items.items():
            self.take_from_stock(product, quantity)
        self.confirm(order, email)
        return order


def main(address: str) -> None:
    """Two orders; of the second there is too little in stock."""
    with flow.open(address) as db:
        db.execute(TABLES)
        shop = Shop(db, print)
        shop.order.explain()
        shop.order("John Doe", "john@example.com", {1: 2, 2: 1})
        try:
            shop.order("Jane Roe", "jane@example.com", {1: 1, 2: 1})
        except FlowError as problem:
            print(f"{problem.stage} failed: {type(problem.cause).__name__}")
        for table in ("customer", "orders", "order_item"):
            print(f"{table}: {db.execute(f'SELECT count(*) FROM {table}').scalar()}")
        print("in stock:", db.execute("SELECT product_id, quantity FROM inventory ORDER BY 1").fetchall())


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else ":memory:")
