"""Which function makes the rows of which system relation.

Modules of this package declare their makers with `@rows_of("pg_class")`; `relations` gathers them.
"""

from __future__ import annotations

from collections.abc import Callable

from skerry_engine.catalog.catalog import Database
from skerry_engine.catalog.system.context import SystemContext
from skerry_engine.catalog.system.layout import LAYOUTS, Row

Maker = Callable[[SystemContext], list[Row]]

MAKERS: dict[tuple[str, str], Maker] = {}


def rows_of(name: str, schema: str = "pg_catalog") -> Callable[[Maker], Maker]:
    """Declare a function to be the maker of a system relation's rows."""
    assert (schema, name) in LAYOUTS, name

    def declare(maker: Maker) -> Maker:
        assert (schema, name) not in MAKERS, name
        MAKERS[(schema, name)] = maker
        return maker

    return declare


def database_rows_of(
    name: str, schema: str = "pg_catalog"
) -> Callable[[Callable[[Database], list[Row]]], Callable[[Database], list[Row]]]:
    """Declare a maker that depends on the database alone: its rows are made once per state of the catalog."""

    def declare(maker: Callable[[Database], list[Row]]) -> Callable[[Database], list[Row]]:
        def cached(context: SystemContext) -> list[Row]:
            database = context.database
            return database.cached(f"rows of {schema}.{name}", lambda: maker(database))

        rows_of(name, schema)(cached)
        return maker

    return declare


def fixed_rows_of(
    name: str, schema: str = "pg_catalog"
) -> Callable[[Callable[[], list[Row]]], Callable[[], list[Row]]]:
    """Declare a maker whose rows never change: they are made once."""

    def declare(maker: Callable[[], list[Row]]) -> Callable[[], list[Row]]:
        made: list[list[Row]] = []

        def cached(_context: SystemContext) -> list[Row]:
            if not made:
                made.append(maker())
            return made[0]

        rows_of(name, schema)(cached)
        return maker

    return declare
