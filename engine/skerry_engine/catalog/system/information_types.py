"""Rows of information_schema about composite types and their attributes."""

from __future__ import annotations

from skerry_engine.catalog.catalog import Database
from skerry_engine.catalog.system.information_tables import SCHEMA, type_values
from skerry_engine.catalog.system.layout import Row, layout
from skerry_engine.catalog.system.registry import database_rows_of
from skerry_engine.catalog.user_types import CompositeType

ATTRIBUTES = layout("attributes", SCHEMA)
USER_DEFINED_TYPES = layout("user_defined_types", SCHEMA)


@database_rows_of("attributes", SCHEMA)
def attribute_rows(database: Database) -> list[Row]:
    return [
        _attribute_row(database, composite, number)
        for composite in database.of_type(CompositeType)
        for number, attribute in enumerate(composite.attributes)
        if not attribute.dropped
    ]


def _attribute_row(database: Database, composite: CompositeType, number: int) -> Row:
    attribute = composite.attributes[number]
    values = type_values(database, attribute.type)
    own = {f"attribute_{name}": values.pop(name) for name in ("udt_catalog", "udt_schema", "udt_name")}
    return ATTRIBUTES.row(
        **values,
        **own,
        udt_catalog=database.name,
        udt_schema=database.schemas[composite.schema_oid].name,
        udt_name=composite.name,
        attribute_name=attribute.name,
        ordinal_position=number + 1,
        is_nullable="YES",
        dtd_identifier=str(number + 1),
        is_derived_reference_attribute="NO",
    )


@database_rows_of("user_defined_types", SCHEMA)
def user_defined_type_rows(database: Database) -> list[Row]:
    return [
        USER_DEFINED_TYPES.row(
            user_defined_type_catalog=database.name,
            user_defined_type_schema=database.schemas[composite.schema_oid].name,
            user_defined_type_name=composite.name,
            user_defined_type_category="STRUCTURED",
            is_instantiable="YES",
        )
        for composite in database.of_type(CompositeType)
    ]
