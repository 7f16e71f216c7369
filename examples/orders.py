"""The driver in one small program: `python examples/orders.py [ADDRESS]`.

It loads orders by COPY, ships them in transactions that are run until they succeed, from several tasks at once, and
reads the result as a stream.  Types are checked: mypy --strict runs over it with the rest.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from decimal import Decimal

import skerry

ORDERS = 200


def orders() -> Iterator[tuple[int, str, Decimal]]:
    """What is to be loaded."""
    for number in range(ORDERS):
        yield number, f"customer {number % 7}", Decimal(number) / 4


def load(connection: skerry.Connection) -> int:
    """Make the tables anew and fill them; how many orders there are."""
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS orders, shipped")
        cursor.execute(
            "CREATE TABLE orders (id int PRIMARY KEY, customer text, price numeric, shipped boolean)"
        )
        cursor.execute("CREATE TABLE shipped (day int PRIMARY KEY, orders int, price numeric)")
        cursor.executemany("INSERT INTO shipped VALUES (%s, 0, 0)", [(day,) for day in range(3)])
        with cursor.copy("COPY orders (id, customer, price) FROM STDIN") as copy:
            copy.write_rows(orders())
        return cursor.rowcount


async def ship(pool: skerry.AsyncPool, day: int) -> int:
    """Ship orders one by one, each with its day's sum, in one transaction; how many it were."""

    async def ship_one(connection: skerry.AsyncConnection) -> bool:
        cursor = await connection.execute(
            "SELECT id, price FROM orders WHERE shipped IS NULL ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED"
        )
        row = await cursor.fetchone()
        if row is None:
            return False
        number, price = row
        await connection.execute("UPDATE orders SET shipped = true WHERE id = %s", (number,))
        await connection.execute(
            "UPDATE shipped SET orders = orders + 1, price = price + %(price)s WHERE day = %(day)s",
            {"price": price, "day": day},
        )
        return True

    count = 0
    while await skerry.run_transaction_async(pool, ship_one, retries=50):
        count += 1
    return count


async def ship_all(address: str) -> list[int]:
    """Ship everything from three tasks."""
    async with skerry.AsyncPool(address, max_size=3) as pool:
        return list(await asyncio.gather(*[ship(pool, day) for day in range(3)]))


def total(connection: skerry.Connection) -> Decimal:
    """The price of all that was shipped, read as a stream."""
    found = Decimal(0)
    with connection.transaction(read_only=True), connection.cursor(stream=True, itersize=50) as stream:
        for (price,) in stream.execute("SELECT price FROM orders WHERE shipped"):
            assert isinstance(price, Decimal)
            found += price
    return found


def main(address: str) -> str:
    """Load, ship, count."""
    with skerry.connect(address) as connection:
        loaded = load(connection)
        counts = asyncio.run(ship_all(address))
        found = total(connection)
        row = connection.execute("SELECT sum(orders), sum(price) FROM shipped").fetchone()
    assert row == (sum(counts), found)
    return f"{loaded} orders loaded, {sum(counts)} shipped, {found} in all"


if __name__ == "__main__":
    print(main(sys.argv[1] if len(sys.argv) > 1 else "./orders-data"))
