"""Which types can meet in one hash table or index:
values that are equal in SQL must be equal as Python atoms."""

from __future__ import annotations

from skerry_engine.values import oids

_CLASSES: dict[int, str] = {
    **dict.fromkeys((oids.INT2, oids.INT4, oids.INT8, oids.OID), "integer"),
    **dict.fromkeys((oids.REGCLASS, oids.REGTYPE, oids.REGPROC, oids.REGNAMESPACE, oids.REGROLE), "integer"),
    **dict.fromkeys((oids.FLOAT4, oids.FLOAT8), "float"),
    **dict.fromkeys((oids.TEXT, oids.VARCHAR, oids.NAME, oids.UNKNOWN, oids.CHAR, oids.BPCHAR), "text"),
}


def key_class(type_oid: int) -> str:
    """The name of the type's family of mutually comparable atoms."""
    return _CLASSES.get(type_oid, str(type_oid))


def same_key_class(a: int, b: int) -> bool:
    """Whether equal values of the two types are equal (and hash alike) as run-time atoms."""
    return key_class(a) == key_class(b)
