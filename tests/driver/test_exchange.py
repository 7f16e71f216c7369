"""Results as Arrow tables, as pandas frames, as networkx graphs."""

from __future__ import annotations

import datetime
import importlib
from decimal import Decimal
from typing import Any

import pytest

import skerry
from skerry import exchange
from skerry.abc import ColumnInfo, Outcome

ALIX = skerry.Node(1, ["Person"], {"name": "Alix", "born": datetime.date(1990, 1, 1)})
GUS = skerry.Node(2, ["Dog", "Person"], {})
KNOWS = skerry.Edge(7, ["KNOWS"], {"since": 1999, "price": Decimal("1.50")}, 1, 2)
PATH = skerry.Path([ALIX, GUS], [KNOWS])

TYPED_COLUMNS = """
    SELECT true AS b, 1::smallint AS i2, 2 AS i4, 3::bigint AS i8, 0.5::real AS f4, 0.25::float8 AS f8, 'x'::text AS t,
        1.50::numeric(6,2) AS n, '\\x00ff'::bytea AS y, date '2024-02-29' AS d, time '12:34' AS tm,
        timestamp '2024-02-29 12:00' AS ts, timestamptz '2024-02-29 12:00+02' AS tz, interval '1 mon 2 days 3 s' AS iv,
        'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid AS u, '{"a": 1}'::jsonb AS j, ARRAY[1, NULL] AS ai,
        ARRAY[date '2024-01-01'] AS ad
"""


@pytest.fixture
def arrow() -> Any:
    return pytest.importorskip("pyarrow", reason="the extra `arrow` is not installed")


@pytest.fixture
def pandas() -> Any:
    return pytest.importorskip("pandas", reason="the extra `pandas` is not installed")


@pytest.fixture
def networkx() -> Any:
    return pytest.importorskip("networkx", reason="the extra `networkx` is not installed")


def result_of(*columns: tuple[str, int], rows: list[tuple[Any, ...]]) -> skerry.Result:
    return skerry.Result(Outcome(tuple(ColumnInfo(name, oid) for name, oid in columns), rows))


# --- rows ---------------------------------------------------------------------------------------------------


def test_rows_as_dicts(database: skerry.Database) -> None:
    result = database.execute("SELECT x, x * 2 AS y FROM generate_series(1, 2) g(x)")
    assert result.fetchone() == (1, 2)
    assert result.dicts() == [{"x": 2, "y": 4}]


# --- Arrow --------------------------------------------------------------------------------------------------


def test_arrow_columns_have_the_types_of_the_result(database: skerry.Database, arrow: Any) -> None:
    table = database.execute(TYPED_COLUMNS).to_arrow()
    assert [str(field.type) for field in table.schema] == [
        *("bool", "int16", "int32", "int64", "float", "double", "string", "decimal128(6, 2)", "binary"),
        *("date32[day]", "time64[us]", "timestamp[us]", "timestamp[us, tz=UTC]", "month_day_nano_interval"),
        *("string", "string", "list<item: int32>", "list<item: date32[day]>"),
    ]
    (row,) = table.to_pylist()
    assert row["n"] == Decimal("1.50")
    assert row["tz"] == datetime.datetime(2024, 2, 29, 10, tzinfo=datetime.UTC)
    assert (row["ai"], row["ad"]) == ([1, None], [datetime.date(2024, 1, 1)])
    assert (row["iv"].months, row["iv"].days, row["iv"].nanoseconds) == (1, 2, 3_000_000_000)
    assert row["j"] == '{"a": 1}'


def test_an_empty_result_has_the_same_arrow_schema(database: skerry.Database, arrow: Any) -> None:
    full, empty = (database.execute(TYPED_COLUMNS + where).to_arrow() for where in ("", " WHERE false"))
    assert empty.schema.equals(full.schema)
    assert empty.num_rows == 0


def test_what_arrow_has_no_place_for_is_an_error(database: skerry.Database, arrow: Any) -> None:
    with pytest.raises(skerry.DataError, match='column "d"'):
        database.execute("SELECT date 'infinity' AS d").to_arrow()


def test_columns_of_one_name_are_kept_apart(database: skerry.Database, arrow: Any) -> None:
    table = database.execute("SELECT 1 AS x, 'a' AS x").to_arrow()
    assert [column.to_pylist() for column in table.columns] == [[1], ["a"]]


def test_elements_are_structs_in_arrow(arrow: Any) -> None:
    result = result_of(
        ("n", 9100), ("e", 9102), ("p", 9104), ("l", 9101), rows=[(ALIX, KNOWS, PATH, [GUS]), (None,) * 4]
    )
    first, second = result.to_arrow().to_pylist()
    assert first["n"] == {
        "id": 1,
        "labels": ["Person"],
        "properties": '{"name": "Alix", "born": "1990-01-01"}',
    }
    assert (first["e"]["source"], first["e"]["target"], first["e"]["directed"]) == (1, 2, True)
    assert first["e"]["properties"] == '{"since": 1999, "price": "1.50"}'
    assert [node["id"] for node in first["p"]["nodes"]] == [1, 2]
    assert first["l"][0]["labels"] == ["Dog", "Person"]
    assert second == {"n": None, "e": None, "p": None, "l": None}


@pytest.mark.parametrize(
    ("values", "type_name", "expected"),
    [
        ([1, None, 2], "int64", [1, None, 2]),
        ([1, 0.5], "double", [1.0, 0.5]),
        (["a", None], "string", ["a", None]),
        (
            [1, "a", [ALIX]],
            "string",
            [
                "1",
                '"a"',
                '[{"id": 1, "labels": ["Person"], "properties": {"name": "Alix", "born": "1990-01-01"}}]',
            ],
        ),
        ([{"a": datetime.date(1990, 1, 1)}], "string", ['{"a": "1990-01-01"}']),
    ],
)
def test_dynamically_typed_columns_have_their_values_one_type(
    arrow: Any, values: list[Any], type_name: str, expected: list[Any]
) -> None:
    table = result_of(("v", 9106), rows=[(value,) for value in values]).to_arrow()
    assert str(table.schema.field("v").type) == type_name
    assert table.column("v").to_pylist() == expected


# --- pandas -------------------------------------------------------------------------------------------------


def test_pandas_keeps_integers_beside_nulls(database: skerry.Database, pandas: Any) -> None:
    frame = database.execute(
        "SELECT x, CASE WHEN x > 1 THEN x END AS y, x = 1 AS b, x / 2.0::float8 AS f, timestamptz '2024-01-01 00:00+00' AS t,"
        " x::text AS s FROM generate_series(1, 2) g(x)"
    ).to_pandas()
    assert [str(dtype) for dtype in frame.dtypes][:4] == ["Int32", "Int32", "boolean", "float64"]
    assert str(frame["t"].dtype).startswith("datetime64") and str(frame["t"].dtype).endswith("UTC]")
    assert frame["y"].isna().tolist() == [True, False]
    assert frame["s"].tolist() == ["1", "2"]
    assert len(database.execute("SELECT 1 AS x WHERE false").to_pandas()) == 0


def test_pandas_keeps_elements_as_objects(pandas: Any) -> None:
    frame = result_of(("n", 9100), ("n", 9106), rows=[(ALIX, 1), (GUS, "a")]).to_pandas()
    assert list(frame.columns) == ["n", "n"]
    assert frame.iloc[:, 0].tolist() == [ALIX, GUS]
    assert frame.iloc[:, 1].tolist() == [1, "a"]


# --- networkx -----------------------------------------------------------------------------------------------


def test_networkx_has_every_element_once(networkx: Any) -> None:
    graph = result_of(
        ("p", 9104), ("e", 9102), ("v", 9106), rows=[(PATH, KNOWS, [{"again": ALIX}, 5])]
    ).to_networkx()
    assert dict(graph.nodes(data=True)) == {
        1: {"name": "Alix", "born": datetime.date(1990, 1, 1), "labels": {"Person"}},
        2: {"labels": {"Dog", "Person"}},
    }
    assert list(graph.edges(keys=True, data=True)) == [
        (1, 2, 7, {"since": 1999, "price": Decimal("1.50"), "labels": {"KNOWS"}})
    ]


def test_networkx_has_the_ends_of_edges_that_stand_alone(networkx: Any) -> None:
    graph = result_of(("e", 9102), rows=[(KNOWS,), (skerry.Edge(8, ["KNOWS"], {}, 1, 2),)]).to_networkx()
    assert sorted(graph.nodes) == [1, 2]
    assert sorted(graph.edges(keys=True)) == [(1, 2, 7), (1, 2, 8)]


def test_undirected_edges_make_an_undirected_graph_or_lead_both_ways(networkx: Any) -> None:
    one, loop = skerry.Edge(8, ["B"], {"w": 1}, 2, 1, False), skerry.Edge(9, ["B"], {}, 3, 3, False)
    graph = result_of(("e", 9102), ("n", 9100), rows=[(one, ALIX), (loop, GUS)]).to_networkx()
    assert not graph.is_directed() and sorted(graph.edges(keys=True)) == [(2, 1, 8), (3, 3, 9)]
    mixed = result_of(("e", 9102), rows=[(one,), (loop,), (KNOWS,)]).to_networkx()
    assert mixed.is_directed()
    assert sorted(mixed.edges(keys=True)) == [(1, 2, 7), (1, 2, 8), (2, 1, 8), (3, 3, 9)]
    assert mixed.edges[1, 2, 8] == mixed.edges[2, 1, 8] == {"w": 1, "labels": {"B"}}
    assert result_of(("n", 9100), rows=[(ALIX,)]).to_networkx().is_directed()


# --- without them -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["to_arrow", "to_pandas", "to_networkx"])
def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    def missing(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(exchange, "importlib", type("Missing", (), {"import_module": staticmethod(missing)}))
    with pytest.raises(skerry.InterfaceError, match=r"pip install 'skerry\["):
        getattr(result_of(("x", 23), rows=[(1,)]), method)()
    assert importlib is not exchange.importlib
