"""has_*_privilege, pg_has_role and access lists.

What is asked about is found by name (which must exist) or by OID (NULL where there is none), and judged by
`catalog.privileges`.  Functions, languages and types that come with the system have their usual rights.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from skerry_engine import errors
from skerry_engine.abc import FunctionContext
from skerry_engine.catalog.catalog import Database
from skerry_engine.catalog.objects import BOOTSTRAP_ROLE, Relation, Right, Role, Schema, Table, View
from skerry_engine.catalog.privileges import (
    ALL,
    BITS_BY_NAME,
    LETTERS,
    NAMES,
    Judge,
    column_rights,
    is_admin_of,
    is_member,
    kind_of,
    right_text,
    rights_of_database,
    rights_of_relation,
    rights_of_schema,
    rights_texts,
    usual_rights,
)
from skerry_engine.catalog.quoting import split_name
from skerry_engine.catalog.system.access import names_of, system_of
from skerry_engine.catalog.system.layout import Row
from skerry_engine.catalog.user_types import type_of_oid
from skerry_engine.functions.registry import define, function_by_oid
from skerry_engine.values.types import find_type

_KNOWN = {
    "table": "select insert update delete truncate references trigger",
    "any_column": "select insert update references",
    "column": "select insert update references",
    "sequence": "usage select update",
    "database": "create temporary temp connect",
    "schema": "create usage",
    "function": "execute",
    "language": "usage",
    "type": "usage",
    "tablespace": "create",
}
KNOWN = {kind: frozenset(words.split()) for kind, words in _KNOWN.items()}


class Subject(NamedTuple):
    """What a privilege is asked for: its kind (as acldefault has it), owner and rights; a relation itself, too."""

    kind: str
    owner_oid: int
    rights: tuple[Right, ...]
    of: object = None


Finder = Callable[[FunctionContext, object], Subject | None]


# --- what is asked about: None where there is no such object, by OID ----------------------------------------


def _relation(context: FunctionContext, reference: object) -> Subject | None:
    if isinstance(reference, str):
        relation: Relation | None = names_of(context).get_relation(reference)
    else:
        assert isinstance(reference, int)
        relation = system_of(context).database.relation(reference)
    if relation is None:
        return None
    return Subject(kind_of(relation), relation.owner_oid, rights_of_relation(relation), relation)


def _database(context: FunctionContext, reference: object) -> Subject | None:
    catalog = system_of(context).catalog
    if isinstance(reference, str):
        database: Database | None = catalog.get_database(reference)
    else:
        assert isinstance(reference, int)
        database = catalog.databases.get(reference)
    return (
        None if database is None else Subject("d", database.owner_oid, rights_of_database(database), database)
    )


def _schema(context: FunctionContext, reference: object) -> Subject | None:
    database = system_of(context).database
    if isinstance(reference, str):
        schema: Schema | None = database.get_schema(reference)
    else:
        assert isinstance(reference, int)
        schema = database.schemas.get(reference)
    return None if schema is None else Subject("n", schema.owner_oid, rights_of_schema(schema), schema)


def _usual(kind: str) -> Subject:
    return Subject(kind, BOOTSTRAP_ROLE, usual_rights(kind, BOOTSTRAP_ROLE))


def _function(context: FunctionContext, reference: object) -> Subject | None:
    if isinstance(reference, str):
        names_of(context).function_signature_oid(reference)
        return _usual("f")
    assert isinstance(reference, int)
    return None if function_by_oid(reference) is None else _usual("f")


def _type(context: FunctionContext, reference: object) -> Subject | None:
    oid = names_of(context).type_oid(reference) if isinstance(reference, str) else reference
    assert isinstance(oid, int)
    own = type_of_oid(system_of(context).database, oid)
    if own is not None:
        return Subject("T", own.owner_oid, rights_of_relation(own), own)
    return _usual("T") if find_type(oid) is not None or names_of(context).type_name(oid) else None


def _language(_context: FunctionContext, reference: object) -> Subject | None:
    known: tuple[object, ...] = ("internal", "c", "sql", 12, 13, 14)
    if isinstance(reference, str) and reference not in known:
        raise errors.UndefinedObject(f'language "{reference}" does not exist')
    return _usual("l") if reference in known else None


def _tablespace(_context: FunctionContext, reference: object) -> Subject | None:
    known: tuple[object, ...] = ("pg_default", "pg_global", 1663, 1664)
    if isinstance(reference, str) and reference not in known:
        raise errors.UndefinedObject(f'tablespace "{reference}" does not exist')
    return _usual("t") if reference in known else None


FINDERS: dict[str, Finder] = {
    "table": _relation,
    "any_column": _relation,
    "sequence": _relation,
    "database": _database,
    "schema": _schema,
    "function": _function,
    "language": _language,
    "type": _type,
    "tablespace": _tablespace,
}


# --- checking -----------------------------------------------------------------------------------------------


def _role(context: FunctionContext, reference: object) -> Role | None:
    """The role asked about: named, or by OID; None for PUBLIC, and where there is none.  Raises UndefinedObject for
    an unknown name."""
    catalog = system_of(context).catalog
    if isinstance(reference, str):
        role = catalog.role_named(reference)
        if role is None and reference != "public":
            raise errors.UndefinedObject(f'role "{reference}" does not exist')
        return role
    assert isinstance(reference, int)
    return catalog.roles.get(reference)


def _judge(context: FunctionContext, user: object) -> Judge:
    system = system_of(context)
    role = _role(context, user)
    return Judge(system.catalog, system.database, 0 if role is None else role.oid)


def _wanted(text: str, known: frozenset[str]) -> list[tuple[int, bool]]:
    """The privileges asked for, any of which will do: (bit, whether with grant option)."""
    wanted = []
    for item in text.split(","):
        name = item.strip().lower()
        plain = name.removesuffix(" with grant option")
        if plain not in known and not (plain == "rule" and "trigger" in known):
            raise errors.InvalidParameterValue(f'unrecognized privilege type: "{item.strip()}"')
        wanted.append((BITS_BY_NAME.get(plain, 0), plain != name))
    return wanted


def _has(judge: Judge, subject: Subject, wanted: list[tuple[int, bool]], of_columns: bool) -> bool:
    held, grantable = _bits(judge, subject)
    if any((grantable if option else held) & bit for bit, option in wanted):
        return True
    relation = subject.of
    if not of_columns or not isinstance(relation, (Table, View)):
        return False
    return any(_column_has(judge, relation, column.attnum, wanted) for column in relation.live_columns)


def _bits(judge: Judge, subject: Subject) -> tuple[int, int]:
    """What is held of it, and what may be granted on."""
    if isinstance(subject.of, Relation):
        held = judge.on_relation(subject.of)
    elif isinstance(subject.of, Schema):
        held = judge.on_schema(subject.of)
    else:
        held = judge.held(subject.kind, subject.rights)
    return held, judge.grantable(subject.kind, subject.owner_oid, subject.rights)


def _column_has(judge: Judge, relation: Relation, attnum: int, wanted: list[tuple[int, bool]]) -> bool:
    rights = column_rights(relation, attnum)
    held = judge.on_column(relation, attnum)
    grantable = judge.grantable("r", relation.owner_oid, (*rights_of_relation(relation), *rights))
    return any((grantable if option else held) & bit for bit, option in wanted)


def _declare(kind: str) -> None:
    find, known = FINDERS[kind], KNOWN[kind]

    def for_role(context: FunctionContext, user: object, reference: object, privilege: str) -> bool | None:
        judge = _judge(context, user)
        subject = find(context, reference)
        wanted = _wanted(privilege, known)
        if subject is None:
            return None
        if kind == "sequence" and subject.kind != "s":
            raise errors.WrongObjectType(f'"{getattr(subject.of, "name", "")}" is not a sequence')
        return _has(judge, subject, wanted, kind == "any_column")

    def for_current(context: FunctionContext, reference: object, privilege: str) -> bool | None:
        return for_role(context, system_of(context).current_user_oid, reference, privilege)

    for reference in ("name", "id"):
        define(f"has_{kind}_privilege_{reference}", for_current, needs_context=True)
        for user in ("name", "id"):
            define(f"has_{kind}_privilege_{user}_{reference}", for_role, needs_context=True)


def _column_privilege(
    context: FunctionContext, user: object, table: object, column: object, privilege: str
) -> bool | None:
    judge = _judge(context, user)
    oid = names_of(context).get_relation(table).oid if isinstance(table, str) else table
    assert isinstance(oid, int)
    relation = system_of(context).database.relation(oid)
    if relation is None:
        return None
    attnum = _column_number(relation, column)
    wanted = _wanted(privilege, KNOWN["column"])
    return None if attnum is None else _column_has(judge, relation, attnum, wanted)


def _column_number(relation: Relation, column: object) -> int | None:
    """The column's number; None where a number is no column's.  Raises UndefinedColumn for an unknown name."""
    columns = getattr(relation, "live_columns", ())
    for each in columns:
        if column in (each.name, each.attnum):
            return int(each.attnum)
    if isinstance(column, str):
        raise errors.UndefinedColumn(f'column "{column}" of relation "{relation.name}" does not exist')
    return None


def _current_column_privilege(
    context: FunctionContext, table: object, column: object, privilege: str
) -> bool | None:
    return _column_privilege(context, system_of(context).current_user_oid, table, column, privilege)


_ROLE_PRIVILEGES = frozenset(("member", "usage"))


def has_role(context: FunctionContext, user: object, role: object, privilege: str) -> bool | None:
    """Whether the user may become the role (MEMBER), has its rights (USAGE), or gives it to others (the option)."""
    system = system_of(context)
    catalog, database = system.catalog, system.database
    wanted = []
    for item in privilege.split(","):
        name = item.strip().lower()
        plain = name.removesuffix(" with grant option").removesuffix(" with admin option")
        if plain not in _ROLE_PRIVILEGES:
            raise errors.InvalidParameterValue(f'unrecognized privilege type: "{item.strip()}"')
        wanted.append("admin" if plain != name else plain)
    member, asked = _role(context, user), _role(context, role)
    if member is None or asked is None:
        return None if not isinstance(user, str) else False
    if member.superuser:
        return True
    judge = Judge(catalog, database, member.oid)
    if "admin" in wanted and is_admin_of(catalog, member.oid, asked.oid):
        return True
    if "member" in wanted and is_member(catalog, member.oid, asked.oid, database):
        return True
    return "usage" in wanted and asked.oid in judge.roles


def current_has_role(context: FunctionContext, role: object, privilege: str) -> bool | None:
    return has_role(context, system_of(context).current_user_oid, role, privilege)


# --- access lists -------------------------------------------------------------------------------------------


def acldefault(context: FunctionContext, kind: str, owner_oid: int) -> tuple[str, ...]:
    """The access list that an object of the kind has while none is written."""
    if kind not in ALL or kind == "g":
        raise errors.InternalFault(f"unrecognized object type abbreviation: {kind}")
    return rights_texts(system_of(context).catalog, usual_rights(kind, owner_oid)) or ()


def makeaclitem(
    context: FunctionContext, grantee: int, grantor: int, privileges: str, is_grantable: bool
) -> str:
    """An access list's item; `privileges` are separated by commas."""
    bits = 0
    for item in privileges.split(","):
        name = item.strip().lower()
        if name not in BITS_BY_NAME:
            raise errors.InvalidParameterValue(f'unrecognized privilege type: "{item.strip()}"')
        bits |= BITS_BY_NAME[name]
    return right_text(system_of(context).catalog, Right(grantee, grantor, bits, bits if is_grantable else 0))


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
            rows.append((grantor_oid, grantee_oid, NAMES[LETTERS.index(letter)].upper(), grantable))
    return rows


def _role_oid(context: FunctionContext, name: str) -> int:
    if not name:
        return 0
    catalog = system_of(context).catalog
    role = catalog.role_named(name) or catalog.role_named(split_name(name)[0])
    return 0 if role is None else role.oid


for _kind in FINDERS:
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
define("makeaclitem", makeaclitem, needs_context=True)
