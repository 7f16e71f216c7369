"""pg_extension: what Skerry has and PostgreSQL has not, as an extension that is always there.

Tools know by pg_extension and by the rows of pg_depend with kind 'e' what no user has made.  So pg_dump passes over
the schema skerry and what is in it, as it passes over any extension whose OID is one of the system's own.
"""

from __future__ import annotations

from collections.abc import Iterator

from skerry_engine.catalog.catalog import Database
from skerry_engine.catalog.objects import (
    BOOTSTRAP_ROLE,
    CLASS_EXTENSION,
    CLASS_NAMESPACE,
    CLASS_PROCEDURE,
    CLASS_RELATION,
    CLASS_TYPE,
    SKERRY,
    Address,
)
from skerry_engine.catalog.system.layout import Row, layout
from skerry_engine.catalog.system.registry import fixed_rows_of
from skerry_engine.catalog.system.routines import listed_functions
from skerry_engine.values.types import ALL_TYPES

EXTENSION = layout("pg_extension")
OWN_EXTENSION = Address(CLASS_EXTENSION, 9099)
VERSION = "1.0"
"""Of the objects that are its members, not of the program."""


@fixed_rows_of("pg_extension")
def extension_rows() -> list[Row]:
    return [
        EXTENSION.row(
            oid=OWN_EXTENSION.oid,
            extname="skerry",
            extowner=BOOTSTRAP_ROLE,
            extnamespace=SKERRY,
            extversion=VERSION,
        )
    ]


def own_members(database: Database) -> Iterator[Address]:
    """The schema skerry, and all that is in it."""
    yield Address(CLASS_NAMESPACE, SKERRY)
    for relation in database.system_tables():
        if relation.schema_oid == SKERRY:
            yield Address(CLASS_RELATION, relation.oid)
    for info in ALL_TYPES:
        if info.schema == "skerry":
            yield Address(CLASS_TYPE, info.oid)
    for function in listed_functions():
        if function.schema == "skerry":
            yield Address(CLASS_PROCEDURE, function.oid)
