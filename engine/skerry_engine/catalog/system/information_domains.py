"""Rows of information_schema about domains."""

from __future__ import annotations

from skerry_engine.catalog.catalog import Database
from skerry_engine.catalog.system.information_tables import SCHEMA, type_values
from skerry_engine.catalog.system.layout import Row, layout
from skerry_engine.catalog.system.registry import database_rows_of
from skerry_engine.catalog.user_types import DomainType
from skerry_engine.values.types import SqlType, format_type

DOMAINS = layout("domains", SCHEMA)
DOMAIN_CONSTRAINTS = layout("domain_constraints", SCHEMA)


@database_rows_of("domains", SCHEMA)
def domain_rows(database: Database) -> list[Row]:
    return [
        DOMAINS.row(
            **{
                **_base_values(database, domain.base),
                **_identity(database, domain),
                "domain_default": domain.default_text,
                "dtd_identifier": "1",
            }
        )
        for domain in database.of_type(DomainType)
    ]


@database_rows_of("domain_constraints", SCHEMA)
def domain_constraint_rows(database: Database) -> list[Row]:
    return [
        DOMAIN_CONSTRAINTS.row(
            constraint_catalog=database.name,
            constraint_schema=database.schemas[domain.schema_oid].name,
            constraint_name=constraint.name,
            is_deferrable="NO",
            initially_deferred="NO",
            **_identity(database, domain),
        )
        for domain in database.of_type(DomainType)
        for constraint in domain.checks
    ]


def _base_values(database: Database, base: SqlType) -> dict[str, object]:
    """What the domain is over; here an array has its own name, and is not just an ARRAY."""
    values = type_values(database, base, is_base=True)
    if values["data_type"] == "ARRAY" and not base.domain:
        values["data_type"] = format_type(base.oid, None)
    return values


def _identity(database: Database, domain: DomainType) -> dict[str, object]:
    return {
        "domain_catalog": database.name,
        "domain_schema": database.schemas[domain.schema_oid].name,
        "domain_name": domain.name,
    }
