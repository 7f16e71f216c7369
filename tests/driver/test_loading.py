"""Bulk loading: nodes and edges from rows, CSV, Arrow and pandas, embedded and over the network."""

from __future__ import annotations

import asyncio
import datetime
import io
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from support.dumps import url
from support.postgres_server import Address

import skerry
from skerry import loading

PEOPLE = [
    {"id": 1, "name": "Alix", "born": datetime.date(1990, 1, 1)},
    {"id": 2, "name": "Gus", "score": Decimal("1.5")},
    {"id": 3, "name": None, "tags": ["a", 1]},
]
KNOWS = [{"from": 1, "to": 2, "since": 1999}, {"from": 2, "to": 3, "since": None}, {"from": 1, "to": 1}]
FROM, TO = skerry.End("Person", "id", "from"), skerry.End("Person", "id", "to")


def people(database: skerry.Database) -> list[dict[str, object]]:
    found = database.execute("MATCH (n:Person) RETURN properties(n) ORDER BY n.id").fetchall()
    return [dict(row[0]) for row in found]  # type: ignore[call-overload]


def known(database: skerry.Database) -> list[tuple[object, ...]]:
    return sorted(database.execute("MATCH (a)-[e:KNOWS]->(b) RETURN a.id, b.id, COALESCE(e.since, 0)"))


def test_rows_become_nodes_and_edges(database: skerry.Database) -> None:
    assert database.load_nodes(PEOPLE, "Person") == 3
    assert people(database) == [{n: v for n, v in row.items() if v is not None} for row in PEOPLE]
    assert database.load_edges(KNOWS, "KNOWS", start=FROM, end=TO) == 3
    assert known(database) == [(1, 1, 0), (1, 2, 1999), (2, 3, 0)]
    assert database.execute("MATCH ()-[e]->() RETURN DISTINCT property_names(e)").fetchall() == [
        (["since"],),
        ([],),
    ]


def test_a_generator_is_read_batch_by_batch_with_progress(database: skerry.Database) -> None:
    seen: list[int] = []
    with database.begin_transaction() as transaction:
        rows: Iterator[dict[str, int]] = ({"id": number} for number in range(10))
        assert (
            loading.load_nodes(transaction, rows, ["Person", "New one"], progress=seen.append, batch_rows=4)
            == 10
        )
        transaction.commit()
    assert seen == [4, 8, 10]
    assert database.execute("MATCH (n:Person&`New one`) RETURN count(*)").scalar() == 10


def test_ends_can_be_element_ids(database: skerry.Database) -> None:
    database.load_nodes(PEOPLE, "Person")
    ids = [row[0] for row in database.execute("MATCH (n:Person) RETURN element_id(n) ORDER BY n.id")]
    rows = [{"a": ids[0], "b": ids[2], "w": 0.5}]
    assert database.load_edges(rows, "KNOWS", start="a", end="b") == 1
    assert known(database) == [(1, 3, 0)]


def test_edges_can_be_loaded_undirected(database: skerry.Database) -> None:
    database.load_nodes(PEOPLE, "Person")
    assert database.load_edges(KNOWS, "KNOWS", start=FROM, end=TO, directed=False) == 3
    assert known(database) == []
    found = database.execute("MATCH (a)~[e:KNOWS]~(b) RETURN a.id, b.id, e").fetchall()
    assert sorted(row[:2] for row in found) == [(1, 1), (1, 2), (2, 1), (2, 3), (3, 2)]
    assert not any(row[2].is_directed for row in found)  # type: ignore[attr-defined]


def test_names_with_odd_characters_stay_what_they_are(database: skerry.Database) -> None:
    row = {"a b": 1, "back`tick": 2, "back\\slash": 3, "é\"'": 4, "$x": 5}
    database.load_nodes([row], "La`bel \\ 'x'")
    assert database.execute("MATCH (n) RETURN properties(n)").scalar() == row


def test_a_load_is_all_or_nothing_unless_asked_otherwise(database: skerry.Database) -> None:
    database.load_nodes(PEOPLE, "Person")
    rows = [{"from": 1, "to": 2}, {"from": 1, "to": 77}]
    with pytest.raises(skerry.DataError, match="no node for to = 77"):
        database.load_edges(rows, "KNOWS", start=FROM, end=TO)
    assert known(database) == []
    assert database.load_edges(rows, "KNOWS", start=FROM, end=TO, skip_missing=True) == 1
    assert known(database) == [(1, 2, 0)]


def test_an_end_that_several_nodes_may_be_is_an_error(database: skerry.Database) -> None:
    database.load_nodes([*PEOPLE, {"id": 2}], "Person")
    with pytest.raises(skerry.ProgrammingError, match="2 nodes for from = 2"):
        database.load_edges(KNOWS, "KNOWS", start=FROM, end=TO)
    assert known(database) == []


def test_batches_can_commit_by_themselves(database: skerry.Database) -> None:
    database.load_nodes(PEOPLE, "Person", atomic=False)
    seen: list[object] = []

    def look(_done: int) -> None:
        seen.append(database.execute("MATCH ()-[e]->() RETURN count(*)").scalar())

    database.load_edges(KNOWS, "KNOWS", start=FROM, end=TO, atomic=False, progress=look)
    assert seen == [3]


def test_another_graph_can_be_loaded(database: skerry.Database) -> None:
    database.execute("CREATE GRAPH other ANY")
    database.load_nodes(PEOPLE, "Person", graph="other")
    database.load_edges(KNOWS, "KNOWS", start=FROM, end=TO, graph="other")
    assert database.execute("MATCH (n) RETURN count(*)").scalar() == 0
    assert database.execute("USE other MATCH ()-[e]->() RETURN count(*)").scalar() == 3


@pytest.mark.parametrize("is_served", [False, True])
def test_asyncio_loads_as_well(is_served: bool, skerry_server: Address) -> None:
    async def load() -> None:
        async with await skerry.open_async(url(skerry_server, "postgres") if is_served else ":memory:") as db:
            await db.execute("CREATE GRAPH loaded_by_asyncio")
            assert await db.load_nodes(PEOPLE, "Person", graph="loaded_by_asyncio") == 3
            edges = {"start": FROM, "end": TO, "graph": "loaded_by_asyncio"}
            assert await db.load_edges(KNOWS, "KNOWS", atomic=False, **edges) == 3
            with pytest.raises(skerry.DataError, match="no node for to = 9"):
                await db.load_edges([*KNOWS, {"from": 1, "to": 9}], "KNOWS", **edges)
            found = await db.execute("USE loaded_by_asyncio MATCH ()-[e:KNOWS]->() RETURN count(*)")
            assert found.scalar() == 3
            await db.execute("DROP GRAPH loaded_by_asyncio")

    asyncio.run(load())


# --- CSV ----------------------------------------------------------------------------------------------------

CSV = "id,name,born\n1,Alix,1990-01-01\n2,,\n"
TYPES = {"id": int, "born": datetime.date.fromisoformat}


def test_csv_files_are_read_with_types_by_column(database: skerry.Database, tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_text("\ufeff" + CSV, encoding="utf-8")
    assert database.load_nodes(file, "Person", types=TYPES) == 2
    expected = [{"id": 1, "name": "Alix", "born": datetime.date(1990, 1, 1)}, {"id": 2}]
    assert people(database) == expected
    assert database.load_nodes(io.StringIO("id,name\n3,x\n"), "Person") == 1
    assert database.execute("MATCH (n {name: 'x'}) RETURN n.id").scalar() == "3"


@pytest.mark.parametrize(
    ("text", "message"),
    [("id\nx\n", 'line 2, column "id"'), ("id,name\n1,a,b\n", "line 2 has more fields")],
)
def test_malformed_csv_names_the_line(database: skerry.Database, text: str, message: str) -> None:
    with pytest.raises(skerry.InterfaceError, match=message):
        database.load_nodes(io.StringIO(text), "Person", types=TYPES)
    assert people(database) == []


@pytest.mark.parametrize("source", [5, [1, 2], ["text"], [("id", 1)]])
def test_what_has_no_rows_is_refused(database: skerry.Database, source: Any) -> None:
    with pytest.raises(skerry.InterfaceError):
        database.load_nodes(source, "Person")


# --- Arrow and pandas ---------------------------------------------------------------------------------------


def test_arrow_tables_and_readers_are_loaded(database: skerry.Database) -> None:
    arrow = pytest.importorskip("pyarrow", reason="the extra `arrow` is not installed")
    table = arrow.table(
        {
            "id": [1, 2],
            "born": [datetime.date(1990, 1, 1), None],
            "score": [Decimal("1.50"), None],
            "tags": [["a", "b"], []],
            "at": arrow.array([datetime.datetime(2024, 1, 1), None], arrow.timestamp("us", "UTC")),
        }
    )
    assert database.load_nodes(table, "Person") == 2
    assert database.load_nodes(table.to_reader(), "Person") == 2
    expected = {
        "id": 1,
        "born": datetime.date(1990, 1, 1),
        "score": Decimal("1.50"),
        "tags": ["a", "b"],
        "at": datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC),
    }
    assert people(database) == [expected, expected, {"id": 2, "tags": []}, {"id": 2, "tags": []}]


def test_a_result_of_arrow_can_be_loaded_again(database: skerry.Database) -> None:
    pytest.importorskip("pyarrow", reason="the extra `arrow` is not installed")
    table = database.execute(
        "SELECT x AS id, x * 0.5::float8 AS half FROM generate_series(1, 3) g(x)"
    ).to_arrow()
    database.load_nodes(table, "Person")
    assert people(database) == [{"id": n, "half": n * 0.5} for n in (1, 2, 3)]


def test_pandas_frames_are_loaded_with_missing_values_left_out(database: skerry.Database) -> None:
    pandas = pytest.importorskip("pandas", reason="the extra `pandas` is not installed")
    frame = pandas.DataFrame(
        {
            "id": [1, 2],
            "name": ["Alix", None],
            "score": [0.5, float("nan")],
            "count": pandas.array([7, None], dtype="Int64"),
            "at": pandas.to_datetime(["2024-01-01", None]),
            "ok": [True, False],
        }
    )
    assert database.load_nodes(frame, "Person") == 2
    assert people(database) == [
        {"id": 1, "name": "Alix", "score": 0.5, "count": 7, "at": datetime.datetime(2024, 1, 1), "ok": True},
        {"id": 2, "ok": False},
    ]
