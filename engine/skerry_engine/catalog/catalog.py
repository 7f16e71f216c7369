"""The catalog: one immutable snapshot of the whole cluster, and how names are found in it.

    Catalog ── roles
       └────── databases ── Database ── schemas, relations, comments

A transaction that runs DDL makes a successor (`changes`), sees it alone, and has its changes replayed on the
newest catalog at commit.  Every epoch has its catalog, so a snapshot reads the tables it knew.

Copying is cheap: a successor shares every object and copies only the dictionaries that a change touches.
What is computed from a database's objects (who references whom, the rows of pg_class) is kept in
`Database.cached`, once per successor.

OIDs are given out by `OidAllocator`, which all snapshots of a cluster share: like a sequence it never goes
back, so an object keeps its OID when its creation is replayed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar, cast

from skerry_engine import errors
from skerry_engine.catalog.objects import (
    BOOTSTRAP_ROLE,
    CLASS_RELATION,
    FIRST_USER_OID,
    PG_CATALOG,
    SYSTEM_SCHEMAS,
    Address,
    Constraint,
    DefaultRights,
    IndexDef,
    MaterializedView,
    Relation,
    Right,
    Role,
    Schema,
    SequenceDef,
    SystemTable,
    Table,
    View,
    new_version,
)
from skerry_engine.catalog.search_path import SearchPath

T = TypeVar("T")
R = TypeVar("R", bound=Relation)


class OidAllocator:
    """Gives out OIDs for new objects: one counter for the cluster, shared by all its snapshots."""

    def __init__(self, first: int = FIRST_USER_OID) -> None:
        self._next = first

    @property
    def next_oid(self) -> int:
        """The OID that `allocate` would give next."""
        return self._next

    def allocate(self) -> int:
        """An OID that no object of the cluster has or had."""
        oid = self._next
        self._next += 1
        return oid

    def allocate_many(self, count: int) -> int:
        """The first of `count` such OIDs that follow one another."""
        first = self._next
        self._next += count
        return first

    def advance(self, next_oid: int) -> None:
        """Give out no OID below `next_oid` from now on."""
        self._next = max(self._next, next_oid)


@dataclass(frozen=True, slots=True, eq=False)
class Database:
    """One database: its properties and everything in it."""

    oid: int
    name: str
    owner_oid: int = BOOTSTRAP_ROLE
    is_template: bool = False
    allow_connections: bool = True
    connection_limit: int = -1
    acl: tuple[str, ...] | None = None
    schemas: Mapping[int, Schema] = field(default_factory=dict)
    schema_oids: Mapping[str, int] = field(default_factory=dict)
    relations: Mapping[int, Relation] = field(default_factory=dict)
    relation_oids: Mapping[tuple[int, str], int] = field(default_factory=dict)
    comments: Mapping[Address, str] = field(default_factory=dict)
    settings: tuple[str, ...] = ()
    rights: tuple[Right, ...] | None = None
    default_rights: tuple[DefaultRights, ...] = ()
    _derived: dict[str, Any] = field(default_factory=dict, repr=False)

    # --- by OID -----------------------------------------------------------------------------------

    def relation(self, oid: int) -> Relation | None:
        """The relation with that OID, of whatever kind."""
        return self.relations.get(oid)

    def table(self, oid: int) -> Table:
        """The base table with that OID.  Raises UndefinedTable when it is gone."""
        found = self.relations.get(oid)
        if not isinstance(found, Table):
            raise errors.UndefinedTable(f"relation with OID {oid} does not exist")
        return found

    def schema_of(self, relation: Relation) -> Schema:
        return self.schemas[relation.schema_oid]

    # --- by name ----------------------------------------------------------------------------------

    def schema_named(self, name: str) -> Schema | None:
        oid = self.schema_oids.get(name)
        return None if oid is None else self.schemas[oid]

    def get_schema(self, name: str) -> Schema:
        """The schema of that name.  Raises InvalidSchemaName."""
        schema = self.schema_named(name)
        if schema is None:
            raise errors.InvalidSchemaName(f'schema "{name}" does not exist')
        return schema

    def relation_named(self, schema_oid: int, name: str) -> Relation | None:
        """The relation of that name in one schema."""
        oid = self.relation_oids.get((schema_oid, name))
        return None if oid is None else self.relations[oid]

    def find_relation(self, name: str, schema: str | None, path: SearchPath) -> Relation | None:
        """The relation that a written name means, None when there is none (nor such a schema)."""
        if schema is not None:
            schema_oid = self.schema_oid(schema, path)
            return None if schema_oid is None else self.relation_named(schema_oid, name)
        for schema_oid in path.schemas:
            oid = self.relation_oids.get((schema_oid, name))
            if oid is not None:
                return self.relations[oid]
        return None

    def get_relation(
        self, name: str, schema: str | None, path: SearchPath, position: int | None = None
    ) -> Relation:
        """As `find_relation`.  Raises UndefinedTable, with `position` where the name was written."""
        found = self.find_relation(name, schema, path)
        if found is None:
            shown = name if schema is None else f"{schema}.{name}"
            raise errors.UndefinedTable(f'relation "{shown}" does not exist', position=position)
        return found

    def schema_oid(self, name: str, path: SearchPath) -> int | None:
        """The OID of a schema as written in a name: `pg_temp` is the session's own."""
        if name == "pg_temp":
            return path.temporary or None
        return self.schema_oids.get(name)

    # --- search path ------------------------------------------------------------------------------

    def search_path(
        self,
        names: Sequence[str],
        user: str,
        temporary: int = 0,
        may_use: Callable[[int], bool] | None = None,
    ) -> SearchPath:
        """The effective path for a `search_path` setting (its elements, `"$user"` included, unquoted).

        Names of schemas that do not exist, or that `may_use` says no to, are passed over.
        `temporary` is the session's pg_temp schema or 0.
        """
        named: list[int] = []
        for written in names:
            name = user if written == "$user" else written
            oid = temporary or None if name == "pg_temp" else self.schema_oids.get(name)
            if written == "$user" and oid in SYSTEM_SCHEMAS:
                continue  # the superuser has the name of Skerry's own schema, which is not meant
            if oid is not None and oid not in named and (may_use is None or may_use(oid)):
                named.append(oid)
        implicit = [oid for oid in (temporary, PG_CATALOG) if oid and oid not in named]
        return SearchPath((*implicit, *named), named[0] if named else 0, tuple(named), temporary)

    def is_visible(self, relation: Relation, path: SearchPath) -> bool:
        """Whether the bare name of the relation, looked up by the path, finds it."""
        found = self.find_relation(relation.name, None, path)
        return found is not None and found.oid == relation.oid

    def qualified_name(self, relation: Relation, path: SearchPath) -> tuple[str, ...]:
        """The parts of the shortest name that finds the relation: schema where it is not visible."""
        if self.is_visible(relation, path):
            return (relation.name,)
        return (self.schemas[relation.schema_oid].name, relation.name)

    # --- derived ----------------------------------------------------------------------------------

    def cached(self, key: str, compute: Callable[[], T]) -> T:
        """`compute()`, once in the life of this snapshot.  It must depend on nothing but this database."""
        try:
            return cast(T, self._derived[key])
        except KeyError:
            value = self._derived[key] = compute()
            return value

    def of_type(self, cls: type[T]) -> Iterator[T]:
        """The relations of one class, in OID order."""
        for oid in self.cached("relation order", lambda: sorted(self.relations)):
            relation = self.relations[oid]
            if isinstance(relation, cls):
                yield relation

    def listed(self, cls: type[R]) -> Iterator[R]:
        """As `of_type`, without what is hidden: the tables of graphs' elements, graph types."""
        return (relation for relation in self.of_type(cls) if not relation.is_hidden)

    def tables(self) -> Iterator[Table]:
        """The base tables, those of graphs' elements too."""
        return self.of_type(Table)

    def views(self) -> Iterator[View]:
        return self.of_type(View)

    def with_queries(self) -> Iterator[View | MaterializedView]:
        """What is defined by a query: views, materialized or not, in OID order."""
        for relation in self.of_type(Relation):
            if isinstance(relation, (View, MaterializedView)):
                yield relation

    def tables_and_views(self) -> Iterator[Table | View]:
        """What has a row type of its own, in OID order."""
        for relation in self.listed(Relation):
            if isinstance(relation, (Table, View)):
                yield relation

    def sequences(self) -> Iterator[SequenceDef]:
        return self.of_type(SequenceDef)

    def indexes(self) -> Iterator[IndexDef]:
        return self.of_type(IndexDef)

    def system_tables(self) -> Iterator[SystemTable]:
        return self.of_type(SystemTable)

    def constraints(self) -> Mapping[int, Constraint]:
        """All constraints by OID."""
        return self.cached("constraints", lambda: {c.oid: c for t in self.tables() for c in t.constraints})

    def referencing(self, table_oid: int) -> tuple[Constraint, ...]:
        """The foreign keys that reference a table (of its own too)."""
        return self.cached("referencing", self._referencing).get(table_oid, ())

    def _referencing(self) -> dict[int, tuple[Constraint, ...]]:
        found: dict[int, list[Constraint]] = {}
        for table in self.tables():
            for constraint in table.foreign_keys:
                found.setdefault(constraint.referenced_table_oid, []).append(constraint)
        return {oid: tuple(constraints) for oid, constraints in found.items()}

    def owned_sequence(self, table_oid: int, attnum: int) -> SequenceDef | None:
        """The sequence that belongs to a serial or identity column."""
        owned = self.cached("owned sequences", lambda: {s.owner_column: s for s in self.sequences()})
        return owned.get(Address(CLASS_RELATION, table_oid, attnum))

    # --- successors -------------------------------------------------------------------------------

    def with_relations(self, added: Iterable[Relation] = (), removed: Iterable[int] = ()) -> Database:
        """A successor with relations put in (replacing those of the same OID) and taken out."""
        relations = dict(self.relations)
        names = dict(self.relation_oids)
        for oid in removed:
            old = relations.pop(oid, None)
            if old is not None and not old.is_hidden:
                del names[(old.schema_oid, old.name)]
        for relation in added:
            old = relations.get(relation.oid)
            if old is not None and not old.is_hidden:
                del names[(old.schema_oid, old.name)]
            relations[relation.oid] = relation
            if not relation.is_hidden:
                names[(relation.schema_oid, relation.name)] = relation.oid
        return replace(self, relations=relations, relation_oids=names, _derived={})

    def with_schemas(self, added: Iterable[Schema] = (), removed: Iterable[int] = ()) -> Database:
        """A successor with schemas put in (replacing those of the same OID) and taken out."""
        schemas = {oid: schema for oid, schema in self.schemas.items() if oid not in set(removed)}
        schemas.update({schema.oid: schema for schema in added})
        names = {schema.name: oid for oid, schema in schemas.items()}
        return replace(self, schemas=schemas, schema_oids=names, _derived={})

    def with_comments(self, comments: Mapping[Address, str]) -> Database:
        return replace(self, comments=comments, _derived={})


@dataclass(frozen=True, slots=True, eq=False)
class Catalog:
    """The cluster at one moment.  No two states have the same `version`."""

    version: int
    databases: Mapping[int, Database]
    roles: Mapping[int, Role]
    comments: Mapping[Address, str]
    oids: OidAllocator

    def database(self, oid: int) -> Database:
        """The database with that OID.  Raises InvalidCatalogName when it was dropped."""
        found = self.databases.get(oid)
        if found is None:
            raise errors.InvalidCatalogName(f"database with OID {oid} does not exist")
        return found

    def database_named(self, name: str) -> Database | None:
        return next((d for d in self.databases.values() if d.name == name), None)

    def get_database(self, name: str) -> Database:
        """The database of that name.  Raises InvalidCatalogName."""
        found = self.database_named(name)
        if found is None:
            raise errors.InvalidCatalogName(f'database "{name}" does not exist')
        return found

    def role_named(self, name: str) -> Role | None:
        return next((r for r in self.roles.values() if r.name == name), None)

    def role_name(self, oid: int) -> str:
        """A role's name, as pg_get_userbyid gives it: `unknown (OID=n)` when there is none."""
        role = self.roles.get(oid)
        return f"unknown (OID={oid})" if role is None else role.name

    def with_database(self, database: Database) -> Catalog:
        """A successor with one database put in or replaced."""
        return replace(self, version=new_version(), databases={**self.databases, database.oid: database})

    def without_database(self, oid: int) -> Catalog:
        remaining = {key: value for key, value in self.databases.items() if key != oid}
        return replace(self, version=new_version(), databases=remaining)

    def with_roles(self, roles: Mapping[int, Role]) -> Catalog:
        return replace(self, version=new_version(), roles=roles)

    def with_comments(self, comments: Mapping[Address, str]) -> Catalog:
        return replace(self, version=new_version(), comments=comments)
