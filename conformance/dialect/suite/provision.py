"""How the suite says things in Skerry's SQL: temporary tables, upserts, a default schema, cleaning up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Table, inspect, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Engine
from sqlalchemy.testing.provision import (
    drop_all_schema_objects_post_tables,
    drop_all_schema_objects_pre_tables,
    set_default_schema_on_connection,
    temp_table_keyword_args,
    upsert,
)


@temp_table_keyword_args.for_db("skerry")
def temporary_table(config: Any, engine: Engine) -> dict[str, list[str]]:
    """What makes a Table a temporary one."""
    return {"prefixes": ["TEMPORARY"]}


@set_default_schema_on_connection.for_db("skerry")
def search_schema(config: Any, connection: Any, schema: str) -> None:
    """Have a driver's connection look for names in another schema, for good."""
    autocommit, connection.autocommit = connection.autocommit, True
    cursor = connection.cursor()
    cursor.execute(f'SET search_path = "{schema}"')
    cursor.close()
    connection.autocommit = autocommit


@upsert.for_db("skerry")
def insert_or_update(
    config: Any,
    table: Table,
    returning: Sequence[Any],
    *,
    set_lambda: Callable[[Any], Any] | None = None,
    sort_by_parameter_order: bool = False,
    index_elements: Any = None,
) -> Any:
    """An INSERT that does something else with rows that are there."""
    statement = postgresql.insert(table)
    if set_lambda is None:
        statement = statement.on_conflict_do_nothing()
    else:
        statement = statement.on_conflict_do_update(
            index_elements=index_elements if index_elements is not None else table.primary_key,
            set_=set_lambda(statement.excluded),
        )
    return statement.returning(*returning, sort_by_parameter_order=sort_by_parameter_order)


@drop_all_schema_objects_pre_tables.for_db("skerry")
def roll_back_prepared(config: Any, engine: Engine) -> None:
    """Prepared transactions hold locks on tables."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        found = text("SELECT gid FROM pg_prepared_xacts WHERE database = current_database()")
        for transaction in connection.execute(found).scalars():
            engine.dialect.do_rollback_twophase(connection, transaction, recover=True)


@drop_all_schema_objects_post_tables.for_db("skerry")
def drop_enums(config: Any, engine: Engine) -> None:
    """Types are left when the tables are gone."""
    inspector: Any = inspect(engine)
    with engine.begin() as connection:
        for enum in inspector.get_enums("*"):
            made = postgresql.ENUM(name=enum["name"], schema=enum["schema"])
            connection.execute(postgresql.DropEnumType(made))
