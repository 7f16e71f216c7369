"""has_*_privilege, pg_has_role and access lists.

Skerry has no GRANT yet: a superuser and an object's owner may do everything; of the rest, PUBLIC has what
PostgreSQL gives it by default (CONNECT and TEMPORARY on databases, EXECUTE on functions, USAGE on types,
languages and the schemas whose access list says so).
"""

from __future__ import annotations

from collections.abc import Callable

from skerry_engine import errors
from skerry_engine.abc import FunctionContext
from skerry_engine.catalog.objects import Role, Table, View
from skerry_engine.catalog.quoting import split_name
from skerry_engine.catalog.system.access import names_of, system_of
from skerry_engine.catalog.system.layout import Row
from skerry_engine.functions.registry import define, function_by_oid
from skerry_engine.values.types import find_type

TABLE_PRIVILEGES = frozenset("SELECT INSERT UPDATE DELETE TRUNCATE REFERENCES TRIGGER RULE".split())
COLUMN_PRIVILEGES = frozenset("SELECT INSERT UPDATE REFERENCES".split())
PRIVILEGES = {
    "table": TABLE_PRIVILEGES,
    "any_column": COLUMN_PRIVILEGES,
    "column": COLUMN_PRIVILEGES,
    "sequence": frozenset("USAGE SELECT UPDATE".split()),
    "database": frozenset("CREATE TEMPORARY TEMP CONNECT".split()),
    "schema": frozenset("CREATE USAGE".split()),
    "function": frozenset(("EXECUTE",)),
    "language": frozenset(("USAGE",)),
    "type": frozenset(("USAGE",)),
    "tablespace": frozenset(("CREATE",)),
}
PUBLIC_PRIVILEGES = {
    "database": frozenset("TEMPORARY TEMP CONNECT".split()),
    "function": frozenset(("EXECUTE",)),
    "language": frozenset(("USAGE",)),
    "type": frozenset(("USAGE",)),
}
ACL_LETTERS = {
    "r": "SELECT", "a": "INSERT", "w": "UPDATE", "d": "DELETE", "D": "TRUNCATE", "x": "REFERENCES",
    "t": "TRIGGER", "X": "EXECUTE", "U": "USAGE", "C": "CREATE", "T": "TEMPORARY", "c": "CONNECT",
    "s": "SET", "A": "ALTER SYSTEM",
}  # fmt: skip
DEFAULT_ACLS = {
    "c": ("", ""), "r": ("", "arwdDxt"), "s": ("", "rwU"), "d": ("Tc", "CTc"), "f": ("X", "X"), "l": ("U", "U"),
    "L": ("", "rw"), "n": ("", "UC"), "t": ("", "C"), "F": ("", "U"), "S": ("", "U"), "T": ("U", "U"),
    "p": ("", "sA"),
}  # fmt: skip

Owner = Callable[[FunctionContext, object], int | None]


# --- who owns what: None when there is no such object, by OID -------------------------------------


def _relation_owner(context: FunctionContext, reference: object) -> int | None:
    if isinstance(reference, str):
        return names_of(context).get_relation(reference).owner_oid
    assert isinstance(reference, int)
    relation = system_of(context).database.relation(reference)
    return None if relation is None else relation.owner_oid


def _database_owner(context: FunctionContext, reference: object) -> int | None:
    catalog = system_of(context).catalog
    if isinstance(reference, str):
        return catalog.get_database(reference).owner_oid
    assert isinstance(reference, int)
    database = catalog.databases.get(reference)
    return None if database is None else database.owner_oid


def _schema_owner(context: FunctionContext, reference: object) -> int | None:
    database = system_of(context).database
    if isinstance(reference, str):
        return database.get_schema(reference).owner_oid
    assert isinstance(reference, int)
    schema = database.schemas.get(reference)
    return None if schema is None else schema.owner_oid


def _function_owner(context: FunctionContext, reference: object) -> int | None:
    if isinstance(reference, str):
        names_of(context).function_signature_oid(reference)
        return 10
    assert isinstance(reference, int)
    return None if function_by_oid(reference) is None else 10


def _type_owner(context: FunctionContext, reference: object) -> int | None:
    if isinstance(reference, str):
        names_of(context).type_oid(reference)
        return 10
    assert isinstance(reference, int)
    return 10 if find_type(reference) is not None or names_of(context).type_name(reference) else None


def _language_owner(_context: FunctionContext, reference: object) -> int | None:
    known: dict[object, int] = {"internal": 10, "c": 10, "sql": 10, 12: 10, 13: 10, 14: 10}
    if isinstance(reference, str) and reference not in known:
        raise errors.UndefinedObject(f'language "{reference}" does not exist')
    return known.get(reference)


def _tablespace_owner(_context: FunctionContext, reference: object) -> int | None:
    known: dict[object, int] = {"pg_default": 10, "pg_global": 10, 1663: 10, 1664: 10}
    if isinstance(reference, str) and reference not in known:
        raise errors.UndefinedObject(f'tablespace "{reference}" does not exist')
    return known.get(reference)


OWNERS: dict[str, Owner] = {
    "table": _relation_owner,
    "any_column": _relation_owner,
    "sequence": _relation_owner,
    "database": _database_owner,
    "schema": _schema_owner,
    "function": _function_owner,
    "language": _language_owner,
    "type": _type_owner,
    "tablespace": _tablespace_owner,
}


# --- checking -------------------------------------------------------------------------------------


def _role(context: FunctionContext, reference: object) -> Role | None:
    """The role asked about: named, by OID, or the current one.
    Raises UndefinedObject for an unknown name."""
    catalog = system_of(context).catalog
    if isinstance(reference, str):
        role = catalog.role_named(reference)
        if role is None and reference != "public":
            raise errors.UndefinedObject(f'role "{reference}" does not exist')
        return role
    assert isinstance(reference, int)
    return catalog.roles.get(reference)


def _wanted(text: str, known: frozenset[str]) -> set[str]:
    wanted = set()
    for item in text.split(","):
        name = item.strip().upper().removesuffix(" WITH GRANT OPTION")
        if name not in known:
            raise errors.InvalidParameterValue(f'unrecognized privilege type: "{item.strip()}"')
        wanted.add(name)
    return wanted


def _may(role: Role | None, owner_oid: int, kind: str, wanted: set[str]) -> bool:
    if role is not None and (role.superuser or role.oid == owner_oid):
        return True
    return bool(wanted & PUBLIC_PRIVILEGES.get(kind, frozenset()))


def _declare(kind: str) -> None:
    owner_of, known = OWNERS[kind], PRIVILEGES[kind]

    def for_role(context: FunctionContext, user: object, reference: object, privilege: str) -> bool | None:
        wanted = _wanted(privilege, known)
        role = _role(context, user)
        owner = owner_of(context, reference)
        if owner is None:
            return None
        if kind == "schema" and wanted == {"USAGE"}:
            return _may(role, owner, kind, wanted) or _schema_is_public(context, reference)
        return _may(role, owner, kind, wanted)

    def for_current(context: FunctionContext, reference: object, privilege: str) -> bool | None:
        return for_role(context, system_of(context).current_user_oid, reference, privilege)

    for reference in ("name", "id"):
        define(f"has_{kind}_privilege_{reference}", for_current, needs_context=True)
        for user in ("name", "id"):
            define(f"has_{kind}_privilege_{user}_{reference}", for_role, needs_context=True)


def _schema_is_public(context: FunctionContext, reference: object) -> bool:
    database = system_of(context).database
    schema = database.schema_named(reference) if isinstance(reference, str) else None
    if isinstance(reference, int):
        schema = database.schemas.get(reference)
    return schema is not None and any(item.startswith("=U") for item in schema.acl or ())


def _column_privilege(
    context: FunctionContext, user: object, table: object, column: object, privilege: str
) -> bool | None:
    wanted = _wanted(privilege, COLUMN_PRIVILEGES)
    role = _role(context, user)
    oid = names_of(context).get_relation(table).oid if isinstance(table, str) else table
    assert isinstance(oid, int)
    relation = system_of(context).database.relation(oid)
    if relation is None:
        return None
    if isinstance(relation, (Table, View)) and not _has_column(relation, column):
        if isinstance(column, str):
            raise errors.UndefinedColumn(f'column "{column}" of relation "{relation.name}" does not exist')
        return None
    return _may(role, relation.owner_oid, "column", wanted)


def _has_column(relation: Table | View, column: object) -> bool:
    if isinstance(column, str):
        return relation.column_named(column) is not None
    return any(c.attnum == column for c in relation.live_columns)


def _current_column_privilege(
    context: FunctionContext, table: object, column: object, privilege: str
) -> bool | None:
    return _column_privilege(context, system_of(context).current_user_oid, table, column, privilege)


def has_role(context: FunctionContext, user: object, role: object, privilege: str) -> bool | None:
    """Whether the user is the role or a superuser: there are no memberships."""
    _wanted(privilege, frozenset("MEMBER USAGE".split()))
    member, wanted = _role(context, user), _role(context, role)
    if member is None or wanted is None:
        return None if not isinstance(user, str) else False
    return member.superuser or member.oid == wanted.oid


def current_has_role(context: FunctionContext, role: object, privilege: str) -> bool | None:
    return has_role(context, system_of(context).current_user_oid, role, privilege)


# --- access lists ---------------------------------------------------------------------------------


def acldefault(context: FunctionContext, kind: str, owner_oid: int) -> tuple[str, ...]:
    """The access list that an object of the kind has while none is written."""
    if kind not in DEFAULT_ACLS:
        raise errors.InternalFault(f"unrecognized object type abbreviation: {kind}")
    public, owner = DEFAULT_ACLS[kind]
    name = system_of(context).catalog.role_name(owner_oid)
    items = []
    if public:
        items.append(f"={public}/{name}")
    if owner:
        items.append(f"{name}={owner}/{name}")
    return tuple(items)


def aclexplode(context: FunctionContext, items: tuple[str, ...]) -> list[Row]:
    """One row per privilege: grantor, grantee (0 for PUBLIC), privilege, whether with grant option."""
    return [row for item in items for row in _exploded(context, item)]


def _exploded(context: FunctionContext, item: str) -> list[Row]:
    grants, grantor = item.rsplit("/", 1)
    grantee, letters = grants.rsplit("=", 1)
    grantor_oid, grantee_oid = _role_oid(context, grantor), _role_oid(context, grantee)
    rows: list[Row] = []
    for number, letter in enumerate(letters):
        if letter != "*":
            grantable = letters[number + 1 : number + 2] == "*"
            rows.append((grantor_oid, grantee_oid, ACL_LETTERS[letter], grantable))
    return rows


def _role_oid(context: FunctionContext, name: str) -> int:
    if not name:
        return 0
    role = system_of(context).catalog.role_named(split_name(name)[0])
    return 0 if role is None else role.oid


for _kind in OWNERS:
    _declare(_kind)
for _table in ("name", "id"):
    for _column in ("name", "attnum"):
        define(f"has_column_privilege_{_table}_{_column}", _current_column_privilege, needs_context=True)
        for _user in ("name", "id"):
            _source = f"has_column_privilege_{_user}_{_table}_{_column}"
            define(_source, _column_privilege, needs_context=True)
for _role_by in ("name", "id"):
    define(f"pg_has_role_{_role_by}", current_has_role, needs_context=True)
    for _user in ("name", "id"):
        define(f"pg_has_role_{_user}_{_role_by}", has_role, needs_context=True)
define("acldefault_sql", acldefault, needs_context=True)
define("aclexplode", aclexplode, needs_context=True)
