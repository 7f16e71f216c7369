"""Views over system tables keep OIDs and positions, so these never change from one version to the next."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from support.catalog_swap import newest_catalog
from support.sessions import SqlDatabase

from skerry_engine.algebra import queries as q
from skerry_engine.algebra.traversal import rewrite_all
from skerry_engine.catalog.bootstrap import POSTGRES, all_system_tables
from skerry_engine.catalog.objects import View
from skerry_engine.values.types import type_info

LISTED = Path(__file__).parents[2] / "data" / "catalog" / "system_columns.txt"


def _described() -> dict[str, str]:
    """Each system table's OID with its columns: names and types in order."""
    return {
        f"{table.oid} {table.name}": ", ".join(
            f"{c.name} {type_info(c.type.oid).name}" for c in table.columns
        )
        for table in sorted(all_system_tables(), key=lambda each: each.oid)
    }


def test_columns_of_system_tables_are_added_at_the_end_only() -> None:
    """SKERRY_REGENERATE=1 adds new tables and columns to the list; what it changes otherwise breaks views."""
    listed = dict(line.split(": ", 1) for line in LISTED.read_text(encoding="utf-8").splitlines())
    found = _described()
    for name, columns in listed.items():
        assert f"{found.get(name, '')},".startswith(f"{columns},"), name
    if os.environ.get("SKERRY_REGENERATE"):
        LISTED.write_text(
            "".join(f"{name}: {columns}\n" for name, columns in found.items()), encoding="utf-8"
        )
        return
    assert found == listed, "new tables or columns: see above"


def test_every_column_of_a_system_table_stands_at_its_number() -> None:
    for table in all_system_tables():
        assert [c.attnum for c in table.columns] == list(range(1, len(table.columns) + 1))
        assert [c.position for c in table.columns] == list(range(len(table.columns)))


def test_a_view_that_knows_fewer_columns_of_a_system_table_reads_the_right_ones() -> None:
    """As one made before columns were added: its scan is narrower than the rows."""
    database = SqlDatabase(
        "create table t (a int)",
        "create view v as select t.a, c.relname from t right join pg_class c on c.oid = t.a where c.relname = 't'",
        "create view w as select n.nspname, c.relname from pg_class c left join pg_namespace n on n.oid = c.relnamespace "
        "where c.relname = 't'",
    )
    before = [database.rows(f"select * from {name}") for name in "vw"]
    catalog = newest_catalog(database.engine)
    old = catalog.database(POSTGRES)

    def narrower(node: object) -> object | None:
        return replace(node, width=4) if isinstance(node, q.Scan) and node.is_virtual else None

    views = [replace(view, query=rewrite_all(view.query, narrower)) for view in old.views()]
    assert all(isinstance(view, View) for view in views) and len(views) == 2
    database.engine.manager._catalog = catalog.with_database(old.with_relations(views))
    assert [database.rows(f"select * from {name}") for name in "vw"] == before
