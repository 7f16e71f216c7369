"""A plan made for small tables is made anew when they have grown."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import skerry
from skerry_engine.session import plans


@pytest.fixture
def db() -> Iterator[skerry.Database]:
    with skerry.open() as db:
        yield db


def made(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """The queries of plans as they are compiled."""
    queries: list[object] = []
    original = plans.compile_query

    def counted(query, *rest):  # type: ignore[no-untyped-def]
        queries.append(query)
        return original(query, *rest)

    monkeypatch.setattr(plans, "compile_query", counted)
    return queries


@pytest.mark.parametrize(
    ("define", "fill", "text"),
    [
        ("CREATE TABLE t (id int, v int)", "INSERT INTO t SELECT g, g FROM generate_series(1, 6000) g", "SELECT max(v) FROM t"),
        ("FOR i IN [1] INSERT (:T {v: 0})", "CALL generate_series(1, 6000) YIELD generate_series AS g INSERT (:T {v: g})", "MATCH (n:T) RETURN max(n.v)"),
    ],
)  # fmt: skip
def test_a_plan_is_made_anew_once_its_table_has_grown(
    db: skerry.Database, monkeypatch: pytest.MonkeyPatch, define: str, fill: str, text: str
) -> None:
    db.execute(define)
    for _ in range(20):
        db.execute(text)
    queries = made(monkeypatch)
    db.execute(fill)
    queries.clear()
    for _ in range(100):
        assert db.execute(text).scalar() == 6000
    assert len(queries) == 1


def test_a_plan_for_what_stays_small_is_kept(db: skerry.Database, monkeypatch: pytest.MonkeyPatch) -> None:
    db.execute("INSERT (:T {v: 1})")
    db.execute("MATCH (n:T) RETURN n.v")
    queries = made(monkeypatch)
    for number in range(100):
        db.execute("INSERT (:T {v: $1})", [number])
        db.execute("MATCH (n:T) RETURN n.v")
    assert len(queries) == 1
