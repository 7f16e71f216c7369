"""A bound statement to something that runs: source text, compiled once.

plan = compile_query(query, inputs)      plan.run(ctx) is a generator of batches and steps
make = compile_rows(exprs, range_id)     make(functions, row) is a tuple: index keys, defaults, checks of stored rows
"""

from __future__ import annotations

import linecache
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from skerry_engine.algebra import expressions as ex
from skerry_engine.algebra import queries as q
from skerry_engine.functions.namespace import NAMESPACE
from skerry_engine.plan import physical as ph
from skerry_engine.plan.expressions import ExpressionWriter, RowVariable, Subqueries
from skerry_engine.plan.graph_rules import without_unread_nodes
from skerry_engine.plan.path_rules import with_one_path_each
from skerry_engine.plan.points import write_point
from skerry_engine.plan.queries import PlanInputs, QueryWriter
from skerry_engine.plan.runtime import Batches
from skerry_engine.plan.source import Block, Module
from skerry_engine.sql.bridge import too_complex

_serial = 0


@dataclass(slots=True)
class CompiledQuery:
    """A statement ready to run.

    `run(ctx)` makes its generator.  `point(ctx)`, where not None, gives all result rows at once without a
    generator (a change may raise LockWait or RestartStatement).  `slots` are (range id, table OID) by reader slot;
    `physical` is for EXPLAIN.
    """

    source: str
    run: Callable[[Any], Batches]
    columns: tuple[q.OutputColumn, ...]
    slots: list[tuple[int, int]]
    physical: list[tuple[str, ph.Physical]]
    point: Callable[[Any], list[tuple[object, ...]]] | None = None


def compile_query(query: q.Query, inputs: PlanInputs) -> CompiledQuery:
    """Plan and compile a whole statement."""
    module = Module()
    query = with_one_path_each(without_unread_nodes(query, inputs))
    writer = QueryWriter(module, inputs, query)
    name = writer.function(query, {}, [])
    point = write_point(writer, query)
    text = module.text()
    namespace = execute_source(text, module.namespace)
    return CompiledQuery(
        text,
        namespace[name],
        query.columns,
        writer.slot_tables,
        writer.physical,
        None if point is None else namespace[point],
    )


def execute_source(text: str, namespace: dict[str, object]) -> dict[str, Any]:
    """Run generated source in its namespace; tracebacks through it show its lines.  Raises StatementTooComplex."""
    global _serial
    _serial += 1
    filename = f"<skerry plan {_serial}>"
    try:
        code = compile(text, filename, "exec")
    except (RecursionError, MemoryError, SyntaxError) as error:
        if isinstance(error, SyntaxError) and "too many" not in str(error.msg):
            raise
        raise too_complex() from None
    linecache.cache[filename] = (len(text), None, text.splitlines(True), filename)
    if len(linecache.cache) > 2000:
        for old in [key for key in linecache.cache if key.startswith("<skerry plan")][:1000]:
            del linecache.cache[old]
    made: dict[str, Any] = dict(namespace)
    exec(code, made)
    return made


class _NoSubqueries(Subqueries):
    """Stored expressions hold no subqueries."""


def compile_rows(
    exprs: tuple[ex.Expr, ...], range_id: int = 0
) -> Callable[[Any, tuple[object, ...]], tuple[object, ...]]:
    """A function (FunctionContext, row) -> values of `exprs` over the row, which is range `range_id`."""
    module = Module()
    module.namespace.update(NAMESPACE)
    block = Block(module, "values_of", ["row"])
    scalars = ExpressionWriter(block, {range_id: RowVariable("row", 0)}, _NoSubqueries())
    cells = [scalars.value(expr) for expr in exprs]
    result = f"({', '.join(cells)},)" if cells else "()"
    lines = ["def values_of(fc, row):", *(line for line in block.prologue if "ctx." not in line)]
    text = "\n".join([*lines, f"    return {result}"]) + "\n"
    function: Callable[[Any, tuple[object, ...]], tuple[object, ...]] = execute_source(
        text, module.namespace
    )["values_of"]
    return function
