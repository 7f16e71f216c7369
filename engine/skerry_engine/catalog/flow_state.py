"""The table in which flow branches keep the state of a flow's nodes: one for a database, made when it is first needed.

    key     what stands for the node, a zero byte, the key within the node       bytea, unique
    value   whatever the node keeps there: any nesting of stored values

It is an ordinary table to log, base, backup and recovery.  It has no place in the name space of relations: no
statement finds it, pg_class does not list it, the change feed does not tell of it, and dumps leave it out.  Its
definition never changes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from skerry_engine.catalog.catalog import Catalog, Database
from skerry_engine.catalog.objects import BOOTSTRAP_ROLE, SKERRY, Column, IndexDef, IndexKey, Table
from skerry_engine.values import oids
from skerry_engine.values.types import SqlType

KEY_POSITION = 0
VALUE_POSITION = 1
WIDTH = 2

OIDS_OF_A_STATE_TABLE = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class StateIndex(IndexDef):
    """The unique index over a state table's keys."""

    @property
    def is_hidden(self) -> bool:
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class StateTable(Table):
    """A database's table of flow state."""

    @property
    def is_hidden(self) -> bool:
        return True


def new_state_table(first_oid: int, storage_id: int) -> StateTable:
    """A state table with its index; OIDs are `first_oid` and the one after it."""
    columns = ("key", "value")
    table = StateTable(
        oid=first_oid,
        name="flow state",
        schema_oid=SKERRY,
        owner_oid=BOOTSTRAP_ROLE,
        columns=tuple(
            Column(name, number, number - 1, SqlType(oids.BYTEA), not_null=True)
            for number, name in enumerate(columns, 1)
        ),
        storage_id=storage_id,
    )
    index = StateIndex(
        oid=first_oid + 1,
        name="flow state.key",
        schema_oid=SKERRY,
        owner_oid=BOOTSTRAP_ROLE,
        table_oid=first_oid,
        keys=(IndexKey(type=SqlType(oids.BYTEA), attnum=KEY_POSITION + 1),),
        unique=True,
    )
    return replace(table, indexes=(index,))


def state_table(database: Database) -> StateTable | None:
    """The database's state table, None while there is none."""
    return database.cached("state table", lambda: next(database.of_type(StateTable), None))


def with_state_table(catalog: Catalog, database_oid: int, table: StateTable) -> Catalog:
    """A successor with a database's state table put in."""
    database = catalog.database(database_oid)
    return catalog.with_database(database.with_relations((table, *table.indexes)))
