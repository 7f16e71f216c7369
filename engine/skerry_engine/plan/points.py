"""Point statements: a whole statement as one plain function, without a generator.

A SELECT of one row by unique key is the commonest statement there is.  It fits one unit, reads one row and
waits for nothing, so it is written as a function that returns its rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from skerry_engine.algebra import queries as q
from skerry_engine.plan import physical as ph
from skerry_engine.plan.expressions import RowVariable, may_yield
from skerry_engine.plan.relations import RelationWriter
from skerry_engine.plan.source import Block

if TYPE_CHECKING:
    from skerry_engine.plan.queries import QueryWriter


def write_point_select(queries: QueryWriter, query: q.Select) -> str | None:
    """The name of the function for a SELECT by unique key; None if the query is something else."""
    if (
        query.distinct
        or query.distinct_on
        or query.limit
        or query.offset
        or query.locks
        or not queries.physical
    ):
        return None
    plan = next((p for n, p in queries.physical), None)
    if len(queries.physical) != 1 or not isinstance(plan, (ph.IndexLookup, ph.OneRow)):
        return None
    if isinstance(plan, ph.IndexLookup) and (not plan.unique or any(may_yield(f) for f in plan.filters)):
        return None
    if any(may_yield(e) for e in query.outputs):
        return None
    return _write(queries, query, plan)


def _write(queries: QueryWriter, query: q.Select, plan: ph.IndexLookup | ph.OneRow) -> str:
    name = queries.module.fresh("point")
    block = Block(queries.module, name, [])
    relations = RelationWriter(queries, block, {})
    if isinstance(plan, ph.IndexLookup):
        scan = plan.scan
        reader = relations.reader(scan.range_id, scan.table_oid)
        index = relations.index(scan.range_id, scan.table_oid, plan.index_oid)
        key = relations.index_key(index, plan.index_oid, scan.table_oid, plan.keys)
        row = RowVariable(queries.module.fresh("r"), scan.width)
        relations.rows[scan.range_id] = row
        block.emit(f"{row.name} = {reader}.lookup({index}, {key})")
        block.emit(f"if {row.name} is None:")
        block.emit("    return []")
        for condition in plan.filters:
            block.emit(f"if not {relations.scalars.is_true(condition)}:")
            block.emit("    return []")
    cells = [relations.scalars.value(e) for e in query.outputs]
    block.emit(f"return [({', '.join(cells)},)]" if cells else "return [()]")
    queries.module.functions.append([block.header, *block.prologue, *block.lines])
    return name
