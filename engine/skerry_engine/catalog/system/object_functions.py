"""Functions about catalog objects: visibility, comments, names to OIDs, sizes, properties."""

from __future__ import annotations

from collections.abc import Callable

from skerry_engine import errors
from skerry_engine.abc import FunctionContext
from skerry_engine.catalog.catalog import Database
from skerry_engine.catalog.dependencies import describe
from skerry_engine.catalog.names import COLLATIONS, CatalogNames
from skerry_engine.catalog.objects import CLASS_RELATION, Address, IndexDef, Relation, SequenceDef, Table
from skerry_engine.catalog.opclasses import OPERATOR_CLASSES
from skerry_engine.catalog.system.access import names_of, system_of
from skerry_engine.catalog.system.layout import LAYOUTS, Row
from skerry_engine.catalog.user_types import (
    attribute_address,
    composite_of_relation,
    is_type_visible,
    type_of_oid,
)
from skerry_engine.functions.operators import operator_by_oid
from skerry_engine.functions.registry import define, function_by_oid
from skerry_engine.values.types import find_type
from skerry_engine.values.types import format_type as type_text
from skerry_engine.values.user_types import FIRST_USER_TYPE

ENCODINGS = (
    "SQL_ASCII EUC_JP EUC_CN EUC_KR EUC_TW EUC_JIS_2004 UTF8 MULE_INTERNAL LATIN1 LATIN2 LATIN3 LATIN4 LATIN5 "
    "LATIN6 LATIN7 LATIN8 LATIN9 LATIN10 WIN1256 WIN1258 WIN866 WIN874 KOI8R WIN1251 WIN1252 ISO_8859_5 "
    "ISO_8859_6 ISO_8859_7 ISO_8859_8 WIN1250 WIN1253 WIN1254 WIN1255 WIN1257 KOI8U SJIS BIG5 GBK UHC GB18030 "
    "JOHAB SHIFT_JIS_2004"
).split()
UPDATABLE_EVENTS = 28  # INSERT, UPDATE and DELETE as bits of CmdType


# --- types and encodings --------------------------------------------------------------------------


def format_type(context: FunctionContext, oid: int | None, typmod: int | None) -> str | None:
    """A type's name as SQL writes it, row types of tables included."""
    if oid is None:
        return None
    if find_type(oid) is None and oid:
        return names_of(context).type_name(oid) or "???"
    return type_text(oid, typmod)


def encoding_to_char(number: int) -> str:
    return ENCODINGS[number] if 0 <= number < len(ENCODINGS) else ""


def char_to_encoding(name: str) -> int:
    wanted = "".join(c for c in name.upper() if c.isalnum())
    aliases = {"UNICODE": "UTF8", "SQLASCII": "SQL_ASCII"}
    for number, known in enumerate(ENCODINGS):
        if wanted == known.replace("_", "") or aliases.get(wanted) == known:
            return number
    return -1


# --- visibility: NULL for what does not exist -----------------------------------------------------


def table_is_visible(context: FunctionContext, oid: int) -> bool | None:
    system = system_of(context)
    relation = system.database.relation(oid)
    composite = None if relation is not None else composite_of_relation(system.database, oid)
    if composite is not None:
        return is_type_visible(system.database, composite, system.search_path)
    return None if relation is None else system.database.is_visible(relation, system.search_path)


def type_is_visible(context: FunctionContext, oid: int) -> bool | None:
    """Types of pg_catalog, which every path has, are visible; a row type is as visible as its table."""
    info = find_type(oid) if oid < FIRST_USER_TYPE else None
    if info is not None:
        return info.schema == "pg_catalog" or info.schema in context.current_schemas(False)
    system = system_of(context)
    user_type = type_of_oid(system.database, oid)
    if user_type is not None:
        return is_type_visible(system.database, user_type, system.search_path)
    for relation in system.database.tables_and_views():
        if oid in (relation.row_type_oid, relation.row_array_oid):
            return system.database.is_visible(relation, system.search_path)
    return None


def _exists(found: bool) -> bool | None:
    """Whether an object of pg_catalog is visible: yes, if there is such an object."""
    return True if found else None


def function_is_visible(oid: int) -> bool | None:
    """Those of pg_catalog are; Skerry's own are called by their schema's name."""
    function = function_by_oid(oid)
    return None if function is None else function.schema == "pg_catalog"


def operator_is_visible(oid: int) -> bool | None:
    return _exists(operator_by_oid(oid) is not None)


def collation_is_visible(oid: int) -> bool | None:
    return _exists(oid in COLLATIONS)


def opclass_is_visible(oid: int) -> bool | None:
    return _exists(any(c.oid == oid for c in OPERATOR_CLASSES))


def opfamily_is_visible(oid: int) -> bool | None:
    return _exists(any(c.family_oid == oid for c in OPERATOR_CLASSES))


def no_such_object(_oid: int) -> None:
    """For kinds of objects of which Skerry has none."""
    return None


# --- comments -------------------------------------------------------------------------------------


def obj_description(context: FunctionContext, oid: int, catalog_name: str) -> str | None:
    layout = LAYOUTS.get(("pg_catalog", catalog_name))
    if layout is None:
        return None
    return system_of(context).database.comments.get(Address(layout.oid, oid))


def obj_description_any(context: FunctionContext, oid: int) -> str | None:
    """The comment on whatever object has that OID."""
    comments = system_of(context).database.comments
    return next((text for a, text in comments.items() if a.oid == oid and not a.sub_id), None)


def col_description(context: FunctionContext, table_oid: int, column: int) -> str | None:
    database = system_of(context).database
    composite = composite_of_relation(database, table_oid)
    if composite is not None:
        return database.comments.get(attribute_address(composite, column - 1))
    return database.comments.get(Address(CLASS_RELATION, table_oid, column))


def shobj_description(context: FunctionContext, oid: int, catalog_name: str) -> str | None:
    layout = LAYOUTS.get(("pg_catalog", catalog_name))
    return None if layout is None else system_of(context).catalog.comments.get(Address(layout.oid, oid))


# --- names to OIDs: NULL where a cast would raise -------------------------------------------------


def text_to_regclass(context: FunctionContext, text: str) -> int:
    """The cast, which raises for unknown names."""
    return int(text) if text.isdigit() else names_of(context).relation_oid(text)


def _to_reg(lookup: Callable[[CatalogNames, str], int]) -> Callable[[FunctionContext, str], int | None]:
    def convert(context: FunctionContext, text: str) -> int | None:
        try:
            return lookup(names_of(context), text)
        except _NOT_FOUND:
            return None

    return convert


_NOT_FOUND = (
    errors.UndefinedTable,
    errors.UndefinedObject,
    errors.UndefinedFunction,
    errors.InvalidSchemaName,
    errors.AmbiguousFunction,
)


# --- sizes ----------------------------------------------------------------------------------------


def relation_size(context: FunctionContext, oid: int, fork: str = "main") -> int | None:
    if fork not in ("main", "fsm", "vm", "init"):
        raise errors.InvalidParameterValue(
            "invalid fork name", hint='Valid fork names are "main", "fsm", "vm", and "init".'
        )
    system = system_of(context)
    if system.database.relation(oid) is None:
        return None
    return system.relation_size_bytes(oid) if fork == "main" else 0


def table_size(context: FunctionContext, oid: int) -> int | None:
    return relation_size(context, oid)


def indexes_size(context: FunctionContext, oid: int) -> int | None:
    system = system_of(context)
    table = system.database.relation(oid)
    if table is None:
        return None
    indexes = table.indexes if isinstance(table, Table) else ()
    return sum(system.relation_size_bytes(index.oid) for index in indexes)


def total_relation_size(context: FunctionContext, oid: int) -> int | None:
    own, indexes = relation_size(context, oid), indexes_size(context, oid)
    return None if own is None or indexes is None else own + indexes


def database_size(context: FunctionContext, oid: int) -> int | None:
    system = system_of(context)
    database = system.catalog.databases.get(oid)
    return None if database is None else _size_of(context, database)


def database_size_by_name(context: FunctionContext, name: str) -> int:
    return _size_of(context, system_of(context).catalog.get_database(name))


def _size_of(context: FunctionContext, database: Database) -> int:
    system = system_of(context)
    relations = (r for r in database.of_type(Relation) if isinstance(r, (Table, IndexDef)))
    return sum(system.relation_size_bytes(relation.oid) for relation in relations)


def all_databases_size(context: FunctionContext, _tablespace: object) -> int:
    databases = system_of(context).catalog.databases.values()
    return sum(_size_of(context, database) for database in databases)


# --- the rest -------------------------------------------------------------------------------------


def get_userbyid(context: FunctionContext, oid: int) -> str:
    return system_of(context).catalog.role_name(oid)


def my_temp_schema(context: FunctionContext) -> int:
    return system_of(context).search_path.temporary


def is_other_temp_schema(context: FunctionContext, oid: int) -> bool:
    system = system_of(context)
    schema = system.database.schemas.get(oid)
    is_temporary = schema is not None and schema.name.startswith("pg_temp_")
    return is_temporary and oid != system.search_path.temporary


def relation_is_publishable(context: FunctionContext, oid: int) -> bool | None:
    relation = system_of(context).database.relation(oid)
    return None if relation is None else isinstance(relation, Table) and not relation.is_temporary


def relation_is_updatable(context: FunctionContext, oid: int, _include_triggers: bool) -> int:
    return UPDATABLE_EVENTS if isinstance(system_of(context).database.relation(oid), Table) else 0


def column_is_updatable(context: FunctionContext, oid: int, column: int, _include_triggers: bool) -> bool:
    return column > 0 and isinstance(system_of(context).database.relation(oid), Table)


def relation_filenode(context: FunctionContext, oid: int) -> int | None:
    relation = system_of(context).database.relation(oid)
    if isinstance(relation, Table):
        return relation.storage_id
    return relation.oid if isinstance(relation, (IndexDef, SequenceDef)) else None


def describe_object(context: FunctionContext, class_oid: int, oid: int, sub_id: int) -> str | None:
    if not class_oid and not oid:
        return None
    system = system_of(context)
    try:
        return describe(system.database, Address(class_oid, oid, sub_id), system.search_path)
    except KeyError:
        return None


def sequence_last_value(context: FunctionContext, oid: int) -> int | None:
    """A sequence's last value, NULL before its first use."""
    relation = system_of(context).database.relation(oid)
    if not isinstance(relation, SequenceDef):
        return None
    last_value, is_called = system_of(context).sequence_state(oid)
    return last_value if is_called else None


def sequence_parameters(context: FunctionContext, oid: int) -> Row:
    relation = system_of(context).database.relation(oid)
    if not isinstance(relation, SequenceDef):
        raise errors.UndefinedTable(f"relation with OID {oid} does not exist")
    s = relation
    return (s.start, s.minimum, s.maximum, s.increment, s.cycle, s.cache, s.type_oid)


def options_to_table(options: tuple[str, ...]) -> list[Row]:
    """`name=value` texts as rows of two; an option without a value has NULL."""
    split = (option.partition("=") for option in options)
    return [(name, value if equals else None) for name, equals, value in split]


def live_tuples(context: FunctionContext, oid: int) -> int:
    return max(0, system_of(context).row_count(oid))


def index_has_property(context: FunctionContext, oid: int, name: str) -> bool | None:
    """Whether the index can do that; NULL for properties that are not known."""
    index = system_of(context).database.relation(oid)
    if not isinstance(index, IndexDef):
        return None
    ordered = index.method == "btree"
    known = {"clusterable": ordered, "index_scan": True, "bitmap_scan": True, "backward_scan": ordered}
    return known.get(name.lower())


def index_column_has_property(context: FunctionContext, oid: int, column: int, name: str) -> bool | None:
    index = system_of(context).database.relation(oid)
    if not isinstance(index, IndexDef) or not 0 < column <= len(index.keys):
        return None
    key, ordered = index.keys[column - 1], index.method == "btree"
    known = {
        "asc": ordered and not key.descending,
        "desc": ordered and key.descending,
        "nulls_first": ordered and key.nulls_first,
        "nulls_last": ordered and not key.nulls_first,
        "orderable": ordered,
        "distance_orderable": False,
        "returnable": ordered,
        "search_array": ordered,
        "search_nulls": ordered,
    }
    return known.get(name.lower())


def indexam_has_property(method_oid: int, name: str) -> bool | None:
    if method_oid not in (403, 405):
        return None
    ordered = method_oid == 403
    known = {
        "can_order": ordered,
        "can_unique": ordered,
        "can_multi_col": ordered,
        "can_exclude": True,
        "can_include": ordered,
    }
    return known.get(name.lower())


def never(*_arguments: object) -> bool:
    """For what Skerry never has: row security."""
    return False


def no_rows(*_arguments: object) -> list[object]:
    """For what has no members: partitions."""
    return []


def empty_text(*_arguments: object) -> str:
    return ""


define("format_type", format_type, needs_context=True)
define("PG_encoding_to_char", encoding_to_char)
define("PG_char_to_encoding", char_to_encoding)
define("pg_table_is_visible", table_is_visible, needs_context=True)
define("pg_type_is_visible", type_is_visible, needs_context=True)
define("pg_function_is_visible", function_is_visible)
define("pg_operator_is_visible", operator_is_visible)
define("pg_collation_is_visible", collation_is_visible)
define("pg_opclass_is_visible", opclass_is_visible)
define("pg_opfamily_is_visible", opfamily_is_visible)
for _kind in ("conversion", "statistics_obj", "ts_config", "ts_dict", "ts_parser", "ts_template"):
    define(f"pg_{_kind}_is_visible", no_such_object)
define("obj_description_oid_name", obj_description, needs_context=True)
define("obj_description_oid", obj_description_any, needs_context=True)
define("col_description_oid_int4", col_description, needs_context=True)
define("shobj_description_oid_name", shobj_description, needs_context=True)
define("text_regclass", text_to_regclass, needs_context=True)
define("to_regclass", _to_reg(CatalogNames.relation_oid), needs_context=True)
define("to_regtype", _to_reg(CatalogNames.type_oid), needs_context=True)
define("to_regproc", _to_reg(CatalogNames.function_oid), needs_context=True)
define("to_regprocedure", _to_reg(CatalogNames.function_signature_oid), needs_context=True)
define("to_regoper", _to_reg(CatalogNames.operator_oid), needs_context=True)
define("to_regoperator", _to_reg(CatalogNames.operator_signature_oid), needs_context=True)
define("to_regnamespace", _to_reg(CatalogNames.namespace_oid), needs_context=True)
define("to_regrole", _to_reg(CatalogNames.role_oid), needs_context=True)
define("to_regcollation", _to_reg(CatalogNames.collation_oid), needs_context=True)
define("pg_relation_size", relation_size, needs_context=True)
define("pg_relation_size_regclass", relation_size, needs_context=True)
define("pg_table_size", table_size, needs_context=True)
define("pg_indexes_size", indexes_size, needs_context=True)
define("pg_total_relation_size", total_relation_size, needs_context=True)
define("pg_database_size_oid", database_size, needs_context=True)
define("pg_database_size_name", database_size_by_name, needs_context=True)
define("pg_tablespace_size_oid", all_databases_size, needs_context=True)
define("pg_tablespace_size_name", all_databases_size, needs_context=True)
define("pg_get_userbyid", get_userbyid, needs_context=True)
define("pg_my_temp_schema", my_temp_schema, needs_context=True)
define("pg_is_other_temp_schema", is_other_temp_schema, needs_context=True)
define("pg_relation_is_publishable", relation_is_publishable, needs_context=True)
define("pg_relation_is_updatable", relation_is_updatable, needs_context=True)
define("pg_column_is_updatable", column_is_updatable, needs_context=True)
define("pg_relation_filenode", relation_filenode, needs_context=True)
define("pg_describe_object", describe_object, needs_context=True)
define("pg_sequence_last_value", sequence_last_value, needs_context=True)
define("pg_sequence_parameters", sequence_parameters, needs_context=True)
define("pg_options_to_table", options_to_table)
define("pg_stat_get_live_tuples", live_tuples, needs_context=True)
define("pg_index_has_property", index_has_property, needs_context=True)
define("pg_index_column_has_property", index_column_has_property, needs_context=True)
define("pg_indexam_has_property", indexam_has_property)
define("row_security_active", never)
define("row_security_active_name", never)
define("pg_partition_ancestors", no_rows)
define("pg_partition_tree", no_rows)
define("pg_tablespace_location", empty_text)
