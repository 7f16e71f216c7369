"""New graphs: their OIDs, their storages, and how they enter the catalog."""

from __future__ import annotations

from skerry_engine.catalog.catalog import Database
from skerry_engine.catalog.graph_changes import GraphParts
from skerry_engine.catalog.graphs import (
    HOME,
    OIDS_OF_A_GRAPH,
    ElementTable,
    ElementTypes,
    Graph,
    new_graph,
)
from skerry_engine.catalog.objects import BOOTSTRAP_ROLE
from skerry_engine.session.definitions.context import DefinitionContext
from skerry_engine.storage.table import TableStorage


def made_graph(
    context: DefinitionContext,
    name: str,
    schema_oid: int,
    elements: ElementTypes | None = None,
    type_oid: int = 0,
    owner_oid: int = 0,
) -> GraphParts:
    """A new, empty graph with its storages, which go again if the transaction is rolled back; it is still to be put
    into the catalog."""
    first_oid = context.catalog.oids.allocate_many(OIDS_OF_A_GRAPH)
    stores = context.stores
    storages = (stores.create_elements(False), stores.create_elements(True))
    parts = new_graph(
        first_oid,
        name,
        schema_oid,
        owner_oid or context.user_oid,
        (storages[0].storage_id, storages[1].storage_id),
        elements,
        type_oid,
    )
    for storage, table in zip(storages, parts[1:], strict=True):
        _equip(context, storage, table)
    return parts


def _equip(context: DefinitionContext, storage: TableStorage, table: ElementTable) -> None:
    stores = context.stores
    context.transaction.note_made(storage)
    context.transaction.on_rollback(lambda: stores.forget(storage.storage_id))
    for index in table.indexes:
        storage.indexes[index.oid] = stores.make_index(index, table)


def made_home(context: DefinitionContext, schema_oid: int) -> GraphParts:
    """The graph `home` of a schema public that is about to be made."""
    return made_graph(context, HOME, schema_oid, owner_oid=BOOTSTRAP_ROLE)


def is_empty_home(context: DefinitionContext, database: Database, graph: Graph) -> bool:
    """Whether it is the graph that every database begins with, and nothing has been put into it."""
    if graph.name != HOME or not graph.is_open or database.schema_of(graph).name != "public":
        return False
    tables = (graph.nodes(database), graph.edges(database))
    overlay = context.transaction.overlay
    pending = set() if overlay is None else {each.storage.storage_id for each in overlay.tables.values()}
    return all(context.stores.row_count(table) == 0 and table.storage_id not in pending for table in tables)
