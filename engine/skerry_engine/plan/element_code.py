"""Loops over rows of graphs' elements: by id, by label, edges in both ways, and joins by id.

A join by id follows a loop over a batch whose rows name the ids: an edge's target, mostly.  The joined rows are then
fetched by the batch, beside it, and no row passes through anything:

    b1 = rd1.few(ix1, id1, 1024)                           edges from node 1
    m1 = [r2 for r2 in b1 if fits1[r2[0]]]                 :KNOWS
    for r2, r3 in zip(m1, rd0.get_each([r2[2] for r2 in m1])):
        if r3 is not None: ...                             their targets

Such a join is *attached* to the range that the loop is over, and written with it (`joined_loop`).  Where there is no
such loop, or the id is known only row by row, it is a look-up per row.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from skerry_engine.algebra import expressions as ex
from skerry_engine.algebra import queries as q
from skerry_engine.algebra.labels import AllOf, LabelFormula
from skerry_engine.algebra.traversal import used_ranges
from skerry_engine.plan import element_rows, elements
from skerry_engine.plan import physical as ph
from skerry_engine.plan.expressions import RowVariable, may_yield
from skerry_engine.plan.runtime import FEW
from skerry_engine.plan.source import MAX_NESTED_LOOPS, AppendRow, CountRows, ThenJoin
from skerry_engine.storage.ways import way_kind

if TYPE_CHECKING:
    from skerry_engine.plan.relations import RelationWriter

Consume = Callable[[], None]


class ElementWriter:
    """Writes the nodes of physical plans that are about graphs, for one generated function."""

    def __init__(self, relations: RelationWriter) -> None:
        self.relations = relations
        self.block = relations.block
        self.module = relations.module
        self._attached: dict[int, list[ph.RowJoin]] = {}

    def write(self, node: ph.Physical, consume: Consume) -> None:
        """Write loops in whose innermost body every row of `node` is current."""
        match node:
            case ph.RowLookup():
                self._row_lookup(node, consume)
            case ph.LabelScan():
                self._label_scan(node, consume)
            case ph.WaysScan():
                self._ways_scan(node, consume)
            case ph.WaysLookup():
                self._ways_lookup(node, consume)
            case ph.RowJoin():
                self._row_join(node, consume)
            case _:
                raise AssertionError(f"no code for {type(node).__name__}")

    # --- one row ----------------------------------------

    def _row_lookup(self, node: ph.RowLookup, consume: Consume) -> None:
        relations, scan = self.relations, node.scan
        reader = relations.reader(scan.range_id, scan.table_oid)
        key = self._named_key(node.key)
        row = RowVariable(
            self.module.fresh("r"), scan.width, key if scan.range_id in relations.ids_wanted else None
        )
        relations._make_current(scan.range_id, row)
        with self.block.indented(f"if {self._found(row, reader, key, node.key)}:"):
            relations._where(node.filters, consume)
        if relations._driving():
            relations.sink.batch_end()

    def _named_key(self, key: ex.Expr) -> str:
        name = self.module.fresh("id")
        self.block.emit(f"{name} = {self.relations.scalars.value(key)}")
        return name

    def _found(self, row: RowVariable, reader: str, key: str, expr: ex.Expr) -> str:
        test = f"({row.name} := {reader}.get({key})) is not None"
        return f"{key} is not None and {test}" if self.relations.scalars.nullable(expr) else test

    # --- many rows ----------------------------------------

    def _label_scan(self, node: ph.LabelScan, consume: Consume) -> None:
        relations, scan = self.relations, node.scan
        reader = relations.reader(scan.range_id, scan.table_oid)
        index = relations.index(scan.range_id, scan.table_oid, node.index_oid)
        registry = relations.queries.shapes(scan.table_oid)
        key = (scan.table_oid, node.labels)
        fits = self.module.keep("fits", key, lambda: elements.fitting(registry, node.labels))
        row = relations._bind_row(scan.range_id, scan.width, scan.range_id in relations.ids_wanted)
        batch, ids = self.module.fresh("b"), self.module.fresh("ids")
        helper = self.module.bind("rt", element_rows.labelled_rows)
        with_ids = row.id_name is not None
        source = f"{helper}({reader}, {index}, {fits}, {with_ids})"
        with self.block.indented(f"for {ids}, {batch} in {source}:"):
            relations._row_loop(row, batch, ids if with_ids else None, node.filters, consume, scan.range_id)
            relations._after_batch(f"len({batch}) + 8")

    def _ways_scan(self, node: ph.WaysScan, consume: Consume) -> None:
        scan = node.ways.scan
        reader = self.relations.reader(scan.range_id, scan.table_oid)
        helper = self.module.bind("rt", element_rows.all_ways)
        self._ways(node.ways, f"{helper}({reader})", node.filters, consume)

    def _ways_lookup(self, node: ph.WaysLookup, consume: Consume) -> None:
        scan, relations = node.ways.scan, self.relations
        reader = relations.reader(scan.range_id, scan.table_oid)
        indexes = [
            relations.index(scan.range_id, scan.table_oid, oid)
            for oid in (node.source_index, node.target_index)
        ]
        helper = self.module.bind("rt", element_rows.ways_of)
        key = relations.scalars.value(node.key)
        source = f"{helper}({reader}, {', '.join(indexes)}, {key}, {node.is_from})"
        self._ways(node.ways, source, node.filters, consume)

    def _ways(self, ways: q.EdgeWays, source: str, filters: list[ex.Expr], consume: Consume) -> None:
        relations, scan = self.relations, ways.scan
        row = relations._bind_row(scan.range_id, scan.width, True)
        ends = relations._bind_row(ways.ends, 2)
        assert row.id_name is not None
        names = [row.name, row.id_name, ends.name]
        lists = [self.module.fresh(prefix) for prefix in ("b", "ids", "w")]
        with self.block.indented(f"for {', '.join(lists)} in {source}:"):
            relations.fan_out = relations.fan_out or not relations._driving()
            self.joined_loop(scan.range_id, names, lists, filters, consume)
            relations._after_batch(f"len({lists[0]}) + 8")

    # --- joins ----------------------------------------

    def is_attached(self, range_id: int) -> bool:
        """Whether joins wait to be written with the range's loop."""
        return bool(self._attached.get(range_id))

    def expand(self, node: ph.IndexLookup, consume: Consume) -> bool:
        """From a node to what is at the other ends of its edges, where nothing else is asked of these.

        False, nothing written, where something is.
        """
        if isinstance(consume, ThenJoin) and self._expand_twice(node, consume):
            return True
        excluded = self._excluded(node)
        if excluded is None:
            return False
        relations, scan = self.relations, node.scan
        other = 2 if node.way == "out" else 1
        reader = relations.reader(scan.range_id, scan.table_oid)
        index = relations.index(scan.range_id, scan.table_oid, node.index_oid)
        key, batch = self.module.fresh("k_"), self.module.fresh("b")
        self.block.emit(f"{key} = {relations.index_key(index, node.index_oid, scan.table_oid, node.keys)}")
        rest = f"{other}, {self._fits(node)}, {_tuple(excluded)}"
        self.block.emit(f"{batch} = {reader}.ends({index}, {key}, {rest}, {FEW}, {self._kind(node)})")
        many = f"{self.module.bind('rt', element_rows.many_ends)}({reader}, {index}, {key}, {rest})"
        row = RowVariable(self.module.fresh("o"), scan.width, only=other)
        relations._make_current(scan.range_id, row)
        with self.block.indented(f"for {batch} in (({batch},) if {batch} is not None else {many}):"):
            relations.fan_out = True
            self.joined_loop(scan.range_id, [row.name], [batch], [], consume)
            relations._after_batch(f"len({batch})")
        return True

    def _expand_twice(self, node: ph.IndexLookup, then: ThenJoin) -> bool:
        """Two expansions, one after the other: the second for all ends of the first at once, where nothing is asked of
        what is in the middle but that the two edges differ.

        False, nothing written, where something is.
        """
        after = then.right
        if not isinstance(after, ph.IndexLookup) or not self._is_between(node, after):
            return False
        relations, range_id = self.relations, node.scan.range_id
        firsts, seconds = self._unequal(node), self._unequal(after)
        if firsts is None or seconds is None:
            return False
        own = [each for each in seconds if each.range_id == range_id]
        uses = relations.queries.uses_of_id
        if (
            len(own) > 1
            or uses(range_id) != len(firsts) + len(own)
            or uses(after.scan.range_id) != len(seconds)
        ):
            return False
        if any(relations.scalars.nullable(each) for each in (*firsts, *seconds) if each not in own):
            return False
        ways = self.module.fresh("w")
        reader, index = self._reader_and_index(node)
        key = self.module.fresh("k_")
        self.block.emit(f"{key} = {relations.scalars.value(node.keys[0])}")
        rest = f"{_end(node)}, {self._fits(node)}, {_tuple([relations.scalars.value(e) for e in firsts])}"
        self.block.emit(f"{ways} = {reader}.ways_from({index}, {key}, {rest}, {FEW}, {self._kind(node)})")
        many = f"{self.module.bind('rt', element_rows.many_ways)}({reader}, {index}, {key}, {rest})"
        with self.block.indented(f"for {ways} in (({ways},) if {ways} is not None else {many}):"):
            relations.fan_out = True
            relations.inner += 1
            others = [relations.scalars.value(each) for each in seconds if each.range_id != range_id]
            # An edge from a node to another is none of those that go out of that other one.
            origin = key if node.way == after.way else "-1"
            self._follow_ways(after, ways, f"{bool(own)}, {origin}", others, then.consume)
            relations.inner -= 1
            relations._after_batch(f"len({ways})")
        return True

    def _follow_ways(
        self, node: ph.IndexLookup, ways: str, own_edges: str, excluded: list[str], consume: Consume
    ) -> None:
        """The ends of edges after `ways`; `own_edges` says where these are to be left out."""
        reader, index = self._reader_and_index(node)
        rest = f"{_end(node)}, {self._fits(node)}, {own_edges}, {_tuple(excluded)}"
        batch, kind = self.module.fresh("b"), self._kind(node)
        self.block.emit(f"{batch} = {reader}.ends_after({index}, {ways}, {rest}, {FEW}, {kind})")
        many = f"{self.module.bind('rt', element_rows.many_ends_after)}({reader}, {index}, {ways}, {rest}, {kind})"
        row = RowVariable(self.module.fresh("o"), node.scan.width, only=_end(node))
        self.relations._make_current(node.scan.range_id, row)
        with self.block.indented(f"for {batch} in (({batch},) if {batch} is not None else {many}):"):
            self.joined_loop(node.scan.range_id, [row.name], [batch], [], consume)
            self.relations._after_batch(f"len({batch})")

    def _is_between(self, node: ph.IndexLookup, after: ph.IndexLookup) -> bool:
        """Whether both only lead on from where they are, and the second from where the first one leads, of which
        nothing else is asked."""
        queries, range_id = self.relations.queries, node.scan.range_id
        if not node.way or not after.way or len(node.keys) != 1 or len(after.keys) != 1:
            return False
        key = after.keys[0]
        return (
            isinstance(key, ex.Column)
            and key.range_id == range_id
            and key.position == _end(node)
            and queries.uses_of_column(range_id, key.position) == 1
            and not self.is_attached(range_id)
            and not self.relations.scalars.nullable(node.keys[0])
            and queries.asks_only_ends(range_id, node.way)
            and queries.asks_only_ends(after.scan.range_id, after.way)
        )

    def _reader_and_index(self, node: ph.IndexLookup) -> tuple[str, str]:
        scan = node.scan
        reader = self.relations.reader(scan.range_id, scan.table_oid)
        return reader, self.relations.index(scan.range_id, scan.table_oid, node.index_oid)

    def _kind(self, node: ph.IndexLookup) -> str:
        """The number of the ways that the look-up follows."""
        formula, other = self._formula(node), _end(node)
        return self.module.keep("kind", (other, formula), lambda: way_kind(other, False, formula))

    def _fits(self, node: ph.IndexLookup) -> str:
        """What tells by an edge's shape whether its labels fit, or None."""
        formula = self._formula(node)
        if formula is None:
            return "None"
        registry = self.relations.queries.shapes(node.scan.table_oid)
        key = (node.scan.table_oid, formula)
        return self.module.keep("fits", key, lambda: elements.fitting(registry, formula))

    @staticmethod
    def _formula(node: ph.IndexLookup) -> LabelFormula | None:
        """The labels that edges have to have."""
        labels = [c.labels for c in node.filters if isinstance(c, ex.HasLabels)]
        if not labels:
            return None
        return labels[0] if len(labels) == 1 else AllOf(tuple(labels))

    def _excluded(self, node: ph.IndexLookup) -> list[str] | None:
        """The ids of edges that the edges must not be; None where more is asked of the edges than that, their labels,
        and what is at their other ends."""
        range_id = node.scan.range_id
        if (
            not node.way
            or len(node.keys) != 1
            or not self.relations.queries.asks_only_ends(range_id, node.way)
        ):
            return None
        unequal = self._unequal(node)
        if unequal is None or len(unequal) != self.relations.queries.uses_of_id(range_id):
            return None
        if any(map(self.relations.scalars.nullable, unequal)):
            return None
        return [self.relations.scalars.value(each) for each in unequal]

    def _unequal(self, node: ph.IndexLookup) -> list[ex.RowId] | None:
        """What edges' ids must not be, where nothing else is asked of the edges but their labels."""
        range_id = node.scan.range_id
        found: list[ex.RowId] = []
        for condition in node.filters:
            if isinstance(condition, ex.HasLabels) and condition.range_id == range_id:
                continue
            if not isinstance(condition, ex.Call) or condition.operator != "<>":
                return None
            one, other = condition.args
            if isinstance(other, ex.RowId) and other.range_id == range_id:
                one, other = other, one
            if not (isinstance(one, ex.RowId) and one.range_id == range_id and isinstance(other, ex.RowId)):
                return None
            found.append(other)
        return found

    def _row_join(self, node: ph.RowJoin, consume: Consume) -> None:
        if node.kind == "inner":
            place = self._loop_before(node.left, node)
            if place >= 0 and self.block.loops + 2 * _levels(node.left) <= MAX_NESTED_LOOPS:
                self._attached.setdefault(place, []).append(node)
                self.relations.produce(node.left, consume)
                assert not self.is_attached(place), "the loop has written it"
                return
        self.relations.produce(node.left, lambda: self._each_left(node, consume))

    def _loop_before(self, left: ph.Physical, node: ph.RowJoin) -> int:
        """The range of the innermost loop over a batch on the left side, if the batch's rows name the ids;
        -1 where there is none."""
        if may_yield(node.key):
            return -1
        used = used_ranges(node.key)
        while True:
            match left:
                case ph.NestedLoop(kind="inner", dependent=True) if not left.conditions:
                    left = left.right
                case ph.RowJoin(kind="inner"):
                    if left.scan.range_id in used or self._loop_before(left.left, left) < 0:
                        return -1
                    left = left.left
                case ph.SeqScan() | ph.LabelScan() | ph.IndexRange():
                    return left.scan.range_id if left.scan.range_id in used else -1
                case ph.IndexLookup():
                    is_loop = not left.unique or left.scan.range_id in self.relations.ids_wanted
                    return left.scan.range_id if is_loop and left.scan.range_id in used else -1
                case ph.PathRows():
                    return left.search.range_id if left.search.range_id in used else -1
                case ph.WaysScan() | ph.WaysLookup():
                    return left.ways.scan.range_id if used & {left.ways.scan.range_id, left.ways.ends} else -1
                case _:
                    return -1

    def joined_loop(
        self, range_id: int, names: list[str], lists: list[str], filters: list[ex.Expr], consume: Consume
    ) -> None:
        """The loop over parallel lists of a batch, and over the rows of the joins attached to it."""
        relations = self.relations
        joins = self._attached.pop(range_id, [])
        late = [c for c in filters if may_yield(c)]
        early = [c for c in filters if not may_yield(c)]
        item, source = _zipped(names, lists)
        if joins:
            batch = self.module.fresh("m")
            tests = " and ".join(relations.scalars.is_true(c) for c in early)
            if tests or len(names) > 1:
                where = f" if {tests}" if tests else ""
                self.block.emit(f"{batch} = [{item} for {item.strip('()')} in {source}{where}]")
                source = batch
            if not relations._driving():  # what is fetched is work, too
                self.block.declare("work", "0")
                self.block.emit(f"work += {len(joins)} * len({source})")
            item, source = self._fetched(joins, item, source)
            early = []
        conditions = [*early, *late, *(c for join in joins for c in join.residual)]
        if isinstance(consume, AppendRow) and not any(map(may_yield, conditions)):
            self._comprehension(joins, conditions, item, source, consume)
            return
        if isinstance(consume, CountRows) and not joins and not any(map(may_yield, conditions)):
            consume.rows_of(item, source, [relations.scalars.is_true(c) for c in conditions])
            return
        with self.block.indented(f"for {item} in {source}:"):
            relations.inner += 1
            with ExitStack() as stack:
                for join in joins:
                    row = relations.rows[join.scan.range_id]
                    stack.enter_context(self.block.indented(f"if {row.name} is not None:"))
                    key = relations.scalars.value(join.key)
                    if row.id_name is not None and row.id_name != key:
                        self.block.emit(f"{row.id_name} = {key}")
                relations._where(conditions, consume)
            relations.inner -= 1
            relations._after_row()

    def _comprehension(
        self, joins: list[ph.RowJoin], conditions: list[ex.Expr], item: str, source: str, consume: AppendRow
    ) -> None:
        """The loop over a batch and the rows fetched beside it, in one expression."""
        relations = self.relations
        text = consume.text()
        tests = [relations.scalars.is_true(c) for c in conditions]
        there = []
        for join in joins:
            row = relations.rows[join.scan.range_id]
            there.append(f"{row.name} is not None")
            key = relations.scalars.value(join.key)
            if row.id_name in (None, key):
                continue
            if any(str(row.id_name) in written for written in (text, *tests)):
                there.append(f"({row.id_name} := {key}) is not None")
        consume.rows_of(item, source, there + tests, text)

    def _fetched(self, joins: list[ph.RowJoin], item: str, batch: str) -> tuple[str, str]:
        """What the loop over a batch is over when the joins' rows, fetched at once, stand beside it."""
        relations = self.relations
        items, sources = [item], [batch]
        for join in joins:
            reader = relations.reader(join.scan.range_id, join.scan.table_oid)
            key = relations.scalars.value(join.key)
            ids = batch if key == item else f"[{key} for {item.strip('()')} in {batch}]"
            sources.append(f"{reader}.get_each({ids})")
            row = relations._bind_row(
                join.scan.range_id, join.scan.width, join.scan.range_id in relations.ids_wanted
            )
            if row.id_name is not None and key.isidentifier():
                relations._make_current(join.scan.range_id, replace(row, id_name=key))
            items.append(row.name)
        return ", ".join(items), f"zip({', '.join(sources)})"

    def _each_left(self, node: ph.RowJoin, consume: Consume) -> None:
        """A look-up per left row."""
        relations, scan = self.relations, node.scan
        reader = relations.reader(scan.range_id, scan.table_oid)
        key = self._named_key(node.key)
        row = RowVariable(
            self.module.fresh("r"), scan.width, key if scan.range_id in relations.ids_wanted else None
        )
        relations._make_current(scan.range_id, row)
        test = self._found(row, reader, key, node.key)
        if node.kind == "inner":
            with self.block.indented(f"if {test}:"):
                relations._where(node.residual, consume)
            return
        matches = self.module.fresh("m")
        ranges = {scan.range_id: scan.width}
        self.block.emit(f"{matches} = ({relations._pack_of(ranges)},) if {test} else ()")
        relations._matches(node.kind, matches, ranges, node.residual, consume)


def _levels(node: ph.Physical) -> int:
    """At most how many pairs of loops (over batches, over their rows) stand around the node's rows."""
    match node:
        case ph.NestedLoop() | ph.HashJoin():
            return _levels(node.left) + _levels(node.right)
        case ph.RowJoin() | ph.IndexJoin():
            return _levels(node.left) + 1
        case ph.Filtered():
            return _levels(node.input)
    return 1


def _zipped(names: list[str], lists: list[str]) -> tuple[str, str]:
    """(loop item, what it is over) of parallel lists."""
    if len(names) == 1:
        return names[0], lists[0]
    return f"({', '.join(names)})", f"zip({', '.join(lists)})"


def _end(node: ph.IndexLookup) -> int:
    """Where the rows of edges have what the look-up leads to."""
    return 2 if node.way == "out" else 1


def _tuple(texts: list[str]) -> str:
    return f"({''.join(f'{each}, ' for each in texts)})"
