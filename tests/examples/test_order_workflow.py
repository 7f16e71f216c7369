"""The example of a workflow does what it says, in memory and on a server."""

from __future__ import annotations

import order_workflow
import pytest
from support.databases import drop_database
from support.postgres_server import Address

import skerry

EXPECTED = [
    "0 customers, 0 orders, 0 order_items; in stock [5, 1, 7]",
    "John Doe: order 1; 1 customers, 1 orders, 2 order_items; in stock [3, 0, 7]",
    "Jane Doe: update_inventory failed; 1 customers, 1 orders, 2 order_items; in stock [3, 0, 7]",
    "Jane Doe, in asyncio: order 1, 0 connections in use",
]


def test_in_memory() -> None:
    assert order_workflow.main() == EXPECTED


def test_on_a_server(skerry_server: Address) -> None:
    server = f"skerry://{skerry_server.user}@{skerry_server.host}:{skerry_server.port}"
    with skerry.open(f"{server}/postgres") as admin:
        admin.execute("CREATE DATABASE order_workflow")
        assert order_workflow.main(f"{server}/order_workflow") == EXPECTED
        drop_database(admin, "order_workflow")


def test_what_it_will_do(capsys: pytest.CaptureFixture[str]) -> None:
    order_workflow.order_workflow().explain()
    assert capsys.readouterr().out.splitlines()[2:4] == [
        "  tx: transaction, serializable, 60 s",
        "    create_customer: CustomerCreateNode",
    ]
