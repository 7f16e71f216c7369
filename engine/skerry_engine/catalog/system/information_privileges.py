"""Rows of information_schema about privileges, collations and what views read.

Who asks sees what he, or a role that he is a member of, has granted or been granted, and what everybody has.
"""

from __future__ import annotations

from collections.abc import Iterator

from skerry_engine.catalog.catalog import Database
from skerry_engine.catalog.names import COLLATIONS
from skerry_engine.catalog.objects import Relation, Right, Table, View
from skerry_engine.catalog.privileges import BITS, Judge, column_rights, rights_of_relation
from skerry_engine.catalog.system.context import SystemContext
from skerry_engine.catalog.system.information_tables import SCHEMA, visible_relations, yes_no
from skerry_engine.catalog.system.layout import Row, layout
from skerry_engine.catalog.system.registry import database_rows_of, rows_of
from skerry_engine.catalog.system.views import schema_name

TABLE_PRIVILEGES = layout("table_privileges", SCHEMA)
ROLE_TABLE_GRANTS = layout("role_table_grants", SCHEMA)
COLUMN_PRIVILEGES = layout("column_privileges", SCHEMA)
ROLE_COLUMN_GRANTS = layout("role_column_grants", SCHEMA)
APPLICABLE = layout("applicable_roles", SCHEMA)
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
    judge = Judge(context.catalog, context.database, context.current_user_oid)
    for relation in visible_relations(context.database):
        for right in rights_of_relation(relation):
            for values in _of_right(context, judge, relation, right, TABLE_WIDE):
                hierarchy = yes_no(values["privilege_type"] == "SELECT")
                yield {**values, "with_hierarchy": hierarchy}


def _column_privileges(context: SystemContext) -> Iterator[dict[str, object]]:
    """Those on single columns, and those on whole tables for each of their columns."""
    judge = Judge(context.catalog, context.database, context.current_user_oid)
    for relation in visible_relations(context.database):
        whole = [
            values
            for right in rights_of_relation(relation)
            for values in _of_right(context, judge, relation, right, PER_COLUMN)
        ]
        for column in relation.live_columns:
            own = [
                values
                for right in column_rights(relation, column.attnum)
                for values in _of_right(context, judge, relation, right, PER_COLUMN)
            ]
            yield from ({**values, "column_name": column.name} for values in (*whole, *own))


def _of_right(
    context: SystemContext, judge: Judge, relation: Relation, right: Right, names: tuple[str, ...]
) -> Iterator[dict[str, object]]:
    """What one right grants, a row each; the current role sees what it, or PUBLIC, has granted or been granted."""
    involved = {right.grantee_oid, right.grantor_oid}
    if not (judge.is_superuser or 0 in involved or involved & judge.roles):
        return
    catalog = context.catalog
    grantee = "PUBLIC" if right.grantee_oid == 0 else catalog.role_name(right.grantee_oid)
    for name in names:
        bit = BITS[name.lower()]
        if right.privileges & bit:
            is_grantable = bool(right.options & bit) or right.grantee_oid == relation.owner_oid
            yield {
                "grantor": catalog.role_name(right.grantor_oid),
                "grantee": grantee,
                "table_catalog": context.database.name,
                "table_schema": schema_name(context.database, relation),
                "table_name": relation.name,
                "privilege_type": name,
                "is_grantable": yes_no(is_grantable),
            }


@rows_of("applicable_roles", SCHEMA)
def applicable_role_rows(context: SystemContext) -> list[Row]:
    """The memberships of the roles that the current one is, or is a member of."""
    catalog = context.catalog
    judge = Judge(catalog, context.database, context.current_user_oid)
    found = []
    for oid in sorted(catalog.roles if judge.is_superuser else judge.roles):
        role = catalog.roles.get(oid)
        for membership in () if role is None else role.memberships:
            found.append(
                APPLICABLE.row(
                    grantee=catalog.role_name(oid),
                    role_name=catalog.role_name(membership.role_oid),
                    is_grantable=yes_no(membership.admin_option),
                )
            )
    return found


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
