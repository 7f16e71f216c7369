"""Rows of information_schema about privileges, collations and what views read.

Skerry has no GRANT yet: an owner has every privilege, with the right to grant it;
PUBLIC may read system relations.
"""

from __future__ import annotations

from collections.abc import Iterator

from skerry_engine.catalog.catalog import Database
from skerry_engine.catalog.names import COLLATIONS
from skerry_engine.catalog.objects import Relation, SystemTable, Table, View
from skerry_engine.catalog.system.context import SystemContext
from skerry_engine.catalog.system.information_tables import SCHEMA, visible_relations, yes_no
from skerry_engine.catalog.system.layout import Row, layout
from skerry_engine.catalog.system.registry import database_rows_of, rows_of
from skerry_engine.catalog.system.views import schema_name

TABLE_PRIVILEGES = layout("table_privileges", SCHEMA)
ROLE_TABLE_GRANTS = layout("role_table_grants", SCHEMA)
COLUMN_PRIVILEGES = layout("column_privileges", SCHEMA)
ROLE_COLUMN_GRANTS = layout("role_column_grants", SCHEMA)
COLLATION = layout("collations", SCHEMA)
COLLATION_SETS = layout("collation_character_set_applicability", SCHEMA)
VIEW_COLUMNS = layout("view_column_usage", SCHEMA)

TABLE_WIDE = ("INSERT", "SELECT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER")
PER_COLUMN = ("INSERT", "REFERENCES", "SELECT", "UPDATE")


@rows_of("table_privileges", SCHEMA)
def table_privilege_rows(context: SystemContext) -> list[Row]:
    return [TABLE_PRIVILEGES.row(**values) for values in _table_privileges(context)]


@rows_of("role_table_grants", SCHEMA)
def role_table_grant_rows(context: SystemContext) -> list[Row]:
    owned = (values for values in _table_privileges(context) if values["grantee"] != "PUBLIC")
    return [ROLE_TABLE_GRANTS.row(**values) for values in owned]


@rows_of("column_privileges", SCHEMA)
def column_privilege_rows(context: SystemContext) -> list[Row]:
    return [COLUMN_PRIVILEGES.row(**values) for values in _column_privileges(context)]


@rows_of("role_column_grants", SCHEMA)
def role_column_grant_rows(context: SystemContext) -> list[Row]:
    owned = (values for values in _column_privileges(context) if values["grantee"] != "PUBLIC")
    return [ROLE_COLUMN_GRANTS.row(**values) for values in owned]


def _table_privileges(context: SystemContext) -> Iterator[dict[str, object]]:
    for relation in visible_relations(context.database):
        for grantee, privilege in _grants(context, relation, TABLE_WIDE):
            yield {
                **_granted(context, relation, grantee, privilege),
                "with_hierarchy": yes_no(privilege == "SELECT"),
            }


def _column_privileges(context: SystemContext) -> Iterator[dict[str, object]]:
    for relation in visible_relations(context.database):
        for grantee, privilege in _grants(context, relation, PER_COLUMN):
            for column in relation.live_columns:
                yield {**_granted(context, relation, grantee, privilege), "column_name": column.name}


def _grants(
    context: SystemContext, relation: Relation, privileges: tuple[str, ...]
) -> Iterator[tuple[str, str]]:
    owner = context.catalog.role_name(relation.owner_oid)
    yield from ((owner, privilege) for privilege in privileges)
    if isinstance(relation, SystemTable):
        yield "PUBLIC", "SELECT"


def _granted(context: SystemContext, relation: Relation, grantee: str, privilege: str) -> dict[str, object]:
    return {
        "grantor": context.catalog.role_name(relation.owner_oid),
        "grantee": grantee,
        "table_catalog": context.database.name,
        "table_schema": schema_name(context.database, relation),
        "table_name": relation.name,
        "privilege_type": privilege,
        "is_grantable": yes_no(grantee != "PUBLIC"),
    }


@database_rows_of("collations", SCHEMA)
def collation_rows(database: Database) -> list[Row]:
    return [
        COLLATION.row(
            collation_catalog=database.name,
            collation_schema="pg_catalog",
            collation_name=name,
            pad_attribute="NO PAD",
        )
        for name in COLLATIONS.values()
    ]


@database_rows_of("collation_character_set_applicability", SCHEMA)
def collation_set_rows(database: Database) -> list[Row]:
    return [
        COLLATION_SETS.row(
            collation_catalog=database.name,
            collation_schema="pg_catalog",
            collation_name=name,
            character_set_name="UTF8",
        )
        for name in COLLATIONS.values()
    ]


@database_rows_of("view_column_usage", SCHEMA)
def view_column_rows(database: Database) -> list[Row]:
    return [
        VIEW_COLUMNS.row(
            view_catalog=database.name,
            view_schema=schema_name(database, view),
            view_name=view.name,
            table_catalog=database.name,
            table_schema=schema_name(database, read),
            table_name=read.name,
            column_name=column,
        )
        for view in database.views()
        for read, column in _columns_read(database, view)
    ]


def _columns_read(database: Database, view: View) -> Iterator[tuple[Relation, str]]:
    for reference in view.references:
        relation = database.relation(reference.oid)
        if reference.sub_id and isinstance(relation, (Table, View)):
            yield relation, relation.columns[reference.sub_id - 1].name
