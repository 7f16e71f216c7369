"""EXPLAIN: the physical plan as text or JSON; (PYTHON) the generated source; ANALYZE runs the statement.

option                    on               off
COSTS (on)                estimates        none
ANALYZE (off)             rows and times   the statement is not run
TIMING (on, ANALYZE)                       rows alone
SUMMARY (as ANALYZE)      how long planning and running took
"""

from __future__ import annotations

import json
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from skerry_engine import errors
from skerry_engine.plan.explain import explain_lines
from skerry_engine.plan.explain_json import explain_tree
from skerry_engine.session.steps import Complete, Description, ResultColumn, Rows, Step
from skerry_engine.sql import statements as st
from skerry_engine.values import oids
from skerry_engine.values.types import SqlType

if TYPE_CHECKING:
    from skerry_engine.session.plans import Plan
    from skerry_engine.session.session import Session

Steps = Generator[Step, object, None]
COLUMN: Final = "QUERY PLAN"
_FLAGS: Final = frozenset(
    {"analyze", "verbose", "costs", "timing", "summary", "python", "buffers", "settings", "wal"}
)
_REFUSED_ON: Final = frozenset({"buffers", "settings", "wal"})
_WORDS: Final = {"true": True, "on": True, "1": True, "false": False, "off": False, "0": False}


@dataclass(frozen=True, slots=True)
class _Options:
    """EXPLAIN's options."""

    is_json: bool
    analyze: bool
    costs: bool
    timing: bool
    summary: bool
    python: bool


@dataclass(slots=True)
class _Run:
    """What running the statement showed."""

    rows: int
    elapsed_ms: float


def explain(session: Session, statement: st.Explain) -> Steps:
    """EXPLAIN [(options)] query.  Raises SyntaxError, InvalidParameterValue, NotSupportedError."""
    options = _read_options(statement.options)
    if not isinstance(statement.statement, st.Query):
        raise errors.NotSupportedError("EXPLAIN of a command is not supported")
    types, values = session.bound_oids, session.bound_values
    started_s = time.perf_counter()
    plan = session.plan_query(statement.statement, types)
    planning_ms = (time.perf_counter() - started_s) * 1000
    session.check_rights(plan)
    yield Description(columns(statement))
    run: _Run | None = None
    if options.analyze:
        run = yield from _analyze(session, statement.statement, plan, types, values)
    if options.is_json:
        lines = [json.dumps([_document(plan, options, planning_ms, run)], indent=2)]
    else:
        lines = _lines(plan, options, planning_ms, run)
    yield Rows([(line,) for line in lines])
    yield Complete("EXPLAIN")


def columns(statement: st.Explain) -> tuple[ResultColumn, ...]:
    """The result's one column."""
    is_json = statement.options.get("format") == "json"
    return (ResultColumn(COLUMN, SqlType(oids.JSON if is_json else oids.TEXT)),)


def _read_options(written: dict[str, str]) -> _Options:
    flags: dict[str, bool] = {}
    for name, value in written.items():
        if name == "format":
            continue
        if name not in _FLAGS:
            raise errors.SyntaxError(f'unrecognized EXPLAIN option "{name}"')
        if value not in _WORDS:
            raise errors.SyntaxError(f"{name} requires a Boolean value")
        flags[name] = _WORDS[value]
        if name in _REFUSED_ON and flags[name]:
            raise errors.NotSupportedError(f"EXPLAIN option {name.upper()} is not supported")
    analyze = flags.get("analyze", False)
    if flags.get("timing", False) and not analyze:
        raise errors.InvalidParameterValue("EXPLAIN option TIMING requires ANALYZE")
    is_json = _is_json(written.get("format", "text"))
    python = flags.get("python", False)
    if python and is_json:
        raise errors.NotSupportedError("EXPLAIN (PYTHON) in a format other than TEXT is not supported")
    costs, timing = flags.get("costs", True), flags.get("timing", True)
    return _Options(is_json, analyze, costs, timing, flags.get("summary", analyze), python)


def _is_json(form: str) -> bool:
    if form not in ("text", "xml", "json", "yaml"):
        raise errors.InvalidParameterValue(f'unrecognized value for EXPLAIN option "format": "{form}"')
    if form in ("xml", "yaml"):
        raise errors.NotSupportedError(f"EXPLAIN (FORMAT {form.upper()}) is not supported")
    return form == "json"


def _lines(plan: Plan, options: _Options, planning_ms: float, run: _Run | None) -> list[str]:
    if options.python:
        lines = plan.compiled.source.rstrip("\n").split("\n")
    else:
        lines = explain_lines(plan.compiled, options.costs)
    if run is not None:
        lines = [*lines, f"Rows: {run.rows}"]
    if options.summary:
        lines = [*lines, f"Planning Time: {planning_ms:.3f} ms"]
    if options.summary and run is not None:
        lines = [*lines, f"Execution Time: {run.elapsed_ms:.3f} ms"]
    return lines


def _document(plan: Plan, options: _Options, planning_ms: float, run: _Run | None) -> dict[str, object]:
    """What JSON says of the statement; what it took is told of the root, as nobody counts below it."""
    plans = [physical for _, physical in plan.compiled.physical]
    root = explain_tree(plans, plan.query, options.costs)
    if run is not None:
        below = root.pop("Plans", None)
        if options.timing:
            root.update({"Actual Startup Time": 0.0, "Actual Total Time": round(run.elapsed_ms, 3)})
        root.update({"Actual Rows": run.rows, "Actual Loops": 1})
        if below is not None:
            root["Plans"] = below
    document: dict[str, object] = {"Plan": root}
    if options.summary:
        document["Planning Time"] = round(planning_ms, 3)
    if run is not None:
        document["Triggers"] = []
        if options.summary:
            document["Execution Time"] = round(run.elapsed_ms, 3)
    return document


def _analyze(
    session: Session, statement: st.Query, plan: Plan, types: Sequence[int], values: Sequence[object]
) -> Generator[Step, object, _Run]:
    """Run the statement for its time and row count."""
    started_s = time.perf_counter()
    rows = 0
    for step in session.query_steps(statement, plan, types, values, False):
        if isinstance(step, Rows):
            rows += len(step.rows)
        elif not isinstance(step, Complete):
            yield step
    return _Run(rows, (time.perf_counter() - started_s) * 1000)
