"""Roles' memberships and rights: who may do what with an object, as PostgreSQL 15 has it.

A role has the rights of the roles that it is a member of, directly or through others, as far as it and those in between
INHERIT.  It may become (SET ROLE) any of them.  The owner of a database is a member of pg_database_owner in it.

A right (`objects.Right`) is a set of privileges, as bits, that a grantor has granted to a grantee, 0 for PUBLIC.  An
object whose rights were never touched has those usual for its kind: all for the owner, and for PUBLIC what `_PUBLIC`
says.  The owner may grant everything, whatever he may do himself; others what they have with the grant option.

    r SELECT  a INSERT  w UPDATE  d DELETE  D TRUNCATE  x REFERENCES  t TRIGGER  X EXECUTE
    U USAGE   C CREATE  T TEMPORARY  c CONNECT  s SET  A ALTER SYSTEM            * with grant option

Superusers are not asked for here but in `Judge`, which everything that asks goes through.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final, TypeVar

from skerry_engine import errors
from skerry_engine.catalog.bootstrap import DATABASE_OWNER_ROLE
from skerry_engine.catalog.catalog import Catalog, Database
from skerry_engine.catalog.graphs import Graph, PropertyGraph
from skerry_engine.catalog.objects import (
    BOOTSTRAP_ROLE,
    PG_CATALOG,
    Relation,
    Right,
    Schema,
    SequenceDef,
    SystemTable,
)
from skerry_engine.catalog.user_types import UserType

LETTERS: Final = "arwdDxtXUCTcsA"
NAMES: Final = (
    *("insert", "select", "update", "delete", "truncate", "references", "trigger", "execute", "usage"),
    *("create", "temporary", "connect", "set", "alter system"),
)
BITS: Final = {name: 1 << number for number, name in enumerate(NAMES)}
BITS_BY_NAME: Final = {**BITS, "temp": BITS["temporary"]}
INSERT, SELECT, UPDATE, DELETE, TRUNCATE, REFERENCES = (1 << number for number in range(6))
TRIGGER, EXECUTE, USAGE, CREATE, TEMPORARY, CONNECT = (1 << number for number in range(6, 12))
_TABLE: Final = INSERT | SELECT | UPDATE | DELETE | TRUNCATE | REFERENCES | TRIGGER
PER_COLUMN: Final = INSERT | SELECT | UPDATE | REFERENCES

ALL: Final = {
    "r": _TABLE,
    "g": INSERT | SELECT | UPDATE | DELETE,
    "s": SELECT | UPDATE | USAGE,
    "d": CREATE | TEMPORARY | CONNECT,
    "f": EXECUTE,
    "l": USAGE,
    "L": SELECT | UPDATE,
    "n": USAGE | CREATE,
    "t": CREATE,
    "F": USAGE,
    "S": USAGE,
    "T": USAGE,
    "p": BITS["set"] | BITS["alter system"],
    "c": 0,
}
"""All privileges of a kind of objects, as acldefault() names kinds; 'g' a graph, 'c' a column."""
_PUBLIC: Final = {"d": TEMPORARY | CONNECT, "f": EXECUTE, "l": USAGE, "T": USAGE}

SECRET: Final = frozenset(("pg_authid", "pg_shadow", "pg_statistic", "pg_user_mapping", "pg_largeobject"))
"""What of the system nobody but superusers may read."""
READ_ALL_DATA, WRITE_ALL_DATA = 6181, 6182

# --- roles --------------------------------------------------------------------------------------------------


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


def is_admin_of(catalog: Catalog, member_oid: int, role_oid: int) -> bool:
    """Whether a role may say who is a member of the other."""
    for oid in roles_of(catalog, member_oid, False):
        role = catalog.roles.get(oid)
        if role is not None and any(m.role_oid == role_oid and m.admin_option for m in role.memberships):
            return True
    return False


# --- objects ------------------------------------------------------------------------------------------------


def kind_of(relation: Relation) -> str:
    """The kind of a relation's rights."""
    if isinstance(relation, SequenceDef):
        return "s"
    if isinstance(relation, (Graph, PropertyGraph)):
        return "g"
    return "T" if isinstance(relation, UserType) else "r"


def usual_rights(kind: str, owner_oid: int) -> tuple[Right, ...]:
    """The rights on an object of that kind while none were granted or revoked; PUBLIC's first."""
    found = []
    if _PUBLIC.get(kind):
        found.append(Right(0, owner_oid, _PUBLIC[kind]))
    if ALL[kind]:
        found.append(Right(owner_oid, owner_oid, ALL[kind]))
    return tuple(found)


def written_rights(relation: Relation) -> tuple[Right, ...] | None:
    """A relation's rights if they are not the usual ones: those of the system's are its own."""
    if not isinstance(relation, SystemTable):
        return relation.rights
    own = Right(BOOTSTRAP_ROLE, BOOTSTRAP_ROLE, _TABLE)
    return (own,) if is_secret(relation) else (own, Right(0, BOOTSTRAP_ROLE, SELECT))


def is_secret(relation: Relation) -> bool:
    """Whether only superusers may read it."""
    return relation.schema_oid == PG_CATALOG and relation.name in SECRET


def rights_of_relation(relation: Relation) -> tuple[Right, ...]:
    """A relation's rights, the usual ones where none are written."""
    written = written_rights(relation)
    return usual_rights(kind_of(relation), relation.owner_oid) if written is None else written


def column_rights(relation: Relation, attnum: int) -> tuple[Right, ...]:
    """What is granted on one column."""
    return next((each.rights for each in relation.column_rights if each.attnum == attnum), ())


def written_rights_of_schema(schema: Schema) -> tuple[Right, ...] | None:
    """A schema's rights if they are not the usual ones; those that older versions wrote are the bootstrap's."""
    if schema.rights is not None or schema.acl is None:
        return schema.rights
    return bootstrap_schema_rights(schema.owner_oid)


def bootstrap_schema_rights(owner_oid: int) -> tuple[Right, ...]:
    """The rights on the schemas that every database has: everybody may use them."""
    return Right(owner_oid, owner_oid, ALL["n"]), Right(0, owner_oid, USAGE)


def rights_of_schema(schema: Schema) -> tuple[Right, ...]:
    """A schema's rights, the usual ones where none are written."""
    written = written_rights_of_schema(schema)
    return usual_rights("n", schema.owner_oid) if written is None else written


def written_rights_of_database(database: Database) -> tuple[Right, ...] | None:
    """A database's rights if they are not the usual ones; templates have theirs from the beginning."""
    if database.rights is not None or database.acl is None:
        return database.rights
    owner = database.owner_oid
    return Right(0, owner, CONNECT), Right(owner, owner, ALL["d"])


def rights_of_database(database: Database) -> tuple[Right, ...]:
    """A database's rights, the usual ones where none are written."""
    written = written_rights_of_database(database)
    return usual_rights("d", database.owner_oid) if written is None else written


# --- who may what -------------------------------------------------------------------------------------------


class Judge:
    """Says what one role may do, over one state of the catalog."""

    def __init__(self, catalog: Catalog, database: Database, role_oid: int) -> None:
        role = catalog.roles.get(role_oid)
        self.role_oid = role_oid
        self.is_superuser = role is not None and role.superuser
        self.roles = frozenset(roles_of(catalog, role_oid, True, database))

    def owns(self, owner_oid: int) -> bool:
        """Whether the role may do what only an object's owner may."""
        return self.is_superuser or owner_oid in self.roles

    def held(self, kind: str, rights: Iterable[Right]) -> int:
        """The privileges that the role has by these rights."""
        if self.is_superuser:
            return ALL[kind]
        bits = 0
        for right in rights:
            if right.grantee_oid == 0 or right.grantee_oid in self.roles:
                bits |= right.privileges
        return bits

    def grantable(self, kind: str, owner_oid: int, rights: Iterable[Right]) -> int:
        """The privileges that the role may grant on."""
        if self.owns(owner_oid):
            return ALL[kind]
        bits = 0
        for right in rights:
            if right.grantee_oid in self.roles:
                bits |= right.options
        return bits

    def on_relation(self, relation: Relation) -> int:
        """The privileges on a relation as a whole."""
        kind = kind_of(relation)
        bits = self.held(kind, rights_of_relation(relation))
        if kind in "rsg" and not is_secret(relation):
            if READ_ALL_DATA in self.roles:
                bits |= SELECT
            if WRITE_ALL_DATA in self.roles and kind in "rg":
                bits |= INSERT | UPDATE | DELETE
        return bits

    def on_column(self, relation: Relation, attnum: int) -> int:
        """The privileges on a column, those on the whole relation too."""
        bits = self.on_relation(relation)
        return bits | self.held("c", column_rights(relation, attnum)) if relation.column_rights else bits

    def on_schema(self, schema: Schema) -> int:
        """The privileges on a schema."""
        bits = self.held("n", rights_of_schema(schema))
        return bits | USAGE if self.roles & {READ_ALL_DATA, WRITE_ALL_DATA} else bits

    def on_database(self, database: Database) -> int:
        """The privileges on a database."""
        return self.held("d", rights_of_database(database))


_SHOWN_KINDS: Final = {
    "v": "view",
    "m": "materialized view",
    "S": "sequence",
    "i": "index",
    "g": "property graph",
}


def shown_kind(relation: Relation) -> str:
    """What a refusal calls a relation."""
    if isinstance(relation, Graph):
        return "graph"
    if isinstance(relation, UserType):
        return "type"
    if isinstance(relation, SystemTable):
        return "view" if relation.kind == "v" else "table"
    return _SHOWN_KINDS.get(relation.kind, "table")


def denied(kind: str, name: str) -> errors.InsufficientPrivilege:
    """The refusal of a privilege."""
    return errors.InsufficientPrivilege(f"permission denied for {kind} {name}")


def not_owner(kind: str, name: str) -> errors.InsufficientPrivilege:
    """The refusal of what only an owner may."""
    return errors.InsufficientPrivilege(f"must be owner of {kind} {name}")


# --- changing rights ----------------------------------------------------------------------------------------


def granted(rights: Sequence[Right], grant: Right, owner_oid: int) -> tuple[Right, ...]:
    """The rights with more in them.  Raises InvalidGrantOperation for a grant option that would go in a circle."""
    if grant.options and grant.grantor_oid != owner_oid:
        _check_circle(rights, grant, owner_oid)
    for number, right in enumerate(rights):
        if (right.grantee_oid, right.grantor_oid) == (grant.grantee_oid, grant.grantor_oid):
            merged = replace(
                right, privileges=right.privileges | grant.privileges, options=right.options | grant.options
            )
            return (*rights[:number], merged, *rights[number + 1 :])
    return (*rights, grant)


def _check_circle(rights: Sequence[Right], grant: Right, owner_oid: int) -> None:
    """Nobody gets a grant option from whom he has given it to: take away all that he could have given first."""
    left = tuple(rights)
    again = True
    while again:
        again = False
        for right in left:
            if right.grantee_oid == grant.grantee_oid and right.options:
                left = revoked(left, replace(right, privileges=right.options), owner_oid, True)
                again = True
                break
    if grant.grantee_oid == owner_oid:
        return
    holds = 0
    for right in left:
        if right.grantee_oid == grant.grantor_oid:
            holds |= right.options
    if grant.options & ~holds:
        raise errors.InvalidGrantOperation("grant options cannot be granted back to your own grantor")


def revoked(rights: Sequence[Right], revoke: Right, owner_oid: int, cascade: bool) -> tuple[Right, ...]:
    """The rights without some: `privileges` and `options` of what the grantor has granted to the grantee.

    What others have from him goes, too, with CASCADE; else it raises DependentObjectsStillExist.
    """
    found: list[Right] = []
    lost = 0
    for right in rights:
        if (right.grantee_oid, right.grantor_oid) != (revoke.grantee_oid, revoke.grantor_oid):
            found.append(right)
            continue
        left = replace(
            right,
            privileges=right.privileges & ~revoke.privileges,
            options=right.options & ~(revoke.options | revoke.privileges),
        )
        lost = right.options & ~left.options
        if left.privileges or left.options:
            found.append(left)
    if not lost or revoke.grantee_oid == owner_oid:
        return tuple(found)
    return _without_dependent(tuple(found), revoke.grantee_oid, lost, owner_oid, cascade)


def _without_dependent(
    rights: tuple[Right, ...], grantor_oid: int, lost: int, owner_oid: int, cascade: bool
) -> tuple[Right, ...]:
    """The rights without what somebody granted who may not any more."""
    for right in rights:
        if right.grantee_oid == grantor_oid:
            lost &= ~right.options
    for right in rights:
        if right.grantor_oid == grantor_oid and right.privileges & lost:
            if not cascade:
                raise errors.DependentObjectsStillExist(
                    "dependent privileges exist", hint="Use CASCADE to revoke them too."
                )
            going = replace(right, privileges=right.privileges & lost, options=right.options & lost)
            less = revoked(rights, going, owner_oid, True)
            return _without_dependent(less, grantor_oid, lost, owner_oid, cascade)
    return rights


def with_owner(rights: tuple[Right, ...] | None, old_oid: int, new_oid: int) -> tuple[Right, ...] | None:
    """An object's rights when it gets another owner: what was the old one's, or from him, is the new one's."""
    if rights is None:
        return None
    found: tuple[Right, ...] = ()
    for right in rights:
        grantee = new_oid if right.grantee_oid == old_oid else right.grantee_oid
        grantor = new_oid if right.grantor_oid == old_oid else right.grantor_oid
        found = granted(found, replace(right, grantee_oid=grantee, grantor_oid=grantor), new_oid)
    return found


def without_role(rights: tuple[Right, ...] | None, role_oid: int) -> tuple[Right, ...] | None:
    """Rights without those of one role."""
    if rights is None or all(right.grantee_oid != role_oid for right in rights):
        return rights
    return tuple(right for right in rights if right.grantee_oid != role_oid)


def names_role(rights: tuple[Right, ...] | None, role_oid: int) -> bool:
    """Whether a role has granted or been granted any of these."""
    return any(role_oid in (right.grantee_oid, right.grantor_oid) for right in rights or ())


# --- as text ------------------------------------------------------------------------------------------------


def letters(privileges: int, options: int = 0) -> str:
    """Privileges in aclitem's letters."""
    found = []
    for number, letter in enumerate(LETTERS):
        if privileges >> number & 1:
            found.append(f"{letter}*" if options >> number & 1 else letter)
    return "".join(found)


def right_text(catalog: Catalog, right: Right) -> str:
    """A right as an aclitem."""
    grantee = "" if right.grantee_oid == 0 else _name(catalog, right.grantee_oid)
    return f"{grantee}={letters(right.privileges, right.options)}/{_name(catalog, right.grantor_oid)}"


def _name(catalog: Catalog, oid: int) -> str:
    role = catalog.roles.get(oid)
    name = str(oid) if role is None else role.name
    if all(c.isascii() and (c.isalnum() or c == "_") for c in name):
        return name
    return '"' + name.replace('"', '""') + '"'


def rights_texts(catalog: Catalog, rights: Iterable[Right] | None) -> tuple[str, ...] | None:
    """Rights as an array of aclitems; None for None."""
    return None if rights is None else tuple([right_text(catalog, right) for right in rights])


# --- what new objects begin with ----------------------------------------------------------------------------


def first_rights(database: Database, kind: str, owner_oid: int, schema_oid: int) -> tuple[Right, ...] | None:
    """The rights on a new object, as ALTER DEFAULT PRIVILEGES has it; None for the usual ones.

    `kind`: 'r' tables and views, 'S' sequences, 'f' functions, 'T' types, 'n' schemas.
    """
    everywhere: tuple[Right, ...] | None = None
    there: tuple[Right, ...] = ()
    for each in database.default_rights:
        if each.role_oid == owner_oid and each.kind == kind:
            if each.schema_oid == 0:
                everywhere = each.rights
            elif each.schema_oid == schema_oid:
                there = each.rights
    if everywhere is None and not there:
        return None
    usual = usual_rights({"S": "s"}.get(kind, kind), owner_oid)
    rights = usual if everywhere is None else everywhere
    for right in there:
        rights = granted(rights, right, owner_oid)
    rights = tuple(sorted(rights, key=lambda right: (right.grantee_oid, right.grantor_oid)))
    return None if sorted(rights, key=repr) == sorted(usual, key=repr) else rights


R = TypeVar("R", bound=Relation)


def begun(database: Database, relation: R) -> R:
    """A new relation with the rights that it begins with."""
    if not database.default_rights or relation.rights is not None or relation.is_temporary:
        return relation
    kind = {"s": "S", "g": "r"}.get(kind_of(relation), kind_of(relation))
    rights = first_rights(database, kind, relation.owner_oid, relation.schema_oid)
    return relation if rights is None else replace(relation, version=relation.version, rights=rights)
