"""Databases and schemas: creating, altering and dropping them."""

from __future__ import annotations

import time
from collections.abc import Generator
from dataclasses import replace

from skerry_engine import errors
from skerry_engine.catalog import bootstrap, cluster_changes, naming
from skerry_engine.catalog.catalog import Database
from skerry_engine.catalog.graph_changes import create_graph
from skerry_engine.catalog.graphs import Graph, oids_of, with_graph
from skerry_engine.catalog.objects import FIRST_USER_OID, PUBLIC, Schema, SequenceDef, SystemTable
from skerry_engine.session.definitions.change import change_catalog
from skerry_engine.session.definitions.context import DefinitionContext
from skerry_engine.session.definitions.guards import (
    check_database_owner,
    check_may_create_database,
    check_may_create_schema,
    check_new_owner,
)
from skerry_engine.session.definitions.names import role_named
from skerry_engine.session.definitions.roles import change_database_setting
from skerry_engine.session.definitions.waiting import lock_object_name, see_newest
from skerry_engine.session.graphs.making import is_empty_home, made_home
from skerry_engine.session.sleeping import Timer
from skerry_engine.session.steps import Complete, Step, Wait
from skerry_engine.sql import statements as st

LOCALES = frozenset(("C", "C.UTF-8", "C.UTF8", "C.utf8", "POSIX"))
ENCODINGS = frozenset(("utf8", "utf-8", "unicode", "6"))
KNOWN_OPTIONS = frozenset(
    """owner template encoding locale lc_collate lc_ctype icu_locale locale_provider collation_version tablespace
    allow_connections connection_limit is_template strategy oid""".split()
)

LEAVING_TIMEOUT_S = 5.0
"""How long sessions may take to leave a database to be dropped or renamed; PostgreSQL's figure."""
LEAVING_POLL_S = 0.1

# --- databases ----------------------------------------------------------------------------------------------


def create_database(
    context: DefinitionContext, statement: st.CreateDatabase
) -> Generator[Step, object, Complete]:
    """CREATE DATABASE.  Raises DuplicateDatabase, ActiveTransaction,
    and NotSupportedError for other locales."""
    if context.in_transaction_block:
        raise errors.ActiveTransaction("CREATE DATABASE cannot run inside a transaction block")
    check_may_create_database(context)
    options = {name: value for name, value in statement.options.items() if value is not None}
    _check_options(options)
    name = naming.truncate_name(statement.name)
    yield from lock_object_name(context, "database", name)
    if context.catalog.database_named(name) is not None:
        raise errors.DuplicateDatabase(f'database "{name}" already exists')
    template = _template(context, options.get("template", "template1"))
    owner_oid = role_named(context, options["owner"]).oid if "owner" in options else context.user_oid
    check_new_owner(context, owner_oid)
    catalog = context.catalog
    system_tables = [each for each in template.relations.values() if isinstance(each, SystemTable)]
    made = bootstrap.new_database(catalog.oids.allocate(), name, catalog.role_name(10), system_tables)
    made = with_graph(made, *made_home(context, PUBLIC))
    made = _with_options(replace(made, owner_oid=owner_oid), options)
    change_catalog(context, lambda catalog: cluster_changes.create_database(catalog, made))
    return Complete("CREATE DATABASE")


def _check_options(options: dict[str, str]) -> None:
    for name, value in options.items():
        if name not in KNOWN_OPTIONS:
            raise errors.SyntaxError(f'option "{name}" not recognized')
        if name in ("locale", "lc_collate", "lc_ctype") and value not in LOCALES:
            raise errors.NotSupportedError(f'locale "{value}" is not supported', hint="Use C.")
        if name == "encoding" and value.lower() not in ENCODINGS:
            raise errors.NotSupportedError(f"encoding {value} is not supported", hint="Use UTF8.")
        if name == "locale_provider" and value != "libc":
            raise errors.NotSupportedError(f"locale provider {value} is not supported")
        if name in ("icu_locale", "collation_version", "oid"):
            raise errors.NotSupportedError(f"option {name} of CREATE DATABASE is not supported")
        if name == "tablespace" and value != "pg_default":
            raise errors.UndefinedObject(f'tablespace "{value}" does not exist')


def _template(context: DefinitionContext, name: str) -> Database:
    found = context.catalog.database_named(name)
    if found is None:
        raise errors.InvalidCatalogName(f'template database "{name}" does not exist')
    graphs = list(found.of_type(Graph))
    empty = [graph for graph in graphs if is_empty_home(context, found, graph)]
    home = {oid for graph in empty for oid in oids_of(found, graph)}
    if len(empty) < len(graphs) or any(
        oid >= FIRST_USER_OID and oid not in home for oid in (*found.relations, *found.schemas)
    ):
        raise errors.NotSupportedError(f'copying the contents of template database "{name}" is not supported')
    return found


def _with_options(database: Database, options: dict[str, str]) -> Database:
    if "connection_limit" in options:
        database = replace(database, connection_limit=_integer(options["connection_limit"]))
    if "allow_connections" in options:
        database = replace(
            database, allow_connections=_boolean("allow_connections", options["allow_connections"])
        )
    if "is_template" in options:
        database = replace(database, is_template=_boolean("is_template", options["is_template"]))
    return database


def _integer(text: str) -> int:
    value = int(text) if text.lstrip("-").isdigit() else -2
    if value < -1:
        raise errors.InvalidParameterValue(f"invalid connection limit: {text}")
    return value


def _boolean(name: str, text: str) -> bool:
    lowered = text.lower()
    if lowered not in ("true", "false", "on", "off", "1", "0"):
        raise errors.SyntaxError(f"{name} requires a Boolean value")
    return lowered in ("true", "on", "1")


def drop_database(
    context: DefinitionContext, statement: st.DropDatabase
) -> Generator[Step, object, Complete]:
    """DROP DATABASE.  Raises InvalidCatalogName, ObjectInUse, WrongObjectType for a template."""
    if context.in_transaction_block:
        raise errors.ActiveTransaction("DROP DATABASE cannot run inside a transaction block")
    yield from lock_object_name(context, "database", statement.name)
    found = context.catalog.database_named(statement.name)
    if found is None:
        if not statement.if_exists:
            raise errors.InvalidCatalogName(f'database "{statement.name}" does not exist')
        context.notice(f'database "{statement.name}" does not exist, skipping')
        return Complete("DROP DATABASE")
    check_database_owner(context, found)
    if found.is_template:
        raise errors.WrongObjectType("cannot drop a template database")
    if found.oid == context.database_oid:
        raise errors.ObjectInUse("cannot drop the currently open database")
    oid = found.oid
    unused = yield from wait_until_unused(context, oid, statement.force)
    _forget_contents(context, unused)
    change_catalog(context, lambda catalog: cluster_changes.drop_database(catalog, oid))
    return Complete("DROP DATABASE")


def wait_until_unused(
    context: DefinitionContext, oid: int, force: bool = False
) -> Generator[Step, object, Database]:
    """Wait for other sessions to leave a database; it as it is then.

    Sessions that just ended leave by themselves.  Raises ObjectInUse if some stay,
    InvalidCatalogName if it is gone.
    """
    give_up_at_s = time.monotonic() + LEAVING_TIMEOUT_S
    while context.other_sessions(oid) and not force and time.monotonic() < give_up_at_s:
        yield Wait(Timer(time.monotonic() + LEAVING_POLL_S))
    see_newest(context)
    database = context.catalog.database(oid)
    others = context.other_sessions(oid)
    if not others:
        return database
    if force:
        raise errors.NotSupportedError(
            "DROP DATABASE ... WITH (FORCE) is not supported while sessions use the database"
        )
    detail = "There is 1 other session" if others == 1 else f"There are {others} other sessions"
    raise errors.ObjectInUse(
        f'database "{database.name}" is being accessed by other users', detail=f"{detail} using the database."
    )


def _forget_contents(context: DefinitionContext, database: Database) -> None:
    storage_ids = [table.storage_id for table in database.tables()]
    sequence_oids = [each.oid for each in database.of_type(SequenceDef)]
    stores, sequences, manager = context.stores, context.sequences, context.manager

    def forget() -> None:
        for storage_id in storage_ids:
            stores.retire(storage_id, manager)
        for oid in sequence_oids:
            manager.retire(lambda oid=oid: sequences.forget(oid))  # type: ignore[misc]

    context.transaction.on_commit(forget)


def alter_database(
    context: DefinitionContext, statement: st.AlterDatabase
) -> Generator[Step, object, Complete]:
    """ALTER DATABASE: options, and the settings that sessions start with."""
    yield from lock_object_name(context, "database", statement.name)
    found = context.catalog.get_database(statement.name)
    check_database_owner(context, found)
    if statement.setting is not None:
        change_database_setting(context, found.oid, statement.setting)
        return Complete("ALTER DATABASE")
    options = {name: value for name, value in statement.options.items() if value is not None}
    for name in options:
        if name not in ("connection_limit", "allow_connections", "is_template"):
            raise errors.SyntaxError(f'option "{name}" not recognized')
    oid = found.oid
    change_catalog(
        context, lambda catalog: catalog.with_database(_with_options(catalog.database(oid), options))
    )
    return Complete("ALTER DATABASE")


# --- schemas ------------------------------------------------------------------------------------------------


def create_schema(
    context: DefinitionContext, statement: st.CreateSchema
) -> Generator[Step, object, Complete]:
    """CREATE SCHEMA.  Raises DuplicateSchema, ReservedName, NotSupportedError for elements."""
    if statement.elements:
        raise errors.NotSupportedError("CREATE SCHEMA with schema elements is not supported")
    owner_oid = context.user_oid if statement.owner is None else role_named(context, statement.owner).oid
    name = naming.truncate_name(statement.name)
    if name in ("current_user", "current_role", "session_user"):
        name = role_named(context, name).name
    check_may_create_schema(context)
    check_new_owner(context, owner_oid)
    cluster_changes.check_schema_name(name)
    yield from lock_object_name(context, "schema name", context.database_oid, name)
    if statement.if_not_exists and context.database.schema_named(name) is not None:
        context.notice(f'schema "{name}" already exists, skipping', sqlstate="42P06")
        return Complete("CREATE SCHEMA")
    schema = Schema(context.catalog.oids.allocate(), name, owner_oid)
    database_oid = context.database_oid
    change_catalog(context, lambda catalog: cluster_changes.create_schema(catalog, database_oid, schema))
    if name == "public":
        home = made_home(context, schema.oid)
        change_catalog(context, lambda catalog: create_graph(catalog, database_oid, home))
    return Complete("CREATE SCHEMA")
