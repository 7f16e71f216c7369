"""What was committed is there again: whatever the goldenscripts do is done on a directory, which is then opened
again as a kill would have left it, and once more after a clean stop."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from stepper import Stepper, play_script, run_script
from support.durable import DurableSqlDatabase, state_of
from support.sessions import SqlDatabase

from skerry_engine.engine import Engine

GOLDENSCRIPTS = Path(__file__).parents[1] / "goldenscripts"
EVERY = int(os.environ.get("SKERRY_EVERY_SCRIPT", "12"))
"""One of so many of the anomalies' scripts is played here; the environment can ask for all (1)."""
SCRIPTS = [
    *sorted((GOLDENSCRIPTS / "sql").glob("*.txt")),
    *sorted((GOLDENSCRIPTS / "anomalies").glob("*.txt"))[::EVERY],
]


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_script_runs_as_in_memory_and_what_it_left_is_there_again(path: Path, tmp_path: Path) -> None:
    database = DurableSqlDatabase(tmp_path / "database")
    text = path.read_text(encoding="utf-8")
    assert run_script(text, database.open_session) == text
    assert database.engine.durable is not None
    database.engine.durable.flush()
    killed = database.copy(tmp_path / "killed")
    left = state_of(database.engine)
    database.close()
    for directory in (killed, tmp_path / "database"):
        engine = Engine.open(str(directory))
        assert state_of(engine) == left
        engine.close()


def test_the_comparison_sees_a_difference() -> None:
    one = SqlDatabase("create table t (a int primary key)", "insert into t values (1)")
    other = SqlDatabase("create table t (a int primary key)", "insert into t values (2)")
    assert state_of(one.engine) != state_of(other.engine)


@pytest.mark.parametrize("path", SCRIPTS[::EVERY], ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_script_may_be_interspersed_with_checkpoints(path: Path, tmp_path: Path) -> None:
    """A checkpoint after every command: scripts see nothing of it, and base and log together hold what they left."""
    database = DurableSqlDatabase(tmp_path / "database")
    text = path.read_text(encoding="utf-8")
    assert play_script(text, CheckpointingStepper(database)) == text
    database.flush()
    left = state_of(database.engine)
    killed = database.copy(tmp_path / "killed")
    assert database.checkpoints > 0
    database.close()
    for directory in (killed, tmp_path / "database"):
        engine = Engine.open(str(directory))
        assert state_of(engine) == left
        engine.close()


class CheckpointingStepper(Stepper):
    """Makes a checkpoint after every command."""

    def __init__(self, database: DurableSqlDatabase) -> None:
        super().__init__(database.open_session)
        self._database = database

    def run(self, name: str, command: str) -> list[str]:
        lines = super().run(name, command)
        self._database.checkpoint()
        return lines + self.resume()


@pytest.mark.parametrize("between", ["", "insert into t values (0)"])
def test_a_checkpoint_right_after_what_is_no_commit(tmp_path: Path, between: str) -> None:
    """Records of what is no commit belong to the epoch to come, though a base of the epoch before knows of them."""
    database = DurableSqlDatabase(tmp_path / "database", "create table t (i int); create sequence s")
    session = database.session()
    session.run_all("begin; insert into t values (1); prepare transaction 'g'")
    session.run_all(between)
    session.run_all("begin; insert into t values (2); prepare transaction 'h'")
    session.run_all("select setval('s', 77)")
    session.run_all("begin; select nextval('s'); rollback")
    session.run_all("rollback prepared 'g'")
    database.checkpoint()
    left = state_of(database.engine)
    killed = database.copy(tmp_path / "killed")
    database.close()
    for directory in (killed, tmp_path / "database"):
        again = DurableSqlDatabase(directory)
        assert state_of(again.engine) == left
        assert again.rows("select nextval('s') > 78") == [(True,)]
        again.close()
