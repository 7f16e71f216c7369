"""reg* types, pg_lsn and tid: values that are numbers inside and names or notations outside.

A reg* value is an OID.  Its names come from the catalog through a NameResolver; without one, and for OIDs
that are no object, numbers are printed.  `-` is OID 0.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from struct import Struct

from skerry_engine.abc import NameResolver
from skerry_engine.errors import (
    InvalidBinaryRepresentation,
    InvalidTextRepresentation,
    NotSupportedError,
    UndefinedObject,
)
from skerry_engine.values import oids
from skerry_engine.values.integers import read_oid
from skerry_engine.values.types import find_type, format_type, type_by_name

_LSN = re.compile(r"([0-9A-Fa-f]{1,8})/([0-9A-Fa-f]{1,8})", re.ASCII)
_TID_FORM = Struct(">IH")
_TID = re.compile(r"\((\d{1,10}),(\d{1,5})\)", re.ASCII)


def _out(oid: int, names: NameResolver) -> Callable[[int], str | None]:
    return {
        oids.REGCLASS: names.relation_name,
        oids.REGTYPE: names.type_name,
        oids.REGPROC: names.function_name,
        oids.REGPROCEDURE: names.function_signature,
        oids.REGOPER: names.operator_name,
        oids.REGOPERATOR: names.operator_signature,
        oids.REGNAMESPACE: names.namespace_name,
        oids.REGROLE: names.role_name,
        oids.REGCOLLATION: names.collation_name,
    }[oid]


def _in(oid: int, names: NameResolver) -> Callable[[str], int]:
    return {
        oids.REGCLASS: names.relation_oid,
        oids.REGTYPE: names.type_oid,
        oids.REGPROC: names.function_oid,
        oids.REGPROCEDURE: names.function_signature_oid,
        oids.REGOPER: names.operator_oid,
        oids.REGOPERATOR: names.operator_signature_oid,
        oids.REGNAMESPACE: names.namespace_oid,
        oids.REGROLE: names.role_oid,
        oids.REGCOLLATION: names.collation_oid,
    }[oid]


def reg_writer(type_oid: int, names: NameResolver | None) -> Callable[[int], str]:
    """The writer of a reg* type."""
    if names is None:
        lookup: Callable[[int], str | None] = _builtin_type_name if type_oid == oids.REGTYPE else _no_name
    else:
        lookup = _out(type_oid, names)

    def write(value: int) -> str:
        if value == 0:
            return "-" if type_oid not in (oids.REGOPER, oids.REGOPERATOR) else "0"
        return lookup(value) or str(value)

    return write


def _no_name(oid: int) -> str | None:
    return None


def _builtin_type_name(oid: int) -> str | None:
    return format_type(oid) if find_type(oid) is not None else None


def reg_reader(type_oid: int, names: NameResolver | None) -> Callable[[str], int]:
    """The reader of a reg* type: `-`, digits, or a name."""
    if names is None:
        lookup: Callable[[str], int] = _builtin_type_oid if type_oid == oids.REGTYPE else _refuse_name
    else:
        lookup = _in(type_oid, names)

    def read(text: str) -> int:
        if text == "-" or (text == "0" and type_oid in (oids.REGOPER, oids.REGOPERATOR)):
            return 0
        if text.isdigit() and text.isascii():
            return read_oid(text)
        return lookup(text)

    return read


def _builtin_type_oid(text: str) -> int:
    info = type_by_name(text)
    if info is None:
        raise UndefinedObject(f'type "{text}" does not exist')
    return info.oid


def _refuse_name(text: str) -> int:
    raise NotSupportedError(f'looking up the name "{text}" without a catalog is not supported')


def read_lsn(text: str) -> int:
    """pg_lsn from text.  Raises InvalidTextRepresentation."""
    match = _LSN.fullmatch(text)
    if match is None:
        raise InvalidTextRepresentation(f'invalid input syntax for type pg_lsn: "{text}"')
    return int(match.group(1), 16) << 32 | int(match.group(2), 16)


def write_lsn(value: int) -> str:
    """pg_lsn to text."""
    return f"{value >> 32:X}/{value & 0xFFFFFFFF:X}"


def read_tid(text: str) -> str:
    """tid, kept as its canonical text.  Raises InvalidTextRepresentation."""
    match = _TID.fullmatch(text.strip())
    if match is None or int(match.group(1)) > 0xFFFF_FFFF or int(match.group(2)) > 0xFFFF:
        raise InvalidTextRepresentation(f'invalid input syntax for type tid: "{text}"')
    return f"({int(match.group(1))},{int(match.group(2))})"


_ACL_ROLE = r'(?:"(?:[^"]|"")*"|[A-Za-z0-9_]*)'
_ACL_ITEM = re.compile(rf"(?:(?:user|group) +)?({_ACL_ROLE})=((?:[arwdDxtXUCTcsA]\*?)*)/({_ACL_ROLE})")


def read_aclitem(text: str) -> str:
    """aclitem, kept as its text; whether there are such roles is not looked at.  Raises InvalidTextRepresentation."""
    match = _ACL_ITEM.fullmatch(text.strip())
    if match is None or not match[3]:
        raise InvalidTextRepresentation(f'invalid input syntax for type aclitem: "{text}"')
    return f"{match[1]}={match[2]}/{match[3]}"


def pack_tid(value: object) -> bytes:
    """tid's binary form: block, place in it."""
    match = _TID.fullmatch(str(value))
    assert match is not None, "a tid is its canonical text"
    return _TID_FORM.pack(int(match.group(1)), int(match.group(2)))


def unpack_tid(data: bytes) -> str:
    """tid from its binary form.  Raises InvalidBinaryRepresentation."""
    if len(data) != _TID_FORM.size:
        raise InvalidBinaryRepresentation("incorrect binary data format")
    block, place = _TID_FORM.unpack(data)
    return f"({block},{place})"
