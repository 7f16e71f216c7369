"""Files for segments are made ahead, where no commit waits for them."""

from __future__ import annotations

import errno
import threading
from pathlib import Path

import pytest
from support.crash_disk import CrashDisk

from skerry_engine.log.disk import OsDisk
from skerry_engine.log.reader import open_log
from skerry_engine.log.spares import SpareMaker
from skerry_engine.log.writer import LogWriter

CLUSTER = bytes(16)
SEGMENT = 4096


def commit(log: LogWriter, epoch: int, size: int = 500) -> None:
    log.append(1, epoch, bytes(size))
    group = log.take()
    assert group is not None
    log.write(group, True)


def wait(maker: SpareMaker) -> None:
    if maker._maker is not None:
        maker._maker.join(30)


def test_commits_always_find_a_file(tmp_path: Path) -> None:
    disk = OsDisk(tmp_path)
    log = LogWriter.create(disk, CLUSTER, SEGMENT)
    maker = SpareMaker(log)
    for epoch in range(1, 100):
        assert log.fits(500)
        commit(log, epoch)
        wait(maker)
        assert not log.wants_spare
    assert log.position[0] > 10
    maker.close()
    log.seal()
    assert len(list(open_log(disk, CLUSTER, 0).records(0))) == 99


def test_one_is_made_at_a_time_and_waited_for_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = LogWriter.create(OsDisk(tmp_path), CLUSTER, SEGMENT)
    maker = SpareMaker(log)
    begun, go_on, made = threading.Event(), threading.Event(), []
    prepare = log.prepare

    class Slow:
        def prepare(self, is_gentle: bool) -> None:
            begun.set()
            assert go_on.wait(30)
            prepare(0, is_gentle)
            made.append(True)

    monkeypatch.setattr(maker, "_writer", Slow())
    for _ in range(5):
        maker.ask()
    assert begun.wait(30)
    closing = threading.Thread(target=maker.close)
    closing.start()
    closing.join(0.05)
    assert closing.is_alive()
    go_on.set()
    closing.join(30)
    assert made == [True]
    assert log.has_spare
    log.close()


def test_a_full_disk_is_logged_and_not_tried_all_the_time(caplog: pytest.LogCaptureFixture) -> None:
    making = CrashDisk()
    LogWriter.create(making, CLUSTER, SEGMENT).close()
    disk = CrashDisk(making.files)
    log = open_log(disk, CLUSTER, 0).writer(SEGMENT)
    maker = SpareMaker(log)
    disk.fail("create", 1, errno.ENOSPC, for_good=True)
    for epoch in range(1, 5):
        commit(log, epoch)
        wait(maker)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "No space left" in caplog.text
    disk.heal()
    maker._not_before_s = 0
    commit(log, 5, 10)
    wait(maker)
    assert log.has_spare
    maker.close()
    log.seal()


def test_a_log_that_has_stopped_is_left_alone(caplog: pytest.LogCaptureFixture) -> None:
    log = LogWriter.create(CrashDisk(), CLUSTER, SEGMENT)
    maker = SpareMaker(log)
    log.close()
    maker.ask()
    maker.close()
    assert caplog.records == []


def test_a_commit_does_not_fail_for_want_of_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is durable already when the thread would be started."""
    log = LogWriter.create(CrashDisk(), CLUSTER, SEGMENT)
    maker = SpareMaker(log)

    def no_thread(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", no_thread)
    for epoch in range(1, 12):
        commit(log, epoch)
    assert log.durable_epoch == 11
    maker.close()
    log.seal()
