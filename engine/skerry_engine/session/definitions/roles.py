"""Roles: CREATE, ALTER and DROP ROLE, memberships, and what their sessions start with.

Who may what, as in PostgreSQL 15: a superuser everything; CREATEROLE all roles that are no superusers, nor may
replicate or pass by row security; who has the ADMIN OPTION of a role its memberships; everybody his own password.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import replace

from skerry_engine import errors
from skerry_engine.catalog import cluster_changes, naming
from skerry_engine.catalog.catalog import Catalog
from skerry_engine.catalog.objects import Membership, Role, StartSettings
from skerry_engine.catalog.passwords import fits, kept_password
from skerry_engine.catalog.privileges import is_admin_of, is_member
from skerry_engine.session.definitions.change import change_catalog
from skerry_engine.session.definitions.context import DefinitionContext
from skerry_engine.session.definitions.names import role_named
from skerry_engine.session.definitions.waiting import lock_object_name
from skerry_engine.session.settings import Settings
from skerry_engine.session.steps import Complete, Step
from skerry_engine.sql import statements as st
from skerry_engine.values import oids
from skerry_engine.values.io import text_decoder
from skerry_engine.values.types import SqlType

Steps = Generator[Step, object, Complete]

ROLE_FLAGS = {
    "superuser": "superuser",
    "createdb": "create_db",
    "createrole": "create_role",
    "inherit": "inherit",
    "login": "can_login",
    "replication": "replication",
    "bypassrls": "bypass_rls",
}
DATABASE_OWNER = "pg_database_owner"

# --- who is it, and may he ----------------------------------------------------------------------------------


def _current(context: DefinitionContext) -> Role:
    return context.catalog.roles[context.user_oid]


def _refused(text: str) -> errors.InsufficientPrivilege:
    return errors.InsufficientPrivilege(text)


def _check_may_create(current: Role, changes: dict[str, object]) -> None:
    if current.superuser:
        return
    if changes.get("superuser"):
        raise _refused("must be superuser to create superusers")
    if changes.get("replication"):
        raise _refused("must be superuser to create replication users")
    if changes.get("bypass_rls"):
        raise _refused("must be superuser to create bypassrls users")
    if not current.create_role:
        raise _refused("permission denied to create role")


def _check_may_alter(current: Role, role: Role, changes: dict[str, object]) -> None:
    if current.superuser:
        return
    if role.superuser or "superuser" in changes:
        raise _refused("must be superuser to alter superuser roles or change superuser attribute")
    if role.replication or "replication" in changes:
        raise _refused("must be superuser to alter replication roles or change replication attribute")
    if "bypass_rls" in changes:
        raise _refused("must be superuser to change bypassrls attribute")
    if not current.create_role and (role.oid != current.oid or changes.keys() - {"password"}):
        raise _refused("permission denied")


def _check_may_grant(context: DefinitionContext, role: Role, is_grant: bool) -> None:
    """Raise InsufficientPrivilege unless the user may change who is a member of the role."""
    current = _current(context)
    if role.name == DATABASE_OWNER and is_grant:
        raise errors.InvalidGrantOperation(f'role "{role.name}" cannot have explicit members')
    if current.superuser:
        return
    if role.superuser:
        raise _refused("must be superuser to alter superusers")
    if not current.create_role and not is_admin_of(context.catalog, current.oid, role.oid):
        raise _refused(f'must have admin option on role "{role.name}"')


# --- CREATE, ALTER ------------------------------------------------------------------------------------------


def create_role(context: DefinitionContext, statement: st.CreateRole) -> Steps:
    """CREATE or ALTER ROLE.  Raises DuplicateObject, UndefinedObject, ReservedName, InsufficientPrivilege."""
    changes = _changes(context, statement)
    yield from lock_object_name(context, "role", statement.name)
    if statement.is_alter:
        return _altered(context, statement, changes)
    _check_may_create(_current(context), changes)
    changes.setdefault("can_login", statement.kind == "user")
    name = naming.truncate_name(statement.name)
    if name in ("public", "none"):
        raise errors.ReservedName(f'role name "{name}" is reserved')
    made = replace(Role(context.catalog.oids.allocate(), name), **changes)  # type: ignore[arg-type]
    change_catalog(context, lambda catalog: cluster_changes.create_role(catalog, made))
    for group in statement.lists.get("in_role", ()):
        _add_member(context, role_named(context, group), made, False)
    for member in statement.lists.get("admin", ()):
        _add_member(context, made, role_named(context, member), True)
    for member in statement.lists.get("role", ()):
        _add_member(context, made, role_named(context, member), False)
    return Complete("CREATE ROLE")


def _altered(context: DefinitionContext, statement: st.CreateRole, changes: dict[str, object]) -> Complete:
    role = role_named(context, statement.name)
    _check_may_alter(_current(context), role, changes)
    if role.oid == 10 and changes.get("superuser") is False:
        raise errors.NotSupportedError("the bootstrap user must have the SUPERUSER attribute")
    _change_role(context, role.oid, lambda old: replace(old, **changes))  # type: ignore[arg-type]
    return Complete("ALTER ROLE")


def _change_role(context: DefinitionContext, oid: int, change: Callable[[Role], Role]) -> None:
    change_catalog(context, lambda catalog: _with_role(catalog, oid, change))


def _with_role(catalog: Catalog, oid: int, change: Callable[[Role], Role]) -> Catalog:
    if oid not in catalog.roles:
        raise errors.UndefinedObject(f"role with OID {oid} does not exist")
    return catalog.with_roles({**catalog.roles, oid: change(catalog.roles[oid])})


def _changes(context: DefinitionContext, statement: st.CreateRole) -> dict[str, object]:
    """What the options make of a role's fields."""
    found: dict[str, object] = {}
    for name, value in statement.options.items():
        if name in ROLE_FLAGS:
            found[ROLE_FLAGS[name]] = value == "true"
        elif name == "connection_limit":
            found[name] = _limit(str(value))
        elif name == "password":
            found[name] = _password(context, statement.name, value)
        else:
            assert name == "valid_until", name
            found["valid_until_us"] = text_decoder(SqlType(oids.TIMESTAMPTZ), context.io)(str(value))
    return found


def _limit(text: str) -> int:
    value = int(text)
    if value < -1:
        raise errors.InvalidParameterValue(f"invalid connection limit: {text}")
    return value


def _password(context: DefinitionContext, name: str, text: str | None) -> str:
    kept = "" if text is None else kept_password(text)
    if text is not None and (not text or fits("", kept)):
        context.notice("empty string is not a valid password, clearing password")
        return ""
    return kept


# --- DROP ---------------------------------------------------------------------------------------------------


def drop_role(context: DefinitionContext, statement: st.DropRole) -> Steps:
    """DROP ROLE.  Raises UndefinedObject, ObjectInUse for the session's own, DependentObjectsStillExist."""
    current, here_oid = _current(context), context.database_oid
    if not (current.superuser or current.create_role):
        raise _refused("permission denied to drop role")
    for name in statement.names:
        yield from lock_object_name(context, "role", name)
        role = _to_drop(context, name, statement.if_exists)
        if role is None:
            continue
        if role.oid == current.oid:
            raise errors.ObjectInUse("current user cannot be dropped")
        if role.oid == context.session_user_oid:
            raise errors.ObjectInUse("session user cannot be dropped")
        if role.superuser and not current.superuser:
            raise _refused("must be superuser to drop superusers")
        oid = role.oid
        change_catalog(context, lambda catalog, oid=oid: cluster_changes.drop_role(catalog, oid, here_oid))  # type: ignore[misc]
    return Complete("DROP ROLE")


def _to_drop(context: DefinitionContext, name: str, if_exists: bool) -> Role | None:
    if name in ("current_user", "current_role", "session_user", "public"):
        raise errors.InvalidParameterValue("cannot use special role specifier in DROP ROLE")
    role = context.catalog.role_named(name)
    if role is None:
        if not if_exists:
            raise errors.UndefinedObject(f'role "{name}" does not exist')
        context.notice(f'role "{name}" does not exist, skipping')
    return role


# --- memberships --------------------------------------------------------------------------------------------


def grant_roles(context: DefinitionContext, statement: st.Grant) -> Complete:
    """GRANT and REVOKE of roles.  Raises UndefinedObject, InvalidGrantOperation, InsufficientPrivilege."""
    for name, columns in statement.privileges:
        if columns:
            raise errors.InvalidGrantOperation("column names cannot be included in GRANT/REVOKE ROLE")
        role = role_named(context, name)
        _check_may_grant(context, role, statement.is_grant)
        for member_name in statement.grantees:
            member = role_named(context, member_name)
            if statement.is_grant:
                _add_member(context, role, member, statement.with_grant_option)
            else:
                _take_out(context, role, member, statement.with_grant_option)
    if statement.kind == "group":
        return Complete("ALTER ROLE")
    return Complete("GRANT ROLE" if statement.is_grant else "REVOKE ROLE")


def _add_member(context: DefinitionContext, role: Role, member: Role, admin_option: bool) -> None:
    member = context.catalog.roles[member.oid]
    _check_may_grant(context, role, True)
    if member.oid == role.oid or is_member(context.catalog, role.oid, member.oid):
        raise errors.InvalidGrantOperation(f'role "{role.name}" is a member of role "{member.name}"')
    old = next((m for m in member.memberships if m.role_oid == role.oid), None)
    if old is not None and (old.admin_option or not admin_option):
        context.notice(f'role "{member.name}" is already a member of role "{role.name}"')
        return
    made = Membership(role.oid, context.user_oid, admin_option)

    def change(current: Role) -> Role:
        others = tuple(m for m in current.memberships if m.role_oid != role.oid)
        return replace(current, memberships=(*others, made))

    _change_role(context, member.oid, change)


def _take_out(context: DefinitionContext, role: Role, member: Role, only_option: bool) -> None:
    if all(m.role_oid != role.oid for m in context.catalog.roles[member.oid].memberships):
        context.notice(
            f'role "{member.name}" is not a member of role "{role.name}"', "WARNING", sqlstate="01000"
        )
        return

    def change(current: Role) -> Role:
        kept = [m for m in current.memberships if m.role_oid != role.oid]
        if only_option:
            kept += [replace(m, admin_option=False) for m in current.memberships if m.role_oid == role.oid]
        return replace(current, memberships=tuple(kept))

    _change_role(context, member.oid, change)


# --- what sessions start with -------------------------------------------------------------------------------


def alter_role_setting(context: DefinitionContext, statement: st.AlterRoleSetting) -> Steps:
    """ALTER ROLE name [IN DATABASE name] SET or RESET.  Raises as SET does; ALL is NotSupportedError without IN
    DATABASE, and else the database's."""
    yield from ()
    database = None
    if statement.database is not None:
        database = context.catalog.get_database(statement.database)
    if statement.role is None:
        if database is None:
            raise errors.NotSupportedError("ALTER ROLE ALL ... SET without IN DATABASE is not supported")
        change_database_setting(context, database.oid, statement.setting)
        return Complete("ALTER ROLE")
    role = role_named(context, statement.role)
    current = _current(context)
    if not current.superuser:
        if role.superuser:
            raise _refused("must be superuser to alter superusers")
        if not current.create_role and role.oid != current.oid:
            raise _refused("permission denied")
    database_oid = 0 if database is None else database.oid
    edit = edited_settings(context, statement.setting)

    def change(old: Role) -> Role:
        before = next((s.values for s in old.settings if s.database_oid == database_oid), ())
        others = [s for s in old.settings if s.database_oid != database_oid]
        after = edit(before)
        if after:
            others.append(StartSettings(database_oid, after))
        return replace(old, settings=tuple(sorted(others, key=lambda s: s.database_oid)))

    _change_role(context, role.oid, change)
    return Complete("ALTER ROLE")


def change_database_setting(
    context: DefinitionContext, database_oid: int, setting: st.SetSetting | st.ResetSetting
) -> None:
    """ALTER DATABASE ... SET or RESET."""
    edit = edited_settings(context, setting)

    def change(catalog: Catalog) -> Catalog:
        database = catalog.database(database_oid)
        return catalog.with_database(replace(database, settings=edit(database.settings)))

    change_catalog(context, change)


def edited_settings(
    context: DefinitionContext, setting: st.SetSetting | st.ResetSetting
) -> Callable[[tuple[str, ...]], tuple[str, ...]]:
    """What a SET or RESET makes of a list of `name=value`.  Raises as SET does."""
    if setting.name is None:
        return lambda before: ()
    probe = Settings()
    name = probe.canonical_name(setting.name)
    values = setting.values if isinstance(setting, st.SetSetting) else None
    probe.set(name, values)
    text = None if values is None else probe.kept_text(name, values)

    def edit(before: tuple[str, ...]) -> tuple[str, ...]:
        entry = None if text is None else f"{name}={text}"
        places = [n for n, each in enumerate(before) if each.partition("=")[0] == name]
        if not places:
            return before if entry is None else (*before, entry)
        at = places[0]
        return (*before[:at], *(() if entry is None else (entry,)), *before[at + 1 :])

    return edit
