"""Indexes over properties, and constraints on elements: CREATE INDEX and CREATE CONSTRAINT in GQL, and DROP.

    CREATE INDEX by_name FOR (n:Person) ON (n.name)
    CREATE CONSTRAINT one_name FOR (n:Person) REQUIRE n.name IS UNIQUE        an index of its name
    CREATE CONSTRAINT has_name FOR (n:Person) REQUIRE n.name IS NOT NULL      checked by shape (catalog/graph_checks.py)

An index is built as SQL's are: over every retained version, in slices, while a SHARE lock keeps writers out.  The lock
is on the hidden table of nodes or edges, which is also what queries lock.  Elements are found by label through the
index of shapes that every graph has, so an index of a label alone is there already.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence

from skerry_engine import errors
from skerry_engine.catalog import naming
from skerry_engine.catalog.catalog import Database
from skerry_engine.catalog.graph_changes import create_property_index, graph_constraints
from skerry_engine.catalog.graphs import (
    ElementConstraint,
    ElementRule,
    ElementTable,
    Graph,
    PropertyIndex,
)
from skerry_engine.catalog.objects import CLASS_CONSTRAINT, CLASS_RELATION, Address, IndexKey
from skerry_engine.gql import tree
from skerry_engine.session.definitions.change import change_catalog
from skerry_engine.session.definitions.context import DefinitionContext
from skerry_engine.session.definitions.drop import drop_objects
from skerry_engine.session.definitions.indexes import MAX_KEYS, build_index
from skerry_engine.session.definitions.validation import each_slice, validate_unique
from skerry_engine.session.definitions.waiting import lock_new_name, lock_object_name, lock_relation
from skerry_engine.session.graphs.types import check_known, refuse_repeated, rule_of
from skerry_engine.session.steps import Step
from skerry_engine.storage.heap import Row
from skerry_engine.txn.modes import SHARE, SHARE_ROW_EXCLUSIVE
from skerry_engine.values import oids
from skerry_engine.values.types import SqlType

Steps = Generator[Step, object, None]

LABELS = {"u": "key", "k": "key", "n": "not_null"}
"""How the names of constraints end that were given none."""


# --- indexes ----------------------------------------------------------------------------------------------------


def create_index(context: DefinitionContext, graph: Graph, clause: tree.CreateGraphIndex) -> Steps:
    """CREATE INDEX.  Raises DuplicateTable, DuplicateColumn, TooManyColumns, UndefinedObject (a closed graph)."""
    label = clause.label or ""
    if not clause.properties:
        shown = f'with label "{label}" ' if label else ""
        context.notice(f"elements {shown}are found by label without an index, skipping")
        return
    _check_properties(clause.properties, clause.position)
    rule = ElementRule(clause.name or "", "n", clause.is_edge, label, clause.properties)
    check_known(graph.elements, rule, clause.position)
    table = yield from _locked_table(context, graph, clause.is_edge, SHARE)
    name = yield from _free_name(context, table, clause)
    if name is None:
        return
    table = _present(context, table)
    index = make_index(context, table, name, rule)
    yield from build_index(context, table, index)
    database_oid = context.database_oid
    change_catalog(context, lambda catalog: create_property_index(catalog, database_oid, index))


def _free_name(
    context: DefinitionContext, table: ElementTable, clause: tree.CreateGraphIndex
) -> Generator[Step, object, str | None]:
    """The index's name, locked; None when IF NOT EXISTS finds it taken."""
    if clause.name is None:
        return (yield from _chosen_name(context, table, clause.label or "", clause.properties, "idx"))
    name = naming.truncate_name(clause.name)
    yield from lock_new_name(context, table.schema_oid, name)
    if context.database.relation_named(table.schema_oid, name) is None:
        return name
    if not clause.if_not_exists:
        raise errors.DuplicateTable(f'relation "{name}" already exists', position=clause.position)
    context.notice(f'relation "{name}" already exists, skipping', sqlstate="42P07")
    return None


def _chosen_name(
    context: DefinitionContext, table: ElementTable, label: str, properties: Sequence[str], kind: str
) -> Generator[Step, object, str]:
    """A free name made of label and properties, locked."""

    def choose() -> str:
        first = label or table.name.rpartition(".")[2]
        return naming.choose_relation_name(
            context.database, table.schema_oid, first, "_".join(properties), kind, is_constraint=True
        )

    while True:
        name = choose()
        yield from lock_new_name(context, table.schema_oid, name)
        if name == choose():
            return name


def make_index(
    context: DefinitionContext, table: ElementTable, name: str, rule: ElementRule, constraint_oid: int = 0
) -> PropertyIndex:
    """The definition of an index over the rule's properties; unique if it serves a constraint."""
    return PropertyIndex(
        oid=context.catalog.oids.allocate(),
        name=name,
        schema_oid=table.schema_oid,
        owner_oid=table.owner_oid,
        table_oid=table.oid,
        keys=tuple(IndexKey(type=SqlType(oids.ANYVALUE)) for _ in rule.properties),
        unique=constraint_oid != 0,
        constraint_oid=constraint_oid,
        label=rule.label,
        properties=rule.properties,
    )


def _check_properties(names: tuple[str, ...], position: int) -> None:
    refuse_repeated(names, position)
    if len(names) > MAX_KEYS:
        raise errors.TooManyColumns(
            f"cannot use more than {MAX_KEYS} properties in an index", position=position
        )


def drop_index(context: DefinitionContext, graph: Graph, clause: tree.DropGraphIndex) -> Steps:
    """DROP INDEX within a program.  Raises UndefinedObject, DependentObjectsStillExist for a constraint's."""
    database = context.database
    tables = (graph.nodes(database), graph.edges(database))
    found = [i for table in tables for i in table.indexes if i.name == clause.name and not i.is_hidden]
    if not found:
        if not clause.if_exists:
            raise errors.UndefinedObject(f'index "{clause.name}" does not exist', position=clause.position)
        context.notice(f'index "{clause.name}" does not exist, skipping')
        return
    yield from drop_objects(context, [Address(CLASS_RELATION, found[0].oid)], False)


# --- constraints ------------------------------------------------------------------------------------------------


def create_constraint(context: DefinitionContext, graph: Graph, clause: tree.CreateConstraint) -> Steps:
    """CREATE CONSTRAINT, the elements that are there checked.  Raises DuplicateObject, DuplicateTable, and what they
    violate."""
    written = clause.constraint
    rule = rule_of(written)
    _check_properties(rule.properties, written.position)
    check_known(graph.elements, rule, written.position)
    yield from lock_object_name(context, "constraints of graph", graph.oid)
    if rule.name and _constraint_named(context.database, graph.oid, rule.name) is not None:
        if not clause.if_not_exists:
            raise errors.DuplicateObject(
                f'constraint "{rule.name}" for graph "{graph.name}" already exists', position=written.position
            )
        context.notice(
            f'constraint "{rule.name}" for graph "{graph.name}" already exists, skipping', sqlstate="42710"
        )
        return
    table = yield from _locked_table(context, graph, rule.of_edges, SHARE_ROW_EXCLUSIVE)
    constraint, index = yield from make_constraint(context, table, rule)
    database_oid = context.database_oid
    change_catalog(context, lambda catalog: create_property_index(catalog, database_oid, index, constraint))


def make_constraint(
    context: DefinitionContext, table: ElementTable, rule: ElementRule
) -> Generator[Step, object, tuple[ElementConstraint, PropertyIndex | None]]:
    """A constraint, with its index built, after a look at the rows that are there; still to enter the catalog.

    Raises DuplicateTable, UniqueViolation, NotNullViolation.
    """
    name = yield from _constraint_name(context, table, rule)
    oid = context.catalog.oids.allocate()
    if rule.kind in ("n", "k"):
        yield from _validate_presence(context, table, rule, name)
    index = None
    if rule.kind in ("u", "k"):
        index = make_index(context, table, name, rule, oid)
        built = yield from build_index(context, table, index)
        yield from validate_unique(context, table, index, built)
    constraint = ElementConstraint(
        oid,
        name,
        rule.kind,
        table.oid,
        index_oid=0 if index is None else index.oid,
        label=rule.label,
        properties=rule.properties,
    )
    return constraint, index


def _constraint_name(
    context: DefinitionContext, table: ElementTable, rule: ElementRule
) -> Generator[Step, object, str]:
    if not rule.name:
        return (yield from _chosen_name(context, table, rule.label, rule.properties, LABELS[rule.kind]))
    name = naming.truncate_name(rule.name)
    if rule.kind == "n":
        return name
    yield from lock_new_name(context, table.schema_oid, name)
    if context.database.relation_named(table.schema_oid, name) is not None:
        raise errors.DuplicateTable(f'relation "{name}" already exists')
    return name


def _validate_presence(
    context: DefinitionContext, table: ElementTable, rule: ElementRule, name: str
) -> Steps:
    """Raise NotNullViolation if an element with the label lacks one of the properties."""
    shapes = context.stores.shapes(table)
    fine: dict[object, bool] = {}

    def visit(rows: list[Row]) -> None:
        for row in rows:
            if row[0] not in fine:
                shape = shapes.by_id(row[0])
                is_meant = not rule.label or rule.label in shape.labels
                fine[row[0]] = not is_meant or all(each in shape.positions for each in rule.properties)
            if not fine[row[0]]:
                raise errors.NotNullViolation(
                    f'constraint "{name}" is violated by some {"edge" if table.is_edges else "node"}: '
                    f"{_required(rule.properties)} not there",
                    schema=context.database.schema_of(table).name,
                    table=table.name,
                    constraint=name,
                )

    yield from each_slice(context, context.stores.get(table.storage_id), visit)


def _required(properties: tuple[str, ...]) -> str:
    shown = ", ".join(f'"{name}"' for name in properties)
    return f"property {shown} is" if len(properties) == 1 else f"one of the properties {shown} is"


def drop_constraint(context: DefinitionContext, graph: Graph, clause: tree.DropConstraint) -> Steps:
    """DROP CONSTRAINT.  Raises UndefinedObject."""
    found = _constraint_named(context.database, graph.oid, clause.name)
    if found is None:
        if not clause.if_exists:
            raise errors.UndefinedObject(
                f'constraint "{clause.name}" of graph "{graph.name}" does not exist', position=clause.position
            )
        context.notice(f'constraint "{clause.name}" of graph "{graph.name}" does not exist, skipping')
        return
    yield from drop_objects(context, [Address(CLASS_CONSTRAINT, found.oid)], False)


def _constraint_named(database: Database, graph_oid: int, name: str) -> ElementConstraint | None:
    graph = database.relation(graph_oid)
    if not isinstance(graph, Graph):
        return None
    return next((each for each in graph_constraints(database, graph) if each.name == name), None)


# --- tables -----------------------------------------------------------------------------------------------------


def _locked_table(
    context: DefinitionContext, graph: Graph, of_edges: bool, mode: int
) -> Generator[Step, object, ElementTable]:
    """The graph's table of nodes or edges, locked, as it is then.  Raises UndefinedTable when the graph went."""
    yield from lock_relation(context, graph.edges_oid if of_edges else graph.nodes_oid, mode)
    now = context.database.relation(graph.oid)
    if not isinstance(now, Graph):
        raise errors.UndefinedTable(f'graph "{graph.name}" does not exist')
    return now.edges(context.database) if of_edges else now.nodes(context.database)


def _present(context: DefinitionContext, table: ElementTable) -> ElementTable:
    """The table as the transaction's catalog has it now: names were waited for."""
    found = context.database.relation(table.oid)
    if not isinstance(found, ElementTable):
        raise errors.UndefinedTable("the graph was dropped meanwhile")
    return found
