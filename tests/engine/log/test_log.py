"""What is written to the log is read from it: groups, segments, seals, spares; and what is refused."""

from __future__ import annotations

import errno
import os
import queue
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from skerry_engine.errors import DatabaseDamaged, DurabilityLost, HistoryNotRetained, IncompatibleFormat
from skerry_engine.log import disk as disk_module
from skerry_engine.log.disk import OsDisk
from skerry_engine.log.format import Record
from skerry_engine.log.reader import check_log, open_log, read_records
from skerry_engine.log.writer import FIRST_SEGMENT_BYTES, SEGMENT_BYTES, Group, LogWriter

CLUSTER = bytes(range(16))
SMALL = 2560


@pytest.fixture
def disk(tmp_path: Path) -> OsDisk:
    return OsDisk(tmp_path)


def commit(log: LogWriter, epoch: int, size: int = 100, sync: bool = True) -> Record:
    """One record in a group of its own."""
    record = Record(epoch % 200, epoch, bytes([epoch % 256]) * size)
    log.append(*record)
    group = log.take()
    assert group is not None
    log.write(group, sync)
    return record


def records(disk: OsDisk, after: int = 0) -> list[Record]:
    return list(open_log(disk, CLUSTER, after).records(after))


def test_records_come_back_in_order(disk: OsDisk) -> None:
    log = LogWriter.create(disk, CLUSTER)
    wanted = [Record(kind, epoch, bytes(epoch)) for epoch in range(1, 40) for kind in (0, 7, 255)]
    for number, record in enumerate(wanted, 1):
        log.append(*record)
        if number % 5 == 0:
            group = log.take()
            assert group is not None
            assert group.last_epoch == record.epoch == log.last_epoch
            log.write(group, True)
    log.seal()
    contents = open_log(disk, CLUSTER, 0)
    assert list(contents.records(0)) == wanted
    assert list(contents.records(20)) == [record for record in wanted if record.epoch > 20]
    assert (contents.first_epoch, contents.last_epoch, contents.is_sealed, contents.torn) == (
        1,
        39,
        True,
        None,
    )
    assert check_log(disk, CLUSTER) == []


def test_nothing_pending_is_no_group(disk: OsDisk) -> None:
    log = LogWriter.create(disk, CLUSTER)
    assert log.take() is None
    assert not log.has_pending
    log.append(1, 1, b"abc")
    assert log.has_pending
    assert log.pending_bytes == 16
    assert log.take() is not None
    assert log.pending_bytes == 0
    assert log.take() is None


def test_groups_taken_together_are_written_one_after_the_other(disk: OsDisk) -> None:
    log = LogWriter.create(disk, CLUSTER, SMALL)
    groups = []
    for epoch in range(1, 30):
        log.append(1, epoch, b"x" * 300)
        groups.append(log.take())
    assert None not in groups
    with pytest.raises(ValueError, match="group 2 does not follow group 0"):
        log.write(groups[1], True)
    for group in groups:
        log.write(group, False)
    assert log.durable_epoch < log.written_epoch == 29
    log.sync()
    assert log.durable_epoch == log.written_epoch == 29
    log.close()
    assert [record.epoch for record in records(disk)] == list(range(1, 30))


@pytest.mark.parametrize("size", [0, 1, 1000, 3000, 100_000, 300_000, 1_000_000])
def test_a_group_of_any_size(disk: OsDisk, size: int) -> None:
    """Larger than a segment too; what follows it goes into segments of the usual size."""
    log = LogWriter.create(disk, CLUSTER, SMALL)
    wanted = [commit(log, 1), commit(log, 2, size), commit(log, 3), commit(log, 4, size)]
    log.seal()
    assert records(disk) == wanted
    assert check_log(disk, CLUSTER) == []


def test_a_log_goes_on_where_it_was_closed(disk: OsDisk) -> None:
    log = LogWriter.create(disk, CLUSTER, SMALL)
    wanted = []
    for epoch in range(1, 60):
        wanted.append(commit(log, epoch, epoch * 7 % 400))
        if epoch % 3 == 0:
            (log.seal if epoch % 2 else log.close)()
            contents = open_log(disk, CLUSTER, 0)
            assert contents.is_sealed == bool(epoch % 2)
            assert contents.last_epoch == epoch
            log = contents.writer(SMALL)
            assert log.durable_epoch == epoch
    log.close()
    assert records(disk) == wanted


def test_a_sealed_log_that_is_only_opened_stays_as_it_was(disk: OsDisk) -> None:
    log = LogWriter.create(disk, CLUSTER, SMALL)
    commit(log, 1)
    log.seal()
    before = {name: (disk.path / "log" / name).read_bytes() for name in disk.list("log")}
    for _ in range(3):
        open_log(disk, CLUSTER, 0).writer(SMALL).seal()
    open_log(disk, CLUSTER, 0).writer(SMALL).close()
    assert {name: (disk.path / "log" / name).read_bytes() for name in disk.list("log")} == before


def test_a_seal_always_has_room(disk: OsDisk) -> None:
    for size in range(1385, 1400):
        path = disk.path / str(size)
        path.mkdir()
        log = LogWriter.create(OsDisk(path), CLUSTER, SMALL)
        commit(log, 1, size)
        segments = OsDisk(path).list("log")
        log.seal()
        assert OsDisk(path).list("log") == segments
        assert open_log(OsDisk(path), CLUSTER, 0).is_sealed


def test_what_is_pending_is_written_by_a_clean_stop(disk: OsDisk) -> None:
    log = LogWriter.create(disk, CLUSTER)
    log.append(1, 1, b"a")
    log.seal()
    assert records(disk) == [Record(1, 1, b"a")]


def test_a_closed_log_refuses(disk: OsDisk) -> None:
    log = LogWriter.create(disk, CLUSTER)
    commit(log, 1)
    log.close()
    log.close()
    for refused in (lambda: log.append(1, 2, b""), log.take, log.sync, log.seal, log.prepare):
        with pytest.raises(DurabilityLost, match="the log is closed"):
            refused()
    with pytest.raises(DurabilityLost, match="the log is closed"):
        log.release_through(1)


def test_a_new_log_is_small_and_grows_by_whole_segments(disk: OsDisk) -> None:
    log = LogWriter.create(disk, CLUSTER)
    assert (disk.path / "log/00000001.log").stat().st_size == FIRST_SEGMENT_BYTES
    commit(log, 1, FIRST_SEGMENT_BYTES)
    assert (disk.path / "log/00000002.log").stat().st_size == SEGMENT_BYTES
    assert log.position[0] == 2


def test_a_log_may_begin_at_any_epoch(disk: OsDisk) -> None:
    log = LogWriter.create(disk, CLUSTER, SMALL, last_epoch=1000)
    assert (log.last_epoch, log.durable_epoch, log.oldest_epoch()) == (1000, 1000, 1001)
    commit(log, 1001)
    log.close()
    assert [record.epoch for record in records(disk, 1000)] == [1001]
    with pytest.raises(
        DatabaseDamaged, match=r"00000000\.log is damaged at offset 0: missing.*epoch 1000 on"
    ):
        open_log(disk, CLUSTER, 999)


def test_a_log_that_ends_before_its_base_is_damaged(disk: OsDisk) -> None:
    log = LogWriter.create(disk, CLUSTER, SMALL)
    commit(log, 5)
    log.seal()
    assert open_log(disk, CLUSTER, 5).last_epoch == 5
    with pytest.raises(DatabaseDamaged, match=r"the log ends with epoch 5, though the base holds epoch 6"):
        open_log(disk, CLUSTER, 6)


# --- segments: released, recycled, prepared -------------------------------------------------------------------


def test_released_segments_go_oldest_first_and_are_used_again(disk: OsDisk) -> None:
    log = LogWriter.create(disk, CLUSTER, SMALL)
    wanted = [commit(log, epoch, 500) for epoch in range(1, 41)]
    assert log.oldest_epoch() == 1
    log.release_through(0)
    assert log.oldest_epoch() == 1
    log.release_through(20)
    oldest = log.oldest_epoch()
    assert 18 <= oldest <= 21
    assert log.has_spare
    files = set(disk.list("log"))
    wanted += [commit(log, epoch, 500) for epoch in range(41, 46)]
    log.seal()
    assert len(disk.list("log")) == len(files)
    assert records(disk, 20) == wanted[20:]
    assert list(open_log(disk, CLUSTER, 20).records(oldest - 1)) == wanted[oldest - 1 :]
    assert check_log(disk, CLUSTER) == []
    with pytest.raises(HistoryNotRetained, match="after epoch 1 is not retained"):
        list(open_log(disk, CLUSTER, 20).records(1))
    with pytest.raises(DatabaseDamaged, match="missing, and the base does not hold it"):
        open_log(disk, CLUSTER, 1)


def test_the_last_segment_is_never_released(disk: OsDisk) -> None:
    log = LogWriter.create(disk, CLUSTER, SMALL)
    for epoch in range(1, 30):
        commit(log, epoch, 500)
    log.release_through(1000)
    commit(log, 30)
    log.close()
    assert len([name for name in disk.list("log") if name.endswith(".log")]) == 1
    assert open_log(disk, CLUSTER, 29).last_epoch == 30


def test_few_spares_are_kept_and_only_of_the_usual_size(disk: OsDisk) -> None:
    log = LogWriter.create(disk, CLUSTER, SMALL)
    for epoch in range(1, 100):
        commit(log, epoch, 5000 if epoch % 3 else 500)
    log.release_through(99)
    spares = [name for name in disk.list("log") if name.endswith(".spare")]
    assert len(spares) == 8
    assert {(disk.path / "log" / name).stat().st_size for name in spares} == {SMALL}
    log.close()
    log = open_log(disk, CLUSTER, 99).writer(2 * SMALL)
    assert not log.has_spare
    assert [name for name in disk.list("log") if name.endswith(".spare")] == []


def test_recycling_does_not_bring_back_old_records(disk: OsDisk) -> None:
    """Old groups stand behind the end of a recycled segment, at the very places where new ones would."""
    log = LogWriter.create(disk, CLUSTER, SMALL)
    for epoch in range(1, 200):
        commit(log, epoch, 500)
        log.release_through(epoch - 3)
        if epoch % 2:
            log.close()
            contents = open_log(disk, CLUSTER, epoch - 1)
            assert [record.epoch for record in contents.records(epoch - 1)] == [epoch]
            assert contents.torn is None
            log = contents.writer(SMALL)


def test_prepare_makes_room_for_what_does_not_fit(disk: OsDisk) -> None:
    log = LogWriter.create(disk, CLUSTER, SMALL)
    assert log.fits(1000)
    assert not log.fits(2000)
    assert not log.has_spare
    log.prepare(2000)
    assert log.has_spare
    assert log.fits(2000)
    log.append(1, 1, b"x" * 2000)
    assert not log.fits(2000)
    files = disk.list("log")
    commit(log, 2, 0)
    assert len(disk.list("log")) == len(files)
    log.close()
    assert [record.epoch for record in records(disk)] == [1, 2]


def test_a_spare_is_wanted_in_time(disk: OsDisk) -> None:
    log = LogWriter.create(disk, CLUSTER, 16 * SMALL)
    assert not log.wants_spare
    for epoch in range(1, 200):
        commit(log, epoch, 500)
        if log.wants_spare:
            assert log.fits(15 * SMALL // 2 - 2000)
            log.prepare()
            assert not log.wants_spare
        assert log.fits(100)
    assert log.position[0] > 1


def test_what_fits_needs_no_new_file(disk: OsDisk, monkeypatch: pytest.MonkeyPatch) -> None:
    log = LogWriter.create(disk, CLUSTER, SMALL)
    made: list[str] = []
    original = OsDisk.open

    def noted(self: OsDisk, name: str, create: bool = False) -> object:
        if create:
            made.append(name)
        return original(self, name, create)

    monkeypatch.setattr(OsDisk, "open", noted)
    written = 0
    for epoch in range(1, 300):
        size = epoch * 37 % 900
        if not log.fits(size):
            log.prepare(size)
            made.clear()
            assert log.fits(size)
        commit(log, epoch, size)
        assert made == []
        written += 1
    assert written == 299


def test_the_remains_of_making_a_spare_are_removed(disk: OsDisk) -> None:
    log = LogWriter.create(disk, CLUSTER, SMALL)
    commit(log, 1)
    log.prepare()
    log.close()
    (disk.path / "log/00000009.new").write_bytes(b"half")
    (disk.path / "log/00000008.spare").write_bytes(b"too small")
    log = open_log(disk, CLUSTER, 0).writer(SMALL)
    assert disk.list("log") == ["00000001.log", "00000001.spare"]
    assert log.has_spare


# --- reading while it is written ------------------------------------------------------------------------------


def test_records_are_read_while_the_log_goes_on(disk: OsDisk) -> None:
    log = LogWriter.create(disk, CLUSTER, SMALL)
    wanted = [commit(log, epoch, 300) for epoch in range(1, 20)]
    through = log.durable_group
    reading = read_records(disk, CLUSTER, 3, through)
    found = [next(reading) for _ in range(5)]
    for epoch in range(20, 40):
        commit(log, epoch, 300)
    assert found + list(reading) == wanted[3:]
    assert list(read_records(disk, CLUSTER, 39, log.durable_group)) == []


def test_reading_what_is_released_meanwhile_says_so(disk: OsDisk) -> None:
    log = LogWriter.create(disk, CLUSTER, SMALL)
    for epoch in range(1, 20):
        commit(log, epoch, 300)
    reading = read_records(disk, CLUSTER, 0, log.durable_group)
    assert next(reading).epoch == 1
    log.release_through(15)
    for epoch in range(20, 40):
        commit(log, epoch, 300)
    with pytest.raises(HistoryNotRetained):
        list(reading)


def test_commits_writing_and_housekeeping_at_the_same_time(disk: OsDisk) -> None:
    """Four threads, as an engine has them: one appends and takes, one writes, one keeps house, one reads."""
    log = LogWriter.create(disk, CLUSTER, 4 * SMALL)
    groups: queue.Queue[Group | None] = queue.Queue()
    last, released, failed = 600, 0, []

    def appends() -> None:
        for epoch in range(1, last + 1):
            log.append(1, epoch, bytes([epoch % 256]) * (epoch * 31 % 700))
            if epoch % 3 == 0:
                groups.put(log.take())
        groups.put(None)

    def writes() -> None:
        for number, group in enumerate(iter(groups.get, None)):
            assert group is not None
            log.write(group, number % 4 != 0)
        log.sync()

    def keeps_house() -> None:
        nonlocal released
        while log.durable_epoch < last and not failed:
            log.prepare()
            released = max(released, log.durable_epoch - 50)
            log.release_through(released)

    def reads() -> None:
        while log.durable_epoch < last and not failed:
            after = log.oldest_epoch() + 20
            try:
                found = [each.epoch for each in read_records(disk, CLUSTER, after, log.durable_group)]
            except HistoryNotRetained:
                continue
            assert found == list(range(after + 1, after + 1 + len(found)))

    def guarded(body: Callable[[], None]) -> None:
        try:
            body()
        except BaseException as error:  # noqa: BLE001
            failed.append(error)
            groups.put(None)

    threads = [
        threading.Thread(target=guarded, args=(body,)) for body in (appends, writes, keeps_house, reads)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failed == []
    log.seal()
    assert check_log(disk, CLUSTER) == []
    assert released > 100
    wanted = [(epoch, bytes([epoch % 256]) * (epoch * 31 % 700)) for epoch in range(released + 1, last + 1)]
    assert [(each.epoch, each.body) for each in records(disk, released)] == wanted


# --- what is refused ------------------------------------------------------------------------------------------


def rolled(disk: OsDisk) -> None:
    """Five segments of three commits, not sealed."""
    log = LogWriter.create(disk, CLUSTER, SMALL)
    for epoch in range(1, 16):
        commit(log, epoch, 350)
    log.close()
    assert len(disk.list("log")) == 5


@pytest.mark.parametrize("number", [2, 3, 4])
def test_a_missing_segment_in_the_middle(disk: OsDisk, number: int) -> None:
    rolled(disk)
    (disk.path / f"log/0000000{number}.log").unlink()
    epoch = 3 * (number - 1) + 1
    with pytest.raises(
        DatabaseDamaged, match=rf"0000000{number}\.log is damaged at .*missing.* epoch {epoch} on"
    ):
        open_log(disk, CLUSTER, 0)
    assert [finding.file for finding in check_log(disk, CLUSTER)] == [f"log/0000000{number}.log"]


def test_a_missing_first_segment(disk: OsDisk) -> None:
    rolled(disk)
    (disk.path / "log/00000001.log").unlink()
    with pytest.raises(DatabaseDamaged, match=r"00000001\.log is damaged at offset 0: missing.*epoch 2 on"):
        open_log(disk, CLUSTER, 1)
    assert open_log(disk, CLUSTER, 3).last_epoch == 15


def test_no_segment_at_all(disk: OsDisk) -> None:
    with pytest.raises(DatabaseDamaged, match="there is no log segment"):
        open_log(disk, CLUSTER, 0)


def test_a_segment_of_another_database(disk: OsDisk, tmp_path: Path) -> None:
    rolled(disk)
    (tmp_path / "other").mkdir()
    log = LogWriter.create(OsDisk(tmp_path / "other"), bytes(16), SMALL)
    for epoch in range(1, 16):
        commit(log, epoch, 350)
    log.close()
    (tmp_path / "other/log/00000003.log").replace(tmp_path / "log/00000003.log")
    with pytest.raises(DatabaseDamaged, match=r"00000003\.log .*another database; commits from epoch 7 on"):
        open_log(disk, CLUSTER, 0)


def test_a_segment_under_another_name(disk: OsDisk) -> None:
    rolled(disk)
    (disk.path / "log/00000005.log").replace(disk.path / "log/00000004.log")
    with pytest.raises(DatabaseDamaged, match=r"00000004\.log .*it is segment 5 under another name"):
        open_log(disk, CLUSTER, 0)


@pytest.mark.parametrize("size", [0, 100, 512, 2559, 2561, 4096])
def test_a_segment_of_another_size(disk: OsDisk, size: int) -> None:
    rolled(disk)
    with (disk.path / "log/00000003.log").open("r+b") as file:
        file.truncate(size)
    with pytest.raises(DatabaseDamaged, match=r"00000003\.log"):
        open_log(disk, CLUSTER, 0)
    assert check_log(disk, CLUSTER)[0].file == "log/00000003.log"


def test_a_newer_format(disk: OsDisk, monkeypatch: pytest.MonkeyPatch) -> None:
    rolled(disk)
    (disk.path / "log/00000001.log").unlink()
    import skerry_engine.log.format as format_module

    header = format_module.SegmentHeader(CLUSTER, 1, SMALL, 1, 0, 0)
    packed = bytearray(format_module.pack_segment_header(header))
    packed[8:12] = (3).to_bytes(4, "big")
    packed[12:16] = format_module._without_checksum(bytes(packed)).to_bytes(4, "big")
    (disk.path / "log/00000001.log").write_bytes(packed)
    for opening in (open_log, lambda disk, cluster, _: check_log(disk, cluster)):
        with pytest.raises(IncompatibleFormat, match=r"00000001\.log has format version 3"):
            opening(disk, CLUSTER, 0)


def test_all_damage_is_reported_not_only_the_first(disk: OsDisk) -> None:
    rolled(disk)
    for number, offset in ((1, 600), (2, 20), (2, 1000), (4, 1400)):
        path = disk.path / f"log/0000000{number}.log"
        data = bytearray(path.read_bytes())
        data[offset] ^= 1
        path.write_bytes(data)
    found = [(finding.file[-12:], finding.offset, finding.epoch) for finding in check_log(disk, CLUSTER)]
    size = 64 + 13 + 350
    assert found == [
        ("00000001.log", 512, 1),
        ("00000002.log", 0, 4),
        ("00000002.log", 512 + size, 5),
        ("00000004.log", 512 + 2 * size, 12),
    ]
    assert all(finding.is_damage for finding in check_log(disk, CLUSTER))


def test_a_log_is_checked_without_knowing_whose_it_is(disk: OsDisk) -> None:
    rolled(disk)
    assert check_log(disk, None) == []
    for number in (1, 2):
        (disk.path / f"log/0000000{number}.log").write_bytes(bytes(SMALL))
    assert {finding.file[-12:] for finding in check_log(disk, None)} == {"00000001.log", "00000002.log"}
    for number in (3, 4, 5):
        (disk.path / f"log/0000000{number}.log").write_bytes(bytes(SMALL))
    assert len({finding.file for finding in check_log(disk, None)}) == 5


def test_a_log_is_checked_where_it_can_not_be_written(disk: OsDisk, monkeypatch: pytest.MonkeyPatch) -> None:
    rolled(disk)
    original = os.open

    def read_only(path: str, flags: int, *more: int) -> int:
        if flags & (os.O_RDWR | os.O_CREAT):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), path)
        return original(path, flags, *more)

    monkeypatch.setattr(disk_module.os, "open", read_only)
    with pytest.raises(OSError) as caught:
        check_log(disk, CLUSTER)
    assert caught.value.errno == errno.EROFS
    looking = OsDisk(disk.path, read_only=True)
    assert check_log(looking, CLUSTER) == []
    assert len(records(looking)) == 15
    with pytest.raises(OSError):
        looking.open("log/00000001.log").write(0, b"x")
    with pytest.raises(OSError):
        looking.open("new", create=True)


def test_old_segments_are_not_looked_into_until_they_are_read(disk: OsDisk) -> None:
    rolled(disk)
    path = disk.path / "log/00000001.log"
    data = bytearray(path.read_bytes())
    data[600] ^= 1
    path.write_bytes(data)
    contents = open_log(disk, CLUSTER, 3)
    assert contents.last_epoch == 15
    with pytest.raises(DatabaseDamaged, match=r"00000001\.log is damaged at offset 512"):
        list(contents.records(0))
    with pytest.raises(DatabaseDamaged, match=r"00000001\.log is damaged at offset 512"):
        open_log(disk, CLUSTER, 2)
    assert len(check_log(disk, CLUSTER)) == 1


def test_creating_over_a_log_that_holds_commits_is_refused(disk: OsDisk) -> None:
    rolled(disk)
    with pytest.raises(DatabaseDamaged, match=r"no control file, but log/00000001\.log holds commits"):
        LogWriter.create(disk, CLUSTER)
    assert len(records(disk)) == 15


def test_an_interrupted_creation_is_replaced(disk: OsDisk) -> None:
    LogWriter.create(disk, bytes(16)).close()
    log = LogWriter.create(disk, CLUSTER)
    commit(log, 1)
    log.close()
    assert [record.epoch for record in records(disk)] == [1]
