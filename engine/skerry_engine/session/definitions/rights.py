"""GRANT and REVOKE, ALTER DEFAULT PRIVILEGES, DROP OWNED and REASSIGN OWNED; and who may define what.

    statement -> targets: what is granted on -> who grants (the owner, or who holds the grant option) -> new rights

Rights change as part of the catalog: they are rolled back, logged and kept like all of it, and count for others from
the commit on.  What is not there is refused by name: functions, languages and system catalogs have the rights that they
have.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, replace

from skerry_engine import errors
from skerry_engine.catalog.catalog import Catalog, Database
from skerry_engine.catalog.changes import set_owner as set_relation_owner
from skerry_engine.catalog.cluster_changes import set_database_owner, set_schema_owner
from skerry_engine.catalog.objects import (
    CLASS_NAMESPACE,
    Address,
    ColumnRights,
    DefaultRights,
    IndexDef,
    Relation,
    Right,
    Schema,
    SequenceDef,
    SystemTable,
    Table,
    View,
)
from skerry_engine.catalog.privileges import (
    ALL,
    BITS_BY_NAME,
    PER_COLUMN,
    Judge,
    column_rights,
    denied,
    granted,
    is_member,
    kind_of,
    revoked,
    rights_of_database,
    rights_of_relation,
    rights_of_schema,
    shown_kind,
    usual_rights,
    without_role,
)
from skerry_engine.catalog.user_types import UserType, address_of, find_user_type
from skerry_engine.session.definitions.change import change_catalog
from skerry_engine.session.definitions.context import DefinitionContext
from skerry_engine.session.definitions.guards import judge_of
from skerry_engine.session.definitions.names import find_relation, role_named, undefined_relation
from skerry_engine.session.definitions.roles import grant_roles
from skerry_engine.session.steps import Complete, Step
from skerry_engine.sql import statements as st

Steps = Generator[Step, object, Complete]

_OBJECTS = {"r": "relation", "s": "sequence", "d": "database", "n": "schema", "T": "type", "g": "graph"}
"""What a privilege is said to be invalid for."""
_TABLE_KINDS = ("table", "view", "materialized view", "graph", "property graph")

# --- what is granted on -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Target:
    """An object, or a column of one (`attnum`), whose rights change.  `put` gives the catalog with others."""

    kind: str
    shown: str
    name: str
    owner_oid: int
    rights: tuple[Right, ...]
    put: Callable[[Catalog, tuple[Right, ...]], Catalog]
    is_implied: bool = False


def _on_relation(context: DefinitionContext, relation: Relation) -> Target:
    database_oid, oid = context.database_oid, relation.oid

    def put(catalog: Catalog, rights: tuple[Right, ...]) -> Catalog:
        database = catalog.database(database_oid)
        return catalog.with_database(with_relation_rights(database, oid, rights))

    kind, rights = kind_of(relation), rights_of_relation(relation)
    return Target(kind, shown_kind(relation), relation.name, relation.owner_oid, rights, put)


def with_relation_rights(
    database: Database,
    oid: int,
    rights: tuple[Right, ...] | None,
    columns: tuple[ColumnRights, ...] | None = None,
) -> Database:
    """The database with other rights on a relation.  It keeps its version: no plan is made anew for that."""
    relation = database.relations[oid]
    kept = relation.column_rights if columns is None else columns
    changed = replace(relation, version=relation.version, rights=rights, column_rights=kept)
    added: list[Relation] = [changed]
    return database.with_relations(added)


def _on_column(context: DefinitionContext, relation: Relation, attnum: int, name: str) -> Target:
    database_oid, oid = context.database_oid, relation.oid

    def put(catalog: Catalog, rights: tuple[Right, ...]) -> Catalog:
        database = catalog.database(database_oid)
        now = database.relations[oid]
        others = [each for each in now.column_rights if each.attnum != attnum]
        made = [ColumnRights(attnum, rights)] if rights else []
        columns = tuple(sorted([*others, *made], key=lambda each: each.attnum))
        return catalog.with_database(with_relation_rights(database, oid, now.rights, columns))

    rights = column_rights(relation, attnum)
    return Target("c", "table", name, relation.owner_oid, rights, put)


def _on_schema(context: DefinitionContext, schema: Schema) -> Target:
    database_oid, oid = context.database_oid, schema.oid

    def put(catalog: Catalog, rights: tuple[Right, ...]) -> Catalog:
        database = catalog.database(database_oid)
        changed = replace(database.schemas[oid], rights=rights)
        return catalog.with_database(database.with_schemas((changed,)))

    return Target("n", "schema", schema.name, schema.owner_oid, rights_of_schema(schema), put)


def _on_database(database: Database) -> Target:
    oid = database.oid

    def put(catalog: Catalog, rights: tuple[Right, ...]) -> Catalog:
        return catalog.with_database(replace(catalog.database(oid), rights=rights))

    return Target("d", "database", database.name, database.owner_oid, rights_of_database(database), put)


def _named_relation(context: DefinitionContext, kind: str, name: st.ObjectName) -> Relation:
    found = find_relation(context, name)
    if found is None:
        raise undefined_relation(name)
    if isinstance(found, IndexDef):
        raise errors.WrongObjectType(f'"{found.name}" is an index')
    if isinstance(found, SystemTable):
        raise errors.NotSupportedError(f'changing rights on system catalog "{found.name}" is not supported')
    if kind == "sequence" and not isinstance(found, SequenceDef):
        raise errors.WrongObjectType(f'"{found.name}" is not a sequence')
    return found


def _named_type(context: DefinitionContext, name: st.ObjectName) -> UserType:
    found = find_user_type(context.database, name.name, name.schema, context.search_path)
    if found is None:
        raise errors.NotSupportedError(
            f"rights on type {name}, which comes with the system, are not supported"
        )
    return found[0]


def _in_schema(context: DefinitionContext, kind: str, name: str) -> Iterator[Relation]:
    schema = context.database.get_schema(name)
    for relation in context.database.listed(Relation):
        if relation.schema_oid != schema.oid:
            continue
        if kind == "sequence":
            if isinstance(relation, SequenceDef):
                yield relation
        elif isinstance(relation, (Table, View)):
            yield relation


def _targets(context: DefinitionContext, statement: st.Grant) -> Iterator[tuple[Target, Relation | None]]:
    kind = statement.kind
    if statement.all_in_schema:
        if kind not in ("table", "sequence"):
            return  # there are no functions but the system's
        for name in statement.names:
            for relation in _in_schema(context, kind, name.name):
                yield _on_relation(context, relation), relation
        return
    for name in statement.names:
        if kind == "schema":
            yield _on_schema(context, context.database.get_schema(name.name)), None
        elif kind == "database":
            yield _on_database(context.catalog.get_database(name.name)), None
        elif kind in ("type", "domain"):
            found: Relation = _named_type(context, name)
            yield _on_relation(context, found), found
        elif kind in (*_TABLE_KINDS, "sequence"):
            found = _named_relation(context, kind, name)
            yield _on_relation(context, found), found
        else:
            raise errors.NotSupportedError(f"rights on a {kind} are not supported")


# --- GRANT, REVOKE ------------------------------------------------------------------------------------------


def grant(context: DefinitionContext, statement: st.Grant) -> Steps:
    """GRANT and REVOKE.  Raises InvalidGrantOperation, InsufficientPrivilege, DependentObjectsStillExist."""
    yield from ()
    if statement.kind in ("role", "group"):
        return grant_roles(context, statement)
    grantees = [_grantee(context, name) for name in statement.grantees]
    if statement.is_grant and statement.with_grant_option and 0 in grantees:
        raise errors.InvalidGrantOperation("grant options can only be granted to roles")
    if not statement.all_in_schema:
        _check_names(statement)
    for target, relation in list(_targets(context, statement)):
        for where, bits in _per_target(context, statement, target, relation):
            if bits:
                _change(context, statement, where, bits, grantees, target)
    return Complete("GRANT" if statement.is_grant else "REVOKE")


def _grantee(context: DefinitionContext, name: str) -> int:
    return 0 if name == "public" else role_named(context, name).oid


def _check_names(statement: st.Grant) -> None:
    for name, _ in statement.privileges:
        if name != "all" and name not in BITS_BY_NAME:
            raise errors.SyntaxError(f'unrecognized privilege type "{name}"')


def _per_target(
    context: DefinitionContext, statement: st.Grant, target: Target, relation: Relation | None
) -> Iterator[tuple[Target, int]]:
    """The whole object and its columns, each with the privileges that are meant."""
    bits = 0
    of_columns: dict[str, int] = {}
    for name, columns in statement.privileges or (("all", ()),):
        wanted = _bits(name, "c" if columns else target.kind, statement.kind)
        if not columns:
            bits |= wanted
        for column in columns:
            of_columns[column] = of_columns.get(column, 0) | wanted
    if of_columns and not isinstance(relation, (Table, View)):
        raise errors.InvalidGrantOperation("column privileges are only valid for relations")
    yield target, bits
    if isinstance(relation, (Table, View)):
        if not statement.is_grant:
            yield from _columns_too(context, relation, bits & PER_COLUMN)
        for name, wanted in of_columns.items():
            found = relation.column_named(name)
            if found is None:
                raise errors.UndefinedColumn(f'column "{name}" of relation "{relation.name}" does not exist')
            yield _on_column(context, relation, found.attnum, name), wanted


def _columns_too(
    context: DefinitionContext, relation: Table | View, bits: int
) -> Iterator[tuple[Target, int]]:
    """What is revoked on a table is on its columns, too."""
    for each in relation.column_rights:
        if bits:
            name = relation.columns[each.attnum - 1].name
            yield replace(_on_column(context, relation, each.attnum, name), is_implied=True), bits


def _bits(name: str, kind: str, written: str = "") -> int:
    """The privilege of that name, for objects of that kind; `written` is the word for them in the statement.

    Raises InvalidGrantOperation where they have no such privilege.
    """
    if name == "all":
        return PER_COLUMN if kind == "c" else ALL[kind]
    bit = BITS_BY_NAME.get(name, 0)
    if written == "table" and kind in "rs":
        if not bit & (ALL["r"] | ALL["s"]):
            raise errors.InvalidGrantOperation(f"invalid privilege type {name.upper()} for relation")
        if not bit & ALL[kind]:
            what = "sequence" if kind == "s" else "table"
            raise errors.InvalidGrantOperation(f"invalid privilege type {name.upper()} for {what}")
    allowed = PER_COLUMN if kind == "c" else ALL[kind]
    if not bit & allowed:
        where = "column" if kind == "c" else _OBJECTS[kind]
        raise errors.InvalidGrantOperation(f"invalid privilege type {name.upper()} for {where}")
    return bit


def _change(
    context: DefinitionContext,
    statement: st.Grant,
    where: Target,
    bits: int,
    grantees: list[int],
    whole: Target,
) -> None:
    judge = Judge(context.catalog, context.database, context.user_oid)
    grantor_oid, may = _grantor(judge, where, whole)
    if not may & bits and not judge.owns(where.owner_oid):
        held = judge.held(whole.kind, whole.rights) | judge.held(
            "c", where.rights if where is not whole else ()
        )
        if not (held | may):
            raise denied(whole.shown, whole.name)
    allowed = bits & may
    _warn(context, statement, where, whole, bits, allowed)
    if not allowed:
        return
    current = where.rights
    for grantee_oid in grantees:
        if statement.is_grant:
            options = allowed if statement.with_grant_option else 0
            current = granted(current, Right(grantee_oid, grantor_oid, allowed, options), where.owner_oid)
        else:
            privileges = 0 if statement.with_grant_option else allowed
            going = Right(grantee_oid, grantor_oid, privileges, allowed)
            current = revoked(current, going, where.owner_oid, statement.cascade)
    after = current
    change_catalog(context, lambda catalog: where.put(catalog, after))


def _grantor(judge: Judge, where: Target, whole: Target) -> tuple[int, int]:
    """In whose name it is done, and what may be granted in it."""
    if judge.owns(where.owner_oid):
        return where.owner_oid, ALL[where.kind] or PER_COLUMN
    best, most = judge.role_oid, 0
    rights = (*whole.rights, *where.rights) if where is not whole else where.rights
    for oid in (judge.role_oid, *sorted(judge.roles - {judge.role_oid})):
        options = 0
        for right in rights:
            if right.grantee_oid == oid:
                options |= right.options
        if options.bit_count() > most.bit_count():
            best, most = oid, options
    return best, most


def _warn(
    context: DefinitionContext, statement: st.Grant, where: Target, whole: Target, bits: int, allowed: int
) -> None:
    if allowed == bits or (allowed and not statement.privileges) or where.is_implied:
        return
    name = f'"{where.name}"' if where is whole else f'column "{where.name}" of relation "{whole.name}"'
    if statement.is_grant:
        text = "not all privileges were" if allowed else "no privileges were"
        context.notice(f"{text} granted for {name}", "WARNING", sqlstate="01007")
    else:
        text = "not all privileges could be" if allowed else "no privileges could be"
        context.notice(f"{text} revoked for {name}", "WARNING", sqlstate="01006")


# --- ALTER DEFAULT PRIVILEGES -------------------------------------------------------------------------------

_DEFAULT_KINDS = {"table": "r", "sequence": "S", "function": "f", "routine": "f", "type": "T", "schema": "n"}


def alter_default_privileges(context: DefinitionContext, statement: st.AlterDefaultPrivileges) -> Steps:
    """ALTER DEFAULT PRIVILEGES.  Raises UndefinedObject, InvalidGrantOperation, InsufficientPrivilege."""
    yield from ()
    action = statement.action
    kind = _DEFAULT_KINDS[action.kind]
    roles = [role_named(context, name).oid for name in statement.roles] or [context.user_oid]
    schemas = [context.database.get_schema(name).oid for name in statement.schemas] or [0]
    if statement.schemas and kind == "n":
        raise errors.InvalidGrantOperation("cannot use IN SCHEMA clause when using GRANT/REVOKE ON SCHEMAS")
    judge = Judge(context.catalog, context.database, context.user_oid)
    grantees = [_grantee(context, name) for name in action.grantees]
    if action.is_grant and action.with_grant_option and 0 in grantees:
        raise errors.InvalidGrantOperation("grant options can only be granted to roles")
    acl_kind = {"S": "s"}.get(kind, kind)
    _check_names(action)
    bits = 0
    for name, _ in action.privileges or (("all", ()),):
        bits |= _bits(name, acl_kind)
    for role_oid in roles:
        if not judge.is_superuser and not is_member(context.catalog, context.user_oid, role_oid):
            raise errors.InsufficientPrivilege("permission denied to change default privileges")
        for schema_oid in schemas:
            _change_default(context, action, role_oid, schema_oid, kind, bits, grantees)
    return Complete("ALTER DEFAULT PRIVILEGES")


def _change_default(
    context: DefinitionContext,
    action: st.Grant,
    role_oid: int,
    schema_oid: int,
    kind: str,
    bits: int,
    grantees: list[int],
) -> None:
    database_oid = context.database_oid
    usual = usual_rights({"S": "s"}.get(kind, kind), role_oid) if schema_oid == 0 else ()
    place = (role_oid, schema_oid, kind)
    old = next(
        (d for d in context.database.default_rights if (d.role_oid, d.schema_oid, d.kind) == place), None
    )
    current = usual if old is None else old.rights
    for grantee_oid in grantees:
        if action.is_grant:
            options = bits if action.with_grant_option else 0
            current = granted(current, Right(grantee_oid, role_oid, bits, options), role_oid)
        else:
            privileges = 0 if action.with_grant_option else bits
            going = Right(grantee_oid, role_oid, privileges, bits)
            current = revoked(current, going, role_oid, action.cascade)
    oid = context.catalog.oids.allocate() if old is None else old.oid
    current = tuple(sorted(current, key=_key))
    made = DefaultRights(oid, role_oid, schema_oid, kind, current)

    def change(catalog: Catalog) -> Catalog:
        database = catalog.database(database_oid)
        others = [d for d in database.default_rights if (d.role_oid, d.schema_oid, d.kind) != place]
        kept = others if current == tuple(sorted(usual, key=_key)) else [*others, made]
        ordered = tuple(sorted(kept, key=lambda each: each.oid))
        return catalog.with_database(replace(database, default_rights=ordered, _derived={}))

    change_catalog(context, change)


def _key(right: Right) -> tuple[int, int, int, int]:
    return right.grantee_oid, right.grantor_oid, right.privileges, right.options


# --- DROP OWNED, REASSIGN OWNED -----------------------------------------------------------------------------


def _check_has_rights_of(context: DefinitionContext, oids: list[int], what: str) -> None:
    judge = judge_of(context)
    for oid in oids:
        if not judge.is_superuser and oid not in judge.roles:
            raise errors.InsufficientPrivilege(f"permission denied to {what} objects")


def owned_addresses(context: DefinitionContext, oids: list[int]) -> list[Address]:
    """What roles own in this database: schemas, and relations that do not go with others."""
    database = context.database
    found = [Address(CLASS_NAMESPACE, s.oid) for s in database.schemas.values() if s.owner_oid in oids]
    for relation in database.relations.values():
        is_own = relation.owner_oid in oids and not isinstance(relation, (IndexDef, SystemTable))
        if is_own and (isinstance(relation, UserType) or not relation.is_hidden):
            if not (isinstance(relation, SequenceDef) and relation.owner_column is not None):
                found.append(address_of(relation))
    return found


def reassign_owned(context: DefinitionContext, statement: st.ReassignOwned) -> Steps:
    """REASSIGN OWNED BY roles TO role.  Raises InsufficientPrivilege, DependentObjectsStillExist."""
    yield from ()
    oids = [role_named(context, name).oid for name in statement.roles]
    new_oid = role_named(context, statement.owner).oid
    _refuse_bootstrap(context, oids)
    _check_has_rights_of(context, oids, "reassign")
    _check_has_rights_of(context, [new_oid], "reassign")
    database_oid = context.database_oid
    addresses = owned_addresses(context, oids)
    owned_databases = [d.oid for d in context.catalog.databases.values() if d.owner_oid in oids]

    def change(catalog: Catalog) -> Catalog:
        for address in addresses:
            if address.class_oid == CLASS_NAMESPACE:
                catalog = set_schema_owner(catalog, database_oid, address.oid, new_oid)
            else:
                catalog = set_relation_owner(catalog, database_oid, address.oid, new_oid)
        for oid in owned_databases:
            catalog = set_database_owner(catalog, oid, new_oid)
        return catalog

    change_catalog(context, change)
    return Complete("REASSIGN OWNED")


def _refuse_bootstrap(context: DefinitionContext, oids: list[int]) -> None:
    for oid in oids:
        if oid < 16384:
            name = context.catalog.role_name(oid)
            raise errors.DependentObjectsStillExist(
                f"cannot drop objects owned by role {name} because they are required by the database system"
            )


def drop_owned(context: DefinitionContext, statement: st.DropOwned) -> Steps:
    """DROP OWNED BY roles: what they own here goes, and what was granted to them here, on databases too."""
    from skerry_engine.session.definitions.drop import drop_objects

    oids = [role_named(context, name).oid for name in statement.roles]
    _refuse_bootstrap(context, oids)
    _check_has_rights_of(context, oids, "drop")
    addresses = owned_addresses(context, oids)
    if addresses:
        yield from drop_objects(context, addresses, statement.cascade)
    database_oid = context.database_oid

    def change(catalog: Catalog) -> Catalog:
        for oid in oids:
            for database in list(catalog.databases.values()):
                rights = without_role(database.rights, oid)
                if rights is not database.rights:
                    catalog = catalog.with_database(replace(database, rights=rights))
            catalog = catalog.with_database(_without_role(catalog.database(database_oid), oid))
        return catalog

    change_catalog(context, change)
    return Complete("DROP OWNED")


def _without_role(database: Database, oid: int) -> Database:
    """A database in which nothing is granted to a role."""
    relations: list[Relation] = []
    for relation in database.relations.values():
        rights = without_role(relation.rights, oid)
        columns = tuple(
            ColumnRights(each.attnum, left)
            for each in relation.column_rights
            if (left := without_role(each.rights, oid))
        )
        if rights is not relation.rights or columns != relation.column_rights:
            relations.append(
                replace(relation, version=relation.version, rights=rights, column_rights=columns)
            )
    schemas = [
        replace(schema, rights=without_role(schema.rights, oid))
        for schema in database.schemas.values()
        if without_role(schema.rights, oid) is not schema.rights
    ]
    defaults = tuple(
        replace(each, rights=without_role(each.rights, oid) or ())
        for each in database.default_rights
        if each.role_oid != oid
    )
    return replace(database.with_relations(relations).with_schemas(schemas), default_rights=defaults)
