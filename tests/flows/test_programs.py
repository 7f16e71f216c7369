"""Random programs of flows leave what a small model of the rules says, and commit as often, in both worlds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.aio.flow_programs import AsyncInterpreter
from support.flow_model import Model
from support.flow_programs import Interpreter
from support.flow_world import TABLE

LEAVES = st.one_of(
    st.just(("insert",)),
    st.just(("insert",)),
    st.just(("fail",)),
    st.tuples(st.just("each"), st.integers(0, 4), st.booleans(), st.one_of(st.none(), st.integers(1, 3))),
)


def _bodies(step: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    body = st.lists(step, max_size=4)
    return st.one_of(
        st.tuples(st.just("stage"), st.booleans(), st.sampled_from([None, None, True, False]), body),
        st.tuples(st.just("stage"), st.just(True), st.just(None), body),
        st.tuples(st.just("flow"), st.booleans(), body),
        st.tuples(st.just("block"), st.booleans(), st.booleans(), body),
        st.tuples(st.just("loop"), st.integers(0, 3), body),
    )


PROGRAMS = st.lists(st.recursive(LEAVES, _bodies, max_leaves=8), max_size=5)


@settings(
    max_examples=120,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(program=PROGRAMS)
def test_any_program_leaves_what_the_rules_say(
    worlds: Callable[[str, bool], Any], runner: asyncio.Runner, program: list[Any]
) -> None:
    """Rows, commits, and whether it failed."""
    model = Model(program)
    blocking = worlds("skerry-embedded", False)
    blocking.db.execute(f"DELETE FROM {TABLE}")
    blocking.recorder.start_anew()
    has_failed = Interpreter(blocking, program).run().has_failed
    _compare(model, blocking, has_failed, blocking.ids())
    other = worlds("skerry-embedded", True)
    runner.run(other.db.execute(f"DELETE FROM {TABLE}"))
    other.recorder.start_anew()
    has_failed = runner.run(AsyncInterpreter(other, program).run()).has_failed
    _compare(model, other, has_failed, runner.run(other.ids()))


def _compare(model: Model, world: Any, has_failed: bool, ids: list[int]) -> None:
    assert (has_failed, ids, world.commits) == (model.has_failed, sorted(model.rows), model.commits)
    assert world.db.in_use == 0
