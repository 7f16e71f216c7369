"""Random values of graphs' dynamic type, as hypothesis strategies."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as some

from skerry_engine.values import graphs, interval, oids
from skerry_engine.values.numeric import canonical


def unhurried(max_examples: int = 60) -> settings:
    """Settings for tests of values that take long to make when the machine is busy: no time is too long."""
    return settings(
        max_examples=max_examples,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )


INT8 = some.integers(-(2**63), 2**63 - 1) | some.integers(-9, 9)
FLOAT8 = some.floats() | some.sampled_from([0.0, -0.0, 0.1, 1.0, 2.0**53, 2.0**60, 1e22, 5e-324])
NUMERIC = (
    some.decimals(allow_nan=True, allow_infinity=False, places=2)
    | some.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**30), max_value=10**30)
    | FLOAT8.map(lambda value: Decimal(repr(value)))
    | FLOAT8.filter(lambda value: value == value and abs(value) < 1e30).map(Decimal)
    | INT8.map(Decimal)
).map(canonical)
NUMBERS = INT8 | FLOAT8 | NUMERIC
TEXT = some.text(some.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=4)
SMALL = some.integers(0, 3)
NODES = some.builds(lambda row_id: graphs.node_value(1, 2, row_id, (1,)), SMALL)
EDGES = some.builds(
    lambda row_id, source, target, is_directed: graphs.edge_value(
        1, 3, row_id, (1, source, is_directed), (2, source), (2, target)
    ),
    SMALL,
    SMALL,
    SMALL,
    some.booleans(),
)
PATHS = some.builds(
    lambda first, rest: (first, *[element for step in rest for element in step]),
    NODES,
    some.lists(some.tuples(EDGES, NODES), max_size=2),
)
DAYS = some.integers(-10_000, 10_000)
INTERVALS = some.builds(interval.pack, SMALL, SMALL, DAYS)

TYPED: dict[int, some.SearchStrategy[Any]] = {
    oids.BOOL: some.booleans(),
    oids.INT8: INT8,
    oids.FLOAT8: FLOAT8,
    oids.NUMERIC: NUMERIC,
    oids.TEXT: TEXT,
    oids.BYTEA: some.binary(max_size=3),
    oids.DATE: DAYS,
    oids.TIMESTAMP: DAYS,
    oids.TIMESTAMPTZ: DAYS,
    oids.TIME: some.integers(0, 86_400_000_000),
    oids.INTERVAL: INTERVALS,
    oids.UUID: some.binary(min_size=16, max_size=16),
    oids.NODE: NODES,
    oids.EDGE: EDGES,
    oids.PATH: PATHS,
}
"""Values of each type that no list or record is."""


def _dynamic(type_oid: int) -> some.SearchStrategy[Any]:
    return TYPED[type_oid].map(lambda value: graphs.dynamic(type_oid, value))


ATOMS = some.sampled_from(sorted(TYPED)).flatmap(_dynamic)
STATIC_LISTS = some.one_of(
    some.tuples(some.just(oids.INT8_ARRAY), some.lists(some.none() | INT8, max_size=3).map(tuple)),
    some.tuples(some.just(oids.TEXT_ARRAY), some.lists(some.none() | TEXT, max_size=3).map(tuple)),
    some.tuples(some.just(oids.NODE_ARRAY), some.lists(NODES, max_size=2).map(tuple)),
)


def _nested(inner: some.SearchStrategy[Any]) -> some.SearchStrategy[Any]:
    lists = some.lists(some.none() | inner, max_size=3).map(lambda items: (oids.ANYVALUE_ARRAY, tuple(items)))
    fields = some.lists(
        some.tuples(some.sampled_from("abc"), some.none() | inner),
        max_size=3,
        unique_by=lambda field: field[0],
    )
    return lists | fields.map(lambda pairs: (oids.GRAPHRECORD, tuple(pairs)))


ANY = some.recursive(ATOMS | STATIC_LISTS, _nested, max_leaves=6)
"""Any anyvalue that is not NULL."""
