"""The catalog as bytes, for log and base: whole, and as the difference that a commit makes.

    encode_catalog(catalog)   ->  {"@":"catalog","format":1,"next_oid":16391,"roles":[...],"databases":[...]}
    encode_delta(old, new)    ->  {"@":"catalog delta","format":1,"next_oid":16392,"changed":[...]}   or None

Both are JSON trees (`trees`), in an order of their own (by OID), so that equal catalogs give equal bytes.  A delta
names whole objects, put in and gone, found by identity: unchanged objects are shared by a catalog and its
successor.

What always holds:
- apply_delta(old, encode_delta(old, new)) is `new` in all that is kept.
- Kept is what outlives the process.  Temporary schemas and all in them are not, nor comments on them, nor defaults
  of lasting tables that read temporary sequences; a commit that changed nothing else has no delta.
- System tables, and the system's schemas and roles as far as they are missing, are this version's, as in a new
  cluster, whatever version wrote the bytes.
- A table's indexes stand in the tree by OID, and are the same objects that stand in `relations`.
- `version`s are not kept: what is decoded or put in by a delta has new ones.

What this module does not do: checksums, and telling where the bytes came from, are the caller's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from skerry_engine.catalog.bootstrap import all_system_tables, bootstrap_roles, bootstrap_schemas
from skerry_engine.catalog.catalog import Catalog, Database, OidAllocator
from skerry_engine.catalog.changes import with_column
from skerry_engine.catalog.dependencies import relations_read
from skerry_engine.catalog.graphs import ElementTable, Graph, PropertyGraph, PropertyIndex
from skerry_engine.catalog.objects import (
    BOOTSTRAP_ROLE,
    SYSTEM_SCHEMAS,
    TEMPORARY_SCHEMA,
    Address,
    Column,
    DefaultRights,
    IndexDef,
    MaterializedView,
    Relation,
    Right,
    Role,
    Schema,
    SystemTable,
    Table,
    View,
    new_version,
)
from skerry_engine.catalog.trees import Kind, add_kind, damaged, dump, encode_tree, load
from skerry_engine.errors import IncompatibleFormat

FORMAT: Final = 1
"""The number of the format written here; greater ones are refused."""

_HEAD = re.compile(rb'\{"@":"(catalog|catalog delta)","format":([1-9][0-9]{0,8}),')

T = TypeVar("T")
R = TypeVar("R", Role, Schema, Relation, Database)


# --- documents ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment on an object."""

    address: Address
    text: str


@dataclass(frozen=True, slots=True)
class Properties:
    """A database without what is in it."""

    oid: int
    name: str
    owner_oid: int
    is_template: bool
    allow_connections: bool
    connection_limit: int
    acl: tuple[str, ...] | None
    settings: tuple[str, ...] = ()
    rights: tuple[Right, ...] | None = None
    default_rights: tuple[DefaultRights, ...] = ()


@dataclass(frozen=True, slots=True)
class Contents:
    """A database."""

    properties: Properties
    schemas: tuple[Schema, ...] = ()
    relations: tuple[Relation, ...] = ()
    comments: tuple[Comment, ...] = ()


@dataclass(frozen=True, slots=True)
class Whole:
    """A catalog."""

    format: int
    next_oid: int
    roles: tuple[Role, ...]
    databases: tuple[Contents, ...]
    comments: tuple[Comment, ...] = ()


@dataclass(frozen=True, slots=True)
class DatabaseDelta:
    """What becomes of a database that was there before.  `properties` are None if they stay."""

    oid: int
    properties: Properties | None = None
    schemas: tuple[Schema, ...] = ()
    relations: tuple[Relation, ...] = ()
    comments: tuple[Comment, ...] = ()
    gone_schemas: tuple[int, ...] = ()
    gone_relations: tuple[int, ...] = ()
    gone_comments: tuple[Address, ...] = ()


@dataclass(frozen=True, slots=True)
class Delta:
    """What becomes of a catalog: databases are made, changed and dropped."""

    format: int
    next_oid: int
    roles: tuple[Role, ...] = ()
    gone_roles: tuple[int, ...] = ()
    made: tuple[Contents, ...] = ()
    changed: tuple[DatabaseDelta, ...] = ()
    gone: tuple[int, ...] = ()
    comments: tuple[Comment, ...] = ()
    gone_comments: tuple[Address, ...] = ()


for _cls, _name in (
    (Comment, "comment"),
    (Properties, "database"),
    (Contents, "contents"),
    (Whole, "catalog"),
    (DatabaseDelta, "database delta"),
    (Delta, "catalog delta"),
):
    add_kind(Kind(_name, _cls))


# --- the whole ----------------------------------------------------------------------------------------------


def encode_catalog(catalog: Catalog) -> bytes:
    """All of a catalog that outlives the process.

    Raises NotSupportedError for an expression that can't be kept: see `trees` and `functions.recipes`.
    """
    whole = Whole(
        FORMAT,
        catalog.oids.next_oid,
        _in_order(catalog.roles),
        tuple(_contents(_Kept(catalog.databases[oid])) for oid in sorted(catalog.databases)),
        _comments(catalog.comments),
    )
    return dump(encode_tree(whole)).encode()


def decode_catalog(data: bytes) -> Catalog:
    """The catalog, with this version's system tables.  Raises DatabaseDamaged, IncompatibleFormat."""
    whole = _document(data, Whole)
    system = _System(whole.roles)
    databases = [system.database(contents) for contents in whole.databases]
    return Catalog(
        new_version(),
        _by_oid(databases),
        _by_oid(system.roles),
        _by_address(whole.comments),
        OidAllocator(whole.next_oid),
    )


def _document(data: bytes, expected: type[T]) -> T:
    """What the bytes hold.  The format is looked at first: a later one may have another shape."""
    head = _HEAD.match(data)
    if head is None:
        damaged("it does not begin as a catalog does")
    if int(head[2]) > FORMAT:
        raise IncompatibleFormat(f"the catalog has format {int(head[2])}; this version knows up to {FORMAT}")
    found = load(data)
    if not isinstance(found, expected):
        damaged(f"{type(found).__name__} instead of {expected.__name__}")
    return found


# --- differences --------------------------------------------------------------------------------------------


def encode_delta(old: Catalog, new: Catalog) -> bytes | None:
    """What makes `new` of `old`; None if nothing that is kept has changed.

    Costs a walk over the dictionaries of the databases that changed.  Raises NotSupportedError for an
    expression that can't be kept.
    """
    delta = Delta(
        FORMAT,
        new.oids.next_oid,
        _put(old.roles, new.roles),
        _gone(old.roles, new.roles),
        tuple(_contents(_Kept(new.databases[oid])) for oid in sorted(new.databases.keys() - old.databases)),
        tuple(_database_deltas(old, new)),
        _gone(old.databases, new.databases),
        _put_comments(old.comments, new.comments),
        _gone_comments(old.comments, new.comments),
    )
    if delta == Delta(FORMAT, delta.next_oid):
        return None
    return dump(encode_tree(delta)).encode()


def _database_deltas(old: Catalog, new: Catalog) -> Iterator[DatabaseDelta]:
    for oid in sorted(old.databases.keys() & new.databases):
        before, after = old.databases[oid], new.databases[oid]
        if before is not after:
            delta = _database_delta(_Kept(before), _Kept(after))
            if delta != DatabaseDelta(oid):
                yield delta


def _database_delta(old: _Kept, new: _Kept) -> DatabaseDelta:
    before, after = old.database, new.database
    properties = _properties(after)
    return DatabaseDelta(
        after.oid,
        None if properties == _properties(before) else properties,
        _put(before.schemas, after.schemas, new.keeps_schema),
        _put_relations(old, new),
        _put_comments(before.comments, after.comments, new.keeps_comment),
        _gone(before.schemas, after.schemas, old.keeps_schema),
        _gone(before.relations, after.relations, old.keeps_relation),
        _gone_comments(before.comments, after.comments, old.keeps_comment),
    )


def _everything(_: object) -> bool:
    return True


def _put(
    old: Mapping[int, T], new: Mapping[int, T], keeps: Callable[[T], bool] = _everything
) -> tuple[T, ...]:
    """The objects that are new, or say something else than before."""
    found = [oid for oid, each in new.items() if old.get(oid) is not each and keeps(each)]
    return tuple(
        new[oid] for oid in sorted(found) if oid not in old or not _says_the_same(old[oid], new[oid])
    )


def _put_relations(old: _Kept, new: _Kept) -> tuple[Relation, ...]:
    """As `_put`, where objects are not quite what stands in the catalog."""
    before, after = old.database.relations, new.database.relations
    found = [oid for oid, each in after.items() if before.get(oid) is not each and new.keeps_relation(each)]
    shown = {oid: new.shown(after[oid]) for oid in found}
    return _put({oid: old.shown(before[oid]) for oid in found if oid in before}, shown)


def _says_the_same(one: object, other: object) -> bool:
    """Whether two objects differ at most in their versions.  Equality won't do: 1.0 = 1.00, and 0.0 = -0.0."""
    return dump(encode_tree(one)) == dump(encode_tree(other))


def _gone(
    old: Mapping[int, T], new: Mapping[int, T], keeps: Callable[[T], bool] = _everything
) -> tuple[int, ...]:
    return tuple(oid for oid in sorted(old.keys() - new.keys()) if keeps(old[oid]))


def _put_comments(
    old: Mapping[Address, str], new: Mapping[Address, str], keeps: Callable[[Address], bool] = _everything
) -> tuple[Comment, ...]:
    if old is new:
        return ()
    return _comments({a: text for a, text in new.items() if old.get(a) != text and keeps(a)})


def _gone_comments(
    old: Mapping[Address, str], new: Mapping[Address, str], keeps: Callable[[Address], bool] = _everything
) -> tuple[Address, ...]:
    return tuple(address for address in sorted(old.keys() - new.keys(), key=_place) if keeps(address))


# --- what is kept -------------------------------------------------------------------------------------------


class _Kept:
    """What is kept of a database: nothing temporary, and no system table."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._temporary_schemas = {
            oid for oid, schema in database.schemas.items() if not self.keeps_schema(schema)
        }
        self._temporary_oids: set[int] | None = None

    def keeps_schema(self, schema: Schema) -> bool:
        return not schema.name.startswith(TEMPORARY_SCHEMA)

    def keeps_relation(self, relation: Relation) -> bool:
        return relation.schema_oid not in self._temporary_schemas and not isinstance(relation, SystemTable)

    def keeps_comment(self, address: Address) -> bool:
        return address.oid not in self._temporary()

    def shown(self, relation: Relation) -> Relation:
        """The relation as it is kept: without defaults that read temporary sequences, which they go with."""
        if not self._temporary_schemas or not isinstance(relation, Table):
            return relation
        going = [column for column in relation.columns if self._reads_temporary(column)]
        for column in going:
            relation = with_column(relation, replace(column, default=None, default_oid=0))
        return relation

    def _reads_temporary(self, column: Column) -> bool:
        default = column.default
        return default is not None and not self._temporary().isdisjoint(relations_read(default.expr))

    def _temporary(self) -> set[int]:
        if self._temporary_oids is None:
            self._temporary_oids = set(self._oids_of_temporary())
        return self._temporary_oids

    def _oids_of_temporary(self) -> Iterator[int]:
        yield from self._temporary_schemas
        if self._temporary_schemas:
            for relation in self.database.relations.values():
                if relation.schema_oid in self._temporary_schemas:
                    yield from _oids_of(relation)


def _oids_of(relation: Relation) -> Iterator[int]:
    """The OIDs of a relation and its parts; no other object of the cluster has one of them."""
    yield relation.oid
    if isinstance(relation, Table):
        yield from (constraint.oid for constraint in relation.constraints)
        yield from (column.default_oid for column in relation.columns)
    if isinstance(relation, (Table, View)):
        yield relation.row_type_oid
        yield relation.row_array_oid
    if isinstance(relation, (View, MaterializedView)):
        yield relation.rule_oid


def _contents(kept: _Kept) -> Contents:
    database = kept.database
    return Contents(
        _properties(database),
        tuple(each for each in _in_order(database.schemas) if kept.keeps_schema(each)),
        tuple(kept.shown(each) for each in _in_order(database.relations) if kept.keeps_relation(each)),
        _comments({a: text for a, text in database.comments.items() if kept.keeps_comment(a)}),
    )


def _properties(database: Database) -> Properties:
    return Properties(
        database.oid,
        database.name,
        database.owner_oid,
        database.is_template,
        database.allow_connections,
        database.connection_limit,
        database.acl,
        database.settings,
        database.rights,
        database.default_rights,
    )


def _in_order(objects: Mapping[int, T]) -> tuple[T, ...]:
    return tuple(objects[oid] for oid in sorted(objects))


def _comments(comments: Mapping[Address, str]) -> tuple[Comment, ...]:
    return tuple(Comment(address, comments[address]) for address in sorted(comments, key=_place))


def _place(address: Address) -> tuple[int, int, int]:
    return address.class_oid, address.oid, address.sub_id


# --- a difference applied -----------------------------------------------------------------------------------


def apply_delta(catalog: Catalog, data: bytes) -> Catalog:
    """The catalog after the commit that the bytes are of.  Raises DatabaseDamaged, IncompatibleFormat.

    The catalog may differ from the one that the delta was made from in objects that the delta does not name.
    Its OID allocator, which all catalogs of a cluster share, is moved on.
    """
    delta = _document(data, Delta)
    roles = _after(catalog.roles, delta.roles, delta.gone_roles)
    databases = _after(catalog.databases, (), delta.gone)
    if delta.made or delta.gone_roles:
        system = _System(tuple(roles.values()))
        databases = _after(databases, [system.database(each) for each in delta.made], ())
    for each in delta.changed:
        if each.oid not in databases:
            damaged(f"a change of database {each.oid}, which there is not")
        databases[each.oid] = _changed(databases[each.oid], each)
    comments = _comments_after(catalog.comments, delta.comments, delta.gone_comments)
    catalog.oids.advance(delta.next_oid)
    return Catalog(new_version(), databases, roles, comments, catalog.oids)


def _changed(database: Database, delta: DatabaseDelta) -> Database:
    """The database after a commit."""
    properties = delta.properties or _properties(database)
    if properties.oid != database.oid:
        damaged(f"database {database.oid} becomes database {properties.oid}")
    if any(isinstance(database.relations.get(each.oid), SystemTable) for each in delta.relations):
        damaged("a system table is replaced")
    schemas = _after(database.schemas, delta.schemas, delta.gone_schemas)
    relations = _after(database.relations, delta.relations, delta.gone_relations)
    _check_gone(database.relations, relations, delta)
    _link(relations, delta.relations, schemas)
    _touch_referenced(database.relations, relations, delta)
    touched = [*(each.oid for each in delta.relations), *delta.gone_relations]
    return _database(
        properties,
        schemas,
        relations,
        _names_after(database, relations, touched),
        _comments_after(database.comments, delta.comments, delta.gone_comments),
    )


def _check_gone(before: Mapping[int, Relation], after: Mapping[int, Relation], delta: DatabaseDelta) -> None:
    """Raise DatabaseDamaged when a table goes and leaves an index behind, or an index a table that has it."""
    put = {each.oid for each in delta.relations}
    for oid in delta.gone_relations:
        gone = before[oid]
        if isinstance(gone, Table) and any(index.oid in after for index in gone.indexes):
            damaged(f"table {gone.name} goes without its indexes")
        if isinstance(gone, IndexDef) and gone.table_oid in after and gone.table_oid not in put:
            damaged(f"index {gone.name} goes and is still of its table")


def _names_after(
    database: Database, relations: Mapping[int, Relation], changed: Iterable[int]
) -> dict[tuple[int, str], int]:
    """`relation_oids` where the relations `changed` are as they are now.  Names may have changed places."""
    names = dict(database.relation_oids)
    for oid in changed:
        before = database.relations.get(oid)
        if before is not None and not before.is_hidden:
            names.pop((before.schema_oid, before.name), None)
    for oid in changed:
        after = relations.get(oid)
        if after is not None and not after.is_hidden:
            names[(after.schema_oid, after.name)] = oid
    return names


def _touch_referenced(
    before: Mapping[int, Relation], after: dict[int, Relation], delta: DatabaseDelta
) -> None:
    """A table that a foreign key has come to or left is planned differently: see `changes.touch_referenced`."""
    touched: set[int] = set()
    for oid in (*(each.oid for each in delta.relations), *delta.gone_relations):
        touched |= _references(before.get(oid)) ^ _references(after.get(oid))
    for oid in sorted(touched):
        table = after.get(oid)
        if isinstance(table, Table):
            after[oid] = replace(table, version=new_version())


def _references(relation: Relation | None) -> set[int]:
    return {fk.referenced_table_oid for fk in relation.foreign_keys} if isinstance(relation, Table) else set()


# --- putting together ---------------------------------------------------------------------------------------


class _System:
    """What every database of this version has.  `roles` are the cluster's, missing ones added."""

    def __init__(self, roles: tuple[Role, ...]) -> None:
        names = {role.oid: role.name for role in roles}
        if BOOTSTRAP_ROLE not in names:
            damaged("there is no superuser")
        superuser = names[BOOTSTRAP_ROLE]
        self.roles = (*roles, *(role for role in bootstrap_roles(superuser) if role.oid not in names))
        self.tables: dict[int, Relation] = {table.oid: table for table in all_system_tables()}
        self.schemas = [schema for schema in bootstrap_schemas(superuser) if schema.oid in SYSTEM_SCHEMAS]

    def database(self, contents: Contents) -> Database:
        """A database with these contents."""
        schemas = _by_oid(contents.schemas)
        for schema in self.schemas:
            schemas.setdefault(schema.oid, schema)
        relations = _by_oid(contents.relations)
        if relations.keys() & self.tables.keys():
            damaged("a relation has the OID of a system table")
        relations = {**self.tables, **relations}
        _link(relations, contents.relations, schemas)
        names = {(each.schema_oid, each.name): oid for oid, each in relations.items() if not each.is_hidden}
        return _database(contents.properties, schemas, relations, names, _by_address(contents.comments))


def _database(
    properties: Properties,
    schemas: dict[int, Schema],
    relations: dict[int, Relation],
    relation_oids: dict[tuple[int, str], int],
    comments: Mapping[Address, str],
) -> Database:
    schema_oids = {schema.name: schema.oid for schema in schemas.values()}
    named = sum(not relation.is_hidden for relation in relations.values())
    if len(schema_oids) < len(schemas) or len(relation_oids) < named:
        damaged(f"two objects of database {properties.name} have one name")
    return Database(
        properties.oid,
        properties.name,
        properties.owner_oid,
        properties.is_template,
        properties.allow_connections,
        properties.connection_limit,
        properties.acl,
        schemas,
        schema_oids,
        relations,
        relation_oids,
        comments,
        properties.settings,
        properties.rights,
        properties.default_rights,
    )


def _by_oid(objects: Iterable[R]) -> dict[int, R]:
    return _after({}, tuple(objects), ())


def _after(old: Mapping[int, R], put: Collection[R], gone: Collection[int]) -> dict[int, R]:
    """The objects by OID, `put` in and `gone`."""
    found = dict(old)
    found.update({each.oid: each for each in put})
    for oid in gone:
        if oid not in old:
            damaged(f"object {oid} goes, which is not there")
        found.pop(oid)
    if len({each.oid for each in put} | set(gone)) < len(put) + len(gone):
        damaged("an object stands twice")
    return found


def _by_address(comments: tuple[Comment, ...]) -> dict[Address, str]:
    return _comments_after({}, comments, ())


def _comments_after(
    old: Mapping[Address, str], put: tuple[Comment, ...], gone: tuple[Address, ...]
) -> dict[Address, str]:
    found = dict(old)
    found.update({each.address: each.text for each in put})
    for address in gone:
        found.pop(address, None)
    return found


# --- linking ------------------------------------------------------------------------------------------------


def _link(relations: dict[int, Relation], put: Iterable[Relation], schemas: Mapping[int, Schema]) -> None:
    """Give tables their indexes, and see that what was put in hangs together.  Raises DatabaseDamaged."""
    tables: dict[int, None] = {}
    indexes: list[IndexDef] = []
    for relation in put:
        if relation.schema_oid not in schemas:
            damaged(f"relation {relation.name} has no schema")
        if isinstance(relation, IndexDef):
            tables[relation.table_oid] = None
            indexes.append(relation)
        elif isinstance(relation, Table):
            _check_columns(relation)
            tables[relation.oid] = None
        elif isinstance(relation, View):
            _check_numbers(relation.name, relation.columns)
        elif isinstance(relation, Graph):
            _check_graph(relations, relation)
        elif isinstance(relation, PropertyGraph):
            _check_property_graph(relations, relation)
    for oid in tables:
        relations[oid] = _linked(relations, oid)
    for index in indexes:
        table = relations[index.table_oid]
        if not isinstance(table, Table) or not any(each is index for each in table.indexes):
            damaged(f"index {index.name} is of a table that does not have it")


def _linked(relations: dict[int, Relation], oid: int) -> Table:
    table = relations.get(oid)
    if not isinstance(table, Table):
        damaged(f"an index is of table {oid}, which there is not")
    indexes = tuple(_index(relations, table, each) for each in table.indexes)
    return replace(table, indexes=indexes, version=new_version())


def _index(relations: Mapping[int, Relation], table: Table, listed: IndexDef | int) -> IndexDef:
    """An index as it stands in `relations`; a table that was just read lists its OID."""
    oid = listed.oid if isinstance(listed, IndexDef) else listed
    index = relations.get(oid)
    if not isinstance(index, IndexDef) or index.table_oid != table.oid:
        damaged(f"table {table.name} has no index {oid}")
    if isinstance(index, PropertyIndex):
        if not 0 < len(index.properties) == len(index.keys):
            damaged(f"index {index.name} has not one key for each property")
        return index
    for key in index.keys:
        if not 0 <= key.attnum <= len(table.columns) or (key.attnum == 0) is (key.expression is None):
            damaged(f"index {index.name} has a key of nothing")
    return index


def _check_graph(relations: Mapping[int, Relation], graph: Graph) -> None:
    """Raise DatabaseDamaged unless the graph has its two tables."""
    for oid, is_edges in ((graph.nodes_oid, False), (graph.edges_oid, True)):
        table = relations.get(oid)
        if (
            not isinstance(table, ElementTable)
            or table.graph_oid != graph.oid
            or table.is_edges is not is_edges
        ):
            damaged(f"graph {graph.name} has no table of {'edges' if is_edges else 'nodes'}")
    elements = graph.elements
    if elements is not None:
        count = len(elements.nodes)
        if any(not (0 <= each.source < count and 0 <= each.target < count) for each in elements.edges):
            damaged(f"graph {graph.name} has edges between nodes of no type")


def _check_property_graph(relations: Mapping[int, Relation], graph: PropertyGraph) -> None:
    """Raise DatabaseDamaged unless its elements are of columns that there are."""
    width = {}
    for element in graph.vertices + graph.edges:
        table = relations.get(element.table_oid)
        if not isinstance(table, Table) or element.alias in width:
            damaged(f"graph {graph.name} has an element {element.alias} of no table, or twice")
        width[element.alias] = len(table.columns)
        if not element.key or any(not 1 <= each <= len(table.columns) for each in element.key):
            damaged(f"graph {graph.name} has no key for {element.alias}")
    vertices = {each.alias for each in graph.vertices}
    if any(each.source or each.target for each in graph.vertices):
        damaged(f"graph {graph.name} has nodes with ends")
    for edge in graph.edges:
        for end in (edge.source, edge.target):
            if end is None or end.alias not in vertices or not 0 < len(end.columns) == len(end.referenced):
                damaged(f"graph {graph.name} has an edge {edge.alias} without its nodes")
            for each, limit in ((end.columns, width[edge.alias]), (end.referenced, width[end.alias])):
                if any(not 1 <= attnum <= limit for attnum in each):
                    damaged(f"graph {graph.name} has an edge {edge.alias} by columns that there are not")


def _check_columns(table: Table) -> None:
    _check_numbers(table.name, table.columns)
    count = len(table.columns)
    if (
        any(column.position < 0 for column in table.columns)
        or len({c.position for c in table.columns}) < count
    ):
        damaged(f"columns of {table.name} have no place, or share one")
    for constraint in table.constraints:
        if constraint.table_oid != table.oid or any(not 1 <= each <= count for each in constraint.columns):
            damaged(f"constraint {constraint.name} is of no column of {table.name}")


def _check_numbers(name: str, columns: tuple[Column, ...]) -> None:
    """Raise DatabaseDamaged unless a column stands where its number says."""
    if any(column.attnum != number for number, column in enumerate(columns, 1)):
        damaged(f"columns of {name} are not in order")
