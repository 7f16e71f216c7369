"""The operating system's disk keeps what `abc.Disk` promises."""

from __future__ import annotations

import errno
import os
import resource
from pathlib import Path

import pytest

from skerry_engine.abc import Disk
from skerry_engine.log import disk as disk_module
from skerry_engine.log.disk import OsDisk, make_directories
from skerry_engine.log.writer import LogWriter


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    return OsDisk(tmp_path)


def test_what_is_written_is_read_at_any_offset(disk: Disk) -> None:
    file = disk.open("a", create=True)
    file.write(3, b"abcdef")
    assert file.size() == 9
    assert file.read(0, 100) == b"\0\0\0abcdef"
    assert file.read(5, 2) == b"cd"
    assert file.read(9, 1) == b""
    file.write(4, b"XY")
    file.sync()
    file.close()
    assert disk.open("a").read(3, 6) == b"aXYdef"


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
def test_a_write_goes_on_until_all_is_written(
    disk: Disk, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    """The system may write less than it was given, and does so above 2 GiB."""
    pwrite = os.pwrite
    monkeypatch.setattr(disk_module.os, "pwrite", lambda fd, data, at: pwrite(fd, bytes(data)[:limit], at))
    file = disk.open("a", create=True)
    file.write(5, b"0123456789")
    assert file.read(5, 10) == b"0123456789"
    monkeypatch.setattr(disk_module, "MAX_WRITE_BYTES", 4)
    file.write(0, b"abcdefghi")
    assert file.read(0, 15) == b"abcdefghi456789"


def test_a_read_goes_on_until_all_is_read(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    file = disk.open("a", create=True)
    file.write(0, b"0123456789")
    pread = os.pread
    monkeypatch.setattr(disk_module.os, "pread", lambda fd, size, at: pread(fd, min(size, 3), at))
    assert file.read(1, 8) == b"12345678"
    assert file.read(1, 80) == b"123456789"


def test_truncate_cuts_and_lengthens(disk: Disk) -> None:
    file = disk.open("a", create=True)
    file.write(0, b"abc")
    file.truncate(2)
    file.truncate(4)
    assert file.read(0, 9) == b"ab\0\0"


def test_names(disk: Disk) -> None:
    assert disk.list("log") == []
    disk.make_directory("log")
    disk.make_directory("log")
    for name in ("log/b", "log/a", "log/c"):
        disk.open(name, create=True).close()
    disk.sync_directory("log")
    assert disk.list("log") == ["a", "b", "c"]
    disk.rename("log/a", "log/c")
    disk.remove("log/b")
    disk.sync_directory("log")
    assert disk.list("log") == ["c"]
    assert disk.list("") == ["log"]


def test_errors_are_the_systems(disk: Disk) -> None:
    with pytest.raises(FileNotFoundError):
        disk.open("missing")
    with pytest.raises(FileNotFoundError):
        disk.remove("missing")
    with pytest.raises(FileNotFoundError):
        disk.rename("missing", "there")
    with pytest.raises(FileNotFoundError):
        disk.sync_directory("missing")
    disk.open("file", create=True).close()
    with pytest.raises(FileExistsError):
        disk.make_directory("file")
    file = disk.open("file")
    file.close()
    file.close()
    with pytest.raises(OSError) as caught:
        file.read(0, 1)
    assert caught.value.errno == errno.EBADF


def test_a_full_device_is_an_error(disk: OsDisk) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    (disk.path / "full").symlink_to("/dev/full")
    with pytest.raises(OSError) as caught:
        disk.open("full").write(0, b"x")
    assert caught.value.errno == errno.ENOSPC


def test_files_are_for_their_owner_alone(disk: OsDisk) -> None:
    disk.make_directory("log")
    disk.open("log/a", create=True).close()
    assert (disk.path / "log").stat().st_mode & 0o077 == 0
    assert (disk.path / "log/a").stat().st_mode & 0o077 == 0


def test_the_directory_stays_when_the_process_moves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "db").mkdir()
    monkeypatch.chdir(tmp_path)
    disk = OsDisk("db")
    monkeypatch.chdir("/")
    disk.open("a", create=True).close()
    assert (tmp_path / "db" / "a").exists()


def open_descriptors() -> int:
    return len(os.listdir("/dev/fd"))


def test_a_new_segment_needs_no_more_descriptors_than_there_are(disk: OsDisk) -> None:
    """A server may run out of them at any time: that is no reason to lose a database."""
    log = LogWriter.create(disk, bytes(16), 4096)
    for _ in range(3):
        log.prepare()
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken: list[int] = []
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(limits[0], 128), limits[1]))
        with pytest.raises(OSError) as caught:
            while True:
                taken.append(os.open("/dev/null", os.O_RDONLY))
        assert caught.value.errno == errno.EMFILE
        for epoch in range(1, 5):
            log.append(1, epoch, b"x" * 2000)
            group = log.take()
            assert group is not None
            log.write(group, True)
        with pytest.raises(OSError) as caught:
            log.prepare()
        assert caught.value.errno == errno.EMFILE
    finally:
        for descriptor in taken:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert log.position[0] == 4
    log.prepare()
    log.seal()


def test_what_was_opened_is_given_back(tmp_path: Path) -> None:
    before = open_descriptors()
    disk = OsDisk(tmp_path)
    LogWriter.create(disk, bytes(16), 4096).seal()
    assert open_descriptors() > before
    disk.close()
    assert open_descriptors() == before
    disk.sync_directory("")
    assert open_descriptors() == before + 1
    del disk
    assert open_descriptors() == before


def test_directories_are_made_with_what_is_missing_above_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each one's parent is synced: a database must not be gone because its directory is."""
    synced: list[Path] = []
    fsync = os.fsync

    def noted(descriptor: int) -> None:
        synced.append(Path(os.readlink(f"/dev/fd/{descriptor}")))
        fsync(descriptor)

    monkeypatch.setattr(disk_module.os, "fsync", noted)
    make_directories(tmp_path / "a" / "b" / "c")
    assert synced == [tmp_path, tmp_path / "a", tmp_path / "a" / "b"]
    assert (tmp_path / "a/b/c").is_dir()
    make_directories(tmp_path / "a" / "b" / "c")
    assert len(synced) == 3
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(FileExistsError):
            make_directories(path)
