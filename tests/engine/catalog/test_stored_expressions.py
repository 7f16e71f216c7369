"""CHECK expressions, parsed and bound here, print as PostgreSQL 15 prints them
(`tests/data/deparsed_checks.json`)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.catalog_world import FakeSystem, World

from skerry_engine.algebra.queries import Select
from skerry_engine.catalog.definitions import DefinitionPrinter
from skerry_engine.catalog.deparse import Deparser, Names
from skerry_engine.catalog.names import CatalogNames
from skerry_engine.catalog.objects import Column
from skerry_engine.session.plans import parse_stored_query
from skerry_engine.sql.binder.context import BindContext, Parameters
from skerry_engine.sql.binder.queries import QueryBinder
from skerry_engine.sql.normalise import normalise
from skerry_engine.values.io import IoContext
from skerry_engine.values.types import SqlType, format_type

FACTS = json.loads((Path(__file__).parents[2] / "data" / "deparsed_checks.json").read_text())
COLUMNS = [
    ("a", SqlType(23)),
    ("b", SqlType(23)),
    ("c", SqlType(25)),
    ("v", SqlType(1043, 24)),
    ("n", SqlType(1700, ((10 << 16) | 2) + 4)),
    ("ts", SqlType(1114)),
    ("f", SqlType(701)),
    ("arr", SqlType(1007)),
]


@pytest.fixture(scope="module")
def system() -> FakeSystem:
    world = World()
    world.table("dp", [Column(name, i + 1, i, sql_type) for i, (name, sql_type) in enumerate(COLUMNS)])
    return FakeSystem(world)


@pytest.mark.parametrize(("source", "plain", "pretty"), FACTS, ids=[fact[0] for fact in FACTS])
def test_bound_checks_print_as_postgresql_does(
    system: FakeSystem, source: str, plain: str, pretty: str
) -> None:
    query = f"SELECT {source} FROM dp"
    normalised = normalise(query, lift=False)
    context = BindContext(
        system.database, system.search_path, Parameters(normalised, []), normalised, parse_stored_query
    )
    io = IoContext(names=CatalogNames(system.catalog, system.database, system.search_path))
    bound = QueryBinder(context, io).query(parse_stored_query(query))
    assert isinstance(bound, Select)
    constant = DefinitionPrinter(system.database, system.search_path).constant
    names = Names(
        lambda _range, position: COLUMNS[position][0],
        lambda each: format_type(each.oid, each.typmod),
        constant,
    )
    assert f"CHECK ({Deparser(names).expression(bound.outputs[0])})" == plain
    assert f"CHECK ({Deparser(names, True).expression(bound.outputs[0])})" == pretty
