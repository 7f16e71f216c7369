"""Queries to generator functions.

Each query block becomes one Python generator function `qN(ctx, <rows of enclosing queries>)` that yields
batches of result rows (lists of tuples) and steps. `QueryWriter` writes the blocks of one statement into one
`Module` and knows what they share: reader slots, CTEs, the planner.

The end of a block's pipeline is, in this order: the select list, DISTINCT, ORDER BY, OFFSET and LIMIT.

    plain       out.append(row); with LIMIT it stops as soon as enough rows are there
    sorted      (key, serial, row) go to a Sorter, or, with a LIMIT, to a list cut back to the best rows
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from skerry_engine import errors
from skerry_engine.algebra import expressions as ex
from skerry_engine.algebra import queries as q
from skerry_engine.algebra.traversal import ROW_READERS, free_ranges, walk_all
from skerry_engine.functions.namespace import NAMESPACE
from skerry_engine.plan import physical as ph
from skerry_engine.plan import runtime
from skerry_engine.plan.expressions import ExpressionWriter, RowVariable, Subqueries, may_yield
from skerry_engine.plan.graph_writing import DeclaredType, PropertyCheck
from skerry_engine.plan.planner import Planner, Statistics
from skerry_engine.plan.relations import MemorySink, OutputSink, RelationWriter, canonical_codec
from skerry_engine.plan.sorting import sort_key_text
from skerry_engine.plan.source import AppendRow, Block, Module
from skerry_engine.session.steps import PAUSE
from skerry_engine.storage.shapes import ShapeRegistry


class PlanInputs(Statistics, Protocol):
    """What compiling needs to know of the catalog and storage."""

    def index_key_is_atom(self, table_oid: int, index_oid: int) -> bool:
        """Whether the index's equality key is its column's value itself."""
        ...

    def shapes(self, table_oid: int) -> ShapeRegistry:
        """The shapes of an element table's rows."""
        ...

    def property_check(self, table_oid: int) -> PropertyCheck:
        """What the graph's type says of properties that rows of an element table are about to get."""
        ...

    def declared_type(self, table_oid: int) -> DeclaredType | None:
        """What the graph's type declares for properties of an element table's rows; None in an open graph."""
        ...


class QueryWriter(Subqueries):
    """Writes all query blocks of one statement."""

    def __init__(self, module: Module, inputs: PlanInputs, statement: q.Query) -> None:
        self.module = module
        self.inputs = inputs
        self.planner = Planner(inputs)
        self.slots: dict[int, int] = {}
        self.slot_tables: list[tuple[int, int]] = []
        self.ids_wanted: frozenset[int] = _ranges_with_ids(statement)
        self.physical: list[tuple[str, ph.Physical]] = []
        self._functions: dict[tuple[int, tuple[str, ...]], str] = {}
        self._ctes: dict[int, q.Cte] = {}
        self._cte_uses = _count_cte_uses(statement)
        self._working: set[int] = set()
        self._made: list[q.Query] = []
        self._searches = 0
        self.changes_state = any(
            isinstance(n, ex.Call) and n.function.volatility == "v" for n in walk_all(statement)
        )
        self.statement = statement
        self._readers: dict[int, list[ex.Expr]] | None = None
        self.main: q.Query = statement.body if isinstance(statement, q.With) else statement
        module.namespace.update(NAMESPACE)
        module.namespace.update(PAUSE=PAUSE, chunks=runtime.chunks, drain=runtime.drain)

    def is_main(self, query: q.Query) -> bool:
        """Whether the query is the statement itself, or a stage of it: then its row count is reported."""
        if isinstance(self.main, q.Program):
            return any(query is stage for stage in self.main.stages)
        return query is self.main

    # --- what relation writers ask ----------------------------------------

    def reader_slot(self, range_id: int, table_oid: int) -> int:
        """The number under which `ctx.reader` gives the range's reader."""
        slot = self.slots.get(range_id)
        if slot is None:
            slot = self.slots[range_id] = len(self.slot_tables)
            self.slot_tables.append((range_id, table_oid))
        return slot

    def asks_only_ends(self, range_id: int, way: str) -> bool:
        """Whether nothing in the statement reads more of the range's edges than their labels, their ids, and which node
        they lead to, besides finding them by the one that they come from."""
        end, found_by = (2, 1) if way == "out" else (1, 2)
        finding = 0
        for node in self._row_readers().get(range_id, ()):
            if isinstance(node, ex.Column) and node.position == found_by:
                finding += 1
            elif not isinstance(node, (ex.HasLabels, ex.RowId)) and not (
                isinstance(node, ex.Column) and node.position == end
            ):
                return False
        return finding <= 1

    def uses_of_column(self, range_id: int, position: int) -> int:
        """How often the statement reads a column of the range."""
        readers = self._row_readers().get(range_id, ())
        return sum(isinstance(node, ex.Column) and node.position == position for node in readers)

    def uses_of_id(self, range_id: int) -> int:
        """How often the statement reads the range's row id."""
        return sum(isinstance(node, ex.RowId) for node in self._row_readers().get(range_id, ()))

    def _row_readers(self) -> dict[int, list[ex.Expr]]:
        """All expressions of the statement that read rows, by range."""
        if self._readers is None:
            self._readers = {}
            for node in walk_all(self.statement):
                if isinstance(node, ROW_READERS):
                    self._readers.setdefault(node.range_id, []).append(node)
        return self._readers

    def shapes(self, table_oid: int) -> ShapeRegistry:
        return self.inputs.shapes(table_oid)

    def index_key_is_atom(self, table_oid: int, index_oid: int) -> bool:
        return self.inputs.index_key_is_atom(table_oid, index_oid)

    def canonical_key(self, type_oid: int) -> Callable[[tuple[object, ...]], object]:
        """A function from (value,) to what it hashes as."""
        return canonical_codec(type_oid)

    def visible_rows(self, rows: dict[int, RowVariable]) -> list[str]:
        """The names of all row variables in scope: the arguments of a stage."""
        names: dict[str, None] = {}
        for row in rows.values():
            names[row.name] = None
            if row.id_name is not None:
                names[row.id_name] = None
        return [name for name in names if name.isidentifier()]

    def next_search(self, numbers: int) -> int:
        """The first of so many numbers that no other path search of the statement has."""
        self._searches += 1
        return self._searches * numbers

    def own_query_call(self, query: q.Query, scope: ExpressionWriter) -> str:
        """As `subquery_call`, for a query that is in no tree but was made while code is written."""
        self._made.append(query)
        return self.subquery_call(query, scope)[0]

    def subquery_call(self, query: q.Query, scope: ExpressionWriter) -> tuple[str, bool]:
        needed = sorted(self._needed_ranges(query) & set(scope.rows))
        arguments = _argument_names([scope.rows[r] for r in needed])
        correlated = bool(needed) or self._reads_working_table(query)
        name = self.function(query, {r: scope.rows[r] for r in needed}, arguments)
        return f"{name}({', '.join(['ctx', *arguments])})", correlated

    def _needed_ranges(self, query: q.Query) -> set[int]:
        """The outer ranges that the query reads, those of the CTEs that it scans included."""
        needed = free_ranges(query)
        for node in walk_all(query):
            if isinstance(node, q.CteScan) and node.cte_id in self._ctes and node.cte_id not in self._working:
                cte = self._ctes[node.cte_id]
                needed |= self._needed_ranges(cte.query)
                if cte.step is not None:
                    self._working.add(node.cte_id)
                    needed |= self._needed_ranges(cte.step)
                    self._working.discard(node.cte_id)
        return needed

    def _reads_working_table(self, query: q.Query) -> bool:
        return any(isinstance(n, q.CteScan) and n.cte_id in self._working for n in walk_all(query))

    def cte_source(self, cte_id: int, relations: RelationWriter) -> tuple[str, bool]:
        """(Python text of the CTE's rows, whether it is a list rather than a generator of batches)."""
        if cte_id in self._working:
            return f"ctx.working[{cte_id}]", True
        cte = self._ctes[cte_id]
        call, correlated = self.cte_call(cte, relations.scalars)
        is_change = isinstance(cte.query, (q.Insert, q.Update, q.Delete))
        if not is_change and (correlated or self._cte_uses.get(cte_id, 0) <= 1):
            return call, False
        reader = self.module.bind("rt", runtime.read_rows)
        return f"(yield from ctx.once('cte{cte_id}', lambda: {reader}({call})))", True

    def cte_call(self, cte: q.Cte, scope: ExpressionWriter) -> tuple[str, bool]:
        if cte.step is None:
            return self.subquery_call(cte.query, scope)
        needed = sorted((free_ranges(cte.query) | free_ranges(cte.step)) & set(scope.rows))
        arguments = _argument_names([scope.rows[r] for r in needed])
        name = self._recursive_function(cte, {r: scope.rows[r] for r in needed}, arguments)
        return f"{name}({', '.join(['ctx', *arguments])})", bool(needed)

    # --- functions ----------------------------------------

    def function(self, query: q.Query, outer: dict[int, RowVariable], arguments: list[str]) -> str:
        """The name of the generated function for `query`, written on first use."""
        key = (id(query), tuple(arguments))
        name = self._functions.get(key)
        if name is None:
            name = self._functions[key] = self.module.fresh("q")
            self._write(name, query, outer, arguments)
        return name

    def _write(self, name: str, query: q.Query, outer: dict[int, RowVariable], arguments: list[str]) -> None:
        block = Block(self.module, name, arguments)
        relations = RelationWriter(self, block, dict(outer))
        match query:
            case q.Select():
                SelectWriter(self, relations, query).write()
            case q.SetOperation():
                self._set_operation(relations, query)
            case q.With():
                self._with(relations, query)
            case q.Insert() | q.Update() | q.Delete():
                from skerry_engine.plan.changes import ChangeWriter

                ChangeWriter(self, relations).write(query)
            case q.GraphInsert() | q.GraphChange() | q.GraphDelete() | q.GraphMerge():
                from skerry_engine.plan.graph_changes import GraphWriter

                GraphWriter(self, relations).write_graph(query)
            case q.Program():
                from skerry_engine.plan.graph_changes import GraphWriter

                GraphWriter(self, relations).write_program(query)
            case _:
                raise errors.NotSupportedError(f"{type(query).__name__} is not supported here")
        block.finish()

    def _with(self, relations: RelationWriter, query: q.With) -> None:
        """Data-modifying CTEs run whole, in order, before the body; the others when they are read."""
        reader = self.module.bind("rt", runtime.read_rows)
        for cte in query.ctes:
            self._ctes[cte.cte_id] = cte
        for cte in query.ctes:
            if isinstance(cte.query, (q.Insert, q.Update, q.Delete)):
                call, _ = self.cte_call(cte, relations.scalars)
                relations.block.emit(f"yield from ctx.once('cte{cte.cte_id}', lambda: {reader}({call}))")
        call, _ = self.subquery_call(query.body, relations.scalars)
        relations.block.emit(f"yield from {call}")

    def _recursive_function(self, cte: q.Cte, outer: dict[int, RowVariable], arguments: list[str]) -> str:
        """Rows of the base, then of the step over the last rows, until there are no new ones."""
        key = (id(cte), tuple(arguments))
        known = self._functions.get(key)
        if known is not None:
            return known
        name = self._functions[key] = self.module.fresh("q")
        block = Block(self.module, name, arguments)
        relations = RelationWriter(self, block, dict(outer))
        assert cte.step is not None
        base, _ = self.subquery_call(cte.query, relations.scalars)
        self._working.add(cte.cte_id)
        step, _ = self.subquery_call(cte.step, relations.scalars)
        self._working.discard(cte.cte_id)
        helper = self.module.bind("rt", runtime.recursion)
        row_key = "None" if cte.union_all else self._row_key(cte.query.columns)
        block.emit(
            f"yield from {helper}(ctx, {cte.cte_id}, {base}, lambda: {step}, {cte.union_all}, {row_key})"
        )
        block.finish()
        return name

    # --- set operations ----------------------------------------

    def _row_key(self, columns: tuple[q.OutputColumn, ...]) -> str:
        """Name of a function from a row to what it hashes as, or None where the row itself serves."""
        from skerry_engine.plan.expressions import is_hashable

        if all(is_hashable(c.type.oid) for c in columns):
            return "None"
        return self.module.bind("rowkey", runtime.row_key_function([c.type.oid for c in columns]))

    def _set_operation(self, relations: RelationWriter, query: q.SetOperation) -> None:
        left, _ = self.subquery_call(query.left, relations.scalars)
        right, _ = self.subquery_call(query.right, relations.scalars)
        helper = {
            ("union", True): runtime.union_all,
            ("union", False): runtime.union_distinct,
            ("intersect", True): runtime.intersect_all,
            ("intersect", False): runtime.intersect_distinct,
            ("except", True): runtime.except_all,
            ("except", False): runtime.except_distinct,
            ("otherwise", True): runtime.otherwise,
        }[query.kind, query.all]
        compares = helper is not runtime.union_all and helper is not runtime.otherwise
        key = self._row_key(query.columns) if compares else "None"
        source = f"{self.module.bind('rt', helper)}(ctx, {left}, {right}, {key})"
        if query.order_by:
            source = self._sorted(relations, query, source)
        if query.limit is not None or query.offset is not None:
            limit, offset = limit_texts(relations, query.limit, query.offset)
            source = f"{self.module.bind('rt', runtime.limited)}({source}, {limit}, {offset})"
        relations.block.emit(f"yield from {source}")

    def _sorted(self, relations: RelationWriter, query: q.SetOperation, source: str) -> str:
        row = RowVariable(self.module.fresh("r"), len(query.columns))
        relations.rows[query.range_id] = row
        key = sort_key_text(query.order_by, relations.scalars, relations.hash_atom)
        helper = self.module.bind("rt", runtime.sorted_batches)
        keys_of = f"lambda batch: [({key}, {row.name}) for {row.name} in batch]"
        return f"{helper}(ctx, {source}, {keys_of})"


class SelectWriter:
    """Writes one SELECT block."""

    def __init__(self, queries: QueryWriter, relations: RelationWriter, query: q.Select) -> None:
        self.queries = queries
        self.relations = relations
        self.block = relations.block
        self.module = relations.module
        self.query = query

    def write(self) -> None:
        """The whole body of the block's function."""
        query, relations = self.query, self.relations
        plan = self.queries.planner.plan(query.input, [], set(relations.rows))
        self.queries.physical.append((self.block.name, plan))
        self.block.declare("out", "[]")
        if query.limit is not None or query.offset is not None:
            limit, offset = limit_texts(relations, query.limit, query.offset)
            self.block.prologue.append(f"    limit = {limit}")
            self.block.prologue.append(f"    offset = {offset}")
        if query.locks:
            self._locked(plan)
        elif query.order_by:
            self._sorted(plan)
        else:
            self._plain(plan)

    # --- select list and DISTINCT ----------------------------------------

    def _row_text(self) -> str:
        cells = [self.relations.scalars.value(e) for e in self.query.outputs]
        return f"({', '.join(cells)},)" if cells else "()"

    def _unless_seen(self, row: str, then: Callable[[str], None]) -> None:
        """Write `then` so that it runs only for rows not seen before."""
        if self.query.distinct:
            name, key = self.module.fresh("r"), self.module.fresh("k_")
            self.block.declare("seen", "set()")
            self.block.emit(f"{name} = {row}")
            row_key = self.queries._row_key(self.query.columns)
            self.block.emit(f"{key} = {name}" if row_key == "None" else f"{key} = {row_key}({name})")
            with self.block.indented(f"if {key} not in seen:"):
                self.block.emit(f"seen.add({key})")
                then(name)
        elif self.query.distinct_on and not self.query.order_by:
            key = self.module.fresh("k_")
            self.block.declare("seen", "set()")
            self.block.emit(f"{key} = {self._on_key()}")
            with self.block.indented(f"if {key} not in seen:"):
                self.block.emit(f"seen.add({key})")
                then(row)
        else:
            then(row)

    def _on_key(self) -> str:
        parts = []
        for expr in self.query.distinct_on:
            name = self.module.fresh("t")
            self.block.emit(f"{name} = {self.relations.scalars.value(expr)}")
            atom = self.relations.hash_atom(name, expr.type.oid)
            parts.append(name if atom == name else f"(None if {name} is None else {atom})")
        return f"({', '.join(parts)},)"

    # --- unsorted ----------------------------------------

    def _plain(self, plan: ph.Physical) -> None:
        query = self.query
        if isinstance(plan, ph.SeqScan) and self._fits_comprehension(plan):
            self._scan_comprehension(plan)
            return
        self.relations.sink = OutputSink(self.block)
        has_limit = query.limit is not None or query.offset is not None
        if has_limit:
            self.relations.sink = LimitedSink(self.block)
            self.block.prologue.append("    if limit == 0:")
            self.block.prologue.append("        return")
            self.block.prologue.append("    want = None if limit is None else limit + offset")

        def consume() -> None:
            self._unless_seen(self._row_text(), lambda row: self._append(row, has_limit))

        filtered = has_limit or query.distinct or query.distinct_on
        if filtered or any(map(may_yield, query.outputs)):
            self.relations.produce(plan, consume)
        else:
            self.relations.produce(plan, AppendRow(self.block, self._row_text))
        if has_limit:
            self.block.emit("if out[offset:]:")
            self.block.emit("    yield out[offset:]")
        else:
            self.block.emit("if out:")
            self.block.emit("    yield out")

    def _fits_comprehension(self, plan: ph.SeqScan) -> bool:
        """One table, conditions and select list only: a batch in, a batch out."""
        query = self.query
        if query.distinct or query.distinct_on or query.limit is not None or query.offset is not None:
            return False
        if plan.scan.range_id in self.queries.ids_wanted:
            return False
        return not any(may_yield(e) for e in (*query.outputs, *plan.filters))

    def _scan_comprehension(self, plan: ph.SeqScan) -> None:
        relations, scan = self.relations, plan.scan
        reader = relations.reader(scan.range_id, scan.table_oid)
        row = RowVariable(self.module.fresh("r"), scan.width)
        relations.rows[scan.range_id] = row
        tests = " and ".join(relations.scalars.is_true(c) for c in plan.filters)
        where = f" if {tests}" if tests else ""
        self.block.emit("after = -1")
        with self.block.indented("while True:"):
            self.block.emit(f"batch, after = {reader}.scan_batch(after, {runtime.BATCH})")
            self.block.emit(f"yield [{self._row_text()} for {row.name} in batch{where}] or PAUSE")
            self.block.emit("if after < 0:")
            self.block.emit("    return")

    def _append(self, row: str, has_limit: bool) -> None:
        self.block.emit(f"out.append({row})")
        if has_limit:
            with self.block.indented("if len(out) == want:"):
                self.block.emit("if out[offset:]:")
                self.block.emit("    yield out[offset:]")
                self.block.emit("return")

    # --- sorted ----------------------------------------

    def _sorted(self, plan: ph.Physical) -> None:
        query = self.query
        top = query.limit is not None and not query.distinct_on and not query.with_ties
        self.block.prologue.append("    serial = 0")
        self.block.prologue.append("    decorated = []")
        self.block.prologue.append(f"    sorter = {self.module.bind('rt', runtime.Sorter)}()")
        if top:
            self.block.prologue.append("    want = None if limit is None else limit + offset")
        self.relations.sink = SortSink(self.block, self.module, top)

        def consume() -> None:
            self._unless_seen(self._row_text(), self._decorate)

        self.relations.produce(plan, consume)
        self.block.emit("sorter.extend(decorated)")
        source = "sorter.batches()"
        if query.distinct_on:
            source = f"{self.module.bind('rt', runtime.first_of_each)}({source})"
        if query.with_ties:
            source = f"{self.module.bind('rt', runtime.limited_with_ties)}({source}, limit, offset)"
        elif query.limit is not None or query.offset is not None:
            source = f"{self.module.bind('rt', runtime.limited)}({source}, limit, offset)"
        self.block.emit(f"yield from {source}")

    def _decorate(self, row: str) -> None:
        key = sort_key_text(self.query.order_by, self.relations.scalars, self.relations.hash_atom)
        if self.query.distinct_on:
            row = f"({self._on_key()}, {row})"
        if self.query.with_ties:
            name = self.module.fresh("k_")
            self.block.emit(f"{name} = {key}")
            key, row = name, f"({name}, {row})"
        self.block.emit(f"decorated.append(({key}, serial, {row}))")
        self.block.emit("serial += 1")

    # --- FOR UPDATE ----------------------------------------

    def _locked(self, plan: ph.Physical) -> None:
        """Rows are gathered with the ids to lock, locked in batches in result order,
        and what stays is given out."""
        query = self.query
        targets: list[tuple[int, str, str, str]] = []
        helper = self.module.bind("rt", runtime.locked_rows)
        keyed = "None"
        self.block.prologue.append("    serial = 0")
        self.block.prologue.append("    decorated = []")
        self.relations.sink = MemorySink(self.block, "len(decorated)")

        def consume() -> None:
            targets.clear()
            for lock in query.locks:
                for range_id in lock.range_ids:
                    row = self.relations.rows[range_id]
                    assert row.id_name is not None
                    targets.append((range_id, row.id_name, lock.strength, lock.wait))
            ids = ", ".join(t[1] for t in targets)
            key = "0"
            if query.order_by:
                key = sort_key_text(query.order_by, self.relations.scalars, self.relations.hash_atom)
            self.block.emit(f"decorated.append(({key}, serial, ({ids},), {self._row_text()}))")
            self.block.emit("serial += 1")

        self.relations.produce(plan, consume)
        if query.order_by:
            self.block.emit("decorated.sort()")
        slots = [(self.queries.slots[t[0]], t[2], t[3]) for t in targets]
        keyed = self.module.bind("k", tuple(slots))
        limits = "limit, offset" if query.limit is not None or query.offset is not None else "None, 0"
        self.block.emit(f"yield from {helper}(ctx, decorated, {keyed}, {limits})")


class LimitedSink(OutputSink):
    """Output with LIMIT and OFFSET: skipped rows leave `out` before it is yielded."""

    def row_end(self) -> None:
        """Nothing: rows are counted where they are appended."""

    def batch_end(self) -> None:
        self.block.emit("if offset and len(out) > offset:")
        self.block.emit("    del out[:offset]")
        self.block.emit("    want = None if want is None else want - offset")
        self.block.emit("    offset = 0")
        self.block.emit("if offset == 0 and out:")
        self.block.emit("    yield out")
        self.block.emit("    want = None if want is None else want - len(out)")
        self.block.emit("    out = []")
        self.block.emit("else:")
        self.block.emit("    yield PAUSE")


class SortSink(MemorySink):
    """Hands a batch of decorated rows to the sorter, or keeps only the best of them."""

    def __init__(self, block: Block, module: Module, top: bool) -> None:
        super().__init__(block, "serial")
        self.top = top
        self.cut = module.bind("rt", runtime.top_rows) if top else ""

    def batch_end(self) -> None:
        if self.top:
            self.block.emit(f"if want is not None and want <= {runtime.RUN}:")
            self.block.emit(f"    if len(decorated) > want + {runtime.BATCH}:")
            self.block.emit(f"        {self.cut}(decorated, want)")
            self.block.emit("else:")
            self.block.emit("    sorter.extend(decorated)")
            self.block.emit("    decorated = []")
        else:
            self.block.emit("sorter.extend(decorated)")
            self.block.emit("decorated = []")
            self.block.emit(f"ctx.check_memory({self.size})")
        self.block.emit("yield PAUSE")


def limit_texts(relations: RelationWriter, limit: ex.Expr | None, offset: ex.Expr | None) -> tuple[str, str]:
    """Python texts of LIMIT (None: no limit) and OFFSET (0: none)."""
    check = relations.module.bind("rt", runtime.limit_count)
    limit_text = "None" if limit is None else f"{check}({relations.scalars.value(limit)}, 'LIMIT')"
    offset_text = "0" if offset is None else f"({check}({relations.scalars.value(offset)}, 'OFFSET') or 0)"
    return limit_text, offset_text


def _argument_names(rows: list[RowVariable]) -> list[str]:
    names: dict[str, None] = {}
    for row in rows:
        names[row.name] = None
        if row.id_name is not None:
            names[row.id_name] = None
    return list(names)


def _ranges_with_ids(statement: q.Query) -> frozenset[int]:
    """Ranges whose row ids are needed: targets of changes, locked rows, system columns."""
    wanted: set[int] = set()
    for node in walk_all(statement):
        if isinstance(node, (ex.SystemColumn, ex.RowId)):
            wanted.add(node.range_id)
        elif isinstance(node, q.Update):
            wanted.add(node.scan_range)
        elif isinstance(node, q.Delete):
            wanted.add(node.target.range_id)
        elif isinstance(node, q.Select):
            for lock in node.locks:
                wanted.update(lock.range_ids)
    return frozenset(wanted)


def _count_cte_uses(statement: q.Query) -> dict[int, int]:
    """How often each CTE is read, a recursive one's reading of itself aside:
    what is read once need not be kept."""
    uses: dict[int, int] = {}
    for node in walk_all(statement):
        if isinstance(node, q.CteScan):
            uses[node.cte_id] = uses.get(node.cte_id, 0) + 1
        elif isinstance(node, q.With):
            for cte in node.ctes:
                own = [n for n in walk_all(cte.step) if isinstance(n, q.CteScan) and n.cte_id == cte.cte_id]
                uses[cte.cte_id] = uses.get(cte.cte_id, 0) - len(own)
    return uses
