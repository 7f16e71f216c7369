"""Physical relations to Python loops.

Data-centric: a node does not hand rows to its parent, it writes the loop in which a row is current and then
lets its parent write what happens to that row (`consume`).  So a query without a blocking operator is one
nest of loops, and a row is never passed through a call.

    for r1 in batch:                      SeqScan a
        if r1[2] > p0:                        its filter
            for r2 in h1.get(r1[0], ()):      HashJoin: probe
                out.append((r1[1], r2[3]))        the select list

Blocking nodes (hash tables, groups, sorts) write a loop that fills a structure, then a loop over it.  A
*stage* is a pipeline moved into a generator of its own that yields batches of row variables: where a batch is
needed at once (index joins), where a row is emitted from more than one place (full joins),
and where nesting would grow too deep.

Every loop over shared or unbounded input ends its batch by yielding: output if there is any, else PAUSE.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from skerry_engine import errors
from skerry_engine.algebra import expressions as ex
from skerry_engine.algebra import queries as q
from skerry_engine.plan import physical as ph
from skerry_engine.plan import runtime
from skerry_engine.plan.aggregates import AggregateWriter
from skerry_engine.plan.element_code import ElementWriter
from skerry_engine.plan.expressions import ExpressionWriter, RowVariable, is_hashable, may_yield
from skerry_engine.plan.path_code import PathWriter
from skerry_engine.plan.procedures import ProcedureCall
from skerry_engine.plan.source import MAX_NESTED_LOOPS, AppendRow, Block, CountRows, ThenJoin
from skerry_engine.storage.index import NO_KEY
from skerry_engine.values import oids
from skerry_engine.values.graphs import UNTAGGED
from skerry_engine.values.keys import KeyCodec, KeyColumn

if TYPE_CHECKING:
    from skerry_engine.plan.queries import QueryWriter

Consume = Callable[[], None]

WORK_PER_UNIT = 4096
"""Rows that inner loops may look at between two pauses."""


class Sink:
    """What a pipeline's loops do at their edges; the base only pauses."""

    def __init__(self, block: Block) -> None:
        self.block = block

    def row_end(self) -> None:
        """After one driving row that may have produced many."""

    def batch_end(self) -> None:
        """After a batch of driving rows."""
        self.block.emit("yield PAUSE")


class OutputSink(Sink):
    """Collects rows in `out` and yields them by the batch."""

    def row_end(self) -> None:
        with self.block.indented(f"if len(out) >= {runtime.BATCH}:"):
            self.block.emit("yield out")
            self.block.emit("out = []")

    def batch_end(self) -> None:
        self.block.emit("yield out or PAUSE")
        self.block.emit("out = []")


class RelationWriter:
    """Writes the loops of one generated function."""

    def __init__(self, queries: QueryWriter, block: Block, rows: dict[int, RowVariable]) -> None:
        self.queries = queries
        self.block = block
        self.module = block.module
        self.rows = rows
        self.dormant: set[int] = set()  # ranges of `rows` that stand in no row now: their loops are behind us
        self.scalars = ExpressionWriter(block, rows, queries)
        self.sink: Sink = Sink(block)
        self.fan_out = False
        self.inner = 0
        self.ids_wanted: frozenset[int] = queries.ids_wanted
        self.elements = ElementWriter(self)

    # --- entry ----------------------------------------

    def produce(self, node: ph.Physical, consume: Consume) -> None:
        """Write loops in whose innermost body every row of `node` is current; `consume` writes that body."""
        if self.block.loops >= MAX_NESTED_LOOPS and not isinstance(node, ph.OneRow):
            self._produce_stage(node, consume)
            return
        match node:
            case ph.OneRow():
                consume()
            case ph.SeqScan():
                self._seq_scan(node, consume)
            case ph.VirtualScan():
                self._list_rows(
                    f"ctx.virtual({node.scan.table_oid})",
                    node.scan.range_id,
                    node.scan.width,
                    node.filters,
                    consume,
                )
            case ph.IndexLookup():
                self._index_lookup(node, consume)
            case ph.IndexKeys():
                self._index_keys(node, consume)
            case ph.IndexRange():
                self._index_range(node, consume)
            case ph.ValuesRows():
                self._values(node, consume)
            case ph.FunctionRows():
                self._functions(node, consume)
            case ph.SubqueryRows():
                self._subquery(node, consume)
            case ph.CteRows():
                self._cte(node, consume)
            case ph.BindingRows():
                rows = f"ctx.bindings[{node.bindings.number}]"
                self._list_rows(rows, node.bindings.range_id, node.bindings.width, node.filters, consume)
            case ph.RowLookup() | ph.LabelScan() | ph.WaysScan() | ph.WaysLookup() | ph.RowJoin():
                self.elements.write(node, consume)
            case ph.PathRows():
                row = self._bind_row(node.search.range_id, len(node.search.outputs))
                is_read = bool(node.filters) or self.elements.is_attached(node.search.range_id)
                is_counted = isinstance(consume, CountRows) and not is_read
                call = PathWriter(self).call(node, is_counted)
                self._batches(call, row, node.filters, consume, node.search.range_id)
            case ph.ProcedureRows():
                row = self._bind_row(node.call.range_id, len(node.call.types))
                self._batches(self._procedure(node.call), row, node.filters, consume)
            case ph.Filtered():
                self.produce(node.input, lambda: self._where(node.filters, consume))
            case ph.HashJoin():
                self._hash_join(node, consume)
            case ph.IndexJoin():
                self._index_join(node, consume)
            case ph.NestedLoop():
                self._nested_loop(node, consume)
            case ph.Aggregate():
                AggregateWriter(self).write(node, consume)
            case ph.WindowRows():
                self._windows(node, consume)
            case ph.SetFunctions():
                self._set_functions(node, consume)
            case _:
                raise AssertionError(f"no code for {type(node).__name__}")

    # --- pieces ----------------------------------------

    def _where(self, filters: list[ex.Expr], consume: Consume) -> None:
        """`consume` inside an `if` per condition; those with subqueries last."""
        ordered = sorted(filters, key=may_yield)
        with ExitStack() as stack:
            for condition in ordered:
                stack.enter_context(self.block.indented(f"if {self.scalars.is_true(condition)}:"))
            consume()

    def _bind_row(self, range_id: int, width: int, with_id: bool = False) -> RowVariable:
        name = self.module.fresh("r")
        row = RowVariable(name, width, self.module.fresh("id") if with_id else None)
        self._make_current(range_id, row)
        return row

    def _make_current(self, range_id: int, row: RowVariable) -> None:
        self.rows[range_id] = row
        self.dormant.discard(range_id)

    def live_rows(self) -> dict[int, RowVariable]:
        """The row variables that hold a row here."""
        return {r: row for r, row in self.rows.items() if r not in self.dormant}

    def _driving(self) -> bool:
        return self.inner == 0

    def _after_row(self) -> None:
        if self._driving() and self.fan_out:
            self.sink.row_end()

    def _after_batch(self, length: str) -> None:
        if self._driving():
            self.sink.batch_end()
        else:
            self._count_work(length)

    def _count_work(self, amount: str) -> None:
        """Pause when inner loops have looked at many rows since the last pause."""
        self.block.declare("work", "0")
        self.block.emit(f"work += {amount}")
        with self.block.indented(f"if work >= {WORK_PER_UNIT}:"):
            self.block.emit("work = 0")
            self.block.emit("yield PAUSE")

    def _row_loop(
        self,
        row: RowVariable,
        batch: str,
        ids: str | None,
        filters: list[ex.Expr],
        consume: Consume,
        range_id: int = -1,
    ) -> None:
        """The loop over a batch of rows of a range; with them the rows that row joins have attached to it."""
        if self.elements.is_attached(range_id):
            names = [row.name] if row.id_name is None else [row.name, row.id_name]
            self.elements.joined_loop(
                range_id, names, [batch] if ids is None else [batch, ids], filters, consume
            )
            return
        if isinstance(consume, AppendRow) and not any(map(may_yield, filters)):
            item, source = row.name, batch
            if row.id_name is not None:
                item, source = f"{row.id_name}, {row.name}", f"zip({ids}, {batch})"
            consume.rows_of(item, source, [self.scalars.is_true(c) for c in filters])
            return
        if isinstance(consume, CountRows) and not any(map(may_yield, filters)):
            item, source = row.name, batch
            if row.id_name is not None:
                item, source = f"{row.id_name}, {row.name}", f"zip({ids}, {batch})"
            consume.rows_of(item, source, [self.scalars.is_true(c) for c in filters])
            return
        header = f"for {row.name} in {batch}:"
        if row.id_name is not None:
            header = f"for {row.id_name}, {row.name} in zip({ids}, {batch}):"
        with self.block.indented(header):
            self.inner += 1
            self._where(filters, consume)
            self.inner -= 1
            self._after_row()

    # --- tables ----------------------------------------

    def reader(self, range_id: int, table_oid: int) -> str:
        """The local name of the table's reader."""
        slot = self.queries.reader_slot(range_id, table_oid)
        return self.block.declare(f"rd{slot}", f"ctx.reader({slot})")

    def index(self, range_id: int, table_oid: int, index_oid: int) -> str:
        """The local name of an index."""
        slot = self.queries.reader_slot(range_id, table_oid)
        return self.block.declare(f"ix{slot}_{index_oid}", f"ctx.index({slot}, {index_oid})")

    def _seq_scan(self, node: ph.SeqScan, consume: Consume) -> None:
        scan = node.scan
        reader = self.reader(scan.range_id, scan.table_oid)
        row = self._bind_row(scan.range_id, scan.width, scan.range_id in self.ids_wanted)
        batch, after = self.module.fresh("b"), self.module.fresh("a")
        ids = self.module.fresh("ids") if row.id_name else None
        self.block.emit(f"{after} = -1")
        with self.block.indented("while True:"):
            if ids is not None:
                self.block.emit(
                    f"{ids}, {batch}, {after} = {reader}.scan_ids_batch({after}, {runtime.BATCH})"
                )
            else:
                self.block.emit(f"{batch}, {after} = {reader}.scan_batch({after}, {runtime.BATCH})")
            self._row_loop(row, batch, ids, node.filters, consume, scan.range_id)
            self._after_batch(f"len({batch}) + 8")
            with self.block.indented(f"if {after} < 0:"):
                self.block.emit("break")

    def _index_lookup(self, node: ph.IndexLookup, consume: Consume) -> None:
        if not self._driving() and self.elements.expand(node, consume):
            return
        scan = node.scan
        reader = self.reader(scan.range_id, scan.table_oid)
        index = self.index(scan.range_id, scan.table_oid, node.index_oid)
        key = self.index_key(index, node.index_oid, scan.table_oid, node.keys, node.is_dynamic)
        row = self._bind_row(scan.range_id, scan.width, scan.range_id in self.ids_wanted)
        if node.unique and row.id_name is None:
            with self.block.indented(f"if ({row.name} := {reader}.lookup({index}, {key})) is not None:"):
                self._where(node.filters, consume)
            if self._driving():
                self.sink.batch_end()
            return
        batch, wanted = self.module.fresh("b"), self.module.fresh("k_")
        ids = self.module.fresh("ids") if row.id_name else None
        values = ", ".join(
            self._dynamic_atoms(node.keys) if node.is_dynamic else map(self.scalars.value, node.keys)
        )
        helper = self.module.bind("rt", runtime.index_rows if ids is None else runtime.index_rows_ids)
        item = batch if ids is None else f"{ids}, {batch}"
        few = "few" if ids is None else "few_ids"
        self.block.emit(f"{wanted} = {key}")
        self.block.emit(f"{batch} = {reader}.{few}({index}, {wanted}, {runtime.FEW})")
        many = f"{helper}({reader}, {index}, {wanted}, ({values},))"
        with self.block.indented(f"for {item} in (({batch},) if {batch} is not None else {many}):"):
            self.fan_out = self.fan_out or not self._driving()
            self._row_loop(row, batch, ids, node.filters, consume, scan.range_id)
            self._after_batch(f"len({batch})")

    def _index_keys(self, node: ph.IndexKeys, consume: Consume) -> None:
        scan = node.scan
        reader = self.reader(scan.range_id, scan.table_oid)
        index = self.index(scan.range_id, scan.table_oid, node.index_oid)
        row = self._bind_row(scan.range_id, scan.width, scan.range_id in self.ids_wanted)
        keys, found = self.module.fresh("b"), self.module.fresh("m")
        made = f"{self.module.bind('rt', runtime.index_keys)}({index}, {self.scalars.value(node.array)})"
        with self.block.indented(f"for {keys} in {made}:"):
            helper = self.module.bind("rt", runtime.index_matches)
            pairs = self.module.fresh("p_")
            source = f"{helper}({reader}, {index}, {keys}, {keys}, {row.id_name is not None})"
            self.fan_out = True
            with self.block.indented(f"for {pairs} in {source}:"):
                rows = self.block.indented(f"for _, {found} in {pairs}:")
                with rows, self.block.indented(f"for {_packed([row])} in {found}:"):
                    self.inner += 1
                    self._where(node.filters, consume)
                    self.inner -= 1
                    self._after_row()
                self._after_batch(f"len({keys})")

    def _dynamic_atoms(self, keys: list[ex.Expr]) -> list[str]:
        return [self._tagged(self.scalars.value(key), key.type.oid) for key in keys]

    def _tagged(self, text: str, type_oid: int) -> str:
        """A value (not NULL, where it matters) as an ANYVALUE."""
        return text if type_oid in UNTAGGED or type_oid == oids.ANYVALUE else f"({type_oid}, {text})"

    def index_key(
        self, index: str, index_oid: int, table_oid: int, keys: list[ex.Expr], is_dynamic: bool = False
    ) -> str:
        """Python text of an index's equality key; NO_KEY, which no entry has, where a part is NULL."""
        texts, guards = self.scalars.guarded_arguments(keys, lambda _: True)
        if is_dynamic:
            texts = [self._tagged(text, key.type.oid) for text, key in zip(texts, keys, strict=True)]
        if len(keys) == 1 and self.queries.index_key_is_atom(table_oid, index_oid):
            made = texts[0]
        else:
            codec = self.block.declare(f"eq_{index}", f"{index}.codec.equality_key")
            made = f"{codec}(({', '.join(texts)},))"
        if not guards:
            return made
        return f"({made} if {' and '.join(guards)} else {self.module.bind('no_key', NO_KEY)})"

    def _index_range(self, node: ph.IndexRange, consume: Consume) -> None:
        scan = node.scan
        reader = self.reader(scan.range_id, scan.table_oid)
        index = self.index(scan.range_id, scan.table_oid, node.index_oid)
        bounds = self.module.bind("rt", runtime.index_bounds)
        low_high = self.module.fresh("lh")
        equal = ", ".join(self.scalars.value(e) for e in node.equal)
        ends = [
            self.scalars.value(limit.expr) if limit is not None else "" for limit in (node.low, node.high)
        ]
        if node.is_dynamic:
            equal = ", ".join(self._dynamic_atoms(node.equal))
            ends = [
                "" if limit is None else self._dynamic_atoms([limit.expr])[0]
                for limit in (node.low, node.high)
            ]
        limits = [
            "None" if limit is None else f"({end}, {limit.inclusive})"
            for limit, end in zip((node.low, node.high), ends, strict=True)
        ]
        equal_tuple = f"({equal},)" if node.equal else "()"
        self.block.emit(
            f"{low_high} = {bounds}({index}.codec, {equal_tuple}, {limits[0]}, {limits[1]}, {node.key_descending})"
        )
        row = self._bind_row(scan.range_id, scan.width, scan.range_id in self.ids_wanted)
        batch, ids, after = self.module.fresh("b"), self.module.fresh("ids"), self.module.fresh("a")
        self.block.emit(f"{after} = None")
        with self.block.indented(f"while {low_high} is not None:"):
            self.block.emit(
                f"{ids}, {batch}, {after} = {reader}.index_batch"
                f"({index}, {low_high}[0], {low_high}[1], {after}, {runtime.BATCH}, {node.backward})"
            )
            self.fan_out = self.fan_out or not self._driving()
            self._row_loop(row, batch, ids, node.filters, consume, scan.range_id)
            self._after_batch(f"len({batch}) + 8")
            with self.block.indented(f"if {after} is None:"):
                self.block.emit("break")

    # --- rows from elsewhere ----------------------------------------

    def _list_rows(
        self, source: str, range_id: int, width: int, filters: list[ex.Expr], consume: Consume
    ) -> None:
        """Rows of a list that nobody else changes, in chunks."""
        row = self._bind_row(range_id, width)
        chunk = self.module.fresh("b")
        with self.block.indented(f"for {chunk} in chunks({source}):"):
            self._row_loop(row, chunk, None, filters, consume)
            self.fan_out = self.fan_out or not self._driving()
            self._after_batch(f"len({chunk})")

    def _batches(
        self, source: str, row: RowVariable, filters: list[ex.Expr], consume: Consume, range_id: int = -1
    ) -> None:
        """Rows of a generator of batches."""
        batch = self.module.fresh("b")
        with self.block.each_batch(batch, source):
            self._row_loop(row, batch, None, filters, consume, range_id)
            self.fan_out = self.fan_out or not self._driving()
            self._after_batch(f"len({batch})")

    def _values(self, node: ph.ValuesRows, consume: Consume) -> None:
        values = node.values
        if values.data_index >= 0:
            self._templated_values(node, consume)
            return
        rows = [f"({', '.join(self.scalars.value(e) for e in row)},)" if row else "()" for row in values.rows]
        name = self.module.fresh("v")
        self.block.emit(f"{name} = [{', '.join(rows)}]")
        row = self._bind_row(values.range_id, len(values.types))
        self.fan_out = self.fan_out or not self._driving()
        self._row_loop(row, name, None, node.filters, consume)
        self._after_batch(f"len({name})")

    def _templated_values(self, node: ph.ValuesRows, consume: Consume) -> None:
        values = node.values
        chunk, made, data, number = (self.module.fresh(p) for p in ("b", "v", "d", "n"))
        with self.block.indented(f"for {chunk} in chunks(ctx.data[{values.data_index}]):"):
            if len(values.templates) == 1:
                template = values.templates[0]
                self.rows[template.data_range] = RowVariable(data, 0)
                cells = ", ".join(self.scalars.value(e) for e in template.exprs)
                self.block.emit(f"{made} = [({cells},) for _, {data} in {chunk}]")
            else:
                self.block.emit(f"{made} = []")
                with self.block.indented(f"for {number}, {data} in {chunk}:"):
                    for position, template in enumerate(values.templates):
                        self.rows[template.data_range] = RowVariable(data, 0)
                        cells = ", ".join(self.scalars.value(e) for e in template.exprs)
                        with self.block.indented(f"if {number} == {position}:"):
                            self.block.emit(f"{made}.append(({cells},))")
            row = self._bind_row(values.range_id, len(values.types))
            self._row_loop(row, made, None, node.filters, consume)
            self._after_batch(f"len({chunk})")

    def _functions(self, node: ph.FunctionRows, consume: Consume) -> None:
        scan = node.scan
        width = sum(scan.column_counts) + scan.ordinality
        helper = self.module.bind("rt", runtime.function_rows)
        calls = []
        for call, count in zip(scan.calls, scan.column_counts, strict=True):
            is_set = isinstance(call, ex.Call) and call.function.returns_set
            calls.append(f"({self.scalars.value(call)}, {count}, {is_set})")
        row = self._bind_row(scan.range_id, width)
        chunk = self.module.fresh("b")
        with self.block.indented(f"for {chunk} in {helper}(({', '.join(calls)},), {scan.ordinality}):"):
            self.fan_out = self.fan_out or not self._driving()
            self._row_loop(row, chunk, None, node.filters, consume)
            self._after_batch(f"len({chunk})")

    def _subquery(self, node: ph.SubqueryRows, consume: Consume) -> None:
        call, _ = self.queries.subquery_call(node.derived.query, self.scalars)
        row = self._bind_row(node.derived.range_id, len(node.derived.query.columns))
        self._batches(call, row, node.filters, consume)

    def _cte(self, node: ph.CteRows, consume: Consume) -> None:
        source, is_list = self.queries.cte_source(node.scan.cte_id, self)
        if is_list:
            self._list_rows(source, node.scan.range_id, node.scan.width, node.filters, consume)
        else:
            row = self._bind_row(node.scan.range_id, node.scan.width)
            self._batches(source, row, node.filters, consume)

    def _procedure(self, call: q.GraphProcedure) -> str:
        nodes, edges = call.nodes, call.edges
        made = ProcedureCall(call.name, call.graph_oid, nodes.table_oid, edges.table_oid)
        readers = ", ".join(self.reader(scan.range_id, scan.table_oid) for scan in (nodes, edges))
        args = "".join(f"{self.scalars.value(arg)}, " for arg in call.args)
        options = "None" if call.options is None else self.scalars.value(call.options)
        return f"{self.module.bind('procedure', made)}.run(ctx, {readers}, ({args}), {options})"

    # --- stages ----------------------------------------

    def stage(self, node: ph.Physical) -> tuple[str, list[tuple[int, RowVariable]]]:
        """Move `node` into a generator function: (its call, the row variables in each item of its batches).

        With one row variable, and no row id, an item is the row itself; else a tuple of them.
        """
        function = self.module.fresh("q")
        live = self.live_rows()
        outer = self.queries.visible_rows(live)
        block = Block(self.module, function, outer)
        writer = RelationWriter(self.queries, block, live)
        writer.sink = OutputSink(block)
        block.declare("out", "[]")
        writer.fan_out = True
        made: list[tuple[int, RowVariable]] = []

        def consume() -> None:
            made[:] = [(r, writer.rows[r]) for r in ph.ranges_of(node)]
            block.emit(f"out.append({_packed([row for _, row in made])})")

        writer.produce(node, consume)
        block.emit("if out:")
        block.emit("    yield out")
        block.finish()
        return f"{function}({', '.join(['ctx', *outer])})", made

    def _produce_stage(self, node: ph.Physical, consume: Consume) -> None:
        call, made = self.stage(node)
        self._stage_rows(call, made, consume)

    def _stage_rows(self, call: str, made: list[tuple[int, RowVariable]], consume: Consume) -> None:
        """The rows of a stage, which become current under the names they were made with."""
        batch = self.module.fresh("b")
        for range_id, row in made:
            self._make_current(range_id, row)
        with self.block.each_batch(batch, call):
            with self.block.indented(f"for {_packed([row for _, row in made])} in {batch}:"):
                self.inner += 1
                consume()
                self.inner -= 1
                self._after_row()
            self._after_batch(f"len({batch})")

    # --- joins ----------------------------------------

    def _extended(self, ranges: dict[int, int]) -> None:
        """Mark rows as possibly NULL-extended from here on."""
        for range_id in ranges:
            row = self.rows[range_id]
            self.rows[range_id] = replace(row, extended=True)

    def _null_rows(self, ranges: dict[int, int]) -> str:
        """The name of a one-item list: what stands for the missing side of an outer join."""
        rows: list[object] = []
        for range_id, width in ranges.items():
            rows.append(None if self.rows[range_id].only >= 0 else (None,) * width)
            if self.rows[range_id].id_name is not None:
                rows.append(None)
        item = rows[0] if len(rows) == 1 else tuple(rows)
        name = self.module.fresh("nulls")
        self.module.namespace[name] = [item]
        return name

    def _pack_of(self, ranges: dict[int, int]) -> str:
        return _packed([self.rows[r] for r in ranges])

    def key_text(self, keys: list[ex.Expr]) -> tuple[str, str | None]:
        """(hash key text, name of the key if NULL is possible).  NULL in any part makes the whole None."""
        parts, guards = self.scalars.guarded_arguments(keys, lambda _: True)
        made = [self.hash_atom(text, key.type.oid) for text, key in zip(parts, keys, strict=True)]
        text = made[0] if len(made) == 1 else f"({', '.join(made)})"
        if guards:
            return f"({text} if {' and '.join(guards)} else None)", "nullable"
        return text, None

    def hash_atom(self, text: str, type_oid: int) -> str:
        """`text` (a non-null value) so that equal values hash alike: one NaN,
        canonical intervals and documents."""
        if is_hashable(type_oid):
            return text
        if type_oid in (oids.FLOAT4, oids.FLOAT8):
            nan = self.module.bind("k", runtime.FLOAT_NAN)
            return f"({text} if {text} == {text} else {nan})"
        if type_oid == oids.NUMERIC:
            nan = self.module.bind("k", runtime.NUMERIC_NAN)
            return f"({text} if {text} == {text} else {nan})"
        codec = self.queries.canonical_key(type_oid)
        return f"{self.module.bind('canon', codec)}(({text},))"

    def _build_hash(self, node: ph.HashJoin, as_set: bool) -> str:
        """Write the loop that reads the right side into a hash table; returns the table's name."""
        table = self.module.fresh("h")
        ranges = ph.ranges_of(node.right)
        self.block.emit(f"{table} = set()" if as_set else f"{table} = {{}}")
        self.block.emit(f"{table}_rows = 0")

        def consume() -> None:
            text, nullable = self.key_text(node.right_keys)
            key = self.module.fresh("k_")
            self.block.emit(f"{key} = {text}")
            with ExitStack() as stack:
                if nullable:
                    stack.enter_context(self.block.indented(f"if {key} is not None:"))
                if as_set:
                    self.block.emit(f"{table}.add({key})")
                    return
                item = self._pack_of(ranges)
                self.block.emit(f"if {key} in {table}:")
                self.block.emit(f"    {table}[{key}].append({item})")
                self.block.emit("else:")
                self.block.emit(f"    {table}[{key}] = [{item}]")

        self.blocking(lambda: self.produce(node.right, consume), f"len({table})")
        return table

    def blocking(self, write: Callable[[], None], size: str) -> None:
        """Write a pipeline that fills a structure: its batches end with a pause and a memory check."""
        saved_sink, saved_inner, saved_fan = self.sink, self.inner, self.fan_out
        self.sink = MemorySink(self.block, size)
        self.inner = 0
        before = set(self.rows) - self.dormant
        write()
        self.dormant |= self.rows.keys() - before
        self.sink, self.inner, self.fan_out = saved_sink, saved_inner, saved_fan

    def _hash_join(self, node: ph.HashJoin, consume: Consume) -> None:
        if node.kind == "full":
            self._produce_full(node, consume)
            return
        ranges = ph.ranges_of(node.right)
        membership = node.kind in ("semi", "anti") and not node.residual
        table = self._build_hash(node, membership)

        def probe() -> None:
            key, _ = self.key_text(node.left_keys)
            if membership:
                test = "in" if node.kind == "semi" else "not in"
                with self.block.indented(f"if {key} {test} {table}:"):
                    consume()
                return
            source = f"{table}.get({key}, ())"
            if self._is_unique(node.right, node.right_keys):
                self._matches(node.kind, source, ranges, node.residual, consume)
                return
            found = self.module.fresh("m")
            self.block.emit(f"{found} = {source}")
            self._matches(node.kind, found, ranges, node.residual, consume)
            self._count_work(f"len({found})")

        self.produce(node.left, probe)

    def _is_unique(self, node: ph.Physical, keys: list[ex.Expr]) -> bool:
        """Whether no two rows of the node can have the same keys: it reads one table,
        and a unique index says so."""
        if not isinstance(node, (ph.SeqScan, ph.IndexLookup, ph.IndexRange)):
            return False
        columns = {k.position for k in keys if isinstance(k, ex.Column) and k.range_id == node.scan.range_id}
        return any(
            index.unique and columns.issuperset(index.positions)
            for index in self.queries.inputs.indexes(node.scan.table_oid)
        )

    def _matches(
        self, kind: str, source: str, ranges: dict[int, int], conditions: list[ex.Expr], consume: Consume
    ) -> None:
        """Write what a join does with the candidate matches (`source`, an iterable of packed rows)
        of one row."""
        item = self._pack_of(ranges)
        self.dormant -= ranges.keys()
        if kind in ("semi", "anti"):
            self._first_match(kind, source, ranges, conditions, consume)
            return
        self.fan_out = True
        if kind == "left":
            source = self._matches_or_nulls(source, item, ranges, conditions)
            conditions = []
            self._extended(ranges)
        with self.block.indented(f"for {item} in {source}:"):
            self.inner += 1
            self._where(conditions, consume)
            self.inner -= 1

    def _matches_or_nulls(
        self, source: str, item: str, ranges: dict[int, int], conditions: list[ex.Expr]
    ) -> str:
        nulls = self._null_rows(ranges)
        if not conditions:
            if source.endswith(", ())"):
                return f"{source[:-5]}, {nulls})"
            return f"({source} or {nulls})"
        matches = self.module.fresh("m")
        if any(may_yield(c) for c in conditions):
            self.block.emit(f"{matches} = []")
            with self.block.indented(f"for {item} in {source}:"):
                self._where(conditions, lambda: self.block.emit(f"{matches}.append({item})"))
        else:
            tests = " and ".join(self.scalars.is_true(c) for c in conditions)
            # the candidates have a name of their own: Python takes no :=
            # in what a comprehension iterates over
            self.block.emit(f"{matches} = {source}")
            self.block.emit(f"{matches} = [{item} for {item.strip('()')} in {matches} if {tests}]")
        return f"{matches} or {nulls}"

    def _first_match(
        self, kind: str, source: str, ranges: dict[int, int], conditions: list[ex.Expr], consume: Consume
    ) -> None:
        found = self.module.fresh("found")
        self.block.emit(f"{found} = False")
        with self.block.indented(f"for {self._pack_of(ranges)} in {source}:"):

            def hit() -> None:
                self.block.emit(f"{found} = True")
                self.block.emit("break")

            self._where(conditions, hit)
        self.dormant |= ranges.keys()
        with self.block.indented(f"if {'' if kind == 'semi' else 'not '}{found}:"):
            consume()

    def _index_join(self, node: ph.IndexJoin, consume: Consume) -> None:
        """For a batch of left rows, look all keys up at once,
        then go through row and matches side by side."""
        call, made = self.stage(node.left)
        scan = node.scan
        reader = self.reader(scan.range_id, scan.table_oid)
        index = self.index(scan.range_id, scan.table_oid, node.index_oid)
        for range_id, row in made:
            self._make_current(range_id, row)
        left_item = _packed([row for _, row in made])
        batch, matches = self.module.fresh("b"), self.module.fresh("m")
        with self.block.each_batch(batch, call):
            key = self.index_key(index, node.index_oid, scan.table_oid, node.keys)
            keys = f"[{key} for {left_item.strip('()')} in {batch}]"
            with_id = scan.range_id in self.ids_wanted
            right = self._bind_row(scan.range_id, scan.width, with_id)
            ranges = {scan.range_id: right.width}
            helper = self.module.bind("rt", runtime.index_matches)
            pairs = self.module.fresh("p_")
            source = f"{helper}({reader}, {index}, {batch}, {keys}, {with_id})"
            with self.block.indented(f"for {pairs} in {source}:"):
                with self.block.indented(f"for {left_item}, {matches} in {pairs}:"):
                    self.inner += 1
                    self._matches(node.kind, matches, ranges, node.residual, consume)
                    self.inner -= 1
                    self._after_row()
                self._after_batch(f"len({batch})")

    def _nested_loop(self, node: ph.NestedLoop, consume: Consume) -> None:
        if node.kind == "full":
            self._produce_full(node, consume)
        elif node.dependent:
            self._dependent_join(node, consume)
        else:
            self._materialized_join(node, consume)

    def _dependent_join(self, node: ph.NestedLoop, consume: Consume) -> None:
        ranges = ph.ranges_of(node.right)

        def each_left() -> None:
            if node.kind == "inner":
                self.fan_out = True
                self.inner += 1
                conditions = node.conditions
                self.produce(
                    node.right, (lambda: self._where(conditions, consume)) if conditions else consume
                )
                self.inner -= 1
                return
            call, made = self.stage(
                ph.Filtered(node.right, node.conditions) if node.conditions else node.right
            )
            if node.kind in ("semi", "anti"):
                test = f"(yield from {self.module.bind('rt', runtime.read_exists)}({call}))"
                with self.block.indented(f"if {'' if node.kind == 'semi' else 'not '}{test}:"):
                    consume()
                return
            for range_id, row in made:
                self._make_current(range_id, row)
            matches = self.module.fresh("m")
            self.block.emit(f"{matches} = yield from {self.module.bind('rt', runtime.read_rows)}({call})")
            self._matches(node.kind, matches, ranges, [], consume)

        is_plain = node.kind == "inner" and not node.conditions
        self.produce(node.left, ThenJoin(each_left, node.right, consume) if is_plain else each_left)

    def _materialized_join(self, node: ph.NestedLoop, consume: Consume) -> None:
        kept = self.module.fresh("l")
        ranges = ph.ranges_of(node.right)
        self.block.emit(f"{kept} = []")
        self.blocking(
            lambda: self.produce(
                node.right, lambda: self.block.emit(f"{kept}.append({self._pack_of(ranges)})")
            ),
            f"len({kept})",
        )
        self.block.emit(f"{kept} = list(chunks({kept})) if {kept} else []")

        def each_left() -> None:
            chunk = self.module.fresh("b")
            self.dormant -= ranges.keys()
            if node.kind == "inner":
                self.fan_out = True
                with self.block.indented(f"for {chunk} in {kept}:"):
                    with self.block.indented(f"for {self._pack_of(ranges)} in {chunk}:"):
                        self.inner += 1
                        self._where(node.conditions, consume)
                        self.inner -= 1
                    self._count_work(f"len({chunk})")
                return
            matches = self.module.fresh("m")
            item = self._pack_of(ranges)
            self.block.emit(f"{matches} = []")
            with self.block.indented(f"for {chunk} in {kept}:"):
                with self.block.indented(f"for {item} in {chunk}:"):
                    self._where(node.conditions, lambda: self.block.emit(f"{matches}.append({item})"))
                self._count_work(f"len({chunk})")
            self._matches(node.kind, matches, ranges, [], consume)

        self.produce(node.left, each_left)

    def _produce_full(self, node: ph.HashJoin | ph.NestedLoop, consume: Consume) -> None:
        call, left, right = self._full_stage(node)
        extended = [(range_id, replace(row, extended=True)) for range_id, row in left + right]
        self.fan_out = True
        self._stage_rows(call, extended, consume)

    def _full_stage(
        self, node: ph.HashJoin | ph.NestedLoop
    ) -> tuple[str, list[tuple[int, RowVariable]], list[tuple[int, RowVariable]]]:
        """A generator of the full join's pairs: matches and left rows alone,
        then right rows never matched."""
        function = self.module.fresh("q")
        live = self.live_rows()
        outer = self.queries.visible_rows(live)
        block = Block(self.module, function, outer)
        writer = RelationWriter(self.queries, block, live)
        writer.sink = OutputSink(block)
        writer.fan_out = True
        block.declare("out", "[]")
        right_ranges, left_ranges = ph.ranges_of(node.right), ph.ranges_of(node.left)
        block.emit("kept = []")
        block.emit("table = {}")
        block.emit("matched = set()")

        def keep() -> None:
            block.emit(f"kept.append({writer._pack_of(right_ranges)})")
            if isinstance(node, ph.HashJoin):
                text, _ = writer.key_text(node.right_keys)
                block.emit(f"table.setdefault({text}, []).append(len(kept) - 1)")

        writer.blocking(lambda: writer.produce(node.right, keep), "len(kept)")

        def probe() -> None:
            conditions = node.residual if isinstance(node, ph.HashJoin) else node.conditions
            candidates = "range(len(kept))"
            if isinstance(node, ph.HashJoin):
                text, nullable = writer.key_text(node.left_keys)
                key = self.module.fresh("k_")
                block.emit(f"{key} = {text}")
                candidates = f"table.get({key}, ())" + (f" if {key} is not None else ()" if nullable else "")
            block.emit("hit = False")
            left_item = writer._pack_items(left_ranges)
            right_item = writer._pack_of(right_ranges)
            with block.indented(f"for number in ({candidates}):"):
                block.emit(f"{right_item} = kept[number]")

                def pair() -> None:
                    block.emit("hit = True")
                    block.emit("matched.add(number)")
                    block.emit(f"out.append(({left_item}, {writer._pack_items(right_ranges)}))")

                writer._where(conditions, pair)
            with block.indented("if not hit:"):
                block.emit(f"out.append(({left_item}, {writer._null_items(right_ranges)}))")

        writer.produce(node.left, probe)
        right_item = writer._pack_of(right_ranges)
        with block.indented("for number in range(len(kept)):"):
            with block.indented("if number not in matched:"):
                block.emit(f"{right_item} = kept[number]")
                block.emit(
                    f"out.append(({writer._null_items(left_ranges)}, {writer._pack_items(right_ranges)}))"
                )
            block.emit(f"if len(out) >= {runtime.BATCH}:")
            block.emit("    yield out")
            block.emit("    out = []")
        block.emit("if out:")
        block.emit("    yield out")
        block.finish()
        left_rows = [(r, writer.rows[r]) for r in left_ranges]
        right_rows = [(r, writer.rows[r]) for r in right_ranges]
        return f"{function}({', '.join(['ctx', *outer])})", left_rows, right_rows

    def _pack_items(self, ranges: dict[int, int]) -> str:
        return ", ".join(_names([self.rows[r] for r in ranges]))

    def _null_items(self, ranges: dict[int, int]) -> str:
        items: list[str] = []
        for range_id, width in ranges.items():
            is_value = self.rows[range_id].only >= 0
            items.append("None" if is_value else self.module.bind("nullrow", _null_row(width)))
            if self.rows[range_id].id_name is not None:
                items.append("None")
        return ", ".join(items)

    # --- windows, set-returning select lists ----------------------------------------

    def _windows(self, node: ph.WindowRows, consume: Consume) -> None:
        from skerry_engine.plan.windows import WindowWriter

        WindowWriter(self).write(node, consume)

    def _set_functions(self, node: ph.SetFunctions, consume: Consume) -> None:
        project = node.project
        helper = self.module.bind("rt", runtime.function_rows)

        def each() -> None:
            calls = [f"({self.scalars.value(c)}, 0, True)" for c in project.calls]
            row = self._bind_row(project.range_id, len(project.calls))
            chunk = self.module.fresh("b")
            self.fan_out = True
            with self.block.indented(f"for {chunk} in {helper}(({', '.join(calls)},), False):"):
                with self.block.indented(f"for {row.name} in {chunk}:"):
                    self.inner += 1
                    self._where(node.filters, consume)
                    self.inner -= 1
                self._count_work(f"len({chunk})")

        self.produce(node.input, each)


class MemorySink(Sink):
    """Ends a batch of a blocking pipeline: a pause, and the statement's memory limit checked."""

    def __init__(self, block: Block, size: str) -> None:
        super().__init__(block)
        self.size = size

    def batch_end(self) -> None:
        self.block.emit(f"ctx.check_memory({self.size})")
        self.block.emit("yield PAUSE")


_null_rows_by_width: dict[int, tuple[None, ...]] = {}


def _null_row(width: int) -> tuple[None, ...]:
    return _null_rows_by_width.setdefault(width, (None,) * width)


def _names(rows: list[RowVariable]) -> list[str]:
    names: list[str] = []
    for row in rows:
        names.append(row.name)
        if row.id_name is not None:
            names.append(row.id_name)
    return names


def _packed(rows: list[RowVariable]) -> str:
    """The rows as one item of a list: the bare name for one, a tuple for several."""
    names = _names(rows)
    if not names:
        return "()"  # as a value, and as what a loop unpacks
    return names[0] if len(names) == 1 else f"({', '.join(names)})"


def canonical_codec(type_oid: int) -> Callable[[tuple[object, ...]], object]:
    """Makes values of types whose equality is not the atoms' hashable."""
    try:
        return KeyCodec((KeyColumn(type_oid),)).equality_key
    except errors.NotSupportedError as refusal:
        raise errors.UndefinedFunction(
            f"could not identify an equality operator for type {type_oid}"
        ) from refusal
