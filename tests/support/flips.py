"""Flipped bits in the files of a database: each is opened, and read to the end, in a process that may die of it.

right      everything is there as it was
refused    the opening, or a read, raised what says that the database is damaged, or can't be read
died       the process was stopped: allowed where files are mapped into memory
wrong      anything else
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import traceback
from pathlib import Path
from random import Random

from skerry_engine.engine import Engine
from skerry_engine.errors import DatabaseDamaged, IncompatibleFormat
from support.durable import DurableSqlDatabase, state_of
from support.nursery import Nursery

Flip = tuple[str, int, int]
"""A file, an offset, a bit."""


def digest(engine: Engine) -> str:
    """A fingerprint of everything that an engine holds, whose sessions are closed for it."""
    return hashlib.sha256(repr(sorted(state_of(engine).items())).encode()).hexdigest()


class Victim:
    """A database directory and what it holds.  `older` is what it held before the last commit, whose group, the last
    one and not sealed, begins at `last_group` (segment, offset)."""

    def __init__(self, directory: Path, is_sealed: bool) -> None:
        self.directory = directory / "victim"
        database = DurableSqlDatabase(
            directory / "origin",
            "create table t (id int primary key, v int, s text); create index on t (v); create sequence q",
            "insert into t select i, i % 7, repeat('s', i % 90) from generate_series(1, 700) i",
            "create table gone (i int); insert into gone values (1)",
        )
        session = database.session()
        database.checkpoint()
        session.run_all("begin; update t set v = v + 1 where id % 10 = 3; prepare transaction 'g'")
        session.run_all("drop table gone; create view w as select id from t where v > 3")
        for number in range(20):
            session.run_all(f"update t set s = s || 'more' where id % 20 = {number} and id % 10 <> 3")
        session.run_all("select nextval('q')")
        assert database.engine.durable is not None
        self.last_group = database.engine.durable.log.writer.position
        self.older = digest(database.engine)
        database.session("another").run_all("insert into t values (1000, 1, 'the last')")
        self.whole = digest(database.engine)
        if is_sealed:
            database.close()
            shutil.copytree(directory / "origin", self.directory)
        else:
            database.copy(self.directory)
            database.close()

    def flips(self, dice: Random, count: int) -> list[Flip]:
        """Flips in every file: mostly where something is written, in headers above all."""
        files = [path for path in sorted(self.directory.rglob("*")) if path.is_file() and path.stat().st_size]
        found: list[Flip] = []
        for path in files:
            name = str(path.relative_to(self.directory))
            data = path.read_bytes()
            written = [offset for offset, byte in enumerate(data) if byte]
            share = max(8, count // len(files)) if len(written) > 200 else 40
            for _ in range(share):
                pick = dice.random()
                offset = dice.randrange(min(160, len(data))) if pick < 0.15 else dice.randrange(len(data))
                if 0.15 <= pick < 0.95 and written:
                    offset = dice.choice(written)
                found.append((name, offset, dice.randrange(8)))
        return found

    def run(self, nursery: Nursery, flips: list[Flip], scratch: Path) -> list[tuple[Flip, str]]:
        """What comes of each flip."""
        scratch.mkdir()
        log = scratch / "log"
        log.write_text("")
        outcomes: list[tuple[Flip, str]] = []
        while len(outcomes) < len(flips):
            child = nursery.start(
                "support.flips:open_flipped", str(self.directory), str(scratch), flips[len(outcomes) :]
            )
            child.join()
            lines = log.read_text().splitlines()
            if child.status != 0 and len(lines) < len(flips):
                lines.append("died")
                log.write_text("".join(f"{line}\n" for line in lines))
            outcomes += zip(flips[len(outcomes) : len(lines)], lines[len(outcomes) :], strict=True)
        return [(flip, self.judged(flip, outcome)) for flip, outcome in outcomes]

    def judged(self, flip: Flip, outcome: str) -> str:
        """The outcome of a flip, the fingerprint being compared."""
        name, offset, _ = flip
        if outcome == self.whole:
            return "right"
        segment, begin = self.last_group
        is_last = name == f"log/{segment:08}.log" and offset >= begin
        if outcome == self.older and is_last:
            return "torn"
        if outcome == "died":
            return "died" if name.startswith("base/") else "wrong: died"
        return outcome if outcome == "refused" else f"wrong: {outcome}"


def open_flipped(victim: str, scratch: str, flips: list[Flip]) -> None:
    """In a process of its own: try one flip after the other, telling what came of each."""
    log = os.open(os.path.join(scratch, "log"), os.O_WRONLY | os.O_APPEND)
    copy = os.path.join(scratch, f"copy{os.getpid()}")
    for name, offset, bit in flips:
        shutil.copytree(victim, copy)
        with open(os.path.join(copy, name), "r+b") as file:
            file.seek(offset)
            byte = file.read(1)[0]
            file.seek(offset)
            file.write(bytes([byte ^ 1 << bit]))
        os.write(log, f"{_outcome(copy)}\n".encode())
        shutil.rmtree(copy)


def _outcome(directory: str) -> str:
    try:
        engine = Engine.open(directory)
        try:
            return digest(engine)
        finally:
            engine.close()
    except (DatabaseDamaged, IncompatibleFormat, OSError):
        return "refused"
    except BaseException as error:  # noqa: BLE001 - to be looked at by whoever asked
        traceback.print_exc(file=sys.stderr)
        return json.dumps(f"{type(error).__name__}: {error}")
