"""Rows of pg_type: built-in and users' types, and each table's and view's row type with the array of it; pg_enum, pg_range."""

from __future__ import annotations

from skerry_engine.catalog.catalog import Database
from skerry_engine.catalog.names import SUPPORT_FUNCTION_OIDS
from skerry_engine.catalog.objects import BOOTSTRAP_ROLE, Table, View
from skerry_engine.catalog.privileges import rights_texts
from skerry_engine.catalog.system.context import SystemContext
from skerry_engine.catalog.system.layout import SCHEMA_OIDS, Row, layout
from skerry_engine.catalog.system.node_text import domain_default_text
from skerry_engine.catalog.system.registry import database_rows_of, rows_of
from skerry_engine.catalog.user_types import CompositeType, DomainType, EnumType, UserType
from skerry_engine.functions.registry import functions_named
from skerry_engine.values import oids, ranges
from skerry_engine.values.types import ALL_TYPES, TypeInfo, array_type, type_info

TYPE = layout("pg_type")
ENUM = layout("pg_enum")
RANGE = layout("pg_range")
ARRAY_SUBSCRIPT = 6179
RAW_ARRAY_SUBSCRIPT = 6180
JSONB_SUBSCRIPT = 6098
ARRAY_ANALYZE = 3816
_ANALYZE = {"r": 3916, "m": 4242}

_built_in: list[Row] = []


@rows_of("pg_type")
def type_rows(context: SystemContext) -> list[Row]:
    database = context.database
    return _with_rights(context, database.cached("rows of pg_type", lambda: _type_rows(database)))


def _type_rows(database: Database) -> list[Row]:
    if not _built_in:
        _built_in.extend(_type_row(info) for info in ALL_TYPES)
    rows = list(_built_in)
    for relation in database.tables_and_views():
        if relation.row_type_oid:
            rows.append(_row_type(relation))
            rows.append(_row_array(relation))
    for user_type in database.of_type(UserType):
        rows.append(_user_row(user_type))
        if user_type.array_name:
            rows.append(_user_array(user_type))
    return rows


_CLASSES_OF_ELEMENTS = {
    oids.INT4: 1978,
    oids.INT8: 3124,
    oids.NUMERIC: 3125,
    oids.DATE: 3122,
    oids.TIMESTAMP: 3128,
    oids.TIMESTAMPTZ: 3127,
}
"""The operator classes that order the ranges' elements, of pg_opclass."""


@database_rows_of("pg_range")
def range_rows(_database: Database) -> list[Row]:
    found: list[Row] = []
    for kind in ranges.KINDS:
        name = type_info(kind.oid).name
        found.append(
            RANGE.row(
                rngtypid=kind.oid,
                rngsubtype=kind.element_oid,
                rngmultitypid=kind.multirange_oid,
                rngsubopc=_CLASSES_OF_ELEMENTS[kind.element_oid],
                rngcanonical=function_oid(f"{name}_canonical") if kind.after is not None else 0,
                rngsubdiff=function_oid(f"{name}_subdiff"),
            )
        )
    return found


@database_rows_of("pg_enum")
def enum_rows(database: Database) -> list[Row]:
    return [
        ENUM.row(oid=label.oid, enumtypid=enum.oid, enumsortorder=label.order, enumlabel=label.label)
        for enum in database.of_type(EnumType)
        for label in enum.labels
    ]


def _type_row(info: TypeInfo) -> Row:
    return TYPE.row(**_type_values(info))


def _user_row(user_type: UserType) -> Row:
    return TYPE.row(**_user_values(user_type, user_type.oid, user_type.name))


def _with_rights(context: SystemContext, rows: list[Row]) -> list[Row]:
    """The rows with the rights on types where there are any written."""
    types = context.database.of_type(UserType)
    rights: dict[object, tuple[str, ...] | None]
    rights = {
        each.oid: rights_texts(context.catalog, each.rights) for each in types if each.rights is not None
    }
    if not rights:
        return rows
    acl = TYPE.positions["typacl"]
    return [(*row[:acl], rights[row[0]], *row[acl + 1 :]) if row[0] in rights else row for row in rows]


def _user_array(user_type: UserType) -> Row:
    return TYPE.row(**_user_values(user_type, user_type.array_oid, user_type.array_name))


def _user_values(user_type: UserType, oid: int, name: str) -> dict[str, object]:
    """What the OID tells of a user's type, under its own name."""
    values = (
        _domain_values(user_type, oid) if isinstance(user_type, DomainType) else _type_values(type_info(oid))
    )
    if isinstance(user_type, CompositeType) and oid == user_type.oid:
        values = {**values, "typrelid": user_type.relation_oid}
    return {
        **values,
        "oid": oid,
        "typname": name,
        "typnamespace": user_type.schema_oid,
        "typowner": user_type.owner_oid,
    }


def _domain_values(domain: DomainType, oid: int) -> dict[str, object]:
    base = type_info(domain.base.oid)
    if oid != domain.oid:
        array = array_type(base)
        return {**_type_values(array or base), "typelem": domain.oid}
    return {
        **_type_values(base),
        "oid": oid,
        "typtype": "d",
        "typispreferred": False,
        "typinput": function_oid("domain_in"),
        "typreceive": function_oid("domain_recv"),
        "typmodin": 0,
        "typmodout": 0,
        "typsubscript": 0,
        "typelem": 0,
        "typarray": domain.array_oid,
        "typnotnull": domain.not_null,
        "typbasetype": domain.base.named_oid,
        "typtypmod": -1 if domain.base.domain else domain.base.typmod,
        "typndims": domain.dimensions,
        "typcollation": domain.collation_oid,
        "typdefault": domain.default_text,
        "typdefaultbin": None if domain.default is None else domain_default_text(domain.oid),
    }


def _type_values(info: TypeInfo) -> dict[str, object]:
    return {
        "oid": info.oid,
        "typname": info.name,
        "typnamespace": SCHEMA_OIDS[info.schema],
        "typowner": BOOTSTRAP_ROLE,
        "typlen": info.length,
        "typbyval": info.by_value,
        "typtype": info.kind,
        "typcategory": info.category,
        "typispreferred": info.preferred,
        "typisdefined": True,
        "typdelim": info.delimiter,
        "typsubscript": _subscript_handler(info),
        "typelem": info.element_oid,
        "typarray": info.array_oid,
        "typinput": function_oid(info.input_function),
        "typoutput": function_oid(info.output_function),
        "typreceive": function_oid(info.receive_function),
        "typsend": function_oid(info.send_function),
        "typmodin": function_oid(info.modifier_in_function),
        "typmodout": function_oid(info.modifier_out_function),
        "typanalyze": ARRAY_ANALYZE if info.is_array else _ANALYZE.get(info.kind, 0),
        "typalign": info.alignment,
        "typstorage": info.storage,
        "typtypmod": -1,
        "typcollation": info.collation_oid,
    }


def _subscript_handler(info: TypeInfo) -> int:
    if info.is_array or info.oid in (oids.INT2VECTOR, oids.OIDVECTOR):
        return ARRAY_SUBSCRIPT
    if info.oid == oids.JSONB:
        return JSONB_SUBSCRIPT
    return RAW_ARRAY_SUBSCRIPT if info.element_oid and info.length > 0 else 0


def function_oid(name: str) -> int:
    """The OID of the only function of that name, 0 for '-' and unknown ones."""
    found = functions_named(name)
    return found[0].oid if found else SUPPORT_FUNCTION_OIDS.get(name, 0)


def _row_type(relation: Table | View) -> Row:
    return TYPE.row(
        oid=relation.row_type_oid,
        typname=relation.name,
        typnamespace=relation.schema_oid,
        typowner=relation.owner_oid,
        typlen=-1,
        typtype="c",
        typcategory="C",
        typisdefined=True,
        typdelim=",",
        typrelid=relation.oid,
        typarray=relation.row_array_oid,
        typinput=2290,
        typoutput=2291,
        typreceive=2402,
        typsend=2403,
        typalign="d",
        typstorage="x",
        typtypmod=-1,
    )


def _row_array(relation: Table | View) -> Row:
    return TYPE.row(
        oid=relation.row_array_oid,
        typname=f"_{relation.name}",
        typnamespace=relation.schema_oid,
        typowner=relation.owner_oid,
        typlen=-1,
        typtype="b",
        typcategory="A",
        typisdefined=True,
        typdelim=",",
        typsubscript=ARRAY_SUBSCRIPT,
        typelem=relation.row_type_oid,
        typinput=750,
        typoutput=751,
        typreceive=2400,
        typsend=2401,
        typanalyze=ARRAY_ANALYZE,
        typalign="d",
        typstorage="x",
        typtypmod=-1,
    )
