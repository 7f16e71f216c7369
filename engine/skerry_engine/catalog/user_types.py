"""Users' types in the catalog: enums, domains, composite types.

    UserType (is_hidden: types have a name space of their own, and pg_class does not list them)
      ├─ EnumType ── EnumLabel: the label, its value (values/user_types.py), its OID in pg_enum
      ├─ CompositeType ── Attribute
      └─ DomainType ── base type, default, NOT NULL, checks: Constraint; their expressions read VALUE as column 0

A type stands among a database's relations, so that all that is done with relations (log, checkpoints, rollback, DROP
SCHEMA, owners) is done with types; its address is that of pg_type.  The array of a type is no object of its own: its
OID is the type's plus 1, its name `array_name`.

Types and the row types of tables and views share one name space in each schema, as in PostgreSQL.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from skerry_engine import errors
from skerry_engine.catalog.catalog import Database
from skerry_engine.catalog.objects import (
    CLASS_RELATION,
    CLASS_TYPE,
    PG_CATALOG,
    Address,
    Constraint,
    Relation,
    StoredExpression,
    Table,
    View,
)
from skerry_engine.catalog.quoting import quote_qualified
from skerry_engine.catalog.search_path import SearchPath
from skerry_engine.values.types import SqlType, TypeInfo, array_type, built_in_type, qualified_type, type_info
from skerry_engine.values.user_types import (
    NO_TYPES,
    CompositeFields,
    EnumValues,
    Field,
    UserTypes,
    is_domain_or_array,
    is_user_type,
)


@dataclass(frozen=True, slots=True)
class EnumLabel:
    """A label of an enum.  `value` is what columns hold; its order is the label's.  `order` is what pg_enum shows of
    it, a float4."""

    oid: int
    value: int
    label: str
    order: float


@dataclass(frozen=True, slots=True, kw_only=True)
class UserType(Relation):
    """Base of the types that users make."""

    array_name: str

    @property
    def kind(self) -> str:
        return "type"

    @property
    def is_hidden(self) -> bool:
        return True

    @property
    def array_oid(self) -> int:
        return self.oid + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class EnumType(UserType):
    """CREATE TYPE ... AS ENUM; `labels` are in the order of their values."""

    labels: tuple[EnumLabel, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainType(UserType):
    """CREATE DOMAIN.  `base` may be of a domain in turn.  `default_text` is the default as
    pg_type shows it."""

    base: SqlType
    not_null: bool = False
    default: StoredExpression | None = None
    default_text: str | None = None
    checks: tuple[Constraint, ...] = ()
    collation_oid: int = 0
    dimensions: int = 0

    @property
    def sql_type(self) -> SqlType:
        """The type of the domain's values."""
        return SqlType(self.base.oid, self.base.typmod, self.oid)

    def constraint_named(self, name: str) -> Constraint | None:
        return next((c for c in self.checks if c.name == name), None)


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute of a composite type."""

    name: str
    type: SqlType
    dropped: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CompositeType(UserType):
    """CREATE TYPE ... AS (...).  A value is a `Composite`.  `attributes` are all that it has ever had: their places
    are those of the values inside.  `relation_oid` is what pg_class shows it under."""

    attributes: tuple[Attribute, ...]
    relation_oid: int

    def number_of(self, name: str) -> int | None:
        """The number, from 0, of the attribute of that name; None where there is none."""
        for number, each in enumerate(self.attributes):
            if each.name == name and not each.dropped:
                return number
        return None


# --- finding ------------------------------------------------------------------------------------------------


def type_address(user_type: UserType) -> Address:
    return Address(CLASS_TYPE, user_type.oid)


def array_address(user_type: UserType) -> Address:
    return Address(CLASS_TYPE, user_type.array_oid)


def attribute_address(composite: CompositeType, number: int) -> Address:
    """What other objects know an attribute by; pg_depend shows it as a column of the type's relation."""
    return Address(CLASS_TYPE, composite.oid, number + 1)


def address_of(relation: Relation) -> Address:
    """What other objects know it by: types are pg_type's, all else is pg_class's."""
    return Address(CLASS_TYPE if isinstance(relation, UserType) else CLASS_RELATION, relation.oid)


def type_of_oid(database: Database, oid: int) -> UserType | None:
    """The user's type with that OID, or of which it is the array; None where there is none."""
    found = database.relation(oid & ~1) if is_user_type(oid) else None
    return found if isinstance(found, UserType) else None


def type_named(database: Database, schema_oid: int, name: str) -> UserType | None:
    """The user's type of that name in one schema; names of arrays name their elements' type."""
    return _named(database).get((schema_oid, name))


def find_user_type(
    database: Database, name: str, schema: str | None, path: SearchPath
) -> tuple[UserType, int] | None:
    """The user's type that a written name means, and the OID meant: its own, or its array's."""
    if schema is not None:
        schema_oid = database.schema_oid(schema, path)
        schemas: tuple[int, ...] = () if schema_oid is None else (schema_oid,)
    else:
        schemas = path.schemas
    named = _named(database)
    for each in schemas if named else ():
        found = named.get((each, name))
        if found is not None:
            return found, found.oid if found.name == name else found.array_oid
    return None


def composite_of_relation(database: Database, relation_oid: int) -> CompositeType | None:
    """The composite type that pg_class shows under that OID."""

    def compute() -> dict[int, CompositeType]:
        return {each.relation_oid: each for each in database.of_type(CompositeType)}

    return database.cached("composites by relation", compute).get(relation_oid)


def find_type_oid(database: Database, names: tuple[str, ...], path: SearchPath) -> int | None:
    """The OID of the type that the parts of a name mean.  Raises NotSupportedError for a type of PostgreSQL that Skerry
    refuses, if nobody has one of that name."""
    info: TypeInfo | None = None
    if len(names) == 1:
        info = built_in_type(names[0])
    if info is None:
        found = find_user_type(database, names[-1], names[-2] if len(names) > 1 else None, path)
        if found is not None:
            return found[1]
        info = qualified_type(names)
    return None if info is None else info.oid


def _named(database: Database) -> Mapping[tuple[int, str], UserType]:
    return database.cached("types by name", lambda: dict(_names(database)))


def _names(database: Database) -> Iterator[tuple[tuple[int, str], UserType]]:
    for each in database.of_type(UserType):
        if each.array_name:
            yield (each.schema_oid, each.array_name), each
    for each in database.of_type(UserType):
        yield (each.schema_oid, each.name), each


# --- domains ------------------------------------------------------------------------------------------------


def domain_of(database: Database, oid: int) -> DomainType:
    """The domain with that OID, or of which it is the array.  Raises UndefinedObject when it is gone."""
    found = type_of_oid(database, oid)
    if not isinstance(found, DomainType):
        raise errors.UndefinedObject(f"type with OID {oid} does not exist")
    return found


def behind_domain(database: Database, sql_type: SqlType) -> SqlType:
    """A type that was found by name: where that is a domain's, its base type that knows the domain."""
    if not is_domain_or_array(sql_type.oid):
        return sql_type
    domain = domain_of(database, sql_type.oid)
    if sql_type.oid == domain.oid:
        return domain.sql_type
    array = array_type(type_info(domain.base.oid))
    if array is None:
        raise errors.NotSupportedError(f"arrays of domain {domain.name} are not supported")
    return SqlType(array.oid, domain.base.typmod, sql_type.oid)


def domain_chain(database: Database, domain: DomainType) -> list[DomainType]:
    """The domain, the one it is over, and so on."""
    chain = [domain]
    while chain[-1].base.domain:
        chain.append(domain_of(database, chain[-1].base.domain))
    return chain


def domain_default(database: Database, sql_type: SqlType) -> StoredExpression | None:
    """What a column of the type holds that has no default of its own."""
    found = type_of_oid(database, sql_type.domain) if sql_type.domain else None
    is_domain = isinstance(found, DomainType) and found.oid == sql_type.domain
    return found.default if isinstance(found, DomainType) and is_domain else None


def domain_constraints(database: Database) -> Mapping[int, tuple[DomainType, Constraint]]:
    """All constraints of domains, by OID."""
    return database.cached(
        "domain constraints",
        lambda: {c.oid: (domain, c) for domain in database.of_type(DomainType) for c in domain.checks},
    )


def is_name_taken(database: Database, schema_oid: int, name: str) -> bool:
    """Whether a type in the schema has the name: a user's, or a table's or view's row type."""
    if type_named(database, schema_oid, name) is not None:
        return True
    return isinstance(database.relation_named(schema_oid, name), (Table, View))


def free_array_name(database: Database, schema_oid: int, name: str) -> str:
    """A name for the array of a new type: the type's behind an underscore, or more of them."""
    array = ("_" + name).encode()[:63].decode(errors="ignore")
    while is_name_taken(database, schema_oid, array):
        array = ("_" + array).encode()[:63].decode(errors="ignore")
    return array


def check_types_exist(database: Database, relation: Table) -> None:
    """Raise UndefinedObject if a column is of a type that somebody has dropped meanwhile."""
    for column in relation.columns:
        oid = column.type.named_oid
        if not column.dropped and is_user_type(oid) and type_of_oid(database, oid) is None:
            raise errors.UndefinedObject(f'the type of column "{column.name}" does not exist any more')


# --- names --------------------------------------------------------------------------------------------------


def is_type_visible(database: Database, user_type: UserType, path: SearchPath) -> bool:
    """Whether the bare name of the type finds it."""
    for schema_oid in path.schemas:
        if schema_oid == PG_CATALOG and built_in_type(user_type.name) is not None:
            return False
        found = type_named(database, schema_oid, user_type.name)
        if found is not None:
            return found is user_type
    return False


def qualified_type_name(database: Database, user_type: UserType, path: SearchPath) -> str:
    """The shortest name that finds the type, quoted where needed."""
    if is_type_visible(database, user_type, path):
        return quote_qualified((user_type.name,))
    return quote_qualified((database.schemas[user_type.schema_oid].name, user_type.name))


def user_type_name(database: Database, oid: int, path: SearchPath) -> str | None:
    """The name of a user's type or of an array of one (`mood[]`); None where there is none."""
    found = type_of_oid(database, oid)
    if found is None:
        return None
    name = qualified_type_name(database, found, path)
    return name if oid == found.oid else f"{name}[]"


# --- what statements see ------------------------------------------------------------------------------------


def user_types(database: Database, path: SearchPath) -> UserTypes:
    """The users' types of a database, with their names as the path makes them."""
    return database.cached(f"user types {path.schemas}", lambda: _user_types(database, path))


def _user_types(database: Database, path: SearchPath) -> UserTypes:
    names = {each.oid: qualified_type_name(database, each, path) for each in database.of_type(UserType)}
    if not names:
        return NO_TYPES
    enums = {each.oid: _enum_values(each, names[each.oid]) for each in database.of_type(EnumType)}
    composites = {each.oid: composite_fields(each) for each in database.of_type(CompositeType)}
    return UserTypes(names, enums, composites)


def composite_fields(composite: CompositeType) -> CompositeFields:
    """A composite type as values see it."""
    fields = tuple(
        Field(each.name, each.type.oid, each.type.typmod, number)
        for number, each in enumerate(composite.attributes)
        if not each.dropped
    )
    return CompositeFields(fields, tuple(0 if a.dropped else a.type.oid for a in composite.attributes))


def _enum_values(enum: EnumType, name: str) -> EnumValues:
    labels = {each.value: each.label for each in enum.labels}
    return EnumValues(name, labels, {label: value for value, label in labels.items()})
