"""Operator classes: which one an index over a type uses by default, and their names.

Facts of PostgreSQL 15 for the index methods btree and hash.  Skerry orders and compares keys by their types
alone; the classes exist for the catalogs, for CREATE INDEX (which checks the names) and for index
definitions.
"""

from __future__ import annotations

from dataclasses import dataclass

from skerry_engine.catalog.system.layout import read_facts
from skerry_engine.values import oids
from skerry_engine.values.types import find_type
from skerry_engine.values.user_types import is_composite, is_enum

METHODS = {"btree": 403, "hash": 405}


@dataclass(frozen=True, slots=True)
class OperatorClass:
    """A row of pg_opclass."""

    oid: int
    method_oid: int
    name: str
    family_oid: int
    input_type: int
    is_default: bool
    key_type: int


def _read() -> list[OperatorClass]:
    rows = read_facts("opclasses.tsv")
    return [
        OperatorClass(int(oid), int(method), name, int(family), int(input_type), default == "t", int(key))
        for oid, method, name, family, input_type, default, key in rows
        if find_type(int(input_type)) is not None
    ]


OPERATOR_CLASSES: list[OperatorClass] = _read()
_DEFAULTS = {(c.method_oid, c.input_type): c for c in OPERATOR_CLASSES if c.is_default}
_BY_NAME = {(c.method_oid, c.name): c for c in OPERATOR_CLASSES}


def default_class(type_oid: int, method: str = "btree") -> OperatorClass | None:
    """The class that an index over the type uses when none is written;
    None when the type can't be indexed."""
    method_oid = METHODS[method]
    type_oid = {oids.VARCHAR: oids.TEXT, oids.CIDR: oids.INET}.get(type_oid, type_oid)
    found = _DEFAULTS.get((method_oid, type_oid))
    if found is not None:
        return found
    info = find_type(type_oid)
    if info is not None and info.is_array:
        return _DEFAULTS.get((method_oid, oids.ANYARRAY))
    if is_enum(type_oid):
        return _DEFAULTS.get((method_oid, oids.ANYENUM))
    if type_oid in oids.RANGES or type_oid in oids.MULTIRANGES:
        of_all = oids.ANYRANGE if type_oid in oids.RANGES else oids.ANYMULTIRANGE
        return _DEFAULTS.get((method_oid, of_all))
    if is_composite(type_oid):
        return _DEFAULTS.get((method_oid, oids.RECORD))
    return _DEFAULTS.get((method_oid, oids.OID)) if info is not None and info.name.startswith("reg") else None


def class_named(name: str, method: str = "btree") -> OperatorClass | None:
    """The class of that name."""
    return _BY_NAME.get((METHODS[method], name))


def class_of_key(type_oid: int, written: str, method: str = "btree") -> OperatorClass | None:
    """The class of an index key: the one written, else the type's default."""
    return class_named(written, method) if written else default_class(type_oid, method)
