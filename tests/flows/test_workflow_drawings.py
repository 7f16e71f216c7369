"""Workflows as pictures: drawings/workflow_*.svg.  SKERRY_REGENERATE=1 rewrites them; look at them."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import pytest

from skerry.flow.workflows import Workflow, WorkflowBuilder

PICTURES = Path(__file__).parent / "drawings"
SVG = "{http://www.w3.org/2000/svg}"


@dataclass
class Customer:
    id: int
    name: str


@dataclass
class Order:
    id: int
    customer_id: int
    total: float


def tell(order: object, count: object) -> None: ...


def in_a_scope() -> Workflow:
    work = WorkflowBuilder("order <1>", models=[Customer, Order])
    work.add_node("TransactionScopeNode", "tx", {"isolation_level": "SERIALIZABLE", "timeout": 60})
    work.add_node("CustomerCreateNode", "customer", {"name": "${inputs.name}"})
    work.add_node("OrderCreateNode", "first", {"customer_id": "${customer.id}", "total": 250.0})
    work.add_node("TransactionScopeNode", "part")
    work.add_node("OrderCreateNode", "second", {"customer_id": 7, "total": 1.0})
    work.add_node("TransactionRollbackNode", "undo", {"scope": "part"})
    work.add_node("TransactionSavepointNode", "mark")
    work.add_node(
        "OrderBulkDeleteNode", "third", {"filter": {"customer_id": "${customer.id}"}}, when="${first.total}"
    )
    work.add_node("TransactionRollbackToSavepointNode", "back", {"savepoint": "mark"})
    work.add_node("TransactionCommitNode", "commit", {"scope": "tx"})
    return work.build()


def in_levels() -> Workflow:
    work = WorkflowBuilder("daily", models=[Customer, Order])
    work.add_node("CustomerListNode", "customers", {"filter": {}})
    work.add_node("OrderListNode", "orders", {"filter": {}})
    work.add_node("TransactionScopeNode", "tx")
    work.add_node(
        "OrderCreateNode", "order", {"customer_id": "${customers.count}", "total": "${orders.count}"}
    )
    work.add_node("TransactionCommitNode", "commit", {"scope": "tx"})
    work.add_node(tell, "tell", {"order": "${customers.count}", "count": "${orders.count}"})
    return work.build()


WORKFLOWS = {"workflow_scope": in_a_scope, "workflow_levels": in_levels}


@pytest.mark.parametrize("name", WORKFLOWS)
def test_what_is_drawn(name: str, tmp_path: Path) -> None:
    path = PICTURES / f"{name}.svg"
    made = WORKFLOWS[name]().draw(tmp_path / "made.svg")
    assert (tmp_path / "made.svg").read_text(encoding="utf-8") == made.svg
    if os.environ.get("SKERRY_REGENERATE") == "1":
        path.write_text(made.svg, encoding="utf-8")
    assert made.svg == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", WORKFLOWS)
def test_everything_is_there_and_on_the_page(name: str) -> None:
    workflow = WORKFLOWS[name]()
    root = ElementTree.fromstring(workflow.draw().svg)
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    boxes = [rect.attrib for rect in root.findall(f"{SVG}rect") if "x" in rect.attrib]
    assert all(float(box["x"]) + float(box["width"]) <= width for box in boxes)
    assert all(float(box["y"]) + float(box["height"]) <= height for box in boxes)
    texts = " ".join(text.text or "" for text in root.findall(f"{SVG}text"))
    words = ("commit", "back", "undo", "mark")
    assert all(node in texts for node in workflow.nodes if node not in words)
    assert "commit" in texts


def test_explain_prints_the_outline() -> None:
    printed = io.StringIO()
    in_levels().explain(printed)
    assert printed.getvalue() == f"{in_levels().outline()}\n"
    assert printed.getvalue().startswith("workflow daily\nlevel 0\n  customers: CustomerListNode\n")
