"""INSERT, UPDATE and DELETE to generator functions.

A change is two functions.  The *source* computes what is to be written, in batches, by the same loops as any
query, and checks NOT NULL and CHECK there; the change itself hands each batch to `writing`, which takes
locks, waits and writes, and then computes RETURNING for what was written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from skerry_engine.algebra import expressions as ex
from skerry_engine.algebra import queries as q
from skerry_engine.plan import writing
from skerry_engine.plan.expressions import ExpressionWriter, RowVariable, may_yield
from skerry_engine.plan.relations import OutputSink, RelationWriter, _names, _packed
from skerry_engine.plan.source import Block

if TYPE_CHECKING:
    from skerry_engine.plan.queries import QueryWriter


def check_new_row(block: Block, scalars: ExpressionWriter, target: q.Target, row: RowVariable) -> None:
    """Generated columns, NOT NULL, then CHECK, on the new row, which is the target's range from then on."""
    description = block.module.bind("k", target)
    scalars.rows[target.range_id] = row
    if target.generated:
        computed = {position: scalars.value(expr) for position, expr in target.generated}
        cells = [computed.get(position, f"{row.name}[{position}]") for position in range(target.width)]
        block.emit(f"{row.name} = ({', '.join(cells)},)")
    for position in target.not_null:
        with block.indented(f"if {row.name}[{position}] is None:"):
            failure = block.module.bind("rt", writing.not_null_violation)
            block.emit(f"{failure}(ctx, {description}, {position}, {row.name})")
    for name, check in target.checks:
        with block.indented(f"if {scalars.is_false(check)}:"):
            failure = block.module.bind("rt", writing.check_violation)
            block.emit(f"{failure}(ctx, {description}, {block.module.bind('k', name)}, {row.name})")


class ChangeWriter:
    """Writes one data-modifying query."""

    def __init__(self, queries: QueryWriter, relations: RelationWriter) -> None:
        self.queries = queries
        self.relations = relations
        self.block = relations.block
        self.module = relations.module

    def write(self, query: q.Insert | q.Update | q.Delete) -> None:
        """The whole body of the change's function."""
        self.block.emit(f"writer = ctx.writer({query.target.table_oid})")
        match query:
            case q.Insert():
                self._insert(query)
            case q.Update():
                self._update(query)
            case q.Delete():
                self._delete(query)

    def _source_block(self) -> tuple[str, Block, RelationWriter, str]:
        """A new generator function for the rows to write: (its name, block, writer, its call)."""
        name = self.module.fresh("q")
        outer = self.queries.visible_rows(self.relations.rows)
        block = Block(self.module, name, outer)
        writer = RelationWriter(self.queries, block, dict(self.relations.rows))
        writer.sink = OutputSink(block)
        writer.fan_out = True
        block.declare("out", "[]")
        return name, block, writer, f"{name}({', '.join(['ctx', *outer])})"

    def _finish_source(self, block: Block) -> None:
        block.emit("if out:")
        block.emit("    yield out")
        block.finish()

    def _returning(self, exprs: tuple[ex.Expr, ...], rows: str, item: str, count: bool) -> None:
        """RETURNING for the written items in `rows`."""
        if count:
            self.block.emit(f"ctx.row_count += len({rows})")
        if not exprs:
            self.block.emit("yield PAUSE")
            return
        cells = ", ".join(self.relations.scalars.value(e) for e in exprs)
        if any(may_yield(e) for e in exprs):
            self.block.emit("out = []")
            with self.block.indented(f"for {item} in {rows}:"):
                self.block.emit(f"out.append(({cells},))")
            self.block.emit("yield out or PAUSE")
        else:
            self.block.emit(f"yield [({cells},) for {item.strip('()')} in {rows}] or PAUSE")

    # --- INSERT ----------------------------------------

    def _insert(self, query: q.Insert) -> None:
        target = query.target
        _, block, writer, call = self._source_block()
        plan = self.queries.planner.plan(query.source, [], set(writer.rows))
        self.queries.physical.append((block.name, plan))
        row = RowVariable(self.module.fresh("r"), target.width)

        def consume() -> None:
            cells = ", ".join(writer.scalars.value(e) for e in query.row)
            block.emit(f"{row.name} = ({cells},)" if query.row else f"{row.name} = ()")
            check_new_row(block, writer.scalars, target, row)
            block.emit(f"out.append({row.name})")

        writer.produce(plan, consume)
        self._finish_source(block)
        for guard in () if query.conflict is None else query.conflict.guards:
            with self.block.indented(f"if not {self.relations.scalars.is_true(guard)}:"):
                self.block.emit(f"{self.module.bind('rt', writing.no_arbiter)}()")
        batch = self.module.fresh("b")
        with self.block.each_batch(batch, call):
            if query.conflict is None:
                insert = self.module.bind("rt", writing.insert_rows)
                self.block.emit(f"yield from {insert}(writer, {batch})")
            else:
                upsert = self.module.bind("rt", writing.upsert_rows)
                arguments = self._conflict_arguments(query, query.conflict)
                self.block.emit(f"{batch} = yield from {upsert}(ctx, writer, {batch}, {arguments})")
            self.relations.rows[target.range_id] = row
            self._returning(query.returning, batch, row.name, self.queries.is_main(query))

    def _conflict_arguments(self, query: q.Insert, conflict: q.OnConflict) -> str:
        arbiters = self.module.bind("k", conflict.index_oids)
        if not conflict.do_update:
            return f"{query.target.table_oid}, {arbiters}, None"
        name = self.module.fresh("q")
        existing = RowVariable(self.module.fresh("r"), query.target.width)
        excluded = RowVariable(self.module.fresh("r"), query.target.width)
        block = Block(self.module, name, [existing.name, excluded.name])
        rows = {query.target.range_id: existing, conflict.excluded_range: excluded}
        scalars = ExpressionWriter(block, rows, self.queries)
        if conflict.condition is not None:
            with block.indented(f"if not {scalars.is_true(conflict.condition)}:"):
                block.emit("return None")
        updates = dict(conflict.updates)
        cells = [
            scalars.value(updates[p]) if p in updates else f"{existing.name}[{p}]"
            for p in range(query.target.width)
        ]
        new = RowVariable(self.module.fresh("r"), query.target.width)
        block.emit(f"{new.name} = ({', '.join(cells)},)")
        check_new_row(block, scalars, query.target, new)
        block.emit(f"return {new.name}")
        block.finish()
        return f"{query.target.table_oid}, {arbiters}, {name}"

    # --- UPDATE and DELETE ----------------------------------------

    def _update(self, query: q.Update) -> None:
        target = query.target
        _, block, writer, call = self._source_block()
        plan = self.queries.planner.plan(query.source, [], set(writer.rows))
        self.queries.physical.append((block.name, plan))
        new = RowVariable(self.module.fresh("r"), target.width)
        others: list[tuple[int, RowVariable]] = []

        def consume() -> None:
            old = writer.rows[query.scan_range]
            cells = ", ".join(writer.scalars.value(e) for e in query.row)
            block.emit(f"{new.name} = ({cells},)")
            check_new_row(block, writer.scalars, target, new)
            others[:] = self._other_rows(writer, {query.scan_range, target.range_id})
            extra = "".join(f", {name}" for name in _names([row for _, row in others]))
            block.emit(f"out.append(({old.id_name}, {old.name}, {new.name}{extra}))")

        writer.produce(plan, consume)
        self._finish_source(block)
        batch = self.module.fresh("b")
        with self.block.each_batch(batch, call):
            slot = self.queries.slots[query.scan_range]
            update = self.module.bind("rt", writing.update_rows)
            self.block.emit(f"{batch} = yield from {update}(ctx, writer, {batch}, {slot}, lambda: {call})")
            self.relations.rows[target.range_id] = new
            for range_id, row in others:
                self.relations.rows[range_id] = row
            item = f"(_, _, {', '.join(_names([new, *(row for _, row in others)]))})"
            self._returning(query.returning, batch, item, self.queries.is_main(query))

    def _delete(self, query: q.Delete) -> None:
        target = query.target
        _, block, writer, call = self._source_block()
        plan = self.queries.planner.plan(query.source, [], set(writer.rows))
        self.queries.physical.append((block.name, plan))
        others: list[tuple[int, RowVariable]] = []
        made: list[RowVariable] = []

        def consume() -> None:
            old = writer.rows[target.range_id]
            made[:] = [old]
            others[:] = self._other_rows(writer, {target.range_id})
            extra = "".join(f", {name}" for name in _names([row for _, row in others]))
            block.emit(f"out.append(({old.id_name}, {old.name}{extra}))")

        writer.produce(plan, consume)
        self._finish_source(block)
        batch = self.module.fresh("b")
        with self.block.each_batch(batch, call):
            slot = self.queries.slots[target.range_id]
            delete = self.module.bind("rt", writing.delete_rows)
            self.block.emit(f"{batch} = yield from {delete}(ctx, writer, {batch}, {slot}, lambda: {call})")
            self.relations.rows[target.range_id] = RowVariable(made[0].name, target.width)
            for range_id, row in others:
                self.relations.rows[range_id] = row
            item = f"(_, {', '.join(_names([RowVariable(made[0].name, target.width), *(row for _, row in others)]))})"
            self._returning(query.returning, batch, item, self.queries.is_main(query))

    def _other_rows(self, writer: RelationWriter, own: set[int]) -> list[tuple[int, RowVariable]]:
        """The source's rows besides the target's, for RETURNING."""
        seen: set[str] = {writer.rows[r].name for r in own if r in writer.rows}
        others: list[tuple[int, RowVariable]] = []
        for range_id, row in writer.live_rows().items():
            if range_id in own or range_id in self.relations.rows or row.name in seen:
                continue
            seen.add(row.name)
            others.append((range_id, row))
        return others


__all__ = ["ChangeWriter", "_packed"]
