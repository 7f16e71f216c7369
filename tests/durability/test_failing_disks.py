"""Disks that fail: every write, sync, rename and new file, once or for good, with the errors that systems give.

Whatever fails, a client is told, in an error that says what; nothing that was acknowledged is missing when the
database is opened again, and once the log has failed everybody who would commit is told so (DurabilityLost).
"""

from __future__ import annotations

import errno
import os
from random import Random

import pytest
from support.builds import this_builds
from support.crash_disk import CrashDisk
from support.crash_runs import NO_GC, Client, CrashRun

from skerry_engine.durability.database import open_disk
from skerry_engine.engine import Engine
from skerry_engine.errors import DatabaseError

KINDS = ("write", "sync", "create", "open", "rename", "truncate", "remove", "sync_directory")
ERRORS = (errno.ENOSPC, errno.EIO, errno.EROFS, errno.EMFILE)
ORDINARY = ("40", "23", "42", "55", "0A", "25", "22", "3B")
"""Classes of errors that the run's own statements bring about."""
OF_THE_DISK = {
    errno.ENOSPC: {"53100", "58030"},
    errno.EIO: {"58030"},
    errno.EROFS: {"58030"},
    errno.EMFILE: {"53000", "58030"},
}


def _fail_in_the_middle(kind: str, nth: int, error: int, for_good: bool) -> CrashRun:
    """A run whose disk begins to fail half way."""
    run = CrashRun(nth * 31 + error, segment_bytes=4096)
    for _ in range(40):
        run.act()
    run.errors.clear()
    run.disk.fail(kind, nth, error, for_good)
    for _ in range(100):
        run.act()
    return run


def _check_what_clients_were_told(run: CrashRun, error: int) -> None:
    for told in run.errors:
        if told.sqlstate[:2] not in ORDINARY:
            assert told.sqlstate in OF_THE_DISK[error], (told.sqlstate, told.message)
            assert os.strerror(error) in told.message


def _check_that_it_keeps_telling(run: CrashRun) -> None:
    """The log has failed: who commits is told, whoever it is and however often."""
    assert run.durable.log.failure is not None
    for number in range(3):
        before = len(run.errors)
        client = Client(run, "late")
        client.begin(f"insert into u (n) values ({-number})")
        while client.steps is not None:
            assert client.can_go_on, "it waits for a log that has failed"
            client.step()
        assert [each.sqlstate for each in run.errors[before:]] == ["58030"]


def _check_what_is_left(run: CrashRun) -> None:
    """Killed and opened again; and after a power cut."""
    position = len(run.disk.journal)
    run.check(CrashDisk(run.disk.files), position)
    for crashed in run.disk.crashes(Random(position), 4):
        run.check(crashed, position)


@pytest.mark.parametrize(
    ("kind", "error"), this_builds([(kind, error) for kind in KINDS for error in ERRORS])
)
def test_nothing_acknowledged_is_missing_when_something_fails(kind: str, error: int) -> None:
    failed = 0
    for nth in (1, 2, 4):
        for for_good in (False, True):
            run = _fail_in_the_middle(kind, nth, error, for_good)
            run.settle()
            _check_what_clients_were_told(run, error)
            if run.durable.log.failure is not None:
                failed += 1
                _check_that_it_keeps_telling(run)
            run.disk.heal()
            _check_what_is_left(run)
    assert failed > 0 or kind not in ("write", "sync")


def test_a_full_disk_is_no_end_and_once_there_is_room_commits_go_on() -> None:
    run = CrashRun(5, segment_bytes=4096)
    run.settle()
    client = Client(run, "c")
    run.disk.fail("create", 1, errno.ENOSPC, for_good=True)
    for number in range(40):
        _to_the_end(run, client, f"insert into t values ({500 + number}, 0, repeat('x', 500))")
    assert {each.sqlstate for each in run.errors} == {"53100"}
    assert run.durable.log.failure is None
    _to_the_end(run, client, "select count(*) from t")
    refused = len(run.errors)
    run.disk.heal()
    _to_the_end(run, client, "insert into t values (999, 0, repeat('x', 500))")
    assert len(run.errors) == refused
    _check_what_is_left(run)


def _to_the_end(run: CrashRun, client: Client, text: str) -> None:
    client.begin(text)
    while client.steps is not None:
        if client.can_go_on:
            client.step()
        else:
            run.flush_a_part()
        run.note()


@pytest.mark.parametrize("error", ERRORS, ids=errno.errorcode.get)
@pytest.mark.parametrize("kind", [*KINDS, "read", "list", "make_directory"])
def test_an_opening_that_fails_changes_nothing(kind: str, error: int) -> None:
    run = CrashRun(error, segment_bytes=4096)
    run.run(60)
    position = len(run.disk.journal)
    for crashed in run.disk.crashes(Random(error), 2):
        for nth in range(1, 6):
            crashed.fail(kind, nth, error)
            try:
                open_disk(Engine(NO_GC), crashed, segment_bytes=4096).close()
            except (OSError, DatabaseError) as refused:
                assert str(refused)
            crashed.heal()
        run.check(crashed, position)


@pytest.mark.parametrize("error", ERRORS, ids=errno.errorcode.get)
@pytest.mark.parametrize("kind", [*KINDS, "make_directory"])
def test_a_new_database_that_could_not_be_made_is_made_when_the_disk_is_mended(kind: str, error: int) -> None:
    for nth in range(1, 12):
        disk = CrashDisk()
        disk.fail(kind, nth, error)
        try:
            open_disk(Engine(), disk, segment_bytes=4096).close()
        except (OSError, DatabaseError) as refused:
            assert str(refused)
        disk.heal()
        for left in [CrashDisk(disk.files), *disk.crashes(Random(nth), 3)]:
            engine = Engine()
            engine.durable = open_disk(engine, left, segment_bytes=4096)
            assert engine.manager.published >= 1
            engine.close()


def test_who_waits_for_a_commit_that_will_never_end_is_told() -> None:
    run = CrashRun(1)
    run.settle()
    first, second, third = Client(run, "first"), Client(run, "second"), Client(run, "third")
    _to_the_end(run, first, "insert into t values (77, 0, '')")
    first.begin("update t set v = 1 where id = 77")  # is installed, keeps its lock, and waits for the disk
    second.begin("update t set v = 2 where id = 77")
    run.disk.fail("sync", 1, errno.EIO)
    while run.durable.log.failure is None:
        run.flush_a_part()
    third.begin("update t set v = 3 where id = 77")
    for client in (first, second, third):
        while client.steps is not None:
            assert client.can_go_on, client.name
            client.step()
    assert [each.sqlstate for each in run.errors] == ["58030"] * 3
