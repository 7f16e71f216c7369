"""Graph writes to generator functions: INSERT, SET and REMOVE, DELETE, MERGE, and programs of them.

    INSERT      a source function computes, per binding row, the rows of new elements as far as they are known; the
                batch is then written element by element, a column at a time: all first nodes, all second nodes, and
                the edges between them, whose ends have ids by then
    SET, DELETE the loops gather what is to be done, by element (graph_writing.Changes, Deletions); then it is written
    MERGE       the input is kept; then row by row: look, and make or change
    program     stage after stage, each into a list that is the next one's Bindings

What is written where, and which locks that takes, is the business of `graph_writing`; here are the loops.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from skerry_engine import errors
from skerry_engine.algebra import expressions as ex
from skerry_engine.algebra import queries as q
from skerry_engine.algebra.traversal import used_ranges
from skerry_engine.plan import graph_writing as gw
from skerry_engine.plan.changes import ChangeWriter, check_new_row
from skerry_engine.plan.expressions import RowVariable, may_yield
from skerry_engine.plan.relations import MemorySink, RelationWriter
from skerry_engine.plan.source import Block
from skerry_engine.session.steps import Wait
from skerry_engine.txn.locks import LockWait
from skerry_engine.values import oids

if TYPE_CHECKING:
    from skerry_engine.plan.queries import QueryWriter

Passed = list[tuple[int, RowVariable]]
"""Ranges whose rows go from the source to where they are wanted again."""


def element_id(element: ex.Expr) -> ex.Expr | None:
    """The expression of an element's row id, where the element is written as one; None for a value."""
    return element.row_id if isinstance(element, ex.ElementValue) else None


def new_range_of(end: ex.Expr, new_ranges: set[int]) -> int | None:
    """The range of the new node that an edge's end is; None where it was there before."""
    row_id = element_id(end)
    if isinstance(row_id, ex.RowId) and row_id.range_id in new_ranges:
        return row_id.range_id
    return None


class GraphWriter(ChangeWriter):
    """Writes one graph write's function."""

    # --- shared ----------------------------------------

    def write_graph(self, query: q.GraphWrite) -> None:
        """The whole body of the function."""
        match query:
            case q.GraphInsert():
                self._graph_insert(query)
            case q.GraphChange():
                self._graph_change(query)
            case q.GraphDelete():
                self._graph_delete(query)
            case q.GraphMerge():
                self._graph_merge(query)

    def _rt(self, function: object) -> str:
        return self.module.bind("rt", function)

    def patiently(self, statement: str) -> None:
        """A call that may meet a lock, made again after each wait for one."""
        block, met = self.block, self.module.bind("rt", LockWait)
        request = self.module.fresh("w_")
        with block.indented("while True:"):
            with block.indented("try:"):
                block.emit(statement)
                block.emit("break")
            with block.indented(f"except {met} as {request}_met:"):
                block.emit(f"{request} = {request}_met.request")
            block.emit(f"yield {self._rt(Wait)}({request})")

    def _writer(self, table_oid: int) -> str:
        return self.block.declare(f"w{table_oid}", f"ctx.writer({table_oid})")

    def _maker(self, element: q.NewElement) -> gw.RowMaker:
        return gw.RowMaker(
            self.queries.shapes(element.into.table_oid),
            element.labels,
            tuple(name for name, _ in element.properties),
            tuple(value.type.oid for _, value in element.properties),
            self.queries.inputs.property_check(element.into.table_oid),
            element.is_directed,
        )

    def _passed(self, exprs: object, writer: RelationWriter) -> Passed:
        """The rows of the source that `exprs` name, under names that can be unpacked."""
        live = writer.live_rows()
        wanted = sorted((used_ranges(exprs) & set(live)) - set(self.relations.rows))
        return [(range_id, live[range_id]) for range_id in wanted]

    @staticmethod
    def _names_of(passed: Passed) -> list[str]:
        """The names of passed rows, and of their ids, each once."""
        names: dict[str, None] = {}
        for _, row in passed:
            for name in (row.name, row.id_name):
                if name is not None:
                    names[name] = None
        return list(names)

    def _cells(self, exprs: tuple[ex.Expr, ...], relations: RelationWriter) -> str:
        return f"({', '.join(relations.scalars.value(e) for e in exprs)},)" if exprs else "()"

    # --- INSERT ----------------------------------------

    def _graph_insert(self, query: q.GraphInsert) -> None:
        _, block, writer, call = self._source_block()
        plan = self.queries.planner.plan(query.input, [], set(writer.rows))
        self.queries.physical.append((block.name, plan))
        columns = InsertColumns(self, query.elements)
        later = tuple(element.row for element in query.elements)
        passed: Passed = []

        def consume() -> None:
            cells = columns.source_cells(block, writer)
            passed[:] = self._passed((query.outputs, later), writer)
            cells += self._names_of(passed)
            block.emit(f"out.append(({', '.join(cells)},))" if cells else "out.append(())")

        writer.produce(plan, consume)
        self._finish_source(block)
        batch = self.module.fresh("b")
        with self.block.each_batch(batch, call):
            for range_id, row in passed:
                self.relations.rows[range_id] = row
            columns.write(batch, self._names_of(passed))
            self.block.emit(f"ctx.row_count += {len(query.elements)} * len({batch})")
            if not query.outputs:
                self.block.emit("yield PAUSE")
                return
            self.block.emit("out = []")
            with self.block.indented(
                f"for {columns.loop_names(self._names_of(passed))} in {columns.loop(batch)}:"
            ):
                columns.bind_rows()
                self.block.emit(f"out.append({self._cells(query.outputs, self.relations)})")
            self.block.emit("yield out")

    # --- SET and REMOVE ----------------------------------------

    def _gather(self, query: q.GraphChange | q.GraphDelete, body: object) -> None:
        """The input's loops, around what `body` writes and around the outputs, which are kept."""
        assert callable(body)
        self.block.declare("kept", "[]")
        plan = self.queries.planner.plan(query.input, [], set(self.relations.rows))
        self.queries.physical.append((self.block.name, plan))

        def consume() -> None:
            body()
            if query.outputs:
                self.block.emit(f"kept.append({self._cells(query.outputs, self.relations)})")

        self.relations.sink = MemorySink(self.block, "len(kept)")
        self.relations.produce(plan, consume)

    def _finish_gathered(self, name: str) -> None:
        self.block.emit(f"ctx.row_count += yield from {name}.write()")
        self.block.emit("for out in chunks(kept):")
        self.block.emit("    yield out")

    def _graph_change(self, query: q.GraphChange) -> None:
        changes = self.block.declare("changes", f"{self._rt(gw.Changes)}(ctx)")
        self._gather(query, lambda: self._add_changes(query.changes, changes, self.relations))
        self._finish_gathered(changes)

    def _add_changes(
        self, changes: tuple[q.ElementChange, ...], name: str, relations: RelationWriter
    ) -> None:
        for change in changes:
            table, row_id, row, guard = self._element(change.element, relations)
            names = tuple(each for each, _ in change.properties)
            types = tuple(value.type.oid for _, value in change.properties)
            op = self._op(change, names, types)
            values = self._cells(tuple(value for _, value in change.properties), relations)
            bound = self.module.bind("op", op)
            line = f"{name}.add({bound}, {table}, {row_id}, {row}, {values})"
            if change.record is not None:
                record = relations.scalars.value(change.record)
                line = f"{name}.add_record({bound}, {table}, {row_id}, {row}, {record})"
            self.block.emit(line if guard is None else f"if {guard}: {line}")

    def _op(self, change: q.ElementChange, names: tuple[str, ...], types: tuple[int, ...]) -> gw.ChangeOp:
        if not change.table_oid:
            raise errors.NotSupportedError(
                "SET and REMOVE for elements of several tables are not supported yet"
            )
        return gw.ChangeOp(
            change.table_oid,
            self.queries.shapes(change.table_oid),
            names,
            types,
            change.replaces,
            change.labels_added,
            change.labels_removed,
            self.queries.inputs.property_check(change.table_oid),
            self.queries.inputs.declared_type(change.table_oid),
        )

    def _element(self, element: ex.Expr, relations: RelationWriter) -> tuple[str, str, str, str | None]:
        """Python texts of an element's table, row id and row, and of the condition that it is one."""
        scalars = relations.scalars
        if isinstance(element, ex.ElementValue):
            row_id = scalars.value(element.row_id)
            guard = f"{row_id} is not None" if scalars.nullable(element.row_id) else None
            return scalars.value(element.table), row_id, scalars.value(element.row), guard
        name = self.module.fresh("t")
        self.block.emit(f"{name} = {scalars.value(element)}")
        return f"{name}[1]", f"{name}[2]", f"{name}[3]", f"{name} is not None"

    # --- DELETE ----------------------------------------

    def _graph_delete(self, query: q.GraphDelete) -> None:
        tables = self.module.bind("k", query.tables)
        deletions = self.block.declare(
            "deletions", f"{self._rt(gw.Deletions)}(ctx, {tables}, {query.detach})"
        )

        def add() -> None:
            for element in query.elements:
                if isinstance(element, ex.ElementValue):
                    table, row_id, row, guard = self._element(element, self.relations)
                    kind = "node" if element.type.oid == oids.NODE else "edge"
                    line = f"{deletions}.add_{kind}({table}, {row_id}, {row})"
                    self.block.emit(line if guard is None else f"if {guard}: {line}")
                else:
                    value = self.relations.scalars.value(element)
                    self.block.emit(f"{deletions}.add_value({value}, {element.type.oid})")

        self._gather(query, add)
        self._finish_gathered(deletions)

    # --- MERGE ----------------------------------------

    def _graph_merge(self, query: q.GraphMerge) -> None:
        block, relations = self.block, self.relations
        plan = self.queries.planner.plan(query.input, [], set(relations.rows))
        self.queries.physical.append((block.name, plan))
        outer = set(relations.rows)
        columns = MergeColumns(self, query)
        block.declare("items", "[]")
        passed: Passed = []

        def consume() -> None:
            values = columns.source_cells()
            live = relations.live_rows()
            used = used_ranges((query.match, query.on_create, query.on_match, query.outputs))
            passed[:] = [(r, live[r]) for r in sorted((used & set(live)) - outer)]
            block.emit(f"items.append(({', '.join([*values, *self._names_of(passed)])},))")

        relations.sink = MemorySink(block, "len(items)")
        relations.produce(plan, consume)
        for range_id, row in passed:
            relations.rows[range_id] = row
        columns.write(self._names_of(passed))

    # --- programs ----------------------------------------

    def write_program(self, query: q.Program) -> None:
        """Stage after stage; the last one's rows are the program's."""
        for number, stage in enumerate(query.stages[:-1]):
            self._stage(number, stage)
        name = self.queries.function(query.stages[-1], {}, [])
        self.block.emit(f"yield from {name}(ctx)")

    def _stage(self, number: int, stage: q.Query) -> None:
        name = self.queries.function(stage, {}, [])
        rows, batch = self.module.fresh("rows"), self.module.fresh("b")
        self.block.emit(f"{rows} = ctx.bindings[{number}] = []")
        with self.block.each_batch(batch, f"{name}(ctx)"):
            self.block.emit(f"{rows}.extend({batch})")
            self.block.emit(f"ctx.check_memory(len({rows}))")
            self.block.emit("yield PAUSE")
        if isinstance(stage, (q.Insert, q.Update, q.Delete)):
            self.block.emit("ctx.next_stage()")
        if not isinstance(stage, q.GraphWrite):
            return
        self.block.emit("ctx.next_stage()")
        holders = tuple(
            (position, column.type.oid)
            for position, column in enumerate(stage.columns)
            if gw.may_hold_elements(column.type.oid)
        )
        if holders and not isinstance(stage, q.GraphInsert):
            columns = self.module.bind("k", holders)
            refresh = self._rt(gw.refreshed)
            self.block.emit(f"ctx.bindings[{number}] = yield from {refresh}(ctx, {rows}, {columns})")


class InsertColumns:
    """What INSERT makes of a batch: which cells of an item are whose, and the columns of new rows and ids."""

    def __init__(self, owner: GraphWriter, elements: tuple[q.NewElement, ...]) -> None:
        self.owner = owner
        self.module = owner.module
        self.elements = elements
        self.new_ranges = {element.into.range_id for element in elements}
        self.is_rowwise = any(element.row for element in elements)
        self.width = 0
        self._cell_of: list[int | None] = []
        self._end_cells: list[tuple[int | None, int | None]] = []
        self._shapes: list[str | None] = []
        self._columns: list[tuple[str, str]] = []

    # --- in the source ----------------------------------------

    def source_cells(self, block: Block, writer: RelationWriter) -> list[str]:
        """What an item holds of each new element: a node's row, an edge's shape and values, ids of ends that were
        there before."""
        cells: list[str] = []
        for element in self.elements:
            self._cell_of.append(None)
            self._shapes.append(None)
            if not self.is_rowwise:
                text = self._known_part(element, block, writer)
                if text is not None:
                    self._cell_of[-1] = len(cells)
                    cells.append(text)
            ends: list[int | None] = []
            for end in element.ends or ():
                if new_range_of(end, self.new_ranges) is None and not self.is_rowwise:
                    ends.append(len(cells))
                    cells.append(self._id_of(element, end, writer))
                else:
                    ends.append(None)
            self._end_cells.append((ends[0], ends[1]) if ends else (None, None))
        self.width = len(cells)
        return cells

    def _id_of(self, element: q.NewElement, end: ex.Expr, writer: RelationWriter) -> str:
        if isinstance(end, ex.ElementValue) and isinstance(end.table, ex.Const):
            if end.table.value != element.ends_in:
                raise gw.of_another_graph()
            if not writer.scalars.nullable(end.row_id):
                return writer.scalars.value(end.row_id)
        return f"{self.owner._rt(gw.end_id)}({writer.scalars.value(end)}, {element.ends_in})"

    def _known_part(self, element: q.NewElement, block: Block, writer: RelationWriter) -> str | None:
        """Python text of a node's row, or of (shape, values) of an edge; None for an edge that has no properties."""
        maker = self.owner._maker(element)
        is_edge = element.ends is not None
        bound = self.module.bind("maker", maker)
        shape = f"{bound}.full or {bound}.full_shape()" if maker.has_full and element.record is None else None
        self._shapes[-1] = shape
        texts: list[str] = []
        guards: list[str] = []
        for _, expr in element.properties:
            text = writer.scalars.value(expr)
            if writer.scalars.nullable(expr):
                name = self.module.fresh("t")
                block.emit(f"{name} = {text}")
                guards.append(f"{name} is not None")
                text = name
            texts.append(text)
        values = f"({', '.join(texts)},)" if texts else "()"
        if element.record is not None:
            record = writer.scalars.value(element.record)
            made = f"{bound}.parts_with({values}, {record})"
            return made if is_edge else f"{self.owner._rt(gw.joined)}({made})"
        if shape is None:
            return f"{bound}.parts({values})" if is_edge else f"{bound}.node({values})"
        if is_edge:
            if not texts:
                return None
            made, other = f"({shape}, {values})", f"{bound}.parts({values})"
        else:
            made, other = f"({', '.join([str(shape), *texts])},)", f"{bound}.node({values})"
        return f"({made} if {' and '.join(guards)} else {other})" if guards else made

    def one_row(
        self, element: q.NewElement, block: Block, writer: RelationWriter, ids: dict[int, str]
    ) -> str:
        """Python text of a whole row, where new nodes' ids are known by their names."""
        self._shapes.append(None)
        part = self._known_part(element, block, writer)
        if element.ends is None:
            assert part is not None
            return part
        ends: list[str] = []
        for end in element.ends:
            range_id = new_range_of(end, self.new_ranges)
            ends.append(self._id_of(element, end, writer) if range_id is None else ids[range_id])
        if part is None:
            return f"({self._shapes[-1]}, {', '.join(ends)})"
        name = self.module.fresh("t")
        block.emit(f"{name} = {part}")
        return f"({name}[0], {', '.join(ends)}, *{name}[1])"

    # --- in the write ----------------------------------------

    def write(self, batch: str, passed: list[str]) -> None:
        """Write a batch of items."""
        if self.is_rowwise:
            self._write_rows(batch, passed)
            return
        block = self.owner.block
        for number, element in enumerate(self.elements):
            rows, first = self.module.fresh("rows"), self.module.fresh("first")
            self._columns.append((rows, first))
            block.emit(f"{rows} = {self._rows_text(number, element, batch)}")
            writer = self.owner._writer(element.into.table_oid)
            self.owner.patiently(f"{first} = {writer}.insert_many({rows})")

    def _rows_text(self, number: int, element: q.NewElement, batch: str) -> str:
        cell = self._cell_of[number]
        if element.ends is None:
            return f"[i[{cell}] for i in {batch}]"
        ends = [
            self._end_text(end, place)
            for end, place in zip(element.ends, self._end_cells[number], strict=True)
        ]
        if cell is None:
            made = f"({self._shapes[number]}, {', '.join(ends)})"
        else:
            made = f"(i[{cell}][0], {', '.join(ends)}, *i[{cell}][1])"
        return f"[{made} for n, i in enumerate({batch})]"

    def _end_text(self, end: ex.Expr, cell: int | None) -> str:
        if cell is not None:
            return f"i[{cell}]"
        place = self._place_of(end)
        return f"{self._columns[place][1]} + n"

    def _place_of(self, end: ex.Expr) -> int:
        range_id = new_range_of(end, self.new_ranges)
        return next(n for n, each in enumerate(self.elements) if each.into.range_id == range_id)

    def loop(self, batch: str) -> str:
        """What a loop over the batch goes over, when all is written."""
        return f"enumerate({batch})"

    def loop_names(self, passed: list[str]) -> str:
        """The names that one turn of it binds."""
        names = [*("_" for _ in range(self.width)), *passed]
        return f"n, ({', '.join(names)},)" if names else "n, _"

    def bind_rows(self) -> None:
        """Make the new elements' rows current."""
        for element, (rows, first) in zip(self.elements, self._columns, strict=True):
            row = RowVariable(self.module.fresh("r"), element.into.width, self.module.fresh("id"))
            self.owner.block.emit(f"{row.name} = {rows}[n]")
            self.owner.block.emit(f"{row.id_name} = {f'{first}[n]' if self.is_rowwise else f'{first} + n'}")
            self.owner.relations.rows[element.into.range_id] = row

    # --- graphs over tables ----------------------------------------

    def _write_rows(self, batch: str, passed: list[str]) -> None:
        """Rows of tables may name those before them, by whatever keys they have: one item after the other."""
        block, relations = self.owner.block, self.owner.relations
        for _ in self.elements:
            self._columns.append((self.module.fresh("rows"), self.module.fresh("ids")))
        for rows, ids in self._columns:
            block.emit(f"{rows} = []")
            block.emit(f"{ids} = []")
        with block.indented(f"for {self.loop_names(passed)} in enumerate({batch}):"):
            for element, (rows, ids) in zip(self.elements, self._columns, strict=True):
                row = RowVariable(self.module.fresh("r"), element.into.width, self.module.fresh("id"))
                block.emit(f"{row.name} = {self.owner._cells(element.row, relations)}")
                check_new_row(block, relations.scalars, element.into, row)
                writer = self.owner._writer(element.into.table_oid)
                self.owner.patiently(f"{row.id_name} = {writer}.insert({row.name})")
                relations.rows[element.into.range_id] = row
                block.emit(f"{rows}.append({row.name})")
                block.emit(f"{ids}.append({row.id_name})")


def write_insert_point(queries: QueryWriter, query: q.GraphInsert) -> str | None:
    """The name of a plain function for INSERT of one pattern; None if it has to be more than that."""
    exprs = [expr for element in query.elements for _, expr in element.properties]
    exprs += [element.record for element in query.elements if element.record is not None]
    if any(element.row for element in query.elements) or any(may_yield(e) for e in (*exprs, *query.outputs)):
        return None
    module = queries.module
    block = Block(module, module.fresh("point"), [])
    relations = RelationWriter(queries, block, {})
    columns = InsertColumns(GraphWriter(queries, relations), query.elements)
    ids: dict[int, str] = {}
    for element in query.elements:
        row = RowVariable(module.fresh("r"), element.into.width, module.fresh("id"))
        assert row.id_name is not None
        block.emit(f"{row.name} = {columns.one_row(element, block, relations, ids)}")
        writer = block.declare(f"w{element.into.table_oid}", f"ctx.writer({element.into.table_oid})")
        block.emit(f"{row.id_name} = {writer}.insert({row.name})")
        ids[element.into.range_id] = row.id_name
        relations.rows[element.into.range_id] = row
    block.emit(f"ctx.row_count = {len(query.elements)}")
    cells = [relations.scalars.value(output) for output in query.outputs]
    block.emit(f"return [({', '.join(cells)},)]" if cells else "return []")
    module.functions.append([block.header, *block.prologue, *block.lines])
    return block.name


class MergeColumns:
    """What MERGE keeps of each input row, and the loop over what was kept."""

    def __init__(self, owner: GraphWriter, query: q.GraphMerge) -> None:
        self.owner = owner
        self.module = owner.module
        self.block = owner.block
        self.query = query
        self.new_ranges = {element.into.range_id: n for n, element in enumerate(query.elements)}
        self.makers = [self.module.bind("maker", owner._maker(element)) for element in query.elements]
        self.values = [self.module.fresh("v") for _ in query.elements]
        self.bound = {position: self.module.fresh("e") for position, _ in query.bound}
        if any(element.row for element in query.elements):
            raise errors.NotSupportedError("MERGE into a graph over tables is not supported yet")

    def source_cells(self) -> list[str]:
        """Property values of what would be made, none of them NULL, and the elements that are there already."""
        scalars = self.owner.relations.scalars
        require = self.owner._rt(gw.require_value)
        cells: list[str] = []
        for element in self.query.elements:
            if element.record is not None:
                raise errors.NotSupportedError("MERGE with a record of properties is not supported")
            texts = []
            for name, expr in element.properties:
                text = scalars.value(expr)
                if scalars.nullable(expr):
                    text = f"{require}({text}, {self.module.bind('k', name)})"
                texts.append(text)
            cells.append(f"({', '.join(texts)},)" if texts else "()")
        need = self.owner._rt(gw.require_element)
        in_graph = {element.ends_in for element in self.query.elements if element.ends is not None}
        tables = self.module.bind("k", tuple(in_graph))
        cells += [f"{need}({scalars.value(expr)}, {tables})" for _, expr in self.query.bound]
        return cells

    def write(self, passed: list[str]) -> None:
        """The loop."""
        block, query, relations = self.block, self.query, self.owner.relations
        found, batch, row = (self.module.fresh(p) for p in ("m", "b", "r"))
        names = [*self.values, *self.bound.values(), *passed]
        block.emit("out = []")
        with block.indented(f"for {', '.join(names)}, in items:" if names else "for _ in items:"):
            call, _ = self.owner.queries.subquery_call(query.match, relations.scalars)
            block.emit(f"{found} = []")
            with block.each_batch(batch, call):
                block.emit(f"{found}.extend({batch})")
                block.emit("yield PAUSE")
            relations.rows[query.range_id] = RowVariable(row, len(query.columns))
            with block.indented(f"if not {found}:"):
                self._make(row, found)
            if query.on_match:
                with block.indented("else:"):
                    self._change(query.on_match, row, found, False)
            if query.outputs:
                with block.indented(f"for {row} in {found}:"):
                    block.emit(f"out.append({self.owner._cells(query.outputs, relations)})")
                with block.indented("if len(out) >= 512:"):
                    block.emit("yield out")
                    block.emit("out = []")
            else:
                block.emit("yield PAUSE")
        block.emit("yield out or PAUSE")

    def _make(self, row: str, found: str) -> None:
        """Nothing was found: make it, under its name."""
        block, query = self.block, self.query
        claim, name_of = self.owner._rt(gw.claim_name), self.owner._rt(gw.name_of)
        block.emit(f"yield from {claim}(ctx, {name_of}({self._tables()}, {self._name_parts()}))")
        ids: list[str] = []
        cells = [""] * (len(query.elements) + len(query.bound))
        for position, name in self.bound.items():
            cells[position] = name
        for number, element in enumerate(query.elements):
            ids.append(self.module.fresh("id"))
            cells[query.positions[number]] = self._make_element(number, element, ids)
        block.emit(f"ctx.row_count += {len(query.elements)}")
        block.emit("ctx.next_stage()")
        block.emit(f"{found} = [({', '.join(cells)},)]")
        if query.on_create:
            self._change(query.on_create, row, found, True)

    def _make_element(self, number: int, element: q.NewElement, ids: list[str]) -> str:
        """Insert it; the text of its value."""
        block, graph = self.block, self.query.graph_oid
        new_row = self.module.fresh("r")
        maker, values = self.makers[number], self.values[number]
        writer = self.owner._writer(element.into.table_oid)
        tail = ""
        if element.ends is None:
            block.emit(f"{new_row} = {maker}.node({values})")
        else:
            parts = self.module.fresh("t")
            source, target = (self._end(end, ids) for end in element.ends)
            block.emit(f"{parts} = {maker}.parts({values})")
            block.emit(f"{new_row} = ({parts}[0], {source[1]}, {target[1]}, *{parts}[1])")
            tail = f", {source[0]}, {source[1]}, {target[0]}, {target[1]}"
        insert = self.owner._rt(gw.insert_merged)
        block.emit(f"{ids[number]} = yield from {insert}(ctx, {writer}, {new_row})")
        return f"({graph}, {element.into.table_oid}, {ids[number]}, {new_row}{tail})"

    def _end(self, end: ex.Expr, ids: list[str]) -> tuple[str, str]:
        """(table, row id) of an edge's end, as texts."""
        row_id = element_id(end)
        if isinstance(row_id, ex.RowId) and row_id.range_id in self.new_ranges:
            number = self.new_ranges[row_id.range_id]
            return str(self.query.elements[number].into.table_oid), ids[number]
        name = self.bound[self._bound_position(end)]
        return f"{name}[1]", f"{name}[2]"

    def _bound_position(self, end: ex.Expr) -> int:
        return next(position for position, expr in self.query.bound if expr == end)

    def _tables(self) -> str:
        return self.module.bind("k", tuple(element.into.table_oid for element in self.query.elements))

    def _name_parts(self) -> str:
        """(labels, names, values, ends) of each element; the properties in the order of their names."""
        parts: list[str] = []
        unordered = self.owner._rt(gw.unordered)
        for number, element in enumerate(self.query.elements):
            names = [name for name, _ in element.properties]
            order = sorted(range(len(names)), key=names.__getitem__)
            labels = self.module.bind("k", tuple(sorted(element.labels)))
            shown = self.module.bind("k", tuple(names[n] for n in order))
            values = "".join(f"{self.values[number]}[{n}], " for n in order)
            ends = "None"
            if element.ends is not None:
                ends = f"{unordered}({', '.join(self._end_name(end) for end in element.ends)})"
            parts.append(f"({labels}, {shown}, ({values}), {ends})")
        return f"({', '.join(parts)},)"

    def _end_name(self, end: ex.Expr) -> str:
        """A number that names an end: an id, or the place of a new node below zero."""
        row_id = element_id(end)
        if isinstance(row_id, ex.RowId) and row_id.range_id in self.new_ranges:
            return str(-1 - self.new_ranges[row_id.range_id])
        return f"{self.bound[self._bound_position(end)]}[2]"

    def _change(self, changes: tuple[q.ElementChange, ...], row: str, found: str, is_new: bool) -> None:
        """ON CREATE SET, ON MATCH SET: at once, so that the next input row sees it."""
        block = self.block
        block.emit(f"changes = {self.owner._rt(gw.Changes)}(ctx)")
        with block.indented(f"for {row} in {found}:"):
            self.owner._add_changes(changes, "changes", self.owner.relations)
        count = "" if is_new else "ctx.row_count += "  # what was made is counted already
        block.emit(f"{count}yield from changes.write()")
        block.emit("ctx.next_stage()")
        columns = self.module.bind(
            "k",
            tuple((position, column.type.oid) for position, column in enumerate(self.query.match.columns)),
        )
        block.emit(f"{found} = yield from {self.owner._rt(gw.refreshed)}(ctx, {found}, {columns})")
