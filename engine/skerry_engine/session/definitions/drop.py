"""DROP TABLE, VIEW, INDEX, SEQUENCE, SCHEMA, TYPE.

What goes along is planned from the catalog (`dependencies.plan_drop`), then everything that goes is locked;
if the catalog changed while a lock was waited for, the plan is made again.
Storages and sequences' values go at commit.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence

from skerry_engine import errors
from skerry_engine.catalog import drops
from skerry_engine.catalog.catalog import Catalog
from skerry_engine.catalog.dependencies import DropPlan, plan_drop
from skerry_engine.catalog.graphs import Graph, PropertyGraph
from skerry_engine.catalog.objects import (
    CLASS_CONSTRAINT,
    CLASS_NAMESPACE,
    CLASS_RELATION,
    CLASS_TYPE,
    Address,
    IndexDef,
    Relation,
    SequenceDef,
    SystemTable,
    Table,
)
from skerry_engine.session.definitions.change import change_catalog
from skerry_engine.session.definitions.context import DefinitionContext
from skerry_engine.session.definitions.guards import check_may_drop, check_schema_owner
from skerry_engine.session.definitions.names import ARTICLES, KIND_CLASSES, find_relation, is_of_kind
from skerry_engine.session.definitions.types import type_to_drop
from skerry_engine.session.definitions.views import with_views_renamed
from skerry_engine.session.definitions.waiting import lock_object_name, lock_relation
from skerry_engine.session.graphs.making import is_empty_home
from skerry_engine.session.steps import Complete, Step
from skerry_engine.sql import statements as st
from skerry_engine.txn.modes import ACCESS_EXCLUSIVE

KIND_OF_RELKIND = {
    "r": "table",
    "v": "view",
    "m": "materialized view",
    "i": "index",
    "S": "sequence",
    "g": "graph",
}


def drop(context: DefinitionContext, statement: st.Drop) -> Generator[Step, object, Complete]:
    """DROP of schema objects.  Raises UndefinedTable and kin, WrongObjectType, DependentObjectsStillExist."""
    if statement.kind not in (*KIND_CLASSES, "schema", "type", "domain"):
        return _drop_unknown(context, statement)
    if statement.concurrently and context.in_transaction_block:
        raise errors.ActiveTransaction("DROP INDEX CONCURRENTLY cannot run inside a transaction block")
    targets = [
        address for name in statement.names if (address := _target(context, statement, name)) is not None
    ]
    targets = list(dict.fromkeys(targets))
    if targets:
        yield from drop_objects(context, targets, statement.cascade)
    return Complete(f"DROP {statement.kind.upper()}")


def _drop_unknown(context: DefinitionContext, statement: st.Drop) -> Complete:
    """Kinds that Skerry has no objects of: none exists, which IF EXISTS is content with."""
    for name in statement.names:
        _report_missing(context, statement, statement.kind, str(name))
    return Complete(f"DROP {statement.kind.upper()}")


# --- targets ------------------------------------------------------------------------------------------------


def _target(context: DefinitionContext, statement: st.Drop, name: st.ObjectName) -> Address | None:
    """What a name in DROP means; None when it is missing and may be."""
    database = context.database
    if statement.kind == "schema":
        schema = database.schema_named(name.name)
        if schema is not None:
            check_schema_owner(context, schema)
            return Address(CLASS_NAMESPACE, schema.oid)
        _report_missing(context, statement, "schema", name.name)
        return None
    if name.schema is not None and database.schema_oid(name.schema, context.search_path) is None:
        _report_missing(context, statement, "schema", name.schema)
        return None
    if statement.kind in ("type", "domain"):
        address = type_to_drop(context, statement.kind, name)
        if address is None:
            _report_missing(context, statement, "type", str(name))
        else:
            check_may_drop(context, context.database.relations[address.oid])
        return address
    found = find_relation(context, name)
    if found is None:
        _report_missing(context, statement, statement.kind, str(name))
        return None
    is_graph = statement.kind == "property graph" and isinstance(
        found, Graph
    )  # native ones are property graphs, too
    if not is_graph and not is_of_kind(found, statement.kind):
        raise _wrong_kind(statement.kind, found)
    check_may_drop(context, found)
    return Address(CLASS_RELATION, found.oid)


def _report_missing(context: DefinitionContext, statement: st.Drop, kind: str, name: str) -> None:
    """A notice for IF EXISTS, else an error."""
    message = f'{kind} "{name}" does not exist'
    if statement.if_exists:
        context.notice(f"{message}, skipping")
        return
    if kind == "schema":
        raise errors.InvalidSchemaName(message)
    if kind in ("table", "view", "sequence", "materialized view", "foreign table", "property graph"):
        raise errors.UndefinedTable(message)
    raise errors.UndefinedObject(message)


def _wrong_kind(kind: str, found: Relation) -> errors.DatabaseError:
    if isinstance(found, SystemTable):
        return errors.InsufficientPrivilege(f'permission denied: "{found.name}" is a system catalog')
    actual = (
        "property graph" if isinstance(found, PropertyGraph) else KIND_OF_RELKIND.get(found.kind, "table")
    )
    return errors.WrongObjectType(
        f'"{found.name}" is not {ARTICLES[kind]}',
        hint=f"Use DROP {actual.upper()} to remove {ARTICLES[actual]}.",
    )


# --- removing -----------------------------------------------------------------------------------------------


def drop_objects(
    context: DefinitionContext, targets: Sequence[Address], cascade: bool, prints_views: bool = False
) -> Generator[Step, object, None]:
    """Remove objects with what depends on them, as CASCADE or RESTRICT says; `prints_views`: the texts of views that
    stay may be others without them."""
    plan = yield from _locked_plan(context, targets, cascade)
    if plan is None:
        return
    if plan.notice is not None:
        context.notice(plan.notice, detail=plan.notice_detail)
    _forget_at_commit(context, plan)
    database_oid, objects = context.database_oid, plan.objects

    def change(catalog: Catalog) -> Catalog:
        left = drops.remove_objects(catalog, database_oid, objects)
        return with_views_renamed(catalog, left, database_oid) if prints_views else left

    change_catalog(context, change)


def _locked_plan(
    context: DefinitionContext, targets: Sequence[Address], cascade: bool
) -> Generator[Step, object, DropPlan | None]:
    """The plan, with everything in it locked; None if the targets went while locks were waited for."""
    while True:
        present = [target for target in targets if _exists(context, target)]
        if not present:
            return None
        unmissed = _unmissed(context)
        plan = plan_drop(context.database, present, cascade, context.search_path, unmissed)
        before = context.database
        for target in present:
            if target.class_oid == CLASS_NAMESPACE:
                yield from lock_object_name(context, "schema", context.database_oid, target.oid)
        for oid in _relations_to_lock(context, plan):
            yield from lock_relation(context, oid, ACCESS_EXCLUSIVE)
        if context.database is before:
            return plan


def _unmissed(context: DefinitionContext) -> tuple[Address, ...]:
    """The graph `home` while nobody has put anything into it: nobody has made it, either."""
    database = context.database
    graphs = database.of_type(Graph)
    return tuple(Address(CLASS_RELATION, g.oid) for g in graphs if is_empty_home(context, database, g))


def _exists(context: DefinitionContext, target: Address) -> bool:
    database = context.database
    if target.class_oid == CLASS_NAMESPACE:
        return target.oid in database.schemas
    if target.class_oid == CLASS_CONSTRAINT:
        return target.oid in database.constraints()
    return database.relation(target.oid) is not None


def _relations_to_lock(context: DefinitionContext, plan: DropPlan) -> list[int]:
    """What goes, and the tables that lose an index, a column or a constraint, or are no longer referenced."""
    database = context.database
    found: set[int] = set()
    for address in plan.objects:
        if address.class_oid in (CLASS_RELATION, CLASS_TYPE):
            found.add(address.oid)
            relation = database.relation(address.oid)
            if isinstance(relation, IndexDef):
                found.add(relation.table_oid)
        elif address.class_oid == CLASS_CONSTRAINT:
            constraint = database.constraints().get(address.oid)
            if constraint is None:
                continue  # of a domain, which it goes with
            found.add(constraint.table_oid)
            if constraint.kind == "f":
                found.add(constraint.referenced_table_oid)
    return sorted(found)


def _forget_at_commit(context: DefinitionContext, plan: DropPlan) -> None:
    stores, sequences, manager = context.stores, context.sequences, context.manager
    on_commit = context.transaction.on_commit
    going = set(plan.relation_oids())
    for oid in going:
        relation = context.database.relation(oid)
        if isinstance(relation, Table):
            storage_id = relation.storage_id
            context.transaction.note_replaced(stores.get(storage_id))
            on_commit(lambda storage_id=storage_id: stores.retire(storage_id, manager))  # type: ignore[misc]
        elif isinstance(relation, SequenceDef):
            on_commit(lambda oid=oid: manager.retire(lambda: sequences.forget(oid)))  # type: ignore[misc]
        elif isinstance(relation, IndexDef) and relation.table_oid not in going:
            storage = stores.get(context.database.table(relation.table_oid).storage_id)
            on_commit(lambda storage=storage, oid=oid: stores.retire_index(storage, oid, manager))  # type: ignore[misc]
