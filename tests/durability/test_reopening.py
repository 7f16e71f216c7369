"""What was committed is there again: whatever the goldenscripts do is done on a directory, which is then opened
again as a kill would have left it, and once more after a clean stop."""

from __future__ import annotations

from pathlib import Path

import pytest
from stepper import run_script
from support.durable import DurableSqlDatabase, state_of
from support.sessions import SqlDatabase

from skerry_engine.engine import Engine

GOLDENSCRIPTS = Path(__file__).parents[1] / "goldenscripts"
SCRIPTS = sorted([*(GOLDENSCRIPTS / "sql").glob("*.txt"), *(GOLDENSCRIPTS / "anomalies").glob("*.txt")])


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_script_runs_as_in_memory_and_what_it_left_is_there_again(path: Path, tmp_path: Path) -> None:
    database = DurableSqlDatabase(tmp_path / "database")
    text = path.read_text(encoding="utf-8")
    assert run_script(text, database.open_session) == text
    assert database.engine.durable is not None
    database.engine.durable.flush()
    killed = database.copy(tmp_path / "killed")
    for session in list(database.sessions.values()):
        session.session.close()
    left = state_of(database.engine)
    database.engine.close()
    for directory in (killed, tmp_path / "database"):
        engine = Engine.open(str(directory))
        assert state_of(engine) == left
        engine.close()


def test_the_comparison_sees_a_difference() -> None:
    one = SqlDatabase("create table t (a int primary key)", "insert into t values (1)")
    other = SqlDatabase("create table t (a int primary key)", "insert into t values (2)")
    assert state_of(one.engine) != state_of(other.engine)
