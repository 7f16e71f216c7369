"""Deferred views over restarts: kill -9 in the middle of work, clean stops, backups.  Nothing is lost or done twice."""

from __future__ import annotations

import os
import random
import threading
import time
from pathlib import Path

from support.builds import IS_COMPILED
from support.deferred_kills import VIEWS, check, make
from support.nursery import Nursery

import skerry

ROUNDS = int(os.environ.get("SKERRY_KILL_ROUNDS", "4"))
SEED = int(os.environ.get("SKERRY_KILL_SEED", "1")) + IS_COMPILED


def test_killed_in_the_middle(tmp_path: Path) -> None:
    path = str(tmp_path / "database")
    make(path)
    dice = random.Random(SEED)
    with Nursery("skerry", "support.deferred_kills:warm_up") as nursery:
        for _ in range(ROUNDS):
            worker = nursery.start("support.deferred_kills:work", path, dice.randrange(1 << 30))
            time.sleep(dice.uniform(0.2, 0.8))
            worker.kill()
            check(path)


def test_a_clean_stop_leaves_views_that_need_not_be_computed_anew(tmp_path: Path) -> None:
    path = str(tmp_path / "database")
    make(path)
    with skerry.open(path) as database:
        database.execute("UPDATE t SET n = 0 WHERE id < 20")
    assert check(path) == sorted(VIEWS)
    with skerry.open(path) as database:
        database.execute("CREATE TABLE other (a int)")
        for number in range(5):
            database.execute(f"INSERT INTO other VALUES ({number})")
        database.execute("CHECKPOINT")
    assert check(path) == sorted(VIEWS)


def test_a_backup_has_views_that_go_on(tmp_path: Path) -> None:
    path, copy = str(tmp_path / "database"), tmp_path / "copy"
    make(path)
    with skerry.open(path) as database:
        database.execute("UPDATE t SET n = n + 1")
        database.execute(f"BACKUP TO '{copy}'")
    check(str(copy))


def test_no_thread_is_left_when_the_database_is_closed(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    for path in (str(tmp_path / "database"), ":memory:"):
        database = skerry.open(path)
        database.execute("CREATE TABLE t (a int)")
        database.execute("CREATE MATERIALIZED VIEW v WITH (refresh = deferred) AS SELECT sum(a) FROM t")
        for number in range(20):
            database.execute(f"INSERT INTO t VALUES ({number})")
        database.close()
        left = [each.name for each in set(threading.enumerate()) - before]
        assert "skerry deferred views" not in left
