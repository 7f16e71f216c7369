"""Who is a member of which role, and so has its rights.

A role has the rights of the roles that it is a member of, directly or through others, as far as it and those in between
INHERIT.  It may become (SET ROLE) any of them.  The owner of a database is a member of pg_database_owner in it.
"""

from __future__ import annotations

from collections.abc import Iterator

from skerry_engine.catalog.bootstrap import DATABASE_OWNER_ROLE
from skerry_engine.catalog.catalog import Catalog, Database


def roles_of(
    catalog: Catalog, role_oid: int, only_inherited: bool, database: Database | None = None
) -> set[int]:
    """The roles that a role is a member of, itself too; `only_inherited`: those whose rights it has by itself."""
    found = {role_oid}
    ahead = [role_oid]
    while ahead:
        oid = ahead.pop()
        for group in _direct(catalog, oid, only_inherited, database):
            if group not in found:
                found.add(group)
                ahead.append(group)
    return found


def _direct(catalog: Catalog, oid: int, only_inherited: bool, database: Database | None) -> Iterator[int]:
    role = catalog.roles.get(oid)
    if role is None or (only_inherited and not role.inherit):
        return
    yield from (membership.role_oid for membership in role.memberships)
    if database is not None and database.owner_oid == oid:
        yield DATABASE_OWNER_ROLE


def is_member(catalog: Catalog, member_oid: int, role_oid: int, database: Database | None = None) -> bool:
    """Whether one role is the other, or a member of it, directly or not.  Superusers are asked for elsewhere."""
    return role_oid in roles_of(catalog, member_oid, False, database)


def has_rights_of(catalog: Catalog, role_oid: int, other_oid: int, database: Database | None = None) -> bool:
    """Whether a role has all that the other may: it is a superuser, or inherits from it."""
    role = catalog.roles.get(role_oid)
    if role is not None and role.superuser:
        return True
    return other_oid in roles_of(catalog, role_oid, True, database)


def is_admin_of(catalog: Catalog, member_oid: int, role_oid: int) -> bool:
    """Whether a role may say who is a member of the other."""
    for oid in roles_of(catalog, member_oid, False):
        role = catalog.roles.get(oid)
        if role is not None and any(m.role_oid == role_oid and m.admin_option for m in role.memberships):
            return True
    return False
