"""Who depends on whom, and what a DROP takes with it.

Dependencies are not stored: they follow from the objects' own references.  `edges` lists them as pg_depend
would: (dependent, referenced, type), with the type

    'a'  automatic: the dependent goes silently with the referenced object (a table's index, a default)
    'i'  internal: the same, and the dependent can't be dropped by itself (a key constraint's index)
    'n'  normal: dropping needs CASCADE (a view of a table, a foreign key to it)

`plan_drop` walks them from the objects named in a DROP.  Errors, details and notices are worded as
PostgreSQL's.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from skerry_engine import errors
from skerry_engine.algebra.expressions import Call, Column, Const, Expr, walk
from skerry_engine.catalog.catalog import Database
from skerry_engine.catalog.graphs import (
    ElementTable,
    Graph,
    GraphType,
    PropertyGraph,
    find_graph_type,
    graph_of,
)
from skerry_engine.catalog.objects import (
    CLASS_CONSTRAINT,
    CLASS_DEFAULT,
    CLASS_NAMESPACE,
    CLASS_RELATION,
    CLASS_TYPE,
    PG_CATALOG,
    Address,
    Constraint,
    IndexDef,
    MaterializedView,
    Relation,
    SequenceDef,
    StoredExpression,
    SystemTable,
    Table,
    View,
    ViewState,
)
from skerry_engine.catalog.quoting import quote_qualified
from skerry_engine.catalog.search_path import SearchPath
from skerry_engine.catalog.user_types import (
    CompositeType,
    DomainType,
    UserType,
    address_of,
    array_address,
    attribute_address,
    domain_constraints,
    type_address,
    type_of_oid,
    user_type_name,
)
from skerry_engine.functions.casts import ATTRIBUTE_FORM
from skerry_engine.values.user_types import counted

REGCLASS = 2205
AUTOMATIC = "a"
INTERNAL = "i"
NORMAL = "n"
KIND_WORDS = {
    "r": "table",
    "v": "view",
    "m": "materialized view",
    "i": "index",
    "S": "sequence",
    "g": "graph",
    "gt": "graph type",
}


@dataclass(frozen=True, slots=True)
class Edge:
    """`dependent` needs `referenced`."""

    dependent: Address
    referenced: Address
    type: str


@dataclass(frozen=True, slots=True)
class DropPlan:
    """What a DROP removes: the objects, named ones first,
    and the notice about those that CASCADE took along."""

    objects: tuple[Address, ...]
    notice: str | None = None
    notice_detail: str | None = None

    def relation_oids(self) -> tuple[int, ...]:
        """The relations that go as a whole."""
        return tuple(a.oid for a in self.objects if a.class_oid == CLASS_RELATION and not a.sub_id)


# --- edges ----------------------------------------------------------------------------------------


def edges(database: Database) -> tuple[Edge, ...]:
    """All dependencies between a database's own objects; those on system objects are left out."""
    return database.cached("dependencies", lambda: tuple(_edges(database)))


def _edges(database: Database) -> Iterator[Edge]:
    for relation in database.of_type(Relation):
        if isinstance(relation, SystemTable):
            continue
        address = address_of(relation)
        if not isinstance(relation, (IndexDef, ElementTable, ViewState)):
            yield Edge(address, Address(CLASS_NAMESPACE, relation.schema_oid), NORMAL)
        if isinstance(relation, ElementTable):
            yield Edge(address, Address(CLASS_RELATION, relation.graph_oid), INTERNAL)
        if isinstance(relation, ViewState):
            yield Edge(address, Address(CLASS_RELATION, relation.view_oid), INTERNAL)
        if isinstance(relation, Table):
            yield from _table_edges(database, relation)
        if isinstance(relation, (View, MaterializedView)):
            for reference in relation.references:
                yield Edge(address, reference, NORMAL)
        if isinstance(relation, UserType):
            if relation.array_name:
                yield Edge(array_address(relation), address, INTERNAL)
            if isinstance(relation, CompositeType):
                yield from _attribute_edges(database, relation)
            if isinstance(relation, DomainType):
                yield from _domain_edges(database, relation)
        elif isinstance(relation, View):
            for oid in {column.type.named_oid for column in relation.columns}:
                yield from _type_edges(database, address, oid)
        elif isinstance(relation, SequenceDef) and relation.owner_column is not None:
            yield Edge(address, relation.owner_column, INTERNAL if relation.is_identity else AUTOMATIC)
        elif isinstance(relation, Graph) and relation.type_oid:
            yield Edge(address, Address(CLASS_RELATION, relation.type_oid), NORMAL)
        elif isinstance(relation, PropertyGraph):
            for reference in relation.references:
                yield Edge(address, reference, NORMAL)


def _type_edges(database: Database, dependent: Address, oid: int) -> Iterator[Edge]:
    """What something needs that has a type."""
    if type_of_oid(database, oid) is not None:
        yield Edge(dependent, Address(CLASS_TYPE, oid), NORMAL)


def _attribute_edges(database: Database, composite: CompositeType) -> Iterator[Edge]:
    for number, attribute in enumerate(composite.attributes):
        if not attribute.dropped:
            place = attribute_address(composite, number)
            yield from _type_edges(database, place, attribute.type.named_oid)


def attributes_read(expressions: Iterable[object]) -> list[Address]:
    """The attributes of composite types that expressions read."""
    calls = [node for node in expressions if isinstance(node, Call) and node.function.form == ATTRIBUTE_FORM]
    return [Address(CLASS_TYPE, c.function.arg_types[0], int(c.function.arg_names[0]) + 1) for c in calls]


def _domain_edges(database: Database, domain: DomainType) -> Iterator[Edge]:
    address = type_address(domain)
    yield from _type_edges(database, address, domain.base.named_oid)
    if domain.default is not None:
        yield from _expression_edges(database, address, domain.default.expr)
        for oid in relations_read(domain.default.expr):
            yield Edge(address, Address(CLASS_RELATION, oid), NORMAL)
    for constraint in domain.checks:
        place = Address(CLASS_CONSTRAINT, constraint.oid)
        yield Edge(place, address, AUTOMATIC)
        if constraint.check is not None:
            yield from _expression_edges(database, place, constraint.check.expr)


def _expression_edges(database: Database, dependent: Address, expr: Expr) -> Iterator[Edge]:
    """What an expression needs for the types in it."""
    for oid in {node.type.named_oid for node in walk(expr)}:
        yield from _type_edges(database, dependent, oid)
    for attribute in dict.fromkeys(attributes_read(walk(expr))):
        yield Edge(dependent, attribute, NORMAL)


def _table_edges(database: Database, table: Table) -> Iterator[Edge]:
    for column in table.columns:
        if not column.dropped:
            place = Address(CLASS_RELATION, table.oid, column.attnum)
            yield from _type_edges(database, place, column.type.named_oid)
        if column.default is not None:
            address = Address(CLASS_DEFAULT, column.default_oid)
            kind = INTERNAL if column.generated else AUTOMATIC
            yield Edge(address, Address(CLASS_RELATION, table.oid, column.attnum), kind)
            for oid in relations_read(column.default.expr):
                yield Edge(address, Address(CLASS_RELATION, oid), NORMAL)
            yield from _expression_edges(database, address, column.default.expr)
            if column.generated:
                yield from _column_edges(address, table, column.default, NORMAL)
    for constraint in table.constraints:
        yield from _constraint_edges(database, table, constraint)
    for index in table.indexes:
        yield from _index_edges(database, table, index)


def _constraint_edges(database: Database, table: Table, constraint: Constraint) -> Iterator[Edge]:
    address = Address(CLASS_CONSTRAINT, constraint.oid)
    if constraint.columns:
        for attnum in constraint.columns:
            yield Edge(address, Address(CLASS_RELATION, table.oid, attnum), AUTOMATIC)
    else:
        yield Edge(address, Address(CLASS_RELATION, table.oid), AUTOMATIC)
    if constraint.check is not None:
        yield from _column_edges(address, table, constraint.check, NORMAL)
        yield from _expression_edges(database, address, constraint.check.expr)
    if constraint.kind == "f":
        for attnum in constraint.referenced_columns:
            yield Edge(address, Address(CLASS_RELATION, constraint.referenced_table_oid, attnum), NORMAL)
        yield Edge(address, Address(CLASS_RELATION, constraint.index_oid), NORMAL)


def _index_edges(database: Database, table: Table, index: IndexDef) -> Iterator[Edge]:
    address = Address(CLASS_RELATION, index.oid)
    if index.constraint_oid:
        yield Edge(address, Address(CLASS_CONSTRAINT, index.constraint_oid), INTERNAL)
        return
    attnums = [*(key.attnum for key in index.keys if key.attnum), *index.included]
    for attnum in dict.fromkeys(attnums):
        yield Edge(address, Address(CLASS_RELATION, table.oid, attnum), AUTOMATIC)
    for key in index.keys:
        if key.expression is not None:
            yield from _column_edges(address, table, key.expression, AUTOMATIC)
            yield from _expression_edges(database, address, key.expression.expr)
    if index.predicate is not None:
        yield from _column_edges(address, table, index.predicate, AUTOMATIC)
        yield from _expression_edges(database, address, index.predicate.expr)
    if not attnums:
        yield Edge(address, Address(CLASS_RELATION, table.oid), AUTOMATIC)


def _column_edges(dependent: Address, table: Table, stored: StoredExpression, kind: str) -> Iterator[Edge]:
    positions = {node.position for node in walk(stored.expr) if isinstance(node, Column)}
    for column in table.columns:
        if column.position in positions:
            yield Edge(dependent, Address(CLASS_RELATION, table.oid, column.attnum), kind)


def relations_read(expr: Expr) -> list[int]:
    """The relations that an expression names by regclass constants: sequences in nextval."""
    return [
        node.value
        for node in walk(expr)
        if isinstance(node, Const) and node.type.oid == REGCLASS and isinstance(node.value, int)
    ]


# --- dropping -------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Found:
    """An object that a DROP reaches: how, and through which."""

    address: Address
    dependee: Address | None
    is_silent: bool = False


@dataclass(slots=True)
class _Walk:
    """Depth first, newest dependents first, each object after its dependents: `order` is the order of
    removal.  What is in `unmissed` goes silently in any case.

    The order decides which of several paths to an object a message tells of, and is PostgreSQL's.
    """

    database: Database
    dependents: dict[tuple[int, int], list[Edge]]
    unmissed: Collection[Address] = ()
    found: dict[Address, _Found] = field(default_factory=dict)
    order: list[Address] = field(default_factory=list)

    def visit(self, address: Address, dependee: Address | None, is_silent: bool) -> None:
        whole = Address(address.class_oid, address.oid)
        known = self.found.get(address) or self.found.get(whole)
        if known is not None:
            known.is_silent = known.is_silent or is_silent
            return
        self.found[address] = _Found(address, dependee, is_silent)
        for edge in self._edges_to(address):
            self.visit(edge.dependent, address, edge.type != NORMAL or edge.dependent in self.unmissed)
        self.order.append(address)

    def _edges_to(self, address: Address) -> list[Edge]:
        reaching = self.dependents.get((address.class_oid, address.oid), [])
        if address.sub_id:
            reaching = [edge for edge in reaching if edge.referenced.sub_id == address.sub_id]
        strongest: dict[Address, Edge] = {}
        for edge in reaching:
            known = strongest.get(edge.dependent)
            if known is None or known.type == NORMAL:
                strongest[edge.dependent] = edge
        return sorted(strongest.values(), key=lambda edge: -counted(edge.dependent.oid))


def plan_drop(
    database: Database,
    targets: Sequence[Address],
    cascade: bool,
    path: SearchPath,
    unmissed: Collection[Address] = (),
) -> DropPlan:
    """What dropping `targets` removes; `unmissed` go along without a word.

    Raises DependentObjectsStillExist without `cascade` when others depend on them, and always when a target
    belongs to another object (a key's index, an identity column's sequence).
    """
    for target in targets:
        _check_droppable(database, target, targets, path)
    dependents: dict[tuple[int, int], list[Edge]] = {}
    owners = _generated_columns(database)
    for edge in edges(database):
        owner = owners.get(edge.dependent)
        if owner is not None and edge.referenced != owner:
            edge = Edge(owner, edge.referenced, edge.type)  # the column goes, not its expression alone
        dependents.setdefault((edge.referenced.class_oid, edge.referenced.oid), []).append(edge)
    walker = _Walk(database, dependents, unmissed)
    for target in targets:
        walker.visit(target, None, True)
    for target in targets:
        walker.found[target].is_silent = True
    objects = tuple(reversed(walker.order))
    reported = [walker.found[address] for address in objects if not walker.found[address].is_silent]
    if reported and not cascade:
        raise _still_needed(database, targets, reported, path)
    notice, detail = _cascade_notice(database, reported, path)
    return DropPlan(objects, notice, detail)


def _generated_columns(database: Database) -> dict[Address, Address]:
    """The columns that generation expressions are of."""
    return {
        Address(CLASS_DEFAULT, column.default_oid): Address(CLASS_RELATION, table.oid, column.attnum)
        for table in database.tables()
        for column in table.columns
        if column.generated and not column.dropped
    }


def _check_droppable(
    database: Database, target: Address, targets: Sequence[Address], path: SearchPath
) -> None:
    if target.class_oid == CLASS_NAMESPACE and target.oid < 16384 and target.oid != 2200:
        name = database.schemas[target.oid].name
        raise errors.DependentObjectsStillExist(
            f"cannot drop schema {name} because it is required by the database system"
        )
    if target.class_oid != CLASS_RELATION or target.sub_id:
        return
    relation = database.relations[target.oid]
    if isinstance(relation, SystemTable) or relation.schema_oid == PG_CATALOG:
        raise errors.InsufficientPrivilege(f'permission denied: "{relation.name}" is a system catalog')
    owner = _internal_owner(relation)
    if owner is None or owner in targets:
        return
    described = describe(database, owner, path)
    raise errors.DependentObjectsStillExist(
        f"cannot drop {describe(database, target, path)} because {described} requires it",
        hint=f"You can drop {described} instead.",
    )


def _internal_owner(relation: Relation) -> Address | None:
    if isinstance(relation, IndexDef) and relation.constraint_oid:
        return Address(CLASS_CONSTRAINT, relation.constraint_oid)
    if isinstance(relation, SequenceDef) and relation.is_identity:
        return relation.owner_column
    if isinstance(relation, ElementTable):
        return Address(CLASS_RELATION, relation.graph_oid)
    if isinstance(relation, ViewState):
        return Address(CLASS_RELATION, relation.view_oid)
    return None


def _still_needed(
    database: Database, targets: Sequence[Address], reported: list[_Found], path: SearchPath
) -> errors.DependentObjectsStillExist:
    lines = []
    for found in reported:
        assert found.dependee is not None
        lines.append(
            f"{describe(database, found.address, path)} depends on {describe(database, found.dependee, path)}"
        )
    if len(targets) == 1:
        message = f"cannot drop {describe(database, targets[0], path)} because other objects depend on it"
    else:
        message = "cannot drop desired object(s) because other objects depend on them"
    return errors.DependentObjectsStillExist(
        message, detail="\n".join(lines), hint="Use DROP ... CASCADE to drop the dependent objects too."
    )


def _cascade_notice(
    database: Database, reported: list[_Found], path: SearchPath
) -> tuple[str | None, str | None]:
    lines = [f"drop cascades to {describe(database, found.address, path)}" for found in reported]
    if not lines:
        return None, None
    if len(lines) == 1:
        return lines[0], None
    return f"drop cascades to {len(lines)} other objects", "\n".join(lines)


# --- describing -----------------------------------------------------------------------------------


def describe(database: Database, address: Address, path: SearchPath) -> str:
    """An object in words, as error details name it: `constraint b_a_fkey on table b`."""
    if address.class_oid == CLASS_NAMESPACE:
        return f"schema {quote_qualified((database.schemas[address.oid].name,))}"
    if address.class_oid == CLASS_CONSTRAINT and address.oid in domain_constraints(database):
        domain, constraint = domain_constraints(database)[address.oid]
        domain_name = user_type_name(database, domain.oid, path)
        return f"constraint {quote_qualified((constraint.name,))} on domain {domain_name}"
    if address.class_oid == CLASS_CONSTRAINT:
        constraint = database.constraints()[address.oid]
        table = describe_relation(database, database.relations[constraint.table_oid], path)
        return f"constraint {quote_qualified((constraint.name,))} on {table}"
    if address.class_oid == CLASS_DEFAULT:
        return f"default value for {_describe_default_column(database, address.oid, path)}"
    if address.class_oid == CLASS_TYPE and address.sub_id:
        composite = database.relations[address.oid]
        assert isinstance(composite, CompositeType), "other types have no parts"
        shown = quote_qualified((composite.attributes[address.sub_id - 1].name,))
        return f"column {shown} of composite type {user_type_name(database, address.oid, path)}"
    if address.class_oid == CLASS_TYPE:
        return f"type {user_type_name(database, address.oid, path)}"
    relation = database.relations[address.oid]
    described = describe_relation(database, relation, path)
    if address.sub_id and isinstance(relation, (Table, View)):
        return f"column {quote_qualified((relation.columns[address.sub_id - 1].name,))} of {described}"
    return described


def describe_relation(database: Database, relation: Relation, path: SearchPath) -> str:
    if isinstance(relation, ElementTable):
        relation = graph_of(database, relation)
    elif isinstance(relation, ViewState):
        relation = database.relations[relation.view_oid]
    elif isinstance(relation, GraphType) and find_graph_type(database, relation.name, None, path) is relation:
        return f"graph type {quote_qualified((relation.name,))}"
    name = quote_qualified(database.qualified_name(relation, path))
    if isinstance(relation, PropertyGraph):
        return f"property graph {name}"
    return f"{KIND_WORDS.get(relation.kind, 'relation')} {name}"


def _describe_default_column(database: Database, default_oid: int, path: SearchPath) -> str:
    for table in database.tables():
        for column in table.columns:
            if column.default_oid == default_oid and column.default is not None:
                described = describe_relation(database, table, path)
                return f"column {quote_qualified((column.name,))} of {described}"
    raise AssertionError(f"no default with OID {default_oid}")
