"""The catalog of a new cluster, and the contents of a new database.

The graphs `home` of a new cluster's databases have OIDs and storages with fixed numbers: whoever replays a log from its
beginning has the same ones.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from skerry_engine.catalog.catalog import Catalog, Database, OidAllocator
from skerry_engine.catalog.graphs import OIDS_OF_A_GRAPH, home_graph, with_graph
from skerry_engine.catalog.objects import (
    BOOTSTRAP_ROLE,
    CLASS_DATABASE,
    CLASS_NAMESPACE,
    INFORMATION_SCHEMA,
    PG_CATALOG,
    PG_TOAST,
    PUBLIC,
    SKERRY,
    Address,
    Role,
    Schema,
    SystemTable,
    new_version,
)

DATABASE_OWNER_ROLE = 6171
PREDEFINED_ROLES = (
    (3373, "pg_monitor"),
    (3374, "pg_read_all_settings"),
    (3375, "pg_read_all_stats"),
    (3377, "pg_stat_scan_tables"),
    (4200, "pg_signal_backend"),
    (4544, "pg_checkpoint"),
    (4569, "pg_read_server_files"),
    (4570, "pg_write_server_files"),
    (4571, "pg_execute_server_program"),
    (DATABASE_OWNER_ROLE, "pg_database_owner"),
    (6181, "pg_read_all_data"),
    (6182, "pg_write_all_data"),
)
"""Roles that PostgreSQL always has; clients ask whether a user is one of them."""

TEMPLATE1 = 1
TEMPLATE0 = 4
POSTGRES = 5


HOME_GRAPHS = {
    database_oid: (9200 + OIDS_OF_A_GRAPH * number, (2 * number + 1, 2 * number + 2))
    for number, database_oid in enumerate((POSTGRES, TEMPLATE1, TEMPLATE0))
}
"""The graphs `home` of a new cluster's databases: the first OID, the storages of nodes and edges."""


def new_catalog(superuser: str = "skerry", system_tables: Iterable[SystemTable] | None = None) -> Catalog:
    """The catalog of a new cluster: databases postgres, template1, template0."""
    tables = tuple(all_system_tables() if system_tables is None else system_tables)
    acl = (f"=c/{superuser}", f"{superuser}=CTc/{superuser}")
    databases = (
        _bootstrapped(POSTGRES, "postgres", superuser, tables),
        replace(_bootstrapped(TEMPLATE1, "template1", superuser, tables), is_template=True, acl=acl),
        replace(
            _bootstrapped(TEMPLATE0, "template0", superuser, tables),
            is_template=True,
            acl=acl,
            allow_connections=False,
        ),
    )
    comments = {
        Address(CLASS_DATABASE, POSTGRES): "default administrative connection database",
        Address(CLASS_DATABASE, TEMPLATE1): "default template for new databases",
        Address(CLASS_DATABASE, TEMPLATE0): "unmodifiable empty database",
    }
    return Catalog(
        new_version(),
        {d.oid: d for d in databases},
        {r.oid: r for r in bootstrap_roles(superuser)},
        comments,
        OidAllocator(),
    )


def _bootstrapped(oid: int, name: str, superuser: str, tables: tuple[SystemTable, ...]) -> Database:
    first_oid, storage_ids = HOME_GRAPHS[oid]
    graph = home_graph(first_oid, BOOTSTRAP_ROLE, storage_ids)
    return with_graph(new_database(oid, name, superuser, tables), *graph)


def new_database(
    oid: int, name: str, superuser: str = "skerry", system_tables: Iterable[SystemTable] | None = None
) -> Database:
    """A database with the system schemas, their relations, and an empty `public`; without the graph `home`, whose
    storages somebody has to make."""
    tables = tuple(all_system_tables() if system_tables is None else system_tables)
    comments = {
        Address(CLASS_NAMESPACE, PG_CATALOG): "system catalog schema",
        Address(CLASS_NAMESPACE, PG_TOAST): "reserved schema for TOAST tables",
        Address(CLASS_NAMESPACE, SKERRY): "functions and views of Skerry's own",
        Address(CLASS_NAMESPACE, PUBLIC): "standard public schema",
    }
    empty = Database(oid, name, BOOTSTRAP_ROLE, comments=comments)
    return empty.with_schemas(bootstrap_schemas(superuser)).with_relations(tables)


def bootstrap_schemas(superuser: str) -> list[Schema]:
    use = (f"{superuser}=UC/{superuser}", f"=U/{superuser}")
    owner = "pg_database_owner"
    return [
        Schema(PG_CATALOG, "pg_catalog", BOOTSTRAP_ROLE, use),
        Schema(PG_TOAST, "pg_toast", BOOTSTRAP_ROLE),
        Schema(PUBLIC, "public", DATABASE_OWNER_ROLE, (f"{owner}=UC/{owner}", f"=U/{owner}")),
        Schema(INFORMATION_SCHEMA, "information_schema", BOOTSTRAP_ROLE, use),
        Schema(SKERRY, "skerry", BOOTSTRAP_ROLE, use),
    ]


def bootstrap_roles(superuser: str) -> list[Role]:
    return [
        Role(
            BOOTSTRAP_ROLE,
            superuser,
            superuser=True,
            create_role=True,
            create_db=True,
            can_login=True,
            replication=True,
            bypass_rls=True,
        ),
        *(Role(oid, name) for oid, name in PREDEFINED_ROLES),
    ]


def all_system_tables() -> tuple[SystemTable, ...]:
    """Every relation of pg_catalog and information_schema."""
    from skerry_engine.catalog.system.relations import SYSTEM_TABLES

    return SYSTEM_TABLES


__all__ = ["POSTGRES", "TEMPLATE0", "TEMPLATE1", "new_catalog", "new_database"]
