"""Rounds of work that end with SIGKILL, each on what the one before has left.

    round    process: opens the database ── load ............ SIGKILL        as often as asked for
             here:    told ....................................... opens it, checks, closes it (or works on a copy)

The process is forked from one that has everything imported, so that a round takes well under a second.
"""

from __future__ import annotations

import os
import shutil
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import skerry
from skerry.embedded import EmbeddedSource
from support.crash_runs import check_indexes
from support.kill_load import SETUP, Load, Told, check
from support.nursery import Child, Nursery
from support.postgres_server import free_port

START_S = 30.0
PREPARATION = ("skerry_server.cli", "uvloop", "support.kill_rounds:warm_up")
"""What a nursery has to import and call."""


def warm_up() -> None:
    """Do once what takes long when it is done first."""
    with skerry.open() as database:
        database.execute(SETUP)
        Load("", 0, lambda line: None).once(database.connect(autocommit=True))


def work_embedded(path: str, seed: int, told: str, checkpoints: bool) -> None:
    """The process that is killed: clients in its own threads."""
    file = os.open(told, os.O_WRONLY | os.O_APPEND)
    with skerry.open(path):  # the threads share its engine
        # A line is in the file, whole, when `write` returns: the process's end does not concern it any more.
        load = Load(path, seed, lambda line: os.write(file, f"{line}\n".encode()), checkpoints)
        load.start()
        load.join()


def work_as_server(path: str, port: int, log: str) -> None:
    from skerry_server.cli import main

    with open(log, "ab") as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    sys.exit(main(["serve", path, "--port", str(port)]))


class Rounds:
    """A database that is killed again and again."""

    def __init__(self, nursery: Nursery, directory: Path, seed: int, checkpoints: bool = True) -> None:
        self._nursery = nursery
        self.path = directory / "database"
        self.told = Told()
        self.dice = Random(seed)
        self._directory = directory
        self._checkpoints = checkpoints
        with skerry.open(self.path) as database:
            database.execute(SETUP)

    def embedded(self, seconds: float) -> None:
        """A round in which the clients live in the process that is killed."""
        told = self._directory / "told"
        told.write_text("")
        worker = self._nursery.start(
            "support.kill_rounds:work_embedded", str(self.path), self._seed(), str(told), self._checkpoints
        )
        wait_until(lambda: "ack" in told.read_text(), worker)
        time.sleep(seconds)
        worker.kill()
        for line in told.read_text().splitlines():
            self.told.take(line)
        self._look()

    def served(self, seconds: float) -> None:
        """A round in which a server is killed, its clients being here."""
        port = free_port()
        log = str(self._directory / "server.log")
        server = self._nursery.start("support.kill_rounds:work_as_server", str(self.path), port, log)
        wait_until(lambda: answers(port), server)
        lines: list[str] = []
        load = Load(
            f"skerry://skerry@127.0.0.1:{port}/postgres", self._seed(), lines.append, self._checkpoints
        )
        load.start()
        wait_until(lambda: any(line.startswith("ack") for line in lines), server)
        time.sleep(seconds)
        server.kill()
        load.is_over.set()
        load.join()
        for line in lines:
            self.told.take(line)
        self._look()

    def _seed(self) -> int:
        return self.dice.randrange(1 << 30)

    def _look(self) -> None:
        """Open what is left and check it: a copy sometimes, so that the next round finds what was killed."""
        if self.dice.random() < 0.3:
            copy = self._directory / "copy"
            shutil.copytree(self.path, copy)
            with skerry.open(copy) as database:
                _check_copy(database, self.told)
            shutil.rmtree(copy)
            return
        with skerry.open(self.path) as database:
            check(database, self.told)
            _check_engine(database)


def _check_copy(database: skerry.Database, told: Told) -> None:
    """As `check`, without remembering: what is done to a copy is not done to the database."""
    check(database, Told(dict(told.acknowledged), dict(told.tried), dict(told.pledges), told.failures))
    _check_engine(database)


def _check_engine(database: skerry.Database) -> None:
    source = database._source
    assert isinstance(source, EmbeddedSource)
    check_indexes(source.engine)


def answers(port: int) -> bool:
    """Whether somebody listens there."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def wait_until(holds: Callable[[], bool], process: Child) -> None:
    """Wait for something that a process brings about."""
    deadline_s = time.monotonic() + START_S
    while not holds():
        assert process.is_alive(), "the process ended by itself"
        assert time.monotonic() < deadline_s, "the process did not begin in time"
        time.sleep(0.01)
