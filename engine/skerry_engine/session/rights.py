"""Which rights a planned statement needs, and whether a role has them.

    binding  notes which relations are read and written, in whose name      AccessNote (sql.binder.context)
    planning makes of them what has to be asked, with the columns read      Access, kept with the plan
    running  asks, once per plan, role and state of the catalog             Plan.allowed_version, allowed_role

So a statement that runs again asks nothing, and one of a superuser asks only where it reads through views, which are
asked for in the name of their owners: what he may not, nobody may through his view.

What it does not do: reading rows by foreign keys, which needs no right of who changes the row.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, NamedTuple

from skerry_engine.algebra import expressions as ex
from skerry_engine.algebra import queries as q
from skerry_engine.algebra.traversal import walk_all
from skerry_engine.catalog.catalog import Database
from skerry_engine.catalog.graphs import ElementTable, Graph, PropertyGraph
from skerry_engine.catalog.objects import Relation, SystemTable, Table, View
from skerry_engine.catalog.privileges import (
    DELETE,
    INSERT,
    SELECT,
    UPDATE,
    USAGE,
    Judge,
    denied,
    is_secret,
    shown_kind,
)
from skerry_engine.sql.binder.context import AccessNote

if TYPE_CHECKING:
    from skerry_engine.session.environment import StatementCatalog


class Access(NamedTuple):
    """What a statement does with a relation in the name of `as_oid` (0: the current role).

    `privileges` are bits; where the relation as a whole does not give SELECT, INSERT or UPDATE, all of the columns (by
    position; none of them: any column) must.  With `is_schema` it is a schema that is looked into.
    """

    oid: int
    as_oid: int
    privileges: int
    read: tuple[int, ...] = ()
    inserted: tuple[int, ...] = ()
    updated: tuple[int, ...] = ()
    is_schema: bool = False


# --- planning -----------------------------------------------------------------------------------------------


def accesses_of(
    query: q.Query, notes: Sequence[AccessNote], schemas: set[int], database: Database
) -> tuple[Access, ...]:
    """What a bound statement needs rights for."""
    read = _columns_read(query)
    locked = {
        range_id
        for node in walk_all(query)
        if isinstance(node, q.Select)
        for lock in node.locks
        for range_id in lock.range_ids
    }
    found = [Access(oid, 0, USAGE, is_schema=True) for oid in sorted(schemas)]
    for note in notes:
        relation = database.relation(note.relation_oid)
        if relation is None or (isinstance(relation, SystemTable) and not is_secret(relation)):
            continue
        if isinstance(relation, ElementTable):
            found.append(Access(relation.graph_oid, note.as_oid, SELECT))
            continue
        positions = tuple(sorted(read.get(note.range_id, ())))
        privileges = note.privileges | (SELECT if note.is_read or positions else 0)
        if note.range_id in locked:
            privileges |= UPDATE
        if privileges:
            found.append(
                Access(
                    note.relation_oid,
                    note.as_oid,
                    privileges,
                    positions,
                    note.columns if note.privileges & INSERT else (),
                    note.columns if note.privileges & UPDATE else (),
                )
            )
    return tuple(dict.fromkeys(found))


def _columns_read(query: object) -> dict[int, set[int]]:
    """The columns that a statement reads, by range; -1 stands for a whole row."""
    found: dict[int, set[int]] = {}
    for node in _read_nodes(query):
        if isinstance(node, ex.Column):
            found.setdefault(node.range_id, set()).add(node.position)
        elif isinstance(node, (ex.WholeRow, ex.SystemColumn)):
            found.setdefault(node.range_id, set()).add(-1)
    return found


def _read_nodes(node: object) -> Iterator[object]:
    """What is evaluated because the statement says so: not a table's checks, nor columns that stay as they are."""
    changes = [part for part in walk_all(node) if isinstance(part, (q.Insert, q.Update, q.Delete))]
    if not changes:
        yield from walk_all(node)
        return
    outermost = changes[0]
    if (
        outermost is not node
    ):  # a change in WITH, or at the end of a Program: its parts, and what is around it
        for each in fields(node) if isinstance(node, (q.Query, q.Relation)) else ():
            yield from _read_parts(getattr(node, each.name))
        return
    for part in _parts_read(outermost):
        yield from _read_nodes(part) if isinstance(part, (q.Query, q.Relation)) else walk_all(part)


def _read_parts(value: object) -> Iterator[object]:
    if isinstance(value, tuple):
        for item in value:
            yield from _read_parts(item)
    elif isinstance(value, q.Cte):
        yield from _read_nodes(value.query)
        yield from _read_nodes(value.step)
    else:
        yield from _read_nodes(value)


def _parts_read(change: q.Insert | q.Update | q.Delete) -> list[object]:
    if isinstance(change, q.Update):
        return [change.source, *(change.row[position] for position in change.changed), change.returning]
    if isinstance(change, q.Delete):
        return [change.source, change.returning]
    conflict = change.conflict
    updates: tuple[object, ...] = ()
    if conflict is not None:
        updates = (*(value for _, value in conflict.updates), conflict.condition)
    given = tuple(value for value in change.row if not isinstance(value, ex.Const))
    return [change.source, given, change.returning, *updates]


def graph_accesses(
    query: q.Query,
    lookups: Sequence[tuple[str | None, str, int, int]],
    objects: Sequence[tuple[int, int]],
    database: Database,
) -> tuple[Access, ...]:
    """What a GQL statement needs rights for: its graph, and the tables that one is laid over."""
    needed: dict[int, int] = {}
    tables: dict[int, set[int]] = {}
    read = _columns_read(query)
    for node in walk_all(query):
        if isinstance(node, q.Scan) and not node.is_virtual:
            _need(needed, database, node.table_oid, SELECT)
            tables.setdefault(node.table_oid, set()).update(read.get(node.range_id, ()))
        elif isinstance(node, q.GraphInsert):
            _need_made(needed, database, node.elements)
        elif isinstance(node, q.GraphMerge):
            _need_made(needed, database, node.elements)
            for change in (*node.on_create, *node.on_match):
                _need(needed, database, change.table_oid or node.graph_oid, UPDATE)
        elif isinstance(node, q.GraphChange):
            for oid in node.tables:
                _need(needed, database, oid, UPDATE)
        elif isinstance(node, q.GraphDelete):
            for oid in node.tables:
                _need(needed, database, oid, DELETE)
    for oid in {*(oid for oid, _ in objects), *(lookup[2] for lookup in lookups)}:
        if isinstance(database.relation(oid), PropertyGraph) and needed:
            needed[oid] = needed.get(oid, 0) | SELECT
    return tuple(
        Access(oid, 0, bits, tuple(sorted(tables.get(oid, ()))))
        for oid, bits in sorted(needed.items())
        if oid
    )


def _need_made(needed: dict[int, int], database: Database, elements: Sequence[q.NewElement]) -> None:
    for element in elements:
        _need(needed, database, element.into.table_oid, INSERT)


def _need(needed: dict[int, int], database: Database, table_oid: int, bits: int) -> None:
    table = database.relation(table_oid)
    oid = table.graph_oid if isinstance(table, ElementTable) else table_oid
    needed[oid] = needed.get(oid, 0) | bits


# --- running ------------------------------------------------------------------------------------------------


def check_accesses(here: StatementCatalog, accesses: Sequence[Access]) -> None:
    """Raise InsufficientPrivilege for what the current role, or the owner of a view, may not."""
    current = here.judge
    for access in accesses:
        if access.as_oid == 0 and current.is_superuser:
            continue
        judge = current if access.as_oid == 0 else Judge(here.catalog, here.database, access.as_oid)
        if not judge.is_superuser:
            _check(judge, here.database, access)


def _check(judge: Judge, database: Database, access: Access) -> None:
    if access.is_schema:
        schema = database.schemas.get(access.oid)
        if schema is not None and not judge.on_schema(schema) & USAGE:
            raise denied("schema", schema.name)
        return
    relation = database.relation(access.oid)
    if relation is None:
        return
    missing = access.privileges & ~judge.on_relation(relation)
    if missing and not (missing & ~(SELECT | INSERT | UPDATE)) and relation.column_rights:
        for bit, positions in ((SELECT, access.read), (INSERT, access.inserted), (UPDATE, access.updated)):
            if missing & bit and _columns_allow(judge, relation, bit, positions):
                missing &= ~bit
    if missing:
        raise denied(shown_kind(relation), relation.name)


def _columns_allow(judge: Judge, relation: Relation, bit: int, positions: Sequence[int]) -> bool:
    if not isinstance(relation, (Table, View)):
        return False
    live = relation.live_columns
    if not positions:
        return any(judge.on_column(relation, column.attnum) & bit for column in live)
    by_place = isinstance(relation, View)
    numbers = {n if by_place else column.position: column.attnum for n, column in enumerate(live)}
    wanted = [column.attnum for column in live] if -1 in positions else [numbers.get(p, 0) for p in positions]
    return all(judge.on_column(relation, attnum) & bit for attnum in wanted)


def graph_of(database: Database, relation: Relation) -> Relation:
    """The graph that an element table belongs to; any other relation itself."""
    if isinstance(relation, ElementTable):
        graph = database.relation(relation.graph_oid)
        assert isinstance(graph, Graph)
        return graph
    return relation
