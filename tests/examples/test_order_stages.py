"""The order in stages: embedded, on a server, and all or nothing."""

from __future__ import annotations

import order_stages
import pytest
from support.postgres_server import Address

import skerry
from skerry import flow
from skerry.flow import FlowError

EXPECTED = """\
flow order: serializable, 60 s for each transaction, retries=5
  stage create_customer (tx)     opens a transaction
  stage create_order (tx)        goes on in the transaction
  stage create_items (tx)        goes on in the transaction
  for product, quantity in items.items()
    stage take_from_stock (tx)   goes on in the transaction
  stage confirm                  commits, then runs
  end                            has nothing to commit
to john@example.com: order 1 is on its way
take_from_stock failed: CheckViolation
customer: 1
orders: 1
order_item: 2
in stock: [(1, 3), (2, 0)]
"""


def test_two_orders(capsys: pytest.CaptureFixture[str]) -> None:
    order_stages.main(":memory:")
    assert capsys.readouterr().out == EXPECTED


def test_on_a_server(skerry_server: Address, capsys: pytest.CaptureFixture[str]) -> None:
    address = f"skerry://{skerry_server.user}@{skerry_server.host}:{skerry_server.port}/postgres"
    try:
        order_stages.main(address)
        assert capsys.readouterr().out == EXPECTED
    finally:
        with skerry.open(address) as database:
            database.execute("DROP TABLE IF EXISTS order_item, orders, customer, inventory")


def test_a_confirmation_that_fails_undoes_nothing() -> None:
    def broken(message: str) -> None:
        raise OSError("no mail")

    with flow.open(":memory:") as db:
        db.execute(order_stages.TABLES)
        with pytest.raises(FlowError) as caught:
            order_stages.Shop(db, broken).order("Ann", "ann@example.com", {1: 1})
        assert (caught.value.flow, caught.value.stage) == ("order", "confirm")
        assert caught.value.report.commits == 1
        assert db.execute("SELECT count(*) FROM orders").scalar() == 1
        assert db.in_use == 0
