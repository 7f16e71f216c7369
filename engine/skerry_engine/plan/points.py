"""Point statements: a whole statement as one plain function, without a generator.

One row read or changed by unique key, one row inserted: the commonest statements there are.  Each fits one
unit and has nothing to wait for but locks, so it is written as a function that returns its result rows.

    SELECT            look the row up, compute the outputs
    UPDATE, DELETE    look it up, compute and check the new row, write it
    INSERT            compute and check the row, write it; in a graph, the nodes and edges of one pattern

Where a write meets a lock or a newer row it raises as `TableWriter` does; the statement is then run again by
the generator that every statement has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from skerry_engine.algebra import expressions as ex
from skerry_engine.algebra import queries as q
from skerry_engine.plan import physical as ph
from skerry_engine.plan.changes import check_new_row
from skerry_engine.plan.expressions import RowVariable, may_yield
from skerry_engine.plan.graph_changes import write_insert_point
from skerry_engine.plan.relations import RelationWriter
from skerry_engine.plan.source import Block

if TYPE_CHECKING:
    from skerry_engine.plan.queries import QueryWriter


def write_point(queries: QueryWriter, query: q.Query) -> str | None:
    """The name of the statement's plain function; None if the statement is more than a point."""
    plan = queries.physical[0][1] if len(queries.physical) == 1 else None
    if isinstance(query, q.GraphInsert):
        return write_insert_point(queries, query) if isinstance(plan, ph.OneRow) else None
    if plan is None or not _is_plain(query) or any(may_yield(e) for e in _expressions(query)):
        return None
    if isinstance(plan, ph.OneRow):
        return None if isinstance(query, (q.Update, q.Delete)) else PointWriter(queries).write(query, None)
    if isinstance(plan, ph.IndexLookup) and plan.unique and not isinstance(query, q.Insert):
        return None if any(may_yield(f) for f in plan.filters) else PointWriter(queries).write(query, plan)
    return None


def _is_plain(query: q.Query) -> bool:
    """Whether the statement does no more than a point can."""
    if isinstance(query, q.Select):
        return not (query.distinct or query.distinct_on or query.limit or query.offset or query.locks)
    if isinstance(query, q.Insert):
        return query.conflict is None
    return isinstance(query, (q.Update, q.Delete))


def _expressions(query: q.Query) -> tuple[ex.Expr, ...]:
    if isinstance(query, q.Select):
        return query.outputs
    if isinstance(query, (q.Insert, q.Update)):
        return query.row + query.returning
    return query.returning if isinstance(query, q.Delete) else ()


class PointWriter:
    """Writes the function of one point statement."""

    def __init__(self, queries: QueryWriter) -> None:
        self.module = queries.module
        self.block = Block(self.module, self.module.fresh("point"), [])
        self.relations = RelationWriter(queries, self.block, {})

    def write(self, query: q.Query, plan: ph.IndexLookup | None) -> str:
        """The whole function; `plan` is None where nothing is read."""
        if isinstance(query, q.Select):
            self._select(query, plan)
        elif isinstance(query, q.Insert):
            self._insert(query)
        else:
            assert plan is not None and isinstance(query, (q.Update, q.Delete))
            self._change(query, plan)
        self.module.functions.append([self.block.header, *self.block.prologue, *self.block.lines])
        return self.block.name

    def _tuple(self, exprs: tuple[ex.Expr, ...]) -> str:
        return f"({', '.join([self.relations.scalars.value(e) for e in exprs])},)" if exprs else "()"

    # --- reading ----------------------------------------

    def _look_up(self, plan: ph.IndexLookup) -> tuple[str, str, str]:
        """Reader, index and key, as Python text."""
        scan = plan.scan
        reader = self.relations.reader(scan.range_id, scan.table_oid)
        index = self.relations.index(scan.range_id, scan.table_oid, plan.index_oid)
        key = self.relations.index_key(index, plan.index_oid, scan.table_oid, plan.keys, plan.is_dynamic)
        return reader, index, key

    def _end_unless(self, condition: str) -> None:
        self.block.emit(f"if not {condition}:")
        self.block.emit("    return []")

    def _filter(self, plan: ph.IndexLookup, row: RowVariable) -> None:
        self.relations.rows[plan.scan.range_id] = row
        for condition in plan.filters:
            self._end_unless(self.relations.scalars.is_true(condition))

    def _select(self, query: q.Select, plan: ph.IndexLookup | None) -> None:
        if plan is not None:
            self._filter(plan, self._found_row(plan))
        self.block.emit(f"return [{self._tuple(query.outputs)}]")

    def _found_row(self, plan: ph.IndexLookup) -> RowVariable:
        """The row, with its id where that is asked for; without one the function has ended."""
        if plan.scan.range_id in self.relations.ids_wanted:
            return self._row_with_id(plan)
        reader, index, key = self._look_up(plan)
        row = RowVariable(self.module.fresh("r"), plan.scan.width)
        self.block.emit(f"{row.name} = {reader}.lookup({index}, {key})")
        self.block.emit(f"if {row.name} is None:")
        self.block.emit("    return []")
        return row

    def _row_with_id(self, plan: ph.IndexLookup) -> RowVariable:
        reader, index, key = self._look_up(plan)
        row_id, found = self.module.fresh("id"), self.module.fresh("b")
        row = RowVariable(self.module.fresh("r"), plan.scan.width, row_id)
        self.block.emit(f"{found} = {reader}.lookup_ids({index}, {key})")
        self._end_unless(f"{found}[0]")
        self.block.emit(f"({row_id},), ({row.name},) = {found}")
        return row

    # --- changing ----------------------------------------

    def _insert(self, query: q.Insert) -> None:
        row = RowVariable(self.module.fresh("r"), query.target.width)
        writer = self.block.declare("writer", f"ctx.writer({query.target.table_oid})")
        self.block.emit(f"{row.name} = {self._tuple(query.row)}")
        check_new_row(self.block, self.relations.scalars, query.target, row)
        self.block.emit(f"{writer}.insert({row.name})")
        self._returning(query)

    def _change(self, query: q.Update | q.Delete, plan: ph.IndexLookup) -> None:
        block, target = self.block, query.target
        writer = block.declare("writer", f"ctx.writer({target.table_oid})")
        old = self._row_with_id(plan)
        row_id = old.id_name
        self._filter(plan, old)
        if isinstance(query, q.Update):
            new = RowVariable(self.module.fresh("r"), target.width)
            block.emit(f"{new.name} = {self._tuple(query.row)}")
            check_new_row(block, self.relations.scalars, target, new)
            block.emit(f"{writer}.update({row_id}, {old.name}, {new.name})")
        else:
            self.relations.rows[target.range_id] = RowVariable(old.name, target.width)
            block.emit(f"{writer}.delete({row_id}, {old.name})")
        self._returning(query)

    def _returning(self, query: q.Insert | q.Update | q.Delete) -> None:
        self.block.emit("ctx.row_count = 1")
        self.block.emit(f"return [{self._tuple(query.returning)}]" if query.returning else "return []")
