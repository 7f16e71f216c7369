"""EXPLAIN: the physical plan as text; EXPLAIN (PYTHON) the generated source;
EXPLAIN ANALYZE runs the statement."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING

from skerry_engine import errors
from skerry_engine.plan.explain import explain_lines
from skerry_engine.session.steps import Complete, Description, ResultColumn, Rows, Step
from skerry_engine.sql import statements as st
from skerry_engine.values import oids
from skerry_engine.values.types import SqlType

if TYPE_CHECKING:
    from skerry_engine.session.plans import Plan
    from skerry_engine.session.session import Session

Steps = Generator[Step, object, None]
COLUMNS = (ResultColumn("QUERY PLAN", SqlType(oids.TEXT)),)
_KNOWN = frozenset(
    {"analyze", "verbose", "costs", "timing", "summary", "format", "python", "buffers", "settings", "wal"}
)
_REFUSED_ON = frozenset({"buffers", "settings", "wal"})


def explain(session: Session, statement: st.Explain) -> Steps:
    """EXPLAIN [(options)] query."""
    options = statement.options
    for name, value in options.items():
        if name not in _KNOWN:
            raise errors.SyntaxError(f'unrecognized EXPLAIN option "{name}"')
        if name in _REFUSED_ON and value == "true":
            raise errors.NotSupportedError(f"EXPLAIN option {name.upper()} is not supported")
    form = options.get("format", "text")
    if form not in ("text", "xml", "json", "yaml"):
        raise errors.InvalidParameterValue(f'unrecognized value for EXPLAIN option "format": "{form}"')
    if form != "text":
        raise errors.NotSupportedError("EXPLAIN formats other than TEXT are not supported")
    if not isinstance(statement.statement, st.Query):
        raise errors.NotSupportedError("EXPLAIN of a command is not supported")
    types, values = session.bound_oids, session.bound_values
    plan = session.plan_query(statement.statement, types)
    session.check_rights(plan)
    yield Description(COLUMNS)
    if options.get("python") == "true":
        lines = plan.compiled.source.rstrip("\n").split("\n")
    else:
        lines = explain_lines(plan.compiled, options.get("costs", "true") == "true")
    if options.get("analyze") == "true":
        lines = lines + (yield from _analyze(session, statement.statement, plan, types, values))
    yield Rows([(line,) for line in lines])
    yield Complete("EXPLAIN")


def _analyze(
    session: Session, statement: st.Query, plan: Plan, types: Sequence[int], values: Sequence[object]
) -> Generator[Step, object, list[str]]:
    """Run the statement for its time and row count."""
    started_s = time.perf_counter()
    rows = 0
    for step in session.query_steps(statement, plan, types, values, False):
        if isinstance(step, Rows):
            rows += len(step.rows)
        elif not isinstance(step, Complete):
            yield step
    elapsed_ms = (time.perf_counter() - started_s) * 1000
    return [f"Rows: {rows}", f"Execution Time: {elapsed_ms:.3f} ms"]
