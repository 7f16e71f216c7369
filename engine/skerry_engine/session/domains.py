"""Domains at run time: whether a value is one of a domain's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from skerry_engine import errors
from skerry_engine.abc import FunctionContext
from skerry_engine.catalog.catalog import Database
from skerry_engine.catalog.search_path import SearchPath
from skerry_engine.catalog.user_types import (
    DomainType,
    domain_chain,
    domain_of,
    qualified_type_name,
)
from skerry_engine.plan.compile import compile_rows

RowFunction = Callable[[Any, tuple[object, ...]], tuple[object, ...]]


class DomainCheck:
    """What a domain, and those that it is over, ask of a value; compiled once for each state of the catalog."""

    def __init__(self, database: Database, domain: DomainType) -> None:
        chain = domain_chain(database, domain)
        self.domain: DomainType = domain
        self.schema_name: str = database.schema_of(domain).name
        self.not_null: bool = any(each.not_null for each in chain)
        self.names: list[str] = []
        conditions = []
        for each in reversed(chain):
            for constraint in sorted(each.checks, key=lambda check: check.name):
                assert constraint.check is not None
                self.names.append(constraint.name)
                conditions.append(constraint.check.expr)
        self.conditions: RowFunction = compile_rows(tuple(conditions))

    def violated(self, functions: FunctionContext, value: object) -> str | None:
        """The name of the constraint that the value violates, '' for NOT NULL, None when it is one of the domain's."""
        if value is None and self.not_null:
            return ""
        if self.names:
            for name, holds in zip(self.names, self.conditions(functions, (value,)), strict=True):
                if holds is False:
                    return name
        return None


def domain_check_of(database: Database, oid: int) -> DomainCheck:
    """The check of the domain with that OID, or of which it is the array's."""
    checks: dict[int, DomainCheck] = database.cached("domain checks", dict)
    found = checks.get(oid)
    if found is None:
        found = checks[oid] = DomainCheck(database, domain_of(database, oid))
    return found


def check_domain(
    database: Database, path: SearchPath, oid: int, functions: FunctionContext, value: object
) -> None:
    """Raise CheckViolation, NotNullViolation for a value that is none of the domain's (odd `oid`: for an element of an
    array)."""
    check = domain_check_of(database, oid)
    if oid & 1:
        _check_elements(check, database, path, functions, value)
    else:
        _check_one(check, database, path, functions, value)


def _check_elements(
    check: DomainCheck, database: Database, path: SearchPath, functions: FunctionContext, value: object
) -> None:
    for item in value if isinstance(value, tuple) else ():
        if isinstance(item, tuple):
            _check_elements(check, database, path, functions, item)
        else:
            _check_one(check, database, path, functions, item)


def _check_one(
    check: DomainCheck, database: Database, path: SearchPath, functions: FunctionContext, value: object
) -> None:
    name = check.violated(functions, value)
    if name is None:
        return
    shown = qualified_type_name(database, check.domain, path)
    schema, datatype = check.schema_name, check.domain.name
    if not name:
        raise errors.NotNullViolation(
            f"domain {shown} does not allow null values", schema=schema, datatype=datatype
        )
    raise errors.CheckViolation(
        f'value for domain {shown} violates check constraint "{name}"',
        schema=schema,
        datatype=datatype,
        constraint=name,
    )
