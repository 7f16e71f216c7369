"""Grouping: one state per group, its slots updated by inlined steps.

Without keys the slots are local variables.  With keys they are items of a list, found by the key in a dict:

    g = groups.get(key)
    if g is None: groups[key] = g = [k1, k2, *initial slots]
    g[2] += 1                          count(*)
    ...
    row = (g[0], g[1], g[2], ...)      keys, then the aggregates' final values

An aggregate that is DISTINCT keeps the set of what it has seen; one with ORDER BY, and one without an inline
form, keeps its inputs in a list and is computed at the end of the group.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

from skerry_engine.algebra import expressions as ex
from skerry_engine.plan import physical as ph
from skerry_engine.plan import runtime
from skerry_engine.plan.expressions import RowVariable
from skerry_engine.plan.sorting import sort_key_text
from skerry_engine.plan.source import CountRows

if TYPE_CHECKING:
    from skerry_engine.plan.relations import RelationWriter


class AggregateWriter:
    """Writes one Aggregate node."""

    def __init__(self, relations: RelationWriter) -> None:
        self.relations = relations
        self.block = relations.block
        self.module = relations.module

    def write(self, node: ph.Aggregate, consume: Callable[[], None]) -> None:
        """Loops that fill the groups, then a loop over them."""
        aggregation = node.aggregation
        self.aggregates = aggregation.aggregates
        if aggregation.keys or aggregation.grouping_sets:
            self._grouped(node, consume)
        else:
            self._single(node, consume)

    # --- one group ----------------------------------------

    def _single(self, node: ph.Aggregate, consume: Callable[[], None]) -> None:
        layout: list[list[str]] = []
        for aggregate in self.aggregates:
            slots = [self.module.fresh("s") for _ in self._initial(aggregate)]
            layout.append(slots)
            for slot, text in zip(slots, self._initial(aggregate), strict=True):
                self.block.emit(f"{slot} = {text}")
        relations = self.relations
        steps = self._counting(layout) or partial(self._steps, layout)
        relations.blocking(lambda: relations.produce(node.input, steps), "0")
        finals = [self._final(a, slots) for a, slots in zip(self.aggregates, layout, strict=True)]
        row = RowVariable(self.module.fresh("g"), len(finals))
        self.block.emit(f"{row.name} = ({', '.join(finals)},)" if finals else f"{row.name} = ()")
        relations.rows[node.aggregation.range_id] = row
        relations._where(node.filters, consume)
        if relations._driving():
            relations.sink.batch_end()

    def _counting(self, layout: list[list[str]]) -> CountRows | None:
        """The steps, where all that is asked for is count(*)."""
        for aggregate in self.aggregates:
            if aggregate.args or aggregate.filter or aggregate.distinct or aggregate.order_by:
                return None
            if aggregate.function.step != "{s0} += 1":
                return None
        return CountRows(self.block, [slot for slots in layout for slot in slots])

    # --- many groups ----------------------------------------

    def _grouped(self, node: ph.Aggregate, consume: Callable[[], None]) -> None:
        aggregation = node.aggregation
        relations = self.relations
        groups, group = self.module.fresh("groups"), self.module.fresh("g")
        keys = aggregation.keys
        sets = aggregation.grouping_sets
        first_slot = len(keys) + (1 if sets else 0)
        layout: list[list[str]] = []
        initial: list[str] = []
        for aggregate in self.aggregates:
            texts = self._initial(aggregate)
            start = first_slot + len(initial)
            layout.append([f"{group}[{start + i}]" for i in range(len(texts))])
            initial.extend(texts)
        self.block.emit(f"{groups} = {{}}")

        def update() -> None:
            names = [self._key_value(key) for key in keys]
            if not sets:
                self._find_group(groups, group, keys, names, names, initial)
                self._steps(layout)
                return
            variants = []
            for number, chosen in enumerate(sets):
                cells = [name if position in chosen else "None" for position, name in enumerate(names)]
                mask = sum(1 << (len(keys) - 1 - p) for p in range(len(keys)) if p not in chosen)
                variants.append(f"({number}, {', '.join([*cells, str(mask)])})")
            loop = [self.module.fresh("n"), *[self.module.fresh("t") for _ in keys], self.module.fresh("t")]
            with self.block.indented(f"for {', '.join(loop)} in ({', '.join(variants)},):"):
                self._find_group(groups, group, keys, loop[1:-1], loop[1:], initial, extra=loop[0])
                self._steps(layout)

        relations.blocking(lambda: relations.produce(node.input, update), f"len({groups})")
        for number, chosen in enumerate(sets):
            if not chosen:
                self._ensure_total(groups, number, len(keys), initial)
        self._emit_groups(node, groups, group, layout, consume)

    def _key_value(self, key: ex.Expr) -> str:
        name = self.module.fresh("k_")
        self.block.emit(f"{name} = {self.relations.scalars.value(key)}")
        return name

    def _find_group(
        self,
        groups: str,
        group: str,
        keys: tuple[ex.Expr, ...],
        names: list[str],
        kept: list[str],
        initial: list[str],
        extra: str | None = None,
    ) -> None:
        parts = [self._hash_part(name, key) for name, key in zip(names, keys, strict=True)]
        if extra is not None:
            parts.insert(0, extra)
        key_text = parts[0] if len(parts) == 1 else f"({', '.join(parts)})"
        lookup = self.module.fresh("k_")
        self.block.emit(f"{lookup} = {key_text}")
        self.block.emit(f"{group} = {groups}.get({lookup})")
        with self.block.indented(f"if {group} is None:"):
            self.block.emit(f"{groups}[{lookup}] = {group} = [{', '.join([*kept, *initial])}]")

    def _hash_part(self, name: str, key: ex.Expr) -> str:
        text = self.relations.hash_atom(name, key.type.oid)
        return text if text == name else f"(None if {name} is None else {text})"

    def _ensure_total(self, groups: str, number: int, key_count: int, initial: list[str]) -> None:
        """GROUP BY () gives its row even without input."""
        mask = (1 << key_count) - 1
        nones = ["None"] * key_count
        key = f"({', '.join([str(number), *nones])})" if key_count else str(number)
        with self.block.indented(f"if {key} not in {groups}:"):
            self.block.emit(f"{groups}[{key}] = [{', '.join([*nones, str(mask), *initial])}]")

    def _emit_groups(
        self,
        node: ph.Aggregate,
        groups: str,
        group: str,
        layout: list[list[str]],
        consume: Callable[[], None],
    ) -> None:
        aggregation, relations = node.aggregation, self.relations
        chunk = self.module.fresh("b")
        row = RowVariable(self.module.fresh("r"), len(aggregation.keys) + len(self.aggregates))
        with self.block.indented(f"for {chunk} in drain({groups}.values()):"):
            with self.block.indented(f"for {group} in {chunk}:"):
                cells = [f"{group}[{i}]" for i in range(len(aggregation.keys))]
                cells += [self._final(a, slots) for a, slots in zip(self.aggregates, layout, strict=True)]
                if aggregation.grouping_sets:
                    cells.append(f"{group}[{len(aggregation.keys)}]")
                self.block.emit(f"{row.name} = ({', '.join(cells)},)")
                relations.rows[aggregation.range_id] = row
                relations.inner += 1
                relations._where(node.filters, consume)
                relations.inner -= 1
                relations._after_row()
            relations._after_batch(f"len({chunk})")

    # --- slots ----------------------------------------

    def _collects(self, aggregate: ex.Aggregate) -> bool:
        """Whether the inputs are kept until the end of the group."""
        function = aggregate.function
        return function.final is None or bool(aggregate.order_by) or function.kind != "n"

    def _initial(self, aggregate: ex.Aggregate) -> list[str]:
        slots = ["[]"] if self._collects(aggregate) else list(aggregate.function.initial or ())
        if aggregate.distinct:
            slots.append("set()")
        return slots

    def _steps(self, layout: list[list[str]]) -> None:
        for aggregate, slots in zip(self.aggregates, layout, strict=True):
            self._step(aggregate, slots)

    def _step(self, aggregate: ex.Aggregate, slots: list[str]) -> None:
        scalars = self.relations.scalars
        function = aggregate.function
        with ExitStack() as stack:
            if aggregate.filter is not None:
                stack.enter_context(self.block.indented(f"if {scalars.is_true(aggregate.filter)}:"))
            args = aggregate.args[function.direct_args :]
            names: list[str] = []
            for position, arg in enumerate(args):
                text = scalars.value(arg)
                uses = (function.step or "").count(f"{{{position}}}")
                if not text.isidentifier() and (
                    uses != 1 or scalars.nullable(arg) or self._collects(aggregate)
                ):
                    name = self.module.fresh("t")
                    self.block.emit(f"{name} = {text}")
                    text = name
                names.append(text)
            must = [n for n, a in zip(names, args, strict=True) if scalars.nullable(a)]
            if function.strict and must:
                test = " and ".join(f"{n} is not None" for n in must)
                stack.enter_context(self.block.indented(f"if {test}:"))
            if aggregate.distinct:
                seen = self.module.fresh("k_")
                parts = [self._hash_part(n, a) for n, a in zip(names, args, strict=True)]
                self.block.emit(f"{seen} = ({', '.join(parts)},)")
                stack.enter_context(self.block.indented(f"if {seen} not in {slots[-1]}:"))
                self.block.emit(f"{slots[-1]}.add({seen})")
            self._accumulate(aggregate, slots, names)

    def _accumulate(self, aggregate: ex.Aggregate, slots: list[str], names: list[str]) -> None:
        if not self._collects(aggregate):
            self._inline_step(aggregate, slots, names)
            return
        item = names[0] if len(names) == 1 else f"({', '.join(names)},)"
        if aggregate.order_by:
            key = sort_key_text(aggregate.order_by, self.relations.scalars, self.relations.hash_atom)
            item = f"({key}, len({slots[0]}), {item})"
        self.block.emit(f"{slots[0]}.append({item})")

    def _inline_step(self, aggregate: ex.Aggregate, slots: list[str], names: list[str]) -> None:
        step = aggregate.function.step or ""
        for number, slot in enumerate(slots):
            step = step.replace(f"{{s{number}}}", slot)
        for number, name in enumerate(names):
            step = step.replace(f"{{{number}}}", name)
        for line in step.splitlines():
            self.block.emit(line)

    def _final(self, aggregate: ex.Aggregate, slots: list[str]) -> str:
        function = aggregate.function
        if not self._collects(aggregate):
            text = function.final or "None"
            for number, slot in enumerate(slots):
                text = text.replace(f"{{s{number}}}", slot)
            return f"({text})"
        inputs = slots[0]
        if aggregate.order_by:
            inputs = f"{self.module.bind('rt', runtime.sorted_inputs)}({inputs})"
        if function.finish is None:
            return self._late_inline(aggregate, inputs)
        finish = self.module.bind("fin", function.finish)
        arguments = [inputs]
        if function.kind != "n":
            direct = ", ".join(
                self.relations.scalars.value(a) for a in aggregate.args[: function.direct_args]
            )
            arguments.insert(0, f"({direct},)" if direct else "()")
        if function.needs_context:
            arguments.insert(0, self.block.declare("fc", "ctx.functions"))
        return f"{finish}({', '.join(arguments)})"

    def _late_inline(self, aggregate: ex.Aggregate, inputs: str) -> str:
        """An inline aggregate with ORDER BY: its steps run over the sorted inputs when the group ends."""
        function = aggregate.function
        slots = [self.module.fresh("s") for _ in function.initial or ()]
        for slot, text in zip(slots, function.initial or (), strict=True):
            self.block.emit(f"{slot} = {text}")
        count = len(aggregate.args)
        names = [self.module.fresh("t") for _ in range(count)]
        with self.block.indented(f"for {', '.join(names)} in {inputs}:"):
            self._inline_step(aggregate, slots, names)
        text = function.final or "None"
        for number, slot in enumerate(slots):
            text = text.replace(f"{{s{number}}}", slot)
        return f"({text})"
